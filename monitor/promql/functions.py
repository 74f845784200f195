"""Functions of instant vectors that look at one element at a time, as data: a name and what it does to the values."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from monitor.samples.vector import Bools, Floats

Each = Callable[..., Floats]
"""Takes the values, then a float for each further parameter."""


_LAST_MOMENT = 1e13
"""Seconds; a value beyond is no point in time that anybody means."""


def _round(values: Floats, to: float = 1.0) -> Floats:
    """To the nearest multiple of ``to``, halves up, as Prometheus does."""
    inverse = np.divide(1.0, to)
    found: Floats = np.floor(values * inverse + 0.5) / inverse
    return found


def _clamp(values: Floats, low: float, high: float) -> Floats:
    found: Floats = np.maximum(low, np.minimum(high, values))
    return found


def _moments(values: Floats) -> tuple[Bools, NDArray[np.datetime64]]:
    """Unix seconds as moments in UTC, and which values are such."""
    real = np.isfinite(values) & (np.abs(values) < _LAST_MOMENT)
    return real, np.trunc(np.where(real, values, 0)).astype(np.int64).astype("datetime64[s]")


def _date(part: Callable[[NDArray[np.datetime64]], NDArray[np.int64]]) -> Each:
    """A part of the date of Unix seconds; NaN for what is no moment."""

    def function(values: Floats) -> Floats:
        real, moments = _moments(values)
        return np.where(real, part(moments).astype(np.float64), np.nan)

    return function


def _since(small: str, large: str) -> Callable[[NDArray[np.datetime64]], NDArray[np.int64]]:
    """Whole units since the larger unit began, from 0."""

    def function(t: NDArray[np.datetime64]) -> NDArray[np.int64]:
        start = t.astype(f"datetime64[{large}]").astype(f"datetime64[{small}]")
        found: NDArray[np.int64] = (t.astype(f"datetime64[{small}]") - start).astype(np.int64)
        return found

    return function


def _days_in_month(t: NDArray[np.datetime64]) -> NDArray[np.int64]:
    month = t.astype("datetime64[M]")
    found: NDArray[np.int64] = ((month + 1).astype("datetime64[D]") - month.astype("datetime64[D]")).astype(np.int64)
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
    "acos": np.arccos,
    "acosh": np.arccosh,
    "asin": np.arcsin,
    "asinh": np.arcsinh,
    "atan": np.arctan,
    "atanh": np.arctanh,
    "cos": np.cos,
    "cosh": np.cosh,
    "sin": np.sin,
    "sinh": np.sinh,
    "tan": np.tan,
    "tanh": np.tanh,
    "deg": np.degrees,
    "rad": np.radians,
    "day_of_month": _date(lambda t: _since("D", "M")(t) + 1),
    "day_of_week": _date(lambda t: (t.astype("datetime64[D]").astype(np.int64) + 4) % 7),
    "day_of_year": _date(lambda t: _since("D", "Y")(t) + 1),
    "days_in_month": _date(_days_in_month),
    "hour": _date(_since("h", "D")),
    "minute": _date(_since("m", "h")),
    "month": _date(lambda t: _since("M", "Y")(t) + 1),
    "year": _date(lambda t: t.astype("datetime64[Y]").astype(np.int64) + 1970),
}
DATES = ("day_of_month", "day_of_week", "day_of_year", "days_in_month", "hour", "minute", "month", "year")
"""Without an argument: of the time of evaluation."""
