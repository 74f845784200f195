"""Arithmetic and comparison, element by element, with what they do to known and unknown."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from monitor.promql.expr import COMPARISON
from monitor.samples.vector import Bools, Floats

ARITHMETIC: dict[str, Callable[[Floats, Floats], Floats]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "%": np.fmod,
    "^": np.power,
    "atan2": np.arctan2,
}
_COMPARE: dict[str, Callable[[Floats, Floats], Bools]] = {
    "==": np.equal,
    "!=": np.not_equal,
    ">": np.greater,
    "<": np.less,
    ">=": np.greater_equal,
    "<=": np.less_equal,
}


def keeps_name(op: str, as_bool: bool) -> bool:
    """Whether the result is still a value of the left metric: only of a comparison that filters."""
    return op in COMPARISON and not as_bool


def apply(op: str, left: Floats, right: Floats, known: Bools, as_bool: bool, shown: Floats) -> tuple[Floats, Bools, Bools | None]:
    """Values, known, and which elements stay (None: all), of ``left op right`` where ``known`` says that both are known.

    A comparison with a NaN is unknown. A filter keeps the values of ``shown``.
    """
    with np.errstate(all="ignore"):
        if op in ARITHMETIC:
            return ARITHMETIC[op](left, right), known, None
        true = _COMPARE[op](left, right)
    known = known & ~(np.isnan(left) | np.isnan(right))
    if as_bool:
        return true.astype(np.float64), known, None
    return shown, known, true | ~known
