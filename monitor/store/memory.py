"""What a process remembers of committed rows, so that a block need not be read back to write the next one."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from monitor.model import Labels, LayoutId


@dataclass(frozen=True, slots=True, eq=False)
class Base:
    """A committed full row of values that later frames of the scope are written against."""

    id: int
    layout: LayoutId
    values: NDArray[np.uint64]
    size: int
    timestamp: int


@dataclass(slots=True)
class Memory:
    """``bases`` by collector and scope."""

    bases: dict[tuple[str, Labels], Base] = field(default_factory=dict)
