"""A guardian's memory and decisions without a chain, as messages are made of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, insert, update

from monitor.alerts.matchers import parse_matcher
from monitor.guardian.consequences import Pauses
from monitor.guardian.policy import Policy, Response
from monitor.guardian.settings import GuardianSettings
from monitor.model import address
from monitor.store.tables.decisions import DecisionRow
from monitor.store.tables.guardian import PauseRow
from monitor.store.tables.journal import CollectorStateRow, JournalRow

GUARDIAN, VAULT, SAFE, PERSON, AGENT = (address("0x" + f"{i:02x}" * 20) for i in (0x11, 0x22, 0x33, 0x44, 0x55))
OWNERS = [address("0x" + f"{i:02x}" * 20) for i in range(0x61, 0x66)]
TARGET: dict[str, Any] = {
    "name": "vault", "address": VAULT, "stops": "deposits and withdrawals", "goes_on": "transfers of wstETH outside the vault, and all of Lido",
    "cost": "nobody gets wstETH out while it lasts",
}  # fmt: skip
DECISION = "5e4d8f00c1a2b3c4d5e6f708192a3b4c"


def pauses(mode: str = "automatic", alert: str = "LidoShareRateDrift", **target: Any) -> Pauses:
    """The settings' side: one target, one response for an alert."""
    settings = GuardianSettings.model_validate({"contract": GUARDIAN, "targets": [{**TARGET, **target}]})
    matcher = (parse_matcher(f'alertname="{alert}"'),)
    response = Response("vault-unbacked-mint", matcher, "vault", mode, "risk", "The share rate may change in an oracle report only.")  # type: ignore[arg-type]
    return Pauses(settings, Policy((response,)), {AGENT: "lido/agent"})


def memory(**effect: Any) -> dict[str, Any]:
    """What the collector remembers of a vault that a Safe may resume and a person may pause."""
    own = {"paused": False, "ends": None, "arming": "Armed", "people": 21_600, "sentinels": 10_800} | effect
    return {
        "people": [PERSON],
        "effects": {"vault": own},
        "resumers": {"vault": {"role": "2f" * 32, "count": 2, "holders": [SAFE, AGENT]}},
        "parties": {SAFE: ["Safe", OWNERS, 3], AGENT: ["contract"], PERSON: ["account"]},
    }


def remember(conn: Connection, known: Mapping[str, Any], seq: int = 1) -> None:
    """The collector's memory after a block."""
    row = {"collector": "guardian", "seq": seq, "digest": f"{seq:x}", "known": json.dumps(known)}
    conn.execute(insert(CollectorStateRow.__table__), [row])  # type: ignore[attr-defined]


def judged(conn: Connection, number: int, seq: int = 1) -> None:
    """The newest judged block."""
    row = {
        "seq": seq,
        "kind": "block",
        "number": number,
        "hash": "0x",
        "parent": "0x",
        "timestamp": 0,
        "seen_at": 0.0,
        "judged_at": 0.0,
        "ruleset": "",
    }
    given = {c.name: row.get(c.name) for c in JournalRow.__table__.columns}  # type: ignore[attr-defined]
    conn.execute(insert(JournalRow.__table__), [given])  # type: ignore[attr-defined]


def decide(conn: Connection, state: str, episode: str, observed: int, *, document: bool = False, **more: Any) -> None:
    """A decision about the vault."""
    row: dict[str, Any] = {
        "id": DECISION, "state": state, "target": "vault", "response": "vault-unbacked-mint", "mode": "automatic", "owner": "risk",
        "reason": "The share rate may change in an oracle report only.", "episode": episode, "rule": "lido/lido-accounting/LidoShareRateDrift",
        "labels": "{}", "evidence": "0x00", "agreed": "[]", "observed_number": 100, "observed_hash": "0x01", "observed_timestamp": observed,
        "decided_at": observed + 1.0,
    } | more  # fmt: skip
    conn.execute(insert(PauseRow.__table__), [row])  # type: ignore[attr-defined]
    if document:
        conn.execute(insert(DecisionRow.__table__), [{"digest": "0xd1", "pause": row["id"], "document": "{}\n"}])  # type: ignore[attr-defined]


def move(conn: Connection, state: str, **more: Any) -> None:
    """The decision goes on."""
    conn.execute(update(PauseRow).values(state=state, **more))
