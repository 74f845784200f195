"""The account of a pause as Markdown: what the store has, in order, with what people must add marked as such. Pure.

Alerts, labels, reasons and names may hold text from the chain, which anybody can write: everything is escaped. Times are the service's own clock; a
block's is when the service saw it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from monitor.alerts.body import moment
from monitor.guardian.execution import ledger
from monitor.guardian.settings import GuardianSettings
from monitor.guardian.summary.found import Episode, Found, Told
from monitor.guardian.summary.story import sentences, title
from monitor.guardian.summary.timeline import At, timeline
from monitor.guardian.summary.words import clock, code, ended, escaped

TO_FILL_IN = "**To fill in:**"
OWN_TROUBLE = re.compile(r"Blind|Endpoint|Head|Beacon|Judging|RuleErrors|Epochs|Keys|StateGap|ChainLost|Deliver|Canary")
"""Alerts about ourselves: while they fire, something is not seen or not told."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a pause of the target means, in its owner's words; empty where they are not told."""

    stops: str = ""
    goes_on: str = ""
    cost: str = ""

    @classmethod
    def of(cls, settings: GuardianSettings | None, target: str) -> Meaning:
        """As the settings tell it; a target that they do not have any more means nothing."""
        found = next((t for t in settings.targets if t.name == target), None) if settings is not None else None
        return cls() if found is None else cls(found.stops, found.goes_on, found.cost)


def written(found: Found, meaning: Meaning, chain: int, now: float) -> str:
    """The whole document. ``now``: when it is written, wall time."""
    parts = [
        f"# {title(found)}", f"Written {moment(now)} from the store of Stakewarden, chain {chain}. {TO_FILL_IN} marks what only people know.",
        "## What happened", " ".join(sentences(found)),
        "## Timeline", _timeline(timeline(found)),
        "## What the rule saw", *_values(found),
        "## Evidence", *_evidence(found),
        "## How long it took", *_latencies(found),
        "## What the pause meant", *_meaning(found, meaning),
        "## What was not seen", *_blind(found),
        "## Other alerts of that time", *_beside(found),
        "## Left open", *_open(found, meaning),
    ]  # fmt: skip
    return "\n\n".join(parts) + "\n"


# ---------------------------------------------------------------- the parts


def _timeline(entries: Iterable[At]) -> str:
    rows = [f"| {clock(e.at)} | {'' if e.block is None else e.block} | {e.what} |" for e in entries]
    return "\n".join(["| time (UTC) | block | what |", "| --- | --- | --- |", *rows])


def _values(found: Found) -> Iterator[str]:
    body = found.document
    if body is None:
        if found.cause is None:
            yield "No rule led to this pause."
        else:
            yield f"{code(found.cause.name)} had the value {code(found.cause.row.value)} at block {found.cause.row.since_number}."
        return
    yield f"Rule {code(body['rule']['id'])}: {code(body['rule']['expr'])}"
    yield f"Second condition: {code(body['response']['second'])}"
    held = [
        f"| {moment(at)} | {code(first or 'does not hold')} | {code(second or 'does not hold')} |" for at, first, second in body["points"]
    ]
    yield "\n".join(["| block time (UTC) | the rule's value | the second condition's |", "| --- | --- | --- |", *held])
    rows = [
        f"| {code(_series(row['labels']))} | {moment(at)} | {code(value) if row['known'] else 'unknown'} |"
        for answer in body["samples"] for row in answer["rows"] for at, value in row["points"]
    ]  # fmt: skip
    yield "\n".join(["| sample | block time (UTC) | value |", "| --- | --- | --- |", *dict.fromkeys(rows)])


def _series(labels: Mapping[str, str]) -> str:
    name = labels.get("__name__", "")
    pairs = ",".join(f'{k}="{v}"' for k, v in sorted(labels.items()) if k != "__name__")
    return f"{name}{{{pairs}}}"


def _evidence(found: Found) -> Iterator[str]:
    if found.decision is None:
        yield "There is no decision, so there is no document to verify. What people were told is in the timeline."
        return
    row = found.decision.row
    if found.document is None:
        yield f"No document was made of this decision. The digest of what the rule saw is {code(row.evidence)}."
        return
    yield f"The decision's document has the hash {code(row.evidence)}. Whoever has the rule files, the policy and the baseline of that day can recompute it without a chain:"
    yield f"```\nstakewarden guardian evidence {row.id} -o decision.json\nstakewarden guardian verify decision.json --decision {row.evidence}\n```"
    signed = found.execution.get("decision")
    if signed and signed != row.evidence:
        order = found.execution.get("order") or {}
        yield f"The order that was executed is of block {order.get('observed_block', 'unknown')}, at which the decision still held; its document has the hash {code(str(signed))}."
    yield f"Behind the block stood: {', '.join(code(e) for e in json.loads(row.agreed)) or 'nobody'}."


def _latencies(found: Found) -> Iterator[str]:
    rows = [f"| {what} | {max(0.0, seconds):.3f} |" for what, seconds in _steps(found)]
    yield "\n".join(["| from → to | seconds |", "| --- | --- |", *rows]) if rows else "Nothing was measured."


def _steps(found: Found) -> Iterator[tuple[str, float]]:
    cause = found.cause or found.paused
    if cause is not None:
        yield f"block {cause.row.since_number} seen → judged", cause.row.judged_at - cause.row.seen_at
    for told in found.incidents:
        alerts, opened = ", ".join(map(escaped, told.alerts)), told.row.opened_at
        for d in told.deliveries:
            if d.kind == "open" and d.sent_at is not None:
                yield f"incident opened → told to {escaped(d.receiver)} ({alerts})", d.sent_at - opened
        if told.row.acknowledged_at is not None:
            yield f"incident opened → acknowledged ({alerts})", told.row.acknowledged_at - opened
    if found.decision is not None:
        for step, seconds in ledger.latencies(found.decision.row).items():
            yield f"decided → {step}", seconds


def _meaning(found: Found, meaning: Meaning) -> Iterator[str]:
    told = (("It stopped", meaning.stops), ("It left going", meaning.goes_on), ("It cost", meaning.cost))
    would = found.paused is None
    lines = [f"- {what.replace('It ', 'It would have ', 1) if would else what}: {escaped(text)}" for what, text in told if text]
    missing = [what.lower() for what, text in told if not text]
    if missing:
        lines.append(f"- {TO_FILL_IN} what {' and '.join(missing)} (`guardian.targets` in the settings says nothing of it).")
    yield "\n".join(lines)


def _blind(found: Found) -> Iterator[str]:
    lines = [*_unseen(found)]
    yield "\n".join(lines) if lines else "Nothing, as far as the store knows: no alert about ourselves, no gap, no reorganisation."


def _unseen(found: Found) -> Iterator[str]:
    for e in filter(_says_blind, found.beside):
        yield f"- {code(e.name)} {escaped(_about(e))}: {_span(e)}"
    for known in (found.cause, found.paused):
        if known is not None and known.row.unknown_since is not None:
            yield f"- Whether {code(known.name)} still holds is not known since block {known.row.unknown_since}."
    words = {"gap": "blocks were passed over, their state was never read", "lost": "the chain that was judged is gone, all was read anew"}
    for row in found.troubles:
        block = "" if row.number is None else f" at block {row.number}"
        yield f"- {moment(row.seen_at)}{block}: {words.get(row.kind, 'a reorganisation took back what came after this block')}"


def _says_blind(e: Episode) -> bool:
    return bool(OWN_TROUBLE.search(e.name)) or "no_data" in e.labels


def _beside(found: Found) -> Iterator[str]:
    lines = [f"- {code(e.name)} {escaped(_about(e))}: {_span(e)}" for e in found.beside if not _says_blind(e)]
    yield "\n".join(lines) if lines else "None."


def _about(e: Episode) -> str:
    return ", ".join(f"{k} {v}" for k, v in sorted(e.labels.items()) if k not in ("alertname", "severity", "zone"))


def _span(e: Episode) -> str:
    return f"from block {e.row.since_number} ({moment(e.row.since_timestamp)}) on; {ended(e)}"


def _open(found: Found, meaning: Meaning) -> Iterator[str]:
    lines = [f"- [ ] {TO_FILL_IN} the root cause."]
    if found.cause is not None and found.cause.row.ended_timestamp is None:
        lines.append(f"- [ ] {code(found.cause.name)} still fires.")
    if found.paused is not None and found.paused.row.ended_timestamp is None:
        lines.append(f"- [ ] {escaped(found.target)} is still paused.")
    if found.of("guardian_resumed"):
        lines.append(f"- [ ] {TO_FILL_IN} who decided to resume before the time, and why.")
    if found.decision is None:
        lines.append(f"- [ ] {TO_FILL_IN} why people paused, and what a rule would have had to see.")
    elif found.decision.state in ("shadow", "shadowed"):
        lines.append(
            f"- [ ] {TO_FILL_IN} whether the pause would have been right (`guardian shadow-report --true` or `--false` block {found.decision.row.observed_number})."
        )
    elif found.decision.state in ledger.DONE:
        lines.append(f"- [ ] {TO_FILL_IN} whether the pause was right, and when the admin arms {escaped(found.target)} again.")
    if any(t.row.acknowledged_by is None for t in found.incidents):
        lines.append(f"- [ ] {', '.join(_untaken(found.incidents))}: nobody acknowledged it.")
    lines.append(f"- [ ] {TO_FILL_IN} what was lost, who was told, and what will be changed.")
    yield "\n".join(lines)


def _untaken(incidents: Iterable[Told]) -> list[str]:
    return list(dict.fromkeys(code(name) for t in incidents if t.row.acknowledged_by is None for name in t.alerts))
