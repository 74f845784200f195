"""A store as an incident leaves it: rows as the service writes them, with text from the chain that means to be markup."""

from __future__ import annotations

import json
from typing import Any

from monitor.model import BlockStamp, Hash, Slot, labels
from monitor.store import Unit
from monitor.store.columns import canonical
from monitor.store.stamps import stamp_json
from monitor.store.tables.alerts import Acknowledgement, AlertEpisode, DeliveryRow, Incident, IncidentEpisode
from monitor.store.tables.decisions import DecisionRow
from monitor.store.tables.guardian import PauseRow, PauseTransactionRow, SignatureRow
from monitor.store.tables.journal import EventRow, JournalRow

START = 1_770_000_000
DECISION = "d1" * 16
EVIDENCE = "0x" + "e1" * 32
EVIL = "<script>alert(1)</script> | [click](http://evil) `rm` @all"
ALICE, BOB, SENDER = "0x" + "A1" * 20, "0x" + "B0" * 20, "0x" + "5E" * 20
TX, LIFT = "0x" + "aa" * 32, "0x" + "bb" * 32

DOCUMENT = {
    "rule": {"id": "lido-accounting/LidoShareRateDrift", "expr": "abs(accounting_share_rate_drift_ratio) > 1e-9"},
    "response": {"second": "abs(accounting_wrapped_rate_drift_ratio) > 1e-9 or vector(0) > 1"},
    "points": [[START, "0.005", "0.005"]],
    "samples": [
        {"rows": [{"labels": {"__name__": "accounting_share_rate_drift_ratio", "protocol": "lido"}, "known": 1, "points": [[START, "-0.005"]]}]},
        {"rows": [{"labels": {"__name__": "accounting_wrapped_rate_drift_ratio", "protocol": EVIL}, "known": 0, "points": [[START, "nan"]]}]},
    ],
}  # fmt: skip


def put(unit: Unit, *rows: Any) -> None:
    for row in rows:
        table = type(row).__table__
        unit.conn.execute(table.insert().values(**{c.name: getattr(row, c.name) for c in table.columns}))


def block(unit: Unit, n: int, kind: str = "block") -> None:
    at = START + 12 * n
    put(unit, JournalRow(seq=n, kind=kind, timestamp=at, number=1000 + n, hash=f"0x{n}", parent="0x0", block_timestamp=at, slot=n, ruleset="r", seen_at=at + 1.0, judged_at=at + 1.2))  # fmt: skip


def episode(id: str, rule: str, n: int, ended: int | None, state: str = "resolved", summary: str = "", **about: str) -> AlertEpisode:
    name = rule.rsplit("/", 1)[-1]
    return AlertEpisode(
        episode=id, life=1, fingerprint="1", rule=rule, labels=json.dumps({"alertname": name, "severity": "page", **about}),
        annotations=json.dumps({"summary": summary or f"{name} is so"}), value="0.005", evidence="0x", state="firing" if ended is None else state,
        since_number=1000 + n, since_hash=f"0x{n}", since_timestamp=START + 12 * n, seen_at=START + 12 * n + 1.0, judged_at=START + 12 * n + 1.2,
        ended_number=None if ended is None else 1000 + ended, ended_timestamp=None if ended is None else START + 12 * ended,
    )  # fmt: skip


def incident(unit: Unit, id: str, n: int, episodes: tuple[str, ...], closed: int | None, by: str | None = None) -> None:
    opened = START + 12 * n + 1.2
    put(unit, Incident(
        id=id, route="slack", group_labels="{}", receivers='["slack"]', opened_at=opened, opened_timestamp=START + 12 * n,
        closed_at=None if closed is None else START + 12 * closed + 1.5, outcome=None if closed is None else "resolved", revision=1,
        acknowledged_by=by, acknowledged_at=None if by is None else opened + 62.5,
    ))  # fmt: skip
    put(unit, *(IncidentEpisode(incident=id, episode=e, life=1, joined_timestamp=START + 12 * n, announced=True) for e in episodes))
    if by is not None:
        put(unit, Acknowledgement(id=f"ack-{id}", incident=id, who=by, at=opened + 62.5, why=EVIL))
    sent = {"next_at": opened, "kind": "open", "revision": 1, "urgency": 0, "body": "{}", "owed_at": opened}
    put(unit, DeliveryRow(id=f"slack-{id}", incident=id, receiver="slack", state="sent", sent_at=opened + 0.35, **sent))
    put(unit, DeliveryRow(id=f"hook-{id}", incident=id, receiver="hook", state="dead", error="410 gone | for good", **sent))


def event(unit: Unit, n: int, family: str, details: dict[str, str], **more: str) -> None:
    at = BlockStamp(1000 + n, Hash(f"0x{n}"), Hash("0x0"), START + 12 * n, Slot(n))
    row = EventRow(
        seq=n, frame_rank=0, rank=0, id=f"{family}/{n}", family=family, labels=labels(target="vault", **more), timestamp=at.timestamp,
        stamp=stamp_json(at), details=details,
    )  # fmt: skip
    put(unit, row)


def pause(**values: Any) -> PauseRow:
    return PauseRow(**{
        "id": DECISION, "state": "reported", "target": "vault", "response": "vault-unbacked-mint", "mode": "automatic", "owner": "risk",
        "reason": "because", "episode": "cause", "rule": "lido-accounting/LidoShareRateDrift", "labels": "{}", "evidence": EVIDENCE,
        "agreed": '["a","b","c"]', "observed_number": 1002, "observed_hash": "0x2", "observed_timestamp": START + 24, "decided_at": START + 25.2,
        **values,
    })  # fmt: skip


def automatic(unit: Unit) -> None:
    """Shares were minted; two of three sentinels paused; Bob resumed it while it still fired; one endpoint was down, and a reorganisation came."""
    for n in (0, 2, 3, 4, 40, 60):
        block(unit, n)
    put(
        unit,
        JournalRow(
            seq=35, kind="rewind", timestamp=START + 12 * 35, number=1034, ruleset="r", seen_at=START + 421.0, judged_at=START + 421.0
        ),
    )
    put(unit, episode("cause", "lido-accounting/LidoShareRateDrift", 2, 60, summary=f"The share rate drifts: {EVIL}", protocol="lido"))
    put(unit, episode("paused", "stakewarden-guardian/GuardianTargetPaused", 4, 40, target="vault"))
    put(unit, episode("lifted", "stakewarden-after-a-pause/GuardianResumedDuringIncident", 40, 60, target="vault", account=BOB))
    put(unit, episode("down", "stakewarden-endpoints/EndpointDown", 3, 40, endpoint="bravo"))
    put(unit, episode("late", "lido-oracle/LidoOracleReportLate", 40, None, protocol="lido", oracle=EVIL))
    incident(unit, "11111111-aaaa", 2, ("cause",), 60, by="carol")
    incident(unit, "22222222-bbbb", 4, ("paused",), 40)
    incident(unit, "33333333-cccc", 40, ("lifted",), 60)
    order = "0x" + "0d" * 32
    steps = {
        "signed_at": 25.4,
        "gathered_at": 26.0,
        "simulated_at": 26.2,
        "sent_at": 26.5,
        "mined_at": 49.0,
        "verified_at": 49.3,
        "reported_at": 49.4,
    }
    execution = canonical({"decision": "0x" + "e2" * 32, "order": {"observed_block": 1003}})
    put(unit, pause(
        order=order, mined_number=1004, mined_hash="0x4", mined_tx=TX, resumes_timestamp=START + 48 + 86_400, execution=execution,
        **{k: START + v for k, v in steps.items()},
    ))  # fmt: skip
    put(unit, DecisionRow(digest=EVIDENCE, pause=DECISION, document=json.dumps(DOCUMENT)))
    put(unit, SignatureRow(digest=order, signer=ALICE, signature="0x00", peer="b|ravo", seen_at=START + 25.9))
    put(unit, PauseTransactionRow(hash=TX, pause=DECISION, sender=SENDER, nonce=7, gas=300_000, max_fee_wei="60000000000", priority_fee_wei="1", raw="0x", signed_at=START + 26.3, sent_at=START + 26.5, sends=2, order=order))  # fmt: skip
    event(unit, 4, "guardian_pause", {"account": SENDER, "resumes_at": str(START + 48 + 86_400)}, by="sentinel", tx=TX, seq="1")
    event(unit, 40, "guardian_resumed", {}, by="sentinel", account=BOB, tx=LIFT, seq="0")


def by_people(unit: Unit) -> None:
    """Somebody with GUARDIAN_ROLE paused; nothing fired besides, nobody took it, and it is still on."""
    block(unit, 4)
    put(unit, episode("paused", "stakewarden-guardian/GuardianTargetPaused", 4, None, target="vault"))
    incident(unit, "22222222-bbbb", 4, ("paused",), None)
    event(unit, 4, "guardian_pause", {"account": ALICE, "resumes_at": str(START + 48 + 86_400)}, by="guardian", tx=TX, seq="1")


def shadow(unit: Unit) -> None:
    """A response in shadow would have paused."""
    block(unit, 2)
    put(unit, episode("cause", "lido-accounting/LidoShareRateDrift", 2, 9, "retracted", protocol="lido"))
    incident(unit, "11111111-aaaa", 2, ("cause",), 9)
    put(unit, pause(state="shadow", mode="shadow"))
    put(unit, DecisionRow(digest=EVIDENCE, pause=DECISION, document=json.dumps(DOCUMENT)))


def proposed(unit: Unit) -> None:
    """The service left it to people, and Alice paused; it lapsed."""
    for n in (2, 6, 7300):
        block(unit, n)
    put(unit, episode("cause", "lido-accounting/LidoShareRateDrift", 2, 9, protocol="lido"))
    put(unit, episode("paused", "stakewarden-guardian/GuardianTargetPaused", 6, 7300, target="vault"))
    incident(unit, "11111111-aaaa", 2, ("cause",), 9, by="carol")
    incident(unit, "22222222-bbbb", 6, ("paused",), 7300, by="carol")
    put(unit, pause(state="proposed", note="not by itself: finality lags 5 epochs, 4 is the most", evidence="0xabc"))
    event(unit, 6, "guardian_pause", {"account": ALICE, "resumes_at": str(START + 72 + 86_400)}, by="guardian", tx=TX, seq="1")


def resealed(unit: Unit) -> None:
    """People paused, the end was moved, and the only holder of the right lifted it; the target's log does not say who."""
    by_people(unit)
    for n in (50, 60):
        block(unit, n)
    row = AlertEpisode.__table__  # type: ignore[attr-defined]
    unit.conn.execute(row.update().values(state="resolved", ended_number=1060, ended_timestamp=START + 720))
    event(unit, 50, "guardian_pause_moved", {}, by="guardian", change="extended", holder=BOB, tx=TX, seq="0")
    event(unit, 60, "guardian_resumed", {}, by="guardian", holder=BOB, tx=LIFT, seq="0")
