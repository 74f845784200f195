"""The share rate and what moves it: identities at each block, drift between reports, rebases and APR.

Rates are compared as integers, crosswise, and divided once. APR = growth of the rate * year / elapsed, with a year of 365.25 days
(as the protocol's own oracle daemon computes it). The 7-day figure is the sum of the growths over the sum of the elapsed times.

``known``: ``rate`` is the rate that the last report left (or the first seen), ``reports`` those of the last 7 days; both as
decimal text, since they do not fit a float.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from monitor.catalogue.shipped import ACCOUNTING
from monitor.collectors.emit import Samples, blind, ether
from monitor.collectors.of_protocol import OfProtocolWithLogs
from monitor.collectors.reports import BALANCE, LIMIT
from monitor.collectors.wrapped import WRAPPED
from monitor.model import EVERY_BLOCK, Frame, Known, Read, Snapshot, Unanswered, ok_frame
from monitor.protocols.signals import AccountingReading, AccountingSource, Happening, Rebase

YEAR = 365 * 86_400 + 86_400 // 4
"""Seconds of 365.25 days."""
WEEK = 7 * 86_400
_EVENT = "accounting_rebase"
_MOST_REPORTS = 64
GAUGES = tuple(f for f in ACCOUNTING if f.kind != "event" and f not in (*LIMIT, *BALANCE, *WRAPPED))
EVENTS = tuple(f for f in ACCOUNTING if f.kind == "event")


class Accounting(OfProtocolWithLogs[AccountingSource]):
    """Gauges of one protocol's accounting."""

    name = "accounting"
    families = GAUGES
    cadence = EVERY_BLOCK

    def plan(self, known: Known) -> Sequence[Read]:
        return self._source.reads()

    def judge(self, snapshot: Snapshot, known: Known) -> tuple[Sequence[Frame], Known]:
        """Raises Unanswered without agreed logs: a rate without its reports would look like drift. Reports are taken also when reads fail."""
        after = remember(known, self._source.rebases(snapshot), snapshot.stamp.timestamp)
        try:
            reading = self._source.reading(snapshot)
        except Unanswered as missing:
            return [blind(self.name, self._scope, snapshot.stamp, missing)], after
        if "rate" not in after and reading.pooled and reading.shares:
            after = {**after, "rate": [str(reading.pooled), str(reading.shares)]}
        samples = Samples(self._scope)
        _put_totals(samples, reading)
        _put_identities(samples, reading)
        _put_drift(samples, reading, after)
        _put_reports(samples, after)
        return [ok_frame(self.name, self._scope, snapshot.stamp, samples.found)], after


class RebaseEvents:
    """The event source of the rebases."""

    def __init__(self, source: AccountingSource) -> None:
        self._source = source
        self.watches = source.watches

    def happenings(self, snapshot: Snapshot) -> Sequence[Happening]:
        """Raises Unanswered."""
        return [_happening(rebase) for rebase in self._source.rebases(snapshot)]


def growth(rebase: Rebase) -> Fraction | None:
    """Relative growth of the share rate by a report, exactly; None when there was nothing before."""
    before, after = rebase.pre_ether * rebase.post_shares, rebase.post_ether * rebase.pre_shares
    return Fraction(after - before, before) if before else None


def apr(grown: Fraction, elapsed: int) -> Fraction:
    """Yearly rate of a growth in ``elapsed`` seconds (above zero)."""
    return grown * YEAR / elapsed


def remember(known: Known, rebases: Sequence[Rebase], now: int) -> dict[str, Any]:
    """What is known after these reports: the rate that the last one left, and the reports of the last 7 days."""
    after: dict[str, Any] = dict(known)
    reports = [r for r in known.get("reports", ()) if r["at"] > now - WEEK]
    for rebase in rebases:
        if rebase.post_ether and rebase.post_shares:
            after["rate"] = [str(rebase.post_ether), str(rebase.post_shares)]
        grown = growth(rebase)
        if grown is not None:
            entry = {"at": rebase.reported_at, "elapsed": rebase.elapsed, "growth": f"{grown.numerator}/{grown.denominator}"}
            after["last"] = entry
            reports = [r for r in reports if r["at"] != rebase.reported_at]
            reports += [entry] if rebase.reported_at > now - WEEK else []
    after["reports"] = reports[-_MOST_REPORTS:]
    return after


def _put_totals(samples: Samples, reading: AccountingReading) -> None:
    samples.put("accounting_pooled_ether", ether(reading.pooled))
    samples.put("accounting_shares", ether(reading.shares))
    if reading.shares:
        samples.put("accounting_share_rate_ratio", reading.pooled / reading.shares)
        samples.put("accounting_external_shares_ratio", reading.external_shares / reading.shares)


def _put_identities(samples: Samples, reading: AccountingReading) -> None:
    """Pooled = own + external ether; pooled = supply; the wrapped token's rate = own ether a share. Gaps in wei; rules tolerate a few."""
    own, own_shares = reading.internal_ether, reading.internal_shares
    external = reading.external_shares * own // own_shares if own_shares else 0
    samples.put("accounting_identity_gap_wei", abs(reading.pooled - own - external), identity="parts")
    samples.put("accounting_identity_gap_wei", abs(reading.pooled - reading.supply), identity="supply")
    if reading.token_rate is not None and own_shares:
        samples.put("accounting_identity_gap_wei", abs(reading.token_rate - 10**18 * own // own_shares), identity="wsteth_rate")


def _put_drift(samples: Samples, reading: AccountingReading, known: Mapping[str, Any]) -> None:
    if "rate" not in known or not reading.shares:
        return
    was_ether, was_shares = (int(n) for n in known["rate"])
    was = was_ether * reading.shares
    samples.put("accounting_share_rate_drift_ratio", (reading.pooled * was_shares - was) / was)


def _put_reports(samples: Samples, known: Mapping[str, Any]) -> None:
    last = known.get("last")
    if last is not None:
        grown = Fraction(last["growth"])
        samples.put("accounting_rebase_ratio", float(grown))
        samples.put("accounting_rebase_timestamp_seconds", last["at"])
        if last["elapsed"]:
            samples.put("accounting_apr_ratio", float(apr(grown, last["elapsed"])))
    elapsed = sum(r["elapsed"] for r in known["reports"])
    if elapsed:
        total = sum((Fraction(r["growth"]) for r in known["reports"]), Fraction(0))
        samples.put("accounting_apr_7d_ratio", float(apr(total, elapsed)))


def _happening(rebase: Rebase) -> Happening:
    grown = growth(rebase)
    direction = "flat" if not grown else "up" if grown > 0 else "down"
    details = {
        "reported_at": rebase.reported_at, "elapsed": rebase.elapsed, "pre_shares": rebase.pre_shares, "pre_ether": rebase.pre_ether,
        "post_shares": rebase.post_shares, "post_ether": rebase.post_ether, "fee_shares": rebase.fee_shares,
    }  # fmt: skip
    return Happening(_EVENT, {"direction": direction}, rebase.log, {k: str(v) for k, v in details.items()})
