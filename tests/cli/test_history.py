"""``stakewarden history``."""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from monitor.history import history as told
from tests.cli.conftest import Run, plain, write
from tests.history.world import written
from tests.samples.stamps import stamp

SPAN = ("--from", stamp(98).timestamp, "--to", stamp(106).timestamp, "--step", "24s")


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    return written(tmp_path_factory.mktemp("history"))


@pytest.fixture
def settings(tmp_path: Path, url: str) -> Path:
    return write(tmp_path, plain(tmp_path) | {"store": {"url": url}})


def test_a_table_names_its_series_and_leaves_out_what_is_unknown(stakewarden: Run, settings: Path) -> None:
    done = stakewarden("history", "queue_unfinalized_ether", *SPAN, "-s", settings)
    assert (done.code, done.out.splitlines()) == (
        0,
        [
            "time (UTC)           [1]",
            "2023-11-14 22:32:56   98",
            "2023-11-14 22:33:20   99",
            "2023-11-14 22:33:44   99",
            "2023-11-14 22:34:08   99",
            "2023-11-14 22:34:32     ",
            '[1] queue_unfinalized_ether{protocol="lido"}',
        ],
    )
    assert "is unknown at 1 of 5 steps" in done.err


def test_csv_goes_to_the_terminal_or_into_a_file(stakewarden: Run, settings: Path, tmp_path: Path) -> None:
    done = stakewarden("history", "queue_bunker_mode", *SPAN, "--format", "csv", "-s", settings)
    assert done.code == 0
    assert done.out.splitlines()[:2] == ['time,"queue_bunker_mode{protocol=""lido""}"', "2023-11-14T22:32:56Z,0.0"]
    out = tmp_path / "bunker.csv"
    assert stakewarden("history", "queue_bunker_mode", *SPAN, "--format", "csv", "-o", out, "-s", settings).out == ""
    assert out.read_text() == done.out


def test_parquet_keeps_times_labels_and_what_was_unknown(stakewarden: Run, settings: Path, tmp_path: Path, url: str) -> None:
    out = tmp_path / "queue.parquet"
    done = stakewarden("history", "queue_unfinalized_ether", *SPAN, "--format", "parquet", "-o", out, "-s", settings)
    assert (done.code, done.out) == (0, "") and "is unknown at 1 of 5 steps" in done.err
    name = 'queue_unfinalized_ether{protocol="lido"}'
    column = pq.read_table(out).column(name)
    assert column.to_pylist() == [98.0, 99.0, 99.0, 99.0, None]
    table = pd.read_parquet(out)
    assert table.index.name == "time" and [int(at.timestamp()) for at in table.index] == list(range(SPAN[1], SPAN[3] + 1, 24))
    assert table.attrs["labels"] == {name: {"__name__": "queue_unfinalized_ether", "protocol": "lido"}}
    assert any("is unknown at 1 of 5 steps" in line for line in table.attrs["warnings"])
    pd.testing.assert_frame_equal(table, told(url, "queue_unfinalized_ether", SPAN[1], SPAN[3], "24s"), check_column_type=False)


def test_parquet_of_nothing_has_its_times(stakewarden: Run, settings: Path, tmp_path: Path) -> None:
    out = tmp_path / "none.parquet"
    assert stakewarden("history", "queue_bunker_mode > 5", *SPAN, "--format", "parquet", "-o", out, "-s", settings).code == 0
    assert pd.read_parquet(out).shape == (5, 0)


def test_parquet_wants_pyarrow_and_a_file(stakewarden: Run, settings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ("history", "queue_bunker_mode", *SPAN, "--format", "parquet", "-s", settings)
    done = stakewarden(*words)
    assert done.code == 2 and "Parquet cannot be written: no file is named" in done.err
    monkeypatch.setitem(sys.modules, "pyarrow", None)  # as where it is not installed
    out = tmp_path / "bunker.parquet"
    done = stakewarden(*words, "-o", out)
    assert done.code == 2 and "`.venv/bin/python -m pip install pyarrow`" in done.err and not out.exists()


def test_an_answer_of_nothing_is_said(stakewarden: Run, settings: Path) -> None:
    done = stakewarden("history", "queue_bunker_mode > 5", *SPAN, "-s", settings)
    assert (done.code, done.out.splitlines()[-1]) == (0, "nothing is known of it in this time")


@pytest.mark.parametrize(("expr", "says"), [("rat(x)", "parse error"), ("nothing_like_it", "nothing_like_it")])
def test_a_mistake_is_one_line(stakewarden: Run, settings: Path, expr: str, says: str) -> None:
    done = stakewarden("history", expr, *SPAN, "-s", settings)
    assert done.code == 2 and says in done.err and len(done.err.splitlines()) == 1
