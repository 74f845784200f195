"""Prometheus' text exposition format, version 0.0.4, of our own metrics."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from monitor.model import Labels


@dataclass(frozen=True, slots=True)
class Sample:
    """One sample of a family; samples of one family must follow each other."""

    name: str
    kind: Literal["gauge", "counter"]
    help: str
    labels: Labels
    value: float


def exposition(samples: Iterable[Sample]) -> str:
    """The text that Prometheus scrapes; HELP and TYPE once a family."""
    lines: list[str] = []
    last = None
    for s in samples:
        if s.name != last:
            lines.append(f"# HELP {s.name} {_escape(s.help)}")
            lines.append(f"# TYPE {s.name} {s.kind}")
            last = s.name
        pairs = ",".join(f'{k}="{_escape(v, quote=True)}"' for k, v in s.labels)
        lines.append(f"{s.name}{{{pairs}}} {number_text(s.value)}" if pairs else f"{s.name} {number_text(s.value)}")
    return "\n".join(lines) + "\n"


def _escape(text: str, quote: bool = False) -> str:
    text = text.replace("\\", r"\\").replace("\n", r"\n")
    return text.replace('"', r"\"") if quote else text


def number_text(value: float) -> str:
    """A float as Prometheus writes it."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)
