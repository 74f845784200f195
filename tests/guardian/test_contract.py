"""What the package says about the contract is what the compiler says."""

from __future__ import annotations

import re

import pytest
from eth_abi.abi import encode
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitor.devnet.anvil import CHAIN_ID, CONTRACTS_DIR
from monitor.devnet.build import Artifacts, signature
from monitor.guardian import contract
from monitor.guardian.order import Order, digest
from monitor.model import Hash, address
from monitor.protocols.abi import EventType, Function, selector
from tests.guardian.bench import DURATION, GAS, Bench

TARGETS_OWN = {"pauseFor(uint256)", "pause()", "pause(address)", "isPaused()"}
SOMEBODY = address("0x" + "11" * 20)
words = st.binary(min_size=32, max_size=32)
small = st.integers(0, 2**64 - 1)
some_orders = st.builds(
    Order, st.binary(min_size=20, max_size=20).map(lambda b: address("0x" + b.hex())), small, words, small, words.map(lambda b: Hash("0x" + b.hex()))
)  # fmt: skip


def test_committed_abi_is_what_the_compiler_gives(compiled: Artifacts) -> None:
    found = list(compiled["Guardian"].abi)
    assert contract.abi() == found, "renew it with `make abi`"


def test_every_function_and_event_used_is_in_the_abi() -> None:
    known = {signature(e) for e in contract.abi() if e["type"] in ("function", "event")}
    used = {v.signature for v in vars(contract).values() if isinstance(v, (Function, EventType))}
    assert len(used) > 12 and used - TARGETS_OWN <= known
    outputs = {signature(e): [_type(o) for o in e["outputs"]] for e in contract.abi() if e["type"] == "function"}
    for function in (v for v in vars(contract).values() if isinstance(v, Function)):
        if function.signature not in TARGETS_OWN:
            assert list(function.outputs) == outputs[function.signature]


def _type(item: dict[str, object]) -> str:
    if not str(item["type"]).startswith("tuple"):
        return str(item["type"])
    components = item["components"]
    assert isinstance(components, list)
    return f"({','.join(map(_type, components))}){str(item['type'])[5:]}"


def test_enums_have_a_word_for_each_value() -> None:
    """The compiler keeps enums out of the ABI, so the source is read."""
    source = (CONTRACTS_DIR / "src/IGuardian.sol").read_text("utf-8")

    def members(name: str) -> tuple[str, ...]:
        body = re.sub(r"///.*", "", source.split(f"enum {name} {{", 1)[1].split("}", 1)[0])
        return tuple(m.strip() for m in body.split(",") if m.strip())

    assert members("Lever") == contract.LEVERS
    assert members("Arming") == contract.ARMING
    assert members("Refusal") == tuple(contract.REFUSALS)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(some_orders)
def test_the_contract_computes_the_same_digest(bench: Bench, order: Order) -> None:
    assert contract.ORDER_DIGEST.decode(ask(bench, contract.ORDER_DIGEST, order.struct)) == digest(order, CHAIN_ID, bench.guardian)


def ask(bench: Bench, function: Function, *arguments: object) -> bytes:
    data = "0x" + function.call(*arguments).data.hex()
    return bytes.fromhex(bench.anvil.rpc.call("eth_call", {"to": bench.guardian, "data": data}, "latest")[2:])


def test_what_is_registered_is_read(bench: Bench) -> None:
    data = ask(bench, contract.TARGET, bench.vault)
    found = contract.read_target(data)
    assert (found.lever, found.arming, found.sentinel_seconds, found.gas_limit) == ("PauseFor", "Armed", DURATION, GAS)
    assert (found.budget, found.used, found.guardian_seconds, found.quota_left, found.cool_at) == (1, 0, DURATION, 10 * DURATION, 0)
    bench.send("guardian_person", "guardian", "pauseTarget", bench.vault)
    after = contract.read_target(ask(bench, contract.TARGET, bench.vault))
    assert (after.quota_left, after.used, after.cool_at, after.epoch) == (9 * DURATION, 0, 0, found.epoch + 1)
    to, call = contract.lever_call(bench.vault, found)
    assert to == bench.vault and call == contract.PAUSE_FOR.call(DURATION).data
    with pytest.raises(ValueError, match="newer"):
        contract.read_target(data[:31] + b"\x09" + data[32:])
    breaker = contract.Registered("CircuitBreaker", "Armed", 1, 0, 300_000, SOMEBODY)
    assert contract.lever_call(bench.vault, breaker) == (SOMEBODY, contract.BREAKER_PAUSE.call(bench.vault).data)


def test_errors_and_refusals_are_told_in_words() -> None:
    refused = selector("OrderRefused(address,uint8)")
    budget = list(contract.REFUSALS).index("TargetBudgetSpent")
    assert contract.refusal(refused + encode(["address", "uint8"], [SOMEBODY, budget])) == contract.REFUSALS["TargetBudgetSpent"]
    assert "arms it again" in contract.explain(refused + encode(["address", "uint8"], [SOMEBODY, budget]))
    assert "newer" in contract.explain(refused + encode(["address", "uint8"], [SOMEBODY, 200]))
    assert "right to pause" in contract.explain(
        selector("PauseFailed(address,bytes4)") + encode(["address", "bytes4"], [SOMEBODY, b"abcd"])
    )
    missing = selector("AccessControlUnauthorizedAccount(address,bytes32)")
    assert "does not hold GUARDIAN_ROLE" in contract.explain(missing + encode(["address", "bytes32"], [SOMEBODY, contract.GUARDIAN_ROLE]))
    assert "NotRegistered(target=" in contract.explain(selector("NotRegistered(address)") + encode(["address"], [SOMEBODY]))
    assert contract.refusal(b"\xde\xad\xbe\xef") is None and "0xdeadbeef" in contract.explain(b"\xde\xad\xbe\xef")
    assert "without a reason" in contract.explain(b"") and "0x" in contract.explain(refused + b"short")
