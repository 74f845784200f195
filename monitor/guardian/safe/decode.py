"""What a Safe's transaction does, by our own list of functions, and what speaks against signing it.

The list is closed: a selector that is not on it is refused, since whoever signs could not know what it does. Arguments are
decoded strictly: bytes that the function would not read are refused too, for a reader and the contract could differ on them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from monitor.guardian.safe.batch import CANONICAL, BadBatch, Batchers, Part, is_batch, parts
from monitor.guardian.safe.transaction import CALL, DELEGATECALL, NO_ADDRESS, SafeTransaction
from monitor.model import Address
from monitor.protocols.abi import Function, decode
from monitor.protocols.fragments import named

Effect = Literal["brakes", "keeps", "grants"]
"""``brakes``: stops something, or takes a power away from a key. ``keeps``: no effect on users. ``grants``: gives or moves something."""

_BRAKES = {
    "function pause(address pausable)": "a CircuitBreaker pauses that contract, once",
    "function pauseFor(uint256 duration)": "pauses the contract for so many seconds; it lapses by itself",
    "function pauseUntil(uint256 pauseUntilInclusive)": "pauses the contract up to and including that time",
    "function pause()": "pauses the contract; it does not lapse by itself",
    "function pause(uint256 newPausedStatus)": "sets the pause flags; only the unpauser clears them",
    "function pauseAll()": "sets all pause flags; only the unpauser clears them",
    "function pauseTarget(address target)": "our guardian pauses that target",
    "function pauseTargets(address[] targets)": "our guardian pauses those targets",
    "function cancel((address target, uint64 epoch, bytes32 decision, uint64 observedBlock, bytes32 observedBlockHash) order)": "makes an order of the sentinels void",
    "function pauseStaking()": "stops new stake",
    "function stop()": "stops the whole contract",
    "function pauseDeposits(uint256 blockNumber, (bytes32 r, bytes32 vs) sig)": "stops deposits to validators",
    "function disarm(address target)": "sentinels can no longer pause that target",
    "function revokeSentinel(address sentinel)": "that sentinel's signatures count no more",
    "function stopSentinels()": "no sentinel's signature counts any more",
    "function setCapacity(uint256 capacity)": "sets how much osETH may exist; 0 stops minting",
}  # fmt: skip
_KEEPS = {
    "function heartbeat(address target)": "our guardian proves to the CircuitBreaker of that target that it is alive",
    "function heartbeat()": "proves to a CircuitBreaker that its pauser is alive",
    "function approveHash(bytes32 hashToApprove)": "approves a transaction of another Safe of which this Safe is an owner",
}
_GRANTS = {
    "function resume()": "lifts a pause",
    "function unpause()": "lifts a pause",
    "function unpause(uint256 newPausedStatus)": "clears pause flags",
    "function registerPauser(address pausable, address newPauser)": "changes who may pause a contract",
    "function grantRole(bytes32 role, address account)": "grants a role",
    "function revokeRole(bytes32 role, address account)": "takes a role away",
    "function renounceRole(bytes32 role, address account)": "gives a role up",
    "function transferOwnership(address newOwner)": "gives the contract to somebody",
    "function upgradeTo(address newImplementation)": "replaces the contract's code",
    "function upgradeToAndCall(address newImplementation, bytes data)": "replaces the contract's code",
    "function transfer(address to, uint256 amount)": "moves tokens",
    "function transferFrom(address from, address to, uint256 amount)": "moves tokens",
    "function approve(address spender, uint256 amount)": "lets somebody move tokens",
    "function addOwnerWithThreshold(address owner, uint256 threshold)": "adds an owner to the Safe",
    "function removeOwner(address prevOwner, address owner, uint256 threshold)": "takes an owner from the Safe",
    "function swapOwner(address prevOwner, address oldOwner, address newOwner)": "replaces an owner of the Safe",
    "function changeThreshold(uint256 threshold)": "changes how many owners must sign",
    "function enableModule(address module)": "lets a module act for the Safe without signatures",
    "function disableModule(address prevModule, address module)": "takes a module from the Safe",
    "function setGuard(address guard)": "lets a guard forbid the Safe's transactions",
    "function setFallbackHandler(address handler)": "changes what answers for the Safe",
    "function multiSend(bytes transactions)": "does many things at once, none of which is shown",
}

_OPEN_END = 1 << 40
"""Seconds and times from here on are no dates: 35,000 years."""


@dataclass(frozen=True, slots=True)
class Known:
    """A function on the list."""

    function: Function
    names: tuple[str, ...]
    effect: Effect
    meaning: str


def _known() -> dict[bytes, Known]:
    found = {}
    for effect, table in (("brakes", _BRAKES), ("keeps", _KEEPS), ("grants", _GRANTS)):
        for fragment, meaning in table.items():
            function = Function.parse(fragment)
            names = tuple(n or f"argument {i}" for i, (_, n, _) in enumerate(named(fragment, "function")[1]))
            found[function.selector] = Known(function, names, effect, meaning)  # type: ignore[arg-type]
    return found


KNOWN: Mapping[bytes, Known] = _known()


@dataclass(frozen=True, slots=True)
class Argument:
    name: str
    type: str
    value: Any


@dataclass(frozen=True, slots=True)
class Decoded:
    """A call in words. ``signature`` is the canonical one, of which the selector is the hash."""

    signature: str
    arguments: tuple[Argument, ...]
    effect: Effect
    meaning: str


@dataclass(frozen=True, slots=True)
class Finding:
    """Something about a transaction. ``refuse``: not to be signed or sent. ``warn``: look at it before signing."""

    level: Literal["refuse", "warn"]
    code: str
    text: str


@dataclass(frozen=True, slots=True)
class Examined:
    """What a transaction is, by us. ``decoded`` is None when nobody can say. ``parts``: the calls of a batch with what each is."""

    decoded: Decoded | None
    findings: tuple[Finding, ...]
    parts: tuple[tuple[Part, Decoded | None], ...] = ()

    @property
    def refused(self) -> tuple[Finding, ...]:
        return tuple(f for f in self.findings if f.level == "refuse")


def decode_call(data: bytes) -> Decoded | None:
    """The call, if its function is on the list and its arguments are exactly what it takes."""
    known = KNOWN.get(data[:4]) if len(data) >= 4 else None
    if known is None:
        return None
    try:
        values = decode(known.function.inputs, data[4:])
    except ValueError:
        return None
    arguments = tuple(Argument(n, t, v) for n, t, v in zip(known.names, known.function.inputs, values, strict=True))
    return Decoded(known.function.signature, arguments, known.effect, known.meaning)


def in_words(data: bytes) -> str:
    """The call in one line, for lists; its bytes where the function is not on the list."""
    try:
        return "; ".join(f"{part.to}: {in_words(part.data)}" for part in parts(data))
    except BadBatch:
        found = decode_call(data)
    return (
        f"0x{data.hex()}" if found is None else f"{found.signature} {', '.join(f'{a.name} = {a.value}' for a in found.arguments)}".rstrip()
    )


def examine(transaction: SafeTransaction, names: Mapping[Address, str], batchers: Batchers = CANONICAL) -> Examined:
    """Decode and judge. ``names``: contracts that we know, by address; another one is worth a warning. ``batchers``: see ``batch``."""
    if is_batch(transaction, batchers):
        return _batch(transaction, names)
    if _rejects(transaction):
        text = "a call of the Safe to itself without data: it does nothing but use up the nonce"
        return Examined(None, (*_envelope(transaction), Finding("warn", "rejection", text)))
    decoded = decode_call(transaction.data)
    return Examined(decoded, (*_envelope(transaction), *_content(transaction, decoded, names)))


def _batch(t: SafeTransaction, names: Mapping[Address, str]) -> Examined:
    """Each call inside by the same rules as one that stands alone; one that would be refused refuses all."""
    around = _envelope(replace(t, operation=CALL))
    try:
        calls = parts(t.data)
    except BadBatch as wrong:
        return Examined(None, (*around, Finding("refuse", "batch", str(wrong))))
    shown = tuple((part, decode_call(part.data)) for part in calls)
    inside = [
        replace(finding, text=f"call {i}: {finding.text}")
        for i, (part, decoded) in enumerate(shown, 1)
        for finding in _content(replace(t, to=part.to, data=part.data, operation=CALL), decoded, names)
    ]
    if len(set(calls)) < len(calls):
        inside.append(Finding("refuse", "twice", "the same call is made twice: the second pause would fail, and the first with it"))
    whole = Decoded("multiSend(bytes)", (), "brakes", f"makes {len(calls)} calls, all or none of them; each is shown below")
    return Examined(whole, (*around, *inside), shown)


def _odd(decoded: Decoded) -> list[Finding]:
    """Calls that brake or not by their argument."""
    first = decoded.arguments[0].value if decoded.arguments else 0
    match decoded.signature:
        case "setCapacity(uint256)" if first:
            return [Finding("refuse", "no_pause", f"a capacity of {first} lets osETH be minted; only 0 is a brake")]
        case "pauseFor(uint256)" if first >= _OPEN_END:
            return [Finding("warn", "open_end", "this pause has no end: somebody must lift it")]
        case "pauseUntil(uint256)" if first >= _OPEN_END:
            return [Finding("warn", "open_end", "this pause has no end: somebody must lift it")]
        case "approveHash(bytes32)":
            return [Finding("warn", "opaque", "what is approved is not shown here: have the other Safe's file shown too")]
    return []


def _rejects(transaction: SafeTransaction) -> bool:
    return transaction.to == transaction.safe and not transaction.data and transaction.operation == CALL


def _envelope(t: SafeTransaction) -> list[Finding]:
    found = []
    if t.operation == DELEGATECALL:
        text = "DELEGATECALL: the other contract's code would run as the Safe and could replace the Safe itself (so Bybit was robbed)"
        found.append(Finding("refuse", "delegatecall", text))
    elif t.operation != CALL:
        found.append(Finding("refuse", "operation", f"operation {t.operation} does not exist"))
    if t.value:
        found.append(Finding("refuse", "value", f"{t.value} wei would leave the Safe; a pause needs none"))
    if t.gas_token != NO_ADDRESS or t.refund_receiver != NO_ADDRESS or t.gas_price or t.base_gas:
        text = "the Safe would pay the sender (gasToken, refundReceiver, gasPrice or baseGas is set); a pause needs that not"
        found.append(Finding("refuse", "refund", text))
    if t.safe_tx_gas:
        text = f"safeTxGas is {t.safe_tx_gas}: if the call fails, the nonce is used up nevertheless and all signatures are lost"
        found.append(Finding("warn", "safe_tx_gas", text))
    return found


def _content(t: SafeTransaction, decoded: Decoded | None, names: Mapping[Address, str]) -> list[Finding]:
    if t.to == t.safe:
        return [Finding("refuse", "own_setup", "the Safe would change its own setup (owners, threshold, modules or guard)")]
    if decoded is None:
        known = KNOWN.get(t.data[:4])
        text = (
            f"the arguments are not what {known.function.signature} takes: the bytes can be read in more than one way"
            if known
            else f"nobody here knows the function 0x{t.data[:4].hex()}: it could be anything"
        )
        return [Finding("refuse", "arguments" if known else "unknown_function", text)]
    found = []
    if decoded.effect == "grants":
        found.append(Finding("refuse", "no_pause", f"{decoded.signature} is no pause: it {decoded.meaning}"))
    if t.to not in names:
        found.append(
            Finding("warn", "unknown_contract", f"{t.to} is none of the contracts that we know: compare it with the protocol's own list")
        )
    found += _odd(decoded)
    found += [
        Finding("warn", "unknown_target", f"{a.name} {v} is none of the contracts that we know")
        for a in decoded.arguments
        if a.name in ("pausable", "target", "targets")
        for v in (a.value if isinstance(a.value, tuple) else (a.value,))
        if v not in names
    ]
    return found
