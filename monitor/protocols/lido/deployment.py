"""Which contracts there are, by name: mainnet ships with the package, a devnet brings a file with addresses.

A devnet's file says ``contracts: {name: address}`` with the names of mainnet's; each inherits its roles and its kind of pause.
A mapping in place of the address adds or overrides: ``{address: ..., proxy: ossifiable_proxy_core, access: none, pause: none}``.
Proxies are not inherited, since a devnet's contracts may stand without; those under ``implementations: {name: address}`` have the
same kind of proxy as on mainnet. A name that mainnet lacks must say what it is (at least one of ``access``, ``proxy``, ``pause``),
or be under ``kinds`` (then it is somebody else's contract, and only its name is taken): otherwise it is a typo.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Literal, TypeVar, get_args

from eth_hash.auto import keccak

from monitor.catalogue.catalogue import nearest
from monitor.model import Address
from monitor.protocols import entries
from monitor.protocols.abi import Contract
from monitor.protocols.access import PauseKind, ProxyKind
from monitor.protocols.entries import Entry, hint
from monitor.protocols.venues import Market, read_market

AccessKind = Literal["access_control_enumerable", "access_control_not_enumerable", "aragon_acl"]
_GROUPS = ("core", "oracle", "modules", "vaults", "governance")
_OF_DEVNET = (
    "genesis_time", "seconds_per_slot", "slots_per_epoch", "initial_epoch", "epochs_per_frame", "block", "spare_implementations",
    "members", "quorum",
)  # fmt: skip
"""What the devnet's file tells besides: of no interest here."""
_FIELDS = ("address", "group", "proxy", "access", "pause", "roles", "role_hashes")
_BASES = ("lido", "wsteth")
"""Contracts whose tokens venues can price."""
MAINNET = Path(__file__).with_name("mainnet.yaml")
DEFAULT_ADMIN_ROLE = bytes(32)
T = TypeVar("T")


class UnknownContract(KeyError):
    """No contract of the deployment has this name; says the nearest one."""

    def __init__(self, name: str, known: Mapping[str, object]) -> None:
        close = nearest(name, known)
        super().__init__(f'the deployment has no contract "{name}"' + (f'; did you mean "{close}"?' if close else ""))
        self.name, self.nearest = name, close

    def __str__(self) -> str:
        return str(self.args[0])


@dataclass(frozen=True)
class Deployed:
    """One contract: where it is, and which of the common interfaces it has. ``roles`` are names by hash."""

    contract: Contract
    group: str
    proxy: ProxyKind | None = None
    access: AccessKind | None = None
    pause: PauseKind | None = None
    roles: Mapping[bytes, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Deployment:
    """The contracts of one network by name, the names of other accounts, Aragon's app ids, and where the token is traded."""

    network: int | None
    contracts: Mapping[str, Deployed]
    accounts: Mapping[str, Address] = field(default_factory=dict)
    app_ids: Mapping[bytes, str] = field(default_factory=dict)
    market: Market | None = None

    def __getitem__(self, name: str) -> Contract:
        try:
            return self.contracts[name].contract
        except KeyError:
            raise UnknownContract(name, self.contracts) from None

    def has(self, *names: str) -> bool:
        return all(name in self.contracts for name in names)

    @property
    def names(self) -> Mapping[Address, str]:
        """What an address is called here: contracts, then other accounts."""
        return {**{a: n for n, a in self.accounts.items()}, **{d.contract.address: n for n, d in self.contracts.items()}}


@cache
def mainnet() -> Deployment:
    """Lido on Ethereum mainnet, as it ships with the package."""
    return _read(entries.load(MAINNET), {})


def load(path: Path) -> Deployment:
    """A deployment file of the user's or the devnet's. Raises BadEntry with file, line and column."""
    return _read(entries.load(path), mainnet().contracts)


def parse(text: str, file: str = "deployment") -> Deployment:
    """As ``load``, from text."""
    return _read(entries.parse(text, file), mainnet().contracts)


def _read(root: Entry, described: Mapping[str, Deployed]) -> Deployment:
    fields = root.fields(
        "network", "chain_id", "role_hashes", "contracts", "implementations", "kinds", "accounts", "app_ids", "peg", *_OF_DEVNET
    )
    if "contracts" not in fields:
        root.fail('"contracts" is missing: a mapping from contract names to addresses')
    hashes = {name: value.digest() for name, _, value in fields["role_hashes"].items()} if "role_hashes" in fields else {}
    proxied = _names(fields, "implementations")
    others = _names(fields, "kinds") - described.keys()
    contracts: dict[str, Deployed] = {}
    accounts = {name: value.account() for name, _, value in fields["accounts"].items()} if "accounts" in fields else {}
    taken: dict[Address, str] = {}
    for name, key, value in fields["contracts"].items():
        if name in others and not value.is_mapping:
            accounts[name] = value.account()
            continue
        found = _deployed(name, key, value, described, hashes)
        if name in proxied and found.proxy is None and name in described:
            found = replace(found, proxy=described[name].proxy)
        other = taken.setdefault(found.contract.address, name)
        if other != name:
            value.fail(f'"{name}" has the same address as "{other}"')
        contracts[name] = found
    app_ids = {value.digest(): name for name, _, value in fields["app_ids"].items()} if "app_ids" in fields else {}
    network = fields.get("network") or fields.get("chain_id")
    market = read_market(fields["peg"], _BASES) if "peg" in fields else None
    return Deployment(network.integer() if network else None, MappingProxyType(contracts), accounts, app_ids, market)


def _names(fields: Mapping[str, Entry], key: str) -> set[str]:
    return {name for name, _, _ in fields[key].items()} if key in fields else set()


def _deployed(name: str, key: Entry, value: Entry, described: Mapping[str, Deployed], hashes: Mapping[str, bytes]) -> Deployed:
    known = described.get(name)
    if not value.is_mapping:
        if known is None:
            key.fail(_unknown(name, described))
        return Deployed(Contract(name, value.account()), known.group, None, known.access, known.pause, known.roles)
    fields = value.fields(*_FIELDS)
    if "address" not in fields:
        value.fail(f'"{name}" has no address')
    if described and known is None and not fields.keys() & {"access", "proxy", "pause"}:
        key.fail(_unknown(name, described))
    return Deployed(
        Contract(name, fields["address"].account()),
        fields["group"].one_of(_GROUPS) if "group" in fields else known.group if known else "core",
        _kind(fields, "proxy", get_args(ProxyKind), None),
        _kind(fields, "access", get_args(AccessKind), known.access if known else None),
        _kind(fields, "pause", get_args(PauseKind), known.pause if known else None),
        _roles(fields, hashes) if "roles" in fields else known.roles if known else {},
    )


def _kind(fields: Mapping[str, Entry], key: str, kinds: tuple[T, ...], inherited: T | None) -> T | None:
    if key not in fields:
        return inherited
    found = fields[key].one_of([*map(str, kinds), "none"])
    return next((k for k in kinds if k == found), None)


def _roles(fields: Mapping[str, Entry], hashes: Mapping[str, bytes]) -> dict[bytes, str]:
    own = {name: value.digest() for name, _, value in fields["role_hashes"].items()} if "role_hashes" in fields else {}
    found: dict[bytes, str] = {}
    for entry in fields["roles"].entries():
        role = entry.text()
        default = DEFAULT_ADMIN_ROLE if role == "DEFAULT_ADMIN_ROLE" else keccak(role.encode())
        found[own.get(role) or hashes.get(role, default)] = role
    return found


def _unknown(name: str, described: Mapping[str, Deployed]) -> str:
    return f'"{name}" is not a contract of Lido{hint(name, described)}; a contract of your own says its access, proxy or pause'
