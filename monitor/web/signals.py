"""Each signal of each protocol as a tile: its value now, its course with the nearest thresholds, how fresh it is, what alerts about it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from monitor.web.charts import SIGNALS
from monitor.web.view import ChartView, Threshold
from monitor.web.words import amount, length, limit, said

WIDTH, HEIGHT, MARGIN = 240.0, 46.0, 5.0
_HUGE = 1e300
"""What is farther from zero is drawn as this: differences stay finite."""
_RANK = {"page": 0, "ticket": 1, "info": 2}


def sections(charts: Sequence[ChartView]) -> str:
    """All tiles, a heading for each protocol; signals in their order."""
    if not charts:
        return ""
    parts = []
    for protocol in dict.fromkeys(c.protocol for c in sorted(charts, key=lambda c: c.protocol == "ethereum")):
        of = [c for c in charts if c.protocol == protocol]
        unknown = sum(c.state == "unknown" for c in of)
        count = f"{len(of)} charts" + (f", <span class=warn>{unknown} unknown</span>" if unknown else "")
        parts.append(f"<h2>{escape(protocol.capitalize())} <small>{count}</small></h2>")
        tiles = "".join(tile(c) for c in sorted(of, key=lambda c: _order(c.signal)))
        parts.append(f"<div class=grid>{tiles}</div>")
    return "".join(parts)


def tile(chart: ChartView) -> str:
    """One chart. What is unknown or absent is said in words, never drawn as zero."""
    firing = sorted((a for a in chart.alerts if a[1] == "firing"), key=lambda a: _RANK.get(a[2], 3))
    kind = firing[0][2] if firing and firing[0][2] in _RANK else "unknown" if chart.state == "unknown" else ""
    return (
        f"<div class='tile {kind}' title='{escape(chart.family)}'><span class=name><b>{escape(chart.signal)}</b> {escape(chart.title)}</span>"
        f"<span class=now>{_now(chart)}</span>{spark(chart)}<span class=foot>{_foot(chart, firing)}</span></div>"
    )


def _now(chart: ChartView) -> str:
    if chart.state == "unknown":
        return "<span class=warn>unknown</span>"
    if chart.state == "absent":
        return "<span class=dim>none</span>"
    if chart.unit == "bool" and chart.family.endswith("_approved"):
        return "yes" if chart.value else "<span class=bad>no</span>"
    value, unit = amount(chart.value, chart.unit)
    return escape(value) + (f" <small>{escape(unit)}</small>" if unit else "")


def _foot(chart: ChartView, firing: Sequence[tuple[str, str, str]]) -> str:
    if firing:
        first = f"<span class=bad>{escape(', '.join(dict.fromkeys(a[0] for a in firing)))}</span>"
    elif chart.state == "unknown":
        first = f"<span>{escape(chart.why)}</span>"
    else:
        first = f"<span>{escape(limits(chart))}</span>"
    age = "never read" if chart.age_seconds is None else f"{length(chart.age_seconds)} old"
    return first + f"<span>{escape(age)}</span>"


def limits(chart: ChartView) -> str:
    """The thresholds next to the value, in words: ``alert below -0.5 %``."""
    found = nearest(chart)
    if len(found) == 2 and found[0].value == -found[1].value:
        return f"alert beyond \u00b1{limit('', abs(found[0].value), chart.unit).strip()}"
    return "alert " + ", ".join(limit(t.op, t.value, chart.unit) for t in found) if found else ""


def nearest(chart: ChartView) -> list[Threshold]:
    """Of the thresholds above and below the value the nearest one each; those already passed count too."""
    usable = [t for t in chart.thresholds if math.isfinite(t.value)]
    if chart.value is None or not math.isfinite(chart.value):
        return usable[:2]
    value = chart.value

    def nearness(t: Threshold) -> tuple[bool, float]:
        return _passed(t, value), abs(t.value - value)

    above = sorted((t for t in usable if t.op in (">", ">=")), key=nearness)
    below = sorted((t for t in usable if t.op in ("<", "<=")), key=nearness)
    others = [t for t in usable if t.op in ("==", "!=")]
    return [*above[:1], *below[:1], *(others[:1] if not above and not below else [])]


def _passed(threshold: Threshold, value: float) -> bool:
    """A threshold that was passed matters less than the next one to come."""
    return value > threshold.value if threshold.op in (">", ">=") else value < threshold.value


def spark(chart: ChartView) -> str:
    """The course as SVG: pieces of a line, dashed thresholds, and a shade where nothing was known at the end."""
    lines = [[(t, min(max(v, -_HUGE), _HUGE)) for t, v in line] for line in chart.lines]
    points = [p for line in lines for p in line]
    drawn = [t for t in nearest(chart) if t.op not in ("==", "!=")]
    told = f"{chart.title}: the last {length(chart.ends - chart.begins)}"
    if not points:
        return f"<svg class=spark viewBox='0 0 {WIDTH:g} {HEIGHT:g}' preserveAspectRatio=none role=img aria-label='{escape(told)}: nothing known'></svg>"
    low, high = _range([p[1] for p in points], [min(max(t.value, -_HUGE), _HUGE) for t in drawn])

    def x(time: float) -> float:
        return (max(time, chart.begins) - chart.begins) / max(chart.ends - chart.begins, 1) * WIDTH

    def y(value: float) -> float:
        share = min(max((value - low) / (high - low), 0.0), 1.0)
        return HEIGHT - MARGIN - share * (HEIGHT - 2 * MARGIN)

    shapes = []
    last = lines[-1][-1]
    if chart.state == "unknown":
        shapes.append(f"<rect class=gap x='{x(last[0]):.1f}' y=0 width='{max(WIDTH - x(last[0]), 2):.1f}' height='{HEIGHT:g}' />")
    for line in lines:
        path = " ".join(f"{x(t):.1f},{y(v):.1f}" for t, v in line)
        if len(line) > 1:
            shapes.append(f"<polygon class=area points='{x(line[0][0]):.1f},{HEIGHT:g} {path} {x(line[-1][0]):.1f},{HEIGHT:g}' />")
            shapes.append(f"<polyline class=line points='{path}' />")
    shapes += [
        f"<line class='limit {escape(t.severity)}' x1=0 x2='{WIDTH:g}' y1='{y(t.value):.1f}' y2='{y(t.value):.1f}' />" for t in drawn
    ]
    shapes.append(f"<line class=dot x1='{x(last[0]):.1f}' x2='{x(last[0]):.1f}' y1='{y(last[1]):.1f}' y2='{y(last[1]):.1f}' />")
    values = [p[1] for p in points]
    extent = f", from {said(min(values), chart.unit)} to {said(max(values), chart.unit)}"
    return (
        f"<svg class=spark viewBox='0 0 {WIDTH:g} {HEIGHT:g}' preserveAspectRatio=none role=img aria-label='{escape(told + extent)}'>"
        f"{''.join(shapes)}</svg>"
    )


def _range(values: Sequence[float], thresholds: Sequence[float]) -> tuple[float, float]:
    """Lowest and highest value of the picture. Nearly equal values make a flat line, not a picture of rounding."""
    low, high = min((*values, *thresholds)), max((*values, *thresholds))
    scale = max(abs(low), abs(high), 1e-300)
    if high - low < 1e-9 * scale:
        middle = low / 2 + high / 2
        room = max(abs(middle) / 2, 1e-12)
        return middle - room, middle + room
    return low, high


def _order(signal: str) -> int:
    return SIGNALS.index(signal) if signal in SIGNALS else len(SIGNALS)
