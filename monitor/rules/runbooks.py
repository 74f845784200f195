"""Where a rule's runbook is: ``runbook_url`` is a web address, or a path such as ``docs/runbooks/lido.md#anchor``, whose file the status page shows."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import quote

from monitor.rules.files import RuleSet

PAGES = "/runbooks/"
"""Below this the status page shows them."""
LONGEST = 300
_PATH = re.compile(r"(?:[A-Za-z0-9_][\w.-]*/)*[A-Za-z0-9_][\w.-]*\.md", re.ASCII)
"""A relative path of plain names: none is hidden, and none leads upwards."""


def file_of(runbook_url: str) -> str | None:
    """The Markdown file in the folder of runbooks: what stands after ``runbooks/`` in the path, or all of it. None for anything but a plain path."""
    path = runbook_url.strip().partition("#")[0]
    if len(path) > LONGEST or not _PATH.fullmatch(path):
        return None
    parts = path.split("/")
    return "/".join(parts[parts.index("runbooks") + 1 :]) if "runbooks" in parts[:-1] else path


def page_of(runbook_url: str) -> str | None:
    """Where the status page shows it: ``/runbooks/lido.md#anchor``. None for anything but a plain path."""
    name = file_of(runbook_url)
    if name is None:
        return None
    anchor = runbook_url.strip().partition("#")[2][:LONGEST]
    return f"{PAGES}{name}" + (f"#{quote(anchor, errors='replace')}" if anchor else "")


def runbooks(rules: RuleSet, folder: Path) -> dict[str, Path]:
    """The files that some alert names by a path, by their name below ``PAGES``; whether they are there is not looked at."""
    named = (file_of(rule.annotation("runbook_url") or "") for rule in rules.alerts)
    return {name: folder / name for name in sorted({n for n in named if n is not None})}
