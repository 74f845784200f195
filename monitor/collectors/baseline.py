"""Who may hold which role and what stands behind each proxy: ``rules/policy/baseline.yaml``, reviewed by people.

    version: 1
    networks:
      1:                        # chain id
        lido:                   # protocol
          withdrawal_queue:     # contract
            proxy: {implementation: 0x…, admin: 0x…}
            roles:
              PAUSE_ROLE:
                - {account: 0x…, note: why}

What is not listed is not approved. Accounts are compared as sets.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import yaml

from monitor.model import Address
from monitor.protocols import entries
from monitor.protocols.entries import Entry

FILE_KEYS = ("version", "networks")
CONTRACT_KEYS = ("proxy", "roles")
PROXY_KEYS = ("implementation", "admin")
HOLDER_KEYS = ("account", "note")

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_./()-]*(?: [A-Za-z0-9_./()-]+)*")
_SPECIAL = {"true", "false", "null", "yes", "no", "on", "off", "y", "n", "~"}


@dataclass(frozen=True)
class ContractBaseline:
    """What is approved of one contract: the proxy's pointers (None: nothing is), and notes by role and account."""

    implementation: Address | None = None
    admin: Address | None = None
    roles: Mapping[str, Mapping[Address, str]] = field(default_factory=dict)

    def holders(self, role: str) -> Mapping[Address, str]:
        return self.roles.get(role, {})


Approved = Mapping[str, ContractBaseline]
"""The baseline of one protocol on one network, by contract."""
NOTHING = ContractBaseline()


@dataclass(frozen=True)
class Holding:
    """What the chain says of one contract: holders by role (those that were read), and the proxy's pointers."""

    roles: Mapping[str, frozenset[Address]]
    implementation: Address | None = None
    admin: Address | None = None


Holdings = Mapping[str, Holding]


@dataclass(frozen=True)
class Baseline:
    """The whole file, by chain id and protocol."""

    parts: Mapping[tuple[int, str], Approved] = field(default_factory=dict)

    def of(self, network: int, protocol: str) -> Approved:
        return self.parts.get((network, protocol), {})


@dataclass(frozen=True, order=True)
class Difference:
    """``role`` is a role's name, or ``implementation`` or ``admin`` of the proxy (kind ``proxy``: ``note`` is the approved address)."""

    contract: str
    role: str
    account: Address
    kind: Literal["unapproved", "missing", "proxy"]
    note: str = ""


def load(path: Path) -> Baseline:
    """The file. Raises ``entries.BadEntry`` with file, line and column."""
    return _read(entries.load(path))


def parse(text: str, file: str = "baseline.yaml") -> Baseline:
    """As ``load``, from text."""
    return _read(entries.parse(text, file))


def diff(approved: Approved, holdings: Holdings) -> list[Difference]:
    """What the chain has and the baseline does not, and the other way round, sorted. Only what was read is compared."""
    found: list[Difference] = []
    for contract, holding in holdings.items():
        mine = approved.get(contract, NOTHING)
        for role, holders in holding.roles.items():
            listed = mine.holders(role)
            found += [Difference(contract, role, a, "unapproved") for a in holders - listed.keys()]
            found += [Difference(contract, role, a, "missing", listed[a]) for a in listed.keys() - holders]
        pointers = (("implementation", holding.implementation, mine.implementation), ("admin", holding.admin, mine.admin))
        found += [Difference(contract, what, now, "proxy", was or "") for what, now, was in pointers if now is not None and now != was]
    return sorted(found)


def unknown(approved: Approved, roles: Mapping[str, Collection[str]]) -> list[str]:
    """Contracts and roles of the baseline that the deployment does not have: a typo there would approve nothing.

    ``roles``: the deployment's role names by contract (``ProtocolSources.roles``). A role may also be named by its hash.
    """
    found: list[str] = []
    for contract, mine in approved.items():
        if contract not in roles:
            found.append(f'the baseline speaks of a contract "{contract}" that the deployment lacks{entries.hint(contract, roles)}')
            continue
        strange = [role for role in mine.roles if role not in roles[contract] and not role.startswith("0x")]
        found += [f'{contract} has no role "{role}"{entries.hint(role, roles[contract])}' for role in strange]
    return found


def approve(text: str, network: int, protocol: str, holdings: Holdings, note: str, who: str, at: datetime) -> str:
    """The file's new text in which the chain's state is approved; ``text`` may be empty.

    Entries that stay keep their notes; new ones say why, who and when. Contracts and roles that were not read stay as they
    are. The comment at the head of the file is kept, the order is sorted. Raises BadEntry when ``text`` is wrong, and
    ValueError without a note: an approval without a reason is none.
    """
    if not note.strip():
        raise ValueError("an approval needs a note that says why")
    parts = dict(parse(text).parts) if text.strip() else {}
    reason = f"{note.strip()} ({who}, {at.astimezone(UTC):%Y-%m-%d})"
    approved = dict(parts.get((network, protocol), {}))
    for contract, holding in holdings.items():
        approved[contract] = _approved(approved.get(contract, NOTHING), holding, reason)
    return _head(text) + render(Baseline({**parts, (network, protocol): approved}))


def render(baseline: Baseline) -> str:
    """The baseline as YAML, sorted."""
    lines = ["version: 1", "networks:" if baseline.parts else "networks: {}"]
    for network in sorted({n for n, _ in baseline.parts}):
        lines.append(f"  {network}:")
        for protocol in sorted(p for n, p in baseline.parts if n == network):
            approved = baseline.of(network, protocol)
            lines.append(f"    {protocol}:" if approved else f"    {protocol}: {{}}")
            for contract in sorted(approved):
                lines += _render_contract(contract, approved[contract])
    return "\n".join(lines) + "\n"


def _approved(before: ContractBaseline, holding: Holding, reason: str) -> ContractBaseline:
    roles = dict(before.roles)
    for role, holders in holding.roles.items():
        roles[role] = {account: before.holders(role).get(account, reason) for account in holders}
    return ContractBaseline(holding.implementation or before.implementation, holding.admin or before.admin, roles)


def _render_contract(name: str, contract: ContractBaseline) -> list[str]:
    lines = [f"      {name}:"]
    if contract.implementation or contract.admin:
        lines.append("        proxy:")
        lines += [f"          implementation: '{contract.implementation}'"] if contract.implementation else []
        lines += [f"          admin: '{contract.admin}'"] if contract.admin else []
    if contract.roles:
        lines.append("        roles:")
    for role in sorted(contract.roles):
        holders = contract.roles[role]
        lines.append(f"          {_scalar(role)}:" if holders else f"          {_scalar(role)}: []")
        for account in sorted(holders, key=str.lower):
            note = f", note: {_scalar(holders[account])}" if holders[account] else ""
            lines.append(f"            - {{account: '{account}'{note}}}")
    return lines if len(lines) > 1 else [f"      {name}: {{}}"]


def _scalar(text: str) -> str:
    """Plain where YAML surely reads it as the same text, else in double quotes."""
    if _PLAIN.fullmatch(text) and text.lower() not in _SPECIAL:
        return text
    return str(yaml.safe_dump(text, default_style='"', allow_unicode=True, width=math.inf)).strip()


def _head(text: str) -> str:
    kept = []
    for line in text.splitlines(keepends=True):
        if line.strip() and not line.lstrip().startswith("#"):
            break
        kept.append(line)
    return "".join(kept)


def _read(root: Entry) -> Baseline:
    fields = root.fields(*FILE_KEYS)
    if "version" not in fields or fields["version"].integer() != 1:
        fields.get("version", root).fail("version must be 1")
    parts: dict[tuple[int, str], Approved] = {}
    for chain, key, value in fields["networks"].items() if "networks" in fields else ():
        if not (chain.isascii() and chain.isdigit()):
            key.fail(f'a network is a chain id, found "{chain}"')
        network = key.integer()
        for protocol, _, contracts in value.items():
            parts[network, protocol] = {name: _contract(entry) for name, _, entry in contracts.items()}
    return Baseline(parts)


def _contract(entry: Entry) -> ContractBaseline:
    fields = entry.fields(*CONTRACT_KEYS)
    proxy = fields["proxy"].fields(*PROXY_KEYS) if "proxy" in fields else {}
    pointers = {name: value.account() for name, value in proxy.items()}
    roles = {role: _holders(value) for role, _, value in fields["roles"].items()} if "roles" in fields else {}
    return ContractBaseline(pointers.get("implementation"), pointers.get("admin"), roles)


def _holders(entry: Entry) -> Mapping[Address, str]:
    found: dict[Address, str] = {}
    for holder in entry.entries():
        fields = holder.fields(*HOLDER_KEYS)
        if "account" not in fields:
            holder.fail("a holder needs an account")
        account = fields["account"].account()
        if account in found:
            holder.fail(f"{account} is listed twice")
        found[account] = fields["note"].text() if "note" in fields else ""
    return found
