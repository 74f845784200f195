"""What geth's pool does and anvil's does not."""

from __future__ import annotations

from typing import Any

import pytest

from monitor.devnet.accounts import address_of
from tests.devnet.gateway.conftest import GWEI, SINK, Chain, Net, signed

POOL = "eth_sendRawTransaction"


async def base_fee(chain: Chain, wei: int) -> None:
    """The next block has this base fee, and so the one after it has an eighth less."""
    chain.anvil.rpc.call("anvil_setNextBlockBaseFeePerGas", hex(wei))
    chain.anvil.mine()


async def test_what_offers_less_than_the_base_fee_waits_until_it_falls(alone: Chain, net: Net) -> None:
    raw, hash = signed(fee=1.5)
    await base_fee(alone, 2 * GWEI)
    assert await alone.refused(POOL, raw) == (-32003, "max fee per gas less than block base fee")
    await base_fee(net, 2 * GWEI)
    await net.settled()
    assert await net.ask(POOL, raw) == hash
    waiting = await net.ask("eth_getTransactionByHash", hash, at="bravo")
    assert (waiting["blockHash"], waiting["nonce"], waiting["from"]) == (None, "0x0", address_of("staker_0").lower())
    assert await net.ask("eth_getTransactionCount", address_of("staker_0"), "pending") == "0x1"
    await net.mine()  # 1.75 gwei
    assert await net.ask("eth_getTransactionReceipt", hash) is None
    await net.mine(2)  # 1.53 and 1.34 gwei
    receipt = await net.ask("eth_getTransactionReceipt", hash)
    assert receipt["status"] == "0x1" and int(receipt["effectiveGasPrice"], 16) == 1.5 * GWEI
    assert receipt["blockNumber"] == (await net.head())["number"]


async def test_what_the_base_fee_overtakes_is_kept(alone: Chain, net: Net) -> None:
    raw, hash = signed(fee=1.5)
    await base_fee(alone, GWEI)
    await alone.ask(POOL, raw)
    await base_fee(alone, 3 * GWEI)
    assert await alone.ask("eth_getTransactionByHash", hash) is None, "anvil throws it away"
    await base_fee(net, GWEI)
    await net.settled()
    await net.ask(POOL, raw)
    await base_fee(net, 3 * GWEI)
    await net.settled()
    assert (await net.ask("eth_getTransactionByHash", hash))["blockHash"] is None
    await net.mine(7)
    assert (await net.ask("eth_getTransactionReceipt", hash))["status"] == "0x1"


@pytest.mark.parametrize(
    ("fee", "tip", "taken"),
    [(3.3, 1.1, True), (3.3, 1.0999, False), (3.2999, 1.1, False), (30, 1, False), (3.000000001, 1.000000001, False), (3, 1.1, False)],
)
async def test_a_replacement_raises_both_fees_by_a_tenth(alone: Chain, net: Net, fee: float, tip: float, taken: bool) -> None:
    first, old = signed()
    second, new = signed(fee=fee, tip=tip)
    for chain in (alone, net):
        await chain.ask(POOL, first)
    if taken:
        assert await net.ask(POOL, second) == new
        assert await net.ask("eth_getTransactionByHash", old, at="bravo") is None
    else:
        if fee > 3:
            assert await alone.ask(POOL, second) == new, "anvil takes a wei more"
        assert await net.refused(POOL, second) == (-32000, "replacement transaction underpriced")
    await net.mine()
    assert [tx["hash"] for tx in (await net.head())["transactions"]] == [new if taken else old]
    assert await net.ask("eth_getTransactionReceipt", old if taken else new) is None


async def test_a_gap_in_the_nonces_waits_for_what_is_missing(alone: Chain, net: Net) -> None:
    """Anvil agrees."""
    (later, second), (sooner, first) = signed(nonce=1), signed(nonce=0)
    for chain in (alone, net):
        await chain.ask(POOL, later)
        assert (await chain.ask("txpool_status")) == {"pending": "0x0", "queued": "0x1"}
        assert await chain.ask("eth_getTransactionCount", address_of("staker_0"), "pending") == "0x0"
    await net.mine()
    assert await net.ask("eth_getTransactionReceipt", second) is None
    await net.ask(POOL, sooner, at="bravo")
    content = await net.ask("txpool_content", at="charlie")
    assert sorted(content["pending"][address_of("staker_0").lower()]) == ["0", "1"] and not content["queued"]
    await net.mine()
    assert [tx["hash"] for tx in (await net.head())["transactions"]] == [first, second]
    assert await net.ask("txpool_status") == {"pending": "0x0", "queued": "0x0"}


WEI = 10**18
REFUSALS: dict[str, tuple[dict[str, Any], str, tuple[int, str] | None]] = {
    "funds": (
        {"value": 10_001 * WEI},
        f"insufficient funds for gas * price + value: balance {10_000 * WEI}, tx cost {10_001 * WEI + 150_000 * GWEI}, "
        f"overshot {WEI + 150_000 * GWEI}",
        (-32003, "Insufficient funds for gas * price + value"),
    ),
    "intrinsic gas": ({"gas": 20_000}, "intrinsic gas too low: gas 20000, minimum needed 21000", (-32000, "intrinsic gas too low")),
    "floor of the data": (
        {"gas": 25_000, "data": b"\1" * 200},
        "insufficient gas for floor data gas cost: gas 25000, minimum needed 29000",
        None,
    ),
    "tip above fee": (
        {"maxPriorityFeePerGas": 4 * GWEI},
        "max priority fee per gas higher than max fee per gas",
        (-32003, "max priority fee per gas higher than max fee per gas"),
    ),
    "another chain": (
        {"chainId": 1},
        "invalid sender: invalid chain id for signer: have 1 want 31337",
        (-32003, "invalid chain id for signer"),
    ),
    "no tip": ({"maxPriorityFeePerGas": 0}, "transaction gas price below minimum: gas tip cap 0, minimum needed 1", None),
    "gas cap": ({"gas": 2**24 + 1}, "transaction gas limit too high (cap: 16777216, tx: 16777217)", None),
    "fee cap": ({"gas": 10**7, "maxFeePerGas": 101 * GWEI}, "tx fee (1.01 ether) exceeds the configured cap (1.00 ether)", None),
}
"""By what is wrong: the fields, geth's words (the code is -32000), and what anvil alone says; None where it takes it."""


@pytest.mark.parametrize("wrong", REFUSALS)
async def test_a_wrong_transaction_is_refused_in_geths_words(alone: Chain, net: Net, wrong: str) -> None:
    fields, words, anvils = REFUSALS[wrong]
    raw, hash = signed(**fields)
    if anvils is None:
        assert await alone.ask(POOL, raw) == hash
    else:
        assert await alone.refused(POOL, raw) == anvils
    assert await net.refused(POOL, raw) == (-32000, words)
    assert await net.ask("txpool_status") == {"pending": "0x0", "queued": "0x0"}


async def test_what_is_known_and_what_is_mined_is_refused(alone: Chain, net: Net) -> None:
    raw, hash = signed()
    for chain in (alone, net):
        await chain.ask(POOL, raw)
    assert await alone.refused(POOL, raw) == (-32003, "transaction already imported")
    assert await net.refused(POOL, raw, at="bravo") == (-32000, "already known")
    await net.mine()
    alone.anvil.mine()
    assert await alone.refused(POOL, raw) == (-32003, "nonce too low")
    assert await net.refused(POOL, raw) == (-32000, "nonce too low: next nonce 1, tx nonce 0")
    assert (await net.ask("eth_getTransactionByHash", hash))["blockNumber"] == "0x1"


async def test_no_account_promises_more_than_it_has(alone: Chain, net: Net) -> None:
    (first, _), (second, _) = signed(value=6_000 * WEI), signed(nonce=1, value=6_000 * WEI)
    cost = 6_000 * WEI + 150_000 * GWEI
    for chain in (alone, net):
        await chain.ask(POOL, first)
    await alone.ask(POOL, second)
    code, words = await net.refused(POOL, second)
    assert (code, words) == (
        -32000,
        f"insufficient funds for gas * price + value: balance {10_000 * WEI}, queued cost {cost}, tx cost {cost}, "
        f"overshot {2 * cost - 10_000 * WEI}",
    )


@pytest.mark.parametrize(
    ("junk", "code", "words"),
    [
        ("0x", -32000, "typed transaction too short"),
        ("0x05c0", -32000, "transaction type not supported"),
        ("0x0299", -32000, "rlp: value size exceeds available input length"),
        ("0xzz", -32602, "invalid argument 0: json: cannot unmarshal invalid hex string into Go value of type hexutil.Bytes"),
    ],
)
async def test_junk_is_refused(alone: Chain, net: Net, junk: str, code: int, words: str) -> None:
    assert (await alone.refused(POOL, junk))[0] == -32602
    assert await net.refused(POOL, junk) == (code, words)


@pytest.mark.parametrize(
    ("method", "params", "code", "words"),
    [
        ("anvil_mine", [], -32601, "the method anvil_mine does not exist/is not available"),
        ("evm_snapshot", [], -32601, "the method evm_snapshot does not exist/is not available"),
        ("eth_sendTransaction", [{"from": address_of("staker_0"), "to": SINK}], -32000, "unknown account"),
    ],
)
async def test_a_client_has_no_cheats(alone: Chain, net: Net, method: str, params: list[Any], code: int, words: str) -> None:
    await alone.ask(method, *params)
    assert await net.refused(method, *params) == (code, words)
    assert await net.ask("eth_accounts") == []


async def test_what_nobody_has_is_null(alone: Chain, net: Net) -> None:
    """Anvil agrees."""
    for chain in (alone, net):
        assert await chain.ask("eth_getTransactionByHash", "0x" + "ab" * 32) is None
