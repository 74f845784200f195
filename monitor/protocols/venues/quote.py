"""What every kind of venue gives, and how depth is found from quotes of several sizes. All coins have 18 decimals."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from monitor.model import Read, Snapshot, address
from monitor.protocols.abi import Contract, Function

ONE = 10**18
"""One whole token, or one ether."""
NATIVE = address("0xEeeeeEeeeEeEeeEeEeEeeEEEeeeeEeeeeeeeEEeE")
"""Curve's name for ether itself."""
WORST_SPREAD = (2, 100)
"""Distance between two prices of one pool above which their middle or mean says nothing (2 %), as a fraction."""
_LOST = 0.01
"""The slippage at which depth is measured."""


@dataclass(frozen=True, slots=True)
class Quote:
    """One venue at one block, in units of its base token.

    ``price``: wei of ether for one token, None when it gave none. ``refused``: why the price does not count, None when it does. ``depth``:
    wei of tokens that can be sold at 1 % slippage, None for feeds. ``balances``: wei of tokens and of ether in the pool. ``age``:
    seconds since a feed's answer.
    """

    price: int | None
    refused: str | None = None
    depth: int | None = None
    balances: tuple[int, int] | None = None
    age: int | None = None


class Reader(Protocol):
    """A reader of one venue. ``origin``: venues of equal origin are one source, whatever they are called."""

    @property
    def name(self) -> str: ...
    @property
    def origin(self) -> str: ...
    def reads(self) -> Sequence[Read]: ...
    def quote(self, snapshot: Snapshot) -> Quote: ...


def unless_reverted(contract: Contract, snapshot: Snapshot, function: Function, *arguments: Hashable) -> Any:
    """The agreed answer, or None when the call reverted. Raises Unanswered when there is neither."""
    if contract.reverted(snapshot, function, *arguments) is not None:
        return None
    return contract.ask(snapshot, function, *arguments)


def depth(sold: Iterable[tuple[int, int]]) -> int:
    """Wei of tokens whose sale loses at most 1 % against the smallest sale: interpolated on the logarithm of the size.

    ``sold``: wei in and wei out, by growing size; the first is the measure. A size that is missing could not be sold.
    """
    quotes = list(sold)
    if not quotes or not quotes[0][1]:
        return 0
    first_in, first_out = quotes[0]
    last, last_loss = first_in, 0.0
    for size, out in quotes[1:]:
        # Both products are exact; the one division is rounded once.
        loss = 1 - (out * first_in) / (size * first_out)
        if loss > _LOST:
            part = (_LOST - last_loss) / (loss - last_loss)
            # Whole gwei: no other machine's last digit of a logarithm may show.
            return round(last * math.exp(part * math.log(size / last)) / 10**9) * 10**9
        last, last_loss = size, max(loss, 0.0)
    return last
