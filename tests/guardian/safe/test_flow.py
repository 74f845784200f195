"""Three of six owners pause a contract through the CircuitBreaker, with nothing but an endpoint; and what makes that fail is told."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
import pytest_asyncio
from eth_account import Account

from monitor.devnet.accounts import address_of, key_of
from monitor.devnet.anvil import CHAIN_ID
from monitor.guardian.contract import PauseImpossible
from monitor.guardian.keys import Signer, load_signer
from monitor.guardian.levers.reader import Reader
from monitor.guardian.node import Nodes
from monitor.guardian.person import Fees
from monitor.guardian.safe.document import Document, SignatureFile
from monitor.guardian.safe.flow import Review, prepare, review, send
from monitor.guardian.safe.plan import Choice, Planner
from monitor.guardian.safe.source import NodesSource
from monitor.guardian.safe.used import who_used
from monitor.guardian.settings import KeySettings
from tests.guardian.bench import Relay, endpoint
from tests.guardian.safe.ground import OWNERS, Ground

SENDER = load_signer(KeySettings(env="K"), {"K": key_of("staker_0")})


@pytest_asyncio.fixture
async def nodes(ground: Ground) -> AsyncIterator[Nodes]:
    found = ground.nodes()
    yield found
    await found.close()


async def a_pause(
    ground: Ground, nodes: Nodes, name: str = "lido/vault", *, nonce: int | None = None, lives: int | None = None
) -> Document:
    at = await nodes.newest()
    planner = Planner(Reader(NodesSource(nodes), at), ground.declarations())
    return await prepare(nodes, await planner.plan(name, Choice()), at, CHAIN_ID, nonce=nonce, reason="", lives=lives)


async def signed(document: Document, signers: Sequence[Signer]) -> list[SignatureFile]:
    return [
        SignatureFile(s.address, await s.sign_bytes(document.transaction.preimage), s.address, document.transaction.hash) for s in signers
    ]


async def looked_at(ground: Ground, nodes: Nodes, document: Document, files: Sequence[SignatureFile] = ()) -> Review:
    return await review(nodes, document, files, ground.declarations().names())


def failing(found: Review) -> list[str]:
    return [c.name for c in found.failing]


async def test_three_of_six_pause_a_contract_through_the_circuit_breaker(ground: Ground, nodes: Nodes) -> None:
    started = time.monotonic()
    document = await a_pause(ground, nodes)
    found = await looked_at(ground, nodes, document, await signed(document, OWNERS[2:5]))
    assert found.ready and not found.examined.findings, (found.checks, found.examined)
    done = await send(nodes, SENDER, found, Fees())
    assert done is not None and time.monotonic() - started < 10
    assert ground.call("vault", "isPaused") and not ground.call("other", "isPaused")
    assert done.seen == f"{ground.at['vault']} is paused until {ground.call('vault', 'getResumeSinceTimestamp')}"
    assert set(done.signers) == {o.address for o in OWNERS[2:5]} and ground.call("safe", "nonce") == 1


async def test_the_safe_computes_the_hash_that_we_sign(ground: Ground, nodes: Nodes) -> None:
    t = (await a_pause(ground, nodes)).transaction
    assert ground.call("safe", "domainSeparator") == t.domain_hash
    fields = (t.to, 0, t.data, 0, 0, 0, 0, t.gas_token, t.refund_receiver, t.nonce)
    assert ground.call("safe", "getTransactionHash", *fields) == t.hash


async def test_a_signature_by_eth_sign_and_an_approval_on_chain_count_too(ground: Ground, nodes: Nodes) -> None:
    from monitor.guardian.safe.signatures import prefixed

    document = await a_pause(ground, nodes)
    digest = document.transaction.hash
    by_message = bytes(Account.from_key(bytes([11]) * 32).unsafe_sign_hash(prefixed(digest)).signature)
    approver = OWNERS[1].address
    ground.anvil.impersonate(approver)
    ground.anvil.set_balance(approver, 10**18)
    ground.send(approver, "safe", "approveHash", digest)
    files = [SignatureFile("a", by_message, None, None), *await signed(document, OWNERS[3:4])]
    found = await looked_at(ground, nodes, document, files)
    assert sorted(s.kind for s in found.gathered.signatures) == ["approved", "eip712", "eth_sign"]
    assert await send(nodes, SENDER, found, Fees()) is not None and ground.call("vault", "isPaused")


async def test_two_of_six_are_not_sent(ground: Ground, nodes: Nodes) -> None:
    document = await a_pause(ground, nodes)
    found = await looked_at(ground, nodes, document, await signed(document, OWNERS[:2]))
    assert failing(found) == ["signed"]
    with pytest.raises(PauseImpossible, match="2 of 3 signatures; not yet: "):
        await send(nodes, SENDER, found, Fees())
    assert not ground.call("vault", "isPaused")


async def test_foreign_and_mistaken_signatures_are_left_out_and_told(ground: Ground, nodes: Nodes) -> None:
    document, other = await a_pause(ground, nodes), await a_pause(ground, nodes, "other")
    stranger = Signer(Account.from_key(b"\x99" * 32))
    files = [
        *await signed(document, [stranger, *OWNERS[:2]]), *await signed(other, OWNERS[2:3]),
        dataclasses.replace((await signed(document, OWNERS[3:4]))[0], claimed=OWNERS[4].address),
    ]  # fmt: skip
    found = await looked_at(ground, nodes, document, files)
    assert found.gathered.owners == tuple(o for o in found.state.owners if o in (OWNERS[0].address, OWNERS[1].address))
    assert len(found.gathered.refused) == 3
    assert "no owner" in found.gathered.refused[0][1]
    assert "another transaction" in found.gathered.refused[1][1]
    assert f"says that it is by {OWNERS[4].address}" in found.gathered.refused[2][1]


async def test_a_nonce_that_is_used_names_what_used_it(ground: Ground, nodes: Nodes) -> None:
    mine, rival = await a_pause(ground, nodes), await a_pause(ground, nodes, "other")
    files = await signed(mine, OWNERS[:3])
    assert await send(nodes, SENDER, await looked_at(ground, nodes, rival, await signed(rival, OWNERS[:3])), Fees()) is not None
    found = await looked_at(ground, nodes, mine, files)
    assert failing(found) == ["nonce"] and found.used is not None
    assert (found.used.safe_tx_hash, found.used.succeeded, found.used.to) == (rival.transaction.hash, True, ground.at["breaker"])
    assert found.used.call is not None and found.used.call.arguments[0].value == ground.at["other"]
    with pytest.raises(PauseImpossible, match="nonce 0 is used"):
        await send(nodes, SENDER, found, Fees())
    assert await who_used(nodes, found.state, 1) is None


async def test_a_nonce_that_is_not_next_waits_for_others(ground: Ground, nodes: Nodes) -> None:
    document = await a_pause(ground, nodes, nonce=2)
    found = await looked_at(ground, nodes, document, await signed(document, OWNERS[:3]))
    assert "2 other transactions must come first" in next(c.reason for c in found.checks if c.name == "nonce")


async def test_a_changed_owner_makes_a_signed_pause_stale(ground: Ground, nodes: Nodes) -> None:
    document = await a_pause(ground, nodes)
    files = await signed(document, OWNERS[:3])
    owners = ground.call("safe", "getOwners")
    gone = OWNERS[0].address
    place = [o.lower() for o in owners].index(gone.lower())
    before = owners[place - 1] if place else "0x" + "00" * 19 + "01"
    ground.by_safe("safe", "swapOwner", before, gone, address_of("staker_1"))
    found = await looked_at(ground, nodes, document, files)
    assert failing(found) == ["owners_unchanged", "signed"]


async def test_a_changed_threshold_makes_a_signed_pause_stale(ground: Ground, nodes: Nodes) -> None:
    document = await a_pause(ground, nodes)
    ground.by_safe("safe", "changeThreshold", 4)
    found = await looked_at(ground, nodes, document, await signed(document, OWNERS[:3]))
    assert failing(found) == ["threshold_unchanged", "signed"]


async def test_an_expired_pause_is_not_sent(ground: Ground, nodes: Nodes) -> None:
    document = await a_pause(ground, nodes, lives=3600)
    assert failing(await looked_at(ground, nodes, document, await signed(document, OWNERS[:3]))) == []
    ground.anvil.increase_time(4000)
    ground.anvil.mine()
    assert failing(await looked_at(ground, nodes, document, await signed(document, OWNERS[:3]))) == ["not_expired"]


async def test_what_the_breaker_would_refuse_is_told_before_it_is_sent(ground: Ground, nodes: Nodes) -> None:
    document = await a_pause(ground, nodes)
    ground.send("governance", "breaker", "registerPauser", ground.at["vault"], address_of("staker_2"))
    found = await looked_at(ground, nodes, document, await signed(document, OWNERS[:3]))
    assert failing(found) == ["simulated"] and "not the registered pauser" in found.failing[0].reason


async def test_a_module_is_warned_of(ground: Ground, nodes: Nodes) -> None:
    assert (await looked_at(ground, nodes, await a_pause(ground, nodes))).state.warnings == ()
    ground.by_safe("safe", "enableModule", address_of("staker_1"))
    (warning,) = (await looked_at(ground, nodes, await a_pause(ground, nodes))).state.warnings
    assert "without any owner's signature" in warning and address_of("staker_1") in warning


async def test_a_heartbeat_is_sent_the_same_way(ground: Ground, nodes: Nodes) -> None:
    before = ground.call("breaker", "heartbeatExpiry", ground.at["safe"])
    ground.anvil.increase_time(1000)
    ground.anvil.mine()
    at = await nodes.newest()
    plan = await Planner(Reader(NodesSource(nodes), at), ground.declarations()).plan("vault", Choice(heartbeat=True))
    document = await prepare(nodes, plan, at, CHAIN_ID, nonce=None, reason="", lives=None)
    found = await looked_at(ground, nodes, document, await signed(document, OWNERS[:3]))
    done = await send(nodes, SENDER, found, Fees())
    assert done is not None and ground.call("breaker", "heartbeatExpiry", ground.at["safe"]) > before
    assert not ground.call("vault", "isPaused")


async def test_a_dry_run_sends_nothing(ground: Ground, nodes: Nodes) -> None:
    document = await a_pause(ground, nodes)
    found = await looked_at(ground, nodes, document, await signed(document, OWNERS[:3]))
    assert await send(nodes, SENDER, found, Fees(), dry_run=True) is None and ground.call("safe", "nonce") == 0


async def test_a_document_of_another_chain_or_of_no_safe_is_refused(ground: Ground, nodes: Nodes) -> None:
    document = await a_pause(ground, nodes)
    with pytest.raises(PauseImpossible, match="the transaction is for chain 5"):
        await looked_at(ground, nodes, dataclasses.replace(document, transaction=dataclasses.replace(document.transaction, chain_id=5)))
    with pytest.raises(PauseImpossible, match="is no Safe"):
        await looked_at(
            ground, nodes, dataclasses.replace(document, transaction=dataclasses.replace(document.transaction, safe=ground.at["vault"]))
        )


async def test_an_unknown_name_is_told_with_the_nearest(ground: Ground, nodes: Nodes) -> None:
    with pytest.raises(PauseImpossible, match=r'nothing is named "vaul"; .*vault'):
        await a_pause(ground, nodes, "vaul")


@pytest.mark.parametrize("most", [0, 1, 50])
async def test_an_endpoint_that_gives_few_blocks_of_logs_at_once_or_none_hinders_nothing(ground: Ground, nodes: Nodes, most: int) -> None:
    mine, rival = await a_pause(ground, nodes), await a_pause(ground, nodes, "other")
    assert await send(nodes, SENDER, await looked_at(ground, nodes, rival, await signed(rival, OWNERS[:3])), Fees()) is not None

    def handler(method: str, params: list[Any], forward: Any) -> Any:
        if method == "eth_getLogs" and int(params[0]["toBlock"], 16) - int(params[0]["fromBlock"], 16) + 1 > most:
            return {"error": {"code": -32005, "message": "query exceeds max block range"}}
        return forward()

    relay = Relay(ground.anvil.http_url)
    relay.handler = handler
    meagre = Nodes([endpoint(relay.url)], 4.0)
    try:
        found = await looked_at(ground, meagre, mine)
    finally:
        await meagre.close()
        relay.close()
    assert "nonce" in failing(found)
    assert (found.used is None) if most == 0 else (found.used is not None and found.used.safe_tx_hash == rival.transaction.hash)
