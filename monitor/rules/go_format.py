"""Go's ``fmt`` and Prometheus' humanising, for the values that templates know: str, float, int, bool and label maps.

Only what text templates of rules can reach. Formats are compared with promtool's output in tests/rules.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

GoValue = str | float | int | bool | Mapping[str, str]

_DIRECTIVE = re.compile(r"%(?P<flags>[-+# 0]*)(?P<width>\d+)?(?:\.(?P<precision>\d*))?(?P<verb>.)?", re.DOTALL)
VERBS: Mapping[str, str] = {"string": "vsqxX", "float": "vfFeEgG", "int": "vdqxXbocU", "bool": "vt", "map": "vs"}
"""The verbs that fit each kind of value."""


@dataclass(frozen=True, slots=True)
class Directive:
    """One ``%`` of a format: ``start`` is its offset; verb ``%`` takes no value, an empty verb is an unfinished directive."""

    start: int
    text: str
    flags: str
    width: int
    precision: int | None
    verb: str


def directives(pattern: str) -> list[Directive]:
    """The directives of a format, in order."""
    found = []
    for match in _DIRECTIVE.finditer(pattern):
        precision = match["precision"]
        found.append(
            Directive(
                match.start(),
                match.group(),
                match["flags"],
                int(match["width"] or 0),
                None if precision is None else int(precision or 0),
                match["verb"] or "",
            )
        )
    return found


def sprintf(pattern: str, *values: GoValue) -> str:
    """``fmt.Sprintf``, with its way to show a verb that does not fit, a missing value, and values too many."""
    out, at, used = [], 0, 0
    for d in directives(pattern):
        out.append(pattern[at : d.start])
        at = d.start + len(d.text)
        if d.verb == "%":
            out.append("%")
        elif d.verb == "":
            out.append("%!(NOVERB)")
        elif used >= len(values):
            out.append(f"%!{d.verb}(MISSING)")
        else:
            out.append(_one(d, values[used]))
            used += 1
    out.append(pattern[at:])
    if used < len(values):
        out.append("%!(EXTRA " + ", ".join(f"{go_type(v)}={plain(v)}" for v in values[used:]) + ")")
    return "".join(out)


def plain(value: GoValue) -> str:
    """``%v``: how a value stands in the text of a template."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return shortest(value)
    if isinstance(value, Mapping):
        return "map[" + " ".join(f"{k}:{v}" for k, v in sorted(value.items())) + "]"
    return str(value)


def sprint(*values: GoValue) -> str:
    """``fmt.Sprint``: a space only between two values that are both no strings."""
    out = ""
    for i, value in enumerate(values):
        if i and not isinstance(value, str) and not isinstance(values[i - 1], str):
            out += " "
        out += plain(value)
    return out


def kind(value: GoValue) -> str:
    """``bool``, ``int``, ``float``, ``string`` or ``map``."""
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, (int, float)):
        return type(value).__name__
    return "string" if isinstance(value, str) else "map"


def go_type(value: GoValue) -> str:
    names = {"float": "float64", "map": "map[string]string"}
    return names.get(kind(value), kind(value))


def shortest(value: float, upper: bool = False) -> str:
    """``%v`` of a float: the fewest digits that give the same float; an exponent below 1e-4 and from 1e6."""
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"
    sign = "-" if math.copysign(1, value) < 0 else ""
    mantissa, _, exponent = _shortest_parts(value)
    digits = mantissa.replace(".", "").rstrip("0") or "0"
    power = int(exponent)
    if power < -4 or power >= 6:
        tail = f".{digits[1:]}" if len(digits) > 1 else ""
        return f"{sign}{digits[0]}{tail}{'E' if upper else 'e'}{'-' if power < 0 else '+'}{abs(power):02d}"
    if power < 0:
        return f"{sign}0.{'0' * (-power - 1)}{digits}"
    whole = digits[: power + 1].ljust(power + 1, "0")
    return sign + whole + (f".{digits[power + 1 :]}" if len(digits) > power + 1 else "")


def _shortest_parts(value: float) -> tuple[str, str, str]:
    for precision in range(17):
        text = f"{abs(value):.{precision}e}"
        if float(text) == abs(value):
            return text.partition("e")
    return f"{abs(value):.17e}".partition("e")


# ---------------------------------------------------------------- one directive


def _one(d: Directive, value: GoValue) -> str:
    of = kind(value)
    if d.verb not in VERBS[of]:
        return f"%!{d.verb}({go_type(value)}={plain(value)})"
    if isinstance(value, (bool, Mapping)):
        return _pad(d, plain(value), numeric=False)
    if isinstance(value, str):
        return _pad(d, _string(d, value), numeric=False)
    if isinstance(value, float):
        return _pad(d, _signed(d, _float(d, value)), numeric=math.isfinite(value))
    return _pad(d, _signed(d, _integer(d, value)), numeric=True)


def _string(d: Directive, value: str) -> str:
    if d.precision is not None:
        value = value[: d.precision]
    if d.verb == "q":
        return quoted(value)
    if d.verb in "xX":
        return value.encode().hex() if d.verb == "x" else value.encode().hex().upper()
    return value


def _float(d: Directive, value: float) -> str:
    if not math.isfinite(value):
        return shortest(value)
    if d.verb in "vgG":
        if d.precision is None:
            return shortest(value, upper=d.verb == "G")
        return f"{value:.{d.precision}{'G' if d.verb == 'G' else 'g'}}"
    return f"{value:.{6 if d.precision is None else d.precision}{d.verb}}"


def _integer(d: Directive, value: int) -> str:
    if d.verb in "vd":
        return str(value)
    if d.verb in "xXbo":
        return f"{value:{d.verb}}"
    if d.verb == "U":
        return f"U+{value:04X}"
    return chr(value) if d.verb == "c" else f"'{chr(value)}'"


def _signed(d: Directive, text: str) -> str:
    sign = "+" if "+" in d.flags else " " if " " in d.flags else ""
    if text == "+Inf":
        return (sign or "+") + "Inf"
    return text if text.startswith("-") else sign + text


def _pad(d: Directive, text: str, numeric: bool) -> str:
    if "-" in d.flags:
        return text.ljust(d.width)
    if "0" in d.flags and numeric and text[:1] in ("+", "-", " "):
        return text[0] + text[1:].rjust(d.width - 1, "0")
    return text.rjust(d.width, "0" if "0" in d.flags and numeric else " ")


def quoted(value: str) -> str:
    """``strconv.Quote`` for printable text and the usual escapes."""
    return json.dumps(value, ensure_ascii=False)


# ---------------------------------------------------------------- Prometheus' humanising

_UP = ("k", "M", "G", "T", "P", "E", "Z", "Y")
_UP_1024 = ("ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi")
_DOWN = ("m", "u", "n", "p", "f", "a", "z", "y")


def humanize(value: float) -> str:
    """Four significant digits and an SI prefix."""
    if value == 0 or not math.isfinite(value):
        return _four(value)
    if abs(value) >= 1:
        return "".join(_scaled(value, _UP, 1000))
    return "".join(_scaled_down(value))


def humanize_1024(value: float) -> str:
    """Four significant digits and a binary prefix."""
    if abs(value) <= 1 or not math.isfinite(value):
        return _four(value)
    return "".join(_scaled(value, _UP_1024, 1024))


def humanize_duration(value: float) -> str:
    """Seconds as ``1d 2h 3m 4s``; below a minute four digits, below a second with an SI prefix."""
    if not math.isfinite(value):
        return _four(value)
    if value == 0:
        return "0s"
    if abs(value) < 1:
        return "".join(_scaled_down(value)) + "s"
    sign, size = ("-" if value < 0 else ""), abs(value)
    whole = int(size)
    days, hours, minutes, seconds = whole // 86400, whole // 3600 % 24, whole // 60 % 60, whole % 60
    if days:
        return f"{sign}{days}d {hours}h {minutes}m {seconds}s"
    if hours:
        return f"{sign}{hours}h {minutes}m {seconds}s"
    if minutes:
        return f"{sign}{minutes}m {seconds}s"
    return f"{sign}{_four(size)}s"


def humanize_percentage(value: float) -> str:
    """A ratio as per cent with four significant digits."""
    return _four(value * 100) + "%"


def humanize_timestamp(value: float) -> str:
    """Unix seconds as Go prints a time in UTC, to the millisecond. Raises OverflowError where int64 nanoseconds end (1677 and 2262)."""
    if not math.isfinite(value):
        return _four(value)
    nanoseconds = value * 1e9
    if not -(2.0**63) <= nanoseconds < 2.0**63:
        raise OverflowError(f"{plain(value)} cannot be told in nanoseconds")
    # Prometheus goes through float nanoseconds and cuts to milliseconds: 1793184000.25 is shown as .249
    milliseconds = math.trunc(nanoseconds) // 1_000_000 if nanoseconds >= 0 else -(-int(nanoseconds) // 1_000_000)
    when = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)
    fraction = f".{when.microsecond // 1000:03d}".rstrip("0") if when.microsecond else ""
    return f"{when:%Y-%m-%d %H:%M:%S}{fraction} +0000 UTC"


def _four(value: float) -> str:
    return sprintf("%.4g", value)


def _scaled(value: float, prefixes: tuple[str, ...], base: int) -> tuple[str, str]:
    prefix = ""
    for p in prefixes:
        if abs(value) < base:
            break
        prefix, value = p, value / base
    return _four(value), prefix


def _scaled_down(value: float) -> tuple[str, str]:
    prefix = ""
    for p in _DOWN:
        if abs(value) >= 1:
            break
        prefix, value = p, value * 1000
    return _four(value), prefix
