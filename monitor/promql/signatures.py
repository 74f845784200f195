"""What functions take and give. What they do is in ``functions``; a function is supported if it stands in both."""

from __future__ import annotations

from dataclasses import dataclass

from monitor.promql.expr import Type


@dataclass(frozen=True, slots=True)
class Signature:
    """``optional``: how many of the last ``takes`` may be left out. ``more``: any number of further arguments have this type.

    ``keeps_name``: the result is still the same metric.
    """

    takes: tuple[Type, ...]
    gives: Type = "vector"
    optional: int = 0
    keeps_name: bool = False
    more: Type | None = None


_EACH = Signature(("vector",))
_OVER_TIME = Signature(("matrix",))
_DATE = Signature(("vector",), optional=1)
_ORDERED = Signature(("vector",), keeps_name=True)

SIGNATURES: dict[str, Signature] = {
    "abs": _EACH,
    "ceil": _EACH,
    "exp": _EACH,
    "floor": _EACH,
    "ln": _EACH,
    "log10": _EACH,
    "log2": _EACH,
    "sgn": _EACH,
    "sqrt": _EACH,
    "round": Signature(("vector", "scalar"), optional=1),
    "clamp": Signature(("vector", "scalar", "scalar")),
    "clamp_max": Signature(("vector", "scalar")),
    "clamp_min": Signature(("vector", "scalar")),
    **dict.fromkeys(("acos", "acosh", "asin", "asinh", "atan", "atanh", "cos", "cosh", "deg", "rad", "sin", "sinh", "tan", "tanh"), _EACH),
    **dict.fromkeys(("day_of_month", "day_of_week", "day_of_year", "days_in_month", "hour", "minute", "month", "year"), _DATE),
    "absent": _EACH,
    "absent_over_time": _OVER_TIME,
    "scalar": Signature(("vector",), "scalar"),
    "vector": Signature(("scalar",)),
    "time": Signature((), "scalar"),
    "pi": Signature((), "scalar"),
    "timestamp": _EACH,
    "sort": _ORDERED,
    "sort_desc": _ORDERED,
    "label_join": Signature(("vector", "string", "string"), keeps_name=True, more="string"),
    "label_replace": Signature(("vector", "string", "string", "string", "string"), keeps_name=True),
    "avg_over_time": _OVER_TIME,
    "changes": _OVER_TIME,
    "count_over_time": _OVER_TIME,
    "delta": _OVER_TIME,
    "deriv": _OVER_TIME,
    "idelta": _OVER_TIME,
    "increase": _OVER_TIME,
    "irate": _OVER_TIME,
    "last_over_time": Signature(("matrix",), keeps_name=True),
    "max_over_time": _OVER_TIME,
    "min_over_time": _OVER_TIME,
    "predict_linear": Signature(("matrix", "scalar")),
    "present_over_time": _OVER_TIME,
    "quantile_over_time": Signature(("scalar", "matrix")),
    "rate": _OVER_TIME,
    "resets": _OVER_TIME,
    "stddev_over_time": _OVER_TIME,
    "stdvar_over_time": _OVER_TIME,
    "sum_over_time": _OVER_TIME,
}
