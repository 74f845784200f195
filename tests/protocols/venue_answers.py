"""Pools and feeds in plain Python that answer reads as the contracts would; selectors come from tests/data."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from eth_abi import decode, encode

from monitor.model import Address, Answer, BlockStamp, Call, Failed, Hash, Read, Reverted, Slot, Snapshot, Value, address

FACTS = yaml.load((Path(__file__).parents[1] / "data" / "peg_interface.yaml").read_text(), Loader=yaml.CSafeLoader)
SELECTORS = {signature: bytes.fromhex(found[2:]) for _, signature, found in FACTS["functions"]}
SELECTORS |= {"token0()": bytes.fromhex("0dfe1681"), "token1()": bytes.fromhex("d21220a7")}
VECTORS: Mapping[str, Mapping[str, Any]] = FACTS["vectors"]
NOW = 1_790_000_000
ETH = 10**18
POOL, FEED, QUOTER, STETH, WSTETH, WETH = (address(f"0x{n:040x}") for n in range(0xB0, 0xB6))
NATIVE = address("0xEeeeeEeeeEeEeeEeEeEeeEEEeeeeEeeeeeeeEEeE")
REVERTS = Reverted(b"", ("a",))


def stamp(timestamp: int = NOW) -> BlockStamp:
    return BlockStamp(1, Hash(f"0x{1:064x}"), Hash(f"0x{0:064x}"), timestamp, Slot(0))


@dataclass
class Answers:
    """``known``: what each contract answers, by address and signature; a function of the arguments. Everything else reverts.

    ``broken``: an answer in place of all of a contract's.
    """

    known: dict[tuple[Address, str], Callable[..., Any]] = field(default_factory=dict)
    broken: dict[Address, Answer] = field(default_factory=dict)
    now: int = NOW

    def snapshot(self, reads: Iterable[Read]) -> Snapshot:
        return Snapshot(stamp(self.now), {read: self.answer(read) for read in reads})

    def answer(self, read: Read) -> Answer:
        if read.target in self.broken:
            return self.broken[read.target]
        assert isinstance(read.what, Call)
        for (target, signature), function in self.known.items():
            if target == read.target and read.what.data[:4] == SELECTORS[signature]:
                inputs = _types(signature.partition("(")[2][:-1])
                found = function(*decode(inputs, read.what.data[4:]))
                return REVERTS if found is None else Value(encode(*found), ("a",))
        return REVERTS if read.target in {t for t, _ in self.known} else Failed("no such contract")


def _types(text: str) -> list[str]:
    if text.startswith("("):
        return [text]
    return text.split(",") if text else []


def curve(
    coins: tuple[Address, Address] = (NATIVE, STETH), *, price: float = 1.0, fee: float = 0.0001, deep: int = 10**6, balances: tuple[int, int] = (ETH, ETH),
    at: Address = POOL,
) -> dict[tuple[Address, str], Callable[..., Any]]:  # fmt: skip
    """A pool that loses ``size / deep`` of the price with the size of a sale, in tokens; indices as the coins are."""
    token = 0 if coins[0] not in (NATIVE, WETH) else 1

    def get_dy(i: int, j: int, size: int) -> Any:
        at_price = price if i == token else 1 / price
        return ["uint256"], [int(size * at_price * (1 - fee) * max(0.0, 1 - size / ETH / deep))]

    return {
        (at, "coins(uint256)"): lambda i: (["address"], [coins[i]]),
        (at, "balances(uint256)"): lambda i: (["uint256"], [balances[i]]),
        (at, "get_dy(int128,int128,uint256)"): get_dy,
    }


def feed(answer: int = ETH, age: int = 60, decimals: int = 18) -> dict[tuple[Address, str], Callable[..., Any]]:
    return {
        (FEED, "latestRoundData()"): lambda: (["uint80", "int256", "uint256", "uint256", "uint80"], [7, answer, NOW - age, NOW - age, 7]),
        (FEED, "decimals()"): lambda: (["uint8"], [decimals]),
    }


def uniswap(
    tokens: tuple[Address, Address] = (WSTETH, WETH), *, ticks: tuple[int, int] = (0, 0), liquidity: int = 10**24, sqrt_price: int = 2**96, price: float = 1.0,
) -> dict[tuple[Address, str], Callable[..., Any]]:  # fmt: skip
    """A pool whose cumulative ticks half an hour ago and now are ``ticks``."""
    seconds = (1800 << 128) // liquidity

    def observe(ago: tuple[int, ...]) -> Any:
        return ["int56[]", "uint160[]"], [[ticks[0] if a else ticks[1] for a in ago], [0 if a else seconds for a in ago]]

    def quote(params: Any) -> Any:
        return ["uint256", "uint160", "uint32", "uint256"], [int(params[2] * price), sqrt_price, 1, 10**5]

    return {
        (POOL, "token0()"): lambda: (["address"], [tokens[0]]),
        (POOL, "token1()"): lambda: (["address"], [tokens[1]]),
        (POOL, "slot0()"): lambda: (["uint160", "int24", "uint16", "uint16", "uint16", "uint8", "bool"], [sqrt_price, 0, 0, 9, 9, 0, True]),
        (POOL, "observe(uint32[])"): observe,
        (QUOTER, "quoteExactInputSingle((address,address,uint256,uint24,uint160))"): quote,
    }
