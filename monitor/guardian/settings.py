"""The ``guardian`` settings: which contract, which targets, whose key, and what a pause may cost."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from monitor.model import Address, address

LeverName = Literal["pauseFor", "pause"]


def _checksummed(text: str) -> str:
    try:
        return address(text)
    except (ValueError, TypeError):
        raise ValueError("is not an address: give 20 bytes as 0x hex") from None


AddressText = Annotated[str, AfterValidator(_checksummed)]
Label = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]*$", max_length=80)]


class _Strict(BaseModel):
    """Unknown keys are refused. Inputs never show in errors: a key pasted into the wrong place must not end in a log."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class TargetSettings(_Strict):
    """One contract that the guardian may pause."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")
    """What rules, responses and commands call it."""
    address: AddressText
    lever: LeverName = "pauseFor"
    """``pauseFor``: lapses by itself. ``pause``: does not lapse, so it is for people only."""
    protocol: Label = ""
    contract: Label = ""
    """The contract's name in the protocol's contract list, if it has one."""
    role_getter: str | None = Field("PAUSE_ROLE", pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    """The target's function that names the role that may pause it (its hash differs between contracts); null if it has no roles."""

    @property
    def where(self) -> Address:
        return Address(self.address)


class KeySettings(_Strict):
    """The sentinel's key: exactly one of an environment variable's name, a keystore with a password, or a file with the key."""

    env: str | None = Field(None, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    """Name of the environment variable that holds the private key as hex (the name, never the key)."""
    key_file: Path | None = None
    keystore_file: Path | None = None
    password_env: str | None = Field(None, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    password_file: Path | None = None

    @model_validator(mode="after")
    def _one(self) -> KeySettings:
        given = [n for n in ("env", "key_file", "keystore_file") if getattr(self, n) is not None]
        if len(given) != 1:
            raise ValueError(f"give exactly one of env, key_file, keystore_file (found {', '.join(given) or 'none'})")
        passwords = [n for n in ("password_env", "password_file") if getattr(self, n) is not None]
        if self.keystore_file is not None and len(passwords) != 1:
            raise ValueError("a keystore needs exactly one of password_file and password_env")
        if self.keystore_file is None and passwords:
            raise ValueError(f"{passwords[0]} is for a keystore_file only")
        return self


class GuardianSettings(_Strict):
    """The guardian of one network. Without ``key`` the service watches readiness and never pauses."""

    contract: AddressText
    targets: tuple[TargetSettings, ...] = Field(min_length=1)
    key: KeySettings | None = None
    max_age_blocks: int = Field(32, ge=1, le=128)
    """A pause that could not be signed within so many blocks of the judged one is given up: what it saw is history."""
    max_fee_gwei: Decimal = Field(Decimal(500), gt=0)
    """The most that a unit of gas may cost."""
    priority_fee_gwei: Decimal = Field(Decimal(3), ge=0)
    bump_after_seconds: float = Field(24.0, gt=0)
    """When a sent pause is not mined after so long, it is sent again with higher fees on the same nonce."""
    poll_seconds: float = Field(1.0, gt=0)
    request_seconds: float = Field(4.0, gt=0)
    min_balance_ether: Decimal = Field(Decimal("0.05"), ge=0)
    """Below this the sentinel does not count as ready."""

    @model_validator(mode="after")
    def _distinct(self) -> GuardianSettings:
        for what, values in (("name", [t.name for t in self.targets]), ("address", [t.address for t in self.targets])):
            if twice := sorted({v for v in values if values.count(v) > 1}):
                raise ValueError(f"two targets have the {what} {', '.join(twice)}: each target once")
        if any(t.address == self.contract for t in self.targets):
            raise ValueError("the guardian contract cannot be its own target")
        return self

    @property
    def where(self) -> Address:
        return Address(self.contract)

    def target(self, name: str) -> TargetSettings:
        """The target of that name. Raises KeyError."""
        for target in self.targets:
            if target.name == name:
                return target
        raise KeyError(name)
