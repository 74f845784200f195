"""Which alerts are counted as the cause of a pause, by the shipped rules and responses; what cannot be told is said to be so."""

from __future__ import annotations

from dataclasses import replace

from monitor.guardian.causes import Causes, decided
from monitor.model import AlertInstance, Labels, RuleId, Verdict
from monitor.rules import Instances, RuleSet
from monitor.rules.instances import Live, fingerprint, ordered
from monitor.store import Store
from monitor.store.tables.guardian import PauseRow
from tests.collectors.lido_state import stamp
from tests.guardian.judged import calm, policy, shipped

AT = stamp(5, 1_700_000_000)
TARGETS = {"vault": ("lido", ""), "pool": ("", ""), "queue": ("lido", "withdrawal_queue")}


def alert(name: str, seen: str = "true", no_data: bool = False, **labels: str) -> Live:
    rule = next(r for r in shipped().alerts if r.name == name)
    found: Labels = tuple(sorted({**labels, "alertname": name, "severity": rule.label("severity") or ""}.items()))
    instance = AlertInstance(fingerprint(found), rule.id, found, (), "firing", AT, 0, 0, None, None, 1.0)
    return Live(instance, found, seen, AT.timestamp, no_data)  # type: ignore[arg-type]


def counted(
    *live: Live, made: dict[str, RuleId] | None = None, rules: RuleSet | None = None, **unknown: str
) -> dict[tuple[str, str, str], int]:
    verdicts = {rule_id(n): Verdict(rule_id(n), AT, "unknown", 0, 1) for n in unknown}
    found = Causes(policy(), TARGETS).counted(Instances(AT, ordered(live)), rules or shipped(), verdicts, made or {})
    return {key: number for key, number in found.alerts.items() if number}


def rule_id(name: str) -> RuleId:
    return next(r.id for r in shipped().alerts if r.name == name)


def test_nothing_is_said_to_be_nothing() -> None:
    found = Causes(policy(), TARGETS).counted(Instances(), shipped(), {}, {})
    assert set(found.alerts.values()) == {0} and found.held({}, 5) == {}
    assert {(t, c) for t, c, _ in found.alerts} == {
        ("vault", "decision"),
        ("vault", "protocol"),
        ("pool", "decision"),
        ("queue", "decision"),
        ("queue", "protocol"),
    }


def test_an_alert_that_a_response_ties_to_the_target_is_its_cause_and_one_about_the_protocol_besides() -> None:
    drift = alert("LidoShareRateDrift", protocol="lido")
    both = {("vault", "decision", "firing"): 1, ("vault", "protocol", "firing"): 1, ("queue", "protocol", "firing"): 1}
    assert counted(drift) == both
    assert counted(replace(drift, instance=replace(drift.instance, state="pending"))) == {}
    report = alert("LidoOracleReportLate", protocol="lido", oracle="accounting_oracle")
    assert counted(report) == {("vault", "protocol", "firing"): 1, ("queue", "protocol", "firing"): 1}
    assert counted(alert("EndpointLagging", endpoint="a")) == {}


def test_what_is_unknown_now_does_not_count_as_gone() -> None:
    assert counted(alert("LidoShareRateDrift", "unknown", protocol="lido"))[("vault", "decision", "unknown")] == 1
    assert counted(LidoShareRateDrift="unknown") == {("vault", "decision", "unknown"): 1}, (
        "it does not fire, and nobody can tell whether it should"
    )
    assert counted(LidoOracleReportLate="unknown") == {}
    known = counted(alert("LidoShareRateDrift", protocol="lido"), LidoShareRateDrift="unknown")
    assert known[("vault", "decision", "firing")] == 1 and ("vault", "decision", "unknown") not in known


def test_a_decision_keeps_its_rule_when_no_response_names_it_any_more() -> None:
    late = alert("LidoOracleReportLate", protocol="lido", oracle="accounting_oracle")
    made = {"pool": rule_id("LidoOracleReportLate")}
    assert counted(late, made=made)[("pool", "decision", "firing")] == 1
    assert counted(made=made) == {}, "it fires no more"
    assert counted(made={"pool": RuleId("group/Gone")}) == {("pool", "decision", "unknown"): 1}, "nobody judges it any more"


def test_that_the_target_is_paused_is_no_cause_of_its_pause() -> None:
    own = alert("LidoContractPaused", protocol="lido", contract="withdrawal_queue")
    assert counted(own) == {("vault", "protocol", "firing"): 1}, "of another target it may be"


def test_the_pipelines_own_instances_are_counted() -> None:
    world = calm()
    world.mint()
    world.step()
    causes = Causes(world.policy, TARGETS)
    assert causes.counted(world.live, world.rules, {}, {}).alerts["vault", "decision", "firing"] == 1


def test_the_newest_pause_that_was_made_is_the_one_that_counts(store: Store) -> None:
    def row(id: str, state: str, rule: str, timestamp: int) -> PauseRow:
        return PauseRow(
            id=id, state=state, target="vault", response="r", mode="automatic", owner="o", reason="because", episode=id, rule=rule, labels="{}",
            evidence="0x", agreed="[]", observed_number=1, observed_hash="0x1", observed_timestamp=timestamp, decided_at=float(timestamp),
        )  # fmt: skip

    with store.begin() as unit:
        for one in (row("a", "reported", "g/Old", 10), row("b", "verified", "g/New", 20), row("c", "failed", "g/Failed", 30)):
            unit.conn.execute(PauseRow.__table__.insert().values(**one.model_dump()))  # type: ignore[attr-defined]
    with store.read() as unit:
        assert decided(unit) == {"vault": "g/New"}


def test_a_cause_holds_since_its_alert_began_or_since_it_was_said_to_hold_before() -> None:
    causes, key = Causes(policy(), TARGETS), ("vault", "decision")
    drift = causes.counted(Instances(AT, (alert("LidoShareRateDrift", protocol="lido"),)), shipped(), {}, {})
    assert drift.held({}, AT.timestamp + 60)[key] == AT.timestamp, "since its first block"
    assert drift.held({key: 7}, AT.timestamp + 60)[key] == 7, "another alert held before it"
    blind = causes.counted(
        Instances(), shipped(), {rule_id("LidoShareRateDrift"): Verdict(rule_id("LidoShareRateDrift"), AT, "unknown", 0, 1)}, {}
    )
    assert blind.held({}, 99) == {key: 99} and blind.held({key: 7}, 99) == {key: 7}, "what cannot be judged goes on"
