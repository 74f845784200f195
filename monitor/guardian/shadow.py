"""What a response would have paused, when, for how long, and whether that was right: the report that may arm it.

Decisions in shadow are recorded with their documents as blocks are judged, so a report rests on what was seen then, however far frames have been
thinned since. It covers only the time in which the response, the rule and the policy were what they are now.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlmodel import col

from monitor.guardian.policy.cases import AnyTarget
from monitor.guardian.policy.earned import VERSION, conditions, rules_of
from monitor.guardian.policy.file import BadPolicy, parse_policy
from monitor.guardian.policy.model import Policy, Response
from monitor.rules import RuleFileErrors, RuleSet
from monitor.rules import from_sources as rules_from
from monitor.store import Unit
from monitor.store.journal import ruleset_text
from monitor.store.tables.decisions import PolicyRow
from monitor.store.tables.guardian import PauseRow
from monitor.store.tables.journal import JournalRow, TransitionRow

LONGEST_GAP = 60
"""Seconds between two judged blocks above which the time between them was not watched."""
NEVER = ("refused", "proposed")
"""States of decisions that were no pause."""


class NoReport(Exception):
    """There is nothing to report on: why, and what to do."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """``right``, ``wrong``: numbers of the blocks whose pauses people found right, or false."""

    response: str
    chain: int
    since: int
    until: int
    right: Collection[int] = ()
    wrong: Collection[int] = ()


def shadow_report(unit: Unit, policy: Policy, rules: RuleSet, operators: Mapping[str, str], wanted: Wanted) -> dict[str, Any]:
    """The report as canonical values. Raises NoReport."""
    response = next((r for r in policy.responses if r.name == wanted.response), None)
    if response is None:
        raise NoReport(f"the policy has no response {wanted.response}; it has {', '.join(r.name for r in policy.responses) or 'none'}")
    identities = rules_of(response, rules)
    begun = max(wanted.since, _policy_since(unit, response, operators), _rules_since(unit, response, identities))
    judged, first, last = _judged(unit, begun, wanted.until)
    pauses = [_pause(unit, row, wanted) for row in _rows(unit, response.name, begun, wanted.until)]
    if unknown := sorted({*wanted.right, *wanted.wrong} - {p["block"] for p in pauses}):
        raise NoReport(f"no pause of {response.name} is of block {unknown[0]} in this time")
    return {
        "version": VERSION, "chain": wanted.chain, "response": response.name, "conditions": conditions(response), "rules": identities,
        "from": first, "to": last, "seconds": max(0, last - first), "judged_seconds": judged, "pauses": pauses,
    }  # fmt: skip


def _policy_since(unit: Unit, response: Response, operators: Mapping[str, str]) -> int:
    """Since when, without a break, the policy in force had this very response, in shadow or armed."""
    since: int | None = None
    rows = unit.conn.execute(select(col(PolicyRow.text), col(PolicyRow.since_timestamp)).order_by(col(PolicyRow.seq).desc())).all()
    for row in rows:
        if not _has(row.text, response, operators):
            break
        since = row.since_timestamp
    if since is None:
        raise NoReport(f"no block was judged yet with {response.name} as it stands: let it run in mode shadow")
    return since


def _has(text: str, response: Response, operators: Mapping[str, str]) -> bool:
    try:
        found = parse_policy(text, AnyTarget(), operators)
    except BadPolicy:
        return False
    return any(r.name == response.name and r.mode != "propose" and conditions(r) == conditions(response) for r in found.responses)


def _rules_since(unit: Unit, response: Response, identities: Mapping[str, str]) -> int:
    """Since when the rules behind the alert are what they are."""
    changes = unit.conn.execute(
        select(col(JournalRow.ruleset), col(JournalRow.timestamp))
        .where(col(JournalRow.kind) == "rules")
        .order_by(col(JournalRow.seq).desc())
    ).all()
    since: int | None = None
    for row in changes:
        if not _same_rules(unit, row.ruleset, response, identities):
            if since is None:
                raise NoReport(f"the rules of {response.alert} in the files are not those that are judged: reload them, and let them run")
            return since
        since = int(row.timestamp or 0)
    return since or 0


def _same_rules(unit: Unit, ruleset: str, response: Response, identities: Mapping[str, str]) -> bool:
    try:
        return rules_of(response, rules_from(json.loads(ruleset_text(unit, ruleset))["rules"])) == identities
    except (LookupError, RuleFileErrors, ValueError):
        return False


def _judged(unit: Unit, since: int, until: int) -> tuple[int, int, int]:
    """Seconds that were watched, and the first and last judged block's time."""
    wanted = select(col(JournalRow.timestamp)).where(
        col(JournalRow.kind) == "block",
        col(JournalRow.orphaned_by).is_(None),
        col(JournalRow.timestamp) >= since,
        col(JournalRow.timestamp) <= until,
    )
    watched, first, last = 0, 0, 0
    for found in unit.conn.execute(wanted.order_by(col(JournalRow.timestamp))).scalars():
        timestamp = int(found or 0)
        if not first:
            first = timestamp
        elif timestamp - last <= LONGEST_GAP:
            watched += timestamp - last
        last = timestamp
    return watched, first, last


def _rows(unit: Unit, response: str, since: int, until: int) -> Iterator[PauseRow]:
    columns = PauseRow.__table__.columns  # type: ignore[attr-defined]
    found = unit.conn.execute(
        select(*columns)
        .where(
            col(PauseRow.response) == response, col(PauseRow.state).not_in(NEVER),
            col(PauseRow.observed_timestamp) >= since, col(PauseRow.observed_timestamp) <= until,
        )
        .order_by(col(PauseRow.observed_number), col(PauseRow.id))
    )  # fmt: skip
    return (PauseRow(**row) for row in found.mappings().all())


def _pause(unit: Unit, row: PauseRow, wanted: Wanted) -> dict[str, Any]:
    ended = _end(unit, row.episode)
    verdict = "true" if row.observed_number in wanted.right else "false" if row.observed_number in wanted.wrong else "open"
    return {
        "block": row.observed_number, "hash": row.observed_hash, "timestamp": row.observed_timestamp, "target": row.target, "rule": row.rule,
        "decision": row.evidence, "until": ended, "seconds": None if ended is None else max(0, ended - row.observed_timestamp), "verdict": verdict,
    }  # fmt: skip


def _end(unit: Unit, episode: str) -> int | None:
    """When the alert ended: for so long its cause held. None while it fires."""
    found = unit.conn.execute(
        select(col(JournalRow.timestamp))
        .join(TransitionRow, col(TransitionRow.seq) == col(JournalRow.seq))
        .where(col(TransitionRow.episode) == episode, col(TransitionRow.old) == "firing")
        .order_by(col(JournalRow.seq).desc())
        .limit(1)
    ).scalar_one_or_none()
    return None if found is None else int(found)
