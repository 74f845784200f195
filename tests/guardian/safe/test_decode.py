"""What a transaction does is said by our own list, and what is not on it is not to be signed."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.devnet.build import Artifacts, signature
from monitor.guardian.safe.decode import KNOWN, decode_call, examine
from monitor.guardian.safe.transaction import SafeTransaction
from monitor.model import address
from monitor.protocols.abi import Function, selector

SAFE, BREAKER, QUEUE, STRANGER = (address("0x" + f"{i:02x}" * 20) for i in (0x51, 0x52, 0x53, 0x54))
NAMES = {BREAKER: "circuit_breaker", QUEUE: "withdrawal_queue"}
PAUSE = Function.parse("function pause(address pausable)")
GOOD = SafeTransaction(1, SAFE, 7, BREAKER, PAUSE.call(QUEUE).data)


def codes(transaction: SafeTransaction, level: str = "refuse") -> list[str]:
    return [f.code for f in examine(transaction, NAMES).findings if f.level == level]


def test_a_pause_is_shown_with_function_and_arguments_and_nothing_against_it() -> None:
    found = examine(GOOD, NAMES)
    assert not found.findings and found.decoded is not None
    assert found.decoded.signature == "pause(address)" and found.decoded.effect == "brakes"
    assert [(a.name, a.type, a.value) for a in found.decoded.arguments] == [("pausable", "address", QUEUE)]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"operation": 1}, "delegatecall"),
        ({"operation": 2}, "operation"),
        ({"value": 1}, "value"),
        ({"gas_token": STRANGER}, "refund"),
        ({"refund_receiver": STRANGER}, "refund"),
        ({"gas_price": 1}, "refund"),
        ({"base_gas": 1}, "refund"),
        ({"data": bytes.fromhex("deadbeef")}, "unknown_function"),
        ({"data": b""}, "unknown_function"),
        ({"data": GOOD.data + b"\0"}, "arguments"),
        ({"data": GOOD.data[:-1]}, "arguments"),
        ({"data": PAUSE.selector + b"\1" + GOOD.data[5:]}, "arguments"),
        ({"data": Function.parse("function resume()").call().data}, "no_pause"),
        ({"data": Function.parse("function registerPauser(address,address)").call(QUEUE, STRANGER).data}, "no_pause"),
        ({"data": Function.parse("function setCapacity(uint256)").call(5).data}, "no_pause"),
        ({"to": SAFE, "data": Function.parse("function changeThreshold(uint256)").call(1).data}, "own_setup"),
        ({"to": SAFE}, "own_setup"),
    ],
)
def test_what_is_not_a_plain_pause_is_refused(change: dict[str, Any], code: str) -> None:
    assert codes(dataclasses.replace(GOOD, **change)) == [code]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"safe_tx_gas": 100_000}, "safe_tx_gas"),
        ({"to": STRANGER}, "unknown_contract"),
        ({"data": PAUSE.call(STRANGER).data}, "unknown_target"),
        ({"data": Function.parse("function pauseTargets(address[])").call((QUEUE, STRANGER)).data}, "unknown_target"),
        ({"data": Function.parse("function pauseFor(uint256)").call(2**256 - 1).data}, "open_end"),
        ({"data": Function.parse("function approveHash(bytes32)").call(bytes(32)).data}, "opaque"),
        ({"to": SAFE, "data": b""}, "rejection"),
    ],
)
def test_what_is_odd_is_warned_of_and_not_refused(change: dict[str, Any], code: str) -> None:
    changed = dataclasses.replace(GOOD, **change)
    assert codes(changed, "warn") == [code] and not codes(changed)


def test_no_two_functions_of_the_list_share_a_selector() -> None:
    assert len(KNOWN) == 41 and all(selector(k.function.signature) == s for s, k in KNOWN.items())


@given(st.sampled_from(sorted(KNOWN)), st.binary(max_size=200))
@settings(max_examples=200, deadline=None)
def test_what_is_decoded_is_encoded_to_the_very_same_bytes(head: bytes, rest: bytes) -> None:
    found = decode_call(head + rest)
    if found is not None:
        assert KNOWN[head].function.call(*(a.value for a in found.arguments)).data == head + rest


@given(st.binary(max_size=300))
@settings(max_examples=200, deadline=None)
def test_any_bytes_are_examined_without_an_error(data: bytes) -> None:
    examine(dataclasses.replace(GOOD, data=data), NAMES)


def test_what_people_may_do_with_the_guardian_is_on_the_list(compiled: Artifacts) -> None:
    """The guardian's own interface: a power of people that is missing here could not be used by a Safe."""
    functions = compiled["IGuardian"].functions
    for name in ("pauseTarget", "pauseTargets", "cancel", "disarm", "revokeSentinel", "stopSentinels", "heartbeat"):
        known = KNOWN[selector(signature(functions[name]))]
        assert known.effect in ("brakes", "keeps"), name
    for name in ("register", "setLimits", "arm", "setSentinel", "setThreshold", "allowSentinels", "setSentinelBudget"):
        assert selector(signature(functions[name])) not in KNOWN, f"{name} gives power: it is the admin's, and no pause"


@pytest.mark.parametrize(
    ("call", "wanted"),
    [
        ("pause(address)", "76a67a51"), ("heartbeat()", "3defb962"), ("pauseFor(uint256)", "f3f449c7"), ("pauseUntil(uint256)", "abe9cfc8"),
        ("pause(uint256)", "136439dd"), ("pauseAll()", "595c6a67"), ("unpause(uint256)", "fabc1cbc"), ("registerPauser(address,address)", "338d93fc"),
    ],
)  # fmt: skip
def test_selectors_are_those_of_mainnets_contracts(call: str, wanted: str) -> None:
    """Selectors from the published interfaces of Lido's CircuitBreaker and PausableUntil, and of EigenLayer's Pausable."""
    assert KNOWN[bytes.fromhex(wanted)].function.signature == call
