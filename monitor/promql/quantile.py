"""Quantiles of groups of values, as Prometheus interpolates them (promql/quantile.go)."""

from __future__ import annotations

import numpy as np

from monitor.samples.table import Rows
from monitor.samples.vector import Floats


def quantiles(phi: float, values: Floats, of: Rows, groups: int) -> Floats:
    """The ``phi``-quantile of each group's values (``of[i]``: the group of value i), between neighbours linearly.

    NaN counts as the smallest value. NaN for a group without values; -Inf for ``phi`` below 0, +Inf above 1.
    """
    sizes = np.bincount(of, minlength=groups)
    if not 0 <= phi <= 1:  # NaN too
        return np.where(sizes > 0, np.nan if np.isnan(phi) else np.copysign(np.inf, phi), np.nan)
    number = ~np.isnan(values)
    ordered = np.append(values[np.lexsort((np.where(number, values, 0.0), number, of))], np.nan)
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    rank = phi * np.maximum(sizes - 1, 0)
    low = np.floor(rank).astype(np.intp)
    high = np.minimum(low + 1, np.maximum(sizes - 1, 0))
    weight = rank - low
    found = ordered[starts + low] * (1 - weight) + ordered[starts + high] * weight
    return np.where(sizes > 0, found, np.nan)
