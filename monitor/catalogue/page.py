"""Writes ``docs/metrics.md``: ``python -m monitor.catalogue.page > docs/metrics.md``. A test holds the page to the catalogue."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator

from monitor.catalogue.shipped import (
    ACCOUNTING,
    BEACON,
    GUARDIAN,
    ORACLE_FAMILIES,
    OWN,
    PEG,
    QUEUE,
    ROLES,
    SLASHING,
    VALIDATORS,
)
from monitor.model import Family, LabelSpec

SIGNALS: tuple[tuple[str, str, tuple[Family, ...]], ...] = (
    ("Roles", "Who may do what, who changed it, and what is paused.", ROLES),
    ("Oracle", "Whether the committee's reports come, in time and agreed.", ORACLE_FAMILIES),
    ("Queue", "Who wants to leave, and what there is to pay them with.", QUEUE),
    ("Accounting", "Shares, ether and the rate between them.", ACCOUNTING),
    ("Validators", "How the validators of the network, of a protocol and of each operator do, epoch by epoch.", VALIDATORS),
    ("Slashing", "Who was slashed, and what it costs by the end.", SLASHING),
    ("Beacon chain", "Finality, missed slots, and the chain's own queues.", BEACON),
    ("Peg", "What the market pays, against what the protocol says it is worth.", PEG),
    ("Ourselves", "What Stakewarden sees, and what it owes. These are known at ticks too, when no block comes.", OWN),
    ("Guardian", "Whether the brake would work right now.", GUARDIAN),
)
"""Title, what it tells, and the families, in the order of the catalogue."""

PROCESS = (
    ("stakewarden_blocks_judged_total", "counter", "", "Blocks judged and committed since the start."),
    ("stakewarden_judging_seconds", "gauge", "quantile", "Seconds from a head's agreement to the commit of its verdict, over the last 4096 blocks."),
    ("stakewarden_loop_late_seconds", "gauge", "quantile", "Seconds by which our own computing made the event loop late, over the last minute or so."),
    ("stakewarden_epoch_seconds", "gauge", "part", "Seconds that the newest evaluated epoch took: download of its state, evaluation, keeping."),
    ("stakewarden_window_bytes", "gauge", "", "Bytes of frames in memory."),
    ("stakewarden_endpoint_messages_total", "counter", "endpoint", "HTTP and WebSocket requests sent since the start."),
)  # fmt: skip
"""What ``/metrics`` says of the process besides: name, kind, label, meaning. A test holds it to ``monitor/service/metrics.py``."""

HEAD = """# Metrics

Every metric that rules can ask for. Written by `python -m monitor.catalogue.page > docs/metrics.md` from
`monitor/catalogue/shipped.py`: change it there.

- **Kind.** A *gauge* is the state now. A *counter* only grows, and begins at 0 when the service starts. An *event* is a series of
  value 1 that is seen for a while after it happened; its labels say what, and in which transaction.
- **Cadence.** How often the value is read, in block time. Pauses and proxies of contracts in the groups `modules`, `vaults` and
  `governance` of [the deployment](deployment.md) are read each half minute, not at every block.
- **Fresh for.** How long a reading speaks. After that the value is *unknown*, never 0. A range is known when 80 per cent of it is
  covered by fresh readings.
- **Visible for.** How long an event is a series. Then its alert ends as *expired*.
- **Most series.** What a reading may hold of one metric. It is 1000 where nothing else is said.
- Ratios are fractions. Timestamps are Unix seconds: read them as `time() - x`.
- A label with listed values has no others; a rule that asks for another is refused. Any other label is free text.
"""

TAIL = """## The process

`/metrics` gives the metrics about ourselves and the guardian's (not its events) as far as they are known, and these besides. They are
not frames: rules cannot ask for them.

| name | kind | label | meaning |
| --- | --- | --- | --- |
"""


def page() -> str:
    """The whole page in Markdown."""
    return "\n".join([HEAD, *(line for title, about, families in SIGNALS for line in _signal(title, about, families)), TAIL + _process()])


def _signal(title: str, about: str, families: Iterable[Family]) -> Iterator[str]:
    yield f"## {title}\n\n{about}\n"
    for family in families:
        yield from _family(family)


def _family(family: Family) -> Iterator[str]:
    yield f"### `{family.name}`\n\n{family.help}\n"
    yield f"{', '.join(_facts(family))}.\n"
    for label in family.labels:
        yield f"- `{label.name}`: {label.help}{_values(label)}"
    if family.labels:
        yield ""


def _facts(family: Family) -> Iterator[str]:
    yield family.kind.capitalize()
    yield f"unit {family.unit}" if family.unit else "no unit"
    yield f"zone {family.zone}"
    if family.kind == "event":
        yield f"visible for {_duration(family.visible_for or 0)}"
    else:
        yield "every block" if family.cadence.every_block else f"every {_duration(family.cadence.seconds)} and when its contracts log"
        yield f"fresh for {_duration(family.fresh_for)}"
    if family.max_series != 1000:
        yield f"most series {family.max_series}"


def _values(label: LabelSpec) -> str:
    return "" if label.values is None else f" One of {', '.join(f'`{v}`' for v in label.values)}."


def _duration(seconds: int) -> str:
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size and seconds % size == 0:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def _process() -> str:
    return "".join(f"| `{name}` | {kind} | {f'`{label}`' if label else ''} | {text} |\n" for name, kind, label, text in PROCESS)


if __name__ == "__main__":
    sys.stdout.write(page())
