"""``stakewarden guardian safe roll-call``: who could sign now, and how long a threshold takes."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from monitor.catalogue.catalogue import nearest
from monitor.cli.failure import Failure
from monitor.cli.laptop import JsonOption, KeyFileOption, KeystoreOption, PasswordOption, RpcOption, laptop, plain, signer
from monitor.cli.where import SettingsOption
from monitor.guardian.node import Nodes
from monitor.guardian.safe.document import BadFile, write
from monitor.guardian.safe.rollcall import TEXT, Answer, Report, RollCall, load_answer, load_call, report
from monitor.guardian.safe.state import SafeState, read_safe
from monitor.model import Address, address

app = typer.Typer(no_args_is_help=True, help="Ask a Safe's owners for a harmless signature: who could sign now?")
CallArgument = Annotated[Path, typer.Argument(help="The roll-call's file.")]


@app.command()
def ask(
    safe: Annotated[str, typer.Argument(help="The Safe's address, or its name among the levers, as lido/committee_circuit_breaker.")],
    rpc: RpcOption = None,
    settings: SettingsOption = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="File to write.")] = Path("roll-call.json"),
) -> None:
    """Begin a roll-call: write the text that each owner is asked to sign."""
    where = laptop(rpc, settings, None)

    async def work(nodes: Nodes, chain_id: int) -> tuple[int, Address, SafeState]:
        found = _named(safe, where.declarations(chain_id).accounts)
        return chain_id, found, await read_safe(nodes, found, await nodes.newest())

    chain_id, called, state = where.run(work)
    _write(out, RollCall(chain_id, called, secrets.token_bytes(32), int(time.time())).as_json())
    typer.echo(f"written: {out}. Send it to the {len(state.owners)} owners, of whom {state.threshold} must sign:")
    for owner in state.owners:
        typer.echo(f"  {owner}")
    typer.echo(f'each answers with: stakewarden guardian safe roll-call answer {out.name}\nthe text: "{TEXT}"')


@app.command()
def answer(
    file: CallArgument,
    key_env: Annotated[str, typer.Option(help="Environment variable that holds the owner's private key.")] = "STAKEWARDEN_OWNER_KEY",
    key_file: KeyFileOption = None,
    keystore: KeystoreOption = None,
    password_file: PasswordOption = None,
    typed_data: Annotated[
        bool, typer.Option("--typed-data", help="Print what a hardware wallet is to sign now, instead of signing.")
    ] = False,
    signature: Annotated[str | None, typer.Option(help="A wallet's signature of that, as 0x hex, with --answered.")] = None,
    answered: Annotated[int | None, typer.Option(help="The time in the typed data that the wallet signed.", min=0)] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="File to write.")] = None,
) -> None:
    """Answer as an owner: sign the text with the time of now. It pauses nothing and moves nothing."""
    call = _call(file)
    if typed_data:
        typer.echo(json.dumps(call.typed_data(int(time.time())), indent=1))
        return
    if signature is not None:
        if answered is None:
            raise Failure("--signature needs --answered: the time that stands in the typed data")
        try:
            raw, at = bytes.fromhex(signature.removeprefix("0x")), answered
        except ValueError:
            raise Failure("--signature is not hex") from None
        who = "wallet"
    else:
        owner, at = signer(key_env, key_file, keystore, password_file), int(time.time())
        raw, who = asyncio.run(owner.sign_bytes(call.preimage(at))), owner.address[:10].lower()
    where = out or file.with_name(f"{file.stem}-{who}.answer.json")
    _write(where, Answer(str(where), call.drill, at, raw).as_json())
    typer.echo(f"answered: {where}")


@app.command("report")
def report_command(
    file: CallArgument,
    answers: Annotated[list[Path] | None, typer.Argument(help="The owners' answers.")] = None,
    rpc: RpcOption = None,
    settings: SettingsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Who answered, after how long; who did not; minutes until enough had. Exit code 1 below the threshold."""
    call = _call(file)
    try:
        given = [load_answer(p) for p in answers or ()]
    except BadFile as wrong:
        raise Failure(str(wrong), code=1) from None

    async def work(nodes: Nodes, chain_id: int) -> SafeState:
        if chain_id != call.chain_id:
            raise Failure(f"the endpoints are of chain {chain_id}, the roll-call is of chain {call.chain_id}", code=1)
        return await read_safe(nodes, call.safe, await nodes.newest())

    state = laptop(rpc, settings, None).run(work)
    found = report(call, given, state.owners, state.threshold, int(time.time()))
    shown = {**plain(found), "seconds_to_threshold": found.seconds_to_threshold}
    typer.echo(json.dumps(shown, indent=1) if as_json else "\n".join(_lines(found)))
    if found.seconds_to_threshold is None:
        raise typer.Exit(1)


def _named(safe: str, accounts: Mapping[str, str]) -> Address:
    """The Safe of an address or of a name that the levers have. Raises Failure."""
    try:
        return address(accounts.get(safe, safe))
    except ValueError:
        close = nearest(safe, accounts)
        raise Failure(
            f"{safe} is neither an address nor a name among the levers" + (f'; did you mean "{close}"?' if close else "")
        ) from None


def _lines(found: Report) -> list[str]:
    lines = [f"{owner}  can sign: answered after {seconds / 60:.1f} minutes" for owner, seconds in found.answered]
    lines += [f"{owner}  no answer" for owner in found.missing]
    lines += [f"not counted: {source}: {why}" for source, why in found.refused]
    enough = found.seconds_to_threshold
    counted = f"{len(found.answered)} of {len(found.answered) + len(found.missing)} owners answered, {found.threshold} must sign"
    return [*lines, "", f"{counted}: {'NOT ENOUGH' if enough is None else f'enough after {enough / 60:.1f} minutes'}"]


def _call(path: Path) -> RollCall:
    try:
        return load_call(path)
    except BadFile as wrong:
        raise Failure(str(wrong), code=1) from None


def _write(path: Path, text: str) -> None:
    try:
        write(path, text)
    except BadFile as wrong:
        raise Failure(str(wrong), code=1) from None
