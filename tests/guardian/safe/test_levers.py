"""What ``guardian levers`` finds: who can pause what, for how long, whether it would work, and what nobody can tell."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import yaml
from hypothesis import given
from hypothesis import strategies as st

from monitor.chain import Execution
from monitor.chain.settings import NetworkSettings
from monitor.devnet.accounts import address_of
from monitor.devnet.anvil import CHAIN_ID
from monitor.guardian.levers.breaker import CRITICAL_SECONDS, WARN_SECONDS, heartbeat_state
from monitor.guardian.levers.declared import BadDeclaration, BreakerLever, Declarations, NoLever, load, mainnet, of
from monitor.guardian.levers.found import Found, Survey
from monitor.guardian.levers.reader import Reader, Unknown
from monitor.guardian.levers.survey import survey
from monitor.model import Address, Answer, BlockStamp, Failed, Hash, Read, Reverted, Slot, Snapshot, Value
from tests.guardian.bench import endpoint
from tests.guardian.safe.ground import DAY, OWNERS, Ground

STAMP = BlockStamp(100, Hash("0x" + "11" * 32), Hash("0x" + "10" * 32), 1_800_000_000, Slot(0))


@pytest_asyncio.fixture
async def execution(ground: Ground) -> AsyncIterator[Execution]:
    found = Execution(NetworkSettings(chain_id=CHAIN_ID, execution=(endpoint(ground.anvil.http_url),)))
    yield found
    await found.close()


async def look(ground: Ground, execution: Execution, **more: Any) -> Survey:
    return await survey(Reader(execution, await execution.stamp("latest")), ground.declarations(), **more)


def named(found: Survey, name: str) -> Found:
    return next(f for f in found.levers if f.name == name)


async def test_a_contract_behind_the_breaker_is_told_whole(ground: Ground, execution: Execution) -> None:
    vault = named(await look(ground, execution), "lido/vault")
    assert (vault.paused, vault.resumes_timestamp, vault.seconds, vault.lapses, vault.problems) == (False, None, 21 * DAY, True, ())
    assert isinstance(vault.pausers, tuple) and isinstance(vault.resumers, tuple) and vault.others == ()
    (safe,) = vault.pausers
    assert (safe.kind, safe.threshold, set(safe.owners), safe.name) == ("Safe", 3, {o.address for o in OWNERS}, "lido/committee")
    assert [(r.kind, r.name) for r in vault.resumers] == [("account", "lido/agent")]
    assert vault.notes == (
        "one shot: after it nobody can pause this contract through the CircuitBreaker; only lido/agent registers a pauser again; "
        "contracts left to this pauser then: 1",
    )
    assert not isinstance(vault.call, Unknown) and vault.call is not None and vault.call.to == ground.at["breaker"]


async def test_after_a_pause_it_says_when_it_ends_and_that_nobody_can_pause_it_again(ground: Ground, execution: Execution) -> None:
    ground.by_safe("breaker", "pause", ground.at["vault"])
    found = await look(ground, execution)
    vault = named(found, "lido/vault")
    assert vault.paused is True and vault.resumes_timestamp == ground.call("vault", "getResumeSinceTimestamp")
    assert vault.problems == ("nobody may pause it through the CircuitBreaker: only lido/agent registers a pauser again",)
    assert found.uncovered == ("lido/vault: no pauser is registered",)
    assert [h.contracts for h in found.calendar] == [("lido/other",)]


async def test_the_calendar_warns_before_a_heartbeat_ends_and_says_when_it_has(ground: Ground, execution: Execution) -> None:
    (fresh,) = (await look(ground, execution)).calendar
    assert (fresh.state, fresh.expires_timestamp) == ("fine", ground.call("breaker", "heartbeatExpiry", ground.at["safe"]))
    for days, state in ((340, "warn"), (20, "critical"), (10, "expired")):
        ground.anvil.increase_time(days * DAY)
        ground.anvil.mine()
        assert [h.state for h in (await look(ground, execution)).calendar] == [state]
    problems = named(await look(ground, execution), "lido/vault").problems
    assert any("has expired, and it cannot revive itself" in p for p in problems) and any("would revert now" in p for p in problems)


async def test_a_breaker_without_the_role_is_no_lever(ground: Ground, execution: Execution) -> None:
    from tests.guardian.safe.ground import PAUSE_ROLE

    ground.send("governance", "vault", "revokeRole", PAUSE_ROLE, ground.at["breaker"])
    problems = named(await look(ground, execution), "lido/vault").problems
    assert problems[0] == "lido/breaker does not hold PAUSE_ROLE there: it could not pause it"
    assert "would revert now" in problems[1]


async def test_a_contract_that_we_do_not_know_at_the_breaker_is_told(ground: Ground, execution: Execution) -> None:
    ground.send("governance", "breaker", "registerPauser", ground.at["flags"], address_of("staker_1"))
    found = await look(ground, execution)
    assert found.uncovered == (f"{ground.at['flags']} is registered at lido/breaker and not declared here",)
    assert {h.pauser.kind for h in found.calendar} == {"Safe", "account"}


async def test_flags_are_told_with_what_is_unusual(ground: Ground, execution: Execution) -> None:
    found = named(await look(ground, execution, protocol="eigenlayer"), "eigenlayer/flags")
    assert found.paused is False and found.lapses is False and [(f.bit, f.set) for f in found.flags] == [(0, False), (1, True), (2, False)]
    assert isinstance(found.pausers, tuple) and [p.kind for p in found.pausers] == ["Safe", "account"]
    assert isinstance(found.resumers, tuple) and [p.name for p in found.resumers] == ["lido/agent"]
    ground.send("guardian_person", "flags", "pause", 0b110)
    found = named(await look(ground, execution), "eigenlayer/flags")
    assert found.paused is True and "flag 2 is set, which it usually is not" in found.notes
    assert not isinstance(found.call, Unknown) and found.call is not None and found.call.function == "pause(7)"


async def test_one_protocol_can_be_asked_for(ground: Ground, execution: Execution) -> None:
    assert {f.protocol for f in (await look(ground, execution, protocol="eigenlayer")).levers} == {"eigenlayer"}


@given(st.integers(-(2**40), 2**40))
def test_a_heartbeat_is_good_before_its_expiry_and_not_at_it(left: int) -> None:
    state = heartbeat_state(2**41 + left, 2**41)
    assert (state == "expired") == (left <= 0) and (state == "fine") == (left >= WARN_SECONDS)
    assert (state == "critical") == (0 < left < CRITICAL_SECONDS)


# ------------------------------------------------------------ mainnet's declarations, with a far end that answers as it likes


class Far:
    """Answers by what the read is; everything else fails."""

    def __init__(self, answer: Any) -> None:
        self.answer, self.asked = answer, 0

    async def read_aside(self, stamp: BlockStamp, reads: list[Read]) -> Snapshot:
        self.asked += 1
        found: dict[Read, Answer] = {r: self.answer(r) for r in reads}
        return Snapshot(stamp, found)


@pytest.mark.parametrize(
    "answer", [Failed("timeout"), Reverted(b""), Value(b"", ("a",)), Value(b"\xff" * 33, ("a",)), Value(bytes(32), ("a",))]
)
async def test_whatever_mainnet_answers_every_lever_is_told_and_nothing_is_made_up(answer: Answer) -> None:
    far = Far(lambda read: answer)
    found = await survey(Reader(far, STAMP), mainnet())
    assert len(found.levers) == 43 and {f.protocol for f in found.levers} == {"lido", "eigenlayer", "rocketpool", "stakewise"}
    assert far.asked < 12  # many questions go together: a few round trips whatever the number of contracts
    if not (isinstance(answer, Value) and answer.data == bytes(32)):
        assert all(isinstance(f.paused, Unknown) for f in found.levers)
        assert all(isinstance(f.pausers, Unknown) for f in found.levers)


async def test_a_far_end_that_breaks_ends_the_survey_instead_of_hanging() -> None:
    def broken(read: Read) -> Answer:
        raise RuntimeError("gone")

    with pytest.raises(RuntimeError, match="gone"):
        async with asyncio.timeout(5):
            await survey(Reader(Far(broken), STAMP), mainnet())


async def test_without_a_lever_it_says_who_acts_and_prepares_their_message() -> None:
    found = await survey(Reader(Far(lambda r: Failed("none")), STAMP), mainnet(), protocol="rocketpool")
    deposit = named(found, "rocketpool/deposit_settings")
    assert not isinstance(deposit.call, Unknown) and deposit.call is not None
    assert (
        deposit.call.function
        == "propose('Emergency. Switch off deposit.enabled', proposalSettingBool('deposit', 'deposit.enabled', false))"
    )
    inner = bytes.fromhex(deposit.call.data[2:])
    from eth_abi.abi import decode

    message, payload = decode(["string", "bytes"], inner[4:])
    assert message == "Emergency. Switch off deposit.enabled" and decode(["string", "string", "bool"], payload[4:]) == (
        "deposit",
        "deposit.enabled",
        False,
    )
    assert any("security council" in n for n in deposit.notes)


def test_mainnet_is_what_the_sources_say() -> None:
    levers = {f"{p.protocol}/{lever.contract}": lever for p in mainnet().protocols for lever in p.levers}
    behind = [lever for lever in levers.values() if isinstance(lever, BreakerLever)]
    assert len(behind) == 19 and {lever.via for lever in behind} == {"0x6019CB557978296BA3C08a7B73225C0975DFB2F7"}
    assert sum(lever.way == "flags" for lever in levers.values()) == 10
    assert all(isinstance(lever, NoLever) for name, lever in levers.items() if name.split("/")[0] in ("rocketpool", "stakewise"))
    names = mainnet().names()
    assert names[Address("0x8772E3a2D86B9347A2688f9bc1808A6d8917760C")] == "lido/committee_circuit_breaker"


def test_mainnets_addresses_are_those_that_the_monitor_reads() -> None:
    """The same contract has one address in the whole house."""
    from monitor.protocols.lido import deployment

    watched = {name: c.contract.address for name, c in deployment.mainnet().contracts.items()}
    ours = {lever.contract: lever.where for p in mainnet().protocols if p.protocol == "lido" for lever in p.levers}
    shared = set(watched) & set(ours)
    assert len(shared) > 10 and {n: watched[n] for n in shared} == {n: ours[n] for n in shared}


GOOD: dict[str, Any] = {
    "network": 5,
    "protocols": [
        {"protocol": "p", "levers": [{"contract": "c", "address": "0x" + "11" * 20, "way": "role", "call": "pause()", "stops": "a", "goes_on": "b", "cost": "c"}]}
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [", "line 1: is not YAML|is not YAML"),
        ("network: 0", "network"),
        (yaml.safe_dump({**GOOD, "more": 1}), "more"),
        (yaml.safe_dump({**GOOD, "protocols": GOOD["protocols"] * 2}), "each once"),
        (yaml.safe_dump(GOOD).replace("way: role", "way: magic"), "magic"),
        (yaml.safe_dump(GOOD).replace("0x" + "11" * 20, "0x11"), "is not an address"),
    ],
)
def test_a_wrong_file_of_levers_says_where(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "levers.yaml").write_text(text)
    with pytest.raises(BadDeclaration, match=said):
        load(tmp_path / "levers.yaml")


def test_a_file_of_another_chain_is_refused_and_an_unknown_chain_has_none(tmp_path: Path) -> None:
    (tmp_path / "levers.yaml").write_text(yaml.safe_dump(GOOD))
    assert load(tmp_path / "levers.yaml").find("c") is not None and load(tmp_path / "levers.yaml").find("p/c") is not None
    with pytest.raises(BadDeclaration, match="is of chain 5, the endpoints are of chain 1"):
        of(1, tmp_path / "levers.yaml")
    assert of(1, None) is mainnet() and of(7, None) == Declarations(network=7, protocols=())
