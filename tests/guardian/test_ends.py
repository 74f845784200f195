"""Ends of pauses on a chain: each kind of target, seen by the collector block by block."""

from __future__ import annotations

from dataclasses import replace

from monitor.devnet.accounts import address_of
from monitor.devnet.build import Artifacts
from monitor.model import Failed, Frame, Ok, Snapshot
from tests.guardian.bench import DURATION, GAS, RESUME_ROLE, Bench
from tests.guardian.test_readiness import Eyes

GOVERNANCE = address_of("governance")
PAUSER_ROLE, UNPAUSER_ROLE = "PAUSER_ROLE", "UNPAUSER_ROLE"


def said(frame: Frame) -> dict[str, tuple[float, dict[str, str]]]:
    """The samples about ends, by family, with their labels."""
    assert isinstance(frame.status, Ok), frame.status
    found = {s.family: (float(v), dict(s.labels)) for s, v in zip(frame.layout.series, frame.values, strict=True)}
    return {family: of for family, of in found.items() if family.startswith("guardian_pause_")}


def events(frame: Frame) -> list[tuple[str, dict[str, str]]]:
    return [(e.series.family, dict(e.series.labels)) for e in frame.events if e.series.family != "guardian_pause"]


def resumable(bench: Bench, *holders: str) -> Eyes:
    """Eyes that have learned who may resume the vault."""
    for holder in holders:
        bench.by_admin("vault", "grantRole", RESUME_ROLE, address_of(holder))
    eyes = Eyes(bench)
    for _ in range(4):
        eyes.frames()
        bench.anvil.mine()
    return eyes


def test_a_timed_pause_counts_down_and_a_resumption_names_the_only_one_who_could(bench: Bench) -> None:
    eyes = resumable(bench, "governance")
    assert said(eyes.frames()[0]) == {}
    bench.send("guardian_person", "guardian", "pauseTarget", bench.vault)
    now = said(eyes.frames()[0])
    assert now["guardian_pause_left_seconds"] == now["guardian_pause_length_seconds"] == (DURATION, {"target": "vault", "by": "guardian"})
    bench.anvil.rpc.call("evm_increaseTime", 600)
    tx = bench.by_admin("vault", "resume")
    frame = eyes.frames()[0]
    value, labels = said(frame)["guardian_pause_ended_timestamp_seconds"]
    assert value == bench.head().timestamp
    assert labels == {"target": "vault", "by": "guardian", "how": "resumed", "holder": GOVERNANCE, "tx": tx}
    ((family, who),) = events(frame)
    assert family == "guardian_resumed" and {k: v for k, v in who.items() if k != "seq"} == {
        "target": "vault",
        "by": "guardian",
        "holder": GOVERNANCE,
        "tx": tx,
    }
    bench.anvil.mine()
    again = eyes.frames()[0]
    assert events(again) == [] and said(again)["guardian_pause_ended_timestamp_seconds"] == (value, labels), "told once, and remembered"


def test_a_pause_that_lapses_ends_without_anybody(bench: Bench) -> None:
    eyes = resumable(bench)
    bench.pause_by_order()
    eyes.frames()
    ends = bench.head().timestamp + DURATION
    bench.anvil.rpc.call("evm_increaseTime", DURATION + 5)
    bench.anvil.mine()
    frame = eyes.frames()[0]
    assert events(frame) == []
    assert said(frame)["guardian_pause_ended_timestamp_seconds"] == (ends, {"target": "vault", "by": "sentinel", "how": "lapsed"})


def test_two_who_could_are_not_named_and_a_moved_end_is_told(bench: Bench) -> None:
    """Resealing: the pause is lifted and made again in one block; nothing is said to be resumed."""
    eyes = resumable(bench, "governance", "guardian_person")
    bench.by_admin("vault", "grantRole", bench.call("vault", "PAUSE_ROLE"), GOVERNANCE)
    bench.send("guardian_person", "guardian", "pauseTarget", bench.vault)
    eyes.frames()
    bench.anvil.rpc.call("evm_setAutomine", False)
    sent = [
        str(bench.anvil.rpc.call("eth_sendTransaction", {"from": GOVERNANCE, "to": bench.vault, "data": bench.contracts["vault"].data(f, *a), "gas": hex(500_000)}))
        for f, a in (("resume", ()), ("pauseFor", (2**256 - 1,)))
    ]  # fmt: skip
    bench.anvil.mine()
    bench.anvil.rpc.call("evm_setAutomine", True)
    frame = eyes.frames()[0]
    ((family, who),) = events(frame)
    assert family == "guardian_pause_moved" and "holder" not in who
    assert (who["change"], who["by"], who["tx"]) == ("extended", "guardian", sent[1])
    assert said(frame) == {}, "a pause without an end has no time left"


def test_a_lever_without_an_end_says_who_lifted_it(bench: Bench, compiled: Artifacts) -> None:
    bench.contracts["pool"] = compiled["PausablePool"]
    pool = bench.deploy("pool", GOVERNANCE)
    for role, holder in ((PAUSER_ROLE, bench.guardian), (UNPAUSER_ROLE, GOVERNANCE)):
        bench.by_admin("pool", "grantRole", bench.call("pool", role), holder)
    bench.by_admin("guardian", "register", pool, "0x" + "00" * 20, 2, (0, DURATION, 5 * DURATION, 0, GAS, 0))
    eyes = Eyes(
        bench, targets=[{"name": "pool", "address": pool, "lever": "pause", "role_getter": PAUSER_ROLE, "resume_getter": UNPAUSER_ROLE}]
    )
    for _ in range(3):
        eyes.frames()
        bench.anvil.mine()
    bench.send("guardian_person", "guardian", "pauseTarget", pool)
    assert said(eyes.frames()[0]) == {}
    tx = bench.by_admin("pool", "unpause")
    ((family, who),) = events(eyes.frames()[0])
    assert family == "guardian_resumed" and (who["account"], who["by"], who["tx"]) == (GOVERNANCE, "guardian", tx)
    bench.send("guardian_person", "guardian", "pauseTarget", pool)
    eyes.frames()
    bench.anvil.rpc.call("evm_increaseTime", DURATION + 5)
    bench.by_admin("pool", "unpause")
    late = eyes.frames()[0]
    assert events(late) == [], "its time was over: from then on a Releaser may lift it"
    assert said(late)["guardian_pause_ended_timestamp_seconds"][1]["how"] == "lapsed"


def test_logs_of_a_block_that_could_not_be_read_are_told_with_the_next(bench: Bench) -> None:
    eyes = resumable(bench, "governance")
    bench.send("guardian_person", "guardian", "pauseTarget", bench.vault)
    eyes.frames()
    tx = bench.by_admin("vault", "resume")

    def unread(snapshot: Snapshot) -> Snapshot:
        return replace(snapshot, answers={read: Failed("down") for read in snapshot.answers})

    assert isinstance(eyes.frames(unread)[0].status, Failed)
    bench.anvil.mine()
    ((family, who),) = events(eyes.frames()[0])
    assert (family, who["tx"]) == ("guardian_resumed", tx)
