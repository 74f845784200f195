"""The report that arms a response, from what was recorded."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from monitor.guardian.policy.earned import conditions
from monitor.guardian.responses import Responses
from monitor.guardian.shadow import NoReport, Wanted, shadow_report
from monitor.model import BlockStamp, EpisodeId, Hash, Labels, RuleId, Slot, Transition
from monitor.rules import RuleSet, from_sources
from monitor.service.setup import Setup
from monitor.store import JudgedEntry, Store, journal
from tests.guardian.judged import RESPONSES, THREE, calm, ground, policy, shipped

SHADOW = RESPONSES.replace("mode: automatic", "mode: shadow")
START = 1_700_000_000
RULE = RuleId("lido-accounting/LidoShareRateDrift")


def block(n: int) -> BlockStamp:
    return BlockStamp(n, Hash(f"0x{n:064x}"), Hash(f"0x{n - 1:064x}"), START + 12 * n, Slot(n))


def taken(store: Store, rules: RuleSet) -> str:
    setup = Setup(rules, ())
    with store.begin() as unit:
        journal.rules(unit, setup.hash, setup.text, seen_at=0.0)
    return setup.hash


def judge(store: Store, n: int, ruleset: str, responses: Responses, *transitions: Transition, decisions: Any = ()) -> None:
    at = block(n)
    with store.begin() as unit:
        journal.append(
            unit, JudgedEntry(at, 0.0, 0.0, frames=(), transitions=transitions, known={}, instances="{}", ruleset=ruleset, agreed=())
        )
        responses.admit(unit, decisions, at, 0.0)


def ended(episode: EpisodeId, at: BlockStamp, of: Labels) -> Transition:
    return Transition(episode, 1, RULE, of, (), "firing", "inactive", at, "judged", 0.0, Hash("0x00"))


def recorded(store: Store) -> str:
    """Fifty blocks in shadow, a hole of ten minutes, a pause that would have been at block 30 and held for 60 s."""
    ruleset, responses = taken(store, shipped()), Responses(policy(SHADOW), THREE, True, ground())
    world = calm()
    world.policy = policy(SHADOW)
    world.mint()
    (found,) = world.decided(world.step())
    found = replace(found, at=block(30))
    for n in range(1, 51):
        judge(
            store,
            n,
            ruleset,
            responses,
            *((ended(found.episode, block(n), found.labels),) if n == 35 else ()),
            decisions=[found] if n == 30 else [],
        )
    for n in range(101, 111):
        judge(store, n, ruleset, responses)
    return ruleset


def report(store: Store, text: str = SHADOW, rules: RuleSet | None = None, **changes: Any) -> dict[str, Any]:
    wanted = Wanted(**{"response": "vault-unbacked-mint", "chain": 1, "since": 0, "until": START + 10**6, **changes})
    with store.read() as unit:
        return shadow_report(unit, policy(text), rules or shipped(), THREE, wanted)


def test_it_says_what_when_how_long_and_how_much_was_watched(store: Store) -> None:
    recorded(store)
    found = report(store)
    assert (found["from"], found["to"], found["judged_seconds"]) == (START + 12, START + 12 * 110, 49 * 12 + 9 * 12), (
        "the hole is not watched"
    )
    (pause,) = found["pauses"]
    assert (pause["block"], pause["seconds"], pause["verdict"], pause["target"]) == (30, 60, "open", "vault")
    assert found["conditions"] == conditions(policy(SHADOW).responses[0]) and list(found["rules"]) == [RULE]
    assert report(store, right=[30])["pauses"][0]["verdict"] == "true" and report(store, wrong=[30])["pauses"][0]["verdict"] == "false"
    assert report(store, response="vault-unapproved-upgrade")["pauses"] == []
    assert report(store, text=RESPONSES)["conditions"] == found["conditions"], "the mode is what it is to earn"
    with pytest.raises(NoReport, match="no pause of vault-unbacked-mint is of block 31"):
        report(store, right=[31])


def test_it_begins_when_the_response_became_what_it_is(store: Store) -> None:
    ruleset = recorded(store)
    other = SHADOW.replace("> 1e-9", "> 1e-8")
    with pytest.raises(NoReport, match="no block was judged yet with vault-unbacked-mint as it stands"):
        report(store, text=other)
    for n in range(111, 120):
        judge(store, n, ruleset, Responses(policy(other), THREE))
    assert report(store, text=other)["from"] == block(111).timestamp and report(store, text=other)["pauses"] == []
    with pytest.raises(NoReport):
        report(store)


def test_it_begins_when_the_rule_became_what_it_is(store: Store) -> None:
    recorded(store)
    changed = from_sources(
        {n: t.replace('ratio{protocol="lido"}) > 1e-9', 'ratio{protocol="lido"}) > 1e-7') for n, t in shipped().sources.items()}
    )
    with pytest.raises(NoReport, match="not those that are judged"):
        report(store, rules=changed)
    ruleset = taken(store, changed)
    judge(store, 111, ruleset, Responses(policy(SHADOW), THREE))
    judge(store, 112, ruleset, Responses(policy(SHADOW), THREE))
    found = report(store, rules=changed)
    assert found["from"] >= block(110).timestamp and found["pauses"] == []
