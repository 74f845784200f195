"""Whether the protocol's own address book still names the contracts that we watch: a swap there comes without another event."""

from __future__ import annotations

from collections.abc import Sequence

from monitor.catalogue.shipped import ROLE_READS, ROLES
from monitor.collectors.emit import Samples
from monitor.collectors.of_protocol import OfProtocolWithLogs
from monitor.model import Frame, Known, Read, Snapshot, ok_frame
from monitor.protocols.signals import PointerSource


class Pointers(OfProtocolWithLogs[PointerSource]):
    name = "pointers"
    families = tuple(f for f in ROLES if f.name == "contract_pointer_drift")
    cadence = ROLE_READS

    def plan(self, known: Known) -> Sequence[Read]:
        return self._source.reads()

    def judge(self, snapshot: Snapshot, known: Known) -> tuple[Sequence[Frame], Known]:
        """Raises Unanswered."""
        samples = Samples(self._scope)
        for pointer in self._source.reading(snapshot):
            samples.put("contract_pointer_drift", pointer.says != pointer.expected, contract=pointer.contract, address=pointer.says)
        return [ok_frame(self.name, self._scope, snapshot.stamp, samples.found)], known
