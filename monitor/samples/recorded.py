"""How a recording rule's result is kept as a frame, with what was unknown in it.

A recorded result is an ok frame of the rule: a scope of its own, the recorded series as its layout. An unknown element has the
value ``UNKNOWN`` (a NaN with a payload of its own, which storing the bytes of a float keeps). What may be missing from the
result stands in the layout as well: a series with the label ``__missing__`` for each entry. So a frame says by itself
what was unknown, wherever it is stored, and the window gives the same known, unknown and missing back.
"""

from __future__ import annotations

import numpy as np

from monitor.model import BlockStamp, Frame, Labels, Moment, Series, labels, ok_frame
from monitor.samples.selector import NAME
from monitor.samples.vector import UNKNOWN, Vector

MARK = "__missing__"


def recorder(rule: str) -> str:
    """The collector's name of a recording rule's frames."""
    return f"rules:{rule}"


def recorded_scope(record: str, static: Labels = ()) -> Labels:
    """The scope of a recording rule: all that its series are sure to have in common."""
    return labels(dict(static) | {NAME: record})


def recorded_frame(rule: str, record: str, static: Labels, result: Vector, at: BlockStamp, admitted: Moment | None = None) -> Frame:
    """The frame of a recording rule's result. Raises ValueError if two elements get the same labels."""

    def series(row: Labels) -> Series:
        return Series(record, labels({k: v for k, v in row if k != NAME} | dict(static)))

    rows = [series(row) for row in result.labels.rows]
    values = np.where(result.known, result.values, UNKNOWN)
    samples = list(zip(rows, values.tolist(), strict=True))
    samples += [(Series(record, labels(dict(series(entry).labels) | {MARK: "1"})), 0.0) for entry in result.missing]
    return ok_frame(recorder(rule), recorded_scope(record, static), at, samples, admitted=admitted)


def missing_entry(series: Series) -> Labels:
    """The entry of ``Vector.missing`` that a marker series of a recorded frame stands for."""
    return labels({k: v for k, v in series.labels if k != MARK} | {NAME: series.family})
