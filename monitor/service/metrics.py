"""Our own metrics in the order of the catalogue, and the latencies of the way of a block, for ``/metrics``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

from monitor.catalogue.shipped import GUARDIAN, OWN
from monitor.model import Family
from monitor.samples import NAME, Selector
from monitor.web.exposition import Sample

if TYPE_CHECKING:
    from monitor.service.life import Service


async def samples(service: Service) -> Iterable[Sample]:
    """Known series of the families about ourselves (unknown ones are left out), counters of the process, and latencies."""
    return [*_own(service), *_process(service)]


def _own(service: Service) -> Iterable[Sample]:
    pipeline, at = service.pipeline, service.parts.progress.at
    if pipeline is None or at is None:
        return
    for family in (f for f in (*OWN, *GUARDIAN) if f.kind != "event"):
        vector = pipeline.window.instant(Selector(family.name, ()), at.timestamp)
        for row, value, known in zip(vector.labels.rows, vector.values.tolist(), vector.known.tolist(), strict=True):
            if known:
                yield Sample(family.name, _kind(family), family.help, tuple(p for p in row if p[0] != NAME), value)


def _process(service: Service) -> Iterable[Sample]:
    progress = service.parts.progress
    yield Sample("stakewarden_blocks_judged_total", "counter", "Blocks judged and committed since the start.", (), progress.blocks)
    delays = sorted(progress.seen_to_judged)
    for quantile in (0.5, 0.99):
        if delays:
            value = delays[min(len(delays) - 1, int(quantile * len(delays)))]
            text = "Seconds from a head's agreement to the commit of its verdict, over the last 4096 blocks."
            yield Sample("stakewarden_judging_seconds", "gauge", text, (("quantile", str(quantile)),), value)
    for share, quantile_name in ((0.99, "0.99"), (1.0, "1")):
        if (late := service.lag.quantile(share)) is not None:
            lateness = "Seconds by which our own computing made the event loop late, over the last minute or so."
            yield Sample("stakewarden_loop_late_seconds", "gauge", lateness, (("quantile", quantile_name),), late)
    for part, seconds in service.watch.took.items() if service.watch is not None else ():
        taken = "Seconds that the newest evaluated epoch took: download of its state, evaluation, keeping."
        yield Sample("stakewarden_epoch_seconds", "gauge", taken, (("part", part),), seconds)
    if service.pipeline is not None:
        yield Sample("stakewarden_window_bytes", "gauge", "Bytes of frames in memory.", (), service.pipeline.window.nbytes)
    for endpoint in service.parts.execution.health():
        of = (("endpoint", endpoint.name),)
        yield Sample(
            "stakewarden_endpoint_messages_total", "counter", "HTTP and WebSocket requests sent since the start.", of, endpoint.messages
        )


def _kind(family: Family) -> Literal["gauge", "counter"]:
    return "counter" if family.kind == "counter" else "gauge"
