"""The past as a table: what was known, NaN where it was not, and errors in one line."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from monitor.history import HistoryError, history
from monitor.history import series as past_series
from monitor.store import Store
from monitor.store.retention import Retention, prune
from tests.history.world import BLOCKS, written
from tests.samples.stamps import stamp

ETHER = 'queue_unfinalized_ether{protocol="lido"}'


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    yield written(tmp_path_factory.mktemp("history"))


def test_values_are_by_time_and_series(url: str) -> None:
    start = datetime.fromtimestamp(stamp(10).timestamp, UTC)
    table = history(url, "queue_unfinalized_ether", start, stamp(20).timestamp, 12)
    assert table[ETHER].tolist() == [float(n) for n in range(10, 21)]
    assert table.index[0] == pd.Timestamp(stamp(10).timestamp, unit="s", tz="UTC") and table.index.name == "time"
    assert table.attrs == {"warnings": [], "labels": {ETHER: {"__name__": "queue_unfinalized_ether", "protocol": "lido"}}}


def test_what_was_unknown_is_nan_and_said(url: str) -> None:
    table = history(url, "sum by (protocol) (queue_unfinalized_ether)", stamp(90).timestamp, stamp(160).timestamp, 12)
    column = table['{protocol="lido"}']
    assert [n for n, v in zip(range(90, 161), column, strict=True) if math.isnan(v)] == list(range(105, 150))
    (warning,) = [w for w in table.attrs["warnings"] if "is unknown" in w]
    assert "45 of 71 steps" in warning


def test_a_long_time_is_read_in_pieces_and_is_one_time(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = ("queue_unfinalized_ether - queue_unfinalized_ether @ start() + queue_unfinalized_ether @ end()", stamp(1).timestamp, stamp(BLOCKS).timestamp, "24s")  # fmt: skip
    whole = history(url, *asked)
    monkeypatch.setattr(past_series, "PIECE", 7)
    pd.testing.assert_frame_equal(whole, history(url, *asked))
    assert whole.iloc[3, 0] == 6.0 + BLOCKS


def test_thinned_frames_still_make_a_line(url: str, tmp_path: Path) -> None:
    thin = written(tmp_path)
    with Store.open(thin) as store, store.begin() as unit:
        while prune(unit, stamp(BLOCKS).timestamp, Retention(raw=600, thinned=86_400)):
            pass
    asked = ("queue_unfinalized_ether", stamp(30).timestamp, stamp(BLOCKS).timestamp, "1m")
    full, thinned = history(url, *asked)[ETHER], history(thin, *asked)
    assert any("five minutes" in w for w in thinned.attrs["warnings"])
    told = thinned[ETHER].dropna()
    assert len(told) > 0.8 * len(full.dropna())
    assert np.nanmax((full - thinned[ETHER]).abs()) <= 312 / 12


def test_a_recorded_name_is_known_and_empty_where_nothing_was_recorded(url: str) -> None:
    table = history(url, "queue:most:ether", stamp(10).timestamp, stamp(20).timestamp, 60)
    assert table.shape == (3, 0) and "may be missing" in table.attrs["warnings"][0]


@pytest.mark.parametrize(
    ("expr", "start", "end", "step", "says"),
    [
        ("rat(x)", 1, 2, 1, "1:1: parse error: the function"),
        ("queue_unfinalized_ether[5m]", 1, 2, 1, "use a function over time"),
        ("queue_unfinalised_ether", 1, 2, 1, "queue_unfinalized_ether"),
        ("queue_bunker_mode", 2, 1, 1, "before it begins"),
        ("queue_bunker_mode", "gestern", 1, 1, "is no time"),
        ("queue_bunker_mode", 1, "inf", 1, "is no time"),
        ("queue_bunker_mode", 1, 2, 0, "a step of"),
        ("queue_bunker_mode", 1, 2, "500ms", "whole seconds"),
        ("queue_bunker_mode", 1, 10**9, 1, "larger steps"),
        ('-label_replace(queue_bunker_mode or on (x) label_replace(queue_unfinalized_ether, "x", "1", "", ""), "x", "", "", "")', stamp(9).timestamp, stamp(9).timestamp, 1, "same labels"),
    ],
)  # fmt: skip
def test_what_cannot_be_told_is_said(url: str, expr: str, start: object, end: object, step: object, says: str) -> None:
    with pytest.raises(HistoryError) as caught:
        history(url, expr, start, end, step)  # type: ignore[arg-type]
    assert says in str(caught.value)


def test_a_missing_database_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(HistoryError, match="there is no database"):
        history(f"sqlite:///{tmp_path / 'none.db'}", "vector(1)", 1, 2)
    assert not list(tmp_path.iterdir())


def test_an_empty_journal_is_said(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'new.db'}"
    with Store.open(url) as store:
        store.migrate()
    with pytest.raises(HistoryError, match="no judged block"):
        history(url, "vector(1)", 1, 2)
