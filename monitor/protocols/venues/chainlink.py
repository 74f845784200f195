"""Chainlink-like price feeds: an answer counts while its network still answers within the heartbeat.

Only ``answer``, ``updatedAt`` and ``decimals`` are used: round ids mean different things from feed to feed. Between two answers the
price may lie anywhere within the feed's deviation band.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from monitor.model import Read, Snapshot
from monitor.protocols.abi import Contract, Function
from monitor.protocols.venues.quote import ONE, Quote, unless_reverted

LATEST = Function.parse(
    "function latestRoundData() view returns (uint80 roundId, int256 answer, uint256 startedAt, uint256 updatedAt, uint80 answeredInRound)"
)
DECIMALS = Function.parse("function decimals() view returns (uint8)")
_LEAST_MARGIN = 600
_MOST_DECIMALS = 36


@dataclass(frozen=True)
class ChainlinkFeed:
    """``heartbeat``: seconds in which the network answers at least once. All feeds of one network are one origin."""

    feed: Contract
    heartbeat: int

    @property
    def name(self) -> str:
        return self.feed.name

    @property
    def origin(self) -> str:
        return "chainlink"

    @property
    def oldest(self) -> int:
        """Age in seconds up to which an answer counts: rounds come some time after the heartbeat is over."""
        return self.heartbeat + max(self.heartbeat // 4, _LEAST_MARGIN)

    def reads(self) -> Sequence[Read]:
        return [self.feed.read(LATEST), self.feed.read(DECIMALS)]

    def quote(self, snapshot: Snapshot) -> Quote:
        """Raises Unanswered."""
        latest, decimals = (unless_reverted(self.feed, snapshot, function) for function in (LATEST, DECIMALS))
        if latest is None or decimals is None:
            return Quote(None, "the feed reverts")
        _, answer, _, updated, _ = latest
        if answer <= 0 or updated == 0 or decimals > _MOST_DECIMALS:
            return Quote(None, f"the feed answers {answer} with {decimals} decimals at {updated}")
        age = snapshot.stamp.timestamp - updated
        return Quote(answer * ONE // 10**decimals, self._too_old(age), age=age)

    def _too_old(self, age: int) -> str | None:
        if age < 0:
            return f"the answer is {-age} s newer than the block"
        return f"the answer is {age} s old, more than {self.oldest} s" if age > self.oldest else None
