"""A roll-call: each owner signs a harmless text, and one sees who could sign now and how long a threshold takes.

The text is EIP-712 under a domain with a name and without a contract, so that its signature can never count for a Safe, whose domain
has no name; and its only fields are words, the Safe, the drill, and two times.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eth_hash.auto import keccak

from monitor.guardian.safe.document import BadFile, read_json
from monitor.guardian.safe.signatures import BadSignature, recover
from monitor.model import Address, address

DOMAIN_TYPE = "EIP712Domain(string name,string version,uint256 chainId)"
MESSAGE_TYPE = "RollCall(string text,address safe,bytes32 drill,uint256 asked,uint256 answered)"
NAME, VERSION = "Stakewarden roll-call", "1"
TEXT = "I can sign for this Safe now. This text pauses nothing, moves nothing and approves nothing."
_AHEAD_SECONDS = 120
"""How far an owner's clock may be ahead of ours."""


@dataclass(frozen=True, slots=True)
class RollCall:
    """What owners are asked to sign. ``drill``: 32 random bytes, so that no old answer counts. ``asked``: wall time, whole seconds."""

    chain_id: int
    safe: Address
    drill: bytes
    asked: int

    def preimage(self, answered: int) -> bytes:
        """The bytes whose keccak an owner signs at that time."""
        domain = keccak(keccak(DOMAIN_TYPE.encode()) + keccak(NAME.encode()) + keccak(VERSION.encode()) + self.chain_id.to_bytes(32, "big"))
        message = keccak(
            keccak(MESSAGE_TYPE.encode()) + keccak(TEXT.encode()) + bytes.fromhex(self.safe[2:]).rjust(32, b"\0") + self.drill
            + self.asked.to_bytes(32, "big") + answered.to_bytes(32, "big")
        )  # fmt: skip
        return b"\x19\x01" + domain + message

    def typed_data(self, answered: int) -> dict[str, Any]:
        """The same for a wallet that signs typed data (``eth_signTypedData_v4``)."""
        return {
            "types": {"EIP712Domain": _fields(DOMAIN_TYPE), "RollCall": _fields(MESSAGE_TYPE)},
            "primaryType": "RollCall",
            "domain": {"name": NAME, "version": VERSION, "chainId": self.chain_id},
            "message": {
                "text": TEXT, "safe": self.safe, "drill": "0x" + self.drill.hex(), "asked": self.asked, "answered": answered,
            },
        }  # fmt: skip

    def as_json(self) -> str:
        found = {
            "kind": "stakewarden-roll-call",
            "chain_id": self.chain_id,
            "safe": self.safe,
            "drill": "0x" + self.drill.hex(),
            "asked": self.asked,
        }
        return json.dumps(found, indent=1) + "\n"


@dataclass(frozen=True, slots=True)
class Answer:
    """One owner's answer as it came. ``answered``: when it was signed, as its signature says."""

    source: str
    drill: bytes
    answered: int
    signature: bytes

    def as_json(self) -> str:
        found = {
            "kind": "stakewarden-roll-call-answer", "drill": "0x" + self.drill.hex(), "answered": self.answered,
            "signature": "0x" + self.signature.hex(),
        }  # fmt: skip
        return json.dumps(found, indent=1) + "\n"


@dataclass(frozen=True, slots=True)
class Report:
    """Who answered, with the seconds that it took; who did not; and how long until enough had. ``refused``: answers that do not count."""

    threshold: int
    answered: tuple[tuple[Address, int], ...]
    missing: tuple[Address, ...]
    refused: tuple[tuple[str, str], ...]

    @property
    def seconds_to_threshold(self) -> int | None:
        """None when fewer than the threshold answered."""
        return self.answered[self.threshold - 1][1] if len(self.answered) >= self.threshold else None


def report(call: RollCall, answers: Iterable[Answer], owners: Sequence[Address], threshold: int, now: int) -> Report:
    """Count the answers of the Safe's present owners; each owner's first one."""
    first: dict[Address, int] = {}
    refused = []
    for answer in answers:
        try:
            owner, seconds = _counted(call, answer, owners, now)
        except BadSignature as wrong:
            refused.append((answer.source, str(wrong)))
        else:
            first[owner] = min(seconds, first.get(owner, seconds))
    order = sorted(first.items(), key=lambda item: item[1])
    return Report(threshold, tuple(order), tuple(o for o in owners if o not in first), tuple(refused))


def _counted(call: RollCall, answer: Answer, owners: Sequence[Address], now: int) -> tuple[Address, int]:
    if answer.drill != call.drill:
        raise BadSignature("it answers another roll-call")
    if not call.asked <= answer.answered <= now + _AHEAD_SECONDS:
        raise BadSignature("its time is before the question, or in the future")
    digest = keccak(call.preimage(answer.answered))
    return recover(digest, answer.signature, owners, hash_name="roll-call's hash").owner, answer.answered - call.asked


def load_call(path: Path) -> RollCall:
    """A roll-call's file. Raises BadFile."""
    found = _of_kind(path, "stakewarden-roll-call", {"chain_id", "safe", "drill", "asked"})
    try:
        return RollCall(_whole(found["chain_id"]), address(found["safe"]), _bytes(found["drill"], 32), _whole(found["asked"]))
    except (ValueError, TypeError) as wrong:
        raise BadFile(f"{path}: is no roll-call ({wrong})") from None


def load_answer(path: Path) -> Answer:
    """An owner's answer. Raises BadFile."""
    found = _of_kind(path, "stakewarden-roll-call-answer", {"drill", "answered", "signature"})
    try:
        return Answer(str(path), _bytes(found["drill"], 32), _whole(found["answered"]), _bytes(found["signature"], None))
    except (ValueError, TypeError) as wrong:
        raise BadFile(f"{path}: is no answer to a roll-call ({wrong})") from None


def _of_kind(path: Path, kind: str, keys: set[str]) -> dict[str, Any]:
    found = read_json(path)
    if not isinstance(found, dict) or found.get("kind") != kind or set(found) != keys | {"kind"}:
        raise BadFile(f'{path}: is no file of kind "{kind}" with {", ".join(sorted(keys))}')
    return found


def _whole(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**63:
        raise ValueError("a number is not a whole one")
    return value


def _bytes(value: object, size: int | None) -> bytes:
    if not isinstance(value, str) or not value.startswith("0x"):
        raise ValueError("bytes are not 0x hex")
    found = bytes.fromhex(value[2:])
    if size is not None and len(found) != size:
        raise ValueError(f"{size} bytes were expected")
    return found


def _fields(type_: str) -> list[dict[str, str]]:
    parts = (part.split() for part in type_[type_.index("(") + 1 : -1].split(","))
    return [{"name": name, "type": kind} for kind, name in parts]
