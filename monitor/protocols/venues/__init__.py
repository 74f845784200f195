"""Where a token is traded or priced: one module a kind of venue, each a reader of one pool or feed.

A reader says what to read and turns the agreed answers of one block into a :class:`Quote` in units of the venue's own base token. It
raises ``Unanswered`` (or ``BadAnswer``) when it cannot know; a venue that reverts, is stale or is empty did answer: its quote says why it
does not count. Which pool or feed is where is data (:mod:`monitor.protocols.venues.market`).
"""

from monitor.protocols.venues.chainlink import ChainlinkFeed
from monitor.protocols.venues.curve import CurveStableswap
from monitor.protocols.venues.market import Market, Venue, read_market
from monitor.protocols.venues.quote import NATIVE, ONE, Quote, Reader
from monitor.protocols.venues.uniswap import UniswapV3

__all__ = ["NATIVE", "ONE", "ChainlinkFeed", "CurveStableswap", "Market", "Quote", "Reader", "UniswapV3", "Venue", "read_market"]
