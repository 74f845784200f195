"""Several pauses in one transaction of a Safe: every call inside is shown and judged, and nothing but calls can be in it."""

from __future__ import annotations

import contextlib
import dataclasses
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from monitor.devnet.anvil import CHAIN_ID
from monitor.devnet.build import Artifacts, signature
from monitor.guardian import contract as guardian
from monitor.guardian.contract import PauseImpossible
from monitor.guardian.levers.declared import Declarations
from monitor.guardian.levers.reader import Reader
from monitor.guardian.node import Nodes
from monitor.guardian.person import Fees
from monitor.guardian.safe.batch import CANONICAL, MULTI_SEND, BadBatch, Part, packed, parts
from monitor.guardian.safe.decode import KNOWN, examine, in_words
from monitor.guardian.safe.document import Document
from monitor.guardian.safe.flow import Review, prepare, review, send
from monitor.guardian.safe.plan import Choice, Planner
from monitor.guardian.safe.presigned import Presigned
from monitor.guardian.safe.source import NodesSource
from monitor.guardian.safe.transaction import DELEGATECALL, SafeTransaction
from monitor.guardian.settings import GuardianSettings
from monitor.guardian.snapshot import take_snapshot
from monitor.model import address
from monitor.protocols.abi import Function, selector
from tests.guardian.bench import Relay, endpoint
from tests.guardian.safe.ground import OWNERS, Ground
from tests.guardian.safe.test_cli import Table, table
from tests.guardian.safe.test_decode import BREAKER, NAMES, PAUSE, QUEUE, SAFE, STRANGER
from tests.guardian.safe.test_flow import SENDER, failing, nodes, signed

__all__ = ["nodes", "table"]
BATCHER = next(iter(CANONICAL))
TWO = (Part(BREAKER, PAUSE.call(QUEUE).data), Part(QUEUE, Function.parse("function pauseFor(uint256)").call(60).data))
GOOD = SafeTransaction(1, SAFE, 7, BATCHER, packed(TWO), operation=DELEGATECALL)
PARTS = st.lists(
    st.builds(Part, st.integers(1, 2**160 - 1).map(lambda n: address(f"0x{n:040x}")), st.binary(max_size=80)), min_size=1, max_size=5
)


def one(to: str, data: bytes = TWO[0].data, *, operation: int = 0, value: int = 0, size: int | None = None) -> bytes:
    """A part by hand."""
    length = len(data) if size is None else size
    return bytes([operation]) + bytes.fromhex(to[2:]) + value.to_bytes(32, "big") + length.to_bytes(32, "big") + data


def refused(data: bytes, **change: object) -> list[str]:
    return [f.text for f in examine(dataclasses.replace(GOOD, data=data, **change), NAMES).refused]  # type: ignore[arg-type]


# ---------------------------------------------------------------- what it is


def test_each_call_of_a_batch_is_shown_and_nothing_is_against_pauses() -> None:
    found = examine(GOOD, NAMES)
    assert not found.findings and found.decoded is not None and found.decoded.effect == "brakes"
    assert [(p.to, d.signature if d else "") for p, d in found.parts] == [(BREAKER, "pause(address)"), (QUEUE, "pauseFor(uint256)")]
    assert in_words(GOOD.data) == f"{BREAKER}: pause(address) pausable = {QUEUE}; {QUEUE}: pauseFor(uint256) duration = 60"


@given(PARTS)
def test_what_is_packed_is_read_back(calls: list[Part]) -> None:
    assert parts(packed(calls)) == tuple(calls)


@given(st.binary(max_size=300))
@settings(max_examples=200, deadline=None)
def test_any_bytes_are_a_batch_that_packs_to_the_same_or_none(body: bytes) -> None:
    data = MULTI_SEND.call(body).data
    with contextlib.suppress(BadBatch):
        assert packed(parts(data)) == data
    examine(dataclasses.replace(GOOD, data=data[:-1]), NAMES)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "no call at all"),
        (one(BREAKER, operation=1), "call 1 has operation 1"),
        (one(BREAKER) + one(QUEUE, operation=1), "call 2 has operation 1"),
        (one(BREAKER, value=5), "sends 5 wei"),
        (one("0x" + "00" * 20), "zero address"),
        (one(BREAKER, size=37), "beyond the end"),
        (one(BREAKER) + b"\0", "beyond the end"),
        (one(BREAKER, size=2**255), "beyond the end"),
        (one(BREAKER) * 17, "more than 16 calls"),
        (one(BREAKER, bytes.fromhex("deadbeef")), "nobody here knows the function"),
        (one(BREAKER, TWO[0].data + b"\0"), "more than one way"),
        (one(BREAKER) + one(QUEUE, Function.parse("function resume()").call().data), "call 2: resume() is no pause"),
        (one(BREAKER) + one(SAFE, Function.parse("function changeThreshold(uint256)").call(1).data), "call 2: the Safe would change"),
        (one(SAFE, b""), "own setup"),
        (one(BREAKER) + one(BATCHER, packed(TWO)), "call 2: multiSend(bytes) is no pause"),
        (one(BREAKER) * 2, "made twice"),
    ],
)  # fmt: skip
def test_one_call_that_is_no_plain_pause_refuses_all(body: bytes, said: str) -> None:
    assert any(said in text for text in refused(MULTI_SEND.call(body).data)), refused(MULTI_SEND.call(body).data)


def test_only_known_contracts_run_as_the_safe_and_only_by_multisend() -> None:
    assert any("DELEGATECALL" in t for t in refused(GOOD.data, to=STRANGER))
    assert any("multiSend(bytes) is no pause" in t for t in refused(GOOD.data, operation=0)), "a plain call would not act as the Safe"
    assert any("does not call multiSend" in t for t in refused(PAUSE.call(QUEUE).data))
    assert any("more than one way" in t for t in refused(GOOD.data + b"\0"))
    assert any("wei would leave" in t for t in refused(GOOD.data, value=1))
    assert [len(h) for h in CANONICAL.values()] == [32] * 3 and all(address(a) == a for a in CANONICAL)


def test_the_selector_is_that_of_the_contract(compiled: Artifacts) -> None:
    assert selector(signature(compiled["MultiSendCallOnly"].functions["multiSend"])) == MULTI_SEND.selector and MULTI_SEND.selector in KNOWN


def test_another_contract_may_be_declared_on_an_embedded_chain_only(ground: Ground) -> None:
    found = ground.declarations().model_dump(mode="json")
    with pytest.raises(ValidationError, match="only Safe's own are taken"):
        Declarations.model_validate({**found, "network": 1})
    assert ground.at["multisend"] in ground.declarations().batchers() and ground.at["multisend"] not in CANONICAL


# ---------------------------------------------------------------- on a chain


async def two_pauses(ground: Ground, nodes: Nodes, *names: str) -> Document:
    at, declared = await nodes.newest(), ground.declarations()
    planner = Planner(Reader(NodesSource(nodes), at), declared)
    plan = await planner.plan_all(names or ("lido/vault", "lido/other"), Choice(), declared.batchers())
    return await prepare(nodes, plan, at, CHAIN_ID, nonce=None, reason="", lives=None)


async def reviewed(ground: Ground, nodes: Nodes, document: Document) -> Review:
    declared = ground.declarations()
    return await review(nodes, document, await signed(document, OWNERS[:3]), declared.names(), batchers=declared.batchers())


async def test_three_of_six_pause_two_contracts_with_one_signature_each(ground: Ground, nodes: Nodes) -> None:
    found = await reviewed(ground, nodes, await two_pauses(ground, nodes))
    assert found.ready and not found.examined.findings, (found.checks, found.examined)
    assert {c.name: c.reason for c in found.checks}["simulated"] == "all 2 calls go through"
    done = await send(nodes, SENDER, found, Fees())
    assert done is not None and ground.call("vault", "isPaused") and ground.call("other", "isPaused")
    assert [part.split(" until")[0] for part in done.seen.split("; ")] == [f"{ground.at[n]} is paused" for n in ("vault", "other")]


async def test_a_call_that_would_fail_is_named_and_none_is_made(ground: Ground, nodes: Nodes) -> None:
    document = await two_pauses(ground, nodes)
    ground.send("governance", "breaker", "registerPauser", ground.at["other"], "0x" + "00" * 20)
    found = await reviewed(ground, nodes, document)
    assert failing(found) == ["simulated"] and "call 2 of 2 would fail: SenderNotPauser()" in found.failing[0].reason
    with pytest.raises(PauseImpossible, match="call 2 of 2"):
        await send(nodes, SENDER, found, Fees())
    assert not ground.call("vault", "isPaused")


async def test_other_code_at_a_known_address_is_not_run(ground: Ground, nodes: Nodes) -> None:
    document = await two_pauses(ground, nodes)
    for code, said in (("0x00", "is not MultiSendCallOnly's"), ("0x", "no contract at")):
        ground.anvil.rpc.call("anvil_setCode", ground.at["multisend"], code)
        found = await reviewed_with(ground, nodes, document)
        assert "makes_calls_only" in failing(found) and any(said in c.reason for c in found.failing)
        with pytest.raises(PauseImpossible, match=said):
            await send(nodes, SENDER, found, Fees())


async def reviewed_with(ground: Ground, nodes: Nodes, document: Document) -> Review:
    """With the code's hash as it was declared before somebody changed the code."""
    batchers = {document.transaction.to: bytes(32)}
    return await review(nodes, document, await signed(document, OWNERS[:3]), ground.declarations().names(), batchers=batchers)


async def test_without_a_known_contract_on_the_chain_pauses_are_prepared_one_by_one(ground: Ground, nodes: Nodes) -> None:
    planner = Planner(Reader(NodesSource(nodes), await nodes.newest()), ground.declarations())
    with pytest.raises(PauseImpossible, match=r"no MultiSendCallOnly is on this chain.*one by one"):
        await planner.plan_all(("lido/vault", "lido/other"), Choice(), CANONICAL)
    with pytest.raises(PauseImpossible, match="name each target once"):
        await two_pauses(ground, nodes, "lido/vault", "lido/vault")


async def test_endpoints_that_cannot_simulate_several_calls_stop_nobody(ground: Ground, nodes: Nodes) -> None:
    document, relay = await two_pauses(ground, nodes), Relay(ground.anvil.http_url)
    relay.handler = lambda method, params, forward: (
        {"error": {"code": -32602, "message": "too many arguments"}} if len(params) > 2 else forward()
    )
    simple = Nodes([endpoint(relay.url)], 4.0)
    try:
        found = await reviewed(ground, simple, document)
        assert found.ready and "not tried yet" in {c.name: c.reason for c in found.checks}["simulated"]
        assert await send(simple, SENDER, found, Fees()) is not None and ground.call("other", "isPaused")
    finally:
        await simple.close()
        relay.close()


async def test_targets_of_our_guardian_are_one_call_of_its_own(ground: Ground, nodes: Nodes) -> None:
    """No delegatecall, and a target that fails does not hold up the others."""
    targets = [{"name": n, "address": ground.at[n]} for n in ("vault", "other")]
    own = GuardianSettings.model_validate({"contract": ground.at["breaker"], "targets": targets})
    planner = Planner(Reader(NodesSource(nodes), await nodes.newest()), ground.declarations(), own)
    plan = await planner.plan_all(("vault", "other"), Choice(safe=ground.at["safe"]), CANONICAL)
    assert (plan.to, plan.operation) == (ground.at["breaker"], 0)
    assert plan.data == guardian.PAUSE_TARGETS.call((ground.at["vault"], ground.at["other"])).data


async def test_a_batch_signed_in_advance_is_judged_at_each_block(ground: Ground, nodes: Nodes) -> None:
    """Safe's own contract is not on this chain: the file is stale, and says why."""
    document = await two_pauses(ground, nodes)
    signed_ = Presigned("two", dataclasses.replace(document, transaction=dataclasses.replace(document.transaction, to=BATCHER)))
    found = signed_.judge(await take_snapshot(nodes, await nodes.newest(), signed_.reads()))
    reasons = {c.name: c.reason for c in found if not c.ok}
    assert set(reasons) == {"plain_pause", "signed"} and "no contract at" in reasons["plain_pause"]
    assert {c.name: c.reason for c in found}["simulated"] == "all 2 calls go through"


def test_two_pauses_from_a_laptop(table: Table) -> None:
    file = table.folder / "both.json"
    said = table.safe("prepare", "lido/vault", "lido/other", "--out", file)
    assert "operation    DELEGATECALL to a known MultiSendCallOnly" in said and "multiSend(2 calls)" in said
    assert said.count("pause(address pausable = ") == 2 and "all or nothing" in said and "DO NOT SIGN" not in said
    names = table.sign(file, 0, 2, 5)
    table.safe("collect", file, *names)
    shown = json.loads(table.safe("show", file, "--json"))
    assert [c["decoded"]["signature"] for c in shown["calls"]] == ["pause(address)"] * 2 and shown["ready"]
    assert "is paused" in table.safe("send", file)
    assert table.ground.call("vault", "isPaused") and table.ground.call("other", "isPaused")
