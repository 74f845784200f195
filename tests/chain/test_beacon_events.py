"""The event stream's bytes: events come out alike however they are cut, and nothing grows without bound."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.chain.beacon.events import LONGEST_LINE, EventParser, ServerEvent, named_head
from monitor.chain.errors import Malformed

ROOT = "0x" + "AB" * 32
word = st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\r\n"), max_size=20)


def head(topic: str = "head", **more: object) -> ServerEvent:
    return ServerEvent(topic, json.dumps({"slot": "7", "block": ROOT, **more}))


@given(st.lists(st.tuples(word, st.lists(word, min_size=1, max_size=3))), st.sampled_from(["\n", "\r\n", "\r"]), st.data())
def test_events_come_out_however_they_are_cut(events: list[tuple[str, list[str]]], end: str, data: st.DataObject) -> None:
    text = "\ufeff: keep-alive" + end + end
    for topic, lines in events:
        text += f"event: {topic}{end}" + "".join(f"data: {line}{end}" for line in lines) + f"retry: 5{end}:{end}{end}"
    body = text.encode() + b"\n"
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=8)))
    parser, found = EventParser(), []
    for first, last in zip([0, *cuts], [*cuts, len(body)], strict=True):
        found += parser.feed(body[first:last])
    assert found == [ServerEvent(topic or "message", "\n".join(lines)) for topic, lines in events]


@given(st.binary(max_size=300))
def test_no_bytes_break_the_parser_or_name_a_head_by_accident(body: bytes) -> None:
    for event in EventParser().feed(body + b"\n\n"):
        with contextlib.suppress(Malformed):
            named_head(event)


@pytest.mark.parametrize("chunk", [b"x" * 1000, b"data: " + b"y" * 1000 + b"\n"])
def test_what_never_ends_is_refused(chunk: bytes) -> None:
    parser = EventParser()
    with pytest.raises(Malformed, match="longer than"):
        for _ in range(2 * LONGEST_LINE // 1000):
            parser.feed(chunk)


def test_the_head_of_every_kind_of_event() -> None:
    assert named_head(head()) == ROOT.lower()
    assert named_head(ServerEvent("head_v2", json.dumps({"version": "gloas", "data": {"slot": "7", "block": ROOT}}))) == ROOT.lower()
    assert named_head(head("chain_reorg", new_head_block=ROOT, block=None, depth="900")) == ROOT.lower()
    assert named_head(ServerEvent("finalized_checkpoint", "{}")) is None
    assert named_head(ServerEvent("nonsense", "]")) is None


@pytest.mark.parametrize(
    "data", ["", "[]", "null", "{", '{"slot":7}', '{"slot":"7","block":"0x12"}', '{"slot":"-1","block":"' + ROOT + '"}']
)
def test_a_head_event_of_another_shape_is_refused(data: str) -> None:
    with pytest.raises(Malformed):
        named_head(ServerEvent("head", data))
