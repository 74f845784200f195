"""Functions of instant vectors that look at one element at a time, as data: a name and what it does to the values."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from monitor.samples.vector import Floats

Each = Callable[..., Floats]
"""Takes the values, then a float for each further parameter."""


def _round(values: Floats, to: float = 1.0) -> Floats:
    """To the nearest multiple of ``to``, halves up, as Prometheus does."""
    inverse = np.divide(1.0, to)
    found: Floats = np.floor(values * inverse + 0.5) / inverse
    return found


def _clamp(values: Floats, low: float, high: float) -> Floats:
    found: Floats = np.maximum(low, np.minimum(high, values))
    return found


EACH: dict[str, Each] = {
    "abs": np.abs,
    "ceil": np.ceil,
    "exp": np.exp,
    "floor": np.floor,
    "ln": np.log,
    "log10": np.log10,
    "log2": np.log2,
    "sgn": np.sign,
    "sqrt": np.sqrt,
    "round": _round,
    "clamp": _clamp,
    "clamp_max": np.minimum,
    "clamp_min": np.maximum,
}
