"""Lido's registries of keys: the staking router lists modules, a module its operators, an operator its keys.

Two interfaces: NodeOperatorsRegistry (curated and SimpleDVT) gives keys with signatures and a flag whether each got its deposit; the
modules of the CSM's family (CSM, curated v2) give bare bytes, and what is deposited is a count of the operator.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, cast

from eth_utils.address import to_canonical_address

from monitor.model import Address, Read, Reverted, Snapshot, Unanswered, address
from monitor.protocols.abi import BadAnswer, Contract, Function, decode
from monitor.protocols.keys.labels import plain
from monitor.protocols.signals import KeyModule, KeyOperator, KeyOverview, KeyRun

MODULES = Function.parse(
    "function getStakingModules() view returns (tuple(uint24 id, address stakingModuleAddress, uint16 stakingModuleFee, uint16 treasuryFee, "
    "uint16 stakeShareLimit, uint8 status, string name, uint64 lastDepositAt, uint256 lastDepositBlock, uint256 exitedValidatorsCount, "
    "uint16 priorityExitShareThreshold, uint64 maxDepositsPerBlock, uint64 minDepositBlockDistance, uint8 withdrawalCredentialsType, "
    "uint64 validatorsBalanceGwei)[])"
)
CREDENTIALS = Function.parse("function getWithdrawalCredentials() view returns (bytes32)")
TYPE = Function.parse("function getType() view returns (bytes32)")
NONCE = Function.parse("function getNonce() view returns (uint256)")
SUMMARY = Function.parse(
    "function getStakingModuleSummary() view returns (uint256 totalExitedValidators, uint256 totalDepositedValidators, "
    "uint256 depositableValidatorsCount)"
)
OPERATORS = Function.parse("function getNodeOperatorsCount() view returns (uint256)")
META_REGISTRY = Function.parse("function META_REGISTRY() view returns (address)")
METADATA = Function.parse(
    "function getOperatorMetadata(uint256 nodeOperatorId) view returns (tuple(string name, string description, bool ownerEditsRestricted) metadata)"
)
REGISTRY_OPERATOR = Function.parse(
    "function getNodeOperator(uint256 _nodeOperatorId, bool _fullInfo) view returns (bool active, string name, address rewardAddress, "
    "uint64 totalVettedValidators, uint64 totalExitedValidators, uint64 totalAddedValidators, uint64 totalDepositedValidators)"
)
REGISTRY_KEYS = Function.parse(
    "function getSigningKeys(uint256 _nodeOperatorId, uint256 _offset, uint256 _limit) view returns (bytes pubkeys, bytes signatures, bool[] used)"
)
COMMUNITY_OPERATOR = Function.parse(
    "function getNodeOperator(uint256 nodeOperatorId) view returns (tuple(uint32 totalAddedKeys, uint32 totalWithdrawnKeys, "
    "uint32 totalDepositedKeys, uint32 totalVettedKeys, uint32 stuckValidatorsCount, uint32 depositableValidatorsCount, uint32 targetLimit, "
    "uint8 targetLimitMode, uint32 totalExitedKeys, uint32 enqueuedCount, address managerAddress, address proposedManagerAddress, "
    "address rewardAddress, address proposedRewardAddress, bool extendedManagerPermissions, bool usedPriorityQueue))"
)
COMMUNITY_KEYS = Function.parse(
    "function getSigningKeys(uint256 nodeOperatorId, uint256 startIndex, uint256 keysCount) view returns (bytes keys)"
)
Form = Literal["registry", "community"]
_FORMS: Mapping[bytes, Form] = {b"curated-onchain-v1": "registry", b"curated-onchain-v2": "community", b"community-onchain-v1": "community"}
"""Which interface a module has, by its type."""
_SHORT = {"curated-onchain-v1": "curated", "curated-onchain-v2": "curated v2"}
MAX_MODULES = 32
MAX_OPERATORS = 20_000
"""In one module: more is not believed."""
MAX_KEYS = 4_000_000
"""Deposited keys of one module: more is not believed (all of Ethereum has about a million validators)."""
KEY_BYTES, SIGNATURE_BYTES = 48, 96
_NOBODY = address("0x" + "00" * 20)
_WORD = 32


@dataclass(frozen=True)
class LidoKeys:
    """``vault``: where withdrawals must go; the router's word is taken where the deployment has no vault."""

    router: Contract
    vault: Contract | None
    name: str = "lido"

    # ---------------------------------------------------------------- modules

    def overview_reads(self, directory: Mapping[int, Address]) -> Sequence[Read]:
        reads = [self.router.read(MODULES), self.router.read(CREDENTIALS)]
        for at in directory.values():
            module = Contract("module", at)
            reads += [module.read(f) for f in (TYPE, NONCE, SUMMARY, OPERATORS, META_REGISTRY)]
        return reads

    def directory(self, snapshot: Snapshot) -> Mapping[int, Address]:
        """Raises Unanswered, and BadAnswer for a list that cannot be: too long, an id or an address twice."""
        listed = _ask(snapshot, self.router, MODULES)
        found = {module[0]: module[1] for module in listed}
        if not len(listed) <= MAX_MODULES or len(found) != len(listed) or len(set(found.values())) != len(found):
            raise BadAnswer(self.router.name, MODULES.name, b"", f"up to {MAX_MODULES} modules with ids and addresses of their own")
        return found

    def overview(self, snapshot: Snapshot, directory: Mapping[int, Address]) -> KeyOverview:
        """A module that cannot be read is named, and hides no other. Raises Unanswered when the router itself gives no answer."""
        credentials, unread = self._credentials(snapshot)
        names = _names(_ask(snapshot, self.router, MODULES))
        modules = []
        for id, at in directory.items():
            contract = Contract(f"module {id} ({names[id]})", at)
            try:
                modules.append(_module(snapshot, id, names[id], contract))
            except Unanswered as missing:
                unread.append(str(missing))
        return KeyOverview(frozenset(directory), tuple(modules), credentials, tuple(unread))

    def _credentials(self, snapshot: Snapshot) -> tuple[frozenset[bytes], list[str]]:
        """Types 0x01 and 0x02 of one address: a module decides which of them its validators get."""
        said: bytes = _ask(snapshot, self.router, CREDENTIALS)
        body = said[1:]
        if said[0] not in (1, 2) or any(said[1:12]):
            raise BadAnswer(self.router.name, CREDENTIALS.name, said, "withdrawal credentials of type 0x01 or 0x02")
        unread = []
        if self.vault is not None and body[11:] != to_canonical_address(self.vault.address):
            body = bytes(11) + to_canonical_address(self.vault.address)
            unread.append(f"{self.router.name}: new deposits go to 0x{said[12:].hex()}, not to the {self.vault.name} {self.vault.address}")
        return frozenset({b"\x01" + body, b"\x02" + body}), unread

    # ---------------------------------------------------------------- operators

    def operator_reads(self, module: KeyModule, ids: Sequence[int]) -> Sequence[Read]:
        contract = _contract(module)
        if module.form == "registry":
            return [contract.read(REGISTRY_OPERATOR, id, True) for id in ids]
        reads = [contract.read(COMMUNITY_OPERATOR, id) for id in ids]
        return reads + ([Contract("names", module.names).read(METADATA, id) for id in ids] if module.names else [])

    def operators(self, snapshot: Snapshot, module: KeyModule, ids: Sequence[int]) -> Sequence[KeyOperator]:
        """Raises Unanswered; a name that cannot be read alone is left open."""
        return [self._operator(snapshot, module, id) for id in ids]

    def _operator(self, snapshot: Snapshot, module: KeyModule, id: int) -> KeyOperator:
        contract = _contract(module)
        if module.form == "registry":
            _, name, _, _, _, added, deposited = _ask(snapshot, contract, REGISTRY_OPERATOR, id, True)
        else:
            fields = _ask(snapshot, contract, COMMUNITY_OPERATOR, id)
            added, deposited = fields[0], fields[2]
            name = _metadata(snapshot, module, id)
        if deposited > added or deposited > MAX_KEYS:
            raise BadAnswer(contract.name, "getNodeOperator", b"", f"at most {min(added, MAX_KEYS)} deposited keys of operator {id}")
        return KeyOperator(id, None if name is None else plain(name), deposited)

    # ---------------------------------------------------------------- keys

    def key_read(self, module: KeyModule, run: KeyRun) -> Read:
        function = REGISTRY_KEYS if module.form == "registry" else COMMUNITY_KEYS
        # With a caller it is asked alone: bundled on chain, it would need more gas than a share of the bundle's.
        return replace(_contract(module).read(function, run.operator, run.first, run.count), caller=_NOBODY)

    def keys(self, snapshot: Snapshot, module: KeyModule, run: KeyRun) -> bytes:
        """The run's keys, 48 bytes each. Raises Unanswered, and BadAnswer for other lengths or a key without a deposit."""
        contract = _contract(module)
        try:
            data = snapshot.value(self.key_read(module, run))
        except Unanswered as missing:
            raise Unanswered(f"{contract.name}.getSigningKeys of operator {run.operator}", missing.answer) from None
        lengths = [KEY_BYTES * run.count]
        if module.form == "registry":
            lengths.append(SIGNATURE_BYTES * run.count)
        try:
            keys, rest = _byte_strings(data, lengths, flags=run.count if module.form == "registry" else None)
        except ValueError as error:
            raise BadAnswer(contract.name, "getSigningKeys", data, str(error)) from None
        if any(int.from_bytes(rest[i : i + _WORD], "big") != 1 for i in range(0, len(rest), _WORD)):
            raise BadAnswer(contract.name, "getSigningKeys", rest, f"keys of operator {run.operator} that all got a deposit")
        return keys


def _contract(module: KeyModule) -> Contract:
    return Contract(f"module {module.id} ({module.name})", module.address)


def _module(snapshot: Snapshot, id: int, name: str, contract: Contract) -> KeyModule:
    kind = _ask(snapshot, contract, TYPE).rstrip(b"\0")
    form = _FORMS.get(kind)
    if form is None:
        raise BadAnswer(contract.name, TYPE.name, kind, f"one of {', '.join(k.decode() for k in _FORMS)}")
    deposited, operators = _ask(snapshot, contract, SUMMARY)[1], _ask(snapshot, contract, OPERATORS)
    if operators > MAX_OPERATORS or deposited > MAX_KEYS:
        raise BadAnswer(
            contract.name, OPERATORS.name, b"", f"up to {MAX_OPERATORS} operators and {MAX_KEYS} keys, not {operators} and {deposited}"
        )
    names = None
    if form == "community" and not isinstance(snapshot.answers.get(contract.read(META_REGISTRY)), Reverted):
        names = cast(Address, _ask(snapshot, contract, META_REGISTRY))
    return KeyModule(id, name, contract.address, form, _ask(snapshot, contract, NONCE), deposited, operators, names)


def _metadata(snapshot: Snapshot, module: KeyModule, id: int) -> bytes | None:
    """Operators write their own: one that cannot be read must not hide its keys."""
    if module.names is None:
        return b""
    try:
        return bytes(_ask(snapshot, Contract("names", module.names), METADATA, id)[0])
    except Unanswered:
        return None


def short_name(name: bytes) -> str:
    """What the router calls a module, in short."""
    return _SHORT.get(plain(name), plain(name)) or "module"


def _names(listed: Sequence[Sequence[Any]]) -> dict[int, str]:
    """Short names of the modules; where two would be alike, the id tells them apart."""
    names = {module[0]: short_name(module[6]) for module in listed}
    alike = {name for name in names.values() if list(names.values()).count(name) > 1}
    return {id: f"{name} ({id})" if name in alike else name for id, name in names.items()}


def _ask(snapshot: Snapshot, contract: Contract, function: Function, *arguments: Any) -> Any:
    """As ``Contract.ask``, with text as bytes: a name that is not UTF-8 is no reason to know nothing."""
    read = contract.read(function, *arguments)
    try:
        data = snapshot.value(read)
    except Unanswered as missing:
        raise Unanswered(f"{contract.name}.{function.name}", missing.answer) from None
    try:
        values = decode(tuple(t.replace("string", "bytes") for t in function.outputs), data)
    except ValueError as error:
        raise BadAnswer(contract.name, function.name, data, str(error)) from None
    return values[0] if len(values) == 1 else values


def _byte_strings(data: bytes, lengths: Sequence[int], flags: int | None) -> tuple[bytes, bytes]:
    """The first of some byte strings of known lengths, and the words of the flags behind them, from their one canonical encoding.

    Written out, since a general decoder takes a hundred times as long for thousands of keys. Raises ValueError.
    """
    heads = len(lengths) + (flags is not None)
    expected = list(_layout(lengths, flags))
    total = expected[-1][2] if expected else 0
    if len(data) != total:
        raise ValueError(f"{total} bytes")
    for i, (start, length, _) in enumerate(expected):
        if (
            int.from_bytes(data[i * _WORD : (i + 1) * _WORD], "big") != start
            or int.from_bytes(data[start : start + _WORD], "big") != length
        ):
            raise ValueError(f"{heads} lists of the lengths asked for")
    for start, length, end in expected[: len(lengths)]:
        if any(data[start + _WORD + length : end]):
            raise ValueError("clean padding")
    first = expected[0][0] + _WORD
    last = expected[-1]
    return data[first : first + lengths[0]], data[last[0] + _WORD :] if flags is not None else b""


def _layout(lengths: Sequence[int], flags: int | None) -> Iterator[tuple[int, int, int]]:
    """Where each list begins, what length it says, and where it ends."""
    at = _WORD * (len(lengths) + (flags is not None))
    for length in lengths:
        end = at + _WORD + -(-length // _WORD) * _WORD
        yield at, length, end
        at = end
    if flags is not None:
        yield at, flags, at + _WORD + flags * _WORD
