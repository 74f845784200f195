"""Several calls at one block, each seeing what those before it changed, as one ``eth_call``.

An ``eth_call`` may bring along code for accounts (a *state override*, which geth, erigon, nethermind, reth, besu and anvil know). A stage account that
nobody has gets code that makes the steps in order; each sender gets code that passes on what the stage hands it, so that who is called sees the true
sender. For everybody but the stage such a sender is what an account without code is: it takes ether and says nothing. ``tx.origin`` is the last
step's sender. Unlike ``eth_simulateV1`` no block is made up: the calls run on the block's own number and time, as every other read does.

The code is put together here, instruction by instruction, instead of by a compiler: it is some sixty bytes, and hangs on the steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from eth_hash.auto import keccak

from monitor.model import Address, Staged, Step, address

STAGE: Address = address("0x" + keccak(b"stakewarden.stage")[-20:].hex())
"""Whose code makes the steps: an address to which nobody knows a key."""
MAGIC = keccak(b"stakewarden.staged")
"""The first word of an answer: a client that takes no notice of the code gives another one, or none."""

_STOP, _ADD, _SUB, _EQ, _CALLER, _CALLDATALOAD, _CALLDATASIZE, _CALLDATACOPY = 0x00, 0x01, 0x03, 0x14, 0x33, 0x35, 0x36, 0x37
_CODECOPY, _RETURNDATASIZE, _RETURNDATACOPY, _POP, _MSTORE, _JUMPI, _GAS, _JUMPDEST = 0x39, 0x3D, 0x3E, 0x50, 0x52, 0x57, 0x5A, 0x5B
_DUP1, _DUP2, _DUP3, _DUP4, _CALL, _RETURN, _REVERT = 0x80, 0x81, 0x82, 0x83, 0xF1, 0xF3, 0xFD


class NotStaged(ValueError):
    """The answer is not one of the stage: the client did not run the code that the call brought along."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one step. ``data``: what it returned, or its revert data."""

    success: bool
    data: bytes


def request(staged: Staged, gas: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """The transaction and the accounts' code, which are the first and the third parameter of ``eth_call``."""
    senders = {step.sender for step in staged.steps}
    if not staged.steps or senders & {step.target for step in staged.steps} or STAGE in senders:
        raise ValueError("steps need a sender that is not called itself: its code is replaced")
    transaction = {"from": staged.steps[-1].sender, "to": STAGE, "data": "0x", "gas": hex(gas)}
    codes = {STAGE: _stage(staged.steps), **dict.fromkeys(sorted(senders), _passer())}
    return transaction, {account: {"code": "0x" + code.hex()} for account, code in codes.items()}


def outcomes(data: bytes) -> tuple[Outcome, ...]:
    """What became of each step. Raises NotStaged."""
    if data[:32] != MAGIC:
        raise NotStaged("does not run the code that a call brings along (state override)")
    found, at = [], 32
    while at < len(data):
        size = int.from_bytes(data[at : at + 32], "big")
        told = data[at + 32 : at + 32 + size]
        success = int.from_bytes(told[:32], "big")
        if size < 32 or len(told) != size or success > 1:
            raise NotStaged("does not run the code that a call brings along for each account (state override)")
        found.append(Outcome(success == 1, told[32:]))
        at += 32 + size
    return tuple(found)


# ---------------------------------------------------------------- the code


def _push(value: int | bytes) -> bytes:
    body = value if isinstance(value, bytes) else value.to_bytes(max(1, (value.bit_length() + 7) // 8), "big")
    return bytes([0x5F + len(body)]) + body


def _passer() -> bytes:
    """A sender's code. The stage hands it: the callee, whether to undo (a word each), the data. It gives success (a word) and what came back."""
    head = bytes([_CALLER]) + _push(bytes.fromhex(STAGE[2:])) + bytes([_EQ])
    start = len(head) + 4
    make_call = (
        bytes([_JUMPDEST]) + _push(64) + bytes([_CALLDATASIZE, _SUB])  # the data's size
        + bytes([_DUP1]) + _push(64) + _push(0) + bytes([_CALLDATACOPY])
        + _push(0) + _push(0) + bytes([_DUP3]) + _push(0) + _push(0) + _push(0) + bytes([_CALLDATALOAD, _GAS, _CALL])
        + _push(0) + bytes([_MSTORE])
        + bytes([_RETURNDATASIZE]) + _push(0) + _push(32) + bytes([_RETURNDATACOPY])
        + _push(32) + bytes([_RETURNDATASIZE, _ADD]) + _push(0)
        + _push(32) + bytes([_CALLDATALOAD])
    )  # fmt: skip
    undo = start + len(make_call) + 4
    return head + _push(start) + bytes([_JUMPI, _STOP]) + make_call + _push(undo) + bytes([_JUMPI, _RETURN, _JUMPDEST, _REVERT])


def _stage(steps: Sequence[Step]) -> bytes:
    """The stage's code, followed by what it hands to each sender. It gives the magic word, then for each step a length and what the sender gave."""
    handed = [bytes.fromhex(s.target[2:]).rjust(32, b"\0") + int(s.undone).to_bytes(32, "big") + s.data for s in steps]
    at = 0
    for _ in range(2):  # the first time to learn how long the code is; offsets take two bytes whatever they are
        code = _push(MAGIC) + _push(0) + bytes([_MSTORE]) + _push(32)  # the stack holds where the next result goes
        offset = at
        for step, data in zip(steps, handed, strict=True):
            size = _push(len(data).to_bytes(2, "big"))
            code += size + _push(offset.to_bytes(2, "big")) + bytes([_DUP3, _CODECOPY])
            code += (
                _push(0) + _push(0) + size + bytes([_DUP4]) + _push(0) + _push(bytes.fromhex(step.sender[2:])) + bytes([_GAS, _CALL, _POP])
            )
            code += bytes([_RETURNDATASIZE, _DUP2, _MSTORE])
            code += bytes([_RETURNDATASIZE]) + _push(0) + bytes([_DUP3]) + _push(32) + bytes([_ADD, _RETURNDATACOPY])
            code += bytes([_RETURNDATASIZE, _ADD]) + _push(32) + bytes([_ADD])
            offset += len(data)
        code += _push(0) + bytes([_RETURN])
        at = len(code)
    return code + b"".join(handed)
