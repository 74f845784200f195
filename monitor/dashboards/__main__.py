"""``python -m monitor.dashboards [FOLDER]`` writes the dashboards' files anew; ``dashboards`` without a folder."""

from __future__ import annotations

import sys
from pathlib import Path

from monitor import rules
from monitor.dashboards import built, written

if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path("dashboards")
    for name, board in built(rules.load([Path("rules/packs")])).items():
        (folder / name).write_text(written(board), "utf-8")
