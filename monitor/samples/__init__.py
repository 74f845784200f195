"""Windows over frames: what is known, absent and unknown at a time, as numpy vectors and matrices."""

from monitor.samples.recorded import recorded_frame, recorded_scope, recorder
from monitor.samples.selector import NAME, BadMatcher, Matcher, MatchOp, Selector
from monitor.samples.table import EMPTY_TABLE, Grouping, LabelTable
from monitor.samples.vector import COMPLETE, EMPTY, UNKNOWN, Matrix, Missing, Vector, widest
from monitor.samples.window import Blind, FrameWindow, OutOfOrder, Source

__all__ = [
    "COMPLETE",
    "EMPTY",
    "EMPTY_TABLE",
    "NAME",
    "UNKNOWN",
    "BadMatcher",
    "Blind",
    "FrameWindow",
    "Grouping",
    "LabelTable",
    "MatchOp",
    "Matcher",
    "Matrix",
    "Missing",
    "OutOfOrder",
    "Selector",
    "Source",
    "Vector",
    "recorded_frame",
    "recorded_scope",
    "recorder",
    "widest",
]
