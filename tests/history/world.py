"""A database as a service leaves it: rules that were noted, and an hour of judged blocks."""

from __future__ import annotations

from pathlib import Path

from monitor.model import Failed, Series, blind_frame, labels, ok_frame
from monitor.rules import from_sources
from monitor.samples import Source
from monitor.service.setup import Setup
from monitor.store import JudgedEntry, Store, journal
from tests.samples.stamps import stamp

BLOCKS = 300
LIDO = labels(protocol="lido")
SETUP = Setup(
    from_sources({"r.yml": "groups:\n- name: g\n  rules:\n  - {record: 'queue:most:ether', expr: 'max(queue_unfinalized_ether)'}\n"}),
    (Source("queue", ("queue_unfinalized_ether", "queue_bunker_mode"), (LIDO,)),),
)


def written(folder: Path) -> str:
    """The database's URL. Block n says n ether; from 100 to 149 nobody heard of the queue."""
    url = f"sqlite:///{folder / 'history.db'}"
    with Store.open(url) as store:
        store.migrate()
        with store.begin() as unit:
            journal.rules(unit, SETUP.hash, SETUP.text, seen_at=0.0)
            for n in range(1, BLOCKS + 1):
                at = stamp(n)
                said = {Series("queue_unfinalized_ether", LIDO): float(n), Series("queue_bunker_mode", LIDO): 0.0}
                frame = blind_frame("queue", LIDO, at, Failed("no answer")) if 100 <= n < 150 else ok_frame("queue", LIDO, at, said)
                journal.append(unit, JudgedEntry(at, at.timestamp + 1.0, at.timestamp + 2.0, ruleset=SETUP.hash, frames=(frame,)))
    return url
