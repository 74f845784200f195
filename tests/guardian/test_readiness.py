"""Would the brake work? Each condition is broken on a real chain, and the right check must say so."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from eth_hash.auto import keccak

from monitor.catalogue.catalogue import Catalogue
from monitor.catalogue.shipped import SHIPPED
from monitor.devnet.accounts import address_of
from monitor.guardian import contract, status
from monitor.guardian.checks import By, Check
from monitor.guardian.collector import GuardianCollector, brake_of
from monitor.guardian.execution import ledger
from monitor.guardian.node import Nodes
from monitor.guardian.responses import STATES
from monitor.guardian.safe.document import Document, Prepared
from monitor.guardian.safe.presigned import Presigned
from monitor.guardian.safe.transaction import SafeTransaction
from monitor.guardian.settings import GuardianSettings, KeySettings, TargetSettings
from monitor.guardian.snapshot import take_snapshot
from monitor.model import Address, Collector, Disputed, Failed, Frame, Hash, Log, Ok, Read, Snapshot, Staged, address
from monitor.protocols.abi import selector
from tests.guardian.bench import CHAIN_ID, DURATION, GAS, LIMITS, NOBODY, PAUSE_ROLE, RESUME_ROLE, SENTINEL_LIFETIME, Bench, Relay, endpoint

SENTINEL, SENDER = address(address_of("sentinel")), address(address_of("sender"))
PERSON = address_of("guardian_person")
SHARED = {"contract_agrees"}
"""What fails with every condition that the contract itself looks at."""


def look(bench: Bench, **settings: Any) -> status.Status:
    return asyncio.run(status.status(bench.settings(**settings), [endpoint(bench.url)], SENTINEL, (SENDER,)))


def failing(found: status.Status, by: By) -> dict[str, str]:
    assert found.targets[0].unknown is None
    (readiness,) = [r for r in found.targets[0].readiness if r.by == by]
    return {c.name: c.reason for c in readiness.failing}


def test_a_fresh_brake_is_ready_for_both(bench: Bench) -> None:
    found = look(bench)
    assert found.ready and found.sentinels_stopped is False and (found.sentinel_budget, found.threshold) == (3, 1)
    assert found.guardians == (PERSON,) and [(s.account, s.is_live) for s in found.sentinels] == [(SENTINEL, True)]
    (sender,) = found.senders
    assert (sender.account, sender.waiting) == (SENDER, 0) and sender.balance
    (target,) = found.targets
    assert target.arming == "armed" and target.paused is False and target.resumes_timestamp is None
    assert target.registered is not None and target.registered.guardian_seconds == DURATION
    assert failing(found, "guardian") == failing(found, "sentinel") == {}


Break = Callable[[Bench], Any]


def spent(bench: Bench) -> None:
    """A sentinels' pause whose target governance resumed early: neither budget nor cooldown ends with it."""
    bench.pause_by_order()
    bench.by_admin("vault", "grantRole", RESUME_ROLE, address_of("governance"))
    bench.by_admin("vault", "resume")


def quota_spent(bench: Bench) -> None:
    bench.by_admin("guardian", "setLimits", bench.vault, (DURATION, DURATION, DURATION, 0, GAS, 1))
    bench.send("guardian_person", "guardian", "pauseTarget", bench.vault)
    bench.anvil.increase_time(DURATION + 1)
    bench.anvil.mine()


def expired(bench: Bench) -> None:
    bench.anvil.increase_time(SENTINEL_LIFETIME + 1)
    bench.anvil.mine()


def stuck(bench: Bench) -> None:
    bench.anvil.rpc.call("evm_setAutomine", False)
    bench.anvil.rpc.call("eth_sendTransaction", {"from": SENDER, "to": SENDER, "gas": hex(21_000)})


def other_sentinel(bench: Bench, threshold: int) -> None:
    bench.by_admin("guardian", "setSentinel", address_of("staker_0"), bench.head().timestamp + DURATION)
    bench.by_admin("guardian", "setThreshold", threshold)


BROKEN: list[tuple[str, Break, set[str], set[str]]] = [
    ("paused", lambda b: b.send("guardian_person", "guardian", "pauseTarget", b.vault), {"not_paused", "simulated"}, {"not_paused", "simulated"} | SHARED),
    ("role taken", lambda b: b.by_admin("vault", "revokeRole", PAUSE_ROLE, b.guardian), {"pause_role", "simulated"}, {"pause_role", "simulated"}),
    ("unregistered", lambda b: b.by_admin("guardian", "unregister", b.vault), {"registered", "lever", "simulated"}, {"registered", "lever", "armed", "target_budget"} | SHARED),
    ("no code", lambda b: b.anvil.rpc.call("anvil_setCode", b.vault, "0x"), {"target_has_code", "pause_role", "not_paused", "simulated"}, {"target_has_code", "pause_role", "not_paused"} | SHARED),
    ("the call is gone", lambda b: b.anvil.rpc.call("anvil_setCode", b.vault, without_pause(b)), {"simulated"}, {"simulated"}),
    ("disarmed", lambda b: b.send("guardian_person", "guardian", "disarm", b.vault), set(), {"armed"} | SHARED),
    ("shadow", lambda b: b.by_admin("guardian", "shadow", b.vault), set(), {"armed"}),
    ("target's budget and cooldown", spent, set(), {"target_budget", "cooled_down"} | SHARED),
    ("no budget", lambda b: b.by_admin("guardian", "setSentinelBudget", 0), set(), {"budget"} | SHARED),
    ("stopped", lambda b: b.send("guardian_person", "guardian", "stopSentinels"), set(), {"not_stopped"} | SHARED),
    ("no person", lambda b: b.by_admin("guardian", "revokeRole", contract.GUARDIAN_ROLE, PERSON), {"has_guardian"}, set()),
    ("quota spent", quota_spent, {"quota", "simulated"}, set()),
    ("no sentinel", lambda b: b.send("guardian_person", "guardian", "revokeSentinel", SENTINEL), set(), {"is_sentinel", "enough_sentinels"}),
    ("sentinel expired", expired, set(), {"is_sentinel", "enough_sentinels"}),
    ("another one lives, ours expired", lambda b: (b.by_admin("guardian", "setSentinel", address_of("staker_0"), b.head().timestamp + 2 * SENTINEL_LIFETIME), expired(b)), set(), {"is_sentinel"}),
    ("too few sentinels", lambda b: other_sentinel(b, 3), set(), {"enough_sentinels"}),
    ("no gas money", lambda b: b.anvil.set_balance(SENDER, 10**15), set(), {"gas_money"}),
    ("nonce stuck", stuck, set(), {"nonce_free"}),
    ("the sender became a person", lambda b: b.by_admin("guardian", "grantRole", contract.GUARDIAN_ROLE, SENDER), set(), {"separate_key"}),
    ("the sender became a sentinel", lambda b: b.by_admin("guardian", "setSentinel", SENDER, b.head().timestamp + DURATION), set(), {"separate_key"}),
]  # fmt: skip


def without_pause(bench: Bench) -> str:
    """The vault's code whose dispatcher does not know pauseFor any more: an upgrade that took the brake away."""
    code: str = bench.anvil.rpc.call("eth_getCode", bench.vault, "latest")
    selector = contract.PAUSE_FOR.call(1).data[:4].hex()
    assert code.count("63" + selector) == 1
    return code.replace("63" + selector, "63" + "00000001")


@pytest.mark.parametrize(("what", "break_it", "people", "sentinel"), BROKEN, ids=[b[0] for b in BROKEN])
def test_each_broken_condition_is_named(bench: Bench, what: str, break_it: Break, people: set[str], sentinel: set[str]) -> None:
    break_it(bench)
    found = look(bench)
    assert set(failing(found, "guardian")) == people
    assert set(failing(found, "sentinel")) == sentinel
    assert found.ready == (not people and not sentinel)


def test_enough_live_sentinels_are_enough(bench: Bench) -> None:
    other_sentinel(bench, 2)
    assert look(bench).ready


def test_without_a_sender_only_peers_can_submit(bench: Bench) -> None:
    def look(**settings: Any) -> status.Status:
        return asyncio.run(status.status(bench.settings(**settings), [endpoint(bench.url)], SENTINEL))

    assert "set guardian.senders" in failing(look(), "sentinel")["gas_money"]
    assert look(peers=[{"name": "bravo", "url": "http://127.0.0.1:1/orders"}]).ready


def test_another_lever_than_configured_is_named(bench: Bench) -> None:
    targets = [{"name": "vault", "address": bench.vault, "lever": "pause", "role_getter": "PAUSE_ROLE"}]
    found = look(bench, targets=targets)
    assert "the settings say Pause, the guardian has PauseFor" in failing(found, "guardian")["lever"]
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


# ---------------------------------------------------------------- the probe


def probing(bench: Bench, amount: int = 0, error: str | None = "ResumedExpected()") -> dict[str, Any]:
    bench.anvil.rpc.call("anvil_setCode", NOBODY, "0x600160005260206000f3")  # a token that takes every transfer
    call = bench.contracts["vault"].data("withdraw", amount)
    probe = {"sender": address_of("vault_user"), "to": bench.vault, "data": call, "error": error}
    return {"targets": [{"name": "vault", "address": bench.vault, "probe": probe}]}


def test_a_users_call_works_before_a_pause_and_ends_with_its_error_after_it(bench: Bench) -> None:
    settings = probing(bench)
    assert look(bench, **settings).ready
    bench.send("guardian_person", "guardian", "pauseTarget", bench.vault)
    assert "probe" not in failing(look(bench, **settings), "guardian")
    assert "instead of EnforcedPause()" in failing(look(bench, **probing(bench, error="EnforcedPause()")), "guardian")["probe"]
    assert "probe" not in failing(look(bench, **probing(bench, error=None)), "guardian")


def test_a_probe_that_shows_nothing_is_named(bench: Bench) -> None:
    assert "correct the probe" in failing(look(bench, **probing(bench, amount=10**18)), "guardian")["probe"]


def test_a_pause_that_stops_nothing_is_named(bench: Bench) -> None:
    settings = probing(bench)
    settings["targets"][0]["probe"] |= {"data": bench.contracts["vault"].data("totalDeposits")}
    assert "probe" not in failing(look(bench, **settings), "guardian")
    bench.send("guardian_person", "guardian", "pauseTarget", bench.vault)
    assert "the pause does not stop it" in failing(look(bench, **settings), "guardian")["probe"]


# ---------------------------------------------------------------- what a pause would make of it


def stops_nothing(bench: Bench) -> dict[str, Any]:
    settings = probing(bench)
    settings["targets"][0]["probe"] |= {"data": bench.contracts["vault"].data("totalDeposits")}
    return settings


def by_name(found: status.Status, by: By = "guardian") -> dict[str, Check]:
    return {c.name: c for r in found.targets[0].readiness if r.by == by for c in r.checks}


def test_before_a_pause_it_is_known_that_it_would_stop_the_users_call(bench: Bench) -> None:
    found = look(bench, **probing(bench))
    assert (
        found.ready and by_name(found)["probe_after"].ok and "after a pause the probe fails with 0x" in by_name(found)["probe_after"].reason
    )
    assert bench.pauses() == 0 and "probe_after" not in by_name(found, "sentinel")


def test_a_pause_that_would_stop_nothing_is_named_before_it_is_needed(bench: Bench) -> None:
    found = look(bench, **stops_nothing(bench))
    assert set(failing(found, "guardian")) == {"probe_after"} and not found.ready
    assert "would not stop it" in failing(found, "guardian")["probe_after"]
    wrong = look(bench, **probing(bench, error="EnforcedPause()"))
    assert "instead of EnforcedPause()" in failing(wrong, "guardian")["probe_after"]


def test_an_upgrade_that_lets_the_users_call_through_a_pause_is_found(bench: Bench) -> None:
    """The check of the pause in withdraw is gone, and everything else is as it was."""
    bench.anvil.rpc.call("anvil_setCode", bench.vault, without_check(bench))
    found = look(bench, **probing(bench))
    assert set(failing(found, "guardian")) == {"probe_after"} and failing(found, "sentinel") == {}


def without_check(bench: Bench) -> str:
    """The vault's code in which what raises the error of a paused vault stops instead, as if all had gone well."""
    code: str = bench.anvil.rpc.call("eth_getCode", bench.vault, "latest")
    raising = "604051630286f07360e31b"  # mload(0x40), and the error's selector as the compiler shifts it
    assert code.count(raising) == 3 and (0x0286F073 << 3).to_bytes(4, "big") == selector("ResumedExpected()")
    return code.replace(raising, "00" + raising[2:])


def test_a_pause_through_a_breaker_is_tried_too(bench: Bench) -> None:
    behind = behind_a_breaker(bench)
    behind["targets"][0] |= {"probe": probing(bench)["targets"][0]["probe"]}
    found = look(bench, **behind)
    assert found.ready and by_name(found)["probe_after"].ok


def test_a_pause_without_an_end_is_tried_too(bench: Bench) -> None:
    """The user's call is another pause, by somebody who may: only its error is of interest."""
    bench.deploy("pool", address_of("governance"))
    for account in (bench.guardian, PERSON):
        bench.by_admin("pool", "grantRole", keccak(b"PAUSER_ROLE"), account)
    bench.by_admin("guardian", "register", bench.at["pool"], "0x" + "00" * 20, 2, (0, DURATION, DURATION, 0, GAS, 0))
    probe = {"sender": PERSON, "to": bench.at["pool"], "data": bench.contracts["pool"].data("pause"), "error": "EnforcedPause()"}
    pool = {"name": "pool", "address": bench.at["pool"], "lever": "pause", "role_getter": "PAUSER_ROLE", "probe": probe}
    found = look(bench, targets=[pool])
    assert by_name(found)["probe_after"].ok, by_name(found)


@pytest.mark.parametrize("why", ["paused", "the probe fails", "the pause fails"])
def test_where_another_check_fails_first_nothing_is_said_of_afterwards(bench: Bench, why: str) -> None:
    if why == "paused":
        bench.send("guardian_person", "guardian", "pauseTarget", bench.vault)
    if why == "the pause fails":
        bench.by_admin("vault", "revokeRole", PAUSE_ROLE, bench.guardian)
    found = look(bench, **probing(bench, amount=10**18 if why == "the probe fails" else 0))
    assert "probe_after" not in by_name(found) and failing(found, "guardian") and found.targets[0].unknown is None


def test_a_sender_that_is_called_itself_is_named(bench: Bench) -> None:
    settings = probing(bench)
    settings["targets"][0]["probe"] |= {"sender": bench.vault, "data": bench.contracts["vault"].data("totalDeposits")}
    assert "name another sender" in failing(look(bench, **settings), "guardian")["probe_after"]


def test_an_endpoint_that_cannot_simulate_it_leaves_only_that_unknown(bench: Bench, relay: Relay) -> None:
    def simple(method: str, params: list[Any], forward: Callable[[], Any]) -> Any:
        return {"error": {"code": -32602, "message": "too many arguments, want at most 2"}} if len(params) > 2 else forward()

    relay.handler = simple
    settings = bench.settings(**probing(bench))
    (target,) = asyncio.run(status.status(settings, [endpoint(relay.url)], SENTINEL, (SENDER,))).targets
    assert target.unknown is not None and "too many arguments" in target.unknown
    assert [r.ready for r in target.readiness] == [True, True], "what is known is told"


# ---------------------------------------------------------------- behind a circuit breaker


def behind_a_breaker(bench: Bench) -> dict[str, Any]:
    """The vault is paused through Lido's CircuitBreaker, whose pauser is the guardian. Gives the settings."""
    bench.deploy("breaker", address_of("governance"), DURATION, 5 * DURATION, 30 * DURATION, 365 * DURATION, DURATION, 60 * DURATION)
    bench.by_admin("vault", "revokeRole", PAUSE_ROLE, bench.guardian)
    bench.by_admin("vault", "grantRole", PAUSE_ROLE, bench.at["breaker"])
    bench.by_admin("breaker", "registerPauser", bench.vault, bench.guardian)
    bench.by_admin("guardian", "unregister", bench.vault)
    bench.by_admin("guardian", "register", bench.vault, bench.at["breaker"], 3, LIMITS)
    bench.by_admin("guardian", "arm", bench.vault)
    return {"targets": [{"name": "vault", "address": bench.vault, "lever": "circuitBreaker"}]}


BROKEN_BREAKER: list[tuple[str, Break, set[str]]] = [
    ("fine", lambda b: None, set()),
    ("role taken from the breaker", lambda b: b.by_admin("vault", "revokeRole", PAUSE_ROLE, b.at["breaker"]), {"pause_role", "simulated"}),
    ("assigned to another", lambda b: b.by_admin("breaker", "registerPauser", b.vault, PERSON), {"assigned", "heartbeat", "simulated"}),
    ("heartbeat missed", lambda b: (b.by_admin("guardian", "setSentinel", SENTINEL, b.head().timestamp + 99 * DURATION), b.anvil.increase_time(61 * DURATION), b.anvil.mine()), {"heartbeat", "simulated"}),
    ("pauses for too long", lambda b: b.by_admin("breaker", "setPauseDuration", 2 * DURATION), {"breaker_seconds", "simulated"}),
]  # fmt: skip


@pytest.mark.parametrize(("what", "break_it", "people"), BROKEN_BREAKER, ids=[b[0] for b in BROKEN_BREAKER])
def test_each_broken_condition_of_a_breaker_is_named(bench: Bench, what: str, break_it: Break, people: set[str]) -> None:
    settings = behind_a_breaker(bench)
    break_it(bench)
    found = look(bench, **settings)
    assert set(failing(found, "guardian")) == people
    by_sentinels = set(failing(found, "sentinel"))
    assert people - {"simulated"} <= by_sentinels and bool(by_sentinels) == bool(people)


# ---------------------------------------------------------------- the collector


class Eyes:
    """Reads a collector's plan from the chain, as the pipeline does."""

    def __init__(self, bench: Bench, presigned: Sequence[Presigned] = (), **settings: Any) -> None:
        self.bench, self.known = bench, dict[str, Any]()
        self.collector: Collector = GuardianCollector(brake_of(bench.settings(**settings), SENTINEL, (SENDER,)), presigned)

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
            snapshot = await take_snapshot(nodes, self.bench.head(), reads)
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
        key = "/".join([series.family, *(shown[n] for n in ("by", "check", "account") if n in shown)])
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
    own = values(account)
    assert own[f"guardian_sender_balance_ether/{SENDER}"] > 1
    assert 0 <= SENTINEL_LIFETIME - own["guardian_sentinel_expiry_seconds"] < 3600
    assert found["guardian_target_shadow"] == 0 and "guardian_heartbeat_seconds" not in found
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


def test_what_comes_to_an_end_is_counted_down(bench: Bench) -> None:
    """A sentinel's time, a breaker's heartbeat; and what is only told."""
    eyes = Eyes(bench, **behind_a_breaker(bench))
    bench.by_admin("guardian", "shadow", bench.vault)
    eyes.frames()
    bench.anvil.increase_time(10 * DURATION)
    bench.anvil.mine()
    target, account = eyes.frames()
    found = values(target)
    assert 49 * DURATION <= found["guardian_heartbeat_seconds"] <= 50 * DURATION and found["guardian_target_shadow"] == 1
    assert 19 * DURATION <= values(account)["guardian_sentinel_expiry_seconds"] <= 20 * DURATION
    expired(bench)
    assert values(eyes.frames()[1])["guardian_sentinel_expiry_seconds"] == 0
    bench.send("guardian_person", "guardian", "revokeSentinel", SENTINEL)
    assert "guardian_sentinel_expiry_seconds" not in values(eyes.frames()[1])


def test_what_a_pause_would_make_of_the_probe_is_a_scope_of_its_own(bench: Bench) -> None:
    eyes = Eyes(bench, **stops_nothing(bench))
    assert all(isinstance(f.status, Failed) and "next block" in f.status.reason for f in eyes.frames()[:2])
    target, effect, _ = eyes.frames()
    assert dict(effect.scope) == {"check": "probe_after", "target": "vault"} and values(effect) == {
        "guardian_check/guardian/probe_after": 0
    }
    assert values(target)["guardian_ready/guardian"] == 1, "it would go through; what it would be good for is told apart"
    assert "would not stop it" in eyes.known["reasons"]["vault"]["effect"]["probe_after"]

    def unstaged(snapshot: Snapshot) -> Snapshot:
        return replace(snapshot, answers={r: Failed("no") if isinstance(r.what, Staged) else a for r, a in snapshot.answers.items()})

    target, effect, _ = eyes.frames(unstaged)
    assert isinstance(effect.status, Failed) and isinstance(target.status, Ok) and values(target)["guardian_target_paused"] == 0
    bench.send("guardian_person", "guardian", "pauseTarget", bench.vault)
    assert values(eyes.frames()[1]) == {}


def test_another_registration_is_asked_at_the_next_block(bench: Bench) -> None:
    """The call that is simulated hangs on what is registered: for one block nobody knows whether it goes through."""
    eyes = Eyes(bench)
    eyes.frames()
    bench.by_admin("guardian", "setLimits", bench.vault, (2 * DURATION, DURATION, DURATION, 0, GAS, 1))
    (target, _) = eyes.frames()
    assert isinstance(target.status, Failed) and "how the target is registered" in target.status.reason
    (target, _) = eyes.frames()
    assert values(target)["guardian_ready/sentinel"] == 1


def test_a_pause_signed_in_advance_is_judged_at_each_block(bench: Bench) -> None:
    """There is no such Safe on this chain: the file is stale."""
    prepared = Prepared(1, 1, (Address("0x" + "11" * 20),), 1, "1.4.1")
    call = contract.pause_calldata(bench.vault)
    document = Document(SafeTransaction(CHAIN_ID, bench.vault, 0, bench.guardian, call), prepared, "pauses", "", None, {})
    eyes = Eyes(bench, [Presigned("vault", document)])
    _, signed, _ = eyes.frames()
    assert values(signed) == {"guardian_presigned_ready": 0} and signed.scope == (("file", "vault"),)
    assert "does not answer as a Safe" in eyes.known["reasons"]["signed in advance: vault"]["presigned"]["is_a_safe"]

    def silent(snapshot: Snapshot) -> Snapshot:
        return replace(snapshot, answers={r: Failed("timeout") if _about(r, bench.vault) else a for r, a in snapshot.answers.items()})

    assert isinstance(eyes.frames(silent)[1].status, Failed)


def look_behind_a_breaker(bench: Bench) -> status.Status:
    return look(bench, **behind_a_breaker(bench))


def test_the_documentation_has_every_check_setting_and_state(bench: Bench) -> None:
    text = (Path(__file__).parents[2] / "docs" / "guardian.md").read_text("utf-8")
    (target,) = look(bench).targets
    words = {c.name for r in target.readiness for c in r.checks}
    words |= set(GuardianSettings.model_fields) | set(TargetSettings.model_fields) | set(KeySettings.model_fields)
    words |= {c.name for r in look(bench, **probing(bench)).targets[0].readiness for c in r.checks}
    words |= {c.name for r in look_behind_a_breaker(bench).targets[0].readiness for c in r.checks}
    words |= {*ledger.OPEN, *ledger.FINAL, *STATES.values()}
    assert sorted(w for w in words if w not in text) == []
