"""The canonical document: its bytes, and that nothing in it can be changed without being found."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor import rules
from monitor.guardian import inputs
from monitor.guardian.decision import NotCanonical, canonical, digest, number_text, opened, sealed
from monitor.guardian.policy import Policy
from monitor.guardian.verify import NotVerified, verify
from monitor.model import Balance, Call, Code, Read, Staged, Step, Storage, Value
from monitor.rules import RuleSet
from tests.collectors.lido_state import account, stamp
from tests.guardian.judged import BASELINE, RESPONSES, World, calm, ground, policy, shipped, upgraded

KEYS = st.text(max_size=5)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda v: st.lists(v, max_size=3) | st.dictionaries(KEYS, v, max_size=3),
)


@cache
def minted() -> bytes:
    world = calm()
    world.mint()
    (found,) = world.decided(world.step())
    return found.document


@cache
def upgrade() -> bytes:
    world = World()
    for _ in range(3):
        world.step()
    world.state.implementation = account(66)
    (found,) = world.decided(world.step(logs=[upgraded(account(66))]))
    return found.document


@cache
def held() -> bytes:
    world = calm()
    world.policy = holding()
    world.mint()
    while not (found := world.decided(world.step())):
        pass
    return found[0].document


def holding() -> Policy:
    return policy(RESPONSES.replace("    mode: automatic\n", "    mode: automatic\n    hold: 30s\n"))


def reasons(document: bytes, found: Policy | None = None, ruleset: RuleSet | None = None, **changes: Any) -> tuple[str, ...]:
    try:
        verify(document, replace(ground(), **changes), ruleset or shipped(), found or policy())
    except NotVerified as wrong:
        return wrong.reasons
    return ()


# ---------------------------------------------------------------- bytes


@given(st.dictionaries(KEYS, VALUES, max_size=4))
def test_equal_content_has_equal_bytes_and_comes_back(body: dict[str, Any]) -> None:
    try:
        document = canonical(body)
    except NotCanonical:
        return  # a lone surrogate
    assert json.loads(document) == body
    assert canonical(dict(reversed(list(body.items())))) == document and len(digest(document)) == 32


@pytest.mark.parametrize("bad", [{"a": 1.0}, {"a": [float("nan")]}, {1: "a"}, {"a": b"x"}, {"a": "\ud800"}])
def test_what_has_no_one_form_is_refused(bad: Any) -> None:
    with pytest.raises(NotCanonical):
        canonical(bad)


@given(st.floats())
def test_a_sample_comes_back_bit_for_bit(value: float) -> None:
    assert float(number_text(value)).hex() == value.hex() or value != value


# ---------------------------------------------------------------- verified


@pytest.mark.parametrize("document", [minted, upgrade])
def test_a_decision_verifies_offline(document: Any) -> None:
    assert reasons(document()) == ()
    assert reasons(held(), holding()) == ()


@settings(max_examples=150, deadline=None)
@given(st.sampled_from([minted, upgrade]), st.data())
def test_one_changed_byte_anywhere_fails(of: Any, data: st.DataObject) -> None:
    document = of()
    at = data.draw(st.integers(0, len(document) - 1))
    other = data.draw(st.integers(0, 255).filter(lambda b: b != document[at]))
    assert reasons(document[:at] + bytes([other]) + document[at + 1 :])


@given(st.sampled_from([minted, upgrade]), st.integers(0, 20_000), st.binary(max_size=3), st.integers(0, 3))
def test_bytes_put_in_or_taken_out_fail(of: Any, at: int, more: bytes, fewer: int) -> None:
    document = of()
    at %= len(document) + 1
    changed = document[:at] + more + document[at + fewer :]
    assert changed == document or reasons(changed)


def leaves(node: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in items:
        yield from leaves(value, (*way, key)) if isinstance(value, dict | list) and value else [(*way, key)]


def changed(value: Any) -> Any:
    """Another value of the same kind; of what a contract returned, one that is not within a float's rounding."""
    if isinstance(value, int):
        return value + 1
    if isinstance(value, str) and value:
        at = len(value) // 2 if value.startswith("0x") else 0
        return value[:at] + ("1" if value[at] != "1" else "2") + value[at + 1 :]
    return {"x": "y"} if isinstance(value, dict) else ["x"] if isinstance(value, list) else "x"


FREE = {("block", "hash"), ("block", "parent"), ("block", "number"), ("block", "slot")}
"""What nothing else in the document follows from: the signed hash alone finds a change there."""
UNWEIGHED = {"0x18160ddd", "0x47b714e0", "0x38ac3c55"}
"""totalSupply, getBufferedEther, getBalanceStats: without them there is no reading, and the drift does not depend on their value."""


def is_free(body: Any, way: tuple[Any, ...]) -> bool:
    """Whether a change may go unseen here without the signed hash."""
    if way[0] == "logs":
        return way[-1] in ("index", "hash", "parent", "number", "slot", "timestamp")
    return way in FREE or (
        way[0] == "inputs" and (body["inputs"][way[1]]["calldata"] in UNWEIGHED or body["logs"] != []) and way[2] == "returned"
    )


@pytest.mark.parametrize("of", [minted, upgrade, held])
def test_a_document_that_was_changed_and_sealed_again_does_not_follow(of: Any) -> None:
    body, found = opened(of()), holding() if of is held else policy()
    assert sealed(body) == of() and reasons(of(), found) == ()
    for way in leaves(body):
        other = copy.deepcopy(body)
        holder = other
        for key in way[:-1]:
            holder = holder[key]
        holder[way[-1]] = changed(holder[way[-1]])
        assert reasons(sealed(other), found) or is_free(body, way), way


def test_what_is_left_out_or_put_in_is_found() -> None:
    body = opened(minted())
    for key in body:
        assert reasons(sealed({k: v for k, v in body.items() if k != key})), key
    assert reasons(sealed({**body, "more": 1}))
    fewer = {**body, "inputs": body["inputs"][1:]}
    assert any("nothing by what the contracts returned" in r for r in reasons(sealed(fewer)))
    extra = {**body["inputs"][0], "calldata": "0x12345678"}
    assert any("do not rest on" in r for r in reasons(sealed({**body, "inputs": [*body["inputs"], extra]})))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"chain": 1}, "chain"),
        ({"guardian": account(1)}, "guardian"),
        ({"targets": {"vault": account(1)}}, "target vault"),
        ({"baseline": BASELINE + "#\n"}, "baseline"),
        ({"collectors": ()}, "nothing by what the contracts returned"),
    ],
)
def test_other_files_and_another_place_are_told(changes: dict[str, Any], said: str) -> None:
    assert any(said in r for r in reasons(minted(), **changes))


def test_another_rule_or_policy_is_told() -> None:
    texts = {name: text.replace("> 1e-9", "> 1e-8") for name, text in shipped().sources.items()}
    assert any(r.startswith("rule:") for r in reasons(minted(), ruleset=rules.from_sources(texts)))
    comment = {name: text + "# reworded\n" for name, text in shipped().sources.items()}
    assert any(r.startswith("rule:") for r in reasons(minted(), ruleset=rules.from_sources(comment)))
    assert any("policy" in r for r in reasons(minted(), policy(RESPONSES + "# more\n")))
    assert any("no response" in r for r in reasons(minted(), policy("responses: []")))
    assert any(r.startswith("response") for r in reasons(minted(), policy(RESPONSES.replace("> 1e-9", "> 1e-7"))))


def test_a_decision_of_a_block_that_says_nothing_of_the_kind_fails() -> None:
    """The answers of a calm block under the verdict of another."""
    world = calm()
    seen = world.step()
    body = opened(minted())
    for entry in body["inputs"]:
        for read, answer in seen.snapshot.answers.items():
            if read.target == entry["contract"] and getattr(read.what, "data", b"").hex() == entry.get("calldata", "")[2:]:
                entry["returned"] = "0x" + answer.data.hex()  # type: ignore[union-attr]
    assert any("in the document" in r for r in reasons(sealed(body)))


def test_each_kind_of_read_can_be_in_a_document() -> None:
    """And comes back as it was, so that the same is judged offline."""
    step = Step(account(1), account(2), b"\1", undone=True)
    whats = (Call(b"\1\2"), Balance(), Storage(7), Code(), Staged((step, Step(account(3), account(2), b""))))
    reads = [Read(account(9), what) for what in whats] + [Read(account(9), Call(b"\1"), caller=account(4))]
    for read in reads:
        body = {"inputs": [inputs.described(read, Value(b"\5", ()))], "logs": []}
        found = inputs.snapshot_of(json.loads(json.dumps(body)), stamp(1, 1))
        assert dict(found.answers) == {read: Value(b"\5", ())}
