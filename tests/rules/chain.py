"""A made-up chain for tests of judging: stamps by time, and windows that are fed by hand."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from monitor.catalogue import Catalogue
from monitor.model import BlockStamp, Failed, Family, Frame, Hash, Labels, LabelSpec, Series, Slot, blind_frame, labels, ok_frame
from monitor.samples import FrameWindow, Source

GENESIS = 1_700_000_000
ITEM = LabelSpec("item", "Which thing.")

LEVEL = Family("test_level", "gauge", "", "deposit", (ITEM,), "A gauge.", fresh_for=12)
OWN = Family("test_own", "gauge", "", "monitor", (ITEM,), "A gauge about ourselves.", fresh_for=60)
HAPPENED = Family("test_happened", "event", "count", "deposit", (ITEM,), "An event.", visible_for=60)
CATALOGUE = Catalogue([LEVEL, OWN, HAPPENED])
SOURCES = (Source("level", ("test_level", "test_happened")), Source("own", ("test_own",)))


def block(number: int, branch: str = "", seconds: int = 12) -> BlockStamp:
    """Block ``number`` of a branch; blocks of different branches have different hashes."""

    def digest(n: int) -> Hash:
        return Hash("0x" + hashlib.sha256(f"{branch}{n}".encode()).hexdigest())

    return BlockStamp(number, digest(number), digest(number - 1), GENESIS + seconds * number, Slot(number))


def window() -> FrameWindow:
    return FrameWindow(CATALOGUE, SOURCES, 3600)


def level(at: BlockStamp, values: Mapping[str, float] | None) -> Frame:
    """A frame of ``test_level`` by item; None is a failed one."""
    return frame("level", "test_level", at, values)


def own(at: BlockStamp, values: Mapping[str, float] | None) -> Frame:
    return frame("own", "test_own", at, values)


def frame(collector: str, family: str, at: BlockStamp, values: Mapping[str, float] | None) -> Frame:
    if values is None:
        return blind_frame(collector, (), at, Failed("out of order"))
    return ok_frame(collector, (), at, {Series(family, item(name)): value for name, value in values.items()})


def item(name: str) -> Labels:
    return labels(item=name)
