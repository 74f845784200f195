"""The ``guardian`` settings: which contract, which targets, whose key, and what a pause may cost."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator

from monitor.chain.settings import EndpointSettings
from monitor.model import Address, address
from monitor.model.secret_settings import one_of, secret

LeverName = Literal["pauseFor", "pause", "circuitBreaker"]


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


class ProbeSettings(_Strict):
    """A user's call of the target that works while it runs, and does not while it is paused: simulated at every block, never sent."""

    sender: AddressText
    """Who makes it: an account for which it works, such as one that holds what it withdraws."""
    to: AddressText
    data: str = Field(pattern=r"^0x([0-9a-fA-F]{2}){4,4096}$")
    """The call as 0x hex."""
    error: str | None = Field(None, pattern=r"^[A-Za-z_][A-Za-z0-9_]*\([a-z0-9,\[\]()]*\)$")
    """The error that a pause makes it end with, as ``ResumedExpected()``; without it any error will do."""


class TargetSettings(_Strict):
    """One contract that the guardian may pause."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")
    """What rules, responses and commands call it."""
    address: AddressText
    lever: LeverName = "pauseFor"
    """``pauseFor``, ``circuitBreaker``: lapse by themselves. ``pause``: does not lapse, so it is for people only."""
    protocol: Label = ""
    contract: Label = ""
    """The contract's name in the protocol's contract list, if it has one."""
    role_getter: str | None = Field("PAUSE_ROLE", pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    """The target's function that names the role that may pause it (its hash differs between contracts); null if it has no roles."""
    resume_getter: str | None = Field("RESUME_ROLE", pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    """The target's function that names the role that may resume it, for messages; null if its ``owner()`` resumes."""
    stops: str = Field("", max_length=400)
    """What no longer works while it is paused: printed by ``guardian levers`` and in alerts."""
    goes_on: str = Field("", max_length=400)
    """What still works while it is paused."""
    cost: str = Field("", max_length=400)
    """What a pause costs its users."""
    probe: ProbeSettings | None = None
    """Shows that a pause stops what it is meant to stop."""
    private_blocks: int = Field(0, ge=0, le=2)
    """For so many blocks a pause is given to the private endpoints of ``submission`` alone: who drains the target must not see it coming."""

    @property
    def where(self) -> Address:
        return Address(self.address)


class RemoteKeySettings(_Strict):
    """A key that a web3signer holds. It signs for anybody who reaches it: let it ask for a client's certificate."""

    url: SecretStr
    """Its address, as ``https://signer.example:9000``."""
    public_key: str = Field(pattern=r"^(0x)?(04)?[0-9a-fA-F]{128}$")
    """The key's public half, by which web3signer names it: 64 bytes as hex."""
    ca_file: Path | None = None
    client_cert_file: Path | None = None
    client_key_file: Path | None = None

    @model_validator(mode="after")
    def _whole(self) -> RemoteKeySettings:
        parts = urlsplit(self.url.get_secret_value())
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError("url must be http://host[:port][/path] or https://...")
        if (self.client_cert_file is None) != (self.client_key_file is None):
            raise ValueError("give client_cert_file and client_key_file together")
        return self

    @property
    def base(self) -> str:
        """The address with what may be secret in it: for the client only."""
        return self.url.get_secret_value().rstrip("/")

    @property
    def identifier(self) -> str:
        """The public key as web3signer writes it: 128 hex digits, without 0x and without the 04 of uncompressed points."""
        return self.public_key.lower()[-128:]


class KeySettings(_Strict):
    """A key: exactly one of an environment variable's name, a keystore with a password, a file with the key, or a remote signer."""

    env: str | None = Field(None, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    """Name of the environment variable that holds the private key as hex (the name, never the key)."""
    key_file: Path | None = None
    keystore_file: Path | None = None
    password_env: str | None = Field(None, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    password_file: Path | None = None
    remote: RemoteKeySettings | None = None

    @model_validator(mode="after")
    def _one(self) -> KeySettings:
        given = [n for n in ("env", "key_file", "keystore_file", "remote") if getattr(self, n) is not None]
        if len(given) != 1:
            raise ValueError(f"give exactly one of env, key_file, keystore_file, remote (found {', '.join(given) or 'none'})")
        passwords = [n for n in ("password_env", "password_file") if getattr(self, n) is not None]
        if self.keystore_file is not None and len(passwords) != 1:
            raise ValueError("a keystore needs exactly one of password_file and password_env")
        if self.keystore_file is None and passwords:
            raise ValueError(f"{passwords[0]} is for a keystore_file only")
        return self


class PeerSettings(_Strict):
    """Another sentinel, where it serves its signed orders."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$")
    url: SecretStr
    """The address of its orders, path included, as ``https://bravo.example/guardian/orders``."""
    token: SecretStr | None = None
    token_file: Path | None = None
    """What it wants to know before it gives them."""

    @model_validator(mode="after")
    def _whole(self) -> PeerSettings:
        parts = urlsplit(self.url.get_secret_value())
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"peer {self.name}: url must be http://host[:port]/path or https://...")
        one_of(f"peer {self.name}: token", self.token, self.token_file, required=False)
        return self

    def secret(self) -> str | None:
        """The token. Raises ValueError when its file cannot be read or is empty."""
        return secret(f"peer {self.name}: token", self.token, self.token_file)


class SubmissionSettings(EndpointSettings):
    """An endpoint that takes transactions. ``private``: it shows them to nobody before they are mined."""

    private: bool = False


class GuardianSettings(_Strict):
    """The guardian of one network. Without ``sentinel`` the service watches readiness and never pauses."""

    contract: AddressText
    targets: tuple[TargetSettings, ...] = Field(min_length=1)
    sentinel: KeySettings | None = None
    """The key that signs orders. It holds no other power and sends nothing, so it needs no ether."""
    senders: tuple[KeySettings, ...] = Field((), max_length=2)
    """The keys that pay for submitting signed orders: the second when the first is stuck. They need ether and no power at all."""
    peers: tuple[PeerSettings, ...] = Field((), max_length=16)
    """The other sentinels. Signatures are believed because the contract knows who signed, not because of who sent them."""
    orders_token: SecretStr | None = None
    orders_token_file: Path | None = None
    """Who asks for our signed orders must know this: whoever drains a target must not read there that a pause is coming."""
    submission: tuple[SubmissionSettings, ...] = Field((), max_length=16)
    """Endpoints that are given transactions beside those of ``network.execution``, such as a private relay."""
    turn_blocks: int = Field(1, ge=0, le=4)
    """Signers of an order take turns to submit it, so many blocks apart: one transaction as a rule, and nobody who must come first. 0: all at once."""
    stuck_blocks: int = Field(4, ge=1, le=64)
    """A transaction that is not mined so many blocks after it was sent is stuck: the second sender sends the order as well, and people are paged."""
    settled_blocks: int = Field(64, ge=1, le=128)
    """So many blocks deep, a mined pause is not looked at any more: no reorganisation is expected to reach so far."""
    levers_file: Path | None = None
    """What else can be paused on this network, and how (``guardian levers``). Mainnet's is shipped."""
    presigned: tuple[Path, ...] = Field((), max_length=64)
    """Pauses that a Safe's owners signed in advance: whether each could still be sent is part of readiness."""
    max_age_blocks: int = Field(32, ge=1, le=128)
    """A pause that could not be signed within so many blocks of the judged one is given up: what it saw is history."""
    max_fee_gwei: Decimal = Field(Decimal(500), gt=0)
    """The most that a unit of gas may cost."""
    priority_fee_gwei: Decimal = Field(Decimal(3), ge=0)
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
        for what, names in (("peers", [p.name for p in self.peers]), ("submission endpoints", [s.name for s in self.submission])):
            if twice := sorted({n for n in names if names.count(n) > 1}):
                raise ValueError(f"two {what} are named {', '.join(twice)}: each needs a name of its own")
        one_of("orders_token", self.orders_token, self.orders_token_file, required=False)
        if any(t.private_blocks for t in self.targets) and not any(s.private for s in self.submission):
            raise ValueError("private_blocks needs an endpoint of submission that is private")
        return self

    def token(self) -> str | None:
        """What peers must know to be given our signed orders. Raises ValueError when its file cannot be read or is empty."""
        return secret("guardian.orders_token", self.orders_token, self.orders_token_file)

    def check_secrets(self) -> None:
        """See that what is in files of its own can be read. Raises ValueError."""
        self.token()
        for peer in self.peers:
            peer.secret()

    @property
    def where(self) -> Address:
        return Address(self.contract)

    def target(self, name: str) -> TargetSettings:
        """The target of that name. Raises KeyError."""
        for target in self.targets:
            if target.name == name:
                return target
        raise KeyError(name)
