"""Says which Debian packages the tests want that are not here. ``python -m tests.needs``; fails in CI, where nothing may be skipped."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

PACKAGES = {
    "postgresql": lambda: any(Path("/usr/lib/postgresql").glob("*/bin/initdb")),
    "chromium": lambda: shutil.which("chromium") is not None,
    "prometheus": lambda: shutil.which("promtool") is not None and shutil.which("prometheus") is not None,
    "openssl": lambda: shutil.which("openssl") is not None,
    "prometheus-alertmanager": lambda: shutil.which("prometheus-alertmanager") is not None,
}


def missing() -> list[str]:
    """Names of the Debian packages whose programs are not found."""
    return [name for name, there in PACKAGES.items() if not there()]


if __name__ == "__main__":
    lacking = missing()
    if lacking:
        print(f"some tests need more: sudo apt-get install {' '.join(lacking)} (without it they are skipped)", file=sys.stderr)
    sys.exit(1 if lacking and os.environ.get("CI") else 0)
