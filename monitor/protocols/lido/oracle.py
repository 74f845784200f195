"""Lido's accounting oracle (AccountingOracle.sol) and its committee (HashConsensus.sol).

The frames are the contract's own. Before the initial epoch all that speaks of the current frame reverts with
InitialEpochIsYetToArrive: that is data. A quorum of 2^256-1 means that consensus is disabled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from monitor.model import Address, Log, Read, Snapshot
from monitor.protocols.abi import BadAnswer, Contract, Events, EventType, Function, Seen, selector
from monitor.protocols.signals import CurrentFrame, Happening, Numbering, OracleMoments, OracleReading

FRAME = Function.parse("function getCurrentFrame() view returns (uint256 refSlot, uint256 reportProcessingDeadlineSlot)")
FRAME_CONFIG = Function.parse(
    "function getFrameConfig() view returns (uint256 initialEpoch, uint256 epochsPerFrame, uint256 fastLaneLengthSlots)"
)
CHAIN_CONFIG = Function.parse("function getChainConfig() view returns (uint256 slotsPerEpoch, uint256 secondsPerSlot, uint256 genesisTime)")
CONSENSUS = Function.parse("function getConsensusState() view returns (uint256 refSlot, bytes32 consensusReport, bool isReportProcessing)")
MEMBERS = Function.parse("function getMembers() view returns (address[] addresses, uint256[] lastReportedRefSlots)")
FAST_LANE = Function.parse("function getFastLaneMembers() view returns (address[] addresses, uint256[] lastReportedRefSlots)")
VARIANTS = Function.parse("function getReportVariants() view returns (bytes32[] variants, uint256[] support)")
QUORUM = Function.parse("function getQuorum() view returns (uint256)")
LAST_PROCESSED = Function.parse("function getLastProcessingRefSlot() view returns (uint256)")
PROCESSING = Function.parse(
    "function getProcessingState() view returns (tuple(uint256 currentFrameRefSlot, uint256 processingDeadlineTime, bytes32 mainDataHash, "
    "bool mainDataSubmitted, bytes32 extraDataHash, uint256 extraDataFormat, bool extraDataSubmitted, uint256 extraDataItemsCount, "
    "uint256 extraDataItemsSubmitted) result)"
)
TOO_EARLY = selector("InitialEpochIsYetToArrive()")
DISABLED = 2**256 - 1
_NO_HASH = bytes(32)
_FRAME_READS = (FRAME, CONSENSUS, FAST_LANE, VARIANTS)
_STEADY_READS = (FRAME_CONFIG, CHAIN_CONFIG, MEMBERS, QUORUM)

REPORT_RECEIVED = EventType.parse("event ReportReceived(uint256 indexed refSlot, address indexed member, bytes32 report)")
CONSENSUS_REACHED = EventType.parse("event ConsensusReached(uint256 indexed refSlot, bytes32 report, uint256 support)")
CONSENSUS_LOST = EventType.parse("event ConsensusLost(uint256 indexed refSlot)")
MEMBER_ADDED = EventType.parse("event MemberAdded(address indexed addr, uint256 newTotalMembers, uint256 newQuorum)")
MEMBER_REMOVED = EventType.parse("event MemberRemoved(address indexed addr, uint256 newTotalMembers, uint256 newQuorum)")
QUORUM_SET = EventType.parse("event QuorumSet(uint256 newQuorum, uint256 totalMembers, uint256 prevQuorum)")
FRAME_CONFIG_SET = EventType.parse("event FrameConfigSet(uint256 newInitialEpoch, uint256 newEpochsPerFrame)")
FAST_LANE_SET = EventType.parse("event FastLaneConfigSet(uint256 fastLaneLengthSlots)")
PROCESSOR_SET = EventType.parse("event ReportProcessorSet(address indexed processor, address indexed prevProcessor)")
PROCESSING_STARTED = EventType.parse("event ProcessingStarted(uint256 indexed refSlot, bytes32 hash)")
CONTRACT_SET = EventType.parse("event ConsensusHashContractSet(address indexed addr, address indexed prevAddr)")
VERSION_SET = EventType.parse("event ConsensusVersionSet(uint256 indexed version, uint256 indexed prevVersion)")
REPORT_DISCARDED = EventType.parse("event ReportDiscarded(uint256 indexed refSlot, bytes32 hash)")
WARN_MISSED = EventType.parse("event WarnProcessingMissed(uint256 indexed refSlot)")
WARN_EXTRA = EventType.parse(
    "event WarnExtraDataIncompleteProcessing(uint256 indexed refSlot, uint256 processedItemsCount, uint256 itemsCount)"
)
CHANGES: Mapping[EventType, str] = {
    MEMBER_ADDED: "member_added",
    MEMBER_REMOVED: "member_removed",
    QUORUM_SET: "quorum",
    FRAME_CONFIG_SET: "frame_config",
    FAST_LANE_SET: "fast_lane",
    PROCESSOR_SET: "report_processor",
    CONSENSUS_LOST: "consensus_lost",
    CONTRACT_SET: "consensus_contract",
    VERSION_SET: "consensus_version",
}
WARNINGS: Mapping[EventType, str] = {
    REPORT_DISCARDED: "report_discarded",
    WARN_MISSED: "processing_missed",
    WARN_EXTRA: "extra_data_incomplete",
}
_OF_COMMITTEE = (
    REPORT_RECEIVED, CONSENSUS_REACHED, CONSENSUS_LOST, MEMBER_ADDED, MEMBER_REMOVED, QUORUM_SET, FRAME_CONFIG_SET, FAST_LANE_SET, PROCESSOR_SET,
)  # fmt: skip
_OF_ORACLE = (PROCESSING_STARTED, CONTRACT_SET, VERSION_SET, REPORT_DISCARDED, WARN_MISSED, WARN_EXTRA)


@dataclass(frozen=True)
class LidoOracle:
    """An oracle contract and its committee."""

    oracle: Contract
    committee: Contract

    @property
    def name(self) -> str:
        return self.oracle.name

    @cached_property
    def watches(self) -> frozenset[Address]:
        return self._events.addresses

    @cached_property
    def _events(self) -> Events:
        return Events(*((self.committee, e) for e in _OF_COMMITTEE), *((self.oracle, e) for e in _OF_ORACLE))

    def reads(self) -> Sequence[Read]:
        reads = [self.committee.read(f) for f in (*_STEADY_READS, *_FRAME_READS)]
        return [*reads, self.oracle.read(LAST_PROCESSED), self.oracle.read(PROCESSING)]

    def reading(self, snapshot: Snapshot) -> OracleReading:
        """Raises Unanswered; BadAnswer when the contracts contradict each other."""
        quorum, last, frame = self.committee.ask(snapshot, QUORUM), self.oracle.ask(snapshot, LAST_PROCESSED), self._frame(snapshot)
        if frame is not None and last > frame.ref_slot:
            raise BadAnswer(
                self.oracle.name, LAST_PROCESSED.name, last.to_bytes(32, "big"), f"at most the current frame's slot {frame.ref_slot}"
            )
        return OracleReading(self._numbering(snapshot), last, self.members(snapshot), None if quorum == DISABLED else quorum, frame)

    def members_read(self) -> Read:
        return self.committee.read(MEMBERS)

    def members(self, snapshot: Snapshot) -> Mapping[Address, int]:
        """Members with the reference slot of their last report (0: none yet)."""
        return self._accounts(snapshot, MEMBERS)

    def _numbering(self, snapshot: Snapshot) -> Numbering:
        slots_per_epoch, seconds_per_slot, genesis = self.committee.ask(snapshot, CHAIN_CONFIG)
        initial_epoch, epochs_per_frame, _ = self.committee.ask(snapshot, FRAME_CONFIG)
        if 0 in (slots_per_epoch, seconds_per_slot, epochs_per_frame):
            raise BadAnswer(self.committee.name, FRAME_CONFIG.name, b"", "frames longer than zero")
        return Numbering(genesis, seconds_per_slot, initial_epoch * slots_per_epoch - 1, epochs_per_frame * slots_per_epoch)

    def _frame(self, snapshot: Snapshot) -> CurrentFrame | None:
        if (self.committee.reverted(snapshot, FRAME) or b"")[:4] == TOO_EARLY:
            return None
        ref_slot, deadline = self.committee.ask(snapshot, FRAME)
        agreed_slot, agreed, _ = self.committee.ask(snapshot, CONSENSUS)
        state = self.oracle.ask(snapshot, PROCESSING)
        if not ref_slot == agreed_slot == state[0] or deadline <= ref_slot:
            raise BadAnswer(
                self.committee.name, FRAME.name, b"", f"one frame, found {ref_slot} to {deadline}, {agreed_slot} and {state[0]}"
            )
        main_done, extra_done, items, submitted = state[3], state[6], state[7], state[8]
        return CurrentFrame(
            ref_slot,
            deadline,
            agreed if agreed != _NO_HASH else None,
            self._accounts(snapshot, FAST_LANE),
            len(self._pair(snapshot, VARIANTS)[0]),
            main_done,
            main_done and extra_done,
            (items, submitted) if main_done else None,
        )

    def _accounts(self, snapshot: Snapshot, function: Function) -> Mapping[Address, int]:
        accounts, slots = self._pair(snapshot, function)
        if len(set(accounts)) != len(accounts):
            raise BadAnswer(self.committee.name, function.name, b"", "different members")
        return dict(zip(accounts, slots, strict=True))

    def _pair(self, snapshot: Snapshot, function: Function) -> Any:
        first, second = self.committee.ask(snapshot, function)
        if len(first) != len(second):
            raise BadAnswer(self.committee.name, function.name, b"", f"two lists of one length, found {len(first)} and {len(second)}")
        return first, second

    def moments(self, snapshot: Snapshot) -> OracleMoments:
        """Raises Unanswered when the logs are not agreed."""
        agreed, processed = [], []
        for seen in self._found(snapshot):
            if seen.event == CONSENSUS_REACHED:
                agreed.append((seen.values["refSlot"], seen.log.block.timestamp))
            elif seen.event == PROCESSING_STARTED:
                processed.append((seen.values["refSlot"], seen.log.block.timestamp))
        return OracleMoments(tuple(agreed), tuple(processed))

    def happenings(self, snapshot: Snapshot) -> Sequence[Happening]:
        """Reports, members' reports, warnings and changes of the committee. Raises Unanswered when the logs are not agreed."""
        found = (self._happening(s.log, s.event, s.values) for s in self._found(snapshot))
        return [h for h in found if h is not None]

    def _found(self, snapshot: Snapshot) -> list[Seen]:
        return self._events.scan(snapshot.logs_of(*self.watches))

    def _happening(self, log: Log, event: EventType, values: Mapping[str, Any]) -> Happening | None:
        details = {k: "0x" + v.hex() if isinstance(v, bytes) else str(v) for k, v in values.items()}
        base = {"oracle": self.name}
        if event == PROCESSING_STARTED:
            return Happening("oracle_report", base, log, details)
        if event == REPORT_RECEIVED:
            return Happening("oracle_member_report", {**base, "member": values["member"]}, log, details)
        if event in CHANGES:
            return Happening("oracle_committee_change", {**base, "change": CHANGES[event]}, log, details)
        if event in WARNINGS:
            return Happening("oracle_warning", {**base, "warning": WARNINGS[event]}, log, details)
        return None
