"""Who stands behind an address: nobody, an account with a key, a Safe with its owners, or another contract."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from monitor.guardian.levers.reader import Reader, Unknown
from monitor.guardian.safe.state import OWNERS, THRESHOLD
from monitor.model import Address
from monitor.protocols.abi import Function

HAS_ROLE = Function.parse("function hasRole(bytes32,address) view returns (bool)")
MEMBER_COUNT = Function.parse("function getRoleMemberCount(bytes32) view returns (uint256)")
MEMBER = Function.parse("function getRoleMember(bytes32,uint256) view returns (address)")
OWNER = Function.parse("function owner() view returns (address)")
NOBODY = Address("0x0000000000000000000000000000000000000000")
_MOST_MEMBERS = 64

Kind = Literal["account", "Safe", "contract", "nobody", "unknown"]


@dataclass(frozen=True, slots=True)
class Party:
    """Somebody with a power. ``name``: as declared, or empty. Owners and threshold are a Safe's; ``note``: what else is to be said."""

    address: Address
    name: str
    kind: Kind
    owners: tuple[Address, ...] = ()
    threshold: int | None = None
    note: str = ""

    def __str__(self) -> str:
        shown = f"{self.name} {self.address}".strip()
        match self.kind:
            case "nobody":
                return "nobody"
            case "Safe":
                shown += f", Safe {self.threshold} of {len(self.owners)}"
            case "account":
                shown += ", one key"
            case "contract":
                shown += ", contract"
            case "unknown":
                shown += ", unknown kind"
        return f"{shown} ({self.note})" if self.note else shown


Parties = tuple[Party, ...] | Unknown
"""Who holds a power; Unknown when it cannot be told."""


async def party(reader: Reader, address: Address, names: Mapping[Address, str], note: str = "") -> Party:
    """Who that address is."""
    if address == NOBODY:
        return Party(address, "", "nobody")
    name = names.get(address, "")
    code, owners, threshold = await asyncio.gather(reader.code(address), reader.ask(address, OWNERS), reader.ask(address, THRESHOLD))
    if isinstance(code, Unknown):
        return Party(address, name, "unknown", note="; ".join(filter(None, (note, code.why))))
    if not code:
        return Party(address, name, "account", note=note)
    if code.startswith(b"\xef\x01\x00"):
        return Party(address, name, "account", note="; ".join(filter(None, (note, "it runs the code of another contract (EIP-7702)"))))
    if isinstance(owners, Unknown) or isinstance(threshold, Unknown):
        return Party(address, name, "contract", note=note)
    return Party(address, name, "Safe", owners, threshold, note)


async def parties(reader: Reader, addresses: Sequence[Address], names: Mapping[Address, str], note: str = "") -> tuple[Party, ...]:
    """All of them, in their order."""
    return tuple(await asyncio.gather(*(party(reader, a, names, note) for a in addresses)))


async def holders(reader: Reader, where: Address, getter: str | None, candidates: Sequence[Address]) -> tuple[Address, ...] | Unknown:
    """Who holds the role that a getter names; without a getter, the owner. Where roles are not listed, those of ``candidates`` who hold it."""
    if getter is None:
        owner = await reader.ask(where, OWNER)
        return owner if isinstance(owner, Unknown) else (owner,)
    role = await reader.ask(where, Function.parse(f"function {getter}() view returns (bytes32)"))
    if isinstance(role, Unknown):
        return role
    count = await reader.ask(where, MEMBER_COUNT, role)
    if isinstance(count, Unknown):
        return await _of_candidates(reader, where, role, candidates, count)
    if count > _MOST_MEMBERS:
        return Unknown(f"{count} accounts hold {getter} of {where}")
    members = await asyncio.gather(*(reader.ask(where, MEMBER, role, i) for i in range(count)))
    missing = next((m for m in members if isinstance(m, Unknown)), None)
    return missing if missing is not None else tuple(members)


async def _of_candidates(
    reader: Reader, where: Address, role: bytes, candidates: Sequence[Address], why: Unknown
) -> tuple[Address, ...] | Unknown:
    if not candidates:
        return Unknown(f"the contract does not list who holds the role ({why.why})")
    held = await asyncio.gather(*(reader.ask(where, HAS_ROLE, role, c) for c in candidates))
    missing = next((h for h in held if isinstance(h, Unknown)), None)
    if missing is not None:
        return missing
    return tuple(c for c, yes in zip(candidates, held, strict=True) if yes)
