"""PromQL: parsing to our own nodes, and evaluation in which missing data is unknown rather than false."""

from monitor.promql.evaluate import Window, evaluate, matrix
from monitor.promql.expr import (
    AGGREGATES,
    COMPARISON,
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
    Type,
    Unary,
    bare,
    children,
    selectors,
    walk,
)
from monitor.promql.parse import parse, type_of
from monitor.promql.scanner import ParseError
from monitor.promql.signatures import SIGNATURES, Signature
from monitor.promql.value import EvaluationError, Scalar

__all__ = [
    "AGGREGATES",
    "COMPARISON",
    "SET",
    "SIGNATURES",
    "Aggregate",
    "Binary",
    "Call",
    "EvaluationError",
    "Expr",
    "Matching",
    "Number",
    "Paren",
    "ParseError",
    "Scalar",
    "Select",
    "Signature",
    "String",
    "Type",
    "Unary",
    "Window",
    "bare",
    "children",
    "evaluate",
    "matrix",
    "parse",
    "selectors",
    "type_of",
    "walk",
]
