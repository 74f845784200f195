"""An expression as text again, and numbers as Prometheus writes them."""

from __future__ import annotations

import math
from decimal import Decimal

from monitor.promql.expr import Aggregate, Binary, Call, Expr, Matching, Number, Paren, Select, String, Subquery, Unary, When

_UNITS = (("w", 604_800), ("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1))


def number(value: float) -> str:
    """A float in full, without an exponent: Go's format ``f`` with the fewest digits."""
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"
    text = format(Decimal(repr(value)), "f")
    return text.removesuffix(".0")


def duration(seconds: int) -> str:
    """A duration as PromQL writes it, such as ``1h30m``."""
    if seconds == 0:
        return "0s"
    out, rest = "", seconds
    for unit, size in _UNITS:
        if rest >= size and (unit != "w" or rest % size == 0):
            out += f"{rest // size}{unit}"
            rest %= size
    return out


def written(expr: Expr) -> str:
    """The expression on one line, in the usual form; parsed again it means the same."""
    match expr:
        case Number(value):
            return number(value) if math.isfinite(value) else number(value).replace("+", "")
        case String(value):
            return _quoted(value)
        case Select(selector, seconds, offset, _, when):
            return str(selector) + ("" if seconds is None else f"[{duration(seconds)}]") + _moved(offset, when)
        case Subquery(of, seconds, step, offset, when):
            return f"{written(of)}[{duration(seconds)}:{duration(step) if step else ''}]" + _moved(offset, when)
        case Paren(of):
            return f"({written(of)})"
        case Unary(op, of):
            return op + written(of)
        case Call(function, arguments):
            return f"{function}({', '.join(map(written, arguments))})"
        case Aggregate(op, of, labels, by, parameter):
            grouping = f" {'by' if by else 'without'} ({', '.join(sorted(labels))}) " if labels or not by else ""
            inner = ", ".join(written(part) for part in (parameter, of) if part is not None)
            return f"{op}{grouping}({inner})"
        case Binary(op, left, right, as_bool, matching):
            return f"{written(left)} {op}{' bool' if as_bool else ''}{_matching(matching)} {written(right)}"


def _matching(matching: Matching) -> str:
    if matching == Matching():
        return ""
    text = f" {'on' if matching.on else 'ignoring'} ({', '.join(sorted(matching.labels))})"
    if matching.card != "one-to-one":
        text += f" {'group_left' if matching.card == 'many-to-one' else 'group_right'} ({', '.join(matching.include)})"
    return text


def _moved(offset: int, when: When) -> str:
    pinned = "" if when is None else f" @ {when}()" if isinstance(when, str) else f" @ {when}.000"
    return pinned + (f" offset {'-' if offset < 0 else ''}{duration(abs(offset))}" if offset else "")


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
