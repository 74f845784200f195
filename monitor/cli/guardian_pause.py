"""``stakewarden guardian pause | calldata``: a pause by one person, with an endpoint's URL and a key; or as a transaction for a Safe."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from monitor.cli.failure import Failure
from monitor.cli.guardian_levers import span, utc
from monitor.cli.laptop import (
    GuardianOption,
    JsonOption,
    KeyFileOption,
    KeystoreOption,
    Laptop,
    LeversOption,
    PasswordOption,
    RpcOption,
    contract_at,
    laptop,
    read_settings,
    signer,
)
from monitor.cli.where import SettingsOption
from monitor.guardian import byhand
from monitor.guardian.aim import Aim, Book, listing, unheard
from monitor.guardian.byhand import Calldata, PauseResult, Place, Prospect, Standing, Wish
from monitor.guardian.contract import PauseImpossible
from monitor.guardian.levers.declared import Declarations
from monitor.guardian.node import Nodes
from monitor.guardian.person import GWEI, Fees, Person

TargetArgument = Annotated[
    str | None,
    typer.Argument(help="Its name in the settings or among the levers, or its address. Without it, all are listed.", show_default=False),
]


def pause(
    target: TargetArgument = None,
    reason: Annotated[str, typer.Option(help="Why; printed with the outcome, for your incident log.")] = "",
    rpc: RpcOption = None,
    guardian: GuardianOption = None,
    settings: SettingsOption = None,
    levers: LeversOption = None,
    key_env: Annotated[
        str, typer.Option(help="Environment variable that holds the private key of a GUARDIAN_ROLE account.")
    ] = "STAKEWARDEN_GUARDIAN_KEY",
    key_file: KeyFileOption = None,
    keystore: KeystoreOption = None,
    password_file: PasswordOption = None,
    extend: Annotated[bool, typer.Option("--extend", help="It is paused already: make that end later.")] = False,
    seconds: Annotated[int | None, typer.Option(help="How long, for a lever where the sender says it.", min=1)] = None,
    max_fee: Annotated[float | None, typer.Option(help="The most that a unit of gas may cost, in gwei.", min=0)] = None,
    priority_fee: Annotated[float | None, typer.Option(help="What is offered above the base fee, in gwei.", min=0)] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what it would do and cost; send nothing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Pause a target as a person with GUARDIAN_ROLE, or with the role of a lever: simulate, send, wait, read back."""
    where = laptop(rpc, settings, levers, guardian)
    if target is None:
        raise Failure("\n".join(["name what is to be paused", *where.run(partial(_listed, where))]))
    if not dry_run and not reason.strip():
        raise Failure("--reason is missing: say in a few words why, for the incident log")
    holder = signer(key_env, key_file, keystore, password_file)
    fees = _fees(where, max_fee, priority_fee)
    say = partial(_say, to_stderr=as_json)
    wish = Wish(target, seconds, extend)

    async def work(nodes: Nodes, chain_id: int) -> Prospect | Standing | PauseResult:
        person = Person(nodes, holder, chain_id, fees, said=say)
        place = _place(where, chain_id)
        if dry_run:
            return await byhand.prospect(nodes, place, wish, person)
        return await byhand.pause(nodes, place, wish, person, partial(_announce, where, say))

    done = where.run(work)
    if as_json:
        typer.echo(json.dumps({"outcome": _OUTCOMES[type(done)], **asdict(done), "reason": reason}, indent=1))
    else:
        typer.echo("\n".join(_lines(where, done, reason)))


def calldata(
    target: TargetArgument = None,
    rpc: RpcOption = None,
    guardian: GuardianOption = None,
    settings: SettingsOption = None,
    levers: LeversOption = None,
    as_json: JsonOption = False,
) -> None:
    """The transaction that a Safe with GUARDIAN_ROLE would send, with what it does in words. Needs no endpoint where an address is given."""
    found = _calldata(target, rpc, guardian, settings, levers)
    if as_json:
        typer.echo(json.dumps(asdict(found), indent=1))
        return
    typer.echo(f"to     {found.to}\nvalue  {found.value}\ndata   {found.data}\ncall   {found.function}\n\n{found.words}")


# ---------------------------------------------------------------- what is asked


def _place(where: Laptop, chain_id: int) -> Place:
    return Place(chain_id, where.guardian_at, where.book(chain_id))


async def _listed(where: Laptop, nodes: Nodes, chain_id: int) -> list[str]:
    return listing(await byhand.targets(nodes, _place(where, chain_id)))


def _fees(where: Laptop, max_fee: float | None, priority_fee: float | None) -> Fees:
    found = where.fees
    if max_fee is not None:
        found = replace(found, most=int(Decimal(str(max_fee)) * GWEI))
    if priority_fee is not None:
        found = replace(found, priority=int(Decimal(str(priority_fee)) * GWEI))
    return replace(found, priority=min(found.priority, found.most))


def _calldata(target: str | None, rpc: list[str] | None, guardian: str | None, settings: Path | None, levers: Path | None) -> Calldata:
    """By address nothing else is needed; by a name of the settings, those; by the name of a lever, an endpoint that says which chain it is."""
    if guardian is not None and settings is None and target is not None and target[:2].lower() == "0x":
        return byhand.calldata(contract_at(guardian), _aim(Book((), Declarations(network=1, protocols=())), target))
    if rpc and guardian is not None and settings is None:
        where = laptop(rpc, settings, levers, guardian)
        return where.run(partial(_calldata_by_name, where, target))
    config = read_settings(settings)
    at = contract_at(guardian) if guardian is not None else None if config.guardian is None else config.guardian.where
    if config.guardian is None or at is None:
        raise Failure("the settings have no guardian: name its contract with --guardian ADDRESS")
    book = Book(config.guardian.targets, Declarations(network=config.network.chain_id, protocols=()))
    if target is None:
        raise Failure(f"name what is to be paused: {', '.join(book.names())}")
    aim = _aim(book, target)
    known = next((t for t in config.guardian.targets if t.where == aim.where), None)
    return byhand.calldata(at, aim, config.network.chain_id, None if known is None else known.lever != "pause")


async def _calldata_by_name(where: Laptop, target: str | None, nodes: Nodes, chain_id: int) -> Calldata:
    place = _place(where, chain_id)
    found = await byhand.targets(nodes, place)
    if target is None:
        raise Failure("\n".join(["name what is to be paused", *listing(found)]))
    aim = place.book.find(target)
    known = None if aim is None else next((e for e in found if e.where == aim.where), None)
    if aim is None or known is None or place.guardian is None:
        raise unheard(target, place.book, found)
    return byhand.calldata(place.guardian, aim, chain_id, known.registered.lever != "Pause")


def _aim(book: Book, target: str) -> Aim:
    try:
        found = book.find(target)
        if found is None:
            raise unheard(target, book, None)
    except PauseImpossible as wrong:
        raise Failure(str(wrong)) from None
    return found


# ---------------------------------------------------------------- what is said

_OUTCOMES = {Prospect: "simulated", Standing: "paused already", PauseResult: "paused"}


def _say(words: str, *, to_stderr: bool) -> None:
    typer.echo(words, err=to_stderr)


def _announce(where: Laptop, say: Callable[[str], None], found: Prospect) -> None:
    """Exactly what is done next, before it is done."""
    say(f"pausing {_what(found)}, as {found.sender}: {_ends(found)}")
    for line in [*([where.alone] if where.alone else []), *(f"note: {n}" for n in found.notes)]:
        say(line)


def _lines(where: Laptop, done: Prospect | Standing | PauseResult, reason: str) -> list[str]:
    match done:
        case Prospect():
            return _prospect_lines(where, done)
        case Standing():
            return _standing_lines(done)
    ends = "with no end of its own" if done.resumes_timestamp is None else f"until {utc(done.resumes_timestamp)}"
    by = "another transaction of" if done.tx is None else f"transaction {done.tx}, by"
    return [
        f"{done.target} is paused {ends}: block {done.block}, {by} {done.sender} ({done.verified_at - done.started_at:.1f} s)",
        f"reason: {reason}",
    ]


def _prospect_lines(where: Laptop, found: Prospect) -> list[str]:
    ether = partial("{:.4f} ether".format)
    rows = [
        ("what", _what(found)), ("as", found.sender), ("call", f"{found.to} {found.function}"),
        ("ends", _ends(found)),
        ("now", "" if not found.paused else "paused" + ("" if found.resumes_timestamp is None else f" until {utc(found.resumes_timestamp)}")),
        ("quota", "" if found.quota_left is None else f"guardians may pause it for {_span(found.quota_left)} more, {_span(found.quota_after)} after this one"),
        ("gas", f"{found.gas}, at {found.fee / GWEI:.3g} gwei at most (base fee {found.base_fee / GWEI:.3g}): {ether(found.most / 1e18)} at most"),
        ("balance", ether(found.balance / 1e18)), ("nonce", _nonce(found)), ("seen at", f"block {found.block} of {utc(found.block_timestamp)}"),
        ("read from", where.alone or f"a majority of {found.endpoints} endpoints"), *(("note", n) for n in found.notes),
    ]  # fmt: skip
    return [f"a pause of {found.target} would go through; nothing was sent", *(f"  {name:10}{text}" for name, text in rows if text)]


def _standing_lines(found: Standing) -> list[str]:
    if found.resumes_timestamp is None:
        return [f"{found.target} is paused already, with no end of its own: nothing was sent"]
    left = span(max(0, found.resumes_timestamp - found.block_timestamp))
    lines = [f"{found.target} is paused already until {utc(found.resumes_timestamp)} (for {left} more): nothing was sent"]
    if found.could_end is not None:
        return [*lines, f"to make it end later, at {utc(found.could_end)}, if the target allows that: the same command with --extend"]
    return [*lines, "no pause of now could end later"]


def _span(seconds: int | None) -> str:
    return "" if seconds is None else span(seconds)


def _what(found: Prospect) -> str:
    name = found.target if found.target == found.address else f"{found.target} ({found.address})"
    return f"{name} {found.through}, on chain {found.chain_id}"


def _ends(found: Prospect) -> str:
    if found.ends_timestamp is None:
        return "until somebody with the right to resume lifts it"
    return f"until {utc(found.ends_timestamp)} ({span(found.ends_timestamp - found.block_timestamp)}), then it lapses by itself"


def _nonce(found: Prospect) -> str:
    if not found.waits:
        return str(found.nonce)
    what = "this very pause, sent before" if found.repeats else "another transaction"
    which = "" if found.waiting is None else f" ({found.waiting}: {what})"
    return f"{found.nonce}, where {found.waits} transactions of the account wait already{which}: it takes the place of the first"
