"""An expression over a time that is past, as a pandas table: the very evaluation that rules and graphs use.

The database alone is read, with the rules that judged last. What was unknown is NaN, and told in ``attrs``: never a value that nobody knew.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
from sqlalchemy.engine import make_url

from monitor.catalogue.catalogue import UnknownFamily
from monitor.model import Labels
from monitor.promql import EvaluationError, Grid, ParseError, evaluate_steps, parse, type_of
from monitor.promql.expr import Expr
from monitor.samples import LabelTable
from monitor.samples.past import TooMuch, read
from monitor.service.setup import Setup
from monitor.store import Store, Unit, replay
from monitor.web.prom.asking import parse_error, wants
from monitor.web.prom.params import seconds_of
from monitor.web.prom.shapes import grid_warnings, shown

Moment = int | float | datetime | str
"""A time: Unix seconds, a datetime (UTC if it has no zone), or ISO 8601."""

MAX_STEPS = 200_000
PIECE = 500
"""Steps that are read and evaluated together: so much of the past is in memory at once."""


class HistoryError(ValueError):
    """The past cannot be told like this: what is wrong, and the remedy."""


def history(store_url: str, expr: str, start: Moment, end: Moment, step: int | str = 60) -> pd.DataFrame:
    """The known values of a PromQL expression from ``start`` to ``end``, every ``step`` seconds (or ``5m``).

    Rows are times (UTC), columns series, written as selectors. NaN is a value that is unknown, absent, or not a number;
    ``attrs["warnings"]`` says what was unknown and when frames were thinned, ``attrs["labels"]`` has each column's labels.
    Raises HistoryError; StoreError when the database cannot be opened.
    """
    url = make_url(store_url)
    if url.get_backend_name() == "sqlite" and url.database and not Path(url.database).is_file():
        raise HistoryError(f"there is no database {url.database}; name the one in store.url")
    with Store.open(store_url) as store, store.read() as unit:
        return past_table(unit, expr, start, end, step)


def past_table(unit: Unit, expr: str, start: Moment, end: Moment, step: int | str = 60) -> pd.DataFrame:
    """As ``history``, in a reading transaction."""
    first, last, every = moment(start), moment(end), _step(step)
    if last < first:
        raise HistoryError(f"the time ends at {last}, before it begins at {first}")
    if (last - first) // every >= MAX_STEPS:
        raise HistoryError(f"{(last - first) // every + 1} steps are more than {MAX_STEPS}; take larger steps")
    parsed = _parsed(expr)
    text = replay.last_ruleset_text(unit)
    if text is None:
        raise HistoryError("the database has no judged block yet")
    setup = Setup.from_text(text)
    times = range(first, last + 1, every)
    warnings: list[str] = []
    try:
        grid = _joined(list(_pieces(unit, setup, parsed, times, (first, last), warnings)))
    except (EvaluationError, TooMuch) as error:
        raise HistoryError(str(error)) from None
    except UnknownFamily as error:
        raise HistoryError(str(error)) from None
    return _table(grid, warnings)


def moment(when: Moment) -> int:
    """Unix seconds. Raises HistoryError for a text that is no time."""
    if isinstance(when, str):
        try:
            return int(float(when))
        except (ValueError, OverflowError):
            pass
        try:
            when = datetime.fromisoformat(when)
        except ValueError:
            raise HistoryError(f'"{when}" is no time; write 2026-11-21T05:00, or Unix seconds') from None
    if isinstance(when, datetime):
        return int((when if when.tzinfo is not None else when.replace(tzinfo=UTC)).timestamp())
    return int(when)


def _step(step: int | str) -> int:
    found = seconds_of(str(step))
    if found is None or found < 1 or found != int(found):
        raise HistoryError(f'a step of "{step}" is none; write whole seconds, or 5m')
    return int(found)


def _parsed(text: str) -> Expr:
    try:
        found = parse(text)
    except ParseError as error:
        raise HistoryError(parse_error(error, text)) from None
    if type_of(found) not in ("scalar", "vector"):
        raise HistoryError("a range or a text has no value at one time; use a function over time, e.g. max_over_time()")
    return found


def _pieces(unit: Unit, setup: Setup, expr: Expr, times: range, whole: tuple[int, int], warnings: list[str]) -> Iterator[Grid]:
    """The values piece by piece, so that a long time does not have to fit into memory."""
    catalogue, sources = setup.catalogue, setup.all_sources
    for at in range(0, len(times), PIECE):
        piece = times[at : at + PIECE]
        past = read(unit, catalogue, sources, wants(expr, piece, catalogue, whole), None)
        if past.thinned_until is not None and not warnings:
            warnings.append(f"before {_shown_time(past.thinned_until)} one frame of each five minutes is kept: values may be so much older")
        yield evaluate_steps(expr, past, piece, whole)


def _joined(pieces: list[Grid]) -> Grid:
    index: dict[Labels, int] = {}
    into = [np.array([index.setdefault(row, len(index)) for row in piece.labels.rows], np.intp) for piece in pieces]
    shape = (sum(len(piece.times) for piece in pieces), len(index))
    values, present, known = np.full(shape, np.nan), np.zeros(shape, bool), np.zeros(shape, bool)
    row = 0
    for piece, columns in zip(pieces, into, strict=True):
        rows = slice(row, row + len(piece.times))
        values[rows, columns], present[rows, columns], known[rows, columns] = piece.values, piece.present, piece.known
        row = rows.stop
    times = np.concatenate([piece.times for piece in pieces])
    return Grid(LabelTable(index), times, values, present, known, tuple(m for piece in pieces for m in piece.missing))


def _table(grid: Grid, warnings: list[str]) -> pd.DataFrame:
    seen = np.flatnonzero(grid.known.any(axis=0))
    order = sorted(seen.tolist(), key=lambda i: grid.labels.rows[i])
    values = np.where(grid.known, grid.values, np.nan)[:, order]
    index = pd.DatetimeIndex(pd.to_datetime(grid.times, unit="s", utc=True), name="time")
    names = [shown(grid.labels.rows[i]) for i in order]
    table = pd.DataFrame(values, index=index, columns=pd.Index(names, dtype=object))
    table.attrs["warnings"] = [*warnings, *grid_warnings(grid, np.ones(len(grid.times), bool))]
    table.attrs["labels"] = {name: dict(grid.labels.rows[i]) for name, i in zip(names, order, strict=True)}
    return table


def _shown_time(timestamp: int) -> str:
    return datetime.fromtimestamp(timestamp, UTC).strftime("%Y-%m-%d %H:%M:%S")
