"""How the page says numbers, times and lengths of time."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from html import escape
from itertools import pairwise

_LENGTHS = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))
_COMPARED = {">": "above ", ">=": "from ", "<": "below ", "<=": "up to ", "==": "at ", "!=": "unless "}
_PLAIN = ("", "bool", "count")


def utc(timestamp: float | None) -> str:
    """A time for people: UTC to the second. A contract may give any number as a time: what is no date is shown as the number."""
    if timestamp is None:
        return "never"
    try:
        return datetime.fromtimestamp(timestamp, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (OverflowError, ValueError, OSError):
        return f"{timestamp:g} (no date)"


def clock(timestamp: float | None) -> str:
    """The time of day alone, UTC."""
    full = utc(timestamp)
    return full[11:] if full.endswith("UTC") else full


def number(value: float | None) -> str:
    """A sample for people; None is said, never shown as zero."""
    if value is None:
        return "unknown"
    if not math.isfinite(value) or value == 0:
        return str(value) if value else "0"
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:,.4f}" if 1e-3 <= abs(value) < 1e9 else f"{value:.6g}"


def amount(value: float | None, unit: str) -> tuple[str, str]:
    """A value and its unit as they are read best: ratios in per cent, seconds in their two largest units."""
    if value is None or not math.isfinite(value):
        return number(value), "" if value is None or unit in _PLAIN else unit
    if unit == "ratio":
        return (tiny(value), "") if 0 < abs(value) < 5e-9 else (_percent(value), "%")
    if unit == "seconds":
        return length(value), ""
    if unit == "timestamp":
        return utc(value), ""
    if unit == "" and abs(value) < 1e6:
        return f"{value:,.6f}".rstrip("0").rstrip("."), ""
    if unit in _PLAIN:
        return number(value), ""
    return _short(value), unit


def said(value: float | None, unit: str) -> str:
    """A value with its unit in one text."""
    return " ".join(amount(value, unit)).strip()


def limit(op: str, value: float, unit: str) -> str:
    """A comparison in words: ``above 1 %``."""
    text, of = amount(value, unit)
    short = re.sub(r"(\.\d*?)0+$", r"\1", text).rstrip(".") if of == "%" else text
    return f"{_COMPARED.get(op, op + ' ')}{short} {of}".strip()


def prose(text: str) -> str:
    """A sentence of a rule, escaped; what stands in back-ticks is code."""
    return re.sub("`([^`]{1,200})`", r"<code>\1</code>", escape(text))


def length(seconds: float) -> str:
    """A length of time in its two largest units: ``2 h 5 min``."""
    if not math.isfinite(seconds) or abs(seconds) > 1e12:
        return number(seconds) + " s"
    sign, rest = ("-" if seconds < 0 else ""), abs(seconds)
    if rest < 10:
        return f"{sign}{rest:.1f}".removesuffix(".0") + " s"
    for (size, name), (smaller, below) in pairwise(_LENGTHS):
        if rest >= size:
            whole, part = divmod(int(rest), size)
            return f"{sign}{whole} {name}" + (f" {part // smaller} {below}" if part >= smaller and whole < 10 else "")
    return f"{sign}{rest:.0f} s"


def labels(pairs: Mapping[str, str], without: tuple[str, ...] = ("alertname",)) -> str:
    """Label pairs in a line, escaped."""
    return escape(", ".join(f"{k}={v}" for k, v in pairs.items() if k not in without))


def _percent(value: float) -> str:
    per_cent = value * 100
    if 0 < abs(per_cent) < 1e-2:
        return f"{per_cent:.{4 if abs(per_cent) >= 1e-4 else 7}f}".rstrip("0")
    return f"{per_cent:,.2f}".removesuffix(".00") if per_cent else "0"


def tiny(value: float) -> str:
    """A very small or large number with few digits: ``1e-9``."""
    mantissa, _, power = f"{value:.3g}".partition("e")
    return f"{mantissa}e{int(power)}" if power else mantissa


def _short(value: float) -> str:
    if value == 0 or 1e-3 <= abs(value) < 1e5:
        return number(value) if value == int(value) else f"{value:,.2f}" if abs(value) >= 10 else f"{value:,.4g}"
    for size, name in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if size <= abs(value) < size * 1e5:
            return f"{value / size:,.2f} {name}"
    return tiny(value)
