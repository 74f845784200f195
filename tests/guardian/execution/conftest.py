"""A chain with the guardian of sentinel orders, a store, and peers, for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from monitor.devnet.build import Artifacts
from monitor.store import Store
from tests.guardian.conftest import put_back
from tests.guardian.execution.bench import OrderBench, Peer


@pytest.fixture(scope="session")
def _order_chain(compiled: Artifacts) -> Iterator[OrderBench]:
    found = OrderBench(compiled)
    yield found
    found.anvil.stop()


@pytest.fixture
def orders(_order_chain: OrderBench) -> Iterator[OrderBench]:
    """The chain with a threshold of one; what a test does to it is undone."""
    with put_back(_order_chain):
        yield _order_chain


@pytest.fixture
def trio(orders: OrderBench) -> OrderBench:
    """The same with two of three sentinels needed."""
    orders.by_admin("guardian", "setThreshold", 2)
    return orders


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Store]:
    with Store.open(f"sqlite:///{tmp_path}/guardian.sqlite3") as opened:
        opened.create_all()
        yield opened


@pytest.fixture
def peer() -> Iterator[Peer]:
    found = Peer()
    yield found
    found.close()
