"""Which stretches of time an expression reads: what must be fetched before it is evaluated somewhere else or long after."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitor.promql.expr import Expr, Select, Subquery, When, children

Stretches = NDArray[np.int64]
"""(k, 2): k stretches of block time, from (inclusive) and until (inclusive)."""


@dataclass(frozen=True, slots=True, eq=False)
class Need:
    """One selector's reading: samples that speak for these stretches, without the freshness that reaches back further."""

    select: Select
    stretches: Stretches


def needs(expr: Expr, times: Sequence[int], whole: tuple[int, int] | None = None) -> Iterator[Need]:
    """What each selector reads when the expression is evaluated at these times, ascending; ``whole`` as in ``evaluate_steps``."""
    at = np.array(times, np.int64)
    yield from _needs(expr, np.stack([at, at], axis=1), *(whole or (times[0], times[-1])))


def _needs(expr: Expr, at: Stretches, start: int, end: int) -> Iterator[Need]:
    if isinstance(expr, Select):
        yield Need(expr, _back(at, expr.when, expr.offset, expr.seconds or 0, start, end))
    if isinstance(expr, Subquery):
        at = _back(at, expr.when, expr.offset, expr.seconds, start, end)
    for child in children(expr):
        yield from _needs(child, at, start, end)


def _back(at: Stretches, when: When, offset: int, seconds: int, start: int, end: int) -> Stretches:
    if when is not None:
        fixed = start if when == "start" else end if when == "end" else when
        at = np.full((1, 2), fixed, np.int64)
    found: Stretches = at - offset - np.array([seconds, 0])
    return found
