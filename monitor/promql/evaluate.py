"""Evaluation of an expression at one time, with three truths. Pure: the window and the time decide the result.

An element is known (K) or unknown (U): an unknown one may have any value, or be gone. ``Vector.missing`` says which further
elements could be there unseen; a vector without such is complete. What each operation makes of it:

| operation | rule |
| --- | --- |
| arithmetic, functions | any U operand: U. NaN is a value of its own but compares to U |
| comparison | U or NaN operand: U, the element is kept as U; else as Prometheus |
| aggregation | any U member, or one that could be missing from the group: U |
| ``and`` | right group has a K: left's state; only U: U; empty: dropped |
| ``unless`` | right group has a K: dropped; only U: U; empty: left's state |
| ``or`` | right elements whose left group has a K: dropped; whose left group has only U: U |
| ``topk``, ``bottomk`` | a K that is among them whatever the U and unseen members of its group are: K; one that as many K go before: dropped; else U |
| ``count_values`` | U members, and unseen ones, may have any value: every count of their group is U |
| ``absent`` | any K: empty; only U, or incomplete: U |
| ``scalar`` | one K and complete: its value; any U, or incomplete: unknown; else NaN |
| range selector | U if its end is not fresh, or covered by less than the family's ``coverage`` |
| subquery | a series that is U at one step, or could be there unseen: U |
| incomplete side of a match | counts as a U element in every group that a missing element could belong to |
| duplicate on the "one" side | that match group: U, the rest is judged |
| elements that come to have equal labels | one element, U |

What an operation does to labels it does to the entries of ``missing`` too, so that a scope that is blind for one protocol
leaves the groups of the others known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from monitor.promql.aggregate import aggregate
from monitor.promql.calls import call
from monitor.promql.expr import RANKING, SET, Aggregate, Binary, Call, Expr, Number, Paren, Select, String, Subquery, Unary, When, bare
from monitor.promql.matching import combine, combine_sets
from monitor.promql.operators import apply, keeps_name
from monitor.promql.ranking import count_values, ranked
from monitor.promql.steps import Grid, multiples, over
from monitor.promql.unseen import unnamed
from monitor.promql.value import EvaluationError, Scalar
from monitor.samples import Matrix, Selector, Vector

MAX_SAMPLES = 50_000_000
"""Samples that one selector may load; Prometheus' own limit."""


class Window(Protocol):
    """What evaluation needs of ``samples.FrameWindow``."""

    def instant(self, selector: Selector, at: int) -> Vector: ...
    def range(self, selector: Selector, at: int, seconds: int) -> Matrix: ...
    def spoken(self, selector: Selector, at: int) -> Vector: ...


def evaluate(expr: Expr, window: Window, at: int) -> Vector | Scalar:
    """The value of an expression at a block time.

    Raises EvaluationError for a range or a string (they have no value at one time), when a function would give two elements the same
    labels, or when too many samples are asked for; UnknownFamily for a metric that the catalogue does not have.
    """
    return _Run(window, at, at).value(expr, at)


def evaluate_steps(expr: Expr, window: Window, times: Sequence[int], whole: tuple[int, int] | None = None) -> Grid:
    """The values of an expression at each of the times, ascending, at least one. Raises as ``evaluate`` does.

    ``whole``: the start and end that the query names, where these times are not they.
    """
    run = _Run(window, *(whole or (times[0], times[-1])))
    return over(times, lambda at: run.value(expr, at))


def matrix(expr: Expr, window: Window, at: int) -> Matrix:
    """The samples of a range selector or subquery at a block time. Raises EvaluationError for other expressions, or for too many samples."""
    return _Run(window, at, at).matrix(expr, at)


@dataclass(frozen=True, slots=True)
class _Run:
    """One query: its window, and the first and last time that it is asked for."""

    window: Window
    start: int
    end: int

    def value(self, expr: Expr, at: int) -> Vector | Scalar:
        match expr:
            case Number(value):
                return Scalar(value)
            case Paren(of):
                return self.value(of, at)
            case Select(selector, None):
                return self.window.instant(selector, self.ends(expr, at))
            case Unary(_, of):
                return _negated(self.value(of, at))
            case Binary():
                return _binary(expr, self.value(expr.left, at), self.value(expr.right, at))
            case Aggregate():
                return self._aggregate(expr, at)
            case Call(function, arguments):
                return call(self, function, arguments, at)
            case Select() | Subquery() | String():
                raise EvaluationError("a range or a string has no value at one time; use a function over time")

    def vector(self, expr: Expr, at: int) -> Vector:
        value = self.value(expr, at)
        assert isinstance(value, Vector)  # types are checked at parse
        return value

    def scalar(self, expr: Expr, at: int) -> Scalar:
        value = self.value(expr, at)
        assert isinstance(value, Scalar)  # types are checked at parse
        return value

    def matrix(self, expr: Expr, at: int) -> Matrix:
        of = bare(expr)
        if isinstance(of, Subquery):
            until = self.ends(of, at)
            return over(multiples(until - of.seconds, until, of.every), lambda time: self.value(of.of, time)).matrix()
        if not isinstance(of, Select) or of.seconds is None:
            raise EvaluationError("only a range selector has samples, e.g. up[5m]")
        found = self.window.range(of.selector, self.ends(of, at), of.seconds)
        if found.values.size > MAX_SAMPLES:
            raise EvaluationError(f"{of.selector}[{of.seconds}s] has {found.values.size} samples, at most {MAX_SAMPLES} may be loaded")
        return found

    def spoken(self, of: Select, at: int) -> Vector:
        """The selector's elements, each with the time that its sample speaks for."""
        return self.window.spoken(of.selector, self.ends(of, at))

    def ends(self, of: Select | Subquery, at: int) -> int:
        """The time at which a selector or subquery is asked."""
        return self._when(of.when, at) - of.offset

    def _when(self, when: When, at: int) -> int:
        match when:
            case None:
                return at
            case "start":
                return self.start
            case "end":
                return self.end
        return when

    def _aggregate(self, expr: Aggregate, at: int) -> Vector:
        of = self.vector(expr.of, at)
        if isinstance(expr.parameter, String):
            return count_values(of, expr.parameter.value, expr.labels, expr.by)
        parameter = Scalar(0.0) if expr.parameter is None else self.scalar(expr.parameter, at)
        if expr.op in RANKING:
            return ranked(expr.op, of, parameter, expr.labels, expr.by)
        return aggregate(expr.op, of, expr.labels, expr.by, parameter)


# ---------------------------------------------------------------- operators


def _negated(value: Vector | Scalar) -> Vector | Scalar:
    if isinstance(value, Scalar):
        return Scalar(-value.value, value.known)
    return unnamed(value, -value.values, value.known)


def _binary(expr: Binary, left: Vector | Scalar, right: Vector | Scalar) -> Vector | Scalar:
    if isinstance(left, Vector) and isinstance(right, Vector):
        if expr.op in SET:
            return combine_sets(expr.op, left, right, expr.matching)
        return combine(expr.op, left, right, expr.as_bool, expr.matching)
    if isinstance(left, Scalar) and isinstance(right, Scalar):
        a, b = np.array([left.value]), np.array([right.value])
        values, known, _ = apply(expr.op, a, b, np.array([left.known and right.known]), True, a)
        return Scalar(float(values[0]), bool(known[0]))
    if isinstance(left, Vector) and isinstance(right, Scalar):
        return _with_scalar(expr, left, right, scalar_first=False)
    assert isinstance(left, Scalar)
    assert isinstance(right, Vector)
    return _with_scalar(expr, right, left, scalar_first=True)


def _with_scalar(expr: Binary, vector: Vector, scalar: Scalar, scalar_first: bool) -> Vector:
    """A vector with a number: a filter shows the vector's values, whichever side it stands on."""
    number = np.full(len(vector), scalar.value)
    left, right = (number, vector.values) if scalar_first else (vector.values, number)
    values, known, stays = apply(expr.op, left, right, vector.known & scalar.known, expr.as_bool, vector.values)
    if not keeps_name(expr.op, expr.as_bool):
        return unnamed(vector, values, known)
    assert stays is not None
    return Vector(vector.labels.take(stays), values[stays], known[stays], vector.missing)
