"""What alerts say of a pause: of which target, what became of it, what it does and costs, who can undo it, and what to type next.

An alert that a response matches may lead to one. An alert that names a target of the guardian in its label ``target`` is about one while
the target is paused, or was decided on lately.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from sqlalchemy import Connection, or_, select
from sqlmodel import col

from monitor.alerts.consequences import Consequence, Teller
from monitor.alerts.desk import Episode
from monitor.guardian.effect import Effect, effect_of
from monitor.guardian.execution.ledger import DONE, IN_POOL, NEEDLESS, UNSENT
from monitor.guardian.policy import Policy, Response
from monitor.guardian.settings import GuardianSettings
from monitor.model import Address, Labels
from monitor.store.tables.decisions import DecisionRow
from monitor.store.tables.guardian import PauseRow
from monitor.store.tables.journal import CollectorStateRow, JournalRow

LATELY_SECONDS = 6 * 3600
"""For so long a decision has a part in an alert about its target: as long as the rules about the guardian count it."""
_MOST_ROWS = 200
_TITLES = {
    "automatic": "possible: made by itself when both conditions have held for long enough",
    "propose": "possible: a person is asked to decide",
    "shadow mode": "possible: only recorded (shadow), nothing is done by itself",
    "on its way": "on its way: it goes on by itself",
    "held up": "held up: nothing is sent while it does not hold at the newest judged block; pause by hand if it has to be paused",
    "stuck": "stuck on its way: pause by hand",
    "over": "over: it is not paused now",
    "failed": "failed: pause by hand if it has to be paused",
    "proposed": "proposed: you decide",
    "refused": "refused: the service does not make it by itself",
    "needless": "not needed: it was paused already",
    "withdrawn": "given up before anything was sent: what led to it holds no more",
    "shadow": "only recorded (shadow): nothing was done",
    "shadowed": "only told by an event: the contract has it in shadow, nothing was paused",
}
"""By state; the first three where a response matches and nothing is recorded yet."""
_BY_HAND = ("held up", "stuck", "failed", "proposed", "refused")
"""States in which people have to pause it, if it has to be paused."""
_NEXT = {
    "paused": "nothing to type to keep it so; see whether the cause goes on",
    "on its way": "nothing to type: GuardianTargetPaused or GuardianPauseFailed tells how it went",
}
_FIRST = ("on its way", "held up", "stuck")
_SECOND = ("failed", "proposed", "refused")
_COLUMNS = PauseRow.__table__.columns  # type: ignore[attr-defined]


@dataclass(frozen=True)
class Pauses:
    """What is needed to tell: the targets, what may be done about alerts, and names for addresses. Calling it gives the teller of a transaction."""

    settings: GuardianSettings
    policy: Policy = field(default_factory=Policy)
    names: Mapping[Address, str] = field(default_factory=dict)

    def __call__(self, conn: Connection) -> Teller:
        return _Telling(self, conn).of

    def of_decision(self, conn: Connection, row: PauseRow) -> Consequence | None:
        """One decision, for the record that it was come to, which tells itself why; None for a target that the settings do not have any more."""
        return None if row.target not in self._targets else _Telling(self, conn).told(row.target, row, None, reasons=False)

    @cached_property
    def _targets(self) -> frozenset[str]:
        return frozenset(t.name for t in self.settings.targets)

    @cached_property
    def _matched(self) -> dict[Labels, tuple[tuple[Response, ...], str | None]]:
        return {}

    def responses(self, labels: Labels) -> tuple[Response, ...]:
        """The responses that an alert may lead to, one a target."""
        return self._lookup(labels)[0]

    def about(self, labels: Labels) -> str | None:
        """The target that an alert is about."""
        return self._lookup(labels)[1]

    def _lookup(self, labels: Labels) -> tuple[tuple[Response, ...], str | None]:
        """Remembered, since it is asked each second of every alert that fires."""
        if labels not in self._matched:
            if len(self._matched) > 20_000:
                self._matched.clear()
            responses = tuple(r for r in self.policy.first_per_target(labels) if r.target in self._targets)
            named = dict(labels).get("target")
            self._matched[labels] = responses, named if named in self._targets else None
        return self._matched[labels]


class _Telling:
    """The look into one transaction: nothing is read before an alert has to do with a pause, and nothing twice."""

    def __init__(self, own: Pauses, conn: Connection) -> None:
        self._own, self._conn = own, conn
        self._effects: dict[str, Effect] = {}

    def of(self, episodes: Sequence[Episode]) -> tuple[Consequence, ...]:
        """One a target, those first that the worst alerts lead to."""
        targets: dict[str, Response | None] = {}
        for episode in episodes:
            for response in self._own.responses(episode.labels):
                targets[response.target] = targets.get(response.target) or (response if episode.firing else None)
            if (about := self._own.about(episode.labels)) is not None:
                targets.setdefault(about, None)
        is_open = any(e.firing for e in episodes)
        found = (self.told(t, self._row(t, episodes), response, is_open=is_open) for t, response in sorted(targets.items()))
        return tuple(c for c in found if c is not None)

    def told(
        self, target: str, row: PauseRow | None, response: Response | None, *, is_open: bool = True, reasons: bool = True
    ) -> Consequence | None:
        """What is to say of a target: ``row`` is what was decided, ``response`` what may be; None when it is nothing."""
        effect = self._effect(target)
        state = "" if row is None else self._state(row, effect)
        if effect.paused and state not in _FIRST:
            state = "paused"
        elif row is not None and state == "paused":
            effect = replace(effect, paused=True, ends=_end(row) if effect.lapses else None, by="")
        if row is None and state != "paused":
            if response is None:
                return None
            state = "shadow mode" if response.mode == "shadow" else response.mode
        facts = _decided(row, state) if row is not None and reasons else ()
        facts += effect.facts if is_open or state == "paused" else ()
        facts += (("next", _NEXT[state]),) if is_open and state in _NEXT else ()
        if row is not None and not self._has_document(row):
            facts += (("decision", row.id),)
        title = _title(state, row, effect)
        commands = tuple(self._commands(row, state, effect, is_open))
        ends = effect.ends if state == "paused" else None
        return Consequence(target, state, title, facts, commands, None if row is None else row.id, ends)

    # ------------------------------------------------------------ what became of it

    def _row(self, target: str, episodes: Sequence[Episode]) -> PauseRow | None:
        """The decision that matters most: what is on its way or holds, then what people have to decide, then the newest."""
        own, abouts = {e.episode for e in episodes}, [e for e in episodes if self._own.about(e.labels) == target]
        since = min((e.since_timestamp for e in abouts), default=None)
        found = [
            r
            for r in self._rows(target, frozenset(own), None if since is None else since - LATELY_SECONDS)
            if r.episode in own or since is not None
        ]
        effect = self._effect(target)
        return min(found, key=lambda r: (_rank(self._state(r, effect)), -r.decided_at, r.id), default=None)

    def _rows(self, target: str, episodes: frozenset[str], since: int | None) -> list[PauseRow]:
        own = col(PauseRow.episode).in_(sorted(episodes))
        wanted = own if since is None else or_(own, col(PauseRow.observed_timestamp) >= since)
        query = select(*_COLUMNS).where(col(PauseRow.target) == target, wanted).order_by(col(PauseRow.decided_at).desc()).limit(_MOST_ROWS)
        return [PauseRow(**row) for row in self._conn.execute(query).mappings()]

    def _state(self, row: PauseRow, effect: Effect) -> str:
        if row.state in DONE:
            # What was read back in a block that is not judged yet is on as far as anybody knows.
            if effect.paused is False and (row.mined_number or 0) <= self._judged:
                return "over"
            return "paused" if effect.paused or row.resumes_timestamp is not None else "on its way"
        if row.state in (*UNSENT, *IN_POOL, "orphaned"):
            held_up = row.standing is False and row.state not in IN_POOL
            return "stuck" if row.paged_at is not None else "held up" if held_up else "on its way"
        return "needless" if row.state == "refused" and row.note == NEEDLESS else row.state

    def _commands(self, row: PauseRow | None, state: str, effect: Effect, is_open: bool) -> Iterable[tuple[str, str]]:
        if is_open and (state in _BY_HAND or (row is None and state != "paused")):
            yield from by_hand(effect)
        if row is not None and self._has_document(row):
            yield "evidence", f"stakewarden guardian evidence {row.id}"

    # ------------------------------------------------------------ reading

    def _effect(self, target: str) -> Effect:
        if target not in self._effects:
            self._effects[target] = effect_of(self._own.settings.target(target), self._known, self._own.names)
        return self._effects[target]

    @cached_property
    def _known(self) -> Mapping[str, Any]:
        query = select(col(CollectorStateRow.known)).where(col(CollectorStateRow.collector) == "guardian")
        text = self._conn.execute(query.order_by(col(CollectorStateRow.seq).desc()).limit(1)).scalar_one_or_none()
        return json.loads(text) if text else {}

    @cached_property
    def _judged(self) -> int:
        blocks = select(col(JournalRow.number)).where(col(JournalRow.kind) == "block", col(JournalRow.orphaned_by).is_(None))
        return self._conn.execute(blocks.order_by(col(JournalRow.seq).desc()).limit(1)).scalar_one_or_none() or 0

    def _has_document(self, row: PauseRow) -> bool:
        query = select(col(DecisionRow.digest)).where(col(DecisionRow.pause) == row.id).limit(1)
        return self._conn.execute(query).first() is not None


def by_hand(effect: Effect) -> Iterable[tuple[str, str]]:
    """What people type to pause it."""
    if effect.has_key or not effect.has_safe:
        yield "to pause", f'stakewarden guardian pause {effect.target} --reason "..."'
    if effect.has_safe:
        yield "with a Safe", f"stakewarden guardian safe prepare {effect.target}"


def _end(row: PauseRow) -> int | None:
    """When the pause that was read back ends; the store's largest number stands for an open end."""
    return None if row.resumes_timestamp == 2**63 - 1 else row.resumes_timestamp


def _rank(state: str) -> int:
    return 0 if state in (*_FIRST, "paused") else 1 if state in _SECOND else 2


def _title(state: str, row: PauseRow | None, effect: Effect) -> str:
    if state != "paused":
        return f"pause of {effect.target} {_TITLES[state]}"
    mined = f"by order of sentinels since block {row.mined_number}" if row is not None and row.state in DONE else effect.by
    return f"pause of {effect.target} on{' ' if mined else ''}{mined}: it ends {effect.end}"


def _decided(row: PauseRow, state: str) -> tuple[tuple[str, str], ...]:
    """From what it was decided, and what came in its way."""
    why = (("from", f"rule {row.rule} at block {row.observed_number}, response {row.response} ({row.mode})"),)
    again = "; it is looked at again at each block" if state == "refused" and row.standing is None else ""
    note = (("why" if state in _BY_HAND else "note", row.note + again),) if row.note else ()
    mined = (("transaction", f"{row.mined_tx} in block {row.mined_number}"),) if row.mined_tx and row.state in DONE else ()
    return (*why, *note, *mined)
