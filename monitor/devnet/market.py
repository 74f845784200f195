"""The devnet's market: two stableswap pools of ether and stETH, and a price feed, in proportion to the devnet's stake.

Mainnet's pools hold about one per cent of all stETH; so do these. The floor below which a pool does not count is smaller by as much.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from eth_utils.address import to_checksum_address

from monitor.devnet.accounts import address_of
from monitor.devnet.build import Artifacts
from monitor.devnet.rpc import Rpc
from monitor.devnet.transactions import Receipt, Transaction, ether, send

MAKER = "market_maker"
FEE = 10**6
"""0.01 %, as on mainnet."""
FLOOR_ETHER = 2
HEARTBEAT = 86_400
DECIMALS = 18
PAR = 10**18
FEED, AGGREGATOR = "chainlink_steth_eth", "chainlink_steth_eth_aggregator"
RESERVE = 1_100
"""stETH that the market maker keeps, to sell in drills."""
_FOREVER = 2**256 - 1


@dataclass(frozen=True)
class Listing:
    """A pool at the start: its amplification, and ether of liquidity in each coin."""

    amplification: int
    liquidity: int


POOLS = {"curve_steth_eth": Listing(50, 600), "curve_steth_eth_ng": Listing(200, 300)}
"""By their names on mainnet."""
STAKED_BY_MAKER = RESERVE + sum(pool.liquidity for pool in POOLS.values())


@dataclass(frozen=True)
class Opened:
    """Contracts with their addresses and kinds, and the section ``peg`` of the deployment file."""

    contracts: dict[str, str]
    kinds: dict[str, str]
    peg: dict[str, Any]


def open_market(rpc: Rpc, compiled: Artifacts, token: str) -> Opened:
    """Deploy pools and feed, and fill the pools. ``token``: stETH's address; staking must be open."""
    deployer, maker = address_of("deployer"), address_of(MAKER)
    rpc.call("anvil_setBalance", maker, hex(ether(STAKED_BY_MAKER + 1_000_000)))
    pool, lido = compiled["StableSwapPool"], compiled["Lido"]
    made = [
        *(Transaction(deployer, None, pool.create(token, listing.amplification, FEE)) for listing in POOLS.values()),
        Transaction(deployer, None, compiled["PriceAggregator"].create(maker, HEARTBEAT, DECIMALS, "STETH / ETH", PAR)),
    ]
    *pools, aggregator = _places(rpc, send(rpc, made))
    proxy = Transaction(deployer, None, compiled["PriceFeedProxy"].create(address_of("governance"), aggregator))
    (feed,) = _places(rpc, send(rpc, [proxy]))
    steps = [Transaction(maker, token, lido.data("submit", "0x" + "00" * 20), ether(STAKED_BY_MAKER))]
    for at, listing in zip(pools, POOLS.values(), strict=True):
        both = [ether(listing.liquidity)] * 2
        steps.append(Transaction(maker, token, lido.data("approve", at, _FOREVER)))
        steps.append(Transaction(maker, at, pool.data("add_liquidity", both, 0), both[0]))
    send(rpc, steps)
    places = dict(zip(POOLS, pools, strict=True))
    kinds = dict.fromkeys(POOLS, "StableSwapPool") | {AGGREGATOR: "PriceAggregator", FEED: "PriceFeedProxy"}
    return Opened({**places, AGGREGATOR: aggregator, FEED: feed}, kinds, _section(places, feed))


def _section(pools: dict[str, str], feed: str) -> dict[str, Any]:
    venues: dict[str, dict[str, Any]] = {n: {"kind": "curve_stableswap", "base": "lido", "address": at} for n, at in pools.items()}
    venues[FEED] = {"kind": "chainlink", "base": "lido", "address": feed, "heartbeat_seconds": HEARTBEAT}
    return {"floor_ether": FLOOR_ETHER, "venues": venues}


def _places(rpc: Rpc, receipts: list[Receipt]) -> list[str]:
    found = rpc.batch([("eth_getTransactionReceipt", [receipt.hash]) for receipt in receipts])
    return [str(to_checksum_address(receipt["contractAddress"])) for receipt in found]
