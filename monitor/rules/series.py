"""promtool's notation of series in unit tests: ``1 2x3 0+10x5 _x2 stale``. ``axn`` and ``a+bxn`` give n + 1 samples, ``_xn`` none n times."""

from __future__ import annotations

import re
from dataclasses import dataclass

from monitor.model import Labels, labels
from monitor.promql import ParseError, Select, parse
from monitor.samples import NAME

MAX_SAMPLES = 100_000
_VALUE = r"[+-]?(?:\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?|[iI]nf|[nN]a[nN])"
_ITEM = re.compile(
    rf"(?P<blank>_)(?:x(?P<blanks>\d+))?|(?P<stale>stale)|(?P<start>{_VALUE})(?:(?P<sign>[+-])(?P<step>\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+))?(?:x(?P<times>\d+))?"
)


class NotationError(ValueError):
    """A series is not written in promtool's notation; ``offset`` is the character where it goes wrong."""

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(message)
        self.message, self.offset = message, offset


@dataclass(frozen=True, slots=True)
class InputSeries:
    """A family, its labels, and a value for each step; None where there is none."""

    family: str
    labels: Labels
    values: tuple[float | None, ...]


def series(text: str) -> tuple[str, Labels]:
    """Name and labels of ``name{a="b"}``. Raises NotationError."""
    try:
        expr = parse(text)
    except ParseError as error:
        raise NotationError(str(error), error.position or 0) from None
    if not isinstance(expr, Select) or expr.seconds is not None or expr.offset:
        raise NotationError("this is no series", 0)
    for matcher in expr.selector.matchers:
        if matcher.op != "=":
            raise NotationError(f'{matcher.name}{matcher.op}"{matcher.value}" is no label of a series', text.find(matcher.name))
    return expr.selector.family, labels({m.name: m.value for m in expr.selector.matchers})


def sample_labels(text: str) -> Labels:
    """Labels of an expected sample: ``name{a="b"}``, ``{a="b"}`` or ``{}``; with ``__name__`` if it has a name. Raises NotationError."""
    if text.strip() in ("", "{}"):
        return ()
    if text.lstrip().startswith("{"):
        return series("x" + text.lstrip())[1]
    name, found = series(text)
    return labels(dict(found) | {NAME: name})


def values(text: str) -> tuple[float | None, ...]:
    """The values of a series step by step. Raises NotationError."""
    found: list[float | None] = []
    for word in re.finditer(r"\S+", text):
        item = _ITEM.fullmatch(word.group())
        if item is None:
            raise NotationError(f'"{word.group()}" is no value', word.start())
        count = int(item["blanks"] or 1) if item["blank"] else int(item["times"] or 0) + 1
        if len(found) + count > MAX_SAMPLES:
            raise NotationError(f"more than {MAX_SAMPLES} samples", word.start())
        found += _expanded(item, word.start(), count)
    return tuple(found)


def _expanded(item: re.Match[str], offset: int, count: int) -> list[float | None]:
    if item["blank"] or item["stale"]:
        return [None] * count
    if item["step"] and item["times"] is None:
        raise NotationError(f'"{item.group()}" does not say how often', offset)
    start, step = float(item["start"]), float((item["sign"] or "+") + (item["step"] or "0"))
    found: list[float | None] = []
    for _ in range(count):  # by addition, as promtool does it, so that rounding agrees
        found.append(start)
        start += step
    return found
