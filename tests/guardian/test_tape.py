"""What a window answered is written down in one form, whatever order its past gave its rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from monitor.guardian.tape import Player, Recorder
from monitor.model import Labels
from monitor.promql import evaluate, parse
from monitor.promql.evaluate import Window
from monitor.samples import NAME, LabelTable, Matrix, Selector, Vector

AT = 1_700_000_000
VALUES = {"a": 1e16, "b": 1.0, "c": -1e16, "d": 0.1, "e": 0.7, "f": 1e-9, "g": 3.3}
"""Another sum for nearly each order."""
EXPRESSIONS = ["sum(queue_requests)", "avg(queue_requests)", "sum(sum_over_time(queue_requests[1m]))", "stddev(queue_requests)"]


@dataclass(frozen=True)
class Ordered:
    """A window whose rows come in this order."""

    order: Sequence[str]

    def instant(self, selector: Selector, at: int) -> Vector:
        values = np.array([VALUES[name] for name in self.order])
        return Vector(self._table(selector), values, np.ones(len(values), bool), frozenset())

    spoken = instant

    def range(self, selector: Selector, at: int, seconds: int) -> Matrix:
        values = np.array([[VALUES[name] for name in self.order]] * 3)
        times = np.array([at - 24, at - 12, at])
        return Matrix(self._table(selector), times, values, np.ones(values.shape, bool), np.ones(len(self.order), bool), frozenset())

    def _table(self, selector: Selector) -> LabelTable:
        rows: list[Labels] = [((NAME, selector.family), ("kind", name)) for name in self.order]
        return LabelTable(rows)


def value(window: Window, text: str) -> str:
    found = evaluate(parse(text), window, AT)
    assert isinstance(found, Vector)
    return float(found.values[0]).hex()


@given(st.permutations(sorted(VALUES)), st.permutations(sorted(VALUES)), st.sampled_from(EXPRESSIONS))
def test_equal_samples_have_equal_bytes_and_sums_in_whatever_order_they_came(one: list[str], two: list[str], text: str) -> None:
    tapes = [Recorder(Ordered(order)) for order in (one, two)]
    first, second = (value(tape, text) for tape in tapes)
    assert first == second and tapes[0].written() == tapes[1].written()
    assert value(Player.of(tapes[0].written()), text) == first, "who verifies it comes to the same"
