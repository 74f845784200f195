"""PromQL: parsing to our own nodes, and evaluation in which missing data is unknown rather than false."""

from monitor.promql.evaluate import Window, evaluate, evaluate_steps, matrix
from monitor.promql.expr import (
    AGGREGATES,
    COMPARISON,
    RANKING,
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
    bare,
    children,
    selectors,
    spans,
    walk,
)
from monitor.promql.needs import Need, needs
from monitor.promql.parse import parse, parse_matchers, type_of
from monitor.promql.scanner import ParseError
from monitor.promql.signatures import SIGNATURES, Signature
from monitor.promql.steps import Grid
from monitor.promql.text import written
from monitor.promql.value import EvaluationError, Scalar

__all__ = [
    "AGGREGATES",
    "COMPARISON",
    "RANKING",
    "SET",
    "SIGNATURES",
    "Aggregate",
    "Binary",
    "Call",
    "EvaluationError",
    "Expr",
    "Grid",
    "Matching",
    "Need",
    "Number",
    "Paren",
    "ParseError",
    "Scalar",
    "Select",
    "Signature",
    "String",
    "Subquery",
    "Type",
    "Unary",
    "Window",
    "bare",
    "children",
    "evaluate",
    "evaluate_steps",
    "matrix",
    "needs",
    "parse",
    "parse_matchers",
    "selectors",
    "spans",
    "type_of",
    "walk",
    "written",
]
