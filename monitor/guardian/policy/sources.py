"""What a condition is read from: collectors, and the contracts whose state or logs they read. Two conditions on one source are one condition."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from monitor.model import Address, Collector
from monitor.promql import Expr, selectors

Place = tuple[Address, str]
"""A contract, and ``state`` or ``logs``."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Who fills the families of a condition, from where. ``unread``: families that nobody reads from contracts at each block."""

    collectors: frozenset[str] = frozenset()
    places: frozenset[Place] = frozenset()
    unread: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Readers:
    """Collectors by family."""

    by_family: Mapping[str, tuple[Collector, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, collectors: Iterable[Collector]) -> Readers:
        found: dict[str, list[Collector]] = {}
        for collector in collectors:
            for family in collector.families:
                found.setdefault(family.name, []).append(collector)
        return cls({family: tuple(of) for family, of in found.items()})

    def origin(self, expr: Expr) -> Origin:
        """Where an expression's samples come from. Facts of the consensus layer, of HTTP sources, of ourselves and recorded ones are unread."""
        names, places, unread = set[str](), set[Place](), set[str]()
        for family in {s.selector.family for s in selectors(expr)}:
            read = [(c, found) for c in self.by_family.get(family, ()) if (found := frozenset(_places(c))) and _is_timely(c)]
            names |= {c.name for c, _ in read}
            places |= {place for _, found in read for place in found}
            unread |= set() if read else {family}
        return Origin(frozenset(names), frozenset(places), frozenset(unread))


def shared(first: Origin, second: Origin) -> str | None:
    """Why two conditions are not independent, or None.

    They need collectors of their own, so that no mistake in decoding is in both; and neither may be read from what the other is read from
    alone, so that no single contract answers for both. A contract's state and its logs are two sources: they are kept by different rules.
    """
    if both := first.collectors & second.collectors:
        return f"the collector {sorted(both)[0]} reads both conditions"
    if second.places <= first.places or first.places <= second.places:
        return "both conditions are read from the same contracts"
    return None


def _is_timely(collector: Collector) -> bool:
    return collector.cadence.every_block


def _places(collector: Collector) -> Iterator[Place]:
    """Reads of the first block; a collector without reads that watches contracts speaks of their logs."""
    reads = collector.plan({})
    yield from ((read.target, "state") for read in reads)
    if not reads:
        yield from ((address, "logs") for address in collector.watches)
