"""``label_replace`` and ``label_join``: other labels for the same elements. What they do to labels is known, so elements stay as known as they were."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from monitor.model import Labels
from monitor.model import labels as sorted_labels
from monitor.promql.unseen import stripped
from monitor.promql.value import EvaluationError
from monitor.samples import LabelTable, Vector
from monitor.samples.selector import Pattern

LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_REFERENCE = re.compile(r"\$(?:(?P<dollar>\$)|(?P<bare>[A-Za-z0-9_]+)|\{(?P<braced>[A-Za-z0-9_]+)\})")


def label_replace(of: Vector, target: str, replacement: str, source: str, pattern: str) -> Vector:
    """``target`` becomes ``replacement`` (with ``$1``, ``${name}``) where the whole value of ``source`` matches; else the element stays as it is."""
    matcher = Pattern(pattern)

    def replaced(row: Labels) -> Labels:
        values = dict(row)
        groups = matcher.groups(values.get(source, ""))
        return row if groups is None else sorted_labels(values | {target: expanded(replacement, groups)})

    return _relabelled(of, target, ("replaced", target, replacement, source, pattern), replaced)


def label_join(of: Vector, target: str, separator: str, sources: Sequence[str]) -> Vector:
    """``target`` becomes the values of ``sources`` with the separator between them; an absent label counts as empty."""

    def joined(row: Labels) -> Labels:
        values = dict(row)
        return sorted_labels(values | {target: separator.join(values.get(name, "") for name in sources)})

    return _relabelled(of, target, ("joined", target, separator, tuple(sources)), joined)


def expanded(template: str, groups: Mapping[str, str]) -> str:
    """A replacement as Go's ``Regexp.Expand`` writes it: unknown groups are empty, ``$$`` is a dollar, a lone dollar stays."""

    def one(found: re.Match[str]) -> str:
        return "$" if found["dollar"] else groups.get(found["bare"] or found["braced"], "")

    return _REFERENCE.sub(one, template)


def _relabelled(of: Vector, target: str, key: tuple[object, ...], change: Callable[[Labels], Labels]) -> Vector:
    table = of.labels.derive(key, lambda: LabelTable(map(change, of.labels.rows)))
    if not table.unique:
        twice = Counter(table.rows).most_common(1)[0][0]
        raise EvaluationError(f"two elements would have the same labels {dict(twice)}; keep a label that tells them apart")
    return Vector(table, of.values, of.known, stripped(of.missing, (target,)))
