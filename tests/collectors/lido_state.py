"""A Lido in plain Python that answers reads as the contracts would, with eth_abi and the interface's own hashes.

It shares no code with the readings under test: signatures come from tests/data, numbers from the fields below.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from eth_abi import decode, encode

from monitor.model import Address, Answer, Balance, BlockStamp, Call, Failed, Hash, Log, Read, Reverted, Slot, Snapshot, Value, address
from monitor.protocols.lido import protocol
from monitor.protocols.lido.deployment import Deployment, parse

_FACTS = yaml.load((Path(__file__).parents[1] / "data" / "lido_interface.yaml").read_text(), Loader=yaml.CSafeLoader)
SELECTORS = {signature: bytes.fromhex(found[2:]) for _, signature, found in _FACTS["functions"]}
TOPICS = {signature: bytes.fromhex(found[2:]) for _, signature, found in _FACTS["events"]}
ERRORS = {signature: bytes.fromhex(found[2:]) for signature, found in _FACTS["errors"]}
ROLES = {preimage: bytes.fromhex(found[2:]) for _, preimage, found in _FACTS["roles"]}
NAMES = (
    "lido_locator",
    "lido",
    "wsteth",
    "withdrawal_queue",
    "accounting_oracle",
    "hash_consensus_ao",
    "withdrawal_vault",
    "el_rewards_vault",
    "oracle_report_sanity_checker",
)
WHO = {name: address(f"0x{i + 0xA0:040x}") for i, name in enumerate(NAMES)}
IMPLEMENTATION, ADMIN = address("0x" + "11" * 20), address("0x" + "22" * 20)
GENESIS, ETH = 1_600_000_000, 10**18


def account(n: int) -> Address:
    return address(f"0x{n:040x}")


def deployment(*, without: Iterable[str] = (), proxied: Iterable[str] = ("accounting_oracle",)) -> Deployment:
    lines = ["network: 31337", "contracts:"]
    for name in NAMES:
        if name not in set(without):
            proxy = ", proxy: ossifiable_proxy_core" if name in set(proxied) else ""
            lines.append(f"  {name}: {{address: '{WHO[name]}'{proxy}}}" if proxy else f"  {name}: '{WHO[name]}'")
    return parse("\n".join(lines))


def sources(**options: Any) -> Any:
    return protocol(deployment(**options))


def stamp(number: int, timestamp: int) -> BlockStamp:
    return BlockStamp(number, Hash(f"0x{number:064x}"), Hash(f"0x{number - 1:064x}"), timestamp, Slot((timestamp - GENESIS) // 12))


def log(name: str, signature: str, indexed: Iterable[bytes], data: bytes, at: BlockStamp, seq: int = 0, tx: int = 7) -> Log:
    return Log(WHO[name], (TOPICS[signature], *indexed), data, at, Hash(f"0x{tx:064x}"), seq, seq)


def word(value: int | str | bytes) -> bytes:
    if isinstance(value, bytes):
        return value
    return (int(value, 16) if isinstance(value, str) else value).to_bytes(32, "big")


@dataclass
class Lido:
    """The state; change a field, then ``snapshot``. ``broken``: what some contracts answer instead, by name."""

    now: int = GENESIS + 100_000 * 12
    # queue
    requests: list[tuple[int, int]] = field(default_factory=list)  # (wei, time), ids from 1
    finalized: int = 0
    reserve: int = 0
    locked: int = 0
    bunker: bool = False
    balances: dict[str, int] = field(default_factory=dict)
    # accounting
    buffered: int = 0
    validators: int = 0
    pending: int = 0
    deposited: int = 0
    shares: int = 0
    external_shares: int = 0
    supply_gap: int = 0
    rebase_limit: int = 750_000
    # oracle
    initial_epoch: int = 100
    epochs_per_frame: int = 4
    members: dict[Address, int] = field(default_factory=dict)
    quorum: int = 2
    agreed: bytes = bytes(32)
    variants: int = 0
    last_processed: int = 0
    extra: tuple[int, int, bool] = (0, 0, False)
    # roles
    holders: dict[tuple[str, bytes], list[Address]] = field(default_factory=dict)
    implementation: Address = IMPLEMENTATION
    admin: Address = ADMIN
    resume_since: int = 0
    pointers: dict[str, Address] = field(default_factory=dict)
    broken: dict[str, Answer | bytes] = field(default_factory=dict)

    @property
    def frame_slots(self) -> int:
        return self.epochs_per_frame * 32

    @property
    def ref_slot(self) -> int:
        epoch = (self.now - GENESIS) // 12 // 32
        return (self.initial_epoch + (epoch - self.initial_epoch) // self.epochs_per_frame * self.epochs_per_frame) * 32 - 1

    @property
    def internal_ether(self) -> int:
        return self.buffered + self.validators + self.pending + self.deposited

    @property
    def pooled(self) -> int:
        internal = self.shares - self.external_shares
        return self.internal_ether + (self.external_shares * self.internal_ether // internal if internal else 0)

    def fast_lane(self) -> dict[Address, int]:
        names = list(self.members)
        start = (self.ref_slot + 1 - self.initial_epoch * 32) // self.frame_slots % max(1, len(names))
        chosen = [names[(start + i) % len(names)] for i in range(min(self.quorum, len(names)))]
        return {m: self.members[m] for m in chosen}

    def snapshot(self, reads: Iterable[Read], logs: Any = (), number: int = 1) -> Snapshot:
        return Snapshot(stamp(number, self.now), {read: self.answer(read) for read in reads}, logs)

    def answer(self, read: Read) -> Answer:
        name = next((n for n, a in WHO.items() if a == read.target), str(read.target))
        if name in self.broken:
            what = self.broken[name]
            return Value(what, ("a",)) if isinstance(what, bytes) else what
        if isinstance(read.what, Balance):
            return Value(word(self.balances.get(name, 0)), ("a", "b"))
        assert isinstance(read.what, Call)
        signature = next((s for s, v in SELECTORS.items() if v == read.what.data[:4] and s in _ANSWERS), None)
        if signature is None:
            return Failed(f"no answer written for {read.what.data[:4].hex()}")
        try:
            types, values = _ANSWERS[signature](self, name, read.what.data[4:])
        except _Revert as revert:
            return Reverted(revert.args[0], ("a", "b"))
        return Value(encode(types, values), ("a", "b"))


class _Revert(Exception):
    pass


def _early(state: Lido) -> None:
    if (state.now - GENESIS) // 12 // 32 < state.initial_epoch:
        raise _Revert(ERRORS["InitialEpochIsYetToArrive()"])


def _status(state: Lido, _: str, data: bytes) -> Any:
    (ids,) = decode(["uint256[]"], data)
    if any(not 0 < i <= len(state.requests) for i in ids):
        raise _Revert(ERRORS["InvalidRequestId(uint256)"] + word(ids[0]))
    rows = [(state.requests[i - 1][0], 1, "0x" + "33" * 20, state.requests[i - 1][1], i <= state.finalized, False) for i in ids]
    return ["(uint256,uint256,address,uint256,bool,bool)[]"], [rows]


def _framed(make: Callable[[Lido], Any]) -> Callable[[Lido, str, bytes], Any]:
    def answer(state: Lido, _: str, __: bytes) -> Any:
        _early(state)
        return make(state)

    return answer


def _member(state: Lido, name: str, data: bytes) -> Any:
    role, index = decode(["bytes32", "uint256"], data)
    found = state.holders.get((name, role), [])
    if index >= len(found):
        raise _Revert(b"\x4e\x48\x7b\x71" + word(0x32))
    return ["address"], [found[index]]


def _number(make: Callable[[Lido], int]) -> Callable[[Lido, str, bytes], Any]:
    return lambda state, _, __: (["uint256"], [make(state)])


def _processing(s: Lido) -> Any:
    done = s.last_processed == s.ref_slot
    items, submitted, complete = s.extra if done else (0, 0, False)
    row = (s.ref_slot, GENESIS + (s.ref_slot + s.frame_slots) * 12, s.agreed, done, bytes(32), 1, complete, items, submitted)
    return ["(uint256,uint256,bytes32,bool,bytes32,uint256,bool,uint256,uint256)"], [row]


def _pointer(getter: str, name: str) -> Callable[[Lido, str, bytes], Any]:
    return lambda state, _, __: (["address"], [state.pointers.get(getter, WHO[name])])


_LISTS = ["address[]", "uint256[]"]
_ANSWERS: dict[str, Callable[[Lido, str, bytes], Any]] = {
    "unfinalizedStETH()": _number(lambda s: sum(wei for wei, _ in s.requests[s.finalized :])),
    "getLastRequestId()": _number(lambda s: len(s.requests)),
    "getLastFinalizedRequestId()": _number(lambda s: s.finalized),
    "getLockedEtherAmount()": _number(lambda s: s.locked),
    "isBunkerModeActive()": lambda s, _, __: (["bool"], [s.bunker]),
    "getWithdrawalsReserve()": _number(lambda s: s.reserve),
    "getWithdrawalStatus(uint256[])": _status,
    "getTotalPooledEther()": _number(lambda s: s.pooled),
    "getTotalShares()": _number(lambda s: s.shares),
    "getExternalShares()": _number(lambda s: s.external_shares),
    "totalSupply()": _number(lambda s: s.pooled + s.supply_gap),
    "getBufferedEther()": _number(lambda s: s.buffered),
    "getBalanceStats()": lambda s, _, __: (["uint256"] * 4, [s.validators, s.pending, s.deposited, 0]),
    "stEthPerToken()": _number(lambda s: ETH * s.internal_ether // max(1, s.shares - s.external_shares)),
    "getCurrentFrame()": _framed(lambda s: (["uint256"] * 2, [s.ref_slot, s.ref_slot + s.frame_slots])),
    "getFrameConfig()": lambda s, _, __: (["uint256"] * 3, [s.initial_epoch, s.epochs_per_frame, 10]),
    "getChainConfig()": lambda s, _, __: (["uint256"] * 3, [32, 12, GENESIS]),
    "getConsensusState()": _framed(lambda s: (["uint256", "bytes32", "bool"], [s.ref_slot, s.agreed, s.last_processed == s.ref_slot])),
    "getMembers()": lambda s, _, __: (_LISTS, [list(s.members), list(s.members.values())]),
    "getFastLaneMembers()": _framed(lambda s: (_LISTS, [list(s.fast_lane()), list(s.fast_lane().values())])),
    "getReportVariants()": _framed(lambda s: (["bytes32[]", "uint256[]"], [[word(i) for i in range(s.variants)], [1] * s.variants])),
    "getQuorum()": _number(lambda s: s.quorum),
    "getLastProcessingRefSlot()": _number(lambda s: s.last_processed),
    "getProcessingState()": _framed(_processing),
    "getConsensusContract()": _pointer("getConsensusContract", "hash_consensus_ao"),
    "lido()": _pointer("lido", "lido"),
    "wstETH()": _pointer("wstETH", "wsteth"),
    "withdrawalQueue()": _pointer("withdrawalQueue", "withdrawal_queue"),
    "accountingOracle()": _pointer("accountingOracle", "accounting_oracle"),
    "withdrawalVault()": _pointer("withdrawalVault", "withdrawal_vault"),
    "elRewardsVault()": _pointer("elRewardsVault", "el_rewards_vault"),
    "oracleReportSanityChecker()": _pointer("oracleReportSanityChecker", "oracle_report_sanity_checker"),
    "getMaxPositiveTokenRebase()": _number(lambda s: s.rebase_limit),
    "getRoleMemberCount(bytes32)": lambda s, n, d: (["uint256"], [len(s.holders.get((n, d[:32]), []))]),
    "getRoleMember(bytes32,uint256)": _member,
    "proxy__getImplementation()": lambda s, _, __: (["address"], [s.implementation]),
    "proxy__getAdmin()": lambda s, _, __: (["address"], [s.admin]),
    "isPaused()": lambda s, _, __: (["bool"], [s.now < s.resume_since]),
    "getResumeSinceTimestamp()": _number(lambda s: s.resume_since),
    "isStopped()": lambda s, _, __: (["bool"], [False]),
}


def values(frame: Any) -> dict[tuple[str, ...], float]:
    """A frame's samples by family and the values of the labels that its scope lacks, in the order of their names."""
    scope = dict(frame.scope)
    return {
        (s.family, *(v for k, v in s.labels if k not in scope)): float(x) for s, x in zip(frame.layout.series, frame.values, strict=True)
    }
