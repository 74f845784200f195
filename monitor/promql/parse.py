"""From text to our own nodes: the only module that knows promql-parser.

Its objects are converted at once. It tells no positions, overflows the stack on deep input and panics past ``except
Exception``; the scanner has checked length, depth and order before it sees a text, and whatever else it says becomes a ParseError.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Literal

import promql_parser as native

from monitor.catalogue.catalogue import nearest
from monitor.promql.expr import (
    AGGREGATES,
    COMPARISON,
    PARAMETERS,
    SET,
    Aggregate,
    Binary,
    Call,
    Expr,
    Matching,
    Number,
    Paren,
    Select,
    String,
    Subquery,
    Type,
    Unary,
    When,
    bare,
    children,
)
from monitor.promql.relabel import LABEL
from monitor.promql.scanner import ParseError, Scan, Token, scan
from monitor.promql.signatures import SIGNATURES
from monitor.samples import NAME, BadMatcher, Matcher, MatchOp, Selector
from monitor.samples.selector import Pattern

_CALLED = re.compile(r"in call to (?:function )?'(\w+)'")

MAX_NODES_DEEP = 120
"""Levels of nodes: evaluation is recursive, and a chain of operators is as deep as it is long."""

MAX_EVALUATIONS = 100_000
"""How often the inside of subqueries may be evaluated for one result; those of nested ones multiply."""

_OPS: dict[str, MatchOp] = {"Equal": "=", "NotEqual": "!=", "Re": "=~", "NotRe": "!~"}
_CARDS: dict[str, Literal["one-to-one", "many-to-one", "one-to-many"]] = {
    "OneToOne": "one-to-one",
    "ManyToMany": "one-to-one",
    "ManyToOne": "many-to-one",
    "OneToMany": "one-to-many",
}


def parse(text: str) -> Expr:
    """The expression that a PromQL text means. Raises ParseError, and nothing else, for whatever we can't evaluate."""
    found = scan(text)
    _check_functions(found)
    tree = _native(text, found)
    expr = _Conversion(found).convert(tree, 0)
    type_of(expr)
    _check_subqueries(expr, 1)
    return expr


def parse_matchers(text: str) -> tuple[Matcher, ...]:
    """The conditions of a selector, on ``__name__`` too; a name may be left out, as in ``{protocol="lido"}``. Raises ParseError."""
    found = scan(text)
    tree = _native(text, found)
    if type(tree).__name__ != "VectorSelector":
        raise ParseError("this is no selector", 0, 'write a metric\'s name or labels, e.g. up{job="a"}')
    if tree.matchers.or_matchers:
        raise ParseError("alternatives inside braces are not supported", 0, "give two selectors")
    named = () if tree.name is None else (Matcher(NAME, "=", tree.name),)
    try:
        return (*named, *(Matcher(m.name, _OPS[str(m.op).rsplit(".", 1)[-1]], m.value) for m in tree.matchers.matchers))
    except BadMatcher as error:
        raise ParseError(str(error), None) from None


def type_of(expr: Expr) -> Type:
    """The type of an expression's value. Raises ParseError if a part of it has a type that does not fit there."""
    match expr:
        case Number():
            return "scalar"
        case String():
            return "string"
        case Select(_, seconds):
            return "vector" if seconds is None else "matrix"
        case Subquery(of):
            _one_of(("vector",), of, "a subquery")
            return "matrix"
        case Paren(of):
            return type_of(of)
        case Unary(op, of):
            return _one_of(("scalar", "vector"), of, f"the operand of {op}")
        case Aggregate(op, of, _, _, parameter):
            if parameter is not None:
                _one_of((PARAMETERS[op],), parameter, f"{op}()")
            if op == "count_values" and isinstance(parameter, String):
                _check_label(parameter.value, op)
            return _one_of(("vector",), of, f"{op}()")
        case Call(function, arguments):
            return _call_type(function, arguments)
        case Binary():
            return _binary_type(expr)


def _call_type(function: str, arguments: tuple[Expr, ...]) -> Type:
    signature = SIGNATURES[function]
    least, most = len(signature.takes) - signature.optional, len(signature.takes)
    if len(arguments) < least or (len(arguments) > most and signature.more is None):
        wanted = f"at least {least}" if signature.more else str(most) if least == most else f"{least} to {most}"
        raise ParseError(f"{function}() takes {wanted} arguments, not {len(arguments)}", None)
    types = [*signature.takes, *[signature.more or "string"] * max(len(arguments) - most, 0)]
    for argument, wanted_type in zip(arguments, types, strict=False):
        _one_of((wanted_type,), argument, f"{function}()")
    if function in ("label_replace", "label_join"):
        _check_relabel(function, [a.value for a in map(bare, arguments) if isinstance(a, String)])
    return signature.gives


def _check_relabel(function: str, texts: list[str]) -> None:
    _check_label(texts[0], function)
    if function == "label_join":
        for name in texts[2:]:
            _check_label(name, function)
        return
    if texts[2]:
        _check_label(texts[2], function)
    try:
        Pattern(texts[3])
    except BadMatcher as error:
        raise ParseError(str(error), None) from None


def _check_label(name: str, function: str) -> None:
    if not LABEL.fullmatch(name):
        raise ParseError(f'{function}(): "{name}" is no name of a label', None, "letters, digits and _ make one, not a digit first")


def _check_subqueries(expr: Expr, times: int) -> None:
    if isinstance(expr, Subquery):
        times *= expr.seconds // expr.every + 1
        if times > MAX_EVALUATIONS:
            found = f"the subqueries would be evaluated {times} times for one result"
            raise ParseError(found, None, f"at most {MAX_EVALUATIONS}: take larger steps, or record the inner expression by a rule")
    for child in children(expr):
        _check_subqueries(child, times)


def _binary_type(expr: Binary) -> Type:
    set_op = expr.op in SET
    wanted: tuple[Type, ...] = ("vector",) if set_op else ("scalar", "vector")
    left, right = (_one_of(wanted, side, f"an operand of {expr.op}") for side in (expr.left, expr.right))
    if expr.op in COMPARISON and left == right == "scalar" and not expr.as_bool:
        raise ParseError("two numbers can only be compared with bool", None, f"write {expr.op} bool")
    return "scalar" if left == right == "scalar" else "vector"


_WORDS = {"scalar": "a number", "vector": "an instant vector", "matrix": "a range vector", "string": "a string"}


def _one_of(wanted: tuple[Type, ...], expr: Expr, where: str) -> Type:
    found = type_of(expr)
    if found not in wanted:
        remedy = "give it a range, e.g. [5m]" if wanted == ("matrix",) and found == "vector" else ""
        if found == "matrix":
            remedy = "use a function over time, e.g. max_over_time(), or take the range away"
        position = expr.position if isinstance(expr, Select) else None
        raise ParseError(f"{where} wants {' or '.join(_WORDS[w] for w in wanted)}, this is {_WORDS[found]}", position, remedy)
    return found


def _check_functions(found: Scan) -> None:
    for call in found.calls:
        if call.text in SIGNATURES or call.low in AGGREGATES:
            continue
        close = nearest(call.text, [*SIGNATURES, *AGGREGATES])
        remedy = f'did you mean "{close}"?' if close else "docs/rules.md lists the functions that are"
        raise ParseError(f'the function "{call.text}" is not supported', call.at, remedy)


def _native(text: str, found: Scan) -> Any:
    try:
        return native.parse(text)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # a panic of the Rust side is not an Exception
        raise _explained(str(error) or type(error).__name__, found) from None


_REMEDIES = {
    "expected type matrix": "give it a range, e.g. [5m]",
    "got matrix": "use a function over time, e.g. max_over_time(), or take the range away",
    "must contain only scalar and instant vector": "a range vector needs a function over time, a string cannot be calculated with",
    "must use BOOL": "write bool after the comparison",
}


def _explained(message: str, found: Scan) -> ParseError:
    """What the parser said, with the place of the function that it speaks of and a remedy, as far as they can be told."""
    named = _CALLED.search(message)
    position = next((c.at for c in found.calls if named and c.low == named[1]), None)
    return ParseError(message, position, next((remedy for sign, remedy in _REMEDIES.items() if sign in message), ""))


class _Conversion:
    """Selectors come in the order of the text, so the n-th one stands where the scanner saw the n-th one."""

    def __init__(self, found: Scan) -> None:
        self._positions: Iterator[int] = iter(found.selectors)
        self._words: dict[int, Token] = {t.at: t for t in found.tokens}

    def convert(self, node: Any, depth: int) -> Expr:
        if depth > MAX_NODES_DEEP:
            raise ParseError("the expression is nested too deeply", None, f"at most {MAX_NODES_DEEP} levels: record a part of it by a rule")
        below = depth + 1
        match type(node).__name__:
            case "NumberLiteral":
                return Number(float(node.val))
            case "StringLiteral":
                return String(str(node.val))
            case "VectorSelector":
                return self._select(node, None)
            case "MatrixSelector":
                return self._select(node.vector_selector, _seconds(node.range, "a range"))
            case "SubqueryExpr":
                return self._subquery(node, below)
            case "ParenExpr":
                return Paren(self.convert(node.expr, below))
            case "UnaryExpr":
                return Unary("-", self.convert(node.expr, below))
            case "Call":
                return Call(node.func.name, tuple(self.convert(a, below) for a in node.args))
            case "AggregateExpr":
                return self._aggregate(node, below)
            case "BinaryExpr":
                return self._binary(node, below)
            case other:
                raise ParseError(f"{other} is not supported", None)

    def _select(self, node: Any, seconds: int | None) -> Select:
        position = next(self._positions, None)
        if node.matchers.or_matchers:
            raise ParseError("alternatives inside braces are not supported", position, 'join two selectors with "or"')
        family, matchers = node.name, []
        for m in node.matchers.matchers:
            op = _OPS[str(m.op).rsplit(".", 1)[-1]]
            if m.name != NAME:
                matchers.append(self._matcher(m.name, op, m.value, position))
            elif op == "=" and family in (None, m.value):
                family = m.value
            else:
                raise ParseError(f"{NAME}{op} is not supported", position, 'select metrics by their names, joined with "or"')
        if not family:
            raise ParseError("a selector without a metric's name is not supported", position, "write the metric's name before the {")
        offset = 0 if node.offset is None else _seconds(node.offset, "an offset")
        return Select(Selector(family, tuple(matchers)), seconds, offset, position, _when(node.at))

    def _subquery(self, node: Any, depth: int) -> Subquery:
        of = self.convert(node.expr, depth)
        seconds = _seconds(node.range, "a range")
        step = None if node.step is None else _seconds(node.step, "a step")
        if seconds < 1 or step == 0:
            raise ParseError("a subquery's range and step must be greater than 0", None)
        return Subquery(of, seconds, step, 0 if node.offset is None else _seconds(node.offset, "an offset"), _when(node.at))

    def _matcher(self, name: str, op: MatchOp, value: str, position: int | None) -> Matcher:
        try:
            return Matcher(name, op, value)
        except BadMatcher as error:
            raise ParseError(str(error), position) from None

    def _aggregate(self, node: Any, depth: int) -> Aggregate:
        op = str(node.op)
        if op not in AGGREGATES:
            raise ParseError(f'the aggregation "{op}" is not supported', None, f"supported are {', '.join(AGGREGATES)}")
        by = node.modifier is None or str(node.modifier.type).endswith("By")
        names = frozenset(node.modifier.labels) if node.modifier is not None else frozenset()
        if (node.param is None) == (op in PARAMETERS):
            raise ParseError(f"{op}() {'lacks its first argument' if node.param is None else 'takes one argument'}", None)
        parameter = None if node.param is None else bare(self.convert(node.param, depth))
        return Aggregate(op, self.convert(node.expr, depth), names, by, parameter)

    def _binary(self, node: Any, depth: int) -> Binary:
        left, right = self.convert(node.lhs, depth), self.convert(node.rhs, depth)
        modifier = node.modifier
        if modifier is None:
            return Binary(str(node.op), left, right)
        if modifier.fill_values.lhs is not None or modifier.fill_values.rhs is not None:
            raise ParseError("fill is not supported", None, 'use "or" with a value of your own')
        on = modifier.matching is not None and str(modifier.matching.type).endswith("Include")
        names = frozenset(modifier.matching.labels) if modifier.matching is not None else frozenset()
        card = _CARDS[str(modifier.card).rsplit(".", 1)[-1]]
        return Binary(str(node.op), left, right, bool(modifier.return_bool), Matching(on, names, card, tuple(modifier.group_labels or ())))


def _seconds(duration: timedelta, what: str) -> int:
    seconds = duration.total_seconds()
    if seconds != int(seconds):
        raise ParseError(f"{what} of {seconds} seconds is not supported", None, "use whole seconds")
    return int(seconds)


def _when(at: Any) -> When:
    """What ``@`` says, to the second below."""
    if at is None:
        return None
    kind = str(at.type).rsplit(".", 1)[-1]
    if kind == "Start":
        return "start"
    return "end" if kind == "End" else int(at.at.timestamp())
