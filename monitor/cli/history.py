"""``stakewarden history``: an expression over the past, as a table, CSV or Parquet."""

from __future__ import annotations

import sys
import time
from contextlib import nullcontext
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Literal

import pandas as pd
import typer
from rich.console import Console
from rich.table import Table

from monitor.cli.database import opened
from monitor.cli.failure import Failure
from monitor.cli.where import SettingsOption
from monitor.history import HistoryError, moment, past_table
from monitor.promql.text import number

SHOWN = 12
"""Columns of a table on a terminal; files have all."""


def history(
    expr: Annotated[str, typer.Argument(help="A PromQL expression.")],
    start: Annotated[str, typer.Option("--from", help="Where it begins: 2026-11-21T05:00 (UTC), or Unix seconds.")],
    end: Annotated[str | None, typer.Option("--to", help="Where it ends; now by default.")] = None,
    step: Annotated[str, typer.Option("--step", help="Time between two values.")] = "1m",
    form: Annotated[Literal["table", "csv", "parquet"], typer.Option("--format", help="What is written.")] = "table",
    out: Annotated[Path | None, typer.Option("--out", "-o", help="A file instead of the terminal.")] = None,
    settings: SettingsOption = None,
) -> None:
    """Tell what an expression came to in the past. What is unknown is left empty, and said on stderr."""
    if form == "parquet" and (find_spec("pyarrow") is None or out is None):
        missing = "pyarrow is not installed" if out is not None else "no file is named"
        remedy = "`.venv/bin/python -m pip install pyarrow`, or --format csv" if out is not None else "name it with --out"
        raise Failure(f"Parquet cannot be written: {missing}; {remedy}")
    try:
        until = moment(end) if end is not None else int(time.time())
        with opened(settings) as store, store.read() as unit:
            table = past_table(unit, expr, start, until, step)
    except HistoryError as wrong:
        raise Failure(str(wrong)) from None
    for line in table.attrs["warnings"]:
        typer.echo(f"note: {line}", err=True)
    if form == "parquet":
        table.to_parquet(out, engine="pyarrow")
    elif form == "csv":
        text = table.to_csv(date_format="%Y-%m-%dT%H:%M:%SZ")
        typer.echo(text, nl=False) if out is None else out.write_text(text, encoding="utf-8")
    else:
        _print(table, out)


def _print(table: pd.DataFrame, out: Path | None) -> None:
    """The series as columns, named below: labels are longer than the values that they belong to."""
    shown = Table(box=None, pad_edge=False)
    shown.add_column("time (UTC)")
    for i in range(min(len(table.columns), SHOWN)):
        shown.add_column(f"[{i + 1}]".replace("[", "\\["), justify="right")
    for at, row in zip(table.index, table.itertuples(index=False), strict=True):
        values = ["" if value != value else number(float(f"{value:.6g}")) for value in row[:SHOWN]]
        shown.add_row(at.strftime("%Y-%m-%d %H:%M:%S"), *values)
    with nullcontext(sys.stdout) if out is None else out.open("w", encoding="utf-8") as file:
        console = Console(file=file, highlight=False, soft_wrap=True)
        console.print(shown)
        for i, name in enumerate(table.columns[:SHOWN], 1):
            console.print(f"[{i}] {name}", markup=False)
        if len(table.columns) > SHOWN:
            console.print(f"{len(table.columns) - SHOWN} more series: aggregate, or --format csv", markup=False)
        if not len(table.columns):
            console.print("nothing is known of it in this time", markup=False)
