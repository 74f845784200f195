"""Moments and series as JSON values."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from monitor.model import BlockStamp, Hash, Labels, Layout, Moment, Series, Slot, Tick


def stamp_json(stamp: BlockStamp) -> list[Any]:
    return [stamp.number, stamp.hash, stamp.parent, stamp.timestamp, stamp.slot, stamp.beacon_root]


def json_stamp(value: list[Any]) -> BlockStamp:
    number, hash, parent, timestamp, slot, root = value
    return BlockStamp(number, Hash(hash), Hash(parent), timestamp, Slot(slot), None if root is None else Hash(root))


def moment_json(moment: Moment) -> list[Any]:
    """A block's values, or for a tick its timestamp and the last block's values."""
    return [moment.timestamp, stamp_json(moment.last)] if isinstance(moment, Tick) else stamp_json(moment)


def json_moment(value: list[Any]) -> Moment:
    return Tick(json_stamp(value[1]), value[0]) if len(value) == 2 else json_stamp(value)


def json_labels(value: Iterable[Iterable[str]]) -> Labels:
    return tuple((name, text) for name, text in value)


def layout_json(layout: Layout) -> list[Any]:
    return [[series.family, series.labels] for series in layout.series]


def json_layout(value: list[Any]) -> Layout:
    return Layout(Series(family, json_labels(pairs)) for family, pairs in value)
