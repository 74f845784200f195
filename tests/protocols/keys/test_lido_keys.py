"""Lido's registries in typed readings; what no honest contract says is refused, and hides nothing else."""

from __future__ import annotations

import pytest
from eth_abi import encode
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.model import Answer, Failed, Reverted, Snapshot, Unanswered, Value
from monitor.protocols.abi import BadAnswer, Contract
from monitor.protocols.lido import keys as lido
from monitor.protocols.lido import protocol
from monitor.protocols.lido.deployment import mainnet, parse
from monitor.protocols.lido.keys import LidoKeys
from monitor.protocols.signals import KeyModule, KeyOverview, KeyRun
from tests.protocols.keys.registry import META, OURS, ROUTER, STAMP, VAULT, Module, Registry, at, key

CURATED, COMMUNITY, CURATED_2 = b"curated-onchain-v1", b"community-onchain-v1", b"curated-onchain-v2"
SOURCE = LidoKeys(ROUTER, VAULT)


def mainnet_like() -> Registry:
    return Registry(
        [
            Module(1, CURATED, [(b"Ash", 5, 3), (b"Birch", 2, 2)]),
            Module(2, CURATED, [(b"Cluster", 4, 4)], "SimpleDVT"),
            Module(3, COMMUNITY, [(b"", 9, 6), (b"", 1, 0)], "Community Staking"),
            Module(4, CURATED_2, [(b"", 2, 1)], "curated-onchain-v2", meta=True),
        ]
    )


def overview(registry: Registry, source: LidoKeys = SOURCE) -> KeyOverview:
    directory = source.directory(registry.snapshot(source.overview_reads({})))
    return source.overview(registry.snapshot(source.overview_reads(directory)), directory)


def modules(registry: Registry) -> dict[int, KeyModule]:
    return {m.id: m for m in overview(registry).modules}


def test_the_four_modules_of_mainnet_are_read() -> None:
    found = overview(mainnet_like())
    assert [(m.id, m.name, m.form, m.deposited, m.operators) for m in found.modules] == [
        (1, "curated", "registry", 5, 2),
        (2, "SimpleDVT", "registry", 4, 1),
        (3, "Community Staking", "community", 6, 2),
        (4, "curated v2", "community", 1, 1),
    ]
    assert found.credentials == {OURS, b"\x02" + OURS[1:]} and found.unread == ()
    assert [m.names for m in found.modules] == [None, None, None, META]


def test_operators_have_names_where_there_are_any() -> None:
    registry = mainnet_like()
    for id, names in {1: ["Ash", "Birch"], 3: ["", ""], 4: ["Meta 0"]}.items():
        module = modules(registry)[id]
        found = SOURCE.operators(registry.snapshot(SOURCE.operator_reads(module, range(module.operators))), module, range(module.operators))
        assert [o.name for o in found] == names


@pytest.mark.parametrize("id", [1, 3])
@pytest.mark.parametrize("run", [KeyRun(0, 0, 3), KeyRun(0, 1, 2), KeyRun(0, 2, 1)])
def test_keys_are_the_operators_own_in_order(id: int, run: KeyRun) -> None:
    registry = mainnet_like()
    module = modules(registry)[id]
    read = SOURCE.key_read(module, run)
    assert read.caller is not None  # asked alone
    keys = SOURCE.keys(registry.snapshot([read]), module, run)
    assert keys == b"".join(key(id, 0, i) for i in range(run.first, run.first + run.count))


def test_a_key_without_a_deposit_is_no_answer() -> None:
    registry = mainnet_like()
    module, run = modules(registry)[1], KeyRun(0, 2, 2)
    with pytest.raises(BadAnswer, match="all got a deposit"):
        SOURCE.keys(registry.snapshot([SOURCE.key_read(module, run)]), module, run)


def test_a_module_of_an_unknown_kind_is_named_and_hides_no_other() -> None:
    registry = mainnet_like()
    registry.modules.append(Module(5, b"liquid-onchain-v9", [], "Newcomer"))
    registry.modules[1].operators *= lido.MAX_OPERATORS + 1
    found = overview(registry)
    assert [m.id for m in found.modules] == [1, 3, 4]
    assert any("module 5 (Newcomer).getType" in why for why in found.unread)
    assert any("module 2 (SimpleDVT)" in why and "up to 20000 operators" in why for why in found.unread)


def test_modules_of_one_name_are_told_apart() -> None:
    found = overview(Registry([Module(1, CURATED, []), Module(2, CURATED, []), Module(3, CURATED, [], "other#\x00name")]))
    assert [m.name for m in found.modules] == ["curated (1)", "curated (2)", "othername"]


def test_credentials_that_leave_the_vault_are_told_and_the_vaults_are_kept() -> None:
    registry = mainnet_like()
    registry.credentials = b"\x01" + bytes(11) + b"\xee" * 20
    found = overview(registry)
    assert found.credentials == {OURS, b"\x02" + OURS[1:]}
    assert "new deposits go to 0xeeee" in found.unread[0]
    assert overview(registry, LidoKeys(ROUTER, None)).credentials == {registry.credentials, b"\x02" + registry.credentials[1:]}


@pytest.mark.parametrize("odd", [bytes(32), b"\x00" + OURS[1:], b"\x03" + OURS[1:], b"\x01" + b"\x01" * 31])
def test_credentials_of_another_kind_are_refused(odd: bytes) -> None:
    registry = mainnet_like()
    registry.credentials = odd
    with pytest.raises(BadAnswer, match="type 0x01 or 0x02"):
        overview(registry)


def test_a_list_of_modules_that_cannot_be_is_refused() -> None:
    twice = Registry([Module(1, CURATED, []), Module(1, CURATED, [], place=2)])
    one_place = Registry([Module(1, CURATED, []), Module(2, CURATED, [], place=1)])
    many = Registry([Module(i, CURATED, []) for i in range(1, lido.MAX_MODULES + 2)])
    for registry in (twice, one_place, many):
        with pytest.raises(BadAnswer, match="ids and addresses of their own"):
            SOURCE.directory(registry.snapshot(SOURCE.overview_reads({})))


def test_more_deposits_than_keys_are_refused() -> None:
    for id in (1, 3):
        registry = mainnet_like()
        registry.modules[id - 1].operators[0] = (b"Ash", 3, 4)
        module = modules(registry)[id]
        with pytest.raises(BadAnswer, match="at most 3 deposited keys of operator 0"):
            SOURCE.operators(registry.snapshot(SOURCE.operator_reads(module, [0])), module, [0])


def test_a_name_that_is_no_text_is_no_reason_to_know_nothing() -> None:
    registry = Registry([Module(1, CURATED, [(b"\xff\xfebad\x00", 1, 1)])])
    module = modules(registry)[1]
    assert SOURCE.operators(registry.snapshot(SOURCE.operator_reads(module, [0])), module, [0])[0].name == "bad"


@pytest.mark.parametrize("answer", [Failed("too big"), Reverted(b""), Value(b"\x01", ("one",))])
def test_a_name_that_cannot_be_had_is_left_open(answer: Answer) -> None:
    registry = mainnet_like()
    module = modules(registry)[4]
    reads = SOURCE.operator_reads(module, [0])
    registry.spoil[reads[1]] = answer
    assert SOURCE.operators(registry.snapshot(reads), module, [0])[0].name is None


@pytest.mark.parametrize("function", [lido.TYPE, lido.NONCE, lido.SUMMARY, lido.OPERATORS])
def test_a_module_that_gives_no_answer_is_named(function: object) -> None:
    registry = mainnet_like()
    registry.spoil[Contract("module", at(1)).read(function)] = Failed("no answer")  # type: ignore[arg-type]
    found = overview(registry)
    assert [m.id for m in found.modules] == [2, 3, 4]
    assert len(found.unread) == 1 and "module 1 (curated)" in found.unread[0]


@given(st.data())
@settings(max_examples=120, deadline=None)
def test_no_bytes_pass_for_keys_but_the_one_encoding_of_them(data: st.DataObject) -> None:
    """Of an honest answer with a part changed: refused, or the very keys; never others, never a crash of another kind."""
    community = data.draw(st.booleans())
    module = KeyModule(1, "curated", at(1), "community" if community else "registry", 1, 3, 1)
    keys, run = b"".join(key(1, 0, i) for i in range(3)), KeyRun(0, 0, 3)
    honest = encode(["bytes"], [keys]) if community else encode(["bytes", "bytes", "bool[]"], [keys, bytes(288), [True] * 3])
    said = bytearray(honest)
    for _ in range(data.draw(st.integers(0, 3))):
        said[data.draw(st.integers(0, len(said) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.sampled_from([0, 0, 0, 1, 32, 64]))
    answer = bytes(said)[: len(said) - cut] + data.draw(st.sampled_from([b"", b"", bytes(32)]))
    snapshot = Snapshot(STAMP, {SOURCE.key_read(module, run): Value(answer, ("one",))})
    try:
        found = SOURCE.keys(snapshot, module, run)
    except BadAnswer:
        assert answer != honest
    else:
        start = 64 if community else 128
        assert len(answer) == len(honest) and found == answer[start : start + 144]
        # What differs from the honest answer can only be the keys themselves, or signatures, which we do not use.
        changed = {i for i in range(len(honest)) if answer[i] != honest[i]}
        assert changed <= {*range(start, start + 144), *([] if community else range(320, 608))}


@given(st.binary(max_size=400))
@settings(deadline=None)
def test_junk_from_any_contract_is_unanswered(junk: bytes) -> None:
    registry = mainnet_like()
    module = modules(registry)[1]
    run = KeyRun(0, 0, 3)
    reads = [*SOURCE.overview_reads({1: at(1)}), *SOURCE.operator_reads(module, [0]), SOURCE.key_read(module, run)]
    snapshot = Snapshot(STAMP, {read: Value(junk, ("one",)) for read in reads})
    for ask in (
        lambda: SOURCE.directory(snapshot),
        lambda: SOURCE.overview(snapshot, {1: at(1)}),
        lambda: SOURCE.operators(snapshot, module, [0]),
        lambda: SOURCE.keys(snapshot, module, run),
    ):
        with pytest.raises(Unanswered):
            ask()


def test_a_deployment_without_a_router_says_that_validators_are_not_watched() -> None:
    with_router, without = f"contracts: {{staking_router: '{ROUTER.address}'}}", f"contracts: {{withdrawal_vault: '{VAULT.address}'}}"
    assert protocol(parse(with_router)).keys == LidoKeys(Contract("staking_router", ROUTER.address), None)
    assert protocol(mainnet()).keys == LidoKeys(mainnet()["staking_router"], mainnet()["withdrawal_vault"])
    assert protocol(parse(without)).keys is None
    assert "validators: the deployment has no staking_router" in protocol(parse(without)).uncovered
