"""What functions take and give. What they do is in ``functions``; a function is supported if it stands in both."""

from __future__ import annotations

from dataclasses import dataclass

from monitor.promql.expr import Type


@dataclass(frozen=True, slots=True)
class Signature:
    """``optional``: how many of the last ``takes`` may be left out. ``keeps_name``: the result is still the same metric."""

    takes: tuple[Type, ...]
    gives: Type = "vector"
    optional: int = 0
    keeps_name: bool = False


_EACH = Signature(("vector",))
_OVER_TIME = Signature(("matrix",))

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
    "absent": _EACH,
    "absent_over_time": _OVER_TIME,
    "scalar": Signature(("vector",), "scalar"),
    "vector": Signature(("scalar",)),
    "time": Signature((), "scalar"),
    "avg_over_time": _OVER_TIME,
    "changes": _OVER_TIME,
    "count_over_time": _OVER_TIME,
    "delta": _OVER_TIME,
    "increase": _OVER_TIME,
    "last_over_time": Signature(("matrix",), keeps_name=True),
    "max_over_time": _OVER_TIME,
    "min_over_time": _OVER_TIME,
    "present_over_time": _OVER_TIME,
    "rate": _OVER_TIME,
    "resets": _OVER_TIME,
    "stddev_over_time": _OVER_TIME,
    "stdvar_over_time": _OVER_TIME,
    "sum_over_time": _OVER_TIME,
}
