"""Judging alone, without chain and database: the shipped rules on recorded frames, and PromQL on a network's worth of series."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from benchmarks.figures import Report
from monitor import rules
from monitor.catalogue import Catalogue
from monitor.model import BlockStamp, Family, Frame, Hash, LabelSpec, Layout, Moment, Ok, Series, Slot, labels
from monitor.promql import evaluate, parse
from monitor.rules import Instances
from monitor.samples import FrameWindow, Source
from monitor.service.replay import replay_journal
from monitor.service.setup import Setup
from monitor.store import ReplayEntry, Store, journal

RECORDED, WIDE = "judging recorded frames", "judging 32,000 series"
SERIES = 32_000
OPERATORS = 40
ROWS = 60
ROUNDS = 15
EXPRESSIONS = (
    "bench_balance > 32000500",
    "sum by (operator) (bench_balance)",
    "max by (operator) (bench_balance - on (operator, validator) bench_floor)",
    "count by (operator) (delta(bench_balance[5m]) < 0)",
    "avg_over_time(bench_balance[5m])",
)


def recorded(report: Report, url: str) -> None:
    """Judge a journal's frames again, timing each step, then replay it as ``stakewarden replay`` does."""
    with Store.open(url) as store, store.read() as unit:
        steps = Steps()
        for entry in journal.replay(unit):
            steps.take(entry)
        start = time.perf_counter()
        found = replay_journal(unit)
        seconds = time.perf_counter() - start
    for name, took in steps.took.items():
        report.spread(RECORDED, name, took, "ms")
    report.add(RECORDED, "rules", steps.rules, "")
    report.add(RECORDED, "replay", found.moments / seconds, "moments a second", note=f"{found.moments} moments, reading them included")
    report.add(RECORDED, "replay, differences", len(found.differences), "entries", 0, "the same frames must give the same transitions")


class Steps:
    """The steps of judging a moment, each timed; for a journal that began with one rule set and was never rewound."""

    def __init__(self) -> None:
        self.took: dict[str, list[float]] = {}
        self.rules = 0
        self._setup: Setup | None = None
        self._live = Instances()

    def take(self, entry: ReplayEntry) -> None:
        if entry.kind == "rules":
            assert entry.ruleset_text is not None
            self._setup = Setup.from_text(entry.ruleset_text)
            self._window, self._recorders, self.rules = self._setup.window(), self._setup.recorders, len(self._setup.ruleset)
        elif entry.kind in ("block", "tick"):
            assert self._setup is not None and entry.at is not None
            self._judge(self._setup.ruleset, entry.at, [f for f in entry.frames if f.collector not in self._recorders])

    def _judge(self, ruleset: rules.RuleSet, at: Moment, frames: Sequence[Frame]) -> None:
        with self._timed("append a block's frames to the window"):
            for frame in frames:
                self._window.append(frame)
        with self._timed("recording rules"):
            rules.record(ruleset, self._window, at, self._live)
        with self._timed("alerting rules"):
            self._live, _, _ = rules.judge(ruleset, self._window, at, self._live)
        with self._timed("snapshot of the instances"):
            self._live.to_json()

    @contextlib.contextmanager
    def _timed(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.took.setdefault(name, []).append((time.perf_counter() - start) * 1000)


def wide(report: Report) -> None:
    """Frames of 32,000 series in a window of an hour's half, and expressions over them."""
    catalogue = Catalogue(_family(name) for name in ("bench_balance", "bench_floor"))
    window = FrameWindow(catalogue, [Source("bench", ("bench_balance", "bench_floor"))], 600)
    append, at = [], 0
    for frame in _frames():
        append.append(_ms(lambda: window.append(frame)))  # noqa: B023
        at = frame.admitted.timestamp
    report.spread(WIDE, "append a frame to the window", append, "ms")
    report.add(WIDE, "window", window.nbytes / 1e6, "MB", note=f"{ROWS} blocks")
    for text in EXPRESSIONS:
        expression = parse(text)
        took = [_ms(lambda: evaluate(expression, window, at)) for _ in range(ROUNDS)]  # noqa: B023
        report.add(WIDE, text, float(np.median(took)), "ms", note=f"median of {ROUNDS}; the first {took[0]:.1f}")


def _family(name: str) -> Family:
    pair = (LabelSpec("operator", "who runs it"), LabelSpec("validator", "its index"))
    return Family(name, "gauge", "count", "validator", pair, "A made-up balance in gwei, in thousands.", max_series=SERIES)


def _frames() -> Iterator[Frame]:
    rng = np.random.default_rng(1)
    half = SERIES // 2
    who = [labels(operator=f"o{i % OPERATORS}", validator=str(i)) for i in range(half)]
    layout = Layout(Series(name, each) for name in ("bench_balance", "bench_floor") for each in who)
    values = np.concatenate([32e6 + rng.integers(0, 1000, half), np.full(half, 32e6)]).astype(np.float64)
    for n in range(1, ROWS + 1):
        values = values.copy()
        values[:half] += rng.integers(-5, 20, half)
        at = BlockStamp(n, Hash(f"0x{n:064x}"), Hash(f"0x{n - 1:064x}"), 1_700_000_000 + 12 * n, Slot(n))
        yield Frame("bench", (), at, at, Ok(), layout, values)


def _ms(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return (time.perf_counter() - start) * 1000
