"""The timeline of a pause: each step once, in the order of the service's clock."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from monitor.alerts.body import moment, span
from monitor.guardian.summary.found import Episode, Found, Told
from monitor.guardian.summary.words import code, ended, escaped, resumer


@dataclass(frozen=True, slots=True)
class At:
    """One step. ``at``: wall time; ``block``: the block that it is about; ``what``: Markdown."""

    at: float
    block: int | None
    what: str


def timeline(found: Found) -> list[At]:
    """All steps that the store has."""
    steps = [*_alerts(found), *_decided(found), *_chain(found)]
    for told in found.incidents:
        steps += _told(told)
    return sorted(steps, key=lambda s: s.at)


def _alerts(found: Found) -> Iterator[At]:
    for e in (found.cause, found.paused):
        if e is None:
            continue
        about = "the first sample with which" if e is found.cause else "the first block at which"
        yield At(e.row.seen_at, e.row.since_number, f"seen: {about} {code(e.name)} is true")
        yield At(e.row.judged_at, None, f"{code(e.name)} fires: {escaped(e.annotations.get('summary', ''))}")
        if e.row.ended_timestamp is not None:
            yield At(_when(found, e), e.row.ended_number, f"{code(e.name)} {ended(e)}")


def _when(found: Found, e: Episode) -> float:
    """When the block that ended an alert was seen; its own time where that is not kept."""
    number, timestamp = e.row.ended_number, e.row.ended_timestamp
    return found.seen.get(-1 if number is None else number, float(timestamp or 0))


def _decided(found: Found) -> Iterator[At]:
    if found.decision is None:
        return
    row = found.decision.row
    yield At(
        row.decided_at, row.observed_number, f"decided: response {code(row.response)}, mode {escaped(row.mode)}, decision {code(row.id)}"
    )
    for at, what in (
        (row.signed_at, "our sentinel signed the order"),
        (row.gathered_at, "enough sentinels had signed"),
        (row.simulated_at, "simulated: the contract and the target would take it"),
        (row.verified_at, "read back: paused" + ("" if row.resumes_timestamp is None else f" until {moment(row.resumes_timestamp)}")),
        (row.reported_at, "reported"),
        (row.paged_at, "people were told that it is stuck"),
        (row.settled_at, "no reorganisation is expected any more"),
    ):
        if at is not None:
            yield At(at, None, what)
    for one in found.signatures:
        yield At(one.seen_at, None, f"sentinel {code(one.signer)} signed, told by {escaped(one.peer)}")
    if row.mined_at is not None:
        yield At(row.mined_at, row.mined_number, f"mined: transaction {code(row.mined_tx or '')}")
    for sent in found.transactions:
        fee = int(sent.max_fee_wei) / 10**9
        what = f"transaction {code(sent.hash)} signed by {code(sent.sender)} at {fee:g} gwei at most"
        yield At(sent.signed_at, None, what + ("" if sent.sends else ", never sent"))


def _chain(found: Found) -> Iterator[At]:
    for event in found.events:
        labels, number = dict(event.series.labels), event.stamp.number
        tx = f" in transaction {code(labels['tx'])}" if labels.get("tx") else ""
        match event.series.family:
            case "guardian_pause":
                by = event.details.get("account")
                what = f"paused by {'sentinels, submitted by ' if labels['by'] == 'sentinel' else ''}{code(by) if by else 'a guardian'}{tx}"
            case "guardian_resumed":
                what = f"resumed before its time, by {resumer(labels)}{tx}"
            case _:
                what = f"the pause was {escaped(labels['change'])}{tx}"
        yield At(found.seen.get(number, float(event.stamp.timestamp)), number, what)


def _told(told: Told) -> Iterator[At]:
    row, alerts = told.row, ", ".join(code(a) for a in told.alerts)
    yield At(row.opened_at, None, f"incident {code(row.id[:8])} opened: {alerts}")
    for d in told.deliveries:
        if d.kind != "open":
            continue
        if d.sent_at is not None:
            yield At(
                d.sent_at,
                None,
                f"told to {escaped(d.receiver)}, {span(max(0.0, d.sent_at - row.opened_at))} after incident {code(row.id[:8])} opened",
            )
        elif d.state == "dead":
            yield At(d.owed_at, None, f"**not told** to {escaped(d.receiver)}: {escaped(d.error or 'no reason is kept')}")
    for ack in told.taken:
        why = f": {escaped(ack.why)}" if ack.why else ""
        yield At(ack.at, None, f"{escaped(ack.who)} took incident {code(row.id[:8])}{why}")
    if row.closed_at is not None:
        yield At(row.closed_at, None, f"incident {code(row.id[:8])} closed: {escaped(row.outcome or '')}")
