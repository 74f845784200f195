"""What bounds a report, and whether what it claims is so: the limit of a rebase, and validators' balances on the beacon chain.

The limit holds for the growth before fees: (ether / (shares - fee shares)) of what is the protocol's own, against the rate before
(OracleReportSanityChecker, ``smoothenTokenRebase``). A report that reaches it was cut: what is over it stays in the vaults for later reports.

A report comes hours after its reference slot. So the sums that we count on the beacon chain are remembered, of the last 300 states, and compared
when the report of exactly that slot is there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from monitor.catalogue.shipped import ACCOUNTING
from monitor.collectors.emit import Samples, blind, ether
from monitor.collectors.epochs import is_complete, is_past
from monitor.collectors.of_protocol import OfProtocol, OfProtocolWithLogs
from monitor.model import EVERY_BLOCK, Failed, Frame, Known, Read, Snapshot, Unanswered, ok_frame
from monitor.protocols.signals import AccountingSource, Claim, Rebase

LIMIT = tuple(f for f in ACCOUNTING if f.name in ("accounting_rebase_limit_ratio", "accounting_rebase_clamped"))
BALANCE = tuple(f for f in ACCOUNTING if f.name.startswith("accounting_report_balance_gap_"))
GWEI = 10**9
_KEPT = 300
"""States whose sums are remembered: a daily report has 225 of them between two reference slots."""
_STEP = Fraction(1, 10**9)
"""The limit is given in billionths, and rates are rounded below that: a growth so close to it has reached it."""


class RebaseLimit(OfProtocolWithLogs[AccountingSource]):
    """The limit, and whether the last report reached the limit of its own block.

    ``known``: ``gross`` is the growth of a report that is not compared yet (the limit could not be read), ``clamped`` what came of the last one.
    """

    name = "accounting_limit"
    families = LIMIT
    cadence = EVERY_BLOCK

    def plan(self, known: Known) -> Sequence[Read]:
        return self._source.limit_reads()

    def judge(self, snapshot: Snapshot, known: Known) -> tuple[Sequence[Frame], Known]:
        """Raises Unanswered without agreed logs. A report is remembered also when the limit cannot be read."""
        after = dict(known)
        for rebase in self._source.rebases(snapshot):
            grown = gross_growth(rebase)
            after = {} if grown is None else {"gross": str(grown)}
        try:
            limit = self._source.limit(snapshot)
        except Unanswered as missing:
            return [blind(self.name, self._scope, snapshot.stamp, missing)], after
        if "gross" in after:
            after = {"clamped": Fraction(after["gross"]) >= limit - _STEP}
        samples = Samples(self._scope)
        samples.put("accounting_rebase_limit_ratio", float(limit))
        if "clamped" in after:
            samples.put("accounting_rebase_clamped", after["clamped"])
        return [ok_frame(self.name, self._scope, snapshot.stamp, samples.found)], after


def gross_growth(rebase: Rebase) -> Fraction | None:
    """Growth of the share rate by a report before its fees were minted, exactly; None when the report does not tell, or nothing was before."""
    if rebase.internal is None or not rebase.pre_ether or not rebase.pre_shares:
        return None
    own_ether, own_shares = rebase.internal
    unpaid = own_shares - rebase.fee_shares
    return Fraction(own_ether * rebase.pre_shares, rebase.pre_ether * unpaid) - 1 if unpaid > 0 else None


class ReportedBalance(OfProtocol[AccountingSource]):
    """The balance of validators in the last report against our own count at its reference slot.

    ``known``: ``sums`` is a list of (slot, gwei), rising. A slot that is not evaluated yet, or keys that are incomplete, make the gap unknown; a
    slot that was passed over leaves it absent.
    """

    name = "accounting_balance"
    families = BALANCE
    cadence = EVERY_BLOCK

    def __init__(self, protocol: str, source: AccountingSource) -> None:
        super().__init__(protocol, source)
        self._protocol = protocol

    def plan(self, known: Known) -> Sequence[Read]:
        return self._source.claim_reads()

    def judge(self, snapshot: Snapshot, known: Known) -> tuple[Sequence[Frame], Known]:
        sums: dict[int, int] = dict(known.get("sums", ()))
        newest = self._count(snapshot, sums)
        try:
            claim = self._source.claim(snapshot)
            counted = sums.get(claim.ref_slot)
            if counted is None:
                self._excuse(snapshot, claim, newest)
        except Unanswered as missing:
            return [blind(self.name, self._scope, snapshot.stamp, missing)], {**known, "sums": _newest(sums, None)}
        samples = Samples(self._scope)
        if counted is not None:
            gap = claim.balance - counted * GWEI
            samples.put("accounting_report_balance_gap_ether", ether(gap))
            if counted:
                samples.put("accounting_report_balance_gap_ratio", gap / (counted * GWEI))
        return [ok_frame(self.name, self._scope, snapshot.stamp, samples.found)], {**known, "sums": _newest(sums, claim.ref_slot)}

    def _count(self, snapshot: Snapshot, sums: dict[int, int]) -> int | None:
        """Remember the newest state's sum if all keys are known; the slot of that state, None before the first."""
        view = snapshot.beacon
        if view is None or view.epoch is None or not is_past(view.epoch.read_at, snapshot.stamp):
            return max(sums, default=None)
        facts, slot = view.epoch, int(view.epoch.slot)
        if self._protocol in facts.balances_at and is_complete(view, self._protocol):
            sums[slot] = int(facts.balances_at[self._protocol])
        return max(slot, max(sums, default=slot))

    def _excuse(self, snapshot: Snapshot, claim: Claim, newest: int | None) -> None:
        """Raises Unanswered where the sum may still come, or could be had but for the keys."""
        if snapshot.beacon is None:
            return
        if newest is None or newest < claim.ref_slot:
            raise Unanswered("balance", Failed(f"the state of the report's slot {claim.ref_slot} is not evaluated yet"))
        if not is_complete(snapshot.beacon, self._protocol):
            raise Unanswered("balance", Failed(f"not all keys of {self._protocol} were read, so its validators were not all counted"))


def _newest(sums: Mapping[int, int], needed: int | None) -> list[list[Any]]:
    """The newest sums, and the one that the last report is compared with."""
    rising = sorted(sums.items())
    return [[slot, gwei] for i, (slot, gwei) in enumerate(rising) if i >= len(rising) - _KEPT or slot == needed]
