"""A plan, its deployment, governance's calls, and reading back: on a real chain, by the command."""

from __future__ import annotations

import json
from typing import Any

from monitor.devnet.accounts import address_of
from monitor.guardian.compiled import GUARDIAN, load
from monitor.guardian.deploy.steps import created_at
from monitor.model import Address
from tests.guardian.deploy.site import Site


def states(found: dict[str, Any]) -> dict[str, str]:
    return {i["key"]: i["state"] for i in found["items"] if i["state"] != "ok"}


def test_plan_deploy_govern_check(site: Site) -> None:
    drawn = site.drawn()
    assert not drawn["refused"] and not [f for f in drawn["findings"] if f["level"] == "refuse"]
    guardian, releaser = drawn["creations"]
    assert guardian["code_hash"] == "0x" + load(GUARDIAN).hash.hex() and guardian["arguments"]["threshold_"] == 2
    assert site.anvil.rpc.call("eth_getCode", guardian["address"], "latest") == "0x", "a plan sends nothing"
    assert all(c["by"] != drawn["deployer"] for c in drawn["calls"]), "the deployer has nothing to say afterwards"

    done = site.deployed()
    assert (done["guardian"], done["releaser"]) == (guardian["address"], releaser["address"])
    # What the deployment itself settles is right; what is missing is exactly what the plan says that others do.
    assert set(states(done).values()) == {"missing"}
    assert [(c["by"], c["to"], c["data"]) for c in done["left"]] == [(c["by"], c["to"], c["data"]) for c in drawn["calls"]]
    site.check(code=1)

    for call in done["left"]:
        site.transact(call["by"], call["to"], call["data"])
    after = site.check()
    assert after["as_planned"] and after["left"] == [] and states(after) == {}
    keys = {i["key"] for i in after["items"]}
    assert {"guardian code", "guardian creation", "ceilings", "domain", "admin", "deployer holds nothing", "releaser code"} <= keys
    assert {"right to pause vault", "pauser of queue", "right to pause pool", "right to release pool", "no right to resume vault"} <= keys
    assert "everything is as planned" in site.do("--check", done["guardian"], "--releaser", done["releaser"])


def test_what_was_deployed_brakes(standing: Site) -> None:
    """The whole is for this: the committee pauses all three by their levers, and nobody of the plan resumes."""
    code = standing.compiled[GUARDIAN.contract]
    standing.transact(
        standing.at["committee"], str(standing.guardian), code.data("pauseTargets", [standing.at[n] for n in ("vault", "queue", "pool")])
    )
    vault, pool = standing.compiled["Vault"], standing.compiled["PausablePool"]
    assert [vault.result("isPaused", standing.ask(n, vault.data("isPaused"))) for n in ("vault", "queue")] == [True, True]
    assert pool.result("paused", standing.ask("pool", pool.data("paused"))) is True


def test_the_calls_are_written_as_files_for_who_makes_them_and_what_arms_apart(site: Site) -> None:
    site.do("--out", site.folder / "calls")
    files = {f.stem: json.loads(f.read_text("utf-8")) for f in sorted((site.folder / "calls").iterdir())}
    admin, other = site.at["admin"], address_of("governance")
    assert list(files) == [f"1-{admin}", f"2-{other}", f"3-{admin}-arms"]
    assert {f["chainId"] for f in files.values()} == {str(site.content()["chain_id"])}
    calls = site.drawn()["calls"]
    written = [(t["to"], t["data"], t["value"]) for f in files.values() for t in f["transactions"]]
    assert sorted(written) == sorted((c["to"], c["data"], "0") for c in calls)
    [arms] = files[f"3-{admin}-arms"]["transactions"]
    assert arms["data"] == site.compiled[GUARDIAN.contract].data("arm", site.at["queue"])


def test_the_plan_is_told_in_words(site: Site) -> None:
    said = site.do()
    for words in ("nothing is sent", "keccak256 0x" + load(GUARDIAN).hash.hex(), "the deployer " + address_of("market_maker"), "holds no right afterwards",
                  "2 of 3 sentinels together", "fewer sentinels\n      nothing", "(the admin) has to make", "registerPauser(",
                  "WARNING  targets: queue shall be armed at once"):  # fmt: skip
        assert words in said, words


def test_a_run_that_was_interrupted_does_not_deploy_twice(site: Site) -> None:
    first = site.deployed()["guardian"]
    assert f"--check {first}" in site.do("--send", code=1)
    assert first in site.do()
    second = json.loads(site.do("--send", "--again", "--json"))["guardian"]
    beside = states(site.check("--check", second, code=1))
    assert second != first and beside.pop("releaser guardian") == "wrong" and beside == states(site.check(code=1))


def test_addresses_are_those_of_the_chain(site: Site) -> None:
    """Nonces of each length of RLP."""
    who = Address(address_of("market_maker"))
    code = load(GUARDIAN).data(*site.plan().arguments)
    for nonce in (0, 1, 127, 128, 255, 256, 70_000):
        site.anvil.rpc.call("anvil_setNonce", who, hex(nonce))
        assert site.create("0x" + code.hex(), by=who) == created_at(who, nonce)


def test_another_key_than_the_deployers_is_refused(site: Site, monkeypatch: Any) -> None:
    from monitor.devnet.accounts import key_of

    monkeypatch.setenv("STAKEWARDEN_DEPLOYER_KEY", key_of("attacker"))
    said = site.do("--send", code=1)
    assert "the plan's deployer is " + address_of("market_maker") in said and key_of("attacker")[2:] not in said


def test_a_deployer_without_ether_is_told_what_it_needs(site: Site) -> None:
    site.anvil.set_balance(address_of("market_maker"), 10**12)
    assert "fund it" in site.do("--send", code=1)


def test_a_check_is_refused_for_another_chain_and_told_without_endpoints(site: Site) -> None:
    other = {**site.content(), "chain_id": 5}
    assert "the endpoints are of chain" in site.do("--check", address_of("attacker"), content=other, code=1)
    said = site.do(url="http://user:secret@127.0.0.1:1", code=1)
    assert "no majority" in said and "secret" not in said
    assert "is no address" in site.do("--check", "0x12", code=2)
    assert "not both" in site.do("--check", address_of("attacker"), "--send", code=2)
