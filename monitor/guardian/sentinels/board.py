"""What this sentinel signed lately, as its peers are given it: orders and signatures, nothing else. Read-only and bounded."""

from __future__ import annotations

from typing import Any

import orjson

from monitor.guardian.execution import ledger
from monitor.guardian.order import BadOrder, Order, read_order
from monitor.model import Address
from monitor.store import Unit

VERSION = 1
MAX_ORDERS = 64
KEPT_SECONDS = 1800.0
"""No order lives for longer: the contract takes none that is older than 128 blocks."""


class BadBoard(ValueError):
    """What a peer serves is no board of orders of this chain and contract: why."""


def posted(unit: Unit, chain_id: int, guardian: Address, now: float) -> bytes:
    """The board as JSON: our orders of the last half hour, the newest first, each with its signature. ``decision`` is the document's hash."""
    found = ledger.own_orders(unit, now - KEPT_SECONDS, MAX_ORDERS)
    orders = [{"order": s.order.json(), "signature": s.row.signature} for s in found]
    return orjson.dumps({"version": VERSION, "chain_id": chain_id, "guardian": guardian, "orders": orders})


def read_board(body: bytes, chain_id: int, guardian: Address) -> list[tuple[Order, bytes]]:
    """Orders and signatures of a stranger's board; signatures are not checked yet. Raises BadBoard."""
    try:
        value = orjson.loads(body)
    except ValueError:
        raise BadBoard("no JSON") from None
    if not isinstance(value, dict) or value.get("version") != VERSION or not isinstance(value.get("orders"), list):
        raise BadBoard(f"no board of version {VERSION}")
    if value.get("chain_id") != chain_id or value.get("guardian") != guardian:
        raise BadBoard("it is for another chain or another guardian")
    if len(value["orders"]) > MAX_ORDERS:
        raise BadBoard(f"more than {MAX_ORDERS} orders")
    return [_entry(entry) for entry in value["orders"]]


def _entry(value: Any) -> tuple[Order, bytes]:
    if not isinstance(value, dict) or not isinstance(value.get("signature"), str) or not value["signature"].startswith("0x"):
        raise BadBoard("an entry without a signature")
    try:
        return read_order(value.get("order")), bytes.fromhex(value["signature"][2:])
    except BadOrder as wrong:
        raise BadBoard(str(wrong)) from None
    except ValueError:
        raise BadBoard("a signature that is no hex") from None
