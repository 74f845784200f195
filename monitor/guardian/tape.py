"""A window that writes down what it was asked and what it answered, and one that plays that back: an expression comes to the same on both."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from monitor.guardian.decision import number_text
from monitor.model import Labels, Series
from monitor.model import labels as sorted_labels
from monitor.promql.evaluate import Window
from monitor.samples import NAME, LabelTable, Matrix, Selector, Vector

Key = tuple[str, str, int, int]
"""Kind of question, selector as text, time, seconds (0 for one time)."""
About = Callable[[Labels], bool]


class NotOnTape(KeyError):
    """A question that the tape has no answer to."""


@dataclass
class Recorder:
    """Asks ``window`` and keeps each answer. ``about``: rows that are left out have nothing to do with the decision."""

    window: Window
    about: About = lambda row: True
    kept: dict[Key, Vector | Matrix] = field(default_factory=dict)
    families: dict[str, str] = field(default_factory=dict)

    def instant(self, selector: Selector, at: int) -> Vector:
        return self._vector("instant", selector, at, self.window.instant)

    def spoken(self, selector: Selector, at: int) -> Vector:
        return self._vector("spoken", selector, at, self.window.spoken)

    def range(self, selector: Selector, at: int, seconds: int) -> Matrix:
        found = self.window.range(selector, at, seconds)
        chosen = self._chosen(found.labels)
        seen = found.present[:, chosen].any(axis=1) if chosen else np.zeros(len(found.times), bool)
        found = Matrix(
            LabelTable(found.labels.rows[i] for i in chosen),
            found.times[seen],
            np.ascontiguousarray(found.values[seen][:, chosen]),
            np.ascontiguousarray(found.present[seen][:, chosen]),
            found.known[chosen],
            frozenset(entry for entry in found.missing if self.about(entry)),
        )
        self._keep(("range", str(selector), at, seconds), selector, found)
        return found

    def _vector(self, kind: str, selector: Selector, at: int, ask: Callable[[Selector, int], Vector]) -> Vector:
        found = ask(selector, at)
        chosen = self._chosen(found.labels)
        found = Vector(
            LabelTable(found.labels.rows[i] for i in chosen),
            found.values[chosen],
            found.known[chosen],
            frozenset(entry for entry in found.missing if self.about(entry)),
        )
        self._keep((kind, str(selector), at, 0), selector, found)
        return found

    def _chosen(self, table: LabelTable) -> list[int]:
        """The rows that are kept, by label: a window's own order depends on its past, and a sum of floats on their order."""
        return sorted((i for i, row in enumerate(table.rows) if self.about(row)), key=lambda i: table.rows[i])

    def _keep(self, key: Key, selector: Selector, found: Vector | Matrix) -> None:
        self.kept[key] = found
        self.families[str(selector)] = selector.family

    def at(self, time: int) -> dict[Series, float]:
        """Every known sample of that very time that was answered."""
        found: dict[Series, float] = {}
        for (kind, selector, at, _), answer in self.kept.items():
            if kind != "spoken" and at == time:
                found |= {_series(self.families[selector], row): value for row, value in _newest(answer, time)}
        return found

    def written(self) -> list[dict[str, Any]]:
        """All answers, sorted, as canonical values."""
        return [_answer(key, self.kept[key]) for key in sorted(self.kept)]


@dataclass(frozen=True)
class Player:
    """Answers from a written tape; raises NotOnTape, and ValueError for a tape that is not well formed."""

    kept: Mapping[Key, Vector | Matrix]
    asked: set[Key] = field(default_factory=set)

    @classmethod
    def of(cls, written: Iterable[Mapping[str, Any]]) -> Player:
        return cls(dict(_read(entry) for entry in written))

    def instant(self, selector: Selector, at: int) -> Vector:
        return self._vector(("instant", str(selector), at, 0))

    def spoken(self, selector: Selector, at: int) -> Vector:
        return self._vector(("spoken", str(selector), at, 0))

    def range(self, selector: Selector, at: int, seconds: int) -> Matrix:
        key = ("range", str(selector), at, seconds)
        self.asked.add(key)
        found = self.kept.get(key)
        if not isinstance(found, Matrix):
            raise NotOnTape(f"range of {selector} at {at} is not in the document")
        return found

    def _vector(self, key: Key) -> Vector:
        self.asked.add(key)
        found = self.kept.get(key)
        if not isinstance(found, Vector):
            raise NotOnTape(f"{key[0]} of {key[1]} at {key[2]} is not in the document")
        return found

    def written(self) -> list[dict[str, Any]]:
        """The tape as a recorder writes it."""
        return [_answer(key, self.kept[key]) for key in sorted(self.kept)]

    def strangers(self) -> list[str]:
        """Rows that no selector of theirs could have given: of another family, or with labels that it does not allow."""
        return [
            f"{selector} gave {dict(row)}"
            for (_, selector, _, _), answer in sorted(self.kept.items())
            for row in answer.labels.rows
            if dict(row).get(NAME) != selector.split("{", 1)[0]
        ]

    def at(self, time: int) -> dict[Series, float]:
        """Every known sample of that very time."""
        found: dict[Series, float] = {}
        for (kind, selector, at, _), answer in self.kept.items():
            if kind != "spoken" and at == time:
                found |= {_series(selector.split("{", 1)[0], row): value for row, value in _newest(answer, time)}
        return found


def _series(family: str, row: Labels) -> Series:
    return Series(family, tuple(pair for pair in row if pair[0] != NAME))


def _newest(answer: Vector | Matrix, time: int) -> list[tuple[Labels, float]]:
    if isinstance(answer, Vector):
        return [(row, float(v)) for row, v, k in zip(answer.labels.rows, answer.values, answer.known, strict=True) if k]
    if not len(answer.times) or int(answer.times[-1]) != time:
        return []
    last = zip(answer.labels.rows, answer.values[-1], answer.present[-1], answer.known, strict=True)
    return [(row, float(v)) for row, v, present, known in last if present and known]


def _answer(key: Key, answer: Vector | Matrix) -> dict[str, Any]:
    kind, selector, at, seconds = key
    rows = sorted(zip(answer.labels.rows, range(len(answer.labels.rows)), strict=True))
    return {
        "kind": kind, "selector": selector, "at": at, "seconds": seconds, "missing": [dict(entry) for entry in sorted(answer.missing)],
        "rows": [{"labels": dict(row), "known": int(answer.known[i]), "points": _points(answer, i, at)} for row, i in rows],
    }  # fmt: skip


def _points(answer: Vector | Matrix, i: int, at: int) -> list[list[Any]]:
    if isinstance(answer, Vector):
        return [[at, number_text(answer.values[i])]]
    return [[int(t), number_text(v)] for t, v, p in zip(answer.times, answer.values[:, i], answer.present[:, i], strict=True) if p]


def _read(entry: Mapping[str, Any]) -> tuple[Key, Vector | Matrix]:
    key = (str(entry["kind"]), str(entry["selector"]), int(entry["at"]), int(entry["seconds"]))
    rows = [sorted_labels(row["labels"]) for row in entry["rows"]]
    known = np.array([bool(row["known"]) for row in entry["rows"]], bool)
    missing = frozenset(sorted_labels(found) for found in entry["missing"])
    if key[0] != "range":
        values = np.array([float(row["points"][0][1]) for row in entry["rows"]], np.float64)
        return key, Vector(LabelTable(rows), values, known, missing)
    times = sorted({int(t) for row in entry["rows"] for t, _ in row["points"]})
    place = {t: i for i, t in enumerate(times)}
    grid, present = np.full((len(times), len(rows)), np.nan), np.zeros((len(times), len(rows)), bool)
    for column, row in enumerate(entry["rows"]):
        for t, text in row["points"]:
            grid[place[int(t)], column], present[place[int(t)], column] = float(text), True
    return key, Matrix(LabelTable(rows), np.array(times, np.int64), grid, present, known, missing)
