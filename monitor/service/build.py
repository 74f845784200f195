"""Puts the parts together: the only place that knows them all. Everything a person wrote is checked here, before anything runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import structlog

from monitor import rules
from monitor.alerts import BadRoutes, Book, Links, Routes, load_routes
from monitor.alerts.consequences import Consequences, none
from monitor.catalogue import SHIPPED, Catalogue
from monitor.chain import Execution
from monitor.chain.beacon.client import Beacon
from monitor.chain.beacon.spec import PRESETS
from monitor.collectors import baseline, beacon_collectors, collectors
from monitor.guardian.causes import Causes
from monitor.guardian.collector import GuardianCollector, brake_of
from monitor.guardian.consequences import Pauses
from monitor.guardian.deciding import Ground
from monitor.guardian.execution.start import KeyRefused, check_keys
from monitor.guardian.keys import Key, KeyProblem, load_key
from monitor.guardian.levers import declared
from monitor.guardian.levers.own import own_names
from monitor.guardian.policy import EMBEDDED_CHAINS, BadPolicy, Policy, load_policy
from monitor.guardian.policy.earned import outgrown
from monitor.guardian.responses import Responses
from monitor.guardian.safe.document import BadFile
from monitor.guardian.safe.presigned import Presigned
from monitor.guardian.settings import GuardianSettings
from monitor.model import Collector, Receiver, Refused
from monitor.model.secret_settings import exposed
from monitor.protocols import lido
from monitor.protocols.entries import BadEntry
from monitor.protocols.lido import deployment
from monitor.protocols.signals import KeySource, ProtocolSources
from monitor.receivers.alertmanager import AlertmanagerReceiver, AlertmanagerSettings
from monitor.receivers.grafana import GrafanaReceiver, GrafanaSettings
from monitor.receivers.slack import SlackReceiver, SlackSettings
from monitor.receivers.webhook import WebhookReceiver
from monitor.rules import RuleFileErrors, RuleSet
from monitor.rules.runbooks import runbooks
from monitor.service.facts import Gauge
from monitor.service.parts import Progress
from monitor.service.settings import BadSettings, ProtocolSettings, ReceiverSettings, Settings
from monitor.service.setup import Setup
from monitor.store import Store

log = structlog.get_logger()


class CheckedReceiver(Receiver, Protocol):
    """A receiver that can say at the start whether it will take messages; ``check`` raises Refused with the remedy."""

    async def check(self) -> Mapping[str, Any]: ...


@dataclass
class Parts:
    """All parts of one service, checked and not running yet."""

    settings: Settings
    store: Store
    execution: Execution
    beacon: Beacon | None
    keys: tuple[KeySource, ...]
    """Whose validators are told apart; none without beacon nodes."""
    collectors: tuple[Collector, ...]
    setup: Setup
    book: Book
    responses: Responses
    receivers: tuple[CheckedReceiver, ...]
    sentinel: Key | None
    """Signs orders to pause."""
    senders: tuple[Key, ...]
    """Pay for submitting them."""
    uncovered: tuple[str, ...]
    progress: Progress
    gauge: Gauge = field(default_factory=Gauge)
    token: str | None = field(default=None, repr=False)
    """What people sign in with on the page."""
    pauses: Pauses | None = None
    """What messages say of pauses; None where nothing can be paused."""

    def runbooks(self) -> dict[str, Path]:
        """The files that the loaded rules name as runbooks."""
        return runbooks(self.setup.ruleset, self.settings.rules.runbooks)

    @property
    def alertmanagers(self) -> tuple[AlertmanagerReceiver, ...]:
        """Receivers that must be told again and again."""
        return tuple(r for r in self.receivers if isinstance(r, AlertmanagerReceiver))


def build(settings: Settings) -> Parts:
    """Every part of the service. Raises BadSettings with all that is wrong with the files, and store errors."""
    sources = [_protocol(p) for p in settings.protocols]
    sentinel, senders = _keys(settings)
    keys = tuple(s.keys for s in sources if s.keys is not None) if settings.network.beacon else ()
    made = (*_collectors(settings, sources), *_beacon(settings, keys), *_guardian(settings, sentinel, senders))
    ruleset = load_rules(settings)
    _check_secrets(settings)
    for line in exposed(settings):
        log.warning("settings.secret_exposed", problem=line)
    links = Links(settings.web.public_url)
    responses = Responses(
        _policy(settings, ruleset), {e.name: e.run_by for e in settings.network.execution}, sentinel is not None, ground(settings, made)
    )
    responses = replace(responses, causes=_causes(settings, responses.policy))
    uncovered = [line for source in sources for line in source.uncovered]
    if not settings.network.beacon:
        uncovered.append("validators, slashing, finality: the settings have no beacon nodes (network.beacon)")
    network, store, progress = settings.network, Store.open(settings.store.location()), Progress()
    pauses = _pauses(settings, responses.policy)
    receivers = tuple(_receiver(r, network.chain_id, store, progress, links, pauses or none) for r in settings.receivers)
    return Parts(
        settings, store, Execution(network), Beacon(network) if network.beacon else None, keys, made,
        Setup.of(ruleset, made, responses.keep_seconds(ruleset)), _book(settings, pauses), responses, receivers, sentinel, senders, tuple(uncovered), progress,
        token=settings.web.secret(), pauses=pauses,
    )  # fmt: skip


def book_of(settings: Settings) -> Book:
    """The book of incidents, as people's commands write it too; whether responses earned their mode is not looked at. Raises BadSettings."""
    return _book(settings, None if settings.guardian is None else _pauses(settings, _responses(settings, settings.guardian, None)))


def _book(settings: Settings, pauses: Pauses | None) -> Book:
    drawing = [r.name for r in settings.receivers if r.kind == "grafana"]
    return Book(_routes(settings), drawing, Links(settings.web.public_url), pauses or none)


def _pauses(settings: Settings, policy: Policy) -> Pauses | None:
    """What messages say of pauses; None where nothing can be paused. Raises BadSettings."""
    guardian = settings.guardian
    if guardian is None:
        return None
    try:
        names = declared.of(settings.network.chain_id, guardian.levers_file).names()
    except declared.BadDeclaration as wrong:
        raise BadSettings([f"guardian.levers_file: {wrong}"]) from None
    return Pauses(guardian, policy, {**names, **own_names(guardian)})


def load_rules(settings: Settings) -> RuleSet:
    """The rules of the settings, checked. Raises BadSettings with every problem; warnings are logged."""
    try:
        found = rules.load(settings.rules.dirs)
    except RuleFileErrors as wrong:
        raise BadSettings([str(p) for p in wrong.problems]) from None
    problems = rules.check(found, Catalogue(SHIPPED), block_seconds=max(1, int(settings.network.block_seconds)))
    too_far = [f"{name} is asked for {s} seconds back, more than rules.keep_seconds ({settings.rules.keep_seconds})" for name, s in
               rules.keep_seconds(found).items() if s > settings.rules.keep_seconds]  # fmt: skip
    fatal = [str(p) for p in rules.errors(problems)]
    if fatal or too_far:
        raise BadSettings([*fatal, *too_far])
    for problem in problems:
        log.warning("rules.warning", problem=str(problem))
    lost = [str(path) for path in runbooks(found, settings.rules.runbooks).values() if not path.is_file()]
    if lost:
        log.warning("rules.runbooks_missing", files=lost, remedy="set rules.runbooks to the folder that has them")
    return found


def protocol_sources(settings: Settings) -> list[ProtocolSources]:
    """The sources of each configured protocol. Raises BadSettings."""
    return [_protocol(p) for p in settings.protocols]


def _protocol(settings: ProtocolSettings) -> ProtocolSources:
    try:
        found = deployment.mainnet() if settings.deployment is None else deployment.load(settings.deployment)
    except (BadEntry, OSError) as wrong:
        raise BadSettings([str(wrong)]) from None
    return lido.protocol(found)


def _collectors(settings: Settings, sources: Iterable[ProtocolSources]) -> list[Collector]:
    try:
        approved = baseline.load(settings.rules.baseline)
    except (BadEntry, OSError) as wrong:
        raise BadSettings([str(wrong)]) from None
    return [
        collector
        for source in sources
        for collector in collectors(source, approved.of(settings.network.chain_id, source.name), settings.oracle_allowance_seconds)
    ]


def _beacon(settings: Settings, keys: Iterable[KeySource]) -> tuple[Collector, ...]:
    network = settings.network
    if not network.beacon:
        return ()
    spec = replace(PRESETS[network.beacon_preset], slot_duration_ms=1000 * network.slot_seconds)
    return beacon_collectors([source.name for source in keys], spec)


def _guardian(settings: Settings, sentinel: Key | None, senders: tuple[Key, ...]) -> list[Collector]:
    if settings.guardian is None:
        return []
    accounts = tuple(key.address for key in senders)
    try:
        presigned = [Presigned.of(path) for path in settings.guardian.presigned]
    except BadFile as wrong:
        raise BadSettings([f"guardian.presigned: {wrong}"]) from None
    return [GuardianCollector(brake_of(settings.guardian, None if sentinel is None else sentinel.address, accounts), presigned)]


def _keys(settings: Settings) -> tuple[Key | None, tuple[Key, ...]]:
    """The sentinel's key and those of the senders. Raises BadSettings with all that is wrong with them."""
    if settings.guardian is None:
        return None, ()
    named = [("guardian.sentinel", settings.guardian.sentinel)]
    named += [(f"guardian.senders.{i}", key) for i, key in enumerate(settings.guardian.senders)]
    found: list[Key | None] = []
    problems: list[str] = []
    for name, of in named:
        try:
            found.append(None if of is None else load_key(of))
        except KeyProblem as wrong:
            problems.append(f"{name}: {wrong}")
    sentinel, senders = (found[0], tuple(k for k in found[1:] if k is not None)) if not problems else (None, ())
    try:
        check_keys(sentinel, senders)
    except KeyRefused as refused:
        problems.append(str(refused))
    if problems:
        raise BadSettings(problems)
    return sentinel, senders


def _check_secrets(settings: Settings) -> None:
    """Each receiver has a token that could be one; whether the other side takes it is asked at the start."""
    for number, receiver in enumerate(settings.receivers):
        try:
            if isinstance(receiver, (SlackSettings, GrafanaSettings)):
                receiver.secret()
            else:
                receiver.ready()
        except Refused as wrong:
            raise BadSettings([f"receivers.{number}: {wrong}"]) from None
    if settings.guardian is not None:
        try:
            settings.guardian.check_secrets()
        except ValueError as wrong:
            raise BadSettings([str(wrong)]) from None


def _receiver(
    settings: ReceiverSettings, chain_id: int, store: Store, progress: Progress, links: Links, consequences: Consequences
) -> CheckedReceiver:
    if isinstance(settings, SlackSettings):
        return SlackReceiver(settings)
    if isinstance(settings, GrafanaSettings):
        return GrafanaReceiver(settings)
    if isinstance(settings, AlertmanagerSettings):
        return AlertmanagerReceiver(settings, chain_id, store.look, lambda: progress.judged_at, links=links, consequences=consequences)
    return WebhookReceiver(settings)


def _routes(settings: Settings) -> Routes:
    try:
        return load_routes(settings.rules.routes, [r.name for r in settings.receivers])
    except BadRoutes as wrong:
        raise BadSettings([str(p) for p in wrong.problems]) from None


@dataclass(frozen=True, slots=True)
class Grounds:
    """What decisions are made of, read from the files alone: no endpoint, no database, no secret."""

    ground: Ground
    ruleset: RuleSet
    policy: Policy
    responses: Path


def grounds(settings: Settings) -> Grounds:
    """Everything that a decision is recomputed from. Raises BadSettings with all that is wrong with the files."""
    made = _collectors(settings, [_protocol(p) for p in settings.protocols])
    ruleset = load_rules(settings)
    return Grounds(ground(settings, made), ruleset, _policy(settings, ruleset), settings.rules.responses)


def ground(settings: Settings, made: Iterable[Collector]) -> Ground:
    """What decisions rest on beside the block: who and what is paused, and by whose code the reads are understood."""
    guardian = settings.guardian
    if guardian is None:
        return Ground()
    targets = {t.name: t.where for t in guardian.targets}
    try:
        baseline = settings.rules.baseline.read_text("utf-8")
    except OSError as wrong:
        raise BadSettings([str(wrong)]) from None
    return Ground(settings.network.chain_id, guardian.where, targets, baseline, tuple(made))


def _causes(settings: Settings, policy: Policy) -> Causes:
    targets = () if settings.guardian is None else settings.guardian.targets
    return Causes(policy, {t.name: (t.protocol, t.contract) for t in targets})


def _policy(settings: Settings, ruleset: RuleSet) -> Policy:
    if settings.guardian is None:
        return Policy()
    found = _responses(settings, settings.guardian, settings.network.chain_id)
    if settings.network.chain_id not in EMBEDDED_CHAINS and (old := outgrown(found, settings.rules.responses.parent, ruleset)):
        raise BadSettings(old)
    return found


def _responses(settings: Settings, guardian: GuardianSettings, chain: int | None) -> Policy:
    """The responses file. ``chain``: whose automatic responses must have been earned; None does not look. Raises BadSettings."""
    targets = {t.name: t.lever for t in guardian.targets}
    endpoints = {e.name: e.run_by for e in settings.network.execution}
    try:
        return load_policy(settings.rules.responses, targets, endpoints, chain)
    except BadPolicy as wrong:
        raise BadSettings([str(p) for p in wrong.problems]) from None
