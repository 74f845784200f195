"""``stakewarden guardian safe``: a pause by a Safe's owners, with nobody's interface or service between them and the chain."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from monitor.cli import guardian_rollcall
from monitor.cli.failure import Failure
from monitor.cli.laptop import (
    GuardianOption,
    JsonOption,
    KeyFileOption,
    KeystoreOption,
    LeversOption,
    PasswordOption,
    RpcOption,
    declarations,
    laptop,
    plain,
    signer,
)  # fmt: skip
from monitor.cli.safe_words import call_lines, hash_lines, review_lines
from monitor.cli.where import SettingsOption
from monitor.guardian.levers.own import own_names
from monitor.guardian.levers.reader import Reader
from monitor.guardian.node import Nodes
from monitor.guardian.order import BadSignature
from monitor.guardian.safe.decode import examine
from monitor.guardian.safe.document import BadFile, Document, SignatureFile, load, load_signatures, signature_json, write
from monitor.guardian.safe.flow import Review, prepare, review, send
from monitor.guardian.safe.plan import Choice, Plan, Planner
from monitor.guardian.safe.review import rivals
from monitor.guardian.safe.signatures import recover
from monitor.guardian.safe.source import NodesSource
from monitor.model import Address, address

app = typer.Typer(no_args_is_help=True, help="Pauses by a Safe's owners: prepare, show, sign, collect, send, roll-call.")

app.add_typer(guardian_rollcall.app, name="roll-call")
FileArgument = Annotated[Path, typer.Argument(help="The transaction's file.")]
SignaturesArgument = Annotated[list[Path] | None, typer.Argument(help="Owners' signatures: files of `sign`, or 0x hex of a wallet.")]
OutOption = Annotated[Path | None, typer.Option("--out", "-o", help="File to write.")]
_DAY = 86_400


@app.command("prepare")
def prepare_command(
    targets: Annotated[
        list[str],
        typer.Argument(
            help="What to pause, as `guardian levers` names it: lido/withdrawal_queue, or a target of the settings or of --guardian. Several are one transaction, all or nothing.",
        ),
    ],
    rpc: RpcOption = None,
    guardian: GuardianOption = None,
    settings: SettingsOption = None,
    levers: LeversOption = None,
    out: OutOption = None,
    safe: Annotated[str | None, typer.Option(help="The Safe, where more than one could send it.")] = None,
    flag: Annotated[list[int] | None, typer.Option(help="A pause flag to set; may be repeated. Flags that are set stay set.")] = None,
    all_flags: Annotated[bool, typer.Option("--all-flags", help="Set all pause flags.")] = False,
    heartbeat: Annotated[
        bool, typer.Option("--heartbeat", help="Pause nothing: prove to the CircuitBreaker that the pauser is alive.")
    ] = False,
    seconds: Annotated[int | None, typer.Option(help="How long, where the sender says it.", min=1)] = None,
    nonce: Annotated[int | None, typer.Option(help="The Safe's nonce; the next one by default.", min=0)] = None,
    days: Annotated[
        int | None, typer.Option(help="Days after which it is not to be sent: for a pause that is signed in advance.", min=1)
    ] = None,
    reason: Annotated[str, typer.Option(help="Why; stands in the file.")] = "",
    beside: Annotated[
        list[Path] | None, typer.Option(help="Another transaction's file, to be compared for the same nonce; may be repeated.")
    ] = None,
) -> None:
    """Make the transaction that pauses a target, decode it, simulate it, and write its file for the owners."""
    if not reason.isprintable() or len(reason) > 2000:
        raise Failure("--reason: give one line of printable text, 2,000 characters at most")
    where = laptop(rpc, settings, levers, guardian)
    choice = Choice(None if all_flags else tuple(flag or ()), heartbeat, seconds, None if safe is None else _address(safe))

    async def work(nodes: Nodes, chain_id: int) -> tuple[Plan, Review, dict[Address, str]]:
        at = await nodes.newest()
        declared = where.declarations(chain_id)
        planner = Planner(Reader(NodesSource(nodes), at), declared, await where.guarded(nodes, chain_id))
        plan = await planner.plan_all(targets, choice, declared.batchers())
        document = await prepare(nodes, plan, at, chain_id, nonce=nonce, reason=reason, lives=None if days is None else days * _DAY)
        return plan, await review(nodes, document, (), planner.names, at, declared.batchers()), dict(planner.names)

    plan, found, names = where.run(work)
    file = out or Path(f"safe-{'-and-'.join(targets).replace('/', '-')}-{found.document.transaction.nonce}.json")
    conflicts = rivals(found.document, [(str(p), _load(p)) for p in beside or ()])
    _write(file, found.document.as_json())
    typer.echo("\n".join([*review_lines(found, names, gathering=True), *(f"WARNING      {w}" for w in plan.warnings)]))
    for line in conflicts:
        typer.echo(f"CONFLICT     {line}")
    typer.echo(f"\nwritten: {file}\nnext, each owner: stakewarden guardian safe sign {file}")
    _exit(found, conflicts)


@app.command()
def show(
    file: FileArgument,
    signatures: SignaturesArgument = None,
    rpc: RpcOption = None,
    settings: SettingsOption = None,
    levers: LeversOption = None,
    beside: Annotated[
        list[Path] | None, typer.Option(help="Another transaction's file, to be compared for the same nonce; may be repeated.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """What a transaction does, by our own decoding; who signed; whether it could be sent now, and what has become of its nonce."""
    found, names = _reviewed(file, signatures, rpc, settings, levers)
    conflicts = rivals(found.document, [(str(p), _load(p)) for p in beside or ()])
    if as_json:
        typer.echo(json.dumps(_as_json(found, conflicts), indent=1))
    else:
        typer.echo("\n".join([*review_lines(found, names), *(f"CONFLICT     {line}" for line in conflicts)]))
    _exit(found, conflicts)


@app.command()
def sign(
    file: FileArgument,
    levers: LeversOption = None,
    key_env: Annotated[str, typer.Option(help="Environment variable that holds the owner's private key.")] = "STAKEWARDEN_OWNER_KEY",
    key_file: KeyFileOption = None,
    keystore: KeystoreOption = None,
    password_file: PasswordOption = None,
    out: OutOption = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Sign as an owner, after reading what it does. Needs no endpoint. Compare the hashes with what your wallet or colleague shows."""
    document = _load(file)
    t = document.transaction
    declared = declarations(t.chain_id, levers)
    names = declared.names()
    examined = examine(t, names, declared.batchers())
    typer.echo("\n".join([*call_lines(t, examined, names), "", *hash_lines(t)]))
    if examined.refused:
        raise Failure("not signed: " + "; ".join(f.text for f in examined.refused), code=1)
    owner = signer(key_env, key_file, keystore, password_file)
    if owner.address not in document.prepared.owners:
        raise Failure(f"not signed: {owner.address} was no owner of the Safe when this was prepared", code=1)
    if not yes:
        typer.confirm(f"\nSign this as {owner.address}?", abort=True)
    import asyncio

    raw = recover(t.hash, asyncio.run(owner.sign_bytes(t.preimage)), document.prepared.owners).raw
    where = out or file.with_name(f"{file.stem}-{owner.address[:10].lower()}.sig.json")
    _write(where, signature_json(t, owner.address, raw))
    typer.echo(f"signed: {where}; send it to whoever collects")


@app.command()
def collect(
    file: FileArgument,
    signatures: SignaturesArgument = None,
    rpc: RpcOption = None,
    settings: SettingsOption = None,
    levers: LeversOption = None,
    out: OutOption = None,
) -> None:
    """Check owners' signatures against the Safe's owners of now and put them into the transaction's file."""
    found, names = _reviewed(file, signatures, rpc, settings, levers)
    inside = {s.owner: s.raw for s in found.gathered.signatures if s.kind != "approved"}
    _write(out or file, replace(found.document, signatures=inside).as_json())
    typer.echo("\n".join(review_lines(found, names)))
    typer.echo(f"\nwritten: {out or file}, {len(inside)} signatures")
    _exit(found, [])


@app.command("send")
def send_command(
    file: FileArgument,
    signatures: SignaturesArgument = None,
    rpc: RpcOption = None,
    settings: SettingsOption = None,
    levers: LeversOption = None,
    key_env: Annotated[
        str, typer.Option(help="Environment variable with the private key of whoever pays for gas; it need not be an owner's.")
    ] = "STAKEWARDEN_SENDER_KEY",
    key_file: KeyFileOption = None,
    keystore: KeystoreOption = None,
    password_file: PasswordOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Rehearse only.")] = False,
) -> None:
    """Execute it: check everything again, rehearse, send to every endpoint, wait, read the pause back."""
    where = laptop(rpc, settings, levers)
    payer = signer(key_env, key_file, keystore, password_file)
    document, files = _load(file), _signatures(signatures)

    async def work(nodes: Nodes, chain_id: int) -> Any:
        declared = where.declarations(chain_id)
        names = {**declared.names(), **(own_names(where.guardian) if where.guardian else {})}
        found = await review(nodes, document, files, names, batchers=declared.batchers())
        return await send(nodes, payer, found, where.fees, dry_run=dry_run)

    done = where.run(work)
    if done is None:
        typer.echo("it would go through; nothing was sent")
        return
    seconds = done.mined.mined_at - done.mined.sent_at
    typer.echo(f"done in block {done.mined.block}, transaction {done.mined.tx} ({seconds:.1f} s after it was sent): {done.seen}")


def _reviewed(
    file: Path, signatures: list[Path] | None, rpc: list[str] | None, settings: Path | None, levers: Path | None
) -> tuple[Review, dict[Address, str]]:
    where = laptop(rpc, settings, levers)
    document, files = _load(file), _signatures(signatures)

    async def work(nodes: Nodes, chain_id: int) -> tuple[Review, dict[Address, str]]:
        declared = where.declarations(chain_id)
        names = {**declared.names(), **(own_names(where.guardian) if where.guardian else {})}
        return await review(nodes, document, files, names, batchers=declared.batchers()), names

    return where.run(work)


def _exit(found: Review, conflicts: list[str]) -> None:
    """1 when it must not be signed, or could not be sent once the missing signatures are there."""
    if found.examined.refused or conflicts or any(c.name != "signed" for c in found.failing):
        raise typer.Exit(1)


def _as_json(found: Review, conflicts: list[str]) -> dict[str, Any]:
    t = found.document.transaction
    return {
        "safe": t.safe, "chain_id": t.chain_id, "nonce": t.nonce, "to": t.to, "value": t.value, "operation": t.operation,
        "domain_hash": "0x" + t.domain_hash.hex(), "message_hash": "0x" + t.message_hash.hex(), "safe_tx_hash": "0x" + t.hash.hex(),
        "decoded": plain(found.examined.decoded),
        "calls": [{"to": part.to, "data": "0x" + part.data.hex(), "decoded": plain(decoded)} for part, decoded in found.examined.parts],
        "findings": plain(found.examined.findings), "signed_by": list(found.gathered.owners),
        "not_taken": plain(found.gathered.refused), "checks": plain(found.checks), "ready": found.ready, "used": plain(found.used),
        "warnings": list(found.state.warnings), "conflicts": conflicts,
    }  # fmt: skip


def _load(path: Path) -> Document:
    try:
        return load(path)
    except BadFile as wrong:
        raise Failure(str(wrong), code=1) from None


def _signatures(paths: list[Path] | None) -> list[SignatureFile]:
    try:
        return [found for path in paths or () for found in load_signatures(path)]
    except (BadFile, BadSignature) as wrong:
        raise Failure(str(wrong), code=1) from None


def _write(path: Path, text: str) -> None:
    try:
        write(path, text)
    except BadFile as wrong:
        raise Failure(str(wrong), code=1) from None


def _address(text: str) -> Address:
    try:
        return address(text)
    except ValueError:
        raise Failure(f"--safe: {text} is no address") from None
