"""A person's pause from a laptop, and calldata for a Safe."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import pytest
from eth_account import Account
from hypothesis import given
from hypothesis import strategies as st

from monitor.devnet.accounts import address_of, key_of
from monitor.devnet.build import Artifacts
from monitor.devnet.gateway import Gateway, Jam
from monitor.devnet.proxies import EndpointProxy
from monitor.guardian import byhand, status
from monitor.guardian.aim import Aim, Book, settings_of
from monitor.guardian.byhand import PauseImpossible, PauseResult, Place, Prospect, Standing, Wish
from monitor.guardian.contract import Registered
from monitor.guardian.levers.declared import Declarations
from monitor.guardian.node import Nodes, NoMajority
from monitor.guardian.person import GWEI, Fees, Person
from monitor.guardian.pull import window
from monitor.model import Address
from tests.guardian.bench import CHAIN_ID, DURATION, PAUSE_ROLE, RESUME_ROLE, Bench, Drop, Relay, endpoint
from tests.guardian.conftest import signer_of

PERSON = address_of("guardian_person")
TEXTS = {"stops": "everything", "goes_on": "nothing", "cost": "nobody gets out"}


def nothing_declared() -> Declarations:
    return Declarations(network=CHAIN_ID, protocols=())


def declared(*levers: dict[str, Any]) -> Declarations:
    return Declarations.model_validate({"network": CHAIN_ID, "protocols": [{"protocol": "lido", "levers": levers}]})


class Laptop:
    """Endpoints, a key, and what was said. ``known``: the settings' targets are known by name."""

    def __init__(self, bench: Bench, *urls: str, role: str = "guardian_person", known: bool = True) -> None:
        self.urls, self.role, self.said = urls or (bench.url,), role, list[str]()
        self.seconds, self.wait, self.fees = 4.0, 20.0, Fees()
        self.place = Place(CHAIN_ID, bench.guardian, Book(bench.settings().targets if known else (), nothing_declared()))

    async def pull(self, target: str = "vault", dry_run: bool = False, **wish: Any) -> Any:
        nodes = Nodes([endpoint(url, str(i)) for i, url in enumerate(self.urls)], self.seconds)
        person = Person(nodes, signer_of(self.role), CHAIN_ID, self.fees, self.wait, self.said.append, 0.05)
        work: Callable[..., Any] = byhand.prospect if dry_run else byhand.pause
        try:
            return await work(nodes, self.place, Wish(target, **wish), person)
        finally:
            await nodes.close()

    async def refused(self, said: str, *words: str, **more: Any) -> str:
        with pytest.raises((PauseImpossible, NoMajority), match=said) as caught:
            await self.pull(**more)
        assert all(w in str(caught.value) for w in words), caught.value
        return str(caught.value)


# ---------------------------------------------------------------- what goes well


async def test_a_person_pauses_and_it_is_read_back(bench: Bench) -> None:
    laptop = Laptop(bench)
    found = await laptop.pull()
    assert isinstance(found, PauseResult) and bench.call("vault", "isPaused")
    assert found.block == bench.head().number and found.resumes_timestamp == bench.call("vault", "getResumeSinceTimestamp")
    assert found.sender == PERSON and found.tx is not None and bench.receipt(found.tx)["status"] == "0x1"
    assert found.started_at <= found.sent_at <= found.mined_at <= found.verified_at
    assert found.tx in laptop.said[0] and "nonce 0" in laptop.said[0]


async def test_a_dry_run_says_what_a_pause_would_do_and_sends_nothing(bench: Bench) -> None:
    laptop = Laptop(bench, known=False)
    found = await laptop.pull(bench.vault.lower(), dry_run=True)
    assert isinstance(found, Prospect) and found.address == bench.vault and found.paused is False
    assert found.ends_timestamp == found.block_timestamp + DURATION
    assert (found.quota_left, found.quota_after) == (10 * DURATION, 9 * DURATION)
    assert found.most == found.gas * found.fee and found.balance > 10**18 and (found.nonce, found.waits) == (0, 0)
    assert bench.nonce("guardian_person") == 0 and not bench.call("vault", "isPaused") and laptop.said == []


async def test_what_the_dry_run_foretells_is_what_the_pause_does(bench: Bench) -> None:
    """Also with a quota that is nearly used: the contract gives what is left."""
    bench.by_admin("guardian", "setLimits", bench.vault, (DURATION, DURATION, DURATION + 1000, 0, 300_000, 1))
    bench.by_admin("vault", "grantRole", RESUME_ROLE, address_of("governance"))
    assert isinstance(await Laptop(bench).pull(), PauseResult)
    bench.by_admin("vault", "resume")
    foretold = await Laptop(bench).pull(dry_run=True)
    assert foretold.ends_timestamp == foretold.block_timestamp + 1000 and foretold.quota_after == 0
    assert any("1000 s are left" in note for note in foretold.notes)
    done = await Laptop(bench).pull()
    assert 0 <= done.resumes_timestamp - foretold.ends_timestamp < 60
    bench.by_admin("vault", "resume")
    await Laptop(bench).refused("for their whole quota, nothing was sent", "renewGuardianTime")


async def test_a_lever_without_an_end_is_said_to_have_none(bench: Bench, compiled: Artifacts) -> None:
    pool = put_pool(bench, compiled)
    bench.by_admin("pool", "grantRole", bench.call("pool", "PAUSER_ROLE"), bench.guardian)
    bench.by_admin("guardian", "register", pool, "0x" + "00" * 20, 2, (0, DURATION, 10 * DURATION, 0, 300_000, 0))
    foretold = await Laptop(bench).pull(pool, dry_run=True)
    assert foretold.ends_timestamp is None and foretold.quota_after == 9 * DURATION
    done = await Laptop(bench).pull(pool)
    assert isinstance(done, PauseResult) and done.resumes_timestamp is None and bench.call("pool", "paused")
    again = await Laptop(bench).pull(pool, extend=True)
    assert isinstance(again, Standing) and again.resumes_timestamp is None


def put_pool(bench: Bench, compiled: Artifacts) -> Address:
    bench.contracts["pool"] = compiled["PausablePool"]
    return bench.deploy("pool", address_of("governance"))


@given(
    seconds=st.integers(1, 10**6), quota=st.integers(0, 10**7), used=st.integers(0, 10**7), now=st.integers(10**9, 2 * 10**9),
    later=st.none() | st.integers(-(10**6), 10**7),
)  # fmt: skip
def test_the_length_of_a_pause_is_reckoned_as_the_contract_does(seconds: int, quota: int, used: int, now: int, later: int | None) -> None:
    """Line by line ``_guardianSeconds``; where that reverts, no time is left or none is added."""
    known = replace(
        Registered("PauseFor", "Armed", 1, 0, 0, Address("0x")), guardian_seconds=seconds, guardian_quota=quota, guardian_used=used
    )
    resumes = None if later is None else now + later
    ends, charged = window(known, seconds, now, resumes)
    current = now if resumes is None else resumes
    if current >= now + seconds:
        assert charged == 0 and ends <= current
        return
    current = max(current, now)
    left = quota - used if quota > used else 0
    if left == 0:
        assert charged == 0
        return
    longest = min(seconds, left + current - now)
    assert (ends, charged) == (now + longest, now + longest - current) and charged <= left


# ---------------------------------------------------------------- what would fail is not sent


async def test_a_typo_is_answered_with_what_is_registered(bench: Bench) -> None:
    said = await Laptop(bench).refused('no target is named "valt"; did you mean vault', target="valt")
    assert bench.vault in said and "PauseFor: people pause it for 86400 s; 864000 of 864000 s are left to them" in said
    wrong = bench.vault[:-2] + ("00" if not bench.vault.endswith("00") else "11")
    await Laptop(bench).refused("mistyped: its checksum does not fit", target=wrong.replace(wrong[2:6], wrong[2:6].swapcase()))
    await Laptop(bench).refused("not registered with the guardian", bench.vault, target=bench.guardian)
    await Laptop(bench).refused("is not an address", target="0x12")


async def test_a_stranger_is_told_who_may(bench: Bench) -> None:
    await Laptop(bench, role="sentinel").refused("does not hold GUARDIAN_ROLE", f"Who does: {PERSON}, one key")
    assert bench.nonce("sentinel") == 0


async def test_a_second_run_recognises_that_it_is_paused(bench: Bench) -> None:
    done = await Laptop(bench).pull()
    again = await Laptop(bench).pull()
    assert isinstance(again, Standing) and again.resumes_timestamp == done.resumes_timestamp
    assert bench.nonce("guardian_person") == 1
    bench.anvil.increase_time(3600)
    bench.anvil.mine()
    later = await Laptop(bench).pull()
    assert isinstance(later, Standing) and later.could_end is not None and later.could_end > done.resumes_timestamp
    await Laptop(bench).refused("the pause call reverted|pause call reverted", "refuse another pause before that one ends", extend=True)
    assert bench.nonce("guardian_person") == 1


async def test_a_pause_that_would_end_no_later_than_the_one_that_is_on_is_left(bench: Bench) -> None:
    bench.by_admin("vault", "grantRole", PAUSE_ROLE, address_of("governance"))
    bench.by_admin("vault", "pauseFor", 9 * DURATION)
    found = await Laptop(bench).pull(extend=True)
    assert isinstance(found, Standing) and found.could_end is None and bench.nonce("guardian_person") == 0


async def test_an_account_with_too_little_is_told_and_one_with_just_enough_pays_less(bench: Bench) -> None:
    bench.anvil.set_balance(PERSON, 1)
    await Laptop(bench).refused("fund it")
    bench.anvil.set_balance(PERSON, 10**24)
    wanted = await Laptop(bench).pull(dry_run=True)
    bench.anvil.set_balance(PERSON, wanted.most * 6 // 10)
    done = await Laptop(bench).pull()
    assert isinstance(done, PauseResult) and bench.call("vault", "isPaused")


async def test_a_wrong_guardian_or_chain_is_named(bench: Bench) -> None:
    laptop = Laptop(bench)
    laptop.place = replace(laptop.place, guardian=address_of("staker_0"))
    await laptop.refused("there is no contract at .* on chain 31337: is this the guardian's chain", "--guardian")
    laptop.place = replace(laptop.place, guardian=bench.vault)
    await laptop.refused("is not a guardian")
    with pytest.raises(PauseImpossible, match="no contract"):
        await status.status(bench.settings(contract=address_of("staker_0")), [endpoint(bench.url)])


async def test_a_dead_endpoint_is_named_without_its_url(bench: Bench) -> None:
    said = await Laptop(bench, "http://user:secret@127.0.0.1:1/key").refused("no majority")
    assert "secret" not in said and "key" not in said


# ---------------------------------------------------------------- endpoints that hang, and lie


async def test_one_of_three_endpoints_hangs_or_lies_and_the_pause_goes_through(bench: Bench, relay: Relay) -> None:
    def lies(method: str, params: list[Any], forward: Callable[[], Any]) -> Any:
        lie = {"eth_chainId": "0x1", "eth_call": "0x" + "00" * 31 + "01", "eth_getTransactionCount": "0x63", "eth_getBalance": "0x0",
               "eth_sendRawTransaction": "0x" + "ab" * 32, "eth_blockNumber": "0xffffff"}  # fmt: skip
        return {"result": lie[method]} if method in lie else {"result": None}

    over = threading.Event()

    def hangs(method: str, params: list[Any], forward: Callable[[], Any]) -> Any:
        over.wait(30)
        raise Drop

    try:
        for handler in (lies, hangs):
            relay.handler = handler
            laptop = Laptop(bench, bench.url, relay.url, bench.url)
            laptop.seconds, started = 25.0, time.monotonic()
            found = await laptop.pull(dry_run=True)
            assert isinstance(found, Prospect) and found.nonce == 0 and found.balance > 0
            assert time.monotonic() - started < 20  # nobody waited for it
        laptop = Laptop(bench, relay.url, bench.url, bench.url)
        laptop.seconds = 1.0  # what is being sent is given this time to arrive
        assert isinstance(await laptop.pull(), PauseResult) and bench.call("vault", "isPaused")
    finally:
        over.set()


async def test_an_endpoint_that_takes_it_and_does_not_say_so(bench: Bench, relay: Relay) -> None:
    def mute(method: str, params: list[Any], forward: Callable[[], Any]) -> Any:
        answer = forward()
        if method == "eth_sendRawTransaction":
            raise Drop
        return answer

    relay.handler = mute
    assert isinstance(await Laptop(bench, relay.url).pull(), PauseResult) and bench.pauses() == 1


async def test_an_endpoint_that_takes_nothing_is_told_with_the_hash(bench: Bench, relay: Relay) -> None:
    relay.handler = lambda method, params, forward: (
        {"error": {"code": -32000, "message": "over quota"}} if method == "eth_sendRawTransaction" else forward()
    )
    said = await Laptop(bench, relay.url).refused("no endpoint took the transaction: over quota")
    assert "run the command again" in said and not bench.call("vault", "isPaused")


# ---------------------------------------------------------------- what waits at the nonce


async def test_another_run_while_it_waits_is_the_same_pause(bench: Bench) -> None:
    bench.anvil.rpc.call("evm_setAutomine", False)
    first = Laptop(bench)
    first.wait = 0.3
    said = await first.refused("not mined after 0 s; it may still be. Run the command again")
    (told,) = [line for line in first.said if line.startswith("sending 0x")]
    assert told.split()[1] in said
    foretold = await Laptop(bench).pull(dry_run=True)
    assert foretold.waits == 1 and foretold.repeats and foretold.waiting == told.split()[1]
    second = Laptop(bench)
    second.wait = 0.3
    await second.refused("not mined")
    assert f"the same was sent before and waits ({told.split()[1]})" in second.said[0]
    bench.anvil.mine()
    assert bench.pauses() == 1 and bench.nonce("guardian_person") == 1
    assert isinstance(await Laptop(bench).pull(), Standing)


@pytest.mark.parametrize("paused_by_it", [True, False])
async def test_a_nonce_that_another_transaction_used(bench: Bench, relay: Relay, paused_by_it: bool) -> None:
    """The endpoint drops ours, and the account's owner sends something from elsewhere."""

    def swaps(method: str, params: list[Any], forward: Callable[[], Any]) -> Any:
        if method != "eth_sendRawTransaction":
            return forward()
        if paused_by_it:
            bench.send("guardian_person", "guardian", "pauseTarget", bench.vault)
        else:
            bench.receipt(bench.anvil.rpc.call("eth_sendTransaction", {"from": PERSON, "to": PERSON, "value": "0x1"}))
        return {"result": "0x" + "11" * 32}

    relay.handler = swaps
    if paused_by_it:
        found = await Laptop(bench, relay.url).pull()
        assert isinstance(found, PauseResult) and found.tx is None and bench.call("vault", "isPaused")
    else:
        await Laptop(bench, relay.url).refused("look at what it did")


@contextlib.asynccontextmanager
async def geth(bench: Bench) -> AsyncIterator[tuple[Gateway, str]]:
    """An endpoint of geth's manners before the chain; blocks are made by hand."""
    bench.anvil.rpc.call("evm_setAutomine", False)
    async with contextlib.AsyncExitStack() as stack:
        gateway = Gateway(bench.url, ["alpha"])
        await gateway.start()
        stack.push_async_callback(gateway.close)
        proxy = EndpointProxy(gateway.peer("alpha"), "alpha")
        await proxy.start()
        stack.push_async_callback(proxy.close)
        yield gateway, proxy.url


def stuck(bench: Bench, fee: int, tip: int) -> str:
    """A transaction of the person at nonce 0, signed."""
    transaction = {
        "type": 2, "chainId": CHAIN_ID, "nonce": 0, "to": address_of("staker_0"), "value": 1, "data": b"", "gas": 21_000,
        "maxFeePerGas": fee, "maxPriorityFeePerGas": tip,
    }  # fmt: skip
    return "0x" + Account.sign_transaction(transaction, key_of("guardian_person")).raw_transaction.hex()


@pytest.mark.parametrize("tells", [True, False])
async def test_an_earlier_transaction_at_the_nonce_is_outbid(bench: Bench, relay: Relay, tells: bool) -> None:
    """Whether the endpoint tells what waits there, or only refuses less than it offers."""
    async with geth(bench) as (gateway, url):
        inner = Nodes([endpoint(url)], 4.0)
        await gateway.jam(Jam(tip=90 * GWEI))  # so that nothing of it is mined
        taken, said = await inner.send(stuck(bench, 9 * GWEI, 6 * GWEI), benign=lambda _: False)
        assert taken, said
        laptop = Laptop(bench, url)
        laptop.wait = 0.3
        if not tells:
            hidden = Relay(url)
            hidden.handler = lambda method, params, forward: (
                {"error": {"code": -32601, "message": "the method does not exist"}}
                if method in ("txpool_contentFrom", "eth_getTransactionBySenderAndNonce")
                else forward()
            )
            laptop.urls = (hidden.url,)
        try:
            await laptop.refused("not mined after")
        finally:
            await inner.close()
            if not tells:
                hidden.close()
        sent = [line for line in laptop.said if line.startswith("sending")]
        assert len(sent) == 1 if tells else len(sent) > 1, laptop.said
        assert "takes its place" in laptop.said[0]
        await gateway.calm()
        bench.anvil.mine()
        await gateway.settled()
        assert bench.call("vault", "isPaused") and bench.nonce("guardian_person") == 1


async def test_what_may_not_be_outbid_is_said_with_what_it_would_take(bench: Bench, relay: Relay) -> None:
    relay.handler = lambda method, params, forward: (
        {"error": {"code": -32000, "message": "replacement transaction underpriced"}} if method == "eth_sendRawTransaction" else forward()
    )
    laptop = Laptop(bench, relay.url)
    laptop.fees = Fees(most=6 * GWEI)
    await laptop.refused("to take its place needs .* gwei, 6 are allowed", "--max-fee")


# ---------------------------------------------------------------- levers that are not the guardian's


async def test_a_declared_lever_is_pulled_by_who_holds_its_role(bench: Bench) -> None:
    laptop = Laptop(bench)
    lever = {"contract": "queue", "address": bench.vault, "way": "role", "call": "pauseFor(uint256)", **TEXTS}
    laptop.place = Place(CHAIN_ID, None, Book((), declared(lever)))
    await laptop.refused("give --seconds", target="lido/queue")
    said = await laptop.refused("does not hold the right to pause lido/queue", target="queue", seconds=600)
    assert bench.guardian in said
    bench.by_admin("vault", "grantRole", PAUSE_ROLE, PERSON)
    foretold = await laptop.pull("lido/queue", dry_run=True, seconds=600)
    assert foretold.ends_timestamp == foretold.block_timestamp + 600 and foretold.quota_left is None
    assert any("nobody gets out" in note for note in foretold.notes)
    done = await laptop.pull(bench.vault, seconds=600)
    assert isinstance(done, PauseResult) and done.target == "lido/queue"
    assert 600 <= bench.call("vault", "getResumeSinceTimestamp") - foretold.block_timestamp < 660
    assert isinstance(await laptop.pull("queue", seconds=600), Standing)


async def test_a_lever_without_an_end_is_pulled_by_its_role(bench: Bench, compiled: Artifacts) -> None:
    pool = put_pool(bench, compiled)
    bench.by_admin("pool", "grantRole", bench.call("pool", "PAUSER_ROLE"), PERSON)
    laptop = Laptop(bench)
    lever = {
        "contract": "pool", "address": pool, "way": "role", "call": "pause()", "role_getter": "PAUSER_ROLE", "candidates": [address_of("staker_0")],
        **TEXTS,
    }  # fmt: skip
    laptop.place = replace(laptop.place, book=Book((), declared(lever)))  # the guardian does not have it
    done = await laptop.pull("lido/pool")
    assert isinstance(done, PauseResult) and done.resumes_timestamp is None and bench.call("pool", "paused")


@pytest.mark.parametrize(
    ("lever", "said"),
    [
        ({"way": "circuit_breaker", "via": "0x" + "22" * 20}, "stakewarden guardian safe prepare lido/x"),
        ({"way": "flags", "registry": "0x" + "22" * 20, "candidates": [], "flags": {1: "exits"}}, "safe prepare lido/x --flag N .*1 exits"),
        ({"way": "none", "who": "the council", "how": "by a vote"}, "has no lever. Who can act: the council. How: by a vote"),
        ({"way": "deposit_guardians"}, "stakewarden guardian levers"),
    ],
)
async def test_levers_that_no_single_key_pulls_name_the_command_that_does(bench: Bench, lever: dict[str, Any], said: str) -> None:
    laptop = Laptop(bench)
    for guardian in (None, bench.guardian):
        book = Book((), declared({"contract": "x", "address": "0x" + "11" * 20, **lever, **TEXTS}))
        laptop.place = Place(CHAIN_ID, guardian, book)
        await laptop.refused(said, target="lido/x")


# ---------------------------------------------------------------- without settings


async def test_what_is_registered_stands_for_settings(bench: Bench) -> None:
    book = Book((), declared({"contract": "queue", "address": bench.vault, "way": "role", "call": "pauseFor(uint256)", **TEXTS}))
    nodes = Nodes([endpoint(bench.url)], 4.0)
    try:
        found = await byhand.targets(nodes, Place(CHAIN_ID, bench.guardian, book))
        told = await status.look(nodes, settings_of(found, bench.guardian, book))
    finally:
        await nodes.close()
    (target,) = told.targets
    assert (target.name, target.address, target.lever, target.arming) == ("queue", bench.vault, "pauseFor", "armed")
    assert target.readiness[0].ready and {c.name for c in target.readiness[0].checks} >= {"pause_role", "simulated", "quota"}


async def test_calldata_of_a_safe_is_what_the_contract_takes(bench: Bench) -> None:
    found = byhand.calldata(bench.guardian, Aim("vault", bench.vault), CHAIN_ID, True)
    assert (found.to, found.value, found.target) == (bench.guardian, 0, bench.vault)
    assert bench.vault in found.words and bench.guardian in found.words and "lapses by itself" in found.words
    assert found.data == bench.contracts["guardian"].data("pauseTarget", bench.vault)
    sent = {"from": PERSON, "to": found.to, "data": found.data, "gas": hex(2_000_000)}
    bench.receipt(bench.anvil.rpc.call("eth_sendTransaction", sent))
    assert bench.call("vault", "isPaused")
