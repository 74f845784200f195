"""One key never has two powers, and what is wrong is named before anything is signed; offers rise as nodes ask."""

from __future__ import annotations

import pytest
from eth_account import Account
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.devnet.accounts import address_of, key_of
from monitor.devnet.anvil import CHAIN_ID
from monitor.guardian.execution.fees import Fee, Market, first, raised
from monitor.guardian.execution.machine import Executor
from monitor.guardian.execution.start import KeyRefused, WrongChain
from monitor.guardian.keys import Signer
from monitor.store import Store
from tests.guardian.execution.bench import SENTINELS, OrderBench, endpoint, judge, row, sender, sentinel

wei = st.integers(0, 10**13)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ((Signer(Account.from_key(key_of("guardian_person"))), [sender(0)]), "guardian.sentinel.*holds GUARDIAN_ROLE"),
        ((sentinel(0), [Signer(Account.from_key(key_of("guardian_person")))]), r"senders\.0.*holds GUARDIAN_ROLE"),
        ((Signer(Account.from_key(key_of("governance"))), []), "holds DEFAULT_ADMIN_ROLE"),
        ((sentinel(0), [sentinel(0)]), "one key"),
        ((sentinel(0), [sender(0), sender(0)]), "one key"),
        ((sentinel(0), [sender(0), sentinel(1)]), r"senders\.1.*is a sentinel's"),
    ],
)
async def test_a_key_with_two_powers_is_refused_before_anything_is_signed(orders: OrderBench, book: Store, keys: tuple, said: str) -> None:  # type: ignore[type-arg]
    judge(book, orders.head(), "d1")
    worker = Executor(orders.settings(), CHAIN_ID, [endpoint(orders.url)], book, *keys)
    with pytest.raises(KeyRefused, match=said):
        await worker.advance_once()
    with pytest.raises(KeyRefused):
        await worker.run()
    assert row(book).state == "decided" and orders.nonce(0) == 0
    await worker.close()


async def test_a_role_granted_later_is_refused_at_the_next_start(orders: OrderBench, book: Store) -> None:
    worker = orders.executor(book)
    await worker.check_start()
    await worker.close()
    orders.by_admin("guardian", "revokeSentinel", SENTINELS[0].address)
    orders.by_admin(
        "guardian", "grantRole", bytes.fromhex("55435dd261a4b9b3364963f7738a7a662ad9c84396d64be3365284bb7f0a5041"), SENTINELS[0].address
    )
    worker = orders.executor(book)
    with pytest.raises(KeyRefused):
        await worker.check_start()
    await worker.close()


async def test_wrong_chain_and_wrong_address_are_named(orders: OrderBench, book: Store) -> None:
    worker = Executor(orders.settings(), 1, [endpoint(orders.url)], book, sentinel(0), [])
    with pytest.raises(WrongChain, match=r"network\.chain_id"):
        await worker.check_start()
    await worker.close()
    nowhere = orders.executor(book, contract=address_of("staker_0"))
    with pytest.raises(WrongChain, match="no contract"):
        await nowhere.check_start()
    await nowhere.close()
    orders.anvil.set_code(address_of("attacker"), bytes.fromhex("00"))
    other = orders.executor(book, contract=address_of("attacker"))
    with pytest.raises(WrongChain, match="not a guardian"):
        await other.check_start()
    await other.close()


# ---------------------------------------------------------------- fees


@settings(max_examples=200, deadline=None)
@given(wei, wei, wei, wei, wei)
def test_a_replacement_offers_an_eighth_more_of_both_and_never_beyond_the_cap(old: int, tip: int, base: int, own: int, cap: int) -> None:
    before, market = Fee(max(old, tip), tip), Market(base, own, cap)
    found = raised(before, market)
    if found is None:
        assert cap * 8 < before.max_fee * 9 + 8 or cap * 8 < before.tip * 9 + 8 or cap < own
        return
    assert found.max_fee * 8 >= before.max_fee * 9 and found.tip * 8 >= before.tip * 9
    assert before.max_fee < found.max_fee <= cap and found.tip <= found.max_fee


@settings(max_examples=200, deadline=None)
@given(wei, wei, wei)
def test_a_first_offer_outlasts_full_blocks_or_is_not_made(base: int, tip: int, cap: int) -> None:
    found = first(Market(base, tip, cap))
    if found is None:
        assert base + min(tip, cap) > cap
        return
    assert found.tip <= found.max_fee <= cap and found.max_fee >= base + found.tip
    assert found.max_fee == cap or found.max_fee == 2 * base + found.tip


def test_offers_rise_until_the_cap_and_stop_there() -> None:
    market, fee, offers = Market(10**9, 10**9, 20 * 10**9), first(Market(10**9, 10**9, 20 * 10**9)), 0
    while fee is not None and (higher := raised(fee, market)) is not None:
        fee, offers = higher, offers + 1
    assert fee is not None and 10 < offers < 30 and fee.max_fee <= market.cap
