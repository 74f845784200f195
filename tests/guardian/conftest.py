"""A chain, a store and a submitter for each test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from monitor.devnet.accounts import key_of
from monitor.devnet.build import Artifacts
from monitor.guardian.keys import Signer, load_signer
from monitor.guardian.settings import KeySettings
from monitor.store import Store
from tests.guardian.bench import Bench, Relay


@contextmanager
def put_back(bench: Bench) -> Iterator[None]:
    """Undo what is done to the chain meanwhile, transactions that wait and its way of mining included."""
    snapshot = bench.anvil.snapshot()
    yield
    bench.anvil.rpc.call("anvil_dropAllTransactions")
    bench.anvil.revert(snapshot)
    bench.anvil.mine_at_once()


@pytest.fixture(scope="session")
def _chain(compiled: Artifacts) -> Iterator[Bench]:
    found = Bench(compiled)
    yield found
    found.anvil.stop()


@pytest.fixture
def bench(_chain: Bench) -> Iterator[Bench]:
    """The chain with a fresh brake; what a test does to it is undone."""
    with put_back(_chain):
        yield _chain


@pytest.fixture
def relay(request: pytest.FixtureRequest) -> Iterator[Relay]:
    """An endpoint before the chain that the test works on."""
    chain: Bench = request.getfixturevalue("orders" if "orders" in request.fixturenames else "bench")
    found = Relay(chain.url)
    yield found
    found.close()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(f"sqlite:///{tmp_path}/guardian.sqlite3") as opened:
        opened.create_all()
        yield opened


def signer_of(role: str) -> Signer:
    return load_signer(KeySettings(env="KEY"), {"KEY": key_of(role)})
