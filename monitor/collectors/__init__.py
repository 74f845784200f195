"""One collector a signal: plan the reads, judge the snapshot. None of them knows which protocol it speaks for."""

from __future__ import annotations

from collections.abc import Sequence

from monitor.chain.beacon.spec import MAINNET, Spec
from monitor.collectors import beacon, peg, slashing
from monitor.collectors.accounting import EVENTS as ACCOUNTING_EVENTS
from monitor.collectors.accounting import Accounting, RebaseEvents
from monitor.collectors.baseline import Approved
from monitor.collectors.events import LogEvents
from monitor.collectors.oracle import ALLOWANCE, Oracle, OracleWallets
from monitor.collectors.oracle import EVENTS as ORACLE_EVENTS
from monitor.collectors.pointers import Pointers
from monitor.collectors.queue import Queue, QueueHead
from monitor.collectors.reports import RebaseLimit, ReportedBalance
from monitor.collectors.roles import ContractStates, RoleEvents, RoleHolders
from monitor.collectors.validators import validators
from monitor.collectors.wrapped import WrappedRate
from monitor.model import Collector, labels
from monitor.protocols.signals import ProtocolSources


def collectors(protocol: ProtocolSources, approved: Approved, allowance: int = ALLOWANCE) -> tuple[Collector, ...]:
    """All collectors of one protocol, in the order in which they are judged. ``allowance``: seconds until an oracle's report is late."""
    found: list[Collector] = [RoleEvents(protocol, approved), RoleHolders(protocol, approved)]
    found += [
        ContractStates("contracts", protocol, approved, urgent=True),
        ContractStates("contracts_slow", protocol, approved, urgent=False),
    ]
    if protocol.pointers is not None:
        found.append(Pointers(protocol.name, protocol.pointers))
    for oracle in protocol.oracles:
        scope = labels(protocol=protocol.name, oracle=oracle.name)
        found += [Oracle(protocol.name, oracle, allowance), OracleWallets(protocol.name, oracle)]
        found.append(LogEvents(f"oracle_events_{oracle.name}", ORACLE_EVENTS, scope, oracle))
    if protocol.queue is not None:
        found += [Queue(protocol.name, protocol.queue), QueueHead(protocol.name, protocol.queue)]
    if protocol.accounting is not None:
        found.append(Accounting(protocol.name, protocol.accounting))
        if protocol.accounting.limit_reads():
            found.append(RebaseLimit(protocol.name, protocol.accounting))
        if protocol.accounting.claim_reads():
            found.append(ReportedBalance(protocol.name, protocol.accounting))
        if protocol.accounting.wrapped_reads():
            found.append(WrappedRate(protocol.name, protocol.accounting))
        events = RebaseEvents(protocol.accounting)
        found.append(LogEvents("accounting_events", ACCOUNTING_EVENTS, labels(protocol=protocol.name), events))
    if protocol.peg is not None:
        found += peg.collectors(protocol.name, protocol.peg)
    return tuple(c for c in found if c.scopes)


def beacon_collectors(protocols: Sequence[str], spec: Spec = MAINNET) -> tuple[Collector, ...]:
    """The collectors of the consensus layer, for networks with beacon nodes. ``protocols``: whose validators have scopes of their own."""
    return (
        beacon.Heads(spec),
        beacon.Finality(spec),
        beacon.epochly(),
        validators(protocols),
        slashing.losses(protocols),
        slashing.SlashingEvents(protocols, spec),
    )
