"""What happened, in a title and three sentences: why, what was done, how it ended."""

from __future__ import annotations

from collections.abc import Iterator

from monitor.alerts.body import moment, span
from monitor.guardian.execution import ledger
from monitor.guardian.summary.found import Found
from monitor.guardian.summary.words import code, ended, escaped, resumer

FOREVER = 1 << 40
"""No pause ends so late (block time): one that names such an end has none."""


def title(found: Found) -> str:
    """Whose pause, and whose doing."""
    return f"Pause of {escaped(found.target)}: {_kind(found)}"


def _kind(found: Found) -> str:
    if found.decision is None:
        return "by people"
    state = found.decision.state
    if state in ledger.DONE:
        return "by the service"
    if found.paused is not None:
        return f"by people, after the service's own was {escaped(state)}"
    return {"shadow": "only recorded (shadow)", "shadowed": "only told by the contract (shadow)", "proposed": "proposed to people"}.get(
        state, f"not made ({escaped(state)})"
    )


def sentences(found: Found) -> Iterator[str]:
    """Three of them, as Markdown."""
    yield _why(found)
    yield _what(found)
    yield _end(found)


def _why(found: Found) -> str:
    cause = found.cause
    if cause is not None:
        said = cause.annotations.get("summary", cause.name).rstrip(".")
        return (
            f"At block {cause.row.since_number} ({moment(cause.row.since_timestamp)}) the alert {code(cause.name)} fired: {escaped(said)}."
        )
    if found.decision is not None:
        return f"The alert of the rule {code(found.decision.row.rule)} led to a decision at block {found.decision.row.observed_number}; the alert itself is not kept any more."
    return "No alert led to a decision: the service does not know why people paused."


def _what(found: Found) -> str:
    if found.decision is None:
        return f"{_by_whom(found)} paused {escaped(found.target)}{_until(found)}."
    row = found.decision.row
    response = f"The response {code(row.response)} (mode {escaped(row.mode)})"
    note = f": {escaped(row.note)}" if row.note else ""
    if found.decision.state in ledger.DONE and row.mined_number is not None:
        took = "" if row.mined_at is None else f", {span(max(0.0, row.mined_at - row.decided_at))} after it was decided"
        return f"{response} paused {escaped(row.target)} in block {row.mined_number}{took}{_until(found)}."
    people = "" if found.paused is None else f" {_by_whom(found)} paused it{_until(found)}."
    match found.decision.state:
        case "shadow":
            return f"{response} would have paused {escaped(row.target)}; it did nothing.{people}"
        case "proposed":
            return f"{response} left a pause of {escaped(row.target)} to people{note}.{people}"
        case state:
            return f"{response} called for a pause of {escaped(row.target)}, which was {escaped(state)}{note}.{people}"


def _by_whom(found: Found) -> str:
    made = found.of("guardian_pause")
    account = made[0].details.get("account") if made else None
    if account:
        return f"{code(account)}, through the guardian contract,"
    return "Somebody" if made else "Somebody, not through the guardian contract as far as it was seen,"


def _until(found: Found) -> str:
    end = _due(found)
    return "" if end is None else f", until {moment(end)}"


def _due(found: Found) -> int | None:
    """When the pause was to end, as it was made (block time)."""
    end = found.decision.row.resumes_timestamp if found.decision is not None else None
    if end is None:
        told = [e.details.get("resumes_at", "") for e in found.of("guardian_pause")]
        end = int(told[0]) if told and told[0].isdigit() else None
    return end if end is not None and 0 < end < FOREVER else None


def _end(found: Found) -> str:
    if found.paused is None:
        cause = found.cause
        return "" if cause is None else f"The alert {ended(cause)}."
    if found.paused.row.ended_timestamp is None:
        return "It is still paused as far as the store knows."
    lifted = found.of("guardian_resumed")
    at = f"block {found.paused.row.ended_number} ({moment(found.paused.row.ended_timestamp)})"
    if not lifted:
        due = _due(found)
        if due is not None and found.paused.row.ended_timestamp >= due:
            return f"It lapsed by its time: {at} is the first that was judged without it."
        return f"At {at} it was over; who ended it was not seen."
    labels = dict(lifted[-1].series.labels)
    tx = labels.get("tx")
    sent = f" in transaction {code(tx)}" if tx else ""
    who = resumer(labels)
    return f"{who[0].upper()}{who[1:]} ended it before its time{sent}, at {at}."
