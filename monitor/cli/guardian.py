"""``stakewarden guardian status | pause | calldata``: the brake, for people."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from monitor.cli import decisions, guardian_safe
from monitor.cli.failure import Failure
from monitor.cli.guardian_deploy import deploy
from monitor.cli.guardian_levers import levers
from monitor.cli.laptop import JsonOption, account_of, signer
from monitor.cli.where import SettingsOption
from monitor.guardian import byhand
from monitor.guardian import status as brake_status
from monitor.guardian.byhand import PauseImpossible
from monitor.guardian.contract import Registered
from monitor.guardian.node import NoMajority
from monitor.guardian.settings import GuardianSettings
from monitor.guardian.status import PresignedStatus, SentinelStatus, Status, TargetStatus

if TYPE_CHECKING:
    from monitor.service.settings import Settings

app = typer.Typer(no_args_is_help=True)
app.command()(levers)
app.command()(deploy)
app.add_typer(guardian_safe.app, name="safe")
app.command()(decisions.evidence)
app.command()(decisions.verify)
app.command("shadow-report")(decisions.shadow_report)
app.add_typer(decisions.policy, name="policy")
TargetArgument = Annotated[str, typer.Argument(help="The target's name in the settings.")]


@app.command()
def status(settings: SettingsOption = None, as_json: JsonOption = False) -> None:
    """Would a pause work right now? Each target, by people and by the service, with the reason for what fails."""
    config = _read(settings)
    guardian = _guardian(config)
    sentinel = None if guardian.sentinel is None else account_of(guardian.sentinel)
    senders = tuple(account_of(key) for key in guardian.senders)
    try:
        found = asyncio.run(brake_status.status(guardian, config.network.execution, sentinel, senders))
    except (NoMajority, PauseImpossible) as wrong:
        raise Failure(str(wrong), code=1) from None
    typer.echo(json.dumps(asdict(found), indent=1) if as_json else "\n".join(_status_lines(found)))
    if not found.ready:
        raise typer.Exit(1)


@app.command()
def pause(
    target: TargetArgument,
    reason: Annotated[str, typer.Option(help="Why; printed with the outcome, for your incident log.")],
    settings: SettingsOption = None,
    key_env: Annotated[
        str, typer.Option(help="Environment variable that holds the private key of a GUARDIAN_ROLE account.")
    ] = "STAKEWARDEN_GUARDIAN_KEY",
    key_file: Annotated[Path | None, typer.Option(help="File with the private key.")] = None,
    keystore: Annotated[Path | None, typer.Option(help="Encrypted keystore; its password from --password-file.")] = None,
    password_file: Annotated[Path | None, typer.Option(help="File with the keystore's password.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Simulate only.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Pause a target as a person with GUARDIAN_ROLE: simulate, send, wait, read back."""
    config = _read(settings)
    guardian = _guardian(config)
    person = signer(key_env, key_file, keystore, password_file)
    try:
        done = asyncio.run(
            byhand.pause(guardian, config.network.execution, person, target, chain_id=config.network.chain_id, dry_run=dry_run)
        )
    except (NoMajority, PauseImpossible) as wrong:
        raise Failure(str(wrong), code=1) from None
    if done is None:
        typer.echo(f"a pause of {target} by {person.address} would go through; nothing was sent")
    elif as_json:
        typer.echo(json.dumps({**asdict(done), "reason": reason}, indent=1))
    else:
        ends = f"until {_utc(done.resumes_timestamp)}" if done.resumes_timestamp is not None else "with no end of its own"
        typer.echo(
            f"{target} is paused {ends}: block {done.block}, transaction {done.tx}, by {done.sender} ({done.verified_at - done.started_at:.1f} s)"
        )
        typer.echo(f"reason: {reason}")


@app.command()
def calldata(target: TargetArgument, settings: SettingsOption = None, as_json: JsonOption = False) -> None:
    """The transaction that a Safe with GUARDIAN_ROLE would send, with what it does in words. Needs no endpoint."""
    config = _read(settings)
    try:
        found = byhand.calldata(_guardian(config), target, config.network.chain_id)
    except PauseImpossible as wrong:
        raise Failure(str(wrong)) from None
    if as_json:
        typer.echo(json.dumps(asdict(found), indent=1))
        return
    typer.echo(f"to     {found.to}\nvalue  {found.value}\ndata   {found.data}\ncall   {found.function}\n\n{found.words}")


def _read(settings: Path | None) -> Settings:
    """The settings. The whole service is behind them: seconds that a command with --rpc saves."""
    from monitor.cli.run import read
    from monitor.cli.where import settings_file

    return read(settings_file(settings))


def _guardian(config: Settings) -> GuardianSettings:
    if config.guardian is None:
        raise Failure("the settings have no guardian: nothing can be paused from here")
    return config.guardian


def _status_lines(found: Status) -> list[str]:
    stopped = {True: "stopped", False: "allowed", None: "unknown"}[found.sentinels_stopped]
    lines = [f"guardian {found.contract} on chain {found.chain_id}, block {found.block} of {_utc(found.block_timestamp)}"]
    lines.append(f"people: {', '.join(found.guardians) or 'nobody'}")
    live = sum(s.is_live for s in found.sentinels)
    lines.append(
        f"sentinels: {stopped}; {live} of {len(found.sentinels)} live, {_or_unknown(found.threshold)} have to sign; "
        f"pauses left in the contract-wide budget: {_or_unknown(found.sentinel_budget)}"
    )
    lines += [_sentinel_line(found, sentinel) for sentinel in found.sentinels]
    for sender in found.senders:
        balance = "unknown" if sender.balance is None else f"{sender.balance / 10**18:.4f} ether"
        lines.append(f"  sends: {sender.account}, {balance}, {_or_unknown(sender.waiting)} transactions waiting")
    lines += [line for target in found.targets for line in _target_lines(target)]
    return lines + [line for each in found.presigned for line in _presigned_lines(each)]


def _sentinel_line(found: Status, sentinel: SentinelStatus) -> str:
    ours = ", the service's own" if sentinel.account == found.sentinel else ""
    return f"  signs: {sentinel.account}{ours}, {'until' if sentinel.is_live else 'EXPIRED'} {_utc(sentinel.expires_timestamp)}"


def _presigned_lines(found: PresignedStatus) -> list[str]:
    state = f"cannot be told: {found.unknown}" if found.unknown is not None else "ready" if found.ready else "STALE"
    lines = ["", f"signed in advance, {found.file}: {state}", *([f"  {found.words}"] if found.words else [])]
    return lines + [f"    {check.name}: {check.reason}" for check in found.checks if not check.ok]


def _target_lines(target: TargetStatus) -> list[str]:
    paused = {True: "PAUSED", False: "not paused", None: "not known whether paused"}[target.paused]
    until = f" until {_utc(target.resumes_timestamp)}" if target.paused and target.resumes_timestamp is not None else ""
    lines = [
        "",
        f"{target.name} {target.address}: {paused}{until}; lever {target.lever}, {target.arming}",
        *_limits_lines(target.registered),
    ]
    if target.unknown is not None:
        lines.append(f"  readiness is not known: {target.unknown}")
    for readiness in target.readiness:
        lines.append(f"  by {readiness.by}: {'ready' if readiness.ready else 'NOT READY'}")
        lines += [f"    {check.name}: {check.reason}" for check in readiness.failing]
    return lines


def _limits_lines(found: Registered | None) -> list[str]:
    if found is None or found.lever == "None":
        return []
    people = f"  people pause for {found.guardian_seconds} s; {found.quota_left} of {found.guardian_quota} s are left to them"
    if found.lever == "Pause":
        return [people]
    cool = f"; cooling down until {_utc(found.cool_at)}" if found.cool_at else ""
    sentinels = f"  sentinels pause for {found.sentinel_seconds} s; {found.used} of {found.budget} pauses used since it was armed{cool}"
    return [people, sentinels]


def _utc(timestamp: int) -> str:
    return datetime.fromtimestamp(timestamp, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _or_unknown(value: Any) -> str:
    return "unknown" if value is None else str(value)
