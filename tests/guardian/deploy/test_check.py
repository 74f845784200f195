"""Reading back notices each thing that is otherwise than planned: what an auditor runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from monitor.devnet.accounts import address_of
from monitor.guardian.compiled import GUARDIAN, load
from monitor.guardian.contract import GUARDIAN_ROLE
from monitor.guardian.deploy.steps import created_at
from tests.guardian.deploy.site import DAY, NO_ADDRESS, Site
from tests.guardian.deploy.test_deploy import states
from tests.guardian.deploy.test_refusals import limit, role, target

STRANGER = address_of("attacker")


def roles(name: str, function: str, getter: str, who: Callable[[Site], str]) -> Callable[[Site], None]:
    """Governance grants or revokes a role of a target."""

    def change(s: Site) -> None:
        artifact = s.compiled["PausablePool" if name == "pool" else "Vault"]
        held = bytes(32) if getter == "ADMIN" else role(s, name, getter)
        s.send(s.at["admin"], name, artifact.data(function, held, who(s)))

    return change


def breaker(function: str, *arguments: Any) -> Callable[[Site], None]:
    return lambda s: s.send(
        address_of("governance"), "breaker", s.compiled["CircuitBreaker"].data(function, *(s.at.get(a, a) for a in arguments))
    )


def by_guardian(function: str, *arguments: Any) -> Callable[[Site], None]:
    return lambda s: _void(
        s.transact(s.at["committee"], str(s.guardian), s.compiled[GUARDIAN.contract].data(function, *(s.at.get(a, a) for a in arguments)))
    )


def _void(receipt: dict[str, Any]) -> None:
    assert receipt["status"] == "0x1"


def pauses(s: Site) -> None:
    by_guardian("pauseTarget", "queue")(s)


LIMITS = (DAY, 7 * DAY, 14 * DAY, DAY, 400_000, 1)
BROKEN: list[tuple[str, str, Callable[[Site], None]]] = [
    ("right to pause vault", "missing", roles("vault", "revokeRole", "PAUSE_ROLE", lambda s: str(s.guardian))),
    ("right to pause pool", "missing", roles("pool", "revokeRole", "PAUSER_ROLE", lambda s: str(s.guardian))),
    ("right to release pool", "missing", roles("pool", "revokeRole", "UNPAUSER_ROLE", lambda s: str(s.releaser))),
    ("releaser cannot pause pool", "wrong", roles("pool", "grantRole", "PAUSER_ROLE", lambda s: str(s.releaser))),
    ("no right to resume vault", "wrong", roles("vault", "grantRole", "RESUME_ROLE", lambda s: str(s.guardian))),
    ("no right to resume pool", "wrong", roles("pool", "grantRole", "UNPAUSER_ROLE", lambda s: str(s.guardian))),
    ("no right to resume vault", "wrong", roles("vault", "grantRole", "ADMIN", lambda s: str(s.guardian))),
    ("pauser of queue", "missing", breaker("registerPauser", "queue", NO_ADDRESS)),
    ("pauser of queue", "wrong", breaker("registerPauser", "queue", STRANGER)),
    ("duration of queue", "wrong", breaker("setPauseDuration", 25 * DAY)),
    ("pauser of queue", "missing", pauses),
    ("guardian committee", "missing", lambda s: s.governs("revokeRole", GUARDIAN_ROLE, s.at["committee"])),
    ("guardians beside the plan", "wrong", lambda s: s.governs("grantRole", GUARDIAN_ROLE, STRANGER)),
    ("deployer holds nothing", "wrong", lambda s: s.governs("grantRole", GUARDIAN_ROLE, s.content()["deployer"])),
    ("sentinels beside the plan", "wrong", lambda s: s.governs("setSentinel", STRANGER, s.now + 30 * DAY)),
    ("sentinel alpha", "missing", lambda s: s.governs("revokeSentinel", address_of("member_0"))),
    ("sentinel alpha", "wrong", lambda s: s.governs("setSentinel", address_of("member_0"), s.now + 30 * DAY)),
    ("threshold", "wrong", lambda s: s.governs("setThreshold", 1)),
    ("budget", "wrong", lambda s: s.governs("setSentinelBudget", 9)),
    ("budget", "missing", lambda s: s.governs("setSentinelBudget", 0)),
    ("sentinels allowed", "wrong", by_guardian("stopSentinels")),
    ("arming of vault", "wrong", lambda s: s.governs("arm", s.at["vault"])),
    ("arming of queue", "missing", by_guardian("disarm", "queue")),
    ("target vault", "missing", lambda s: s.governs("unregister", s.at["vault"])),
    ("target vault", "wrong", lambda s: s.governs("setLimits", s.at["vault"], LIMITS)),
    ("targets beside the plan", "wrong", lambda s: s.governs("register", s.at["breaker"], NO_ADDRESS, 1, LIMITS)),
    ("admin handover", "wrong", lambda s: s.governs("beginDefaultAdminTransfer", STRANGER)),
    ("admin delay change", "wrong", lambda s: s.governs("changeDefaultAdminDelay", DAY)),
]  # fmt: skip


GROUPS = [BROKEN[i::6] for i in range(6)]
"""Several at a time, since each look takes half a second: no two of a group have to do with each other."""


@pytest.mark.parametrize("group", GROUPS, ids=lambda g: g[0][0])
def test_what_is_otherwise_is_noticed_and_ends_with_1(standing: Site, group: list[tuple[str, str, Callable[[Site], None]]]) -> None:
    wanted = {key: state for key, state, _ in group}
    assert len(wanted) == len(group)
    for _, _, change in group:
        change(standing)
    found = standing.check(code=1)
    assert {k: v for k, v in states(found).items() if k in wanted} == wanted
    # What follows from those: a pauser without an assignment is not alive, and one sentinel less may be too few.
    assert set(states(found)) - set(wanted) <= {
        "heartbeat for queue",
        "arming of vault",
        "arming of queue",
        "live sentinels",
        "guardians beside the plan",
    }
    assert not found["as_planned"] and all(i["remedy"] for i in found["items"] if i["state"] != "ok")


def test_the_calls_that_are_left_put_it_right(standing: Site) -> None:
    """All that is only missing at once."""
    for key, state, change in BROKEN:
        if state == "missing" and change is not pauses and key != "arming of queue":
            change(standing)
    found = standing.check(code=1)
    assert set(states(found).values()) == {"missing"} and len(found["left"]) > 6
    for call in found["left"]:
        standing.transact(call["by"], call["to"], call["data"])
    assert states(standing.check("--json")) == {}


def test_an_expired_sentinel_is_noticed(standing: Site) -> None:
    standing.anvil.increase_time(171 * DAY)
    standing.anvil.mine()
    found = states(standing.check(code=1))
    assert found == {"sentinel alpha": "wrong", "sentinel bravo": "wrong", "sentinel charlie": "wrong", "live sentinels": "missing"}


# ---------------------------------------------------------------- the contract itself


def test_a_lookalike_with_another_storage_is_found_by_its_creation(standing: Site) -> None:
    """The same code to the byte, created by code of a stranger that wrote a sentinel into storage which no view lists."""
    runtime = bytes.fromhex(standing.anvil.rpc.call("eth_getCode", standing.guardian, "latest")[2:])
    # PUSH1 7 PUSH1 99 SSTORE, then copy the code behind and return it.
    size = len(runtime).to_bytes(2, "big")
    creation = bytes.fromhex("6007606355") + b"\x61" + size + bytes.fromhex("6012") + b"\x5f\x39\x61" + size + bytes.fromhex("5ff3")
    false = standing.create("0x" + (creation.ljust(0x12, b"\0") + runtime).hex(), by=STRANGER)
    assert standing.anvil.rpc.call("eth_getCode", false, "latest") == "0x" + runtime.hex()
    found = states(standing.check("--check", false, code=1))
    assert found["guardian creation"] == "wrong" and "guardian code" not in found


def test_other_code_is_found(standing: Site) -> None:
    found = states(standing.check("--check", standing.at["vault"], code=1))
    assert found["guardian code"] == found["guardian creation"] == "wrong" and found["ceilings"] == "unknown"
    assert states(standing.check("--check", STRANGER, code=1))["guardian code"] == "wrong"


def test_what_a_factory_created_is_not_believed(standing: Site) -> None:
    """Its creation code stands in no transaction."""
    # Creates whatever it is called with.
    factory = standing.create("0x600e600a5f39600e5ff3" + "365f5f37365f5ff05f5260205ff3", by=STRANGER)
    standing.transact(STRANGER, factory, "0x" + load(GUARDIAN).data(*standing.plan().arguments).hex())
    found = states(standing.check("--check", created_at(factory, 1), code=1))
    assert found["guardian creation"] == "wrong" and "guardian code" not in found


def test_a_plan_that_says_otherwise_than_the_chain_is_noticed(standing: Site) -> None:
    content = standing.content()
    content["ceilings"]["cooldown_seconds"] = 31 * DAY
    content["admin"].update(address=STRANGER, delay_seconds=4 * DAY)
    content["releaser"]["window_seconds"] = 8 * DAY
    limit(0, gas=310_000)(content)
    target(0, arming="disarmed")(content)
    found = states(standing.check(content=content, code=1))
    keys = ("ceilings", "admin", "admin alone", "admin delay", "releaser window", "target vault", "arming of vault")
    assert found == dict.fromkeys(keys, "wrong")


def test_the_creation_may_be_named(standing: Site) -> None:
    drawn = standing.check()
    text = next(i["text"] for i in drawn["items"] if i["key"] == "guardian creation")
    hash = text.split("transaction ")[1]
    assert standing.check("--creation", hash)["as_planned"]
    other = standing.transact(STRANGER, STRANGER, "0x")["transactionHash"]
    assert states(standing.check("--creation", other, code=1)) == {"guardian creation": "wrong"}
    assert states(standing.check("--creation", "0x" + "77" * 32, code=1)) == {"guardian creation": "unknown"}
    assert "is no transaction hash" in standing.do("--check", str(standing.guardian), "--creation", "0x12", code=2)
