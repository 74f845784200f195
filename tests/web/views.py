"""Views to render: an ordinary night, and one that strangers wrote."""

from __future__ import annotations

import math
from typing import Any

from monitor.web.view import (
    AlertView,
    ChartView,
    CollectorView,
    CoverageView,
    EndpointView,
    ReadinessView,
    SeriesView,
    SilenceView,
    StatusView,
    Threshold,
)

ACCOUNT = "0x" + "Aa" * 20
TX = "0x" + "cd" * 32
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&\u202e\x00"
"""What a token's name, a revert reason or a contract's text may be."""

EMPTY = StatusView("chain 1", None, None, None, ("no block was judged yet",))


def incident(
    name: str, closed: float | None, error: str | None = None, identity: str = "3f2a91c0-0000-4000-8000-000000000001", **more: Any
) -> dict[str, Any]:
    """An incident of one page alert, as the service gives it."""
    alert = {
        "episode": f"episode-{identity}", "rule": f"lido/{name}", "state": "firing" if closed is None else "resolved",
        "labels": {"alertname": name, "severity": "page", "zone": "governance", "protocol": "lido", "contract": "withdrawal_queue", "role": "FINALIZE_ROLE", "account": ACCOUNT, "tx": TX},
        "annotations": {"summary": f"{name}: somebody got a role", "description": "What happened, in two sentences.", "runbook_url": "docs/runbooks/lido.md#x"},
        "value": "1", "since_number": 18_999_000, "since_timestamp": 1_699_999_976, "seen_at": 1_699_999_976.4, "judged_at": 1_699_999_976.6,
        "ended_number": None if closed is None else 18_999_100, "ended_timestamp": None if closed is None else 1_700_000_099, "unknown_since": None,
    }  # fmt: skip
    return {
        "id": identity,
        "group": {"alertname": name},
        "opened_at": 1_700_000_000.5,
        "closed_at": closed,
        "outcome": None if closed is None else "resolved",
        "acknowledged_by": None, "acknowledged_at": None, "acknowledgements": [], "announced": True,
        "alerts": [alert],
        "messages": [{"receiver": "slack", "kind": "open", "state": "owed" if error else "sent", "sent_at": None if error else 1_699_999_977.2, "owed_at": 1_699_999_976.6, "error": error}],
        **more,
    }  # fmt: skip


def chart(
    signal: str,
    title: str,
    value: float | None,
    unit: str = "ratio",
    *,
    state: Any = "known",
    thresholds: tuple[Threshold, ...] = (),
    lines: Any = None,
    **more: Any,
) -> ChartView:
    """A chart of Lido over an hour."""
    drawn = (tuple((1_699_996_400.0 + 60 * i, (value or 0.0) * (1 + i / 600)) for i in range(60)),) if lines is None else lines
    own = {"why": "", "age_seconds": 12, "fresh_for": 60, "alerts": (), "protocol": "lido", "family": f"{signal}_family"} | more
    return ChartView(signal=signal, title=title, unit=unit, state=state, value=value, begins=1_699_996_400, ends=1_700_000_000, lines=drawn, thresholds=thresholds, **own)  # fmt: skip


def rule(name: str, outcome: str, **more: Any) -> CoverageView:
    return CoverageView(
        f"lido/{name}",
        name,
        "lido",
        "governance",
        "page",
        outcome,
        **({"error": "", "judged_block": 18_999_002, "judged_timestamp": 1_700_000_000} | more),
    )


def pause(state: str, note: str | None) -> dict[str, Any]:
    return {
        "target": "vault", "state": state, "mode": "automatic", "decided_at": 1_700_000_001.0, "rule": "lido/lido-accounting/LidoShareRateDrift",
        "reason": "The share rate may change in an oracle report only. When it drifts without one, shares were minted without ether.",
        "note": note, "mined_number": 18_999_003 if state == "verified" else None, "mined_tx": TX if state == "verified" else None,
    }  # fmt: skip


def lead(state: str, words: str = "deposits and withdrawals") -> dict[str, Any]:
    """What an incident says of a pause, as the guardian's room tells it."""
    facts = {
        "why": "not by itself: the second condition does not hold: accounting_wrapped_rate_drift_ratio > 1e-9", "stops": words,
        "goes on": "transfers of wstETH outside the vault, and all of Lido", "costs": "nobody gets wstETH out while it lasts",
        "lasts": "by people for 6 h, by sentinels for 3 h; it lapses by itself",
        "undo": f"RESUME_ROLE is held by {ACCOUNT}, Safe 3 of 5; lido/agent 0x{'55' * 20}, contract", "decision": "5e4d8f00c1a2b3c4d5e6f708192a3b4c",
    }  # fmt: skip
    return {
        "target": "vault", "state": state, "title": f"pause of vault {state}: you decide", "decision": facts["decision"], "ends": None,
        "facts": [{"name": name, "text": text} for name, text in facts.items()],
        "commands": [{"for": "to pause", "command": 'stakewarden guardian pause vault --reason "..."'}],
    }  # fmt: skip


NIGHT = StatusView(
    network="chain 1",
    block=18_999_002,
    timestamp=1_700_000_000,
    judged_at=1_700_000_000.3,
    problems=("blind on oracle protocol=lido",),
    alerts=(
        AlertView(
            "LidoRoleGrantedUnapproved", "firing", "page",
            {"alertname": "LidoRoleGrantedUnapproved", "account": ACCOUNT, "contract": "withdrawal_queue", "role": "FINALIZE_ROLE", "tx": TX},
            f"FINALIZE_ROLE on withdrawal_queue was granted to {ACCOUNT}, which nobody approved",
            1.0, 18_999_000, 1_699_999_976, 24, None, "docs/runbooks/lido.md#lidorolegrantedunapproved",
        ),
        AlertView(
            "LidoQueueFlood", "pending", "ticket", {"alertname": "LidoQueueFlood", "protocol": "lido"},
            "1.2% of all stETH waits for withdrawal, more than can be paid now", 0.012, None, 1_699_999_990, 10, 18_999_001,
            "docs/runbooks/lido.md#lidoqueueflood",
        ),
    ),
    series=(
        SeriesView("queue_unfinalized_ether", {"protocol": "lido"}, 123_456.789, "ether"),
        SeriesView("queue_claimable_ether", {"protocol": "lido"}, 0.0, "ether"),
        SeriesView("queue_coverage_ratio", {"protocol": "lido"}, None, "ratio"),
        SeriesView("oracle_quorum", {"oracle": "accounting_oracle", "protocol": "lido"}, math.inf, "count"),
        SeriesView("oracle_report_timestamp_seconds", {"oracle": "accounting_oracle", "protocol": "lido"}, 1_699_950_000.0, "timestamp"),
        *(SeriesView("role_holder", {"account": ACCOUNT, "approved": "yes", "contract": "withdrawal_queue", "protocol": "lido", "role": f"ROLE_{i:03}"}, 1.0, "bool") for i in range(50)),
    ),
    endpoints=(
        EndpointView("alpha", "alpha", True, 18_999_002, 0, 3, 0, ""),
        EndpointView("bravo", "another company", True, 18_999_001, 1, 12_345, 7, "differs from the majority"),
        EndpointView("charlie", "charlie", False, None, None, 99, 0, ""),
    ),
    collectors=(
        CollectorView("oracle", "protocol=lido", "disputed", "endpoints disagree: alpha says 0x12ab, bravo says 0x98cd", 120, True),
        CollectorView("queue", "protocol=lido", "ok", "", 0, False),
        *(CollectorView("roles", f"contract=c{i}, protocol=lido", "ok", "", 48, False) for i in range(30)),
        CollectorView("guardian", "target=vault", "failed", "waiting", None, True),
    ),
    readiness=(
        ReadinessView("vault", "guardian", True, ()),
        ReadinessView("vault", "sentinel", False, ("gas_money: the key has 0.0100 ether, guardian.min_balance_ether is 0.05",)),
        ReadinessView("gate", "guardian", None, ("unknown: no majority of the endpoints",)),
    ),
    incidents=(incident("LidoRoleGrantedUnapproved", None, "channel_is_archived: ask an owner to unarchive it", pauses=[lead("proposed")]), incident("EndpointDown", 1_700_000_100.0, identity="77aa0000-0000-4000-8000-000000000002")),
    pauses=(pause("verified", None), pause("failed", "mined in block 3 and reverted: the budget of the contract is used up")),
    deliveries={"slack": {"sent": 41, "owed": 2, "dead": 1, "superseded": 7}},
    rule_errors=("lido/lido-queue/LidoQueueFlood: two elements with equal labels",),
    rules=33,
    charts=(
        chart("queue", "Waiting to be withdrawn", 123_456.789, "ether"),
        chart("peg", "Deviation from fair value", -0.0312, thresholds=(Threshold("<", -0.01, "LidoPegSlipping", "ticket"), Threshold("<", -0.04, "LidoPegBroken", "page"), Threshold(">", 0.005, "LidoPegPremium", "ticket")), alerts=(("LidoPegSlipping", "firing", "ticket"),)),
        chart("queue", "Covered by ether at hand", None, state="unknown", why="no answer for 120 s, one is good for 60 s", age_seconds=120),
        chart("queue", "Oldest request", None, "seconds", state="absent", lines=()),
        chart("chain", "Epochs to finality", 2.0, "epochs", protocol="ethereum"),
    ),
    coverage=(
        rule("LidoRoleGrantedUnapproved", "true", fired_at=1_699_999_976.0, fired_times=1),
        rule("LidoQueueFlood", "unknown", error="two elements with equal labels"),
        rule("LidoPegDepthFalling", "unknown", reach=3600),
        rule("LidoContractPaused", "false"),
        rule("LidoNeverJudged", "waiting", judged_block=None, judged_timestamp=None),
    ),
    uncovered=("roles of agent: holders cannot be listed on chain",),
    silences=(
        SilenceView("5111", ('alertname="LidoQueueFlood"',), "ann", 1_700_000_000.0, 1_700_007_200.0, "announced works"),
        SilenceView("5112", ('protocol="lido"',), "bob", 1_699_990_000.0, 1_699_997_200.0, "over", "bob"),
    ),
)  # fmt: skip


def hostile() -> StatusView:
    """Every text that somebody else may have written holds markup; every number is one that trips formatting."""
    labels = {"alertname": HOSTILE, HOSTILE: HOSTILE}
    values = (math.nan, -math.inf, 1e300, -1e-300, 2.0**256, float(2**63), -0.0, None)
    return StatusView(
        network=HOSTILE,
        block=2**256,
        timestamp=2**256,
        judged_at=1e300,
        problems=(HOSTILE,),
        alerts=tuple(
            AlertView(HOSTILE, "firing", HOSTILE, labels, HOSTILE, math.nan if v is None else v, None, 2**70, 2**70, 2**256, HOSTILE)
            for v in values
        ),
        series=tuple(SeriesView(HOSTILE, labels, v, unit) for v in values for unit in ("timestamp", "ether", HOSTILE)),
        endpoints=(EndpointView(HOSTILE, HOSTILE, False, 2**256, -(2**64), 2**70, 2**70, HOSTILE),),
        collectors=(
            CollectorView(HOSTILE, HOSTILE, HOSTILE, HOSTILE, None, True),
            CollectorView("c", HOSTILE, HOSTILE, HOSTILE, 2**70, False),
        ),
        readiness=(ReadinessView(HOSTILE, HOSTILE, None, (HOSTILE,)),),
        incidents=(
            {**incident(HOSTILE, 1e300, HOSTILE, HOSTILE), "outcome": HOSTILE, "group": {HOSTILE: HOSTILE}},
            {**incident(HOSTILE, None, HOSTILE, HOSTILE), "acknowledged_by": HOSTILE, "acknowledged_at": 1e300, "acknowledgements": [{"who": HOSTILE, "at": 1e300, "why": HOSTILE}], "pauses": [lead(HOSTILE, HOSTILE)]},
            {"closed_at": -1e300}, {},
        ),
        pauses=({**pause(HOSTILE, HOSTILE), "target": HOSTILE, "rule": HOSTILE, "mined_number": 2**256, "mined_tx": HOSTILE}, {}),
        deliveries={HOSTILE: {HOSTILE: 3}, "slack": {}},
        rule_errors=(HOSTILE,),
        charts=tuple(
            ChartView(HOSTILE, HOSTILE, HOSTILE, HOSTILE, unit, "known" if v is not None else "unknown", v, HOSTILE, 2**70, 2**70, 0, 2**70,
                      (((0.0, 1e308), (1.0, -1e308), (5.0, 0.0)), ((2.0**69, 1e-320),)), (Threshold(">", math.inf, HOSTILE, HOSTILE), Threshold("<", -1e308, HOSTILE, HOSTILE), Threshold(HOSTILE, 0.0, HOSTILE, HOSTILE)), ((HOSTILE, "firing", HOSTILE),))
            for v in values for unit in ("ratio", "seconds", "timestamp", "ether", HOSTILE)
        ),
        coverage=(CoverageView(HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE, 2**256, 2**256, 1e300, 2**70),),
        uncovered=(HOSTILE,),
        silences=(SilenceView(HOSTILE, (HOSTILE,), HOSTILE, 1e300, 1e301, HOSTILE), SilenceView(HOSTILE, (HOSTILE,), HOSTILE, -1e300, -1e300, HOSTILE, HOSTILE)),
    )  # fmt: skip
