"""``stakewarden guardian status``: would a pause work right now?"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import typer

from monitor.cli.failure import Failure
from monitor.cli.guardian_levers import utc
from monitor.cli.laptop import GuardianOption, JsonOption, Laptop, LeversOption, RpcOption, account_of, laptop
from monitor.cli.where import SettingsOption
from monitor.guardian import status as brake_status
from monitor.guardian.contract import Registered
from monitor.guardian.node import Nodes
from monitor.guardian.status import PresignedStatus, SentinelStatus, Status, TargetStatus


def status(
    rpc: RpcOption = None,
    guardian: GuardianOption = None,
    settings: SettingsOption = None,
    levers: LeversOption = None,
    as_json: JsonOption = False,
) -> None:
    """Would a pause work right now? Each target, by people and by the service, with the reason for what fails."""
    where = laptop(rpc, settings, levers, guardian)
    if where.guardian_at is None:
        raise Failure(
            "the settings have no guardian: name its contract with --guardian ADDRESS"
            if where.chain_id
            else "name the guardian's contract with --guardian ADDRESS, or give --settings"
        )
    found = where.run(lambda nodes, chain_id: _look(where, nodes, chain_id))
    if as_json:
        typer.echo(json.dumps(asdict(found), indent=1))
    else:
        typer.echo("\n".join([*([where.alone] if where.alone else []), *_status_lines(found)]))
    if not found.ready:
        raise typer.Exit(1)


async def _look(where: Laptop, nodes: Nodes, chain_id: int) -> Status:
    """By the settings, if they are of this guardian; else by what is registered there."""
    config = await where.guarded(nodes, chain_id)
    assert config is not None
    sentinel = None if config.sentinel is None else account_of(config.sentinel)
    return await brake_status.look(nodes, config, sentinel, tuple(account_of(key) for key in config.senders))


def _status_lines(found: Status) -> list[str]:
    stopped = {True: "stopped", False: "allowed", None: "unknown"}[found.sentinels_stopped]
    lines = [f"guardian {found.contract} on chain {found.chain_id}, block {found.block} of {utc(found.block_timestamp)}"]
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
    return f"  signs: {sentinel.account}{ours}, {'until' if sentinel.is_live else 'EXPIRED'} {utc(sentinel.expires_timestamp)}"


def _presigned_lines(found: PresignedStatus) -> list[str]:
    state = f"cannot be told: {found.unknown}" if found.unknown is not None else "ready" if found.ready else "STALE"
    lines = ["", f"signed in advance, {found.file}: {state}", *([f"  {found.words}"] if found.words else [])]
    return lines + [f"    {check.name}: {check.reason}" for check in found.checks if not check.ok]


def _target_lines(target: TargetStatus) -> list[str]:
    paused = {True: "PAUSED", False: "not paused", None: "not known whether paused"}[target.paused]
    until = f" until {utc(target.resumes_timestamp)}" if target.paused and target.resumes_timestamp is not None else ""
    lines = [
        "",
        f"{'' if target.name == target.address.lower() else target.name + ' '}{target.address}: {paused}{until}; lever {target.lever}, {target.arming}",
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
    cool = f"; cooling down until {utc(found.cool_at)}" if found.cool_at else ""
    sentinels = f"  sentinels pause for {found.sentinel_seconds} s; {found.used} of {found.budget} pauses used since it was armed{cool}"
    return [people, sentinels]


def _or_unknown(value: Any) -> str:
    return "unknown" if value is None else str(value)
