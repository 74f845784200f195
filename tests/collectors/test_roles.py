"""Holders against the baseline, events with their approval, proxies and pauses; one broken contract blinds only itself."""

from __future__ import annotations

from typing import Any

import pytest

from monitor.collectors import collectors
from monitor.collectors.baseline import ContractBaseline
from monitor.collectors.pointers import Pointers
from monitor.collectors.roles import ContractStates, RoleEvents, RoleHolders, holdings
from monitor.model import Disputed, Failed, Ok, Reverted, Unanswered, Value
from monitor.protocols.lido import protocol
from monitor.protocols.lido.deployment import parse
from tests.collectors.lido_state import ADMIN, GENESIS, IMPLEMENTATION, ROLES, WHO, Lido, account, log, sources, stamp, values, word

PAUSE = ROLES["PAUSE_ROLE"]
ADMIN_ROLE = bytes(32)
GRANTED, REVOKED = "RoleGranted(bytes32,address,address)", "RoleRevoked(bytes32,address,address)"
APPROVED = {
    "withdrawal_queue": ContractBaseline(roles={"PAUSE_ROLE": {account(1): "the breaker"}, "DEFAULT_ADMIN_ROLE": {account(9): "agent"}}),
    "accounting_oracle": ContractBaseline(IMPLEMENTATION, ADMIN, {"DEFAULT_ADMIN_ROLE": {account(9): "agent"}}),
}
HOLDERS = RoleHolders(sources(), APPROVED)
AT = stamp(1, GENESIS + 5000)


def healthy(**more: Any) -> Lido:
    state = Lido(**more)
    state.holders = {
        ("withdrawal_queue", PAUSE): [account(1)],
        ("withdrawal_queue", ADMIN_ROLE): [account(9)],
        ("accounting_oracle", ADMIN_ROLE): [account(9)],
    }
    return state


def frames(collector: Any, state: Lido, known: Any = None, logs: Any = ()) -> tuple[dict[str, Any], Any]:
    known = known or {}
    made, after = collector.judge(state.snapshot(collector.plan(known), logs), known)
    assert [f.scope for f in made] == list(collector.scopes)
    return {dict(f.scope).get("contract", ""): f for f in made}, after


def test_the_approved_state_has_no_unapproved_and_no_missing_holder() -> None:
    made, known = frames(HOLDERS, healthy())
    found = values(made["withdrawal_queue"])
    assert found["role_holder", account(1), "yes", "PAUSE_ROLE"] == 1
    assert sum(v for k, v in found.items() if k[0] != "role_holder") == 0
    assert known["again"] is False
    assert "withdrawal_queue" not in known["counts"]


def test_one_unlisted_grant_is_seen_in_the_same_read() -> None:
    state = healthy()
    state.holders["withdrawal_queue", PAUSE] = [account(66), account(1)]
    found = values(frames(HOLDERS, state)[0]["withdrawal_queue"])
    assert found["role_holder", account(66), "no", "PAUSE_ROLE"] == 1
    assert found["role_holders_unapproved", "PAUSE_ROLE"] == 1
    assert found["role_holders_missing", "PAUSE_ROLE"] == 0


def test_many_grants_at_once_are_unknown_for_one_block_and_then_read() -> None:
    state = healthy()
    state.holders["withdrawal_queue", PAUSE] = [account(i) for i in range(60, 70)]
    made, known = frames(HOLDERS, state)
    assert isinstance(made["withdrawal_queue"].status, Failed)
    assert isinstance(made["accounting_oracle"].status, Ok)
    assert known["again"] is True
    made, known = frames(HOLDERS, state, known)
    found = values(made["withdrawal_queue"])
    assert found["role_holders_unapproved", "PAUSE_ROLE"] == 10
    assert found["role_holders_missing", "PAUSE_ROLE"] == 1
    assert known["again"] is False


@pytest.mark.parametrize(
    "answer", [Reverted(b""), Failed("timeout"), Disputed((("a", "x"),)), Value(b"", ("a",)), Value(b"\xff" * 32, ("a",))]
)
def test_one_broken_contract_blinds_only_itself(answer: Any) -> None:
    made, known = frames(HOLDERS, healthy(broken={"withdrawal_queue": answer}))
    assert isinstance(made["withdrawal_queue"].status, Disputed if isinstance(answer, Disputed) else Failed)
    assert isinstance(made["accounting_oracle"].status, Ok)
    assert known["again"] is isinstance(answer, (Failed, Disputed))


def test_a_holder_listed_twice_is_no_answer() -> None:
    state = healthy()
    state.holders["withdrawal_queue", PAUSE] = [account(1), account(1)]
    status = frames(HOLDERS, state)[0]["withdrawal_queue"].status
    assert isinstance(status, Failed) and "different holders" in status.reason


def told(*logs: Any) -> list[tuple[str, dict[str, str]]]:
    (frame,), _ = RoleEvents(sources(), APPROVED).judge(Lido().snapshot([], logs), {})
    return [(e.series.family, {k: v for k, v in e.series.labels if k not in ("protocol", "tx")}) for e in frame.events]


def test_grants_and_revocations_say_whether_the_baseline_expects_them() -> None:
    sender = word(account(9))
    events = told(
        log("withdrawal_queue", GRANTED, [PAUSE, word(account(1)), sender], b"", AT, 0),
        log("withdrawal_queue", GRANTED, [PAUSE, word(account(66)), sender], b"", AT, 1),
        log("withdrawal_queue", REVOKED, [PAUSE, word(account(66)), sender], b"", AT, 2),
        log("withdrawal_queue", REVOKED, [PAUSE, word(account(1)), sender], b"", AT, 3),
        log("withdrawal_queue", "RoleAdminChanged(bytes32,bytes32,bytes32)", [PAUSE, ADMIN_ROLE, b"\x05" * 32], b"", AT, 4),
    )
    assert [(e["change"], e.get("account"), e["approved"], e["seq"]) for _, e in events] == [
        ("granted", account(1), "yes", "0"), ("granted", account(66), "no", "1"), ("revoked", account(66), "yes", "2"),
        ("revoked", account(1), "no", "3"), ("admin_changed", None, "no", "4"),
    ]  # fmt: skip
    assert {e["role"] for _, e in events} == {"PAUSE_ROLE"}


def test_a_role_without_a_name_is_told_by_its_hash() -> None:
    ((_, found),) = told(log("withdrawal_queue", GRANTED, [b"\x05" * 32, word(account(1)), word(0)], b"", AT))
    assert found["role"] == "0x" + "05" * 32
    assert found["approved"] == "no"


def test_upgrades_are_approved_only_when_the_baseline_names_them() -> None:
    changed = word(ADMIN) + word(account(66))
    events = told(
        log("accounting_oracle", "Upgraded(address)", [word(IMPLEMENTATION)], b"", AT, 0),
        log("accounting_oracle", "Upgraded(address)", [word(account(66))], b"", AT, 1),
        log("accounting_oracle", "AdminChanged(address,address)", [], changed, AT, 2),
        log("accounting_oracle", "ProxyOssified()", [], b"", AT, 3),
    )
    assert [(e["change"], e["approved"]) for _, e in events] == [
        ("implementation", "yes"),
        ("implementation", "no"),
        ("admin", "no"),
        ("ossified", "no"),
    ]


def test_resumed_and_paused_in_one_transaction_count_as_the_last() -> None:
    resumed = log("withdrawal_queue", "Resumed()", [], b"", AT, 0)
    paused = log("withdrawal_queue", "Paused(uint256)", [], word(2**256 - 1), AT, 1)
    later = log("withdrawal_queue", "Resumed()", [], b"", AT, 0, tx=8)
    assert [e["change"] for _, e in told(resumed, paused)] == ["paused"]
    assert [e["change"] for _, e in told(resumed, paused, later)] == ["paused", "resumed"]


def test_an_open_ended_pause_is_told_as_such() -> None:
    paused = log("withdrawal_queue", "Paused(uint256)", [], word(2**256 - 1), AT)
    (frame,), _ = RoleEvents(sources(), APPROVED).judge(Lido().snapshot([], (paused,)), {})
    assert frame.events[0].details == {"duration": "for ever"}


def test_events_of_logs_that_are_not_agreed_are_unanswered() -> None:
    with pytest.raises(Unanswered):
        RoleEvents(sources(), APPROVED).judge(Lido().snapshot([], Failed("timeout")), {})


STATES = ContractStates("contracts", sources(), APPROVED, urgent=True)


def test_a_proxy_is_compared_with_the_baseline_and_a_timed_pause_ends_by_itself() -> None:
    state = healthy(resume_since=GENESIS + 100_000 * 12 + 60)
    made, _ = frames(STATES, state)
    assert values(made["accounting_oracle"]) == {
        ("contract_implementation_approved", IMPLEMENTATION): 1,
        ("contract_admin_approved", ADMIN): 1,
    }
    assert values(made["withdrawal_queue"]) == {("contract_paused",): 1, ("contract_resume_timestamp_seconds",): state.resume_since}
    state.now = state.resume_since
    state.implementation = account(66)
    made, _ = frames(STATES, state)
    assert values(made["withdrawal_queue"]) == {("contract_paused",): 0}
    assert values(made["accounting_oracle"])["contract_implementation_approved", account(66)] == 0


def test_an_open_ended_pause_has_no_end() -> None:
    assert values(frames(STATES, healthy(resume_since=2**256 - 1))[0]["withdrawal_queue"]) == {("contract_paused",): 1}


def test_a_swapped_address_book_entry_is_drift() -> None:
    pointers = Pointers("lido", sources().pointers)
    found = values(frames(pointers, Lido(pointers={"withdrawalQueue": account(66)}))[0][""])
    assert found["contract_pointer_drift", account(66), "withdrawal_queue"] == 1
    assert found["contract_pointer_drift", WHO["hash_consensus_ao"], "hash_consensus_ao"] == 0
    assert sum(found.values()) == 1


def test_all_holdings_are_read_for_the_command_line_and_the_unreadable_named() -> None:
    state = healthy(broken={"hash_consensus_ao": Reverted(b"")})
    state.holders["withdrawal_queue", PAUSE] = [account(i) for i in range(60, 70)]
    found, failed = holdings(sources(), APPROVED, state.snapshot)
    assert found["withdrawal_queue"].roles["PAUSE_ROLE"] == {account(i) for i in range(60, 70)}
    assert found["accounting_oracle"].implementation == IMPLEMENTATION
    assert failed == ["hash_consensus_ao"]


def test_aragon_permissions_and_apps_are_seen_through_acl_and_kernel() -> None:
    acl, kernel = account(0xAC1), account(0xE1)
    app_id = "0x" + "3c" * 32
    deployment = parse(f"contracts: {{lido: '{WHO['lido']}', acl: '{acl}', kernel: '{kernel}'}}\napp_ids: {{lido: '{app_id}'}}")
    bases = bytes.fromhex("f1f3eb40f5bc1ad1344716ced8b8a0431d840b5783aea1fd01786bc26f35ac0f")
    entries = (
        log("lido", "SetPermission(address,address,bytes32,bool)", [word(account(66)), word(WHO["lido"]), PAUSE], word(1), AT, 0),
        log("lido", "ChangePermissionManager(address,bytes32,address)", [word(WHO["lido"]), PAUSE, word(account(66))], b"", AT, 1),
        log("lido", "SetPermission(address,address,bytes32,bool)", [word(account(66)), word(account(7)), PAUSE], word(1), AT, 2),
        log("lido", "SetApp(bytes32,bytes32,address)", [bases, bytes.fromhex(app_id[2:])], word(account(67)), AT, 3),
    )
    at = {0: acl, 1: acl, 2: acl, 3: kernel}
    moved = tuple(type(e)(at[e.seq], e.topics, e.data, e.block, e.tx, e.index, e.seq) for e in entries)
    (frame,), _ = RoleEvents(protocol(deployment), {}).judge(Lido().snapshot([], moved), {})
    assert [(e.series.family, dict(e.series.labels)["contract"], dict(e.series.labels)["change"]) for e in frame.events] == [
        ("role_change", "lido", "granted"), ("role_change", "lido", "admin_changed"), ("contract_upgrade", "lido", "implementation"),
    ]  # fmt: skip


def test_every_collector_has_its_own_name_and_declares_what_it_emits() -> None:
    made = collectors(sources(), APPROVED)
    assert len({c.name for c in made}) == len(made)
    state = healthy(members={account(1): 0}, requests=[(1, 1)], shares=1, buffered=1)
    for collector in made:
        known: Any = {}
        for _ in range(2):
            done, known = collector.judge(state.snapshot(collector.plan(known)), known)
        declared = {f.name for f in collector.families}
        for frame in done:
            assert isinstance(frame.status, Ok), (collector.name, frame.status)
            assert {s.family for s in frame.layout.series} <= declared
            for series in frame.layout.series:
                family = next(f for f in collector.families if f.name == series.family)
                allowed = {label.name: label.values for label in family.labels}
                assert dict(series.labels).keys() <= allowed.keys()
                assert all(allowed[k] is None or v in allowed[k] for k, v in series.labels), series
