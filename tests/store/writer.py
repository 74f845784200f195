"""A process that writes entries until it is killed, and tells each one that is committed."""

from __future__ import annotations

from multiprocessing.connection import Connection

import numpy as np

from monitor.model import Tick
from monitor.store import Store, journal
from tests.store.entries import RULES, entry, frame, stamp, transition

FRAMES = 6
SERIES = 40


def write(url: str, told: Connection) -> None:
    """Append for ever; ``told`` gets each entry's number after its commit, first -1."""
    rng = np.random.default_rng()
    with Store.open(url) as store:
        told.send(-1)
        while True:
            with store.begin() as unit:
                tail = journal.tail(unit, 4)
                number = tail[-1].number + 1 if tail else 1
                at = stamp(number)
                if number % 5 == 0 and rng.random() < 0.3:
                    seq = journal.rewind(unit, tail[0], seen_at=0.0, ruleset=RULES)
                else:
                    moment = Tick(tail[-1], at.timestamp) if tail and rng.random() < 0.2 else at
                    values = {f"m{i}": float(number + rng.integers(2)) for i in range(SERIES)}
                    frames = [frame(moment, values, collector=f"c{i}", events=2) for i in range(FRAMES)]
                    known = {"c": {"number": number}}
                    whole = entry(moment, *frames, transitions=(transition(moment),) * 3, known=known, instances=f"[{number}]")
                    seq = journal.append(unit, whole)
            told.send(seq)
