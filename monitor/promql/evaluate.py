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
| ``absent`` | any K: empty; only U, or incomplete: U |
| ``scalar`` | one K and complete: its value; any U, or incomplete: unknown; else NaN |
| range selector | U if its end is not fresh, or covered by less than the family's ``coverage`` |
| incomplete side of a match | counts as a U element in every group that a missing element could belong to |
| duplicate on the "one" side | that match group: U, the rest is judged |
| elements that come to have equal labels | one element, U |

What an operation does to labels it does to the entries of ``missing`` too, so that a scope that is blind for one protocol
leaves the groups of the others known.
"""

from __future__ import annotations

from collections import Counter
from typing import Protocol

import numpy as np

from monitor.model import Labels
from monitor.model import labels as sorted_labels
from monitor.promql.aggregate import aggregate
from monitor.promql.expr import SET, Aggregate, Binary, Call, Expr, Number, Paren, Select, String, Unary, bare
from monitor.promql.functions import EACH
from monitor.promql.matching import combine, combine_sets
from monitor.promql.operators import apply, keeps_name
from monitor.promql.over_time import OVER_TIME, Range
from monitor.promql.signatures import SIGNATURES
from monitor.promql.unseen import stripped
from monitor.promql.value import EvaluationError, Scalar
from monitor.samples import EMPTY, NAME, LabelTable, Matrix, Selector, Vector
from monitor.samples.vector import Bools, Floats

MAX_SAMPLES = 50_000_000
"""Samples that one selector may load; Prometheus' own limit."""

_NOWHERE = LabelTable([()])


class Window(Protocol):
    """What evaluation needs of ``samples.FrameWindow``."""

    def instant(self, selector: Selector, at: int) -> Vector: ...
    def range(self, selector: Selector, at: int, seconds: int) -> Matrix: ...


def evaluate(expr: Expr, window: Window, at: int) -> Vector | Scalar:
    """The value of an expression at a block time.

    Raises EvaluationError for a range or a string (they have no value at one time), when a function would give two elements the same
    labels, or when too many samples are asked for; UnknownFamily for a metric that the catalogue does not have.
    """
    match expr:
        case Number(value):
            return Scalar(value)
        case Paren(of):
            return evaluate(of, window, at)
        case Select(selector, None, offset):
            return window.instant(selector, at - offset)
        case Unary(_, of):
            return _negated(evaluate(of, window, at))
        case Binary():
            return _binary(expr, evaluate(expr.left, window, at), evaluate(expr.right, window, at))
        case Aggregate(op, of, labels, by):
            return aggregate(op, _vector(of, window, at), labels, by)
        case Call(function, arguments):
            return _call(function, arguments, window, at)
        case Select() | String():
            raise EvaluationError("a range or a string has no value at one time; use a function over time")


def matrix(expr: Expr, window: Window, at: int) -> Matrix:
    """The samples of a range selector at a block time. Raises EvaluationError for other expressions, or for too many samples."""
    expr = bare(expr)
    if not isinstance(expr, Select) or expr.seconds is None:
        raise EvaluationError("only a range selector has samples, e.g. up[5m]")
    found = window.range(expr.selector, at - expr.offset, expr.seconds)
    if found.values.size > MAX_SAMPLES:
        raise EvaluationError(f"{expr.selector}[{expr.seconds}s] has {found.values.size} samples, at most {MAX_SAMPLES} may be loaded")
    return found


# ---------------------------------------------------------------- operators


def _negated(value: Vector | Scalar) -> Vector | Scalar:
    if isinstance(value, Scalar):
        return Scalar(-value.value, value.known)
    return _unnamed(value, -value.values, value.known)


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
        return _unnamed(vector, values, known)
    assert stays is not None
    return Vector(vector.labels.take(stays), values[stays], known[stays], vector.missing)


def _unnamed(vector: Vector, values: Floats, known: Bools) -> Vector:
    """New values for the same elements, which are no longer the metric that they were."""
    table = vector.labels.without(NAME)
    if not table.unique:
        twice = Counter(table.rows).most_common(1)[0][0]
        raise EvaluationError(f"two elements would have the same labels {dict(twice)}; aggregate, or select one metric")
    return Vector(table, values, known, stripped(vector.missing, (NAME,)) if vector.missing else vector.missing)


# ---------------------------------------------------------------- functions


def _call(function: str, arguments: tuple[Expr, ...], window: Window, at: int) -> Vector | Scalar:
    if function in OVER_TIME:
        return _over_time(function, arguments[0], window, at)
    match function:
        case "time":
            return Scalar(float(at))
        case "vector":
            number = _scalar(arguments[0], window, at)
            return Vector(_NOWHERE, np.array([number.value]), np.array([number.known]))
        case "scalar":
            return _as_scalar(_vector(arguments[0], window, at))
        case "absent":
            return _absent(_vector(arguments[0], window, at), arguments[0])
        case "absent_over_time":
            return _absent(matrix(arguments[0], window, at), arguments[0])
    return _each(function, arguments, window, at)


def _each(function: str, arguments: tuple[Expr, ...], window: Window, at: int) -> Vector:
    of = _vector(arguments[0], window, at)
    numbers = [_scalar(a, window, at) for a in arguments[1:]]
    if function == "clamp" and all(n.known for n in numbers) and numbers[0].value > numbers[1].value:
        return EMPTY  # as Prometheus: nothing lies between
    with np.errstate(all="ignore"):
        values = EACH[function](of.values, *(n.value for n in numbers))
    return _unnamed(of, values, of.known & all(n.known for n in numbers))


def _over_time(function: str, argument: Expr, window: Window, at: int) -> Vector:
    samples = matrix(argument, window, at)
    select = bare(argument)
    assert isinstance(select, Select)
    assert select.seconds is not None
    with np.errstate(all="ignore"):
        values, has = OVER_TIME[function](Range(samples, at - select.offset, select.seconds))
    keep = has | ~samples.known
    found = Vector(samples.labels.take(keep), values[keep], samples.known[keep], samples.missing)
    return found if SIGNATURES[function].keeps_name else _unnamed(found, found.values, found.known)


def _as_scalar(of: Vector) -> Scalar:
    known = of.complete and bool(of.known.all())
    return Scalar(float(of.values[0]) if len(of) == 1 else float("nan"), known)


def _absent(of: Vector | Matrix, argument: Expr) -> Vector:
    if of.known.any():
        return EMPTY
    sure = of.complete and not len(of.labels)
    return Vector(LabelTable([_labels_of_absence(bare(argument))]), np.ones(1), np.array([sure]))


def _labels_of_absence(argument: Expr) -> Labels:
    """What is sure about the missing series: labels that the selector names once, with ``=``."""
    if not isinstance(argument, Select):
        return ()
    matchers = argument.selector.matchers
    names = [m.name for m in matchers]
    return sorted_labels({m.name: m.value for m in matchers if m.op == "=" and names.count(m.name) == 1})


def _vector(expr: Expr, window: Window, at: int) -> Vector:
    value = evaluate(expr, window, at)
    assert isinstance(value, Vector)  # types are checked at parse
    return value


def _scalar(expr: Expr, window: Window, at: int) -> Scalar:
    value = evaluate(expr, window, at)
    assert isinstance(value, Scalar)  # types are checked at parse
    return value
