"""Alert instances as one immutable value: it is stored with each judged stamp, so it survives restarts and can be rewound.

The JSON form is byte-stable: equal instances give equal text, whatever made them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from functools import cached_property, lru_cache
from typing import Any, Literal, cast

from monitor.model import AlertInstance, BlockStamp, EpisodeId, Hash, Labels, Moment, RuleId, Slot, Tick

Seen = Literal["true", "false", "unknown"]

_FNV_OFFSET = 0xCBF29CE484222325
_FNV_PRIME = 0x100000001B3


@lru_cache(maxsize=1 << 16)
def fingerprint(labels: Labels) -> int:
    """Prometheus' and Alertmanager's fingerprint: FNV-1a 64 over sorted names and values, each ended by the byte 0xff."""
    value = _FNV_OFFSET
    for name, text in sorted(labels):
        for byte in name.encode() + b"\xff" + text.encode() + b"\xff":
            value = (value ^ byte) * _FNV_PRIME & 0xFFFFFFFFFFFFFFFF
    return value


def episode_id(of: int, at: Moment) -> EpisodeId:
    """The name of the firing life that begins at a moment: the same in every process that judges the same blocks."""
    if isinstance(at, Tick):
        return EpisodeId(f"{of:016x}-{at.last.hash[2:18]}-{at.timestamp}")
    return EpisodeId(f"{of:016x}-{at.hash[2:18]}")


@dataclass(frozen=True, slots=True)
class Live:
    """An instance with what judging it again needs.

    ``element``: the labels of the expression's element, with the metric's name if it has one. ``seen``: what the last judgement
    saw; it may be older than the last stamp (``judged``, block time). ``no_data``: this instance says that the rule is unknown.
    """

    instance: AlertInstance
    element: Labels
    seen: Seen
    judged: int
    no_data: bool = False

    @property
    def key(self) -> tuple[RuleId, int]:
        return self.instance.rule, self.instance.fingerprint


@dataclass(frozen=True)
class Instances:
    """All pending and firing instances after the stamp ``at``, in order of rule and fingerprint.

    ``judged``: for groups with an interval, the block time at which they were judged last. ``ticked``: time of the last tick.
    """

    at: Moment | None = None
    live: tuple[Live, ...] = ()
    judged: tuple[tuple[str, int], ...] = ()
    ticked: int | None = None

    def is_before_tick(self, at: Moment) -> bool:
        """Whether ``at`` is a block that came after a tick and is not later than it: made up after an outage.

        Rules about ourselves were judged at the tick already, and time does not go back for them.
        """
        return self.ticked is not None and isinstance(at, BlockStamp) and at.timestamp <= self.ticked

    def __iter__(self) -> Iterator[AlertInstance]:
        return (live.instance for live in self.live)

    def __len__(self) -> int:
        return len(self.live)

    @cached_property
    def by_rule(self) -> Mapping[RuleId, tuple[Live, ...]]:
        found: dict[RuleId, list[Live]] = {}
        for live in self.live:
            found.setdefault(live.instance.rule, []).append(live)
        return {rule: tuple(of) for rule, of in found.items()}

    @property
    def firing(self) -> tuple[AlertInstance, ...]:
        return tuple(i for i in self if i.state == "firing")

    @property
    def pending(self) -> tuple[AlertInstance, ...]:
        return tuple(i for i in self if i.state == "pending")

    def to_json(self) -> str:
        """Canonical JSON."""
        body = {
            "at": None if self.at is None else _moment(self.at),
            "judged": dict(self.judged),
            "ticked": self.ticked,
            "live": [_live(live) for live in self.live],
        }
        return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Instances:
        """The inverse of :meth:`to_json`."""
        body = json.loads(text)
        at = None if body["at"] is None else _read_moment(body["at"])
        return cls(at, tuple(_read_live(live) for live in body["live"]), tuple(sorted(body["judged"].items())), body["ticked"])


NONE = Instances()
"""Before the first judged moment."""


def ordered(live: Iterable[Live]) -> tuple[Live, ...]:
    return tuple(sorted(live, key=lambda x: x.key))


# ---------------------------------------------------------------- JSON


def _moment(at: Moment) -> dict[str, Any]:
    if isinstance(at, Tick):
        return {"last": _moment(at.last), "timestamp": at.timestamp}
    return {f.name: getattr(at, f.name) for f in fields(at)}


def _read_moment(body: dict[str, Any]) -> Moment:
    if "last" in body:
        return Tick(cast(BlockStamp, _read_moment(body["last"])), body["timestamp"])
    return BlockStamp(body["number"], Hash(body["hash"]), Hash(body["parent"]), body["timestamp"], Slot(body["slot"]), body["beacon_root"])


def _live(live: Live) -> dict[str, Any]:
    i = live.instance
    return {
        "fingerprint": f"{i.fingerprint:016x}",
        "rule": i.rule,
        "labels": dict(i.labels),
        "annotations": dict(i.annotations),
        "state": i.state,
        "since": _moment(i.since),
        "true_for": i.true_for,
        "clear_for": i.clear_for,
        "unknown_since": None if i.unknown_since is None else _moment(i.unknown_since),
        "episode": i.episode,
        "value": i.value if math.isfinite(i.value) else str(i.value),
        "element": dict(live.element),
        "seen": live.seen,
        "judged": live.judged,
        "no_data": live.no_data,
    }


def _read_live(body: dict[str, Any]) -> Live:
    instance = AlertInstance(
        fingerprint=int(body["fingerprint"], 16),
        rule=RuleId(body["rule"]),
        labels=tuple(sorted(body["labels"].items())),
        annotations=tuple(sorted(body["annotations"].items())),
        state=body["state"],
        since=_read_moment(body["since"]),
        true_for=body["true_for"],
        clear_for=body["clear_for"],
        unknown_since=None if body["unknown_since"] is None else _read_moment(body["unknown_since"]),
        episode=body["episode"],
        value=float(body["value"]),
    )
    return Live(instance, tuple(sorted(body["element"].items())), body["seen"], body["judged"], body["no_data"])
