"""What can be paused on a network, how, and what it means: the declarations of a file (``mainnet.yaml`` is shipped).

Only what does not change by itself is declared. Who may pull a lever, for how long, and whether it would work is read from the chain.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from monitor.guardian.safe.batch import CANONICAL, Batchers
from monitor.guardian.settings import AddressText
from monitor.model import Address
from monitor.protocols.abi import Function
from monitor.protocols.fragments import BadFragment

_MAX_FILE = 1024 * 1024
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
Words = Annotated[str, Field(min_length=1, max_length=400)]
CodeHash = Annotated[str, Field(pattern=r"^0x[0-9a-f]{64}$")]


class BadDeclaration(Exception):
    """A file of levers that cannot be used: which, what is wrong, and what to do."""


def _fragment(text: str) -> str:
    try:
        Function.parse(text)
    except BadFragment as wrong:
        raise ValueError(f"is not a function: {wrong}") from None
    return text


Fragment = Annotated[str, AfterValidator(_fragment)]
Getter = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Declared(_Strict):
    contract: Name
    address: AddressText
    stops: Words
    """What no longer works during a pause."""
    goes_on: Words
    """What still works during a pause."""
    cost: Words
    """What a pause costs users."""

    @property
    def where(self) -> Address:
        return Address(self.address)


class BreakerLever(_Declared):
    """A contract that Lido's CircuitBreaker ``via`` pauses: its registered pauser calls ``pause(contract)`` there, once."""

    way: Literal["circuit_breaker"]
    via: AddressText
    role_getter: Getter = "PAUSE_ROLE"
    resume_getter: Getter = "RESUME_ROLE"

    @property
    def breaker(self) -> Address:
        return Address(self.via)


class RoleLever(_Declared):
    """A contract that holders of a role (OpenZeppelin's AccessControl), or its owner, pause by calling it."""

    way: Literal["role"]
    call: Literal["pause()", "pauseFor(uint256)"]
    role_getter: Getter | None = "PAUSE_ROLE"
    """Null: the contract has an ``owner()`` instead of roles, who both pauses and resumes."""
    resume_getter: Getter | None = "RESUME_ROLE"
    candidates: tuple[AddressText, ...] = ()
    """Accounts to ask about, where the contract does not list the holders of its roles."""


class DepositGuardiansLever(_Declared):
    """Lido's DepositSecurityModule: any one of its guardians stops deposits, its owner alone allows them again."""

    way: Literal["deposit_guardians"]


class FlagsLever(_Declared):
    """A contract of EigenLayer: ``pause(uint256)`` sets flags, of which only the unpauser of its PauserRegistry clears any."""

    way: Literal["flags"]
    registry: AddressText
    """The registry that is expected; the contract tells which one is in force."""
    candidates: tuple[AddressText, ...]
    """Accounts to ask about: the registry does not list its pausers."""
    flags: dict[Annotated[int, Field(ge=0, le=255)], Words] = Field(min_length=1)
    usual: Annotated[int, Field(ge=0, le=2**256 - 1)] = 0
    """The flags that are set in quiet times."""


class Part(_Strict):
    """A call as an argument of another call."""

    function: Fragment
    arguments: tuple[str | bool | int, ...] = ()


class Reading(_Strict):
    """An argument that is read from the called contract when the message is made."""

    read: Fragment


class Message(_Strict):
    """A call for who can act, ready to be sent."""

    to: AddressText
    function: Fragment
    arguments: tuple[Part | Reading | bool | int | str, ...]


class Latest(_Strict):
    """Contracts that are found by name in a storage of addresses (Rocket Pool's): whether ours are still those in force."""

    storage: AddressText
    names: dict[str, AddressText]


class NoLever(_Declared):
    """Nothing that anybody could pause at once: who can act, how, and the message that they would send."""

    way: Literal["none"]
    who: Words
    how: Words
    owner: Fragment | None = None
    """The contract's function that tells who can act alone."""
    council: AddressText | None = None
    """A council of members (Rocket Pool's ``getMemberCount``, ``getMemberAt``, ``getMemberQuorumVotesRequired``)."""
    latest: Latest | None = None
    shows: tuple[Fragment, ...] = ()
    """Functions of the contract that tell whether it is stopped."""
    message: Message | None = None


Declared: TypeAlias = BreakerLever | RoleLever | DepositGuardiansLever | FlagsLever | NoLever


class ProtocolLevers(_Strict):
    protocol: Name
    levers: tuple[Annotated[Declared, Field(discriminator="way")], ...] = Field(min_length=1)


class Declarations(_Strict):
    """All levers of one network. ``accounts``: names for addresses, as ``protocol/name``."""

    network: int = Field(gt=0)
    accounts: dict[str, AddressText] = {}
    protocols: tuple[ProtocolLevers, ...]
    multisend: dict[AddressText, CodeHash] = {}
    """For an embedded chain alone: what makes several calls of a Safe there, by the hash of its code. Elsewhere only Safe's own contracts are taken."""

    @model_validator(mode="after")
    def _own_multisend(self) -> Declarations:
        if self.multisend:
            from monitor.guardian.policy import EMBEDDED_CHAINS  # with all of the policy behind it, which other networks do without

            if self.network not in EMBEDDED_CHAINS:
                raise ValueError(
                    "multisend: a contract that a Safe runs by delegatecall could do anything to it; only Safe's own are taken"
                )
        return self

    @model_validator(mode="after")
    def _distinct(self) -> Declarations:
        for what, values in (
            ("lever", [f"{p.protocol}/{lever.contract}" for p in self.protocols for lever in p.levers]),
            ("protocol", [p.protocol for p in self.protocols]),
        ):
            if twice := sorted({v for v in values if values.count(v) > 1}):
                raise ValueError(f"two {what}s are named {', '.join(twice)}: each once")
        return self

    def names(self) -> Mapping[Address, str]:
        """Every address that is known here, by name."""
        found = {Address(a): name for name, a in self.accounts.items()}
        found.update({lever.where: f"{p.protocol}/{lever.contract}" for p in self.protocols for lever in p.levers})
        return found

    def batchers(self) -> Batchers:
        """Contracts that may make several calls as a Safe, by the hash of their code."""
        return CANONICAL if not self.multisend else {Address(a): bytes.fromhex(h[2:]) for a, h in self.multisend.items()}

    def find(self, name: str) -> tuple[str, Declared] | None:
        """Protocol and lever of ``protocol/contract``, or of ``contract`` where one protocol alone has it."""
        found = [
            (p.protocol, lever) for p in self.protocols for lever in p.levers if name in (lever.contract, f"{p.protocol}/{lever.contract}")
        ]
        return found[0] if len(found) == 1 else None


def load(path: Path) -> Declarations:
    """A file of levers. Raises BadDeclaration."""
    try:
        if path.stat().st_size > _MAX_FILE:
            raise BadDeclaration(f"{path}: is larger than {_MAX_FILE} bytes")
        return _parsed(path.read_text("utf-8"), str(path))
    except (OSError, UnicodeError) as error:
        raise BadDeclaration(f"{path} cannot be read ({type(error).__name__}): check the path") from None


@cache
def mainnet() -> Declarations:
    """The shipped levers of Ethereum mainnet."""
    return _parsed(resources.files(__package__).joinpath("mainnet.yaml").read_text("utf-8"), "mainnet.yaml")


def of(chain_id: int, path: Path | None) -> Declarations:
    """The declarations of a chain: those of the file, else the shipped ones, else none. Raises BadDeclaration, also for another chain's file."""
    found = load(path) if path is not None else mainnet() if chain_id == 1 else Declarations(network=chain_id, protocols=())
    if found.network != chain_id:
        raise BadDeclaration(f"{path}: is of chain {found.network}, the endpoints are of chain {chain_id}")
    return found


def _parsed(text: str, source: str) -> Declarations:
    try:
        return Declarations.model_validate(yaml.safe_load(text))
    except yaml.YAMLError as wrong:
        mark: Any = getattr(wrong, "problem_mark", None)
        place = "" if mark is None else f", line {mark.line + 1}"
        raise BadDeclaration(f"{source}{place}: is not YAML") from None
    except ValidationError as wrong:
        problems = "; ".join(f"{'.'.join(str(p) for p in e['loc'])}: {e['msg'].removeprefix('Value error, ')}" for e in wrong.errors()[:5])
        raise BadDeclaration(f"{source}: {problems}") from None
