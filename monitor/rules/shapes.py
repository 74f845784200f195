"""What can be said about an expression's result before it is evaluated: its labels and its unit."""

from __future__ import annotations

from monitor.catalogue.catalogue import Catalogue
from monitor.model import Unit
from monitor.promql.expr import (
    AGGREGATES,
    RANKING,
    SET,
    Aggregate,
    Binary,
    Call,
    Expr,
    Number,
    Paren,
    Select,
    String,
    Subquery,
    Unary,
    bare,
)
from monitor.promql.parse import type_of

_KEEPS_UNIT = frozenset(
    ("abs", "ceil", "floor", "round", "clamp", "clamp_max", "clamp_min", "scalar", "avg_over_time", "max_over_time", "min_over_time", "last_over_time", "delta", "idelta", "predict_linear", "stddev_over_time", "sort", "sort_desc", "label_replace", "label_join")
)  # fmt: skip


def output_labels(expr: Expr, catalogue: Catalogue) -> frozenset[str] | None:
    """Names of the labels that an element of the result can have, without ``__name__``; None when a family is not known."""
    match expr:
        case Number() | String():
            return frozenset()
        case Select(selector):
            return frozenset(s.name for s in catalogue[selector.family].labels) if selector.family in catalogue else None
        case Paren(of) | Unary(_, of) | Subquery(of):
            return output_labels(of, catalogue)
        case Aggregate(op, of, names, by, parameter):
            inner = output_labels(of, catalogue)
            if op in RANKING:
                return inner
            if op == "count_values" and isinstance(parameter, String):
                inner, names = None if inner is None else inner | {parameter.value}, names | {parameter.value} if by else names
            if by:
                return names if inner is None else names & inner
            return None if inner is None else inner - names
        case Call(function, arguments):
            return _call_labels(function, arguments, catalogue)
        case Binary():
            return _binary_labels(expr, catalogue)


def _call_labels(function: str, arguments: tuple[Expr, ...], catalogue: Catalogue) -> frozenset[str] | None:
    if function == "absent" and arguments:
        of = bare(arguments[0])
        return frozenset(m.name for m in of.selector.matchers if m.op == "=") if isinstance(of, Select) else frozenset()
    vectors = [a for a in arguments if type_of(a) in ("vector", "matrix")]
    inner = output_labels(vectors[0], catalogue) if vectors and function != "scalar" else frozenset()
    if function in ("label_replace", "label_join") and isinstance(target := bare(arguments[1]), String) and inner is not None:
        return inner | {target.value}
    return inner


def _binary_labels(expr: Binary, catalogue: Catalogue) -> frozenset[str] | None:
    left, right = output_labels(expr.left, catalogue), output_labels(expr.right, catalogue)
    if expr.op in ("and", "unless"):
        return left
    if left is None or right is None:
        return None
    if expr.op in SET:
        return left | right
    types = type_of(expr.left), type_of(expr.right)
    if "scalar" in types:
        return left if types[0] == "vector" else right
    m = expr.matching
    if m.card != "one-to-one":
        return (left if m.card == "many-to-one" else right) | frozenset(m.include)
    return left & m.labels if m.on else left - m.labels


def unit_of(expr: Expr, catalogue: Catalogue) -> Unit | None:
    """The unit of the result where it is certain, else None (a count, a product, an unknown family)."""
    match expr:
        case Select(selector):
            return catalogue[selector.family].unit or None if selector.family in catalogue else None
        case Paren(of) | Unary(_, of) | Subquery(of):
            return unit_of(of, catalogue)
        case Aggregate(op, of) if op in AGGREGATES and op not in ("count", "count_values", "group", "stdvar"):
            return unit_of(of, catalogue)
        case Call(function, arguments) if function in _KEEPS_UNIT and arguments:
            return unit_of(arguments[0], catalogue)
    return None
