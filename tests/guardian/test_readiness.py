"""Would the brake work? Each condition is broken on a real chain, and the right check must say so."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from eth_hash.auto import keccak

from monitor.catalogue.catalogue import Catalogue
from monitor.catalogue.shipped import SHIPPED
from monitor.devnet.accounts import address_of
from monitor.guardian import contract, ledger, status
from monitor.guardian.collector import GuardianCollector, brake_of
from monitor.guardian.node import Nodes
from monitor.guardian.readiness import By
from monitor.guardian.responses import STATES
from monitor.guardian.settings import GuardianSettings, KeySettings, TargetSettings
from monitor.model import Address, Collector, Disputed, Failed, Frame, Hash, Log, Ok, Read, Snapshot, address
from tests.guardian.bench import Bench, endpoint

SENTINEL = address(address_of("sentinel"))
PAUSE_ROLE = keccak(b"PAUSE_ROLE")


def look(bench: Bench, **settings: Any) -> status.Status:
    return asyncio.run(status.status(bench.settings(**settings), [endpoint(bench.url)], SENTINEL))


def failing(found: status.Status, by: By) -> dict[str, str]:
    (readiness,) = [r for r in found.targets[0].readiness if r.by == by]
    return {c.name: c.reason for c in readiness.failing}


def test_a_fresh_brake_is_ready_for_both(bench: Bench) -> None:
    found = look(bench)
    assert found.ready and found.sentinels_stopped is False and found.sentinel_budget == 3
    assert found.guardians == (address_of("guardian_person"),) and found.sentinels == (SENTINEL,)
    (target,) = found.targets
    assert target.arming == "armed" and target.duration_seconds == 86_400 and target.paused is False and target.resumes_timestamp is None
    assert found.sentinel_waiting == 0 and found.sentinel_balance
    assert failing(found, "guardian") == failing(found, "sentinel") == {}


Break = Callable[[Bench], Any]
BROKEN: list[tuple[str, Break, set[str], set[str]]] = [
    ("paused", lambda b: b.send("guardian_person", "guardian", "pauseTarget", b.vault), {"not_paused", "simulated"}, {"not_paused", "simulated"}),
    ("role taken", lambda b: b.by_admin("vault", "revokeRole", PAUSE_ROLE, b.guardian), {"pause_role", "simulated"}, {"pause_role", "simulated"}),
    ("unregistered", lambda b: b.by_admin("guardian", "unregister", b.vault), {"registered", "lever", "simulated"}, {"registered", "lever", "armed", "simulated"}),
    ("disarmed", lambda b: b.by_admin("guardian", "disarm", b.vault), set(), {"armed", "simulated"}),
    ("no budget", lambda b: b.by_admin("guardian", "setSentinelBudget", 0), set(), {"budget", "simulated"}),
    ("stopped", lambda b: b.send("guardian_person", "guardian", "stopSentinels"), set(), {"not_stopped", "simulated"}),
    ("no person", lambda b: b.by_admin("guardian", "revokeRole", contract.GUARDIAN_ROLE, address_of("guardian_person")), {"has_guardian"}, set()),
    ("no sentinel", lambda b: b.by_admin("guardian", "revokeRole", contract.SENTINEL_ROLE, SENTINEL), set(), {"has_role", "simulated"}),
    ("no gas money", lambda b: b.anvil.set_balance(SENTINEL, 10**15), set(), {"gas_money"}),
]  # fmt: skip


@pytest.mark.parametrize(("what", "break_it", "people", "sentinel"), BROKEN, ids=[b[0] for b in BROKEN])
def test_each_broken_condition_is_named(bench: Bench, what: str, break_it: Break, people: set[str], sentinel: set[str]) -> None:
    break_it(bench)
    found = look(bench)
    assert set(failing(found, "guardian")) == people
    assert set(failing(found, "sentinel")) == sentinel
    assert found.ready == (not people and not sentinel)


def test_a_key_that_became_a_person_is_named(bench: Bench) -> None:
    bench.by_admin("guardian", "revokeRole", contract.SENTINEL_ROLE, SENTINEL)
    bench.by_admin("guardian", "grantRole", contract.GUARDIAN_ROLE, SENTINEL)
    assert {"separate_key", "has_role"} <= set(failing(look(bench), "sentinel"))


def test_another_lever_than_configured_is_named(bench: Bench) -> None:
    targets = [{"name": "vault", "address": bench.vault, "lever": "pause", "role_getter": "PAUSE_ROLE"}]
    found = look(bench, targets=targets)
    assert "the settings say pause, the guardian has pauseFor" in failing(found, "guardian")["lever"]
    assert [r.by for r in found.targets[0].readiness] == ["guardian"], "a lever that does not lapse is people's only"


def test_a_getter_that_is_not_there_says_what_to_set(bench: Bench) -> None:
    targets = [{"name": "vault", "address": bench.vault, "role_getter": "BRAKE_ROLE"}]
    assert "set role_getter" in failing(look(bench, targets=targets), "guardian")["pause_role"]


def test_a_target_without_code_is_named(bench: Bench) -> None:
    targets = [{"name": "vault", "address": address_of("staker_1")}]
    assert {"target_has_code", "registered"} <= set(failing(look(bench, targets=targets), "guardian"))


def test_paused_state_tells_its_end(bench: Bench) -> None:
    bench.send("guardian_person", "guardian", "pauseTarget", bench.vault)
    (target,) = look(bench).targets
    assert target.paused and target.resumes_timestamp == bench.call("vault", "getResumeSinceTimestamp")


# ---------------------------------------------------------------- the collector


class Eyes:
    """Reads a collector's plan from the chain, as the pipeline does."""

    def __init__(self, bench: Bench) -> None:
        self.bench, self.known = bench, dict[str, Any]()
        self.collector: Collector = GuardianCollector(brake_of(bench.settings(), SENTINEL))

    def frames(self, change: Callable[[Snapshot], Snapshot] = lambda s: s) -> list[Frame]:
        snapshot = asyncio.run(self._read(self.collector.plan(self.known)))
        found, known = self.collector.judge(change(snapshot), self.known)
        self.known = dict(known)
        assert [f.scope for f in found] == list(self.collector.scopes), "a frame for each scope"
        declared = Catalogue(SHIPPED)
        for frame in found:
            for series in frame.layout.series:
                assert {k for k, _ in series.labels} <= {x.name for x in declared[series.family].labels}
        return list(found)

    async def _read(self, reads: Any) -> Snapshot:
        nodes = Nodes([endpoint(self.bench.url)], 5)
        try:
            snapshot = await status.take_snapshot(nodes, self.bench.head(), reads)
        finally:
            await nodes.close()
        return replace(snapshot, logs=self._logs(snapshot))

    def _logs(self, snapshot: Snapshot) -> tuple[Log, ...]:
        found = self.bench.anvil.rpc.call("eth_getLogs", {"blockHash": snapshot.stamp.hash})
        return tuple(
            Log(address(e["address"]), tuple(bytes.fromhex(t[2:]) for t in e["topics"]), bytes.fromhex(e["data"][2:]), snapshot.stamp,
                Hash(e["transactionHash"]), int(e["logIndex"], 16), i)
            for i, e in enumerate(found)
        )  # fmt: skip


def values(frame: Frame) -> dict[str, float]:
    found = {}
    for series, value in zip(frame.layout.series, frame.values, strict=True):
        shown = dict(series.labels)
        key = "/".join([series.family, *(shown[n] for n in ("by", "check") if n in shown)])
        found[key] = float(value)
    return found


def test_roles_are_learned_at_the_first_block_and_judged_at_the_next(bench: Bench) -> None:
    eyes = Eyes(bench)
    target, account = eyes.frames()
    assert isinstance(target.status, Failed) and "next block" in target.status.reason
    assert isinstance(account.status, Ok)
    target, account = eyes.frames()
    found = values(target)
    assert found["guardian_ready/guardian"] == found["guardian_ready/sentinel"] == 1 and found["guardian_target_paused"] == 0
    assert values(account)["guardian_sentinel_balance_ether"] > 1
    assert eyes.known["reasons"] == {"vault": {"guardian": {}, "sentinel": {}}}


def test_a_pause_is_an_event_and_a_state(bench: Bench) -> None:
    eyes = Eyes(bench)
    eyes.frames()
    bench.send("guardian_person", "guardian", "pauseTarget", bench.vault)
    target, _ = eyes.frames()
    found = values(target)
    assert (
        found["guardian_target_paused"] == 1 and found["guardian_ready/guardian"] == 0 and found["guardian_check/guardian/not_paused"] == 0
    )
    (event,) = target.events
    assert dict(event.series.labels)["by"] == "guardian" and event.details["account"] == address_of("guardian_person")
    assert "paused already" in eyes.known["reasons"]["vault"]["guardian"]["not_paused"]


def test_what_nobody_answered_is_unknown_and_not_unready(bench: Bench) -> None:
    eyes = Eyes(bench)
    eyes.frames()

    def silent(snapshot: Snapshot) -> Snapshot:
        answers = {r: Failed("timeout") if _about(r, bench.vault) else a for r, a in snapshot.answers.items()}
        return replace(snapshot, answers=answers)

    target, account = eyes.frames(silent)
    assert isinstance(target.status, Failed) and len(target.values) == 0
    assert isinstance(account.status, Ok), "a target that cannot be read blinds only itself"

    def disputed(snapshot: Snapshot) -> Snapshot:
        return replace(
            snapshot, answers={r: Disputed((("a", "1"), ("b", "2"))) if _about(r, bench.vault) else a for r, a in snapshot.answers.items()}
        )

    target, _ = eyes.frames(disputed)
    assert isinstance(target.status, Disputed)


def _about(read: Read, where: Address) -> bool:
    return read.target == where


def test_the_documentation_has_every_check_setting_and_state(bench: Bench) -> None:
    text = (Path(__file__).parents[2] / "docs" / "guardian.md").read_text("utf-8")
    (target,) = look(bench).targets
    words = {c.name for r in target.readiness for c in r.checks}
    words |= set(GuardianSettings.model_fields) | set(TargetSettings.model_fields) | set(KeySettings.model_fields)
    words |= {*ledger.OPEN, *STATES.values(), "verified", "failed", "orphaned"}
    assert sorted(w for w in words if w not in text) == []
