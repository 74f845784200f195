"""What the query API reads of a running service."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Protocol

from monitor.catalogue import Catalogue
from monitor.samples import FrameWindow, Source
from monitor.service.build import Parts
from monitor.service.pipeline import Pipeline
from monitor.service.setup import Setup
from monitor.web.prom import Feed, Judging


class Living(Protocol):
    """A service, as far as it is read here."""

    parts: Parts
    pipeline: Pipeline | None


def feed(service: Living) -> Feed:
    """The present rules and families; memory while this process judges, the store always."""
    parts = service.parts

    def setup() -> Setup:
        return parts.setup if service.pipeline is None else service.pipeline.setup

    def data() -> tuple[Catalogue, Sequence[Source]]:
        return setup().catalogue, setup().all_sources

    def window() -> FrameWindow | None:
        return None if service.pipeline is None else service.pipeline.window

    def newest() -> int | None:
        return None if parts.progress.at is None else parts.progress.at.timestamp

    def judging() -> Judging | None:
        if service.pipeline is None:
            return None
        seconds = parts.settings.network.block_seconds
        return Judging(setup().ruleset, service.pipeline.live, parts.progress.verdicts, parts.progress.judged_at, seconds)

    return Feed(parts.store, data, window, newest, judging, time.time)
