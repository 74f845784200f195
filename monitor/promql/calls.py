"""Functions: how each takes its arguments and what becomes of unknown ones. The table at the head of ``evaluate`` says what is meant."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from monitor.model import Labels
from monitor.model import labels as sorted_labels
from monitor.promql.expr import Expr, Select, String, Subquery, bare
from monitor.promql.functions import DATES, EACH
from monitor.promql.over_time import OVER_TIME, Range, Result, predicted, quantile_over_time
from monitor.promql.relabel import label_join, label_replace
from monitor.promql.signatures import SIGNATURES
from monitor.promql.unseen import unnamed
from monitor.promql.value import Scalar
from monitor.samples import EMPTY, LabelTable, Matrix, Vector

_NOWHERE = LabelTable([()])


class Evaluator(Protocol):
    """What a function needs to have its arguments evaluated."""

    def vector(self, expr: Expr, at: int) -> Vector: ...
    def scalar(self, expr: Expr, at: int) -> Scalar: ...
    def matrix(self, expr: Expr, at: int) -> Matrix: ...
    def ends(self, of: Select | Subquery, at: int) -> int: ...
    def spoken(self, of: Select, at: int) -> Vector: ...


def call(run: Evaluator, function: str, arguments: tuple[Expr, ...], at: int) -> Vector | Scalar:
    """The value of a function at a time."""
    if function in OVER_TIME or function in ("predict_linear", "quantile_over_time"):
        return _over_time(run, function, arguments, at)
    if function in DATES and not arguments:
        return Vector(_NOWHERE, EACH[function](np.array([float(at)])), np.ones(1, bool))
    match function:
        case "time":
            return Scalar(float(at))
        case "pi":
            return Scalar(float(np.pi))
        case "vector":
            number = run.scalar(arguments[0], at)
            return Vector(_NOWHERE, np.array([number.value]), np.array([number.known]))
        case "scalar":
            return _as_scalar(run.vector(arguments[0], at))
        case "absent":
            return _absent(run.vector(arguments[0], at), arguments[0])
        case "absent_over_time":
            return _absent(run.matrix(arguments[0], at), arguments[0])
        case "timestamp":
            return _timestamp(run, arguments[0], at)
        case "sort" | "sort_desc":
            return _sorted(run.vector(arguments[0], at), descending=function == "sort_desc")
        case "label_replace":
            return label_replace(run.vector(arguments[0], at), *(_text(a) for a in arguments[1:]))
        case "label_join":
            target, separator, *sources = (_text(a) for a in arguments[1:])
            return label_join(run.vector(arguments[0], at), target, separator, sources)
    return _each(run, function, arguments, at)


def _each(run: Evaluator, function: str, arguments: tuple[Expr, ...], at: int) -> Vector:
    of = run.vector(arguments[0], at)
    numbers = [run.scalar(a, at) for a in arguments[1:]]
    if function == "clamp" and all(n.known for n in numbers) and numbers[0].value > numbers[1].value:
        return EMPTY  # as Prometheus: nothing lies between
    with np.errstate(all="ignore"):
        values = EACH[function](of.values, *(n.value for n in numbers))
    return unnamed(of, values, of.known & all(n.known for n in numbers))


def _over_time(run: Evaluator, function: str, arguments: tuple[Expr, ...], at: int) -> Vector:
    takes = SIGNATURES[function].takes
    ranged = arguments[takes.index("matrix")]
    samples, of = run.matrix(ranged, at), bare(ranged)
    assert isinstance(of, Select | Subquery)
    assert of.seconds is not None
    number = run.scalar(arguments[takes.index("scalar")], at) if "scalar" in takes else Scalar(0.0)
    with np.errstate(all="ignore"):
        values, has = _from_range(function, Range(samples, run.ends(of, at), of.seconds), at, number)
    keep = has | ~samples.known
    known = samples.known[keep] & number.known
    found = Vector(samples.labels.take(keep), values[keep], known, samples.missing)
    return found if SIGNATURES[function].keeps_name else unnamed(found, found.values, known)


def _from_range(function: str, samples: Range, at: int, number: Scalar) -> Result:
    if function == "predict_linear":
        return predicted(samples, at, number.value)
    if function == "quantile_over_time":
        return quantile_over_time(samples, number.value)
    return OVER_TIME[function](samples)


def _timestamp(run: Evaluator, argument: Expr, at: int) -> Vector:
    """Of a selector: the times that its samples speak for; of anything else: the time of evaluation."""
    select = bare(argument)
    if isinstance(select, Select):
        of = run.spoken(select, at)
        return unnamed(of, of.values, of.known)
    of = run.vector(argument, at)
    return unnamed(of, np.full(len(of), float(at)), of.known)


def _sorted(of: Vector, descending: bool) -> Vector:
    """By value; NaN comes last, and after it what is unknown."""
    nan = np.isnan(of.values)
    value = np.where(nan, 0.0, -of.values if descending else of.values)
    order = np.lexsort((value, nan, ~of.known))
    return Vector(LabelTable(of.labels.rows[i] for i in order), of.values[order], of.known[order], of.missing)


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


def _text(expr: Expr) -> str:
    of = bare(expr)
    assert isinstance(of, String)  # types are checked at parse
    return of.value
