"""What the package says about the contract is what the compiler says."""

from __future__ import annotations

from eth_abi.abi import encode
from eth_hash.auto import keccak

from monitor.devnet.build import Artifacts, signature
from monitor.guardian import contract
from monitor.model import address
from monitor.protocols.abi import EventType, Function, selector

SOMEBODY = address("0x" + "11" * 20)


def test_committed_abi_is_what_the_compiler_gives(compiled: Artifacts) -> None:
    assert contract.abi() == list(compiled["Guardian"].abi), "renew monitor/guardian/abi.json from contracts/out/Guardian.sol/Guardian.json"


def test_every_function_and_event_used_is_in_the_abi() -> None:
    known = {signature(e) for e in contract.abi() if e["type"] in ("function", "event")}
    used = [v for v in vars(contract).values() if isinstance(v, (Function, EventType))]
    assert len(used) > 8
    assert {f.signature for f in used} <= known


def test_enums_have_a_word_for_each_value(compiled: Artifacts) -> None:
    """The compiler keeps enums out of the ABI, so the source is read."""
    from monitor.devnet.anvil import CONTRACTS_DIR

    source = (CONTRACTS_DIR / "src" / "Guardian.sol").read_text("utf-8")

    def members(name: str) -> list[str]:
        body = source.split(f"enum {name} {{", 1)[1].split("}", 1)[0]
        return [m.strip() for m in body.split(",")]

    assert [m.lower() for m in members("Lever")] == [x.lower() for x in contract.LEVERS]
    assert [m.lower() for m in members("Arming")] == list(contract.ARMING)
    assert len(members("Refusal")) == len(contract.REFUSALS)
    assert members("Refusal")[contract.ALREADY_PAUSED] == "AlreadyPaused"


def test_gas_covers_what_the_contract_asks_for() -> None:
    for limit in (30_000, 300_000, 5_000_000):
        assert contract.gas_for(limit) >= limit * 64 // 63 + 130_000 + 21_000 + 50_000


def test_errors_are_told_in_words() -> None:
    refused = selector("SentinelRefused(address,uint8)")
    assert contract.explain(refused + encode(["address", "uint8"], [SOMEBODY, 5])) == contract.REFUSALS[5]
    assert "newer" in contract.explain(refused + encode(["address", "uint8"], [SOMEBODY, 77]))
    missing = selector("AccessControlUnauthorizedAccount(address,bytes32)")
    assert "does not hold GUARDIAN_ROLE" in contract.explain(missing + encode(["address", "bytes32"], [SOMEBODY, keccak(b"GUARDIAN_ROLE")]))
    assert "PAUSE_ROLE" in contract.explain(selector("PauseFailed(address,bytes4)") + encode(["address", "bytes4"], [SOMEBODY, b"abcd"]))
    assert "NotRegistered(target=" in contract.explain(selector("NotRegistered(address)") + encode(["address"], [SOMEBODY]))
    assert "0xdeadbeef" in contract.explain(bytes.fromhex("deadbeef"))
    assert "without a reason" in contract.explain(b"")
    assert "0x" in contract.explain(refused + b"short"), "junk behind a known selector is no crash"
