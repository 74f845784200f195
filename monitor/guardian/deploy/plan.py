"""The plan of a deployment: a file that is reviewed before anything is sent, and against which the chain is read back ever after.

What the contract's constructor or setters would refuse is refused here already, with the key and the remedy.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from monitor.guardian.settings import AddressText
from monitor.model import Address
from monitor.model import address as checksummed

MAX_SECONDS = 365 * 86_400
MAX_SENTINELS = 16
MAX_ORDER_AGE = 128
MIN_GAS, MAX_GAS = 30_000, 1_000_000
MAX_WINDOW = 30 * 86_400
"""The bounds that are constants of the contracts; a test compares them with the source."""

Lever = Literal["pauseFor", "pause", "circuitBreaker"]
Arming = Literal["disarmed", "shadow", "armed"]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$")]
Getter = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
Seconds = Annotated[int, Field(ge=1, le=MAX_SECONDS)]


def _when(value: Any) -> Any:
    """An ISO date or time, UTC where nothing else is said, as Unix seconds."""
    if isinstance(value, str) and not value.isdigit():
        try:
            found = datetime.fromisoformat(value)
        except ValueError:
            raise ValueError("is no time: write 2027-05-31, or 2027-05-31T12:00:00+00:00") from None
        return int((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp())
    return value


Time = Annotated[int, BeforeValidator(_when), Field(gt=0, lt=2**48)]


def _spelled(value: Any) -> Any:
    """An address in mixed case carries a checksum (EIP-55): a mistyped one must not be taken for another account."""
    text = str(value).removeprefix("0x")
    mixed = text.upper() != text != text.lower()
    if mixed and re.fullmatch("[0-9A-Fa-f]{40}", text) and checksummed("0x" + text) != "0x" + text:
        raise ValueError("its checksum (EIP-55) is wrong: a character was mistyped. Copy it again")
    return value


Account = Annotated[AddressText, BeforeValidator(_spelled)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class AdminPlan(_Strict):
    """Governance, or the timelock before it: configures, and can neither resume a target nor go beyond the ceilings."""

    address: Account
    delay_seconds: Annotated[int, Field(ge=0, le=MAX_SECONDS)]
    """Between the proposal and the acceptance of another admin."""

    @property
    def where(self) -> Address:
        return Address(self.address)


class CeilingsPlan(_Strict):
    """What no admin can go beyond, for ever."""

    sentinel_seconds: Seconds
    guardian_seconds: Seconds
    guardian_quota_seconds: Seconds
    cooldown_seconds: Annotated[int, Field(ge=0, le=MAX_SECONDS)]
    sentinel_lifetime_seconds: Seconds
    order_age_blocks: Annotated[int, Field(ge=1, le=MAX_ORDER_AGE)]

    @property
    def struct(self) -> tuple[int, ...]:
        return (
            self.sentinel_seconds, self.guardian_seconds, self.guardian_quota_seconds, self.cooldown_seconds,
            self.sentinel_lifetime_seconds, self.order_age_blocks,
        )  # fmt: skip


class PersonPlan(_Strict):
    """Somebody who pauses by hand: normally a Safe."""

    name: Name
    address: Account

    @property
    def where(self) -> Address:
        return Address(self.address)


class SentinelPlan(PersonPlan):
    """A key of a monitoring service that signs orders, until it expires."""

    expires: Time


class LimitsPlan(_Strict):
    """The admin's bounds of one target; ``sentinel_seconds`` and ``budget`` are 0 for the lever pause."""

    sentinel_seconds: Annotated[int, Field(ge=0, le=MAX_SECONDS)]
    guardian_seconds: Seconds
    guardian_quota_seconds: Seconds
    cooldown_seconds: Annotated[int, Field(ge=0, le=MAX_SECONDS)]
    gas: Annotated[int, Field(ge=MIN_GAS, le=MAX_GAS)]
    budget: Annotated[int, Field(ge=0, le=255)]

    @property
    def struct(self) -> tuple[int, ...]:
        return (
            self.sentinel_seconds, self.guardian_seconds, self.guardian_quota_seconds, self.cooldown_seconds, self.gas, self.budget,
        )  # fmt: skip


class TargetPlan(_Strict):
    """A contract that the guardian shall be able to pause."""

    name: Name
    address: Account
    lever: Lever
    via: Account | None = None
    """The CircuitBreaker, for that lever alone."""
    limits: LimitsPlan
    arming: Arming = "shadow"
    owner: Account
    """Who gives the right to pause: the target's role admin, or the CircuitBreaker's admin."""
    role_getter: Getter = "PAUSE_ROLE"
    """The target's function that names the role that may pause it."""
    resume_getter: Getter | None = "RESUME_ROLE"
    """The one that names the role that may resume it; null where the contract has an ``owner()`` for that."""
    release: bool = False
    """Whether the Releaser shall end guardians' pauses of it: for the lever pause alone."""

    @property
    def where(self) -> Address:
        return Address(self.address)

    @property
    def breaker(self) -> Address:
        """The CircuitBreaker; the zero address for the other levers."""
        return Address(self.via or "0x" + "00" * 20)

    def problems(self, c: CeilingsPlan) -> Iterator[str]:
        """What the contract would refuse of it."""
        lapses = self.lever != "pause"
        limits = self.limits
        if (self.lever == "circuitBreaker") != (self.via is not None):
            yield "via: is the CircuitBreaker, and belongs to the lever circuitBreaker and to no other"
        if self.via == self.address:
            yield "via: a CircuitBreaker is not its own target"
        if not lapses and (limits.sentinel_seconds or limits.budget):
            yield "limits: pause() does not lapse, so it is people's only: set sentinel_seconds and budget to 0"
        if not lapses and self.arming != "disarmed":
            yield "arming: pause() does not lapse, so it cannot be armed: write disarmed"
        if lapses and not (limits.sentinel_seconds and limits.budget):
            yield "limits: sentinel_seconds and budget are at least 1 for a lever that lapses; leave it disarmed to keep sentinels away"
        if self.release and lapses:
            yield "release: this lever lapses by itself: only pause() needs the Releaser"
        if limits.guardian_quota_seconds < limits.guardian_seconds:
            yield "limits.guardian_quota_seconds: is less than guardian_seconds: a guardian could not make one whole pause"
        for key in ("sentinel_seconds", "guardian_seconds", "guardian_quota_seconds", "cooldown_seconds"):
            if getattr(limits, key) > getattr(c, key):
                yield f"limits.{key}: {getattr(limits, key)} is beyond the ceiling of {getattr(c, key)}: lower it, or raise ceilings.{key} before deploying"


class ReleaserPlan(_Strict):
    """An optional second contract that lets the pauses of ``pause()`` end."""

    window_seconds: Annotated[int, Field(ge=1, le=MAX_WINDOW)]
    """For so long after the end of a pause anyone may end it."""


class DeployPlan(_Strict):
    """All of a deployment."""

    version: Annotated[int, Field(ge=1, le=1)]
    chain_id: Annotated[int, Field(gt=0)]
    deployer: Account
    """Who sends the deployment and pays for it. It holds nothing afterwards."""
    admin: AdminPlan
    ceilings: CeilingsPlan
    threshold: Annotated[int, Field(ge=1, le=MAX_SENTINELS)]
    sentinels: tuple[SentinelPlan, ...] = Field((), max_length=MAX_SENTINELS)
    guardians: tuple[PersonPlan, ...] = Field(min_length=1, max_length=16)
    budget: Annotated[int, Field(ge=0, lt=2**32)]
    """Pauses that sentinels may make, over all targets together, until governance sets a new number."""
    targets: tuple[TargetPlan, ...] = Field(min_length=1, max_length=64)
    releaser: ReleaserPlan | None = None

    @property
    def by(self) -> Address:
        """The deployer."""
        return Address(self.deployer)

    @property
    def arguments(self) -> tuple[Any, ...]:
        """The guardian's constructor arguments."""
        return self.admin.delay_seconds, self.admin.address, self.threshold, self.ceilings.struct

    @model_validator(mode="after")
    def _possible(self) -> DeployPlan:
        found = [*self._twice(), *self._mixed(), *self._sizes()]
        for target in self.targets:
            found += [f"targets.{target.name}.{p}" for p in target.problems(self.ceilings)]
        if found:
            # One error with a line for each: pydantic takes one from a validator.
            raise ValueError("\n".join(found))
        return self

    def _twice(self) -> Iterator[str]:
        for key, found in (("sentinels", self.sentinels), ("guardians", self.guardians), ("targets", self.targets)):
            for what in ("name", "address"):
                values = [getattr(f, what) for f in found]
                for value in sorted({v for v in values if values.count(v) > 1}):
                    yield f"{key}: two have the {what} {value}: name each once"

    def _mixed(self) -> Iterator[str]:
        """One key for two powers would let who steals the weaker one have the stronger."""
        people, admin = {g.address: g.name for g in self.guardians}, self.admin.address
        for sentinel in self.sentinels:
            if sentinel.address in people:
                yield f"sentinels.{sentinel.name}: is the guardian {people[sentinel.address]} as well: give it a key of its own"
            if sentinel.address == admin:
                yield f"sentinels.{sentinel.name}: is the admin as well: give it a key of its own"
            if sentinel.address == self.deployer:
                yield f"sentinels.{sentinel.name}: is the deployer as well: give it a key of its own"
        if self.deployer == admin:
            yield "admin.address: is the deployer: name governance or its timelock; who deploys holds nothing afterwards"
        if self.deployer in people:
            yield f"guardians.{people[self.deployer]}: is the deployer: deploy with another key; who deploys holds nothing afterwards"
        for target in self.targets:
            if target.address in (admin, self.deployer, *people, *(s.address for s in self.sentinels)):
                yield f"targets.{target.name}.address: is an account of this plan that holds a power: a target is a contract to be paused"

    def _sizes(self) -> Iterator[str]:
        if self.threshold > len(self.sentinels) and (self.sentinels or self._machines()):
            yield f"threshold: {self.threshold} sentinels must sign and {len(self.sentinels)} are planned: lower it, or add sentinels"
        if self.ceilings.guardian_quota_seconds < self.ceilings.guardian_seconds:
            yield "ceilings.guardian_quota_seconds: is less than guardian_seconds: raise it"
        released = [t.name for t in self.targets if t.release]
        if released and self.releaser is None:
            yield f"releaser: is missing, and {', '.join(released)} shall be released: give window_seconds"
        if self.releaser is not None and not released:
            yield "releaser: no target has release: true: leave the Releaser out"

    def _machines(self) -> bool:
        return any(t.arming != "disarmed" for t in self.targets)
