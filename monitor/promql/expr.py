"""The nodes of a parsed expression: frozen, comparable, ours. Positions (characters from the start) don't count in comparisons."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from monitor.samples import Selector

Type = Literal["scalar", "vector", "matrix", "string"]

ARITHMETIC = ("+", "-", "*", "/", "%", "^", "atan2")
COMPARISON = ("==", "!=", ">", "<", ">=", "<=")
SET = ("and", "or", "unless")
RANKING = ("topk", "bottomk")
AGGREGATES = ("sum", "min", "max", "avg", "count", "group", "stddev", "stdvar", "quantile", "count_values", *RANKING)
PARAMETERS: dict[str, Type] = {"topk": "scalar", "bottomk": "scalar", "quantile": "scalar", "count_values": "string"}
"""Aggregations that take something before the vector, and its type."""

When = int | Literal["start", "end"] | None
"""The ``@`` modifier: a block time, or the first or last time that the whole query is asked for; None: when it is evaluated."""


DEFAULT_STEP = 60
"""Seconds between the evaluations of a subquery that names none: Prometheus' own default."""


@dataclass(frozen=True, slots=True)
class Number:
    value: float


@dataclass(frozen=True, slots=True)
class String:
    value: str


@dataclass(frozen=True, slots=True)
class Select:
    """An instant selector; with ``seconds`` a range selector. ``offset`` in seconds, into the past if positive."""

    selector: Selector
    seconds: int | None = None
    offset: int = 0
    position: int | None = field(default=None, compare=False)
    when: When = None


@dataclass(frozen=True, slots=True)
class Subquery:
    """An expression evaluated again and again over ``seconds``, at the multiples of ``step`` (None: of ``DEFAULT_STEP``)."""

    of: Expr
    seconds: int
    step: int | None = None
    offset: int = 0
    when: When = None

    @property
    def every(self) -> int:
        return self.step or DEFAULT_STEP


@dataclass(frozen=True, slots=True)
class Unary:
    """``op`` is ``-``; a plus sign leaves no node."""

    op: Literal["-"]
    of: Expr


@dataclass(frozen=True, slots=True)
class Matching:
    """How elements of two vectors find each other: by ``labels`` alone (``on``) or by all others (not ``on``).

    ``card``: ``many-to-one`` is group_left, ``one-to-many`` group_right; ``include`` are labels taken from the one side.
    """

    on: bool = False
    labels: frozenset[str] = frozenset()
    card: Literal["one-to-one", "many-to-one", "one-to-many"] = "one-to-one"
    include: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Binary:
    """``as_bool``: a comparison that gives 0 or 1 instead of filtering."""

    op: str
    left: Expr
    right: Expr
    as_bool: bool = False
    matching: Matching = Matching()


@dataclass(frozen=True, slots=True)
class Aggregate:
    """Over the groups that share ``labels`` (``by``), or all labels but these (not ``by``). ``parameter``: see ``PARAMETERS``."""

    op: str
    of: Expr
    labels: frozenset[str] = frozenset()
    by: bool = True
    parameter: Expr | None = None


@dataclass(frozen=True, slots=True)
class Call:
    function: str
    arguments: tuple[Expr, ...] = ()


@dataclass(frozen=True, slots=True)
class Paren:
    of: Expr


Expr = Number | String | Select | Subquery | Unary | Binary | Aggregate | Call | Paren


def children(expr: Expr) -> tuple[Expr, ...]:
    """The direct parts of a node, in the order in which they are written."""
    match expr:
        case Aggregate(_, of, _, _, parameter) if parameter is not None:
            return (parameter, of)
        case Unary(_, of) | Paren(of) | Aggregate(_, of) | Subquery(of):
            return (of,)
        case Binary(_, left, right):
            return (left, right)
        case Call(_, arguments):
            return arguments
    return ()


def walk(expr: Expr) -> Iterator[Expr]:
    """The node and all below it, as they are written."""
    yield expr
    for child in children(expr):
        yield from walk(child)


def selectors(expr: Expr) -> Iterator[Select]:
    """All selectors, as they are written."""
    return (node for node in walk(expr) if isinstance(node, Select))


def spans(expr: Expr, around: int = 0) -> Iterator[tuple[Select, int]]:
    """Each selector with the seconds before the time of evaluation that it reaches back to, subqueries around it counted.

    What ``@`` pins to a time of its own is told as if it were not pinned.
    """
    if isinstance(expr, Select):
        yield expr, around + (expr.seconds or 0) + expr.offset
    if isinstance(expr, Subquery):
        around += expr.seconds + expr.every + expr.offset
    for child in children(expr):
        yield from spans(child, around)


def bare(expr: Expr) -> Expr:
    """The node inside any parentheses."""
    while isinstance(expr, Paren):
        expr = expr.of
    return expr
