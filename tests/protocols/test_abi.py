"""Fragments give the selectors and topics that the chain knows, and junk never passes for an answer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from eth_abi import encode
from eth_hash.auto import keccak
from hypothesis import given
from hypothesis import strategies as st

from monitor.model import BlockStamp, Hash, Log, Slot, Snapshot, Unanswered, Value, address
from monitor.protocols import access
from monitor.protocols.abi import BadAnswer, Contract, Events, EventType, Function, decode, selector
from monitor.protocols.fragments import BadFragment
from monitor.protocols.lido import accounting, governance, keys, locator, oracle, queue

FACTS = yaml.load((Path(__file__).parents[1] / "data" / "lido_interface.yaml").read_text(), Loader=yaml.CSafeLoader)
STAMP = BlockStamp(1, Hash("0x" + "1" * 64), Hash("0x" + "0" * 64), 1_700_000_000, Slot(7))
QUEUE = Contract("withdrawal_queue", address("0x889edC2eDab5f40e902b864aD4d7AdE8E412F9B1"))
DEPTH = Function.parse("function unfinalizedStETH() view returns (uint256)")
STATUS = Function.parse(
    "function getWithdrawalStatus(uint256[] ids) view returns (tuple(uint256 amountOfStETH, uint256 amountOfShares, address owner, "
    "uint256 timestamp, bool isFinalized, bool isClaimed)[] statuses)"
)
TYPES = [
    "uint256",
    "uint8",
    "int128",
    "bool",
    "address",
    "bytes32",
    "bytes4",
    "uint256[]",
    "address[]",
    "(uint256,bool)[]",
    "string",
    "bytes",
]


@pytest.mark.parametrize(("fragment", "signature", "expected"), FACTS["functions"], ids=lambda f: f[:40])
def test_function_fragments_give_the_known_selectors(fragment: str, signature: str, expected: str) -> None:
    function = Function.parse(fragment)
    assert function.signature == signature
    assert "0x" + function.selector.hex() == expected


@pytest.mark.parametrize(("fragment", "signature", "expected"), FACTS["events"], ids=lambda f: f[:40])
def test_event_fragments_give_the_known_topics(fragment: str, signature: str, expected: str) -> None:
    event = EventType.parse(fragment)
    assert event.signature == signature
    assert "0x" + event.topic.hex() == expected
    assert len(event.indexed) == fragment.count(" indexed ")


def declared(kind: type) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for module in (access, accounting, governance, keys, locator, oracle, queue):
        for value in vars(module).values():
            members = value.values() if isinstance(value, Mapping) else (value,)
            flat = [m for member in members for m in (member if isinstance(member, tuple) else (member,))]
            found += [(f"{module.__name__}.{v.name}", v) for v in flat if isinstance(v, kind)]
    return found


def test_every_function_that_we_read_is_in_the_verified_interface() -> None:
    known = {(f.signature, f.outputs) for f in (Function.parse(fragment) for fragment, _, _ in FACTS["functions"])}
    ours = declared(Function)
    assert len(ours) > 60
    assert [name for name, f in ours if (f.signature, f.outputs) not in known] == []


def test_every_event_that_we_hear_is_in_the_verified_interface() -> None:
    known = [EventType.parse(fragment) for fragment, _, _ in FACTS["events"]]
    shapes = {(e.topic, tuple((p.type, p.indexed) for p in e.parameters)) for e in known}
    ours = declared(EventType)
    assert len(ours) > 30
    assert [name for name, e in ours if (e.topic, tuple((p.type, p.indexed) for p in e.parameters)) not in shapes] == []


def test_custom_errors_and_roles_hash_as_known() -> None:
    assert {s: "0x" + selector(s).hex() for s, _ in FACTS["errors"]} == dict(FACTS["errors"])
    for _, preimage, expected in FACTS["roles"]:
        if "not a keccak" not in preimage:
            assert "0x" + keccak(preimage.encode()).hex() == expected


@pytest.mark.parametrize(
    "bad", ["function", "event X(uint256)", "function f(enum.Kind k)", "function f(uint256", "function f(uint256 a b, )"]
)
def test_a_wrong_fragment_is_refused(bad: str) -> None:
    with pytest.raises(BadFragment):
        Function.parse(bad)


def test_a_struct_array_answer_is_decoded_with_eip55_addresses() -> None:
    owner = "0x852ded011285fe67063a08005c71a85690503cee"
    data = encode(["(uint256,uint256,address,uint256,bool,bool)[]"], [[(10, 9, owner, 1_700_000_000, False, True)]])
    snapshot = Snapshot(STAMP, {QUEUE.read(STATUS, (7,)): Value(data, ("a",))})
    assert QUEUE.ask(snapshot, STATUS, (7,)) == ((10, 9, address(owner), 1_700_000_000, False, True),)


def test_an_answer_of_the_wrong_shape_names_contract_function_and_what_came() -> None:
    snapshot = Snapshot(STAMP, {QUEUE.read(DEPTH): Value(b"\x01\x02", ("a",))})
    with pytest.raises(BadAnswer, match=r"withdrawal_queue\.unfinalizedStETH.*2 bytes \(0x0102\).*\(uint256\)"):
        QUEUE.ask(snapshot, DEPTH)


def test_an_unread_value_is_unanswered_and_names_the_function() -> None:
    with pytest.raises(Unanswered, match=r"withdrawal_queue\.unfinalizedStETH"):
        QUEUE.ask(Snapshot(STAMP, {}), DEPTH)


@given(st.sampled_from(TYPES), st.binary(max_size=260))
def test_junk_is_a_value_error_or_reencodes_to_itself(type_: str, junk: bytes) -> None:
    try:
        (value,) = decode((type_,), junk)
    except ValueError:
        return
    assert encode([type_], [value]) == junk


@given(st.integers(0, 2**256 - 1), st.integers(-(2**127), 2**127 - 1), st.binary(min_size=20, max_size=20), st.booleans())
def test_words_agree_with_eth_abi(number: int, signed: int, account: bytes, flag: bool) -> None:
    types = ("uint256", "int128", "address", "bool")
    values = (number, signed, "0x" + account.hex(), flag)
    assert decode(types, encode(types, values)) == (number, signed, address("0x" + account.hex()), flag)


def test_an_event_is_known_by_address_topic_and_number_of_topics() -> None:
    granted = EventType.parse("event RoleGranted(bytes32 indexed role, address indexed account, address indexed sender)")
    plain = EventType.parse("event RoleGranted(bytes32 role, address account, address sender)")
    assert granted.topic == plain.topic
    events = Events((QUEUE, granted))
    topics = (granted.topic, b"\x01" * 32, b"\0" * 12 + b"\x02" * 20, b"\0" * 12 + b"\x03" * 20)
    log = Log(QUEUE.address, topics, b"", STAMP, Hash("0x" + "2" * 64), 0, 0)
    found = events.find(log)
    assert found is not None
    assert found[2] == {"role": b"\x01" * 32, "account": address("0x" + "02" * 20), "sender": address("0x" + "03" * 20)}
    assert events.find(Log(QUEUE.address, topics[:1], b"\0" * 96, STAMP, log.tx, 0, 0)) is None
    assert events.find(Log(address("0x" + "09" * 20), topics, b"", STAMP, log.tx, 0, 0)) is None
    assert events.find(Log(QUEUE.address, (), b"", STAMP, log.tx, 0, 0)) is None


def test_event_data_of_the_wrong_shape_is_a_bad_answer() -> None:
    paused = EventType.parse("event Paused(uint256 duration)")
    log = Log(QUEUE.address, (paused.topic,), b"\x01", STAMP, Hash("0x" + "2" * 64), 0, 0)
    with pytest.raises(BadAnswer, match="Paused"):
        Events((QUEUE, paused)).find(log)
