"""Incidents on the consensus layer, told as the shipped rules and routes tell them: one cause, one message.

A small network (the devnet's: 2,048 validators, 1,500 of them Lido's) lives epoch by epoch; its figures follow from who votes, as the
formulas of the specification give them. Finality follows from the votes, and facts of an epoch come one epoch after it, as in life.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from math import isqrt
from pathlib import Path

from monitor.alerts import load_routes
from monitor.catalogue import SHIPPED, Catalogue
from monitor.model import BlockStamp, Event, EventId, Hash, Labels, Series, Slot, labels, ok_frame
from monitor.rules import RuleSet, load
from monitor.rules.instances import Instances
from monitor.rules.judge import judge
from monitor.samples import FrameWindow, Source

ROOT = Path(__file__).parents[2]
ROUTES = load_routes(ROOT / "rules/policy/routes.yaml", ["slack"])
GROUPS = (
    "ethereum-slashing",
    "ethereum-participation",
    "ethereum-finality",
    "lido-slashing",
    "lido-validators",
    "stakewarden-beacon",
    "stakewarden-seeing",
)
CATALOGUE = Catalogue(SHIPPED)
EPOCH = 384
STEP = 192
"""Seconds between judged blocks."""
START = 1_700_000_064
OPERATORS = {f"curated-onchain-v1/{i} Operator {i}": 180 for i in range(8)} | {
    "simple-dvt/0 Cluster A": 40,
    "simple-dvt/1 Cluster B": 19,
    "simple-dvt/2 Cluster C": 1,
}
OTHERS = 548
STREAKS = (1, 2, 3, 5, 10)
ALPHA, BETA, DVT = "curated-onchain-v1/0 Operator 0", "curated-onchain-v1/1 Operator 1", "simple-dvt/1 Cluster B"
COLLECTORS = {"beacon_finality": "ethereum", "beacon_epoch": "ethereum", "slashing_events": "lido", "validators": "lido", "accounting_balance": "lido"}  # fmt: skip


@cache
def shipped() -> RuleSet:
    rules = load(sorted((ROOT / "rules/packs").glob("*.yaml")))
    return RuleSet(tuple(r for r in rules if r.group in GROUPS), rules.sources)


@dataclass
class World:
    """``offline``: validators that do not vote, by operator ("" for the others), from this epoch on. ``nodes``: up or not. ``slashed`` likewise by operator."""

    offline: dict[str, int] = field(default_factory=dict)
    nodes: list[int] = field(default_factory=lambda: [1, 1, 1])
    dissent: list[int] = field(default_factory=lambda: [0, 0, 0])
    slashed: dict[str, int] = field(default_factory=dict)
    streaks: dict[str, list[int]] = field(default_factory=lambda: {owner: [0] * 12 for owner in (*OPERATORS, "")})
    justified: list[int] = field(default_factory=lambda: [-1, 0])
    finalized: int = -1
    leaking: bool = False

    def voting(self) -> float:
        return 1 - sum(self.offline.values()) / (OTHERS + sum(OPERATORS.values()))

    def end(self, epoch: int) -> None:
        """What the end of an epoch decides: justification, finality, the leak; and the streaks grow."""
        if self.voting() >= 2 / 3:
            if self.justified[-1] == epoch - 1:
                self.finalized = epoch - 1
            self.justified.append(epoch)
        self.leaking = epoch - 1 - self.finalized > 4
        for owner in (*OPERATORS, ""):
            self.streaks[owner].append(self.offline.get(owner, 0))

    def facts(self) -> dict[Series, float]:
        """All epochly series, of the epoch that has just ended."""
        found: dict[Series, float] = {}
        sizes = {**OPERATORS, "": OTHERS}
        stake = 32 * sum(sizes.values())
        base = 32 * (64 * 10**9 // isqrt(stake * 10**9)) / 1e9
        every = {("lido", op): [op] for op in OPERATORS} | {("lido", ""): list(OPERATORS), ("ethereum", ""): list(sizes)}
        total_slashed = 32 * sum(self.slashed.values())
        for (protocol, operator), owners in every.items():
            size = sum(sizes[o] - self.slashed.get(o, 0) for o in owners)
            who = {"protocol": protocol} | ({"operator": operator} if operator else {})
            away = [sum(self.streaks[o][-n] for o in owners) for n in range(1, len(self.streaks[""]) + 1)]

            def put(name: str, value: float, who: Mapping[str, str] = who, **more: str) -> None:
                found[Series(name, labels(**who, **more))] = value

            put("validators_active", size)
            put("validators_effective_balance_ether", 32 * size)
            for by in ("validators", "stake"):
                for duty in ("source", "target", "head"):
                    put("validators_participation_ratio", 1 - away[0] / size, duty=duty, by=by)
            for n in (n for n in STREAKS if n <= len(away)):
                lasting = min(away[:n])
                put("validators_offline", lasting, epochs=str(n))
                for by in ("validators", "stake"):
                    put("validators_offline_ratio", lasting / size, epochs=str(n), by=by)
            ideal = 0.0 if self.leaking else base * 54 / 64 * size
            put("validators_ideal_reward_ether", ideal)
            put("validators_reward_ether", ideal * (1 - away[0] / size) * self.voting() - base * 40 / 64 * away[0])
            n = sum(self.slashed.get(o, 0) for o in owners)
            parts = {
                "initial": n * 32 / 4096,
                "attestation": n * 8192 * base * 40 / 64,
                "correlation": min(n * 96 * total_slashed / stake, 32 * n),
            }
            for part, ether in parts.items():
                put("slashing_loss_ether", ether, part=part)
            put("slashing_loss_ratio", sum(parts.values()) / (32 * sum(sizes[o] for o in owners)))
            put("slashing_validators", n)
        network = labels(protocol="ethereum")
        found[Series("slashing_network_ratio", network)] = total_slashed / stake
        found[Series("beacon_missed_slots_ratio", network)] = round(32 * (1 - self.voting())) / 32
        found[Series("beacon_inactivity_leak", network)] = float(self.leaking)
        return found


class Story:
    """Lives epochs and notes what a receiver is told: ``told`` by incident (route and group), in order of time."""

    def __init__(self) -> None:
        names = [f.name for f in CATALOGUE]
        self.window = FrameWindow(CATALOGUE, [Source("all", tuple(names))], 12 * 3600)
        self.world, self.live, self.at, self.number, self.epoch = World(), Instances(), START, 1, 1
        self.dark, self.facts, self.coming = 0, self.world.facts(), self.world.facts()
        self.events: list[Event] = []
        self.told: dict[tuple[str, Labels], list[str]] = {}
        self.firing: set[str] = set()

    def epochs(self, number: int) -> Story:
        for _ in range(number):
            for _ in range(EPOCH // STEP):
                self.block()
            self.world.end(self.epoch)
            self.facts, self.coming = self.coming, self.world.facts()
            self.epoch += 1
        return self

    def block(self, after: int = STEP) -> None:
        self.at, self.number = self.at + after, self.number + 1
        stamp = BlockStamp(self.number, _digest(self.number), _digest(self.number - 1), self.at, Slot(self.at // 12))
        self.window.append(ok_frame("all", (), stamp, {**self.facts, **self.now(after)}, [self._event(e, stamp) for e in self._take()]))
        self.live, _, _ = judge(shipped(), self.window, stamp, self.live)
        firing = [i.labels for i in self.live.firing]
        self.firing = {dict(f)["alertname"] for f in firing}
        for alert in firing:
            if ROUTES.inhibited_by(alert, firing) is None:
                for route in ROUTES.match(alert):
                    told = self.told.setdefault((route.key, route.group(alert)), [])
                    told += [name for name in [dict(alert)["alertname"]] if name not in told]

    def now(self, after: int) -> dict[Series, float]:
        """What is known with each block."""
        up, network = self.world.nodes, labels(protocol="ethereum")
        seeing = sum(up) * 2 > len(up)
        found = {Series("stakewarden_beacon_node_up", labels(node=f"n{i}")): float(u) for i, u in enumerate(up)}
        found |= {Series("stakewarden_beacon_node_dissent", labels(node=f"n{i}")): float(d) for i, d in enumerate(self.world.dissent)}
        self.dark = 0 if seeing else self.dark + after
        found[Series("stakewarden_beacon_head_age_seconds", ())] = 12.0 + self.dark
        for collector, protocol in COLLECTORS.items():
            found[Series("stakewarden_blind", labels(collector=collector, protocol=protocol))] = float(self.dark > 120)
        if seeing:
            found[Series("beacon_finality_distance_epochs", network)] = float(self.epoch - self.world.finalized)
            found[Series("beacon_justified_distance_epochs", network)] = float(self.epoch - self.world.justified[-1])
        return found

    def later(self, seconds: int) -> Story:
        """After so much time, all as it was."""
        self.block(seconds)
        return self

    def minutes(self, number: int) -> Story:
        """Blocks each half minute, as many as fit into an epoch or less."""
        for _ in range(2 * number):
            self.block(30)
        return self

    def slash(self, operator: str, number: int, first: int = 0) -> Story:
        """One offence of so many validators of an operator ("" for others), told as the collector tells it."""
        self.world.slashed[operator] = self.world.slashed.get(operator, 0) + number
        name = str(first) if number == 1 else f"{first} and {number - 1} more"
        self.events.append(_slashing("ethereum", "", name))
        if operator:
            self.events += [_slashing("lido", operator, str(first + i)) for i in range(min(number, 16))]
            self.events += [_slashing("lido", operator, f"and {number - 16} more")] if number > 16 else []
        return self

    def messages(self) -> Counter[str]:
        """How many incidents tell each alert."""
        return Counter(name for names in self.told.values() for name in names)

    def _take(self) -> list[Event]:
        taken, self.events = self.events, []
        return taken

    def _event(self, event: Event, stamp: BlockStamp) -> Event:
        return Event(event.id, event.series, stamp)


def _digest(number: int) -> Hash:
    return Hash("0x" + hashlib.sha256(str(number).encode()).hexdigest())


def _slashing(protocol: str, operator: str, validator: str) -> Event:
    who = {"protocol": protocol, "validator": validator, "kind": "attestation"} | ({"operator": operator} if operator else {})
    nowhere = BlockStamp(0, _digest(0), _digest(0), 0, Slot(0))
    return Event(EventId(f"{protocol}/{operator}/{validator}"), Series("validator_slashed", labels(**who)), nowhere)


def quiet() -> Story:
    """A healthy network that has been watched for hours."""
    story = Story().epochs(1)
    assert story.told == {}
    return story


def over(story: Story, *, epochs: int = 5) -> Story:
    """All validators vote again; nothing more may be told, and nothing may go on but what slashings leave behind for weeks."""
    before = dict(story.messages())
    story.world.offline.clear()
    story.epochs(epochs)
    assert dict(story.messages()) == before, "an incident rings again when it is over"
    return story


def test_an_operator_that_goes_offline_is_one_message_and_says_so_after_three_epochs() -> None:
    story = quiet()
    story.world.offline[ALPHA] = 180
    assert "LidoOperatorOffline" not in story.epochs(4).messages(), "the third epoch is known one epoch later"
    assert "LidoOperatorOffline" in story.epochs(1).messages()
    story.epochs(3)
    assert story.messages() == {"LidoOperatorOffline": 1, "EthereumParticipationLow": 1}, "here one operator is 9 % of all stake"
    assert over(story).firing == set()


def test_one_epoch_offline_and_a_handful_for_long_are_told_to_nobody() -> None:
    story = quiet()
    story.world.offline |= dict.fromkeys((ALPHA, BETA, DVT), 15)
    story.epochs(1)
    story.world.offline = {ALPHA: 4, "simple-dvt/2 Cluster C": 1}
    assert story.epochs(13).messages() == {}


def test_a_small_cluster_is_a_ticket_after_an_hour_and_never_a_page() -> None:
    story = quiet()
    story.world.offline[DVT] = 19
    assert story.epochs(11).messages() == {}
    assert story.epochs(2).messages() == {"LidoOperatorPartlyOffline": 1}
    assert over(story).firing == set()


def test_three_operators_at_once_are_one_message_about_lido() -> None:
    story = quiet()
    story.world.offline |= dict.fromkeys(list(OPERATORS)[:3], 110)
    told = story.epochs(7).messages()
    assert told == {"LidoOfflineWidely": 1, "EthereumParticipationLow": 1}
    assert over(story).firing == set()


def test_a_stall_of_finality_is_told_once_and_the_leak_once_and_nothing_of_what_follows_from_it() -> None:
    story = quiet()
    story.world.offline |= {owner: size * 45 // 100 for owner, size in {**OPERATORS, "": OTHERS}.items()}
    assert story.epochs(3).messages() == {}
    assert story.epochs(1).messages() == {"EthereumFinalityStalled": 1}
    assert story.epochs(7).messages() == {"EthereumFinalityStalled": 1, "EthereumInactivityLeak": 1}
    assert over(story).firing == set()


def test_one_failed_epoch_is_told_to_nobody() -> None:
    story = quiet()
    story.world.offline |= {owner: size * 45 // 100 for owner, size in {**OPERATORS, "": OTHERS}.items()}
    story.epochs(1)
    assert over(story).messages() == {}


def test_a_slashing_of_lido_pages_once_and_one_of_somebody_else_is_only_noted() -> None:
    assert quiet().slash(ALPHA, 1).epochs(3).messages() == {"LidoValidatorSlashed": 1}
    assert quiet().slash("", 1).epochs(3).messages() == {"EthereumValidatorSlashed": 1}


def test_several_slashings_of_one_operator_escalate_once() -> None:
    story = quiet()
    for number in range(6):
        story.slash(ALPHA, 1, first=number).block()
    assert story.messages() == {"LidoValidatorSlashed": 1, "LidoOperatorSlashed": 1}
    assert story.later(6 * 3600).firing == set(), "an event ends by itself"


def test_a_mass_slashing_in_one_block_is_one_message_and_its_price_another() -> None:
    few = quiet().slash(ALPHA, 20).epochs(3)
    assert few.messages() == {"LidoMassSlashing": 1}
    assert few.later(6 * 3600).firing == set(), "an event ends by itself"
    assert quiet().slash(ALPHA, 32).epochs(3).messages() == {"LidoMassSlashing": 1, "LidoSlashingLossOverDay": 1}
    assert quiet().slash(ALPHA, 60).epochs(3).messages() == {"LidoMassSlashing": 1, "LidoBunkerModeExpected": 1}
    assert quiet().slash(ALPHA, 160).epochs(3).messages() == {"LidoMassSlashing": 1, "LidoSlashingNearSanityLimit": 1}
    assert quiet().slash("", 40).epochs(3).messages() == {"EthereumMassSlashing": 1, "EthereumSlashedShareHigh": 1}


def test_dead_beacon_nodes_are_one_ticket_or_one_page() -> None:
    story = quiet()
    story.world.nodes = [1, 0, 1]
    assert story.minutes(4).messages() == {"BeaconNodeDown": 1}
    story = quiet()
    story.world.nodes = [0, 0, 1]
    assert story.minutes(6).messages() == {"BeaconNodesDown": 1}
    story.world.nodes = [1, 1, 1]
    assert over(story).firing == set()


def test_a_lying_beacon_node_is_one_ticket_and_two_are_a_page() -> None:
    story = quiet()
    story.world.dissent = [0, 1, 0]
    assert story.epochs(2).messages() == {"BeaconNodeDissent": 1}
    story.world.dissent = [0, 0, 0]
    assert over(story).firing == set()
    story = quiet()
    story.world.dissent = [1, 1, 0]
    assert story.epochs(2).messages()["BeaconNodesSplit"] == 1
