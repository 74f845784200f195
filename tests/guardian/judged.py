"""Judged blocks without a chain: a Lido in plain Python, read by the real collectors, judged by the shipped rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from monitor import rules
from monitor.collectors import collectors
from monitor.collectors.baseline import Approved, ContractBaseline
from monitor.guardian.deciding import Ground, Seen, candidates, decide
from monitor.guardian.decision import Decision
from monitor.guardian.policy import Agreement, Health, Policy, parse_policy
from monitor.model import BlockStamp, Collector, Frame, Log, address
from monitor.rules import Instances, RuleSet
from monitor.samples import FrameWindow
from monitor.service import reading
from monitor.service.reading import Memory
from monitor.service.setup import Setup
from monitor.turns import at_once
from tests.collectors.lido_state import ADMIN, ETH, IMPLEMENTATION, WHO, Lido, account, log, sources, stamp, word

ROOT = Path(__file__).parents[2]
CHAIN = 31337
THREE = {"a": "alpha", "b": "beta", "c": "gamma"}
TARGETS: dict[str, Any] = {"vault": "pauseFor", "pool": "pause"}
VAULT, GUARDIAN = address("0x" + "0c" * 20), address("0x" + "0d" * 20)
HEALTHY = Health(2.0, False)
BASELINE = "version: 1\nnetworks: {}\n"
APPROVED: Approved = {"accounting_oracle": ContractBaseline(IMPLEMENTATION, ADMIN)}
RESPONSES = (ROOT / "rules/policy/responses.yaml").read_text()


@cache
def shipped() -> RuleSet:
    return rules.load([ROOT / "rules/packs"])


@cache
def made() -> tuple[Collector, ...]:
    return collectors(sources(proxied=("accounting_oracle",)), APPROVED)


def policy(text: str = RESPONSES) -> Policy:
    return parse_policy(text, TARGETS, THREE)


def ground() -> Ground:
    return Ground(CHAIN, GUARDIAN, {"vault": VAULT, "pool": account(77)}, BASELINE, made())


@dataclass
class World:
    """A chain of judged blocks. Change ``state``, then ``step``."""

    policy: Policy = field(default_factory=policy)
    setup: Setup = field(init=False)
    state: Lido = field(default_factory=lambda: Lido(shares=10**6 * ETH, buffered=10**6 * ETH))
    rules: RuleSet = field(default_factory=shipped)
    number: int = 100
    collectors: tuple[Collector, ...] = field(default_factory=made)
    memory: Memory = field(default_factory=Memory)
    live: Instances = field(default_factory=Instances)
    frames: list[Frame] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.setup = Setup.of(self.rules, self.collectors)
        self.window: FrameWindow = self.setup.window()

    @property
    def at(self) -> BlockStamp:
        return stamp(self.number, self.state.now)

    def step(self, seconds: int = 12, logs: Sequence[Log] = (), **seen: Any) -> Seen:
        """Judge the next block, by the pipeline's own functions."""
        self.number, self.state.now = self.number + 1, self.state.now + seconds
        due, frames = reading.plans(self.collectors, self.memory, self.at)
        snapshot = self.state.snapshot(reading.reads_of(due), tuple(replace(one, block=self.at) for one in logs), self.number)
        snapshot = replace(snapshot, agreed=("a", "b", "c"))
        before = self.memory
        found = at_once(reading.judging(self.collectors, due, snapshot, before))
        for frame in (*frames, *found.frames):
            self.window.append(frame)
            self.frames.append(frame)
        rules.record(self.rules, self.window, self.at, self.live)
        self.live, _, _ = rules.judge(self.rules, self.window, self.at, self.live)
        self.memory = found.memory
        defaults: dict[str, Any] = {"agreement": Agreement(THREE, frozenset("abc")), "health": HEALTHY}
        return Seen(self.at, self.window, self.rules, self.live, snapshot, before.known, **{**defaults, **seen})

    def decided(self, seen: Seen, ground_: Ground | None = None) -> list[Decision]:
        return decide(self.policy, ground_ or ground(), seen, candidates(self.policy, seen.live))

    def restarted(self) -> FrameWindow:
        """The window as a restart reads it back from the stored frames."""
        found = self.setup.window()
        for frame in self.frames:
            found.append(frame)
        return found

    def mint(self) -> None:
        """Shares without ether."""
        self.state.shares += 5_000 * ETH


def calm() -> World:
    """Some blocks in which nothing is wrong."""
    world = World()
    for _ in range(3):
        world.step()
    return world


def upgraded(implementation: str) -> Log:
    return log("accounting_oracle", "Upgraded(address)", [word(implementation)], b"", stamp(1, 1))


__all__ = ["THREE", "WHO", "World", "calm", "ground", "policy", "upgraded"]
