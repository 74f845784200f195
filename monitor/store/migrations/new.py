"""Write a schema revision from the difference between the last one and the tables: ``python -m monitor.store.migrations.new "message"``.

``--first`` replaces all revisions by one that makes every table: only before the first release.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from alembic import command
from alembic.operations.ops import MigrationScript

from monitor.store import migrations
from monitor.store.engine import make_engine, parse

VERSIONS = Path(__file__).parent / "versions"


def new(message: str, first: bool = False) -> Path | None:
    """Write the revision; its path, or None when the tables have not changed."""
    if first:
        for old in VERSIONS.glob("[0-9]*.py"):
            old.unlink()
    number = f"{len(list(VERSIONS.glob('[0-9]*.py'))) + 1:04d}"
    slug = re.sub(r"[^a-z0-9]+", "_", message.lower()).strip("_")[:50]
    with tempfile.TemporaryDirectory() as directory:
        engine = make_engine(parse(f"sqlite:///{directory}/empty.db"))
        try:
            with engine.begin() as connection:
                config = migrations.config(connection)
                config.set_main_option("file_template", f"{number}_{slug}")
                if number != "0001":
                    command.upgrade(config, "head")
                written = command.revision(config, message, autogenerate=True, rev_id=number, process_revision_directives=_drop_empty)
        finally:
            engine.dispose()
    scripts = [script for script in (written if isinstance(written, list) else [written]) if script is not None]
    if not scripts:
        return None
    path = Path(scripts[0].path)
    path.write_text("".join(line for line in path.read_text().splitlines(keepends=True) if not line.strip().startswith("# ###")))
    for arguments in (["check", "--fix", "--quiet"], ["format", "--quiet"]):
        subprocess.run([sys.executable, "-m", "ruff", *arguments, str(path)], check=True)
    return path


def _drop_empty(_context: Any, _revision: Any, directives: list[MigrationScript]) -> None:
    operations = directives[0].upgrade_ops
    if operations is not None and operations.is_empty():
        directives.clear()


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("message", help="what the revision does, in a few words")
    parser.add_argument("--first", action="store_true", help="replace all revisions by one")
    arguments = parser.parse_args()
    path = new(arguments.message, arguments.first)
    sys.stderr.write(f"wrote {path}\n" if path else "the tables have not changed: nothing to write\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
