"""Which pools and feeds a deployment names: data, read from its section ``peg``.

```yaml
peg:
  floor_ether: 200            # a pool with less depth does not count; also the weight of a feed
  weth: '0x…'                 # counts as ether
  quoter: '0x…'               # Uniswap's QuoterV2, needed for its pools
  venues:
    curve_steth_eth: {kind: curve_stableswap, base: lido, address: '0x…'}
    chainlink_steth_eth: {kind: chainlink, base: lido, address: '0x…', heartbeat_seconds: 86400}
    univ3_wsteth_weth: {kind: uniswap_v3, base: wsteth, address: '0x…', fee: 100}
```

``base`` is the contract whose token the venue prices.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

from monitor.model import Address
from monitor.protocols.entries import Entry

VenueKind = Literal["curve_stableswap", "uniswap_v3", "chainlink"]
MARKET_FIELDS = ("floor_ether", "weth", "quoter", "venues")
VENUE_FIELDS = ("kind", "base", "address", "heartbeat_seconds", "fee")
_OWN: dict[VenueKind, str] = {"chainlink": "heartbeat_seconds", "uniswap_v3": "fee"}
"""The field that a kind needs, and that no other may have."""
_SHARED: dict[VenueKind, tuple[str, ...]] = {"uniswap_v3": ("weth", "quoter")}
"""Fields of the section that a kind needs."""


@dataclass(frozen=True, slots=True)
class Venue:
    """One pool or feed. ``parameter``: a feed's heartbeat in seconds, a Uniswap pool's fee in parts of a million, else 0."""

    name: str
    kind: VenueKind
    base: str
    address: Address
    parameter: int


@dataclass(frozen=True, slots=True)
class Market:
    """All venues of a deployment. ``floor_ether``: whole ether of depth below which a pool does not count."""

    floor_ether: int
    weth: Address | None
    quoter: Address | None
    venues: tuple[Venue, ...]


def read_market(entry: Entry, bases: Iterable[str]) -> Market:
    """The section ``peg``; ``bases`` are the contracts whose tokens can be priced. Raises BadEntry."""
    fields = entry.fields(*MARKET_FIELDS)
    for needed in ("floor_ether", "venues"):
        if needed not in fields:
            entry.fail(f'"peg" has no {needed}')
    weth, quoter = (fields[key].account() if key in fields else None for key in ("weth", "quoter"))
    venues = tuple(_venue(name, value, fields.keys(), tuple(bases)) for name, _, value in fields["venues"].items())
    _once_each(fields["venues"], venues)
    floor = fields["floor_ether"].integer()
    if floor == 0:
        fields["floor_ether"].fail("peg.floor_ether must be above 0: it is also the weight of a feed")
    return Market(floor, weth, quoter, venues)


def _venue(name: str, entry: Entry, shared: Iterable[str], bases: tuple[str, ...]) -> Venue:
    fields = entry.fields(*VENUE_FIELDS)
    for needed in ("kind", "base", "address"):
        if needed not in fields:
            entry.fail(f'venue "{name}" has no {needed}')
    text = fields["kind"].one_of(get_args(VenueKind))
    kind = next(k for k in get_args(VenueKind) if k == text)
    own = _OWN.get(kind)
    for key in ("heartbeat_seconds", "fee"):
        if (key in fields) != (key == own):
            entry.fail(f'venue "{name}": a {kind} venue {"needs" if key == own else "has no"} {key}')
    for key in _SHARED.get(kind, ()):
        if key not in shared:
            entry.fail(f'venue "{name}": a {kind} venue needs peg.{key}')
    base = fields["base"].one_of(bases)
    parameter = fields[own].integer() if own else 0
    if own and parameter == 0:
        fields[own].fail(f'venue "{name}": {own} must be above 0')
    return Venue(name, kind, base, fields["address"].account(), parameter)


def _once_each(entry: Entry, venues: tuple[Venue, ...]) -> None:
    """A pool listed twice would be two votes of one source."""
    seen: dict[Address, str] = {}
    for venue in venues:
        other = seen.setdefault(venue.address, venue.name)
        if other != venue.name:
            entry.fail(f'venues "{other}" and "{venue.name}" have the same address')
