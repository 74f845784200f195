"""What messages say of a pause is what the chain says: for how long, until when, who can undo it. And what cannot be told is unknown."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from eth_abi import encode

from monitor.alerts.body import moment
from monitor.devnet.accounts import address_of
from monitor.guardian import resumers
from monitor.guardian.effect import Effect, effect_of
from monitor.guardian.levers import Lever
from monitor.guardian.settings import GuardianSettings, TargetSettings
from monitor.model import Answer, BlockStamp, Code, Failed, Hash, Read, Reverted, Slot, Snapshot, Value, address
from tests.guardian.bench import DURATION, GAS, RESUME_ROLE, Bench
from tests.guardian.telling import AGENT, OWNERS, PERSON, SAFE, VAULT, memory
from tests.guardian.test_readiness import Eyes

BLOCKS = 5
"""After so many everything is read."""


def told(bench: Bench, eyes: Eyes, blocks: int = 1, **target: Any) -> Effect:
    for _ in range(blocks):
        eyes.frames()
    return effect_of(TargetSettings.model_validate({"name": "vault", "address": bench.vault, **target}), eyes.known, {})


def unsettled(snapshot: Snapshot) -> Snapshot:
    """Nobody answers anything."""
    return replace(snapshot, answers=dict.fromkeys(snapshot.answers, Failed("down")))


# ---------------------------------------------------------------- on a chain


def test_before_and_while_it_is_paused(bench: Bench) -> None:
    bench.by_admin("guardian", "setLimits", bench.vault, (3_600, DURATION, 10 * DURATION, 0, GAS, 1))
    bench.by_admin("guardian", "arm", bench.vault)
    bench.by_admin("vault", "grantRole", RESUME_ROLE, address_of("governance"))
    bench.by_admin("vault", "grantRole", RESUME_ROLE, bench.guardian)
    eyes = Eyes(bench)
    assert told(bench, eyes).undo == f"unknown: {resumers.NOT_YET}", "it is learned block by block"
    before = told(bench, eyes, BLOCKS)
    assert before.paused is False and before.duration == "by people for 1 d, by sentinels for 1 h; it lapses by itself"
    who = f"RESUME_ROLE is held by {address_of('governance')}, one key; {bench.guardian}, contract"
    assert before.undo == who and before.has_key and not before.has_safe
    bench.send("guardian_person", "guardian", "pauseTarget", bench.vault)
    during = told(bench, eyes)
    until = bench.call("vault", "getResumeSinceTimestamp")
    assert during.paused and during.ends == until and during.end == f"by itself at {moment(until)}"
    assert "lasts" not in dict(during.facts) and during.undo == who
    remembered = dict(eyes.known)
    bench.anvil.mine()
    told(bench, eyes)
    assert eyes.known["effects"] == remembered["effects"], "a countdown would be another message at each block"
    bench.by_admin("vault", "resume")
    after = told(bench, eyes)
    assert after.paused is False and after.ends is None


def test_nobody_may_resume_until_somebody_is_given_the_right(bench: Bench) -> None:
    eyes = Eyes(bench)
    assert told(bench, eyes, BLOCKS).undo == "nobody: RESUME_ROLE is held by nobody, and would have to be given to somebody first"
    bench.by_admin("vault", "grantRole", RESUME_ROLE, PERSON)
    assert told(bench, eyes).undo == "RESUME_ROLE is held by 1 more", "who, is asked at the next block"
    assert told(bench, eyes).undo == f"RESUME_ROLE is held by {PERSON}, unknown kind"
    assert told(bench, eyes).undo == f"RESUME_ROLE is held by {PERSON}, one key"


def test_what_is_left_of_the_quota_is_how_long_people_can_pause(bench: Bench) -> None:
    bench.by_admin("guardian", "setLimits", bench.vault, (DURATION, DURATION, DURATION + 3_600, 0, GAS, 1))
    bench.send("guardian_person", "guardian", "pauseTarget", bench.vault)
    bench.send("guardian_person", "guardian", "disarm", bench.vault)
    bench.anvil.increase_time(DURATION + 1)
    bench.anvil.mine()
    left = told(bench, Eyes(bench), 2)
    assert left.paused is False and left.by_people == 3_600
    assert left.duration == "by people for 1 h, by sentinels for 1 d (not now: the contract has it disarmed); it lapses by itself"


@pytest.mark.parametrize(("getter", "why"), [("UNPAUSER_ROLE", "set resume_getter"), (None, "owner on")])
def test_a_target_that_names_nobody_is_unknown_with_the_reason(bench: Bench, getter: str | None, why: str) -> None:
    targets = [{"name": "vault", "address": bench.vault, "resume_getter": getter}]
    undo = told(bench, Eyes(bench, targets=targets), BLOCKS, resume_getter=getter).undo
    assert undo.startswith("unknown: ") and why in undo


def test_an_unregistered_target_cannot_be_paused_for_any_time(bench: Bench) -> None:
    bench.by_admin("guardian", "unregister", bench.vault)
    eyes = Eyes(bench)
    assert told(bench, eyes, 2).duration == "nobody can pause it: the guardian contract does not have it"


def test_an_order_spends_what_sentinels_may_do(bench: Bench) -> None:
    bench.pause_by_order()
    eyes = Eyes(bench)
    assert "for 1 d (not now: their pauses of it are spent until it is armed again)" in told(bench, eyes).duration


def test_an_outage_forgets_nobody(bench: Bench) -> None:
    bench.by_admin("vault", "grantRole", RESUME_ROLE, address_of("governance"))
    eyes = Eyes(bench)
    before = told(bench, eyes, BLOCKS)
    eyes.frames(unsettled)
    during = effect_of(TargetSettings.model_validate({"name": "vault", "address": bench.vault}), eyes.known, {})
    assert dict(during.facts)["now"] == "whether it is paused cannot be read"
    assert (during.paused, during.undo, during.duration) == (False, before.undo, before.duration), "as it was"
    assert "now" not in dict(told(bench, eyes).facts)


# ---------------------------------------------------------------- without one


LEVER = Lever(TargetSettings.model_validate({"name": "vault", "address": VAULT}))
ROLE = bytes([0x2F]) * 32


def snapshot(answers: dict[Read, Any]) -> Snapshot:
    at = BlockStamp(7, Hash("0x07"), Hash("0x06"), 84, Slot(7))
    made: dict[Read, Answer] = {read: Value(a, ("a",)) if isinstance(a, bytes) else a for read, a in answers.items()}
    return Snapshot(at, made, (), ("a",))


def holder_reads(known: dict[str, Any]) -> list[Read]:
    return resumers.reads(LEVER, known)


def test_a_safe_is_told_with_its_owners_and_an_account_with_anothers_code_is_a_key() -> None:
    delegated = address("0x" + "77" * 20)
    known = memory() | {"parties": {}, "people": [delegated], "resumers": {"vault": {"count": 1, "holders": [SAFE]}}}
    codes = {Read(SAFE, Code()): b"\x60", Read(delegated, Code()): b"\xef\x01\x00" + bytes(20)}
    assert resumers.kind_reads(known) == list(codes)
    kinds = resumers.learn_kinds(snapshot(codes), known)
    assert kinds == {SAFE: ["contract"], delegated: ["account"]}
    owners, threshold = resumers.kind_reads({**known, "parties": kinds})
    answers = {owners: encode(["address[]"], [OWNERS]), threshold: encode(["uint256"], [3])}
    assert resumers.learn_kinds(snapshot(answers), {**known, "parties": kinds}) == {SAFE: ["Safe", OWNERS, 3], delegated: ["account"]}
    assert resumers.learn_kinds(snapshot({}), {**known, "parties": {SAFE: ["Safe", OWNERS, 3]}})[SAFE] == ["Safe", OWNERS, 3]


def test_many_holders_are_counted_and_a_list_that_is_none_is_unknown() -> None:
    role, *_ = holder_reads({})
    known: dict[str, Any] = {"resumers": {"vault": {"role": ROLE.hex(), "count": 20}}}
    asked = holder_reads(known)
    assert len(asked) == 2 + resumers.MOST
    members = [encode(["address"], ["0x" + f"{i:02x}" * 20]) for i in range(1, 1 + resumers.MOST)]
    found = resumers.learn(LEVER, snapshot(dict(zip(asked, [ROLE, encode(["uint256"], [20]), *members], strict=True))), known)
    assert (found["count"], len(found["holders"])) == (20, resumers.MOST)
    assert resumers.holders("R is held by", found, {}, {}).more == 12
    refused = resumers.learn(LEVER, snapshot({role: ROLE, asked[1]: Reverted(b"")}), known)
    assert refused["why"] == "the target does not list who holds RESUME_ROLE"
    other = resumers.learn(LEVER, snapshot({role: bytes([1]) * 32}), known)
    assert other == {"role": "01" * 32}, "another role has other holders"
    assert resumers.learn(LEVER, snapshot({}), known) == known["resumers"]["vault"]


def test_names_are_those_that_are_declared_and_a_safe_can_pause() -> None:
    own = TargetSettings.model_validate({"name": "vault", "address": VAULT, "stops": "all\n of it", "goes_on": "", "cost": ""})
    known = memory() | {"people": [SAFE]}
    found = effect_of(own, known, {AGENT: "lido/agent"})
    assert found.undo == f"RESUME_ROLE is held by {SAFE}, Safe 3 of 5; lido/agent {AGENT}, contract"
    assert found.has_safe and not found.has_key
    facts = dict(found.facts)
    assert facts["stops"] == "all of it"
    assert facts["not told"] == "what it goes on and costs: see guardian.targets in the settings"


def test_a_lever_that_does_not_lapse_is_until_somebody_lifts_it() -> None:
    own = TargetSettings.model_validate({"name": "vault", "address": VAULT, "lever": "pause"})
    assert effect_of(own, memory(), {}).duration == "by people until somebody lifts it; never by sentinels, since it does not lapse"
    assert effect_of(own, memory(paused=True), {}).end == "when somebody lifts it, not by itself"


def test_nothing_read_yet_is_said_to_be_so() -> None:
    found = effect_of(GuardianSettings.model_validate({"contract": AGENT, "targets": [{"name": "v", "address": VAULT}]}).targets[0], {}, {})
    assert found.paused is None and found.duration == f"unknown: {resumers.NOT_YET}" == found.undo and found.has_key
