"""Several beacon nodes over real HTTP: heads, blocks and finality that a majority of them gives, whatever the others do."""

from __future__ import annotations

import asyncio
import gzip
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import pytest

from monitor.chain.beacon.client import Beacon, BeaconUnanswered, NodeHealth
from monitor.chain.beacon.spec import Spec
from monitor.chain.settings import NetworkSettings
from monitor.model.beacon import BeaconHead, Offence
from tests.chain.beacon_server import FarNode, Script, answer, hang, sends, status, trickle

NAMES = ("one", "two", "three")


class Watcher:
    """A Beacon over far nodes, and all heads that it gave."""

    def __init__(self, script: Script, nodes: list[FarNode], **network: Any) -> None:
        self.script, self.nodes = script, nodes
        quick = {
            "block_seconds": 0.3,
            "slot_seconds": 1,
            "beacon_request_seconds": 0.4,
            "beacon_state_seconds": 3.0,
            "wall_clock": False,
            "beacon_preset": "minimal",
        }
        settings = {**quick, "execution": [{"name": "x", "url": "http://127.0.0.1:1"}], **network}
        settings["beacon"] = [{"name": n.name, "url": n.url} for n in nodes]
        self.beacon = Beacon(NetworkSettings.model_validate(settings))
        self.heads: list[BeaconHead] = []
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> Watcher:
        await self.beacon.start()
        self._task = asyncio.create_task(self._follow())
        return self

    async def _follow(self) -> None:
        async for head in self.beacon.follow():
            self.heads.append(head)

    async def until(self, condition: Callable[[], object], seconds: float = 6.0) -> None:
        try:
            async with asyncio.timeout(seconds):
                while not condition():  # noqa: ASYNC110 (conditions are of many kinds)
                    await asyncio.sleep(0.01)
        except TimeoutError:
            pytest.fail(f"not within {seconds} s; heads: {self.heads[-3:]}; health: {self.beacon.health()}")

    async def at(self, slot: int, whole: bool = True) -> None:
        """Until this slot is the agreed head, its body known."""
        await self.until(lambda: self.heads and self.heads[-1].slot == slot and (not whole or self.slots[-1:] == [slot]))

    @property
    def slots(self) -> list[int]:
        return [int(b.slot) for b in self.beacon.blocks()]

    async def streams(self) -> None:
        """Until every node has an event stream."""
        await self.until(lambda: all(n.streams for n in self.nodes))

    def mine(self, slot: int, **more: Any) -> None:
        """A block that all nodes have."""
        block = self.script.mine(slot, **more)
        for node in self.nodes:
            node.show(block)

    def health(self, name: str) -> NodeHealth:
        return next(h for h in self.beacon.health() if h.name == name)

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self.beacon.close()
        for node in self.nodes:
            await node.stop()


Watch = Callable[..., Any]


@pytest.fixture
async def watch() -> AsyncIterator[Watch]:
    """``await watch(blocks=5, **network)``: three nodes at slot 5, and a Watcher that is not started yet."""
    made: list[Watcher] = []

    async def make(n: int = 3, blocks: int = 5, **network: Any) -> Watcher:
        script = Script()
        script.mine_to(blocks)
        nodes = [await FarNode(script, name).start() for name in NAMES[:n]]
        made.append(Watcher(script, nodes, **network))
        return made[-1]

    yield make
    for watcher in made:
        await watcher.stop()
    assert not [t.name for t in threading.enumerate() if t.name.startswith("beacon")]


async def test_heads_come_over_the_stream_with_finality_and_bodies(watch: Watch) -> None:
    watcher = await (await watch(blocks=20)).start()
    await watcher.at(20)
    await watcher.until(lambda: watcher.slots == list(range(21)))
    assert watcher.beacon.spec == Spec.of({"PRESET_BASE": "minimal", "SECONDS_PER_SLOT": "12", "SLOTS_PER_EPOCH": "8"})
    assert watcher.beacon.agreeing_ratio() == 1.0
    await watcher.streams()
    for node in watcher.nodes:
        node.finality = (2, 1)
    started = asyncio.get_running_loop().time()
    watcher.mine(22)
    await watcher.at(22)
    assert asyncio.get_running_loop().time() - started < 0.4, "told by the stream, not found by a poll"
    assert (watcher.heads[-1].justified.epoch, watcher.heads[-1].finalized.epoch, watcher.heads[-1].optimistic) == (2, 1, False)
    blocks = watcher.beacon.blocks()
    assert [b.parent for b in blocks[1:]] == [b.root for b in blocks[:-1]]
    assert all(h.up and h.lag == 0 and not h.dissent and not h.note and h.subscribed for h in watcher.beacon.health())
    assert "hunter2" not in repr(watcher.beacon.health())


async def test_only_the_newest_96_slots_are_filled_in(watch: Watch) -> None:
    watcher = await (await watch(n=1, blocks=120)).start()
    await watcher.until(lambda: watcher.slots == list(range(24, 121)))
    assert sum("blinded_blocks" in path for path in watcher.nodes[0].asked) == 97


async def test_slashings_are_read_from_the_bodies(watch: Watch) -> None:
    watcher = await (await watch()).start()
    await watcher.at(5)
    watcher.mine(6, proposals=[7], attestations=[([3, 1, 2, 12], [12, 2, 9, 3])])
    await watcher.at(6)
    assert watcher.beacon.blocks()[-1].offences == (Offence("proposal", (7,)), Offence("attestation", (2, 3, 12)))


@pytest.mark.parametrize("truth", [(), (7,)])
async def test_one_node_can_neither_make_nor_hide_a_slashing(watch: Watch, truth: tuple[int, ...]) -> None:
    watcher = await (await watch()).start()
    await watcher.at(5)
    block = watcher.script.mine(6, proposals=truth)
    watcher.nodes[1].lies[block.root] = replace(block, proposals=() if truth else (7,))
    for node in watcher.nodes:
        node.show(block)
    await watcher.at(6)
    assert watcher.beacon.blocks()[-1].offences == tuple(Offence("proposal", (i,)) for i in truth)
    await watcher.until(lambda: watcher.health("two").dissent)
    assert "differs from the majority" in watcher.health("two").note
    assert not watcher.health("one").dissent and not watcher.health("three").dissent


async def test_a_slashing_is_not_believed_while_two_nodes_differ_and_the_third_is_down(watch: Watch) -> None:
    watcher = await (await watch()).start()
    await watcher.at(5)
    await watcher.nodes[2].stop()
    block = watcher.script.mine(6)
    watcher.nodes[1].lies[block.root] = replace(block, proposals=(7,))
    for node in watcher.nodes[:2]:
        node.show(block)
    await watcher.at(6, whole=False)
    assert watcher.slots[-1] == 5
    await watcher.nodes[2].start()
    watcher.nodes[2].show(block)
    await watcher.until(lambda: watcher.slots[-1] == 6)
    assert watcher.beacon.blocks()[-1].offences == ()


@pytest.mark.parametrize("topics", [set(), {"head"}, {"head_v2"}])
async def test_a_node_that_does_not_know_a_topic_is_asked_for_less_or_polled(watch: Watch, topics: set[str]) -> None:
    watcher = await watch(n=1)
    watcher.nodes[0].topics = topics
    await watcher.start()
    await watcher.until(lambda: watcher.health("one").subscribed == bool(topics))
    watcher.mine(6)
    await watcher.at(6)


async def test_the_heads_of_a_silent_stream_are_polled_and_the_stream_begun_anew(watch: Watch) -> None:
    watcher = await (await watch(n=1)).start()
    await watcher.at(5)
    await watcher.until(lambda: watcher.nodes[0].streams)
    first = watcher.nodes[0].streams[0]
    for slot in (6, 7):
        watcher.nodes[0].show(watcher.script.mine(slot), tell=False)
        await watcher.at(slot)
    await watcher.until(lambda: any(stream is not first for stream in watcher.nodes[0].streams))


GARBAGE = {
    "no JSON": b"event: head\ndata: {{{\n\n",
    "another shape": b'event: head\ndata: {"slot":7}\n\n',
    "bytes": bytes(range(256)) * 8,
    "a line without end": b"x" * 600_000,
}


@pytest.mark.parametrize("garbage", GARBAGE)
async def test_garbage_in_the_stream_does_no_harm(watch: Watch, garbage: str) -> None:
    watcher = await (await watch(n=1)).start()
    await watcher.until(lambda: watcher.nodes[0].streams)
    watcher.nodes[0].raw(GARBAGE[garbage])
    watcher.mine(6)
    await watcher.at(6)
    watcher.mine(7)
    await watcher.at(7)
    if garbage != "bytes":
        assert watcher.health("one").errors["malformed"] >= 1


async def test_a_stream_that_ends_is_opened_again(watch: Watch) -> None:
    watcher = await (await watch(n=1)).start()
    await watcher.until(lambda: watcher.nodes[0].streams)
    for slot in (6, 7):
        watcher.nodes[0].end_streams()
        await watcher.until(lambda: not watcher.nodes[0].streams)
        watcher.nodes[0].show(watcher.script.mine(slot), tell=False)
        await watcher.at(slot)
        await watcher.until(lambda: watcher.nodes[0].streams)
    assert watcher.health("one").errors["connection"] >= 2


@pytest.mark.parametrize("tell", [True, False], ids=["stream", "polling"])
async def test_a_reorganisation_is_found_by_walking_parents(watch: Watch, tell: bool) -> None:
    watcher = await (await watch(blocks=8)).start()
    await watcher.until(lambda: watcher.slots == list(range(9)))
    fork = watcher.script.at(watcher.script.tip, 5)
    first = watcher.script.mine(7, on=fork, salt="b")
    second = watcher.script.mine(9, on=first, salt="b")
    for node in watcher.nodes[:2]:
        node.show(second, tell=False)
        if tell:
            node.tell("chain_reorg", f'{{"slot":"9","depth":"77777","new_head_block":"{second.root}"}}')
    await watcher.at(9)
    await watcher.until(lambda: watcher.slots == [0, 1, 2, 3, 4, 5, 7, 9])
    assert watcher.beacon.blocks()[-1].parent == first.root
    assert not watcher.health("three").up or watcher.health("three").lag == 1


async def test_two_of_three_down_leave_the_head_where_it_was(watch: Watch) -> None:
    watcher = await (await watch()).start()
    await watcher.at(5)
    for node in watcher.nodes[1:]:
        await node.stop()
    watcher.nodes[0].show(watcher.script.mine(6))
    await watcher.until(lambda: watcher.health("one").head == 6)
    await watcher.until(lambda: not watcher.health("two").up and not watcher.health("three").up, seconds=8)
    assert watcher.heads[-1].slot == 5
    assert watcher.health("two").errors["connection"] > 0 and "connection failed" in watcher.health("two").note
    await watcher.nodes[1].start()
    watcher.nodes[1].show(watcher.script.tip)
    await watcher.at(6)


async def test_one_that_lies_about_the_head_moves_nothing(watch: Watch) -> None:
    watcher = await (await watch()).start()
    await watcher.at(5)
    lie = watcher.script.mine(50, on=watcher.script.at(watcher.script.tip, 2), salt="lie")
    watcher.nodes[2].show(lie)
    await watcher.until(lambda: watcher.health("three").head == 50)
    watcher.script.mine(6)
    for node in watcher.nodes[:2]:
        node.show(watcher.script.tip)
    await watcher.at(6)
    assert watcher.health("three").dissent and watcher.beacon.agreeing_ratio() == pytest.approx(2 / 3)
    assert "another branch" in watcher.health("three").note


async def test_a_head_in_the_future_is_refused(watch: Watch) -> None:
    watcher = await watch(n=1, wall_clock=True)
    watcher.script.mine(2**40)
    watcher.nodes[0].show(watcher.script.tip)
    await watcher.start()
    await watcher.until(lambda: "in the future" in watcher.health("one").note)
    assert watcher.heads == []


async def test_a_syncing_node_has_no_vote(watch: Watch) -> None:
    watcher = await watch()
    watcher.nodes[1].status = {"is_syncing": True, "sync_distance": "900"}
    watcher.nodes[2].fault["headers"] = hang
    await watcher.start()
    await watcher.until(lambda: watcher.health("two").syncing and watcher.health("one").head == 5)
    await asyncio.sleep(0.6)
    assert watcher.heads == [] and not watcher.health("two").up
    assert "syncing, 900 slots behind" in watcher.health("two").note and watcher.health("two").errors["syncing"] > 0
    watcher.nodes[1].status = {}
    await watcher.at(5)


async def test_missed_slots_alone_take_no_vote(watch: Watch) -> None:
    watcher = await watch()
    for node in watcher.nodes:
        node.status = {"sync_distance": "7"}
    await watcher.start()
    await watcher.at(5)


async def test_a_head_is_optimistic_when_a_majority_has_it_so(watch: Watch) -> None:
    watcher = await watch()
    watcher.nodes[0].optimistic = True
    await watcher.start()
    await watcher.at(5)
    assert not watcher.heads[-1].optimistic and watcher.health("one").optimistic
    watcher.nodes[1].status = {"el_offline": True}
    await watcher.until(lambda: watcher.heads[-1].optimistic)
    assert "execution client is offline" in watcher.health("two").note
    watcher.nodes[0].optimistic = False
    await watcher.until(lambda: not watcher.heads[-1].optimistic)


@pytest.mark.parametrize("what", ["genesis", "validators root"])
async def test_a_node_of_another_chain_is_refused_for_good(watch: Watch, what: str) -> None:
    watcher = await watch()
    foreign = watcher.nodes[1]
    if what == "genesis":
        foreign.genesis_time += 1
    else:
        foreign.validators_root = b"x" * 32
    await watcher.start()
    await watcher.at(5)
    refused = watcher.health("two")
    assert refused.refused is not None and not refused.up and "correct the URL of two" in refused.note
    foreign.genesis_time, foreign.validators_root = watcher.nodes[0].genesis_time, watcher.nodes[0].validators_root
    asked = len(foreign.asked)
    watcher.mine(6)
    await watcher.at(6)
    assert len(foreign.asked) == asked and watcher.beacon.agreeing_ratio() == pytest.approx(2 / 3)


async def test_constants_are_those_of_the_majority(watch: Watch) -> None:
    watcher = await watch()
    watcher.nodes[0].spec["MAX_PENDING_DEPOSITS_PER_EPOCH"] = "1000"
    await watcher.start()
    await watcher.at(5)
    assert watcher.beacon.spec.max_pending_deposits_per_epoch == 16
    assert watcher.health("one").dissent and "configuration differs" in watcher.health("one").note


async def test_nodes_that_are_down_at_the_start_join_later(watch: Watch) -> None:
    watcher = await watch()
    for node in watcher.nodes:
        await node.stop()
    await watcher.start()
    with pytest.raises(BeaconUnanswered, match=r"constants of the chain.*one: polling: connection failed"):
        _ = watcher.beacon.spec
    for node in watcher.nodes[1:]:
        await node.start()
    await watcher.at(5)


FAULTS = {
    "hangs": (hang, "timeout"),
    "404": (status(404), "not_found"),
    "500": (status(500, '{"code":500,"message":"state is\\nin the future https://secret"}'), "http"),
    "503 while syncing": (status(503, '{"code":503,"message":"Beacon node is currently syncing"}'), "syncing"),
    "503 for a while": (status(503, "later", Retry_After="0.3"), "http"),
    "206": (status(206), "syncing"),
    "429": (status(429, Retry_After="0.3"), "http"),
    "redirect": (status(302, Location="http://127.0.0.1:1/"), "http"),
    "an HTML page": (sends(b"<html>login</html>", "text/html"), "malformed"),
    "no object": (sends(b"[]"), "malformed"),
    "empty data": (sends(b'{"data":{}}'), "malformed"),
    "nested": (sends(b"[" * 200_000), "malformed"),
    "too large": (sends(b'{"data":"' + b"x" * 300_000 + b'"}'), "too_large"),
    "a gzip bomb": (sends(gzip.compress(bytes(50_000_000)), Content_Encoding="gzip"), "malformed"),
    "a trickle": (trickle("application/json", b" "), "timeout"),
}


async def test_one_faulty_node_of_three_stops_nothing(watch: Watch) -> None:
    watcher = await (await watch()).start()
    await watcher.at(5)
    faulty = watcher.nodes[0]
    for slot, (name, (handler, kind)) in enumerate(FAULTS.items(), 6):
        before = watcher.health("one").errors.get(kind, 0)
        faulty.fault = dict.fromkeys(("headers", "blinded_blocks", "blocks", "finality_checkpoints", "events"), handler)
        faulty.end_streams()
        watcher.mine(slot)
        await watcher.at(slot)
        await watcher.until(lambda kind=kind, before=before: watcher.health("one").errors.get(kind, 0) > before)  # type: ignore[misc]
        assert watcher.health("one").note, name
        told = repr(watcher.health("one"))
        assert "hunter2" not in told and "secretkey" not in told and "https://secret" not in told
    faulty.fault = {}
    await watcher.until(lambda: watcher.health("one").head == watcher.script.tip.slot)


async def test_a_node_without_blinded_blocks_is_asked_for_whole_ones(watch: Watch) -> None:
    watcher = await watch(n=1)
    watcher.nodes[0].fault["blinded_blocks"] = status(400)
    watcher.nodes[0].version = "gloas"
    await watcher.start()
    await watcher.until(lambda: watcher.slots == [0, 1, 2, 3, 4, 5])
    assert sum("blinded_blocks" in path for path in watcher.nodes[0].asked) == 1


async def test_a_header_of_another_root_is_no_answer(watch: Watch) -> None:
    watcher = await (await watch(n=1)).start()
    await watcher.at(5)
    await watcher.until(lambda: watcher.nodes[0].streams)
    other = watcher.script.blocks[watcher.script.tip.parent]

    async def wrong(request: Any) -> Any:
        message = {"slot": "9", "proposer_index": "1", "parent_root": other.root, "state_root": other.root, "body_root": other.root}
        return answer({"root": other.root, "canonical": True, "header": {"message": message}})

    watcher.nodes[0].fault["headers"] = wrong
    watcher.nodes[0].show(watcher.script.mine(6))
    await watcher.until(lambda: "another header" in watcher.health("one").note)


async def test_a_slow_reader_gets_the_newest_head(watch: Watch) -> None:
    watcher = await watch(n=1)
    await watcher.beacon.start()
    heads = watcher.beacon.follow()
    assert (await anext(heads)).slot == 5
    await watcher.until(lambda: watcher.nodes[0].streams)
    for slot in range(6, 30):
        watcher.mine(slot)
    await watcher.until(lambda: watcher.slots == list(range(30)))
    assert (await anext(heads)).slot == 29
    await heads.aclose()


async def test_without_nodes_there_is_nothing_and_no_error() -> None:
    beacon = Beacon(NetworkSettings.model_validate({"execution": [{"name": "x", "url": "http://127.0.0.1:1"}]}))
    await beacon.start()
    assert beacon.health() == () and beacon.blocks() == () and beacon.agreeing_ratio() is None
    await beacon.close()
