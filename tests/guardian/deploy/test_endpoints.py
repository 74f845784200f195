"""A plan and a read-back by endpoints that lie, forget, or break the way of a transaction."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from monitor.devnet.accounts import address_of
from tests.guardian.bench import Drop, Relay
from tests.guardian.deploy.site import Site
from tests.guardian.deploy.test_deploy import states


@pytest.fixture
def relay(standing: Site) -> Iterator[Relay]:
    found = Relay(standing.anvil.http_url)
    yield found
    found.close()


def test_a_liar_of_three_is_outvoted_and_two_of_three_silent_are_no_answer(standing: Site, relay: Relay) -> None:
    """The liar says that every account has other code, and every call returns a word of ones."""

    def lie(method: str, params: list[Any], forward: Any) -> Any:
        return {"result": "0x" + "ff" * 32} if method in ("eth_getCode", "eth_call") else forward()

    relay.handler = lie
    assert standing.check("--rpc", standing.anvil.http_url, "--rpc", relay.url)["as_planned"]
    alone = standing.check("--rpc", relay.url, code=1)
    assert set(states(alone).values()) == {"unknown"} and "guardian code" in states(alone)
    dead = "http://127.0.0.1:1"
    assert "no majority" in standing.do("--check", str(standing.guardian), "--rpc", dead, "--rpc", dead, code=1)


def test_without_history_the_creation_is_unknown_until_it_is_named(standing: Site, relay: Relay) -> None:
    head = standing.anvil.rpc.call("eth_blockNumber")

    def forget(method: str, params: list[Any], forward: Any) -> Any:
        old = method == "eth_getCode" and isinstance(params[1], str) and params[1].startswith("0x") and params[1] != head
        return {"error": {"code": -32000, "message": "missing trie node"}} if old else forward()

    relay.handler = forget
    found = standing.check(code=1, url=relay.url)
    assert states(found) == {"guardian creation": "unknown", "releaser creation": "unknown"}
    assert all("--creation" in i["remedy"] for i in found["items"] if i["state"] == "unknown")
    whole = {i["key"]: i["text"].split("transaction ")[-1] for i in standing.check()["items"]}
    named = ("--creation", whole["guardian creation"], "--releaser-creation", whole["releaser creation"])
    assert standing.check(*named, url=relay.url)["as_planned"]


def test_a_creation_whose_answer_was_lost_is_found_and_not_made_twice(site: Site) -> None:
    """The endpoint takes the transaction, drops the line and does not answer for it; the next run sees what became of it."""
    relay = Relay(site.anvil.http_url)
    try:

        def drop(method: str, params: list[Any], forward: Any) -> Any:
            answer = forward()
            if method in ("eth_sendRawTransaction", "eth_getTransactionByHash"):
                raise Drop
            return answer

        relay.handler = drop
        assert "no endpoint took the transaction" in site.do("--send", url=relay.url, code=1)
        relay.handler = lambda method, params, forward: forward()
        said = site.do("--send", url=relay.url, code=1)
        assert "has deployed a guardian at" in said
        assert site.anvil.rpc.call("eth_getTransactionCount", address_of("market_maker"), "latest") == "0x1"
        at = said.split("--check ")[1].split(";")[0]
        found = json.loads(site.do("--check", at, "--json", code=1))
        assert states(found)["releaser"] == "missing" and "guardian code" not in states(found)
        assert "is no guardian of this version" in site.do("--send", "--releaser-for", site.at["vault"], code=1)
        whole = json.loads(site.do("--send", "--releaser-for", at, "--json"))
        assert set(states(whole).values()) == {"missing"} and whole["guardian"] == at
        assert {"releaser code", "releaser guardian"} <= {i["key"] for i in whole["items"] if i["state"] == "ok"}
    finally:
        relay.close()
