"""The rows of what was read of key registries: written in the transaction before the book is told."""

from __future__ import annotations

import json

from sqlalchemy import delete, func, select
from sqlmodel import col

from monitor.model import address
from monitor.protocols.keys.book import KeyBook, Listing
from monitor.protocols.signals import KeyModule, KeyOperator, KeyRun
from monitor.store import Unit, meta
from monitor.store.columns import canonical, insert, inserting
from monitor.store.tables.keys import KeyModuleRow, KeyRunRow

_CREDENTIALS = "key_credentials.{}"


def put_credentials(unit: Unit, protocol: str, credentials: frozenset[bytes]) -> None:
    meta.put(unit, _CREDENTIALS.format(protocol), sorted(each.hex() for each in credentials))


def put_listing(unit: Unit, protocol: str, listing: Listing) -> None:
    """Keep a module's operators, in place of what was kept before."""
    module = listing.module
    values = {
        "address": module.address,
        "name": module.name,
        "form": module.form,
        "nonce": str(module.nonce),
        "deposited": module.deposited,
        "names": module.names,
        "operators": canonical([[o.id, o.name, o.deposited] for o in listing.operators.values()]),
        "listed_timestamp": listing.timestamp,
    }
    row = insert(unit, KeyModuleRow).values(protocol=protocol, module=module.id, **values)
    unit.conn.execute(row.on_conflict_do_update(index_elements=["protocol", "module"], set_=values))


def add(unit: Unit, protocol: str, module: int, runs: list[tuple[KeyRun, bytes]]) -> None:
    """Keep keys that were read."""
    seq = unit.conn.execute(select(func.coalesce(func.max(col(KeyRunRow.seq)), 0))).scalar_one()
    rows = [
        {
            "protocol": protocol, "module": module, "operator": run.operator, "first": run.first, "count": run.count, "seq": seq + i,
            "keys": keys,
        }
        for i, (run, keys) in enumerate(runs, 1)
    ]  # fmt: skip
    unit.conn.execute(inserting(KeyRunRow), rows)


def drop(unit: Unit, protocol: str, module: int, operator: int | None = None) -> None:
    """Forget the keys of an operator, or a whole module."""
    mine = (col(KeyRunRow.protocol) == protocol) & (col(KeyRunRow.module) == module)
    if operator is not None:
        unit.conn.execute(delete(KeyRunRow).where(mine & (col(KeyRunRow.operator) == operator)))
        return
    unit.conn.execute(delete(KeyRunRow).where(mine))
    unit.conn.execute(delete(KeyModuleRow).where((col(KeyModuleRow.protocol) == protocol) & (col(KeyModuleRow.module) == module)))


def load(unit: Unit, protocols: tuple[str, ...]) -> KeyBook:
    """The book as it was when the last process ended. Protocols that are no longer watched are left out."""
    book = KeyBook(protocols)
    for name in protocols:
        kept = meta.get(unit, _CREDENTIALS.format(name)) or []
        book.put_credentials(name, frozenset(bytes.fromhex(each) for each in kept))
    for row in unit.conn.execute(select(KeyModuleRow.__table__)).mappings():  # type: ignore[attr-defined]
        if row["protocol"] in protocols:
            book.put_listing(row["protocol"], _listing(dict(row)))
    runs = select(KeyRunRow.__table__).where(col(KeyRunRow.protocol).in_(protocols)).order_by(col(KeyRunRow.seq))  # type: ignore[attr-defined]
    for row in unit.conn.execute(runs.execution_options(yield_per=256)).mappings():
        book.add(row["protocol"], row["module"], KeyRun(row["operator"], row["first"], row["count"]), row["keys"])
    return book


def _listing(row: dict[str, object]) -> Listing:
    operators = [KeyOperator(*each) for each in json.loads(str(row["operators"]))]
    names = row["names"]
    module = KeyModule(
        int(str(row["module"])), str(row["name"]), address(str(row["address"])), str(row["form"]), int(str(row["nonce"])),
        int(str(row["deposited"])), len(operators), None if names is None else address(str(names)),
    )  # fmt: skip
    return Listing(module, {o.id: o for o in operators}, int(str(row["listed_timestamp"])))
