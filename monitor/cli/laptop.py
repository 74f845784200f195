"""What the commands for a bad night need: endpoints, by URL or by settings, and a key. Nothing of the service is loaded before it is needed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from pydantic import ValidationError

from monitor.chain.settings import EndpointSettings
from monitor.cli.failure import Failure
from monitor.guardian.aim import Book, settings_of, typed_address
from monitor.guardian.byhand import Place, targets
from monitor.guardian.contract import PauseImpossible
from monitor.guardian.keys import KeyProblem, Signer, load_key, load_signer
from monitor.guardian.levers.declared import BadDeclaration, Declarations, of
from monitor.guardian.node import Nodes, NoMajority, number
from monitor.guardian.person import Fees
from monitor.guardian.safe.document import BadFile
from monitor.guardian.settings import GuardianSettings, KeySettings
from monitor.model import Address
from monitor.model.secrecy import hold_settings

if TYPE_CHECKING:
    from monitor.service.settings import Settings

T = TypeVar("T")
_HINTS = {
    1: "; it is the only endpoint: give another one with --rpc",
    2: "; of two endpoints both must agree: give a third one, or the one that you trust alone",
}

RpcOption = Annotated[
    list[str] | None,
    typer.Option(
        "--rpc", envvar="STAKEWARDEN_RPC_URL", help="URL of an endpoint, instead of settings. Give three: a majority of them must agree."
    ),
]
GuardianOption = Annotated[
    str | None,
    typer.Option("--guardian", envvar="STAKEWARDEN_GUARDIAN_ADDRESS", help="Address of the guardian contract, instead of the settings'."),
]
LeversOption = Annotated[Path | None, typer.Option("--levers", help="File of levers; mainnet's is shipped.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
KeyFileOption = Annotated[Path | None, typer.Option(help="File with the private key.")]
KeystoreOption = Annotated[Path | None, typer.Option(help="Encrypted keystore; its password from --password-file.")]
PasswordOption = Annotated[Path | None, typer.Option(help="File with the keystore's password.")]


@dataclass(frozen=True)
class Laptop:
    """Where the chain is read. ``guardian``: the guardian's settings, if any were given; ``contract``: the guardian, if one was named instead."""

    endpoints: tuple[EndpointSettings, ...]
    guardian: GuardianSettings | None
    chain_id: int | None
    levers: Path | None
    contract: Address | None = None

    @property
    def guardian_at(self) -> Address | None:
        """The guardian contract, as named or as the settings say."""
        return self.contract or (self.guardian.where if self.guardian else None)

    @property
    def alone(self) -> str:
        """What is to be said of endpoints that nobody contradicts; empty for two and more."""
        return "one endpoint: believed alone" if len(self.endpoints) == 1 else ""

    def book(self, chain_id: int) -> Book:
        """The names by which targets are known here. Raises Failure."""
        return Book(self.guardian.targets if self.guardian else (), self.declarations(chain_id))

    def declarations(self, chain_id: int) -> Declarations:
        """Raises Failure."""
        if self.chain_id not in (None, chain_id):
            raise Failure(f"the endpoints are of chain {chain_id}, the settings are of chain {self.chain_id}", code=1)
        named = self.levers or (self.guardian.levers_file if self.guardian else None)
        return declarations(chain_id, named)

    async def guarded(self, nodes: Nodes, chain_id: int) -> GuardianSettings | None:
        """What the settings say of the guardian, if they are of this one; else what is registered there; None where no guardian is named.

        Raises Failure when nothing is registered, PauseImpossible when no guardian is there, NoMajority.
        """
        at = self.guardian_at
        if at is None or (self.guardian is not None and self.guardian.where == at):
            return self.guardian
        place = Place(chain_id, at, self.book(chain_id))
        if not (found := await targets(nodes, place)):
            raise Failure(f"nothing is registered with the guardian {at}: its admin registers targets", code=1)
        return settings_of(found, at, place.book)

    @property
    def fees(self) -> Fees:
        return Fees.of(self.guardian) if self.guardian else Fees()

    @property
    def seconds(self) -> float:
        return self.guardian.request_seconds if self.guardian else 4.0

    def run(self, work: Callable[[Nodes, int], Awaitable[T]]) -> T:
        """Do something with the endpoints and their chain id. What cannot be done is told as a Failure with the reason."""
        try:
            return asyncio.run(self._run(work))
        except NoMajority as wrong:
            raise Failure(f"{wrong}{_HINTS.get(len(self.endpoints), '')}", code=1) from None
        except (PauseImpossible, BadFile) as wrong:
            raise Failure(str(wrong), code=1) from None

    async def _run(self, work: Callable[[Nodes, int], Awaitable[T]]) -> T:
        nodes = Nodes(self.endpoints, self.seconds)
        try:
            chain_id = await nodes.agreed("chain id", number, "eth_chainId")
            if self.chain_id not in (None, chain_id):
                raise PauseImpossible(
                    f"the endpoints are of chain {chain_id}, the settings are of chain {self.chain_id}: nothing was signed"
                )
            return await work(nodes, chain_id)
        finally:
            await nodes.close()


def laptop(rpc: list[str] | None, settings: Path | None, levers: Path | None, guardian: str | None = None) -> Laptop:
    """Endpoints from URLs, else from a settings file. Raises Failure."""
    contract = None if guardian is None else contract_at(guardian)
    if rpc and settings is None:
        return Laptop(tuple(_endpoint(i, url) for i, url in enumerate(rpc, 1)), None, None, levers, contract)
    config = read_settings(settings)
    endpoints = tuple(_endpoint(i, url) for i, url in enumerate(rpc, 1)) if rpc else config.network.execution
    return Laptop(endpoints, config.guardian, config.network.chain_id, levers, contract)


def read_settings(settings: Path | None) -> Settings:
    """The settings. The whole service is behind them: seconds that a command with --rpc saves. Raises Failure."""
    from monitor.cli.run import read
    from monitor.cli.where import settings_file

    try:
        path = settings_file(settings)
    except Failure as none:
        raise Failure(f"{none}; or give --rpc URL, which needs no settings") from None
    return read(path)


def contract_at(text: str) -> Address:
    """The guardian that was named. Raises Failure."""
    try:
        return typed_address(text)
    except PauseImpossible as wrong:
        raise Failure(f"--guardian: {wrong}") from None


def declarations(chain_id: int, path: Path | None) -> Declarations:
    """The levers that are declared for a chain. Raises Failure."""
    try:
        return of(chain_id, path)
    except BadDeclaration as wrong:
        raise Failure(str(wrong)) from None


def signer(env: str, key_file: Path | None, keystore: Path | None, password_file: Path | None) -> Signer:
    """The key of the options: a keystore, a file, or the environment variable. Raises Failure."""
    if keystore is not None:
        return signer_of(key_settings(keystore_file=keystore, password_file=password_file))
    return signer_of(key_settings(key_file=key_file) if key_file else key_settings(env=env))


def key_settings(**given: object) -> KeySettings:
    """Raises Failure."""
    try:
        return KeySettings.model_validate(given)
    except ValidationError as wrong:
        raise Failure(_problems(wrong)) from None


def signer_of(key: KeySettings) -> Signer:
    """Raises Failure."""
    try:
        return load_signer(key)
    except KeyProblem as wrong:
        raise Failure(str(wrong)) from None


def account_of(key: KeySettings) -> Address:
    """The account of a service's key, wherever that is held. Raises Failure."""
    try:
        return load_key(key).address
    except KeyProblem as wrong:
        raise Failure(str(wrong)) from None


def _endpoint(index: int, url: str) -> EndpointSettings:
    try:
        found = EndpointSettings.model_validate({"name": f"rpc-{index}", "url": url})
    except ValidationError as wrong:
        raise Failure(f"--rpc: {_problems(wrong)}") from None
    hold_settings(found)
    return found


def _problems(wrong: ValidationError) -> str:
    return "; ".join(e["msg"].removeprefix("Value error, ") for e in wrong.errors())


def plain(value: Any) -> Any:
    """A dataclass as JSON can hold it: bytes as hex, unknown with its reason."""
    from dataclasses import fields, is_dataclass

    from monitor.guardian.levers.reader import Unknown

    if isinstance(value, Unknown):
        return {"unknown": value.why}
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, (tuple, list)):
        return [plain(v) for v in value]
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    return value
