"""``stakewarden guardian deploy``: a plan that is read before anything is sent, the deployment, and reading it back, then or years later."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from monitor.cli.failure import Failure
from monitor.cli.laptop import JsonOption, KeyFileOption, KeystoreOption, PasswordOption, RpcOption, laptop, plain, signer
from monitor.cli.where import SettingsOption
from monitor.guardian.deploy.after import ReadBack, read_back
from monitor.guardian.deploy.before import Looked, look
from monitor.guardian.deploy.file import BadPlan, load
from monitor.guardian.deploy.items import Place
from monitor.guardian.deploy.plan import DeployPlan
from monitor.guardian.deploy.rights import rights
from monitor.guardian.deploy.send import earlier, next_nonce, send
from monitor.guardian.deploy.steps import Creation, Step, batch, creations, day, steps, turns
from monitor.guardian.levers.reader import Reader
from monitor.guardian.node import Nodes
from monitor.guardian.safe.document import BadFile, write
from monitor.guardian.safe.source import NodesSource
from monitor.model import Address, BlockStamp, Hash, address


def deploy(
    plan: Annotated[Path, typer.Argument(help="The plan's file; deploy/guardian.example.yaml is one.")],
    rpc: RpcOption = None,
    settings: SettingsOption = None,
    send_it: Annotated[bool, typer.Option("--send", help="Deploy, wait, and read back.")] = False,
    key_env: Annotated[str, typer.Option(help="Environment variable with the deployer's private key.")] = "STAKEWARDEN_DEPLOYER_KEY",
    key_file: KeyFileOption = None,
    keystore: KeystoreOption = None,
    password_file: PasswordOption = None,
    again: Annotated[bool, typer.Option("--again", help="Deploy although this key has deployed a guardian lately.")] = False,
    releaser_for: Annotated[str | None, typer.Option(help="With --send: the guardian is there, deploy its Releaser alone.")] = None,
    check: Annotated[str | None, typer.Option("--check", help="Send nothing: read back the guardian at this address.")] = None,
    releaser: Annotated[str | None, typer.Option(help="With --check: the Releaser's address.")] = None,
    creation: Annotated[str | None, typer.Option(help="With --check: the transaction that created the guardian.")] = None,
    releaser_creation: Annotated[str | None, typer.Option(help="With --check: the transaction that created the Releaser.")] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder for the others' calls, a file for each who makes any.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Print what a plan comes to; with --send deploy it; with --check read everything back. Exit code 1 when something is refused or differs."""
    planned = _load(plan)
    where = laptop(rpc, settings, None)
    if where.chain_id not in (None, planned.chain_id):
        raise Failure(f"the plan is of chain {planned.chain_id}, the settings are of chain {where.chain_id}", code=1)
    if check is not None:
        if send_it:
            raise Failure("give --send or --check, not both")
        place = Place(_address("--check", check), _or(_address, "--releaser", releaser), _or(_hash, "--creation", creation),
                      _or(_hash, "--releaser-creation", releaser_creation))  # fmt: skip
        found = where.run(lambda nodes, chain: _checked(nodes, chain, planned, place))
        _show(planned, place, found, out, as_json)
        raise typer.Exit(0 if found.as_planned else 1)
    if not send_it:
        drawn = where.run(lambda nodes, chain: _drawn(nodes, chain, planned))
        _print_plan(planned, *drawn, out=out, as_json=as_json)
        raise typer.Exit(1 if drawn[1].refused else 0)
    key = signer(key_env, key_file, keystore, password_file)
    there = _or(_address, "--releaser-for", releaser_for)

    async def work(nodes: Nodes, chain: int) -> tuple[Place, ReadBack]:
        made = await send(
            nodes, planned, key, chain, where.fees, again=again, guardian=there, said=lambda line: typer.echo(line, err=as_json)
        )
        return made, await read_back(nodes, planned, made)

    place, found = where.run(work)
    _show(planned, place, found, out, as_json)
    # Others' calls are still to be made; anything else is not as it should be.
    raise typer.Exit(1 if any(i.state in ("wrong", "unknown") for i in found.items) else 0)


async def _checked(nodes: Nodes, chain_id: int, plan: DeployPlan, place: Place) -> ReadBack:
    if chain_id != plan.chain_id:
        raise Failure(f"the plan is of chain {plan.chain_id}, the endpoints are of chain {chain_id}", code=1)
    return await read_back(nodes, plan, place)


async def _drawn(
    nodes: Nodes, chain_id: int, plan: DeployPlan
) -> tuple[BlockStamp, Looked, tuple[Creation, ...], tuple[Step, ...], Address | None]:
    nonce, at = await next_nonce(nodes, plan.by), await nodes.newest()
    made = creations(plan, nonce)
    releaser = made[1].at if len(made) > 1 else None
    looked = await look(Reader(NodesSource(nodes), at), plan, chain_id, made[0].at, releaser)
    before = await earlier(nodes, plan, nonce)
    # The constructor sets the threshold already.
    calls = tuple(s for s in steps(plan, made[0].at, releaser, looked.roles) if s.key != "threshold")
    return at, looked, made, calls, before


# ---------------------------------------------------------------- words


def _print_plan(
    plan: DeployPlan, at: BlockStamp, looked: Looked, made: Sequence[Creation], calls: Sequence[Step], before: Address | None,
    *, out: Path | None, as_json: bool,
) -> None:  # fmt: skip
    if as_json:
        typer.echo(json.dumps({
            "chain_id": plan.chain_id, "block": at.number, "deployer": plan.deployer, "deployed_before": before,
            "creations": [_creation_json(c) for c in made], "calls": plain(tuple(calls)), "rights": dict(rights(plan)),
            "findings": plain(looked.findings), "refused": bool(looked.refused),
        }, indent=1))  # fmt: skip
    else:
        typer.echo("\n".join([
            f"chain {plan.chain_id}, block {at.number} of {day(at.timestamp)}; nothing is sent", "", "== what is deployed",
            *(line for c in made for line in _creation(plan, c)), "", "== what that gives to whom",
            *(f"  {who}\n      {what}" for who, what in rights(plan)), *_calls(plan, calls), "", *_findings(looked, before),
        ]))  # fmt: skip
    if not looked.refused:
        _write_batches(plan, calls, at.timestamp, out, as_json)


def _creation(plan: DeployPlan, c: Creation) -> list[str]:
    names = [p["name"] for p in c.code.parameters]
    return [
        f"  {c.code.name} at {c.at} (for nonce {c.nonce} of {plan.deployer}, and no other)",
        f"      code       {len(c.code.creation)} bytes, keccak256 0x{c.code.hash.hex()}, by solc {c.code.compiler}",
        *(f"      {name:10} {value}" for name, value in zip(names, c.arguments, strict=True)),
    ]


def _creation_json(c: Creation) -> dict[str, Any]:
    names = [p["name"] for p in c.code.parameters]
    return {
        "contract": c.code.name, "address": c.at, "nonce": c.nonce, "code_hash": "0x" + c.code.hash.hex(), "compiler": c.code.compiler,
        "arguments": dict(zip(names, c.arguments, strict=True)), "data": "0x" + c.data.hex(),
    }  # fmt: skip


def _calls(plan: DeployPlan, calls: Sequence[Step]) -> list[str]:
    lines: list[str] = []
    for _, turn in turns(calls):
        by = f"{turn[0].by}{' (the admin)' if turn[0].by == plan.admin.where else ''}"
        when = "has to make when --check finds nothing else missing" if turn[0].arms else "has to make, in this order"
        lines += ["", f"== calls that {by} {when}"]
        for i, s in enumerate(turn, 1):
            lines += [f"  {i}. {s.words}", f"      to   {s.to}", f"      call {s.call}", f"      data 0x{s.data.hex()}"]
    return lines


def _findings(looked: Looked, before: Address | None) -> list[str]:
    lines = [f"{'REFUSED' if f.level == 'refuse' else 'WARNING'}  {f.key}: {f.text}" for f in looked.findings]
    if before is not None:
        lines.append(f"WARNING  deployer: has deployed a guardian at {before} already: --check {before}")
    return lines or ["nothing speaks against it"]


def _show(plan: DeployPlan, place: Place, found: ReadBack, out: Path | None, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({"chain_id": plan.chain_id, **plain(place), **plain(found), "as_planned": found.as_planned}, indent=1))
    else:
        lines = [f"chain {plan.chain_id}, block {found.block} of {day(found.timestamp)}: the guardian at {place.guardian}"]
        lines += [f"  {i.state:8} {i.key}: {i.text}" + (f"\n           do: {i.remedy}" if i.remedy else "") for i in found.items]
        differ = sum(1 for i in found.items if i.state != "ok")
        lines += [
            *_calls(plan, found.left),
            "",
            "everything is as planned" if not differ else f"{differ} of {len(found.items)} are not as planned",
        ]
        typer.echo("\n".join(lines))
    _write_batches(plan, found.left, found.timestamp, out, as_json)


def _write_batches(plan: DeployPlan, calls: Sequence[Step], timestamp: int, out: Path | None, quiet: bool) -> None:
    if out is None:
        return
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, turn in turns(calls):
            path = out / f"{name}.json"
            write(path, batch(plan.chain_id, turn, timestamp))
            typer.echo(f"written: {path}", err=quiet)
    except (OSError, BadFile) as wrong:
        raise Failure(f"--out {out}: {wrong}", code=1) from None


# ---------------------------------------------------------------- options


def _load(path: Path) -> DeployPlan:
    try:
        return load(path)
    except BadPlan as wrong:
        raise Failure(str(wrong), code=1) from None


def _or(read: Any, name: str, text: str | None) -> Any:
    return None if text is None else read(name, text)


def _address(name: str, text: str) -> Address:
    try:
        return address(text)
    except ValueError:
        raise Failure(f"{name}: {text} is no address: give 20 bytes as 0x hex") from None


def _hash(name: str, text: str) -> Hash:
    digits = text.removeprefix("0x").lower()
    if len(digits) != 64 or set(digits) - set("0123456789abcdef"):
        raise Failure(f"{name}: {text} is no transaction hash: give 32 bytes as 0x hex")
    return Hash("0x" + digits)
