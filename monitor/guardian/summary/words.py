"""Words of the account, safe in Markdown."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime

from monitor.alerts.body import moment
from monitor.guardian.summary.found import Episode

_SPECIAL = re.compile(r"([\\`*_{}\[\]()<>#+!|~&@:-])")
_ENDS = {"expired": "was no longer shown", "retracted": "was taken back by a reorganisation", "withdrawn": "ended with its rule"}


def escaped(text: str) -> str:
    """Text that Markdown shows as it is, on one line: no markup, link, mention or table cell of its own."""
    return _SPECIAL.sub(r"\\\1", _plain(text)).replace("www.", "www\\.")


def code(text: str) -> str:
    """Text as code, in a table too: the fence is longer than any run of backticks in it."""
    plain = _plain(text).replace("|", "\\|")
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", plain)), default=0))
    edge = " " if plain.startswith("`") or plain.endswith("`") or not plain else ""
    return f"{fence}{edge}{plain}{edge}{fence}"


def ended(episode: Episode) -> str:
    """How an alert ended."""
    row = episode.row
    if row.ended_timestamp is None or row.ended_number is None:
        return "still fires"
    return f"{_ENDS.get(row.state, 'was ' + row.state)} at block {row.ended_number} ({moment(row.ended_timestamp)})"


def resumer(labels: Mapping[str, str]) -> str:
    """Who resumed, as far as it can be told."""
    if labels.get("account"):
        return code(labels["account"])
    if labels.get("holder"):
        return f"most likely {code(labels['holder'])}, which alone held the right to resume,"
    return "a holder of the right to resume"


def clock(at: float) -> str:
    """Date and time to the millisecond, UTC."""
    return datetime.fromtimestamp(at, UTC).isoformat(" ", "milliseconds").removesuffix("+00:00")


def _plain(text: str) -> str:
    """Without control characters, and without those that reorder or hide text."""
    return "".join(" " if c in "\n\r\t" else c for c in text if c in "\n\r\t" or unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Co"))
