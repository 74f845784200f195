"""The ``network`` settings: which chain, which execution endpoints and beacon nodes, how patient we are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from monitor.model import Address, address
from monitor.model.secret_settings import one_of, secret

MULTICALL3 = address("0xcA11bde05977b3631167028862bE2a173976CA11")
"""Where Multicall3 lives on mainnet and on most other chains."""

Seconds = Annotated[float, Field(gt=0)]


def _checksummed(text: str) -> str:
    try:
        return address(text)
    except (ValueError, TypeError):
        raise ValueError(f"is not an address: give 20 bytes as 0x hex, e.g. {MULTICALL3}") from None


class _Strict(BaseModel):
    """Unknown keys are refused. Inputs never show in errors, because a URL may hold a key."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


def _check_url(who: str, key: str, url: str, schemes: tuple[str, ...]) -> None:
    try:
        parts = urlsplit(url)
        fine = parts.scheme in schemes and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        fine = False
    if not fine:
        raise ValueError(f"{who}: {key} must be {' or '.join(s + '://' for s in schemes)}host[:port][/path]")


class EndpointSettings(_Strict):
    """One JSON-RPC endpoint. Give ``url`` or ``url_file`` (a file that holds the URL), the same for the WebSocket."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$")
    url: SecretStr | None = None
    url_file: Path | None = None
    ws_url: SecretStr | None = None
    ws_url_file: Path | None = None
    operator: str = ""
    """Who runs it: endpoints of one operator are one opinion to whoever asks for distinct operators. Default: the name."""
    headers: dict[str, SecretStr] = Field(default_factory=dict)
    """Sent with every request, for instance ``Authorization``."""

    @model_validator(mode="after")
    def _urls(self) -> EndpointSettings:
        who = f"endpoint {self.name}"
        one_of("url", self.url, self.url_file)
        one_of("ws_url", self.ws_url, self.ws_url_file, required=False)
        _check_url(who, "url", self.http, ("http", "https"))
        if (ws := self.ws) is not None:
            _check_url(who, "ws_url", ws, ("ws", "wss"))
        return self

    @property
    def http(self) -> str:
        """The URL with its credentials: for the client only, never for a message."""
        return secret(f"endpoint {self.name}: url", self.url, self.url_file) or ""

    @property
    def ws(self) -> str | None:
        """The WebSocket URL with its credentials, or None."""
        return secret(f"endpoint {self.name}: ws_url", self.ws_url, self.ws_url_file)

    @property
    def run_by(self) -> str:
        return self.operator or self.name


class BeaconNodeSettings(_Strict):
    """One beacon node. Give ``url`` or ``url_file`` (a file that holds the URL); a path and a query in it are kept."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$")
    url: SecretStr | None = None
    url_file: Path | None = None
    operator: str = ""
    """Who runs it. Default: the name."""
    headers: dict[str, SecretStr] = Field(default_factory=dict)
    """Sent with every request, for instance ``Authorization``."""

    @model_validator(mode="after")
    def _urls(self) -> BeaconNodeSettings:
        who = f"beacon node {self.name}"
        one_of("url", self.url, self.url_file)
        _check_url(who, "url", self.http, ("http", "https"))
        return self

    @property
    def http(self) -> str:
        """The URL with its credentials: for the client only, never for a message."""
        return secret(f"beacon node {self.name}: url", self.url, self.url_file) or ""

    @property
    def run_by(self) -> str:
        return self.operator or self.name


class NetworkSettings(_Strict):
    """One chain and the endpoints through which we see it."""

    chain_id: int = Field(default=1, gt=0)
    genesis_time: int = Field(default=1606824023, ge=0)
    """Beacon genesis, Unix seconds: slot 0."""
    slot_seconds: int = Field(default=12, gt=0)
    block_seconds: Seconds = 12.0
    """The usual time between blocks (1 on the embedded chain)."""
    wall_clock: bool = True
    """Block timestamps follow the wall clock. False on a chain whose time can be warped."""
    execution: tuple[EndpointSettings, ...] = Field(min_length=1)
    history_blocks: int = Field(default=120, ge=1)
    """Blocks back from the head whose state an endpoint can still read (a full node keeps 128)."""
    settled_blocks: int = Field(default=64, ge=1)
    """Blocks behind the head at which what never changes again is read (validators' keys): no reorganisation is expected to reach so far."""
    request_seconds: Seconds = 3.0
    """How long one request may take."""
    block_deadline_seconds: Seconds = 4.0
    """How long all reads of a block may take; what is not decided then is failed."""
    catch_up_seconds: Seconds = 60.0
    """How long the logs of many missed blocks may take."""
    multicall: Annotated[str, AfterValidator(_checksummed)] = MULTICALL3
    multicall_gas: int = Field(default=30_000_000, ge=1_000_000)
    """Gas of one eth_call; geth allows 50 million."""
    multicall_call_gas: int = Field(default=150_000, ge=21_000)
    """Gas that one read is expected to need at most: calls per chunk = multicall_gas / multicall_call_gas."""
    batch_items: int = Field(default=100, ge=1)
    """Calls in one JSON-RPC batch; halved for an endpoint that refuses the size."""
    log_blocks: int = Field(default=10_000, ge=1)
    """Blocks in one eth_getLogs range at most; shrinks and grows with what the endpoint allows."""
    max_body_bytes: int = Field(default=32 * 1024 * 1024, ge=1024)
    beacon: tuple[BeaconNodeSettings, ...] = ()
    """Beacon nodes; none: the consensus layer is not watched."""
    beacon_preset: Literal["mainnet", "minimal", "gnosis"] = "mainnet"
    """Lengths of epochs and vectors of the beacon chain; a node with another preset has no vote."""
    beacon_request_seconds: Annotated[float, Field(gt=0, le=60)] = 5.0
    """How long a beacon node may take for anything but a state, the body included."""
    beacon_state_seconds: Annotated[float, Field(gt=0, le=1200)] = 120.0
    """How long a beacon node may take for a whole state: regenerated, sent and received."""
    max_state_bytes: int = Field(default=768 * 1024 * 1024, ge=1024 * 1024, le=4 * 1024**3)
    """A longer state is refused. Mainnet's have 280 to 350 MB in late 2026."""
    beacon_states: Literal["majority", "one"] = "majority"
    """Whether a state is believed when a majority of the nodes gives equal bytes, or from one node on the agreed chain."""

    @field_validator("execution")
    @classmethod
    def _distinct(cls, endpoints: tuple[EndpointSettings, ...]) -> tuple[EndpointSettings, ...]:
        _check_distinct("endpoint", endpoints)
        return endpoints

    @field_validator("beacon")
    @classmethod
    def _distinct_nodes(cls, nodes: tuple[BeaconNodeSettings, ...]) -> tuple[BeaconNodeSettings, ...]:
        _check_distinct("beacon node", nodes)
        return nodes

    @property
    def multicall_address(self) -> Address:
        return Address(self.multicall)

    def warnings(self) -> list[str]:
        """What is allowed but weakens the majority vote of the endpoints; logged at start."""
        return list(_warnings("execution endpoint", "endpoints", self.execution))

    def beacon_warnings(self) -> list[str]:
        """What is allowed but weakens the vote of the beacon nodes; logged at start."""
        found = list(_warnings("beacon node", "nodes", self.beacon)) if self.beacon else []
        if self.beacon_states == "one" and len(self.beacon) > 1:
            found.append("beacon_states is one: what a single node says of the validators is believed if it knows the agreed chain")
        return found


def _check_distinct(what: str, those: Sequence[EndpointSettings | BeaconNodeSettings]) -> None:
    names = [e.name for e in those]
    if twice := sorted({n for n in names if names.count(n) > 1}):
        raise ValueError(f"two {what}s are named {', '.join(twice)}: every {what} needs a name of its own")
    urls = [e.http for e in those]
    for i, url in enumerate(urls):
        if url in urls[:i]:
            raise ValueError(f"{what}s {names[urls.index(url)]} and {names[i]} have the same URL: one node would vote twice")


def _warnings(what: str, short: str, those: Sequence[EndpointSettings | BeaconNodeSettings]) -> list[str]:
    found: list[str] = []
    n = len(those)
    if n == 1:
        found.append(f"one {what}: whatever it says is believed; configure three of different operators")
    elif n % 2 == 0:
        found.append(f"{n} {what}s stand no more faults than {n - 1}: configure an odd number")
    operators = {e.run_by for e in those}
    if n > 1 and len(operators) < n:
        found.append(f"{n} {what}s but {len(operators)} operators: {short} of one operator fail and err together")
    return found
