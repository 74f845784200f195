"""The life of alerts against a restatement of its rules that looks at whole histories instead of keeping state."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.model import BlockStamp
from monitor.rules.instances import Instances
from monitor.rules.judge import judge
from tests.rules.chain import block, level, window
from tests.rules.test_judge import rules

ITEMS = ("a", "b")
HIGH, LOW = 9.0, 1.0
FRESH_FOR = 12


@dataclass(frozen=True)
class Step:
    """One judged block: ``values`` is None for a failed frame; ``skipped`` blocks before it were never judged."""

    values: dict[str, float] | None
    skipped: int


STEPS = st.lists(
    st.builds(
        Step,
        st.none() | st.dictionaries(st.sampled_from(ITEMS), st.sampled_from([HIGH, HIGH, LOW]), max_size=2),
        st.sampled_from([0, 0, 0, 0, 3]),
    ),
    max_size=40,
)


@settings(max_examples=150, deadline=None)
@given(STEPS, st.sampled_from([0, 12, 36]), st.sampled_from([0, 12, 36]), st.integers(0, 40))
def test_alerts_live_as_their_history_says(steps: Sequence[Step], for_s: int, keep_s: int, restart: int) -> None:
    of = rules(f"alert: High, expr: test_level > 5, for: {for_s}s, keep_firing_for: {keep_s}s")
    seen, live = window(), Instances()
    told: list[tuple[int, str, str]] = []
    blocks: list[BlockStamp] = []
    for n, step in enumerate(steps):
        at = block((blocks[-1].number if blocks else 0) + 1 + step.skipped)
        blocks.append(at)
        seen.append(level(at, step.values))
        if n == restart:
            live = Instances.from_json(live.to_json())
        live, transitions, _ = judge(of, seen, at, live)
        told += [(at.number, dict(t.labels)["item"], t.new) for t in transitions]
    expected = [(number, item, new) for item in ITEMS for number, new in _episodes(_history(steps, blocks, item), for_s, keep_s)]
    assert sorted(told) == sorted(expected)


@dataclass(frozen=True)
class Seen:
    number: int
    time: int
    status: str


def _history(steps: Sequence[Step], blocks: Sequence[BlockStamp], item: str) -> list[Seen]:
    """What was known about an item at each judged block, from the frames alone."""
    found = []
    for n, at in enumerate(blocks):
        ok = [i for i in range(n + 1) if steps[i].values is not None]
        if not ok or at.timestamp - blocks[ok[-1]].timestamp > FRESH_FOR:
            status = "unknown"
        else:
            values = steps[ok[-1]].values
            status = "true" if values is not None and values.get(item, LOW) > 5 else "false"
        found.append(Seen(at.number, at.timestamp, status))
    return found


def _agreeing(history: Sequence[Seen], status: str) -> int:
    """Seconds between neighbouring blocks that were both judged and both had this status."""
    return sum(b.time - a.time for a, b in pairwise(history) if a.status == b.status == status and b.number == a.number + 1)


def _episodes(history: Sequence[Seen], for_s: int, keep_s: int) -> Iterator[tuple[int, str]]:
    begin, fired = None, None
    for n, seen in enumerate(history):
        if seen.status == "unknown":
            continue
        if seen.status == "true":
            begin = n if begin is None else begin
            if fired is None and _agreeing(history[begin : n + 1], "true") >= for_s:
                fired = n
                yield seen.number, "firing"
        elif fired is None:
            begin = None
        else:
            last_true = max(i for i in range(n) if history[i].status == "true")
            if _agreeing(history[last_true : n + 1], "false") >= keep_s:
                begin, fired = None, None
                yield seen.number, "inactive"


@settings(max_examples=60, deadline=None)
@given(STEPS, st.integers(1, 39))
def test_a_rewound_branch_is_judged_as_if_the_other_had_never_been(steps: Sequence[Step], fork: int) -> None:
    of = rules("alert: High, expr: test_level > 5, for: 12s, keep_firing_for: 12s")

    def tell(parts: Sequence[tuple[Sequence[Step], str]]) -> tuple[str, list[object]]:
        seen, live, said = window(), Instances(), []
        kept = {0: live}
        number = 0
        for part, branch in parts:
            if number:
                number = min(fork, number)
                seen.rewind(block(number))
                live = kept[number]
                said = [t for t in said if t.at.timestamp <= block(number).timestamp]
            for step in part:
                number += 1
                at = block(number, branch)
                seen.append(level(at, step.values))
                live, transitions, _ = judge(of, seen, at, live)
                kept[number] = live
                said += transitions
        return live.to_json(), list(said)

    orphaned = [Step({"a": HIGH, "b": HIGH}, 0)] * 5
    straight = tell([(steps[:fork], ""), (steps[fork:], "")])
    turned = tell([([*steps[:fork], *orphaned], ""), (steps[fork:], "")])
    if len(steps) >= fork:
        assert straight == turned
