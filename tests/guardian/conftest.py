"""A chain, a store and a submitter for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from monitor.devnet.accounts import key_of
from monitor.devnet.build import Artifacts
from monitor.guardian.keys import Signer, load_signer
from monitor.guardian.settings import KeySettings
from monitor.store import Store
from tests.guardian.bench import Bench, Relay


@pytest.fixture(scope="session")
def _chain(compiled: Artifacts) -> Iterator[Bench]:
    found = Bench(compiled)
    yield found
    found.anvil.stop()


@pytest.fixture
def bench(_chain: Bench) -> Iterator[Bench]:
    """The chain with a fresh brake; what a test does to it is undone."""
    snapshot = _chain.anvil.snapshot()
    yield _chain
    _chain.anvil.rpc.call("anvil_dropAllTransactions")
    _chain.anvil.revert(snapshot)
    _chain.anvil.mine_at_once()


@pytest.fixture
def relay(bench: Bench) -> Iterator[Relay]:
    found = Relay(bench.url)
    yield found
    found.close()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(f"sqlite:///{tmp_path}/guardian.sqlite3") as opened:
        opened.create_all()
        yield opened


def signer_of(role: str) -> Signer:
    return load_signer(KeySettings(env="KEY"), {"KEY": key_of(role)})
