"""Results in the shape of Prometheus' API. What is unknown is left out, and said in warnings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from monitor.model import Labels
from monitor.promql import Grid, Scalar
from monitor.promql.text import number
from monitor.samples import NAME, Matrix, Missing, Vector
from monitor.samples.vector import Bools

_TOLD = 5
"""Series named in a warning; more are counted."""


def value_text(value: float) -> str:
    """A sample's value: in full, with an exponent only when very small or large, as Prometheus writes it."""
    return repr(value) if value and np.isfinite(value) and (abs(value) < 1e-6 or abs(value) >= 1e21) else number(value)


def seconds(time: float) -> float | int:
    """A time as JSON: whole seconds without a fraction."""
    return int(time) if time == int(time) else time


def vector(found: Vector, time: float) -> tuple[dict[str, Any], list[str]]:
    """The known elements, and what to warn of."""
    result = [
        {"metric": dict(row), "value": [seconds(time), value_text(value)]}
        for row, value, known in zip(found.labels.rows, found.values.tolist(), found.known.tolist(), strict=True)
        if known
    ]
    unknown = [row for row, known in zip(found.labels.rows, found.known.tolist(), strict=True) if not known]
    return {"resultType": "vector", "result": result}, [*_unknown(unknown), *_unseen(found.missing)]


def scalar(found: Scalar, time: float) -> tuple[dict[str, Any], list[str]]:
    """A number; an unknown one is NaN, with a warning."""
    value = value_text(found.value) if found.known else "NaN"
    warnings = [] if found.known else ["the number is unknown: what it is made of was not seen lately"]
    return {"resultType": "scalar", "result": [seconds(time), value]}, warnings


def samples(found: Matrix) -> tuple[dict[str, Any], list[str]]:
    """The samples of the known series of a range selector."""
    result = []
    for i, (row, known) in enumerate(zip(found.labels.rows, found.known.tolist(), strict=True)):
        there = found.present[:, i]
        if known and there.any():
            points = zip(found.times[there].tolist(), found.values[there, i].tolist(), strict=True)
            result.append({"metric": dict(row), "values": [[t, value_text(v)] for t, v in points]})
    unknown = [row for row, known in zip(found.labels.rows, found.known.tolist(), strict=True) if not known]
    return {"resultType": "matrix", "result": result}, [*_unknown(unknown), *_unseen(found.missing)]


def grid(found: Grid, times: Sequence[float], now: float) -> tuple[dict[str, Any], list[str]]:
    """The known points of each series. Steps after ``now`` are unknown of course, and not warned of."""
    result = []
    for i, row in enumerate(found.labels.rows):
        known = np.flatnonzero(found.known[:, i])
        if len(known):
            points = zip(known.tolist(), found.values[known, i].tolist(), strict=True)
            result.append({"metric": dict(row), "values": [[seconds(times[k]), value_text(v)] for k, v in points]})
    result.sort(key=lambda series: sorted(series["metric"].items()))  # type: ignore[attr-defined]
    return {"resultType": "matrix", "result": result}, grid_warnings(found, found.times <= now)


def grid_warnings(found: Grid, past: Bools) -> list[str]:
    """What was unknown at the steps where ``past`` is true."""
    steps = int(past.sum())
    gone = (found.present & ~found.known)[past]
    counts = gone.sum(axis=0).tolist()
    warnings = [
        f"{shown(row)} is unknown at {count} of {steps} steps, which are left out"
        for row, count in zip(found.labels.rows, counts, strict=True)
        if count
    ]
    if len(warnings) > _TOLD:
        warnings = [*warnings[:_TOLD], f"{len(warnings) - _TOLD} more series are unknown at some steps"]
    unseen: Counter[Labels] = Counter(
        entry for there, missing in zip(past.tolist(), found.missing, strict=True) if there for entry in missing
    )
    told = [f"series like {shown(entry)} may be missing at {count} of {steps} steps: what tells of them was not heard" for entry, count in unseen.most_common(_TOLD)]  # fmt: skip
    return [*warnings, *told]


def _unknown(rows: Sequence[Labels]) -> list[str]:
    if not rows:
        return []
    more = f" and {len(rows) - _TOLD} more" if len(rows) > _TOLD else ""
    return [f"unknown, so left out: {', '.join(map(shown, rows[:_TOLD]))}{more}"]


def _unseen(missing: Missing) -> list[str]:
    entries: Iterable[Labels] = sorted(missing)[:_TOLD]
    return [f"series like {shown(entry)} may be missing: what tells of them was not heard" for entry in entries]


def shown(row: Labels) -> str:
    """A label set as a selector is written."""
    name = dict(row).get(NAME, "")
    pairs = ",".join(f'{k}="{v}"' for k, v in row if k != NAME)
    return f"{name}{{{pairs}}}" if pairs or not name else name
