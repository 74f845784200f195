"""What was done about a decision, as JSON: who signed what, what was sent, what the chain and the target said, and how long each step took."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from monitor.guardian.execution import ledger
from monitor.guardian.execution.ledger import Pause
from monitor.model import Address, Hash
from monitor.store.columns import canonical

VERSION = 1


@dataclass(frozen=True, slots=True)
class Report:
    """A pause that is mined and read back, for whoever tells people. ``document``: the execution as JSON text."""

    id: str
    target: str
    tx: Hash
    block: int
    block_hash: Hash
    resumes_timestamp: int
    latencies: Mapping[str, float]
    document: str


def execution(pause: Pause, chain_id: int, guardian: Address, signatures: Mapping[Address, bytes]) -> str:
    """The execution of a verified pause. The decision that it carried out is named by its digest; times are Unix seconds of wall time."""
    row, chosen = pause.row, pause.chosen
    body = {
        "version": VERSION,
        "pause": row.id,
        "chain_id": chain_id,
        "guardian": guardian,
        "target": row.target,
        "decision": None if chosen is None else chosen.row.decision,
        "order": None if chosen is None else {**chosen.order.json(), "digest": chosen.digest},
        "signatures": {signer: "0x" + signature.hex() for signer, signature in sorted(signatures.items())},
        "simulated_at": row.simulated_at,
        "transactions": [_transaction(t) for t in pause.transactions],
        "mined": {"block": row.mined_number, "hash": row.mined_hash, "tx": row.mined_tx},
        "read_back": {"paused": True, "resumes_timestamp": row.resumes_timestamp, "note": row.note},
        "decided_at": row.decided_at,
        "latencies_seconds": {step: round(seconds, 3) for step, seconds in ledger.latencies(row).items()},
    }
    return canonical(body)


def _transaction(sent: ledger.Sent) -> dict[str, Any]:
    return {
        "hash": sent.hash, "sender": sent.sender, "nonce": sent.nonce, "gas": sent.gas, "max_fee_wei": str(sent.max_fee),
        "tip_wei": str(sent.tip), "order": sent.order, "sends": sent.sends, "private": sent.private,
    }  # fmt: skip
