"""What an expression comes to, and the error for one that comes to nothing."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scalar:
    """A number that may be unknown; the value of an unknown one means nothing."""

    value: float
    known: bool = True


class EvaluationError(ValueError):
    """An expression that parses but cannot be evaluated over the data that is there."""
