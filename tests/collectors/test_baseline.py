"""The baseline file: strict, stable, and honest about who approved what."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.collectors.baseline import Baseline, ContractBaseline, Difference, Holding, approve, diff, load, parse, render, unknown
from monitor.protocols.entries import BadEntry
from monitor.protocols.lido import protocol
from monitor.protocols.lido.deployment import mainnet
from tests.collectors.lido_state import account

SHIPPED = Path(__file__).parents[2] / "rules" / "policy" / "baseline.yaml"
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
A, B, C = account(1), account(2), account(3)
TEXT = f"""# who may
# do what
version: 1
networks:
  1:
    lido:
      burner:
        proxy:
          implementation: '{A}'
          admin: '{B}'
        roles:
          X_ROLE:
            - {{account: '{A}', note: agent}}
"""


def test_differences_are_told_both_ways() -> None:
    approved = parse(TEXT).of(1, "lido")
    chain = {"burner": Holding({"X_ROLE": frozenset({B}), "Y_ROLE": frozenset({C})}, implementation=C, admin=B)}
    assert diff(approved, chain) == [
        Difference("burner", "X_ROLE", A, "missing", "agent"),
        Difference("burner", "X_ROLE", B, "unapproved"),
        Difference("burner", "Y_ROLE", C, "unapproved"),
        Difference("burner", "implementation", C, "proxy", A),
    ]
    assert diff(approved, {}) == []


def test_approving_keeps_notes_and_head_and_says_who_when_and_why() -> None:
    chain = {"burner": Holding({"X_ROLE": frozenset({A, B})}, implementation=C)}
    text = approve(TEXT, 1, "lido", chain, "vote 200: new oracle", "ann", NOW)
    assert text.startswith("# who may\n# do what\nversion: 1\n")
    after = parse(text).of(1, "lido")["burner"]
    assert after.holders("X_ROLE") == {A: "agent", B: "vote 200: new oracle (ann, 2026-11-21)"}
    assert (after.implementation, after.admin) == (C, B)
    assert diff(parse(text).of(1, "lido"), chain) == []
    assert approve(text, 1, "lido", chain, "again", "bob", NOW) == text


def test_a_fresh_deployment_is_approved_from_nothing() -> None:
    text = approve("", 31337, "lido", {"vault": Holding({"P": frozenset({A}), "Q": frozenset()}, A, None)}, "start", "devnet", NOW)
    assert parse(text).of(31337, "lido")["vault"].roles == {"P": {A: "start (devnet, 2026-11-21)"}, "Q": {}}


def test_an_approval_needs_a_reason() -> None:
    with pytest.raises(ValueError, match="why"):
        approve(TEXT, 1, "lido", {}, "  ", "ann", NOW)


def test_the_shipped_baseline_is_in_the_form_that_approve_writes() -> None:
    text = SHIPPED.read_text()
    assert approve(text, 1, "lido", {}, "nothing", "nobody", NOW) == text


def test_the_shipped_baseline_knows_every_readable_role_of_mainnet_and_no_other() -> None:
    approved = load(SHIPPED).of(1, "lido")
    for name, deployed in mainnet().contracts.items():
        assert set(approved.get(name, ContractBaseline()).roles) == set(deployed.roles.values()), name
        if deployed.proxy:
            assert approved[name].implementation, name
    queue = approved["withdrawal_queue"]
    assert sorted(queue.holders("PAUSE_ROLE").values()) == ["circuit_breaker", "reseal_manager"]
    assert set(approved) <= set(mainnet().contracts)


def test_a_name_that_the_deployment_lacks_is_told_with_the_nearest() -> None:
    roles = protocol(mainnet()).roles
    assert unknown(load(SHIPPED).of(1, "lido"), roles) == []
    typos = {
        "withdrawal_queu": ContractBaseline(),
        "burner": ContractBaseline(roles={"REQUEST_BURN_SHARE_ROLE": {}, "0x" + "05" * 32: {}}),
    }
    first, second = unknown(typos, roles)
    assert 'did you mean "withdrawal_queue"' in first
    assert 'did you mean "REQUEST_BURN_SHARES_ROLE"' in second


@pytest.mark.parametrize(
    ("old", "new", "where", "what"),
    [
        ("version: 1", "version: 2", "3:10", "version must be 1"),
        ("roles:", "rolls:", "11:9", 'did you mean "roles"'),
        (f"account: '{A}', note", "acount: x, note", "13:16", 'did you mean "account"'),
        (f"account: '{A}', note", "account: 0x12, note", "13:25", "must be an address"),
        ("  1:", "  one:", "5:3", "chain id"),
        ("- {account", "{account", "", ""),
        ("      burner:", "      burner: {}\n      burner:", "8:7", "written twice"),
    ],
)
def test_mistakes_are_told_with_their_place(old: str, new: str, where: str, what: str) -> None:
    with pytest.raises(BadEntry) as caught:
        parse(TEXT.replace(old, new, 1), "base.yaml")
    assert str(caught.value).startswith(f"base.yaml:{where}")
    assert what in str(caught.value)


def test_a_mistyped_letter_of_an_address_is_found_by_its_checksum() -> None:
    right = "0x852deD011285fe67063a08005c71a85690503Cee"
    with pytest.raises(BadEntry, match="checksum"):
        parse(TEXT.replace(f"account: '{A}'", f"account: '{right.replace('deD', 'Ded')}'"))


def test_an_account_listed_twice_is_a_mistake() -> None:
    twice = TEXT + f"            - {{account: '{A}'}}\n"
    with pytest.raises(BadEntry, match="listed twice"):
        parse(twice)


NAMES = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"], exclude_characters="\ufeff\ufffe\uffff"), max_size=12)
HOLDERS = st.dictionaries(st.integers(1, 2**160 - 1).map(account), NAMES, max_size=3)
CONTRACT = st.builds(
    ContractBaseline,
    st.none() | st.integers(1, 9).map(account),
    st.none() | st.integers(1, 9).map(account),
    st.dictionaries(NAMES.filter(lambda n: n.strip() != ""), HOLDERS, max_size=3),
)


@given(
    st.dictionaries(
        st.tuples(st.integers(1, 10**6), st.sampled_from(["lido", "rocketpool"])),
        st.dictionaries(st.sampled_from(["a", "b_c"]), CONTRACT),
        max_size=3,
    )
)
def test_any_baseline_survives_being_written_and_read(parts: dict[tuple[int, str], dict[str, ContractBaseline]]) -> None:
    assert parse(render(Baseline(parts))).parts == parts
