"""Finds in the store what happened and is no alert: pauses that were made, prepared or given up, and rule sets that were taken.

What is looked at is what is committed, a day back, so a crash between the happening and its being owed loses nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import func, select
from sqlmodel import col

from monitor.alerts import happenings
from monitor.alerts.body import moment
from monitor.alerts.consequences import lines
from monitor.alerts.happenings import Happening
from monitor.guardian.consequences import Pauses
from monitor.store import Lease, Store, Unit
from monitor.store.journal import ruleset_text
from monitor.store.tables.guardian import PauseRow
from monitor.store.tables.journal import JournalRow

LOOK_BACK_SECONDS = 86_400.0
LOOK_BACK_ENTRIES = 7_200
_TABLE = PauseRow.__table__  # type: ignore[attr-defined]
_PAUSES: Mapping[str, str] = {
    "verified": "was paused",
    "orphaned": "was paused in a block that is gone: on its way again",
    "failed": "could not be paused",
    "proposed": "should be paused: a person decides",
    "shadow": "would have been paused",
}


class Chronicler:
    """Looks again and again, and remembers how far it has looked, so that a look costs next to nothing."""

    def __init__(self, store: Store, receivers: Sequence[str], pauses: Pauses | None = None) -> None:
        """``pauses``: what is said of a pause beside what became of it."""
        self._store, self._receivers, self._pauses = store, tuple(receivers), pauses
        self._seq: int | None = None
        self._known: frozenset[tuple[str, str]] = frozenset()

    async def work(self, lease: Lease, now: float) -> int:
        """One look. Returns the number of messages newly owed. Raises LeaseLost and store errors."""
        if not self._receivers:
            return 0
        found, newest = await self._store.look(lambda unit: _find(unit, self._seq, now))
        fresh = [h for h in found if (h.what, h.identity) not in self._known]
        owed = (
            await self._store.run(lambda unit: happenings.owe(unit, self._receivers, [self._told(unit, h) for h in fresh], now), lease)
            if fresh
            else 0
        )
        self._seq, self._known = newest, frozenset((h.what, h.identity) for h in found)
        return owed

    def _told(self, unit: Unit, happening: Happening) -> Happening:
        """A pause with what it does and costs, who can undo it, and what to type."""
        if self._pauses is None or happening.what != "pause":
            return happening
        row = unit.conn.execute(select(_TABLE).where(_TABLE.c.id == happening.identity.rpartition(".")[0])).mappings().first()
        found = None if row is None else self._pauses.of_decision(unit.conn, PauseRow(**row))
        return happening if found is None else replace(happening, lines=(*happening.lines, *lines(found.as_json())[1:]))


def _find(unit: Unit, seq: int | None, now: float) -> tuple[list[Happening], int]:
    """What happened since the journal's entry ``seq``, and of the pauses all of a day; and the newest entry."""
    newest = unit.conn.execute(select(func.max(col(JournalRow.seq)))).scalar_one()
    newest = -1 if newest is None else int(newest)
    since = max(-1, newest - LOOK_BACK_ENTRIES) if seq is None else seq
    return [*_rules(unit, since), *_pauses(unit, now)], newest


def _rules(unit: Unit, since: int) -> Iterator[Happening]:
    columns = (col(JournalRow.seq), col(JournalRow.timestamp), col(JournalRow.seen_at), col(JournalRow.ruleset))
    wanted = select(*columns).where(col(JournalRow.seq) > since, col(JournalRow.kind) == "rules").order_by(col(JournalRow.seq))
    for row in unit.conn.execute(wanted).all():
        before = select(col(JournalRow.ruleset)).where(col(JournalRow.seq) < row.seq).order_by(col(JournalRow.seq).desc()).limit(1)
        yield _taken(unit, row, unit.conn.execute(before).scalar_one_or_none())


def _taken(unit: Unit, row: Any, before: str | None) -> Happening:
    new = _files(unit, row.ruleset)
    old = None if before is None else _files(unit, before)
    if old is None:
        title, lines = f"Began with {len(new)} rule files", list[str]()
    else:
        lines = list(_changes(old, new))
        title = "Other rules were taken" if lines else "The same rules go on over other collectors"
    at = max(float(row.timestamp or 0), row.seen_at)
    return Happening("reload", f"{row.ruleset[:16]}.{row.seq}", title, at, None, (*lines, f"rule set {row.ruleset[:12]}"))


def _files(unit: Unit, ruleset: str) -> Mapping[str, str]:
    try:
        found: Mapping[str, str] = json.loads(ruleset_text(unit, ruleset))["rules"]
    except LookupError:
        return {}
    return found


def _changes(old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[str]:
    for word, names in (
        ("changed", [n for n in new if n in old and old[n] != new[n]]),
        ("added", [n for n in new if n not in old]),
        ("removed", [n for n in old if n not in new]),
    ):
        if names:
            yield f"{word}: {', '.join(sorted(n.rsplit('/', 1)[-1] for n in names))}"


def _pauses(unit: Unit, now: float) -> Iterator[Happening]:
    lately = col(PauseRow.decided_at) >= now - LOOK_BACK_SECONDS
    for row in unit.conn.execute(select(*_TABLE.columns).where(col(PauseRow.state).in_([*_PAUSES, "reported"]), lately)).mappings():
        yield _pause(PauseRow(**row))


def _pause(row: PauseRow) -> Happening:
    state = "verified" if row.state == "reported" else row.state
    settled = row.verified_at if state == "verified" and row.verified_at is not None else row.decided_at
    at = max(settled, float(row.observed_timestamp))
    lines = [f"rule {row.rule} at block {row.observed_number} · response {row.response}: {row.reason}"]
    if state == "verified" and row.resumes_timestamp is not None:
        lines.append(f"resumes by itself at {moment(row.resumes_timestamp)}, unless somebody resumes it before")
    lines += [f"transaction {row.mined_tx} in block {row.mined_number}"] if row.mined_tx else []
    lines += [row.note] if row.note else []
    labels = {"target": row.target, "response": row.response, "outcome": state}
    ends = float(row.resumes_timestamp) if state == "verified" and row.resumes_timestamp is not None else None
    return Happening("pause", f"{row.id}.{state}", f"{row.target} {_PAUSES[state]}", at, ends, tuple(lines), labels)
