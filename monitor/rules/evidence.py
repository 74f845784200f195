"""A digest of what made a transition: the rule, the moment, the alert's labels, and every sample that the rule could see."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any

import numpy as np

from monitor.model import Hash, Labels, Moment, Tick
from monitor.promql import spans
from monitor.promql.expr import Select
from monitor.rules.files import Rule
from monitor.samples import FrameWindow


def seen_samples(rule: Rule, window: FrameWindow, at: int) -> str:
    """A digest of every sample that the rule could see at a time: the same for all its alerts, so make it once. Floats go in by their bits."""
    return _sha256([_samples(select, seconds, window, at) for select, seconds in spans(rule.expr)])


def evidence(rule: Rule, samples: str, at: Moment, labels: Labels) -> Hash:
    """sha256 over canonical JSON; who holds the same frames and rules computes the same digest. ``samples`` is from :func:`seen_samples`."""
    body = {
        "rule": rule.identity,
        "at": [at.timestamp, at.last.hash if isinstance(at, Tick) else at.hash],
        "labels": labels,
        "samples": samples,
    }
    return Hash("0x" + _sha256(body))


def _sha256(body: Any) -> str:
    return hashlib.sha256(json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()).hexdigest()


def _samples(select: Select, reach: int, window: FrameWindow, now: int) -> list[Any]:
    """``reach``: seconds before now that the rule sees of it, more than the selector's own inside a subquery."""
    at = now - select.offset
    if select.selector.family not in window.catalogue:
        return [str(select.selector), at, "no such family"]
    if reach > (select.seconds or 0) + select.offset:
        select = replace(select, seconds=reach, offset=0)
        at = now
    if select.seconds is None:
        vector = window.instant(select.selector, at)
        rows = sorted(
            (row, v.hex(), k) for row, v, k in zip(vector.labels.rows, vector.values.tolist(), vector.known.tolist(), strict=True)
        )
        return [str(select.selector), at, rows, sorted(vector.missing)]
    matrix = window.range(select.selector, at, select.seconds)
    columns = sorted((row, _digest(matrix.values[:, i]), bool(matrix.known[i])) for i, row in enumerate(matrix.labels.rows))
    return [str(select.selector), at, select.seconds, matrix.times.tolist(), columns, sorted(matrix.missing)]


def _digest(values: np.ndarray[Any, np.dtype[np.float64]]) -> str:
    return hashlib.sha256(np.ascontiguousarray(values, dtype="<f8").tobytes()).hexdigest()
