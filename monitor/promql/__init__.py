"""PromQL: parsing to our own nodes, and evaluation in which missing data is unknown rather than false."""

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
    "ParseError",
    "Paren",
    "Scalar",
    "Select",
    "Signature",
    "String",
    "Type",
    "Unary",
    "bare",
    "children",
    "parse",
    "selectors",
    "type_of",
    "walk",
]
