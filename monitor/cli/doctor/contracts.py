"""The contracts: is there code at each address, are the proxies' versions and the roles the approved ones, would the brake work?"""

from __future__ import annotations

from monitor.chain import Execution, NoAgreement
from monitor.cli.doctor.finding import Finding, note, ok, some, wrong
from monitor.collectors import baseline
from monitor.guardian import status as brake
from monitor.guardian.byhand import PauseImpossible
from monitor.guardian.keys import KeyProblem, load_key
from monitor.guardian.node import NoMajority
from monitor.guardian.status import TargetStatus
from monitor.model import Address, Code, Read, Value
from monitor.protocols.entries import BadEntry
from monitor.protocols.signals import ProtocolSources
from monitor.service.build import protocol_sources
from monitor.service.holders import read_holdings
from monitor.service.settings import Settings

AGAIN = "mend the endpoints first"


async def contracts(settings: Settings) -> list[Finding]:
    """A line each for code, versions and roles of every protocol. Raises BadSettings for a wrong deployment file."""
    found: list[Finding] = []
    for source in protocol_sources(settings):
        found.append(await _code(settings, source))
        found += await _approved(settings, source)
        found += [note(f"{source.name}: coverage", line) for line in source.uncovered]
    return found


async def _code(settings: Settings, source: ProtocolSources) -> Finding:
    what = f"{source.name}: contracts"
    listed: dict[Address, str] = {address: name for address, name in source.names.items() if name in source.roles}
    execution = Execution(settings.network)
    try:
        stamp = await execution.stamp("latest")
        reads = {Read(address, Code()): name for address, name in listed.items()}
        snapshot = await execution.read(stamp, tuple(reads), frozenset(), stamp.number - 1)
    except NoAgreement as error:
        return wrong(what, f"not read: {error}", AGAIN)
    finally:
        await execution.close()
    answers = {name: snapshot.answers.get(read) for read, name in reads.items()}
    unread = [name for name, answer in answers.items() if not isinstance(answer, Value)]
    empty = [name for name, answer in answers.items() if isinstance(answer, Value) and not answer.data]
    if empty:
        return wrong(what, f"no code at {some(empty)}", "correct protocols[].deployment, or network.chain_id")
    if unread:
        return wrong(what, f"{some(unread)} could not be read by a majority", AGAIN)
    return ok(what, f"{len(answers)} have code at block {stamp.number}")


async def _approved(settings: Settings, source: ProtocolSources) -> list[Finding]:
    versions, roles = f"{source.name}: versions", f"{source.name}: roles"
    path = settings.rules.baseline
    try:
        approved = baseline.load(path).of(settings.network.chain_id, source.name)
        held, failed, _ = await read_holdings(Execution(settings.network), source)
    except (BadEntry, OSError) as error:
        return [
            wrong(roles, f"the baseline cannot be read: {error}", "correct rules.baseline; `stakewarden roles approve` writes a first one")
        ]
    except NoAgreement as error:
        return [wrong(roles, f"not read: {error}", AGAIN)]
    differences = baseline.diff(approved, held)
    behind = [f"{d.contract} ({d.role})" for d in differences if d.kind == "proxy"]
    others = [f"{d.contract} {d.role}" for d in differences if d.kind != "proxy"]
    remedy = "`stakewarden roles diff` shows them; investigate, or `stakewarden roles approve`"
    pointers = sum(h.implementation is not None for h in held.values())
    found = [
        wrong(versions, f"{len(behind)} proxies have what is not approved: {some(behind)}", remedy)
        if behind
        else ok(versions, f"{pointers} proxies have the approved implementations"),
        wrong(roles, f"{len(others)} differences from the baseline: {some(others)}", remedy)
        if others
        else ok(roles, f"{sum(len(h.roles) for h in held.values())} roles of {len(held)} contracts are held as approved"),
    ]
    return [*found, wrong(roles, f"{some(failed)} could not be read", AGAIN)] if failed else found


async def guardian(settings: Settings) -> list[Finding]:
    """A line for each target: would a pause work now, by people and by the service?"""
    if settings.guardian is None:
        return [note("guardian", "none is configured: nothing can be paused from here", "docs/guardian.md says what it needs")]
    try:
        key = settings.guardian.sentinel
        sentinel = None if key is None else load_key(key).address
        senders = tuple(load_key(sender).address for sender in settings.guardian.senders)
        found = await brake.status(settings.guardian, settings.network.execution, sentinel, senders)
    except (NoMajority, PauseImpossible, KeyProblem) as error:
        return [wrong("guardian", str(error), "`stakewarden guardian status` tells more")]
    return [_target(target, sentinel is not None) for target in found.targets]


def _target(target: TargetStatus, keyed: bool) -> Finding:
    what = f"guardian: {target.name}"
    if target.unknown is not None:
        return wrong(what, f"readiness is not known: {target.unknown}", AGAIN)
    failing = [f"{r.by}: {check.reason}" for r in target.readiness for check in r.failing]
    if failing:
        return wrong(what, f"a pause would not work ({some(failing, 3)})", "`stakewarden guardian status` lists what to mend")
    return ok(what, "a pause would work, by people" + (" and by the service" if keyed else "; the service has no key and pauses nothing"))
