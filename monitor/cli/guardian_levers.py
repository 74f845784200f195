"""``stakewarden guardian levers``: what can be paused, by whom, for how long, and what that means."""

from __future__ import annotations

import asyncio
import json
import shutil
import textwrap
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from monitor.cli.failure import Failure
from monitor.cli.laptop import JsonOption, Laptop, LeversOption, RpcOption, laptop, plain
from monitor.cli.where import SettingsOption
from monitor.guardian.levers.found import Found, Heartbeat, Survey
from monitor.guardian.levers.people import Parties
from monitor.guardian.levers.reader import Reader, Unknown
from monitor.guardian.levers.survey import survey

_WAYS = {
    "guardian": "our guardian contract",
    "circuit_breaker": "CircuitBreaker",
    "role": "a role of the contract",
    "deposit_guardians": "any one guardian of deposits",
    "flags": "pause flags",
    "none": "NO LEVER",
}


def levers(
    rpc: RpcOption = None,
    settings: SettingsOption = None,
    levers: LeversOption = None,
    protocol: Annotated[str | None, typer.Option(help="One protocol only.")] = None,
    as_json: JsonOption = False,
) -> None:
    """What can be paused, by whom, for how long, what still works, what it costs users, who can undo it. Read from the chain."""
    where = laptop(rpc, settings, levers)
    found = asyncio.run(_survey(where, protocol))
    if not found.levers:
        known = f' of "{protocol}"' if protocol else ""
        raise Failure(f"no lever{known} is declared for chain {found.chain_id}: give --levers FILE, or correct --protocol")
    typer.echo(json.dumps(_as_json(found), indent=1) if as_json else "\n".join(_page(found)))


async def _survey(where: Laptop, protocol: str | None) -> Survey:
    from monitor.chain import Execution, NoAgreement
    from monitor.chain.settings import NetworkSettings

    chain_id = where.chain_id or await _chain_id(where)
    declared = where.declarations(chain_id)
    execution = Execution(NetworkSettings(chain_id=chain_id, execution=where.endpoints))
    try:
        return await survey(Reader(execution, await execution.stamp("latest")), declared, where.guardian, protocol)
    except NoAgreement as wrong:
        raise Failure(f"the chain cannot be read: {wrong}", code=1) from None
    finally:
        await execution.close()


async def _chain_id(where: Laptop) -> int:
    from monitor.guardian.node import Nodes, NoMajority, number

    nodes = Nodes(where.endpoints, where.seconds)
    try:
        return await nodes.agreed("chain id", number, "eth_chainId")
    except NoMajority as wrong:
        raise Failure(str(wrong), code=1) from None
    finally:
        await nodes.close()


def _as_json(found: Survey) -> Any:
    shown: dict[str, Any] = plain(found)
    for entry, lever in zip(shown["levers"], found.levers, strict=True):
        entry["lapses"] = plain(lever.lapses)
    return shown


# ---------------------------------------------------------------- words


def _page(found: Survey) -> list[str]:
    lines = [f"chain {found.chain_id}, block {found.block} of {utc(found.timestamp)}"]
    protocol = ""
    for lever in found.levers:
        if lever.protocol != protocol:
            protocol = lever.protocol
            lines += ["", f"== {protocol}"]
        lines += _lever(lever)
    lines += _calendar(found)
    if found.uncovered:
        lines += ["", "== not covered by a CircuitBreaker", *(f"  {u}" for u in found.uncovered)]
    return lines


def _lever(found: Found) -> list[str]:
    lines = ["", f"{found.contract} {found.address}: {_state(found)}; {_WAYS[found.way]}"]
    rows = [
        ("who", _who(found.pausers)), ("also", _who(found.others) if found.others else ""), ("for", _duration(found)), ("undone by", _who(found.resumers)),
        ("stops", found.stops), ("still works", found.goes_on), ("costs users", found.cost), ("call", _call(found)),
        *((name, value) for name, value in found.shows), *(("note", n) for n in found.notes), *(("PROBLEM", p) for p in found.problems),
    ]  # fmt: skip
    rows += [("flag", f"{f.bit} {'SET' if f.set is True else 'clear' if f.set is False else f.set}: {f.stops}") for f in found.flags]
    return lines + [line for name, text in rows if text for line in _row(name, text)]


def _row(name: str, text: str) -> list[str]:
    width = max(60, min(shutil.get_terminal_size((120, 24)).columns, 160))
    return textwrap.wrap(
        text, width, initial_indent=f"  {name:12} ", subsequent_indent=" " * 15, break_long_words=False, break_on_hyphens=False
    )


def _state(found: Found) -> str:
    if found.way == "none":
        return "cannot be paused"
    if isinstance(found.paused, Unknown):
        return f"whether it is paused is {found.paused}"
    if not found.paused:
        return "not paused"
    if isinstance(found.resumes_timestamp, Unknown):
        return f"PAUSED, its end is {found.resumes_timestamp}"
    return f"PAUSED {'with no end of its own' if found.resumes_timestamp is None else 'until ' + utc(found.resumes_timestamp)}"


def _who(found: Parties) -> str:
    if isinstance(found, Unknown):
        return str(found)
    return "; ".join(str(p) for p in found) or "nobody"


def _duration(found: Found) -> str:
    if found.way == "none":
        return ""
    if isinstance(found.seconds, Unknown):
        return str(found.seconds)
    return "until somebody lifts it" if found.seconds is None else f"{span(found.seconds)}, then it lapses by itself"


def _call(found: Found) -> str:
    if isinstance(found.call, Unknown):
        return str(found.call)
    return "" if found.call is None else f"{found.call.to} {found.call.function}: {found.call.data}"


def _calendar(found: Survey) -> list[str]:
    if not found.calendar:
        return []
    return [
        "",
        "== heartbeats (a pauser that misses its date cannot pause, nor revive itself)",
        *(_heartbeat(h, found.timestamp) for h in found.calendar),
    ]


def _heartbeat(h: Heartbeat, now: int) -> str:
    if isinstance(h.expires_timestamp, Unknown):
        return f"  {h.expires_timestamp}  {h.pauser}"
    left = h.expires_timestamp - now
    when = f"{utc(h.expires_timestamp)}  {h.state:8} {'in ' + span(left) if left > 0 else span(-left) + ' ago'}"
    return f"  {when}  {h.pauser}: {', '.join(h.contracts) or 'nothing'}"


def utc(timestamp: int) -> str:
    try:
        return datetime.fromtimestamp(timestamp, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (ValueError, OverflowError, OSError):
        return f"timestamp {timestamp}"


def span(seconds: int) -> str:
    """A length of time in the largest unit that tells it."""
    for unit, size in (("days", 86_400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f}".removesuffix(".0") + f" {unit}"
    return f"{seconds} seconds"
