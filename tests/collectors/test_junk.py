"""Whatever bytes a contract answers: a value of its type, or unknown. Never another exception, never a number made of junk."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.collectors import collectors
from monitor.model import Disputed, Failed, Ok, Reverted, Unanswered, Value
from tests.collectors.lido_state import ERRORS, Lido, account, sources, values

MADE = collectors(sources(), {})
READY: dict[str, Any] = {}


def _ready() -> Lido:
    return Lido(members={account(1): 0, account(2): 0}, requests=[(5, 1)], shares=10, buffered=10, reserve=3, locked=2)


def _warm(collector: Any) -> Any:
    if collector.name not in READY:
        known: Any = {}
        for _ in range(2):
            _, known = collector.judge(_ready().snapshot(collector.plan(known)), known)
        READY[collector.name] = known
    return READY[collector.name]


BAD = st.one_of(
    st.binary(max_size=300).map(lambda b: Value(b, ("a", "b"))),
    st.sampled_from(
        [Reverted(b""), Reverted(ERRORS["InitialEpochIsYetToArrive()"]), Failed("timeout"), Disputed((("a", "1"), ("b", "2")))]
    ),
    st.integers(0, 2**256 - 1).map(lambda n: Value(n.to_bytes(32, "big"), ("a",))),
    st.tuples(st.integers(0, 2**256 - 1), st.integers(1, 8)).map(lambda p: Value(p[0].to_bytes(32, "big") * p[1], ("a",))),
)


@settings(max_examples=300)
@given(st.data())
def test_one_bad_answer_gives_frames_or_unanswered_and_memory_stays_plain(data: st.DataObject) -> None:
    collector: Any = data.draw(st.sampled_from([c for c in MADE if c.plan({})]), label="collector")
    known = _warm(collector)
    reads = list(collector.plan(known))
    snapshot = _ready().snapshot(reads)
    victim = data.draw(st.sampled_from(reads), label="read")
    answers = {**snapshot.answers, victim: data.draw(BAD, label="answer")}
    bad = type(snapshot)(snapshot.stamp, answers)
    try:
        made, after = collector.judge(bad, known)
    except Unanswered:
        return
    assert json.loads(json.dumps(after)) == after
    again, _ = collector.judge(bad, known)
    assert [(f.scope, f.status, f.layout.series, list(map(repr, f.values))) for f in made] == [
        (f.scope, f.status, f.layout.series, list(map(repr, f.values))) for f in again
    ]


@given(st.integers(0, 31).map(bytes) | st.integers(33, 90).map(bytes))
def test_zeros_of_the_wrong_length_are_never_a_zero(junk: bytes) -> None:
    for collector in MADE:
        known = _warm(collector)
        reads = collector.plan(known)
        if not reads:
            continue
        snapshot = type(_ready().snapshot([]))(_ready().snapshot([]).stamp, {r: Value(junk, ("a",)) for r in reads})
        try:
            made, _ = collector.judge(snapshot, known)
        except Unanswered:
            continue
        assert all(not isinstance(f.status, Ok) and not values(f) for f in made), collector.name
