"""The drift of the share rate, read a second time: from the wrapped token and the oracle instead of the token and its logs.

The share rate may change in a report only, and the oracle counts its reports itself. So the rate that the wrapped token says of itself is
remembered at the first block seen with each report, and compared until the next one. Another contract, other calldata, another memory than
``accounting``: a mistake in one of them is not one in the other. What moves in the very block of a report is not seen here.

``known``: ``slot`` is the reference slot of the report that ``rate`` belongs to; both as decimal text.
"""

from __future__ import annotations

from collections.abc import Sequence

from monitor.catalogue.shipped import ACCOUNTING
from monitor.collectors.emit import Samples
from monitor.model import EVERY_BLOCK, Address, Frame, Known, Labels, Read, Snapshot, labels, ok_frame
from monitor.protocols.signals import AccountingSource

WRAPPED = tuple(f for f in ACCOUNTING if f.name == "accounting_wrapped_rate_drift_ratio")


class WrappedRate:
    """One gauge of one protocol."""

    name = "accounting_wrapped"
    families = WRAPPED
    cadence = EVERY_BLOCK
    watches: frozenset[Address] = frozenset()

    def __init__(self, protocol: str, source: AccountingSource) -> None:
        self._source, self._scope = source, labels(protocol=protocol)
        self.scopes: tuple[Labels, ...] = (self._scope,)

    def plan(self, known: Known) -> Sequence[Read]:
        return self._source.wrapped_reads()

    def judge(self, snapshot: Snapshot, known: Known) -> tuple[Sequence[Frame], Known]:
        """Raises Unanswered. Without a rate (an empty token) there is no sample, and nothing is remembered."""
        reading, samples = self._source.wrapped_rate(snapshot), Samples(self._scope)
        after = dict(known)
        if reading.rate and known.get("slot") != str(reading.ref_slot):
            after = {"slot": str(reading.ref_slot), "rate": str(reading.rate)}
        if "rate" in after:
            was = int(after["rate"])
            samples.put(WRAPPED[0].name, (reading.rate - was) / was)
        return [ok_frame(self.name, self._scope, snapshot.stamp, samples.found)], after
