"""A person's pause from a laptop, and calldata for a Safe."""

from __future__ import annotations

from typing import Any

import pytest

from monitor.devnet.accounts import address_of
from monitor.guardian import byhand, status
from monitor.guardian.byhand import PauseImpossible, PauseResult
from monitor.guardian.node import NoMajority
from tests.guardian.bench import CHAIN_ID, DURATION, PAUSE_ROLE, Bench, endpoint
from tests.guardian.conftest import signer_of


async def pull(bench: Bench, role: str = "guardian_person", target: str = "vault", **more: Any) -> PauseResult | None:
    return await byhand.pause(bench.settings(), [endpoint(bench.url)], signer_of(role), target, **more)


async def test_a_person_pauses_and_it_is_read_back(bench: Bench) -> None:
    found = await pull(bench, chain_id=CHAIN_ID)
    assert found is not None and bench.call("vault", "isPaused")
    assert found.block == bench.head().number and found.resumes_timestamp == bench.call("vault", "getResumeSinceTimestamp")
    assert found.sender == address_of("guardian_person") and bench.receipt(found.tx)["status"] == "0x1"
    assert found.started_at <= found.sent_at <= found.mined_at <= found.verified_at


async def test_a_person_pauses_with_everything_else_stopped(bench: Bench) -> None:
    bench.send("guardian_person", "guardian", "stopSentinels")
    bench.by_admin("guardian", "setSentinelBudget", 0)
    bench.by_admin("guardian", "disarm", bench.vault)
    assert await pull(bench) is not None and bench.call("vault", "isPaused")


async def test_a_dry_run_sends_nothing(bench: Bench) -> None:
    assert await pull(bench, dry_run=True) is None
    assert bench.nonce("guardian_person") == 0 and not bench.call("vault", "isPaused")


@pytest.mark.parametrize(
    ("role", "target", "said"),
    [
        ("sentinel", "vault", "does not hold GUARDIAN_ROLE"),
        ("guardian_person", "valt", 'no target is named "valt"; there are: vault'),
    ],
)
async def test_what_would_fail_is_not_sent(bench: Bench, role: str, target: str, said: str) -> None:
    before = bench.nonce(role)
    with pytest.raises(PauseImpossible, match=said):
        await pull(bench, role, target)
    assert bench.nonce(role) == before


async def test_a_pause_that_would_end_no_later_than_the_one_that_is_on_says_so(bench: Bench) -> None:
    bench.by_admin("vault", "grantRole", PAUSE_ROLE, address_of("governance"))
    bench.by_admin("vault", "pauseFor", 9 * DURATION)
    with pytest.raises(PauseImpossible, match=r"nothing was sent: AlreadyPaused\(target="):
        await pull(bench)


async def test_another_chain_is_refused_before_signing(bench: Bench) -> None:
    with pytest.raises(PauseImpossible, match="nothing was signed"):
        await pull(bench, chain_id=1)


async def test_an_empty_account_is_told_what_it_needs(bench: Bench) -> None:
    bench.anvil.set_balance(address_of("guardian_person"), 1)
    with pytest.raises(PauseImpossible, match="fund it"):
        await pull(bench)


async def test_a_wrong_guardian_address_is_named(bench: Bench) -> None:
    settings = bench.settings(contract=address_of("staker_0"))
    with pytest.raises(PauseImpossible, match="not a guardian"):
        await byhand.pause(settings, [endpoint(bench.url)], signer_of("guardian_person"), "vault")
    with pytest.raises(PauseImpossible, match="no contract"):
        await status.status(settings, [endpoint(bench.url)])


async def test_not_mined_in_time_says_what_to_do(bench: Bench) -> None:
    bench.anvil.rpc.call("evm_setAutomine", False)
    with pytest.raises(PauseImpossible, match="not mined after 0 s; it may still be"):
        await pull(bench, wait_seconds=0.3)


async def test_a_dead_endpoint_is_named_without_its_url(bench: Bench) -> None:
    with pytest.raises(NoMajority) as caught:
        await byhand.pause(bench.settings(), [endpoint("http://user:secret@127.0.0.1:1/key")], signer_of("guardian_person"), "vault")
    assert "secret" not in str(caught.value) and "key" not in str(caught.value)


async def test_calldata_of_a_safe_is_what_the_contract_takes(bench: Bench) -> None:
    found = byhand.calldata(bench.settings(), "vault", CHAIN_ID)
    assert (found.to, found.value, found.target) == (bench.guardian, 0, bench.vault)
    assert bench.vault in found.words and bench.guardian in found.words and "lapses by itself" in found.words
    assert found.data == bench.contracts["guardian"].data("pauseTarget", bench.vault)
    sent = {"from": address_of("guardian_person"), "to": found.to, "data": found.data, "gas": hex(2_000_000)}
    bench.receipt(bench.anvil.rpc.call("eth_sendTransaction", sent))
    assert bench.call("vault", "isPaused")
    with pytest.raises(PauseImpossible, match="no target"):
        byhand.calldata(bench.settings(), "pool", CHAIN_ID)
