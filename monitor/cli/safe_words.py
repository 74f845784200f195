"""A Safe's transaction in words: everything that an owner should compare before signing."""

from __future__ import annotations

from collections.abc import Mapping

from monitor.guardian.safe.decode import Argument, Decoded, Examined
from monitor.guardian.safe.flow import Review
from monitor.guardian.safe.signatures import Signature
from monitor.guardian.safe.transaction import APPROVE_HASH, SafeTransaction
from monitor.guardian.safe.used import Use
from monitor.model import Address

Names = Mapping[Address, str]
_OPERATIONS = {0: "CALL", 1: "DELEGATECALL"}
_RUNS = " to a known MultiSendCallOnly, which makes the calls below as the Safe (compare this address; `show` compares its code)"


def call_lines(t: SafeTransaction, examined: Examined, names: Names) -> list[str]:
    """What it does, and what speaks against it."""
    decoded = examined.decoded
    function = f"multiSend({len(examined.parts)} calls)" if examined.parts else _function(decoded, names)
    lines = [
        f"chain        {t.chain_id}",
        f"Safe         {_named(t.safe, names)}, nonce {t.nonce}",
        f"to           {_named(t.to, names)}",
        f"function     {function}",
        f"meaning      {decoded.meaning if decoded else 'nobody here can say'}",
        f"value        {t.value} wei",
        f"operation    {_OPERATIONS.get(t.operation, t.operation)}{_RUNS if examined.parts else ''}",
        f"data         0x{t.data.hex()}",
    ]
    for i, (part, inside) in enumerate(examined.parts, 1):
        lines += [
            f"call {i:<8}to {_named(part.to, names)}",
            f"{'':13}{_function(inside, names)}",
            f"{'':13}{inside.meaning if inside else 'nobody here can say'}",
        ]
    marks = {"refuse": "DO NOT SIGN", "warn": "WARNING"}
    return lines + [f"{marks[f.level]:12} {f.text}" for f in examined.findings]


def _function(decoded: Decoded | None, names: Names) -> str:
    if decoded is None:
        return "NOT KNOWN"
    return f"{decoded.signature.split('(')[0]}({', '.join(_argument(a, names) for a in decoded.arguments)})"


def hash_lines(t: SafeTransaction) -> list[str]:
    """The three hashes that wallets show."""
    return [
        f"domain hash  0x{t.domain_hash.hex()}",
        f"message hash 0x{t.message_hash.hex()}",
        f"Safe tx hash 0x{t.hash.hex()}",
    ]


def review_lines(found: Review, names: Names, *, gathering: bool = False) -> list[str]:
    """The whole transaction at one block. ``gathering``: signatures are only now asked for, so their lack is no news."""
    t = found.document.transaction
    lines = [*call_lines(t, found.examined, names), "", *hash_lines(t), ""]
    lines.append(
        f"{found.state.threshold} of {len(found.state.owners)} owners must sign; an owner can also approve the hash on chain, by a call of the Safe:"
    )
    lines.append(f"  {t.safe} 0x{APPROVE_HASH.call(t.hash).data.hex()}")
    by = {s.owner: s for s in found.gathered.signatures}
    lines += [f"  {o} {_signed(by.get(o))}" for o in found.state.owners]
    lines += [f"NOT TAKEN    {source}: {why}" for source, why in found.gathered.refused]
    lines += [f"WARNING      {w}" for w in found.state.warnings]
    lines.append("")
    lines += [f"{'ok' if c.ok else 'NO':4} {c.name:20} {c.reason}" for c in found.checks if not (gathering and c.name == "signed")]
    if found.used is not None:
        lines += ["", *_use(found.used, names)]
    elif t.nonce < found.state.nonce:
        lines += ["", "which transaction used the nonce could not be found in the Safe's events"]
    if found.document.reason:
        lines += ["", f"reason given: {found.document.reason}"]
    return lines


def _use(used: Use, names: Names) -> list[str]:
    outcome = "succeeded" if used.succeeded else "FAILED"
    lines = [
        f"nonce {used.nonce} was used in block {used.block} by transaction {used.tx} (Safe tx hash 0x{used.safe_tx_hash.hex()}), which {outcome}"
    ]
    if used.to is None:
        return [*lines, "  what it did cannot be told: the Safe was not called directly"]
    what = (
        f"0x{used.data.hex()}"
        if used.call is None
        else f"{used.call.signature}: {', '.join(_argument(a, names) for a in used.call.arguments)}"
    )
    return [*lines, f"  it called {_named(used.to, names)} {what}"]


def _signed(signature: Signature | None) -> str:
    if signature is None:
        return "not yet"
    return {
        "eip712": "signed",
        "eth_sign": "signed (eth_sign)",
        "approved": "approved on chain",
        "contract": "confirmed by the owner, a contract",
    }[signature.kind]


def _argument(a: Argument, names: Names) -> str:
    return f"{a.type} {a.name} = {_value(a.value, names)}"


def _value(value: object, names: Names) -> str:
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, tuple):
        return f"[{', '.join(_value(v, names) for v in value)}]"
    return _named(Address(value), names) if isinstance(value, str) and value.startswith("0x") else str(value)


def _named(account: Address, names: Names) -> str:
    return f"{account} ({names[account]})" if account in names else f"{account} (not known here)"
