"""Our own guardian's targets among the levers, and their pause by a Safe."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from monitor.cli.laptop import laptop
from monitor.devnet.accounts import address_of
from monitor.guardian import status
from monitor.guardian.contract import PAUSE_TARGET, PauseImpossible
from monitor.guardian.levers.declared import Declarations
from monitor.guardian.levers.found import Found
from monitor.guardian.levers.reader import Reader
from monitor.guardian.levers.survey import survey
from monitor.guardian.node import Nodes
from monitor.guardian.safe.document import Document, Prepared
from monitor.guardian.safe.plan import Choice, Planner
from monitor.guardian.safe.source import NodesSource
from monitor.guardian.safe.transaction import SafeTransaction
from monitor.model import Address
from tests.guardian.bench import CHAIN_ID, DURATION, Bench, endpoint

NONE = Declarations(network=CHAIN_ID, protocols=())


@pytest_asyncio.fixture
async def nodes(bench: Bench) -> AsyncIterator[Nodes]:
    found = Nodes([endpoint(bench.url)], 4.0)
    yield found
    await found.close()


async def look(bench: Bench, nodes: Nodes) -> Found:
    texts = {"stops": "deposits", "goes_on": "transfers", "cost": "nobody gets out"}
    settings = bench.settings(targets=[{"name": "vault", "address": bench.vault, "lever": "pauseFor", **texts}])
    (found,) = (await survey(Reader(NodesSource(nodes), await nodes.newest()), NONE, settings)).levers
    return found


async def test_a_target_is_told_with_its_people_its_time_and_what_its_owner_says_of_it(bench: Bench, nodes: Nodes) -> None:
    found = await look(bench, nodes)
    assert (found.name, found.way, found.paused, found.seconds, found.lapses, found.problems) == (
        "own/vault",
        "guardian",
        False,
        DURATION,
        True,
        (),
    )
    assert isinstance(found.pausers, tuple) and [p.address for p in found.pausers] == [address_of("guardian_person")]
    assert (found.stops, found.goes_on, found.cost) == ("deposits", "transfers", "nobody gets out")


async def test_what_would_stop_people_is_a_problem(bench: Bench, nodes: Nodes) -> None:
    bench.by_admin("vault", "revokeRole", bytes.fromhex("139c2898040ef16910dc9f44dc697df79363da767d8bc92f2e310312b816e46d"), bench.guardian)
    assert (await look(bench, nodes)).problems == ("the guardian does not hold the right to pause it",)
    bench.by_admin("guardian", "unregister", bench.vault)
    assert "the guardian has not registered it" in (await look(bench, nodes)).problems


async def test_a_safe_must_hold_the_role_or_be_named(bench: Bench, nodes: Nodes) -> None:
    planner = Planner(Reader(NodesSource(nodes), await nodes.newest()), NONE, bench.settings())
    with pytest.raises(PauseImpossible, match="no Safe holds GUARDIAN_ROLE of the guardian: name one with --safe"):
        await planner.plan("vault", Choice())
    named = Address("0x" + "11" * 20)
    plan = await planner.plan("vault", Choice(safe=named))
    assert (plan.safe, plan.to, plan.data) == (named, bench.guardian, PAUSE_TARGET.call(bench.vault).data)


async def test_without_settings_the_guardian_itself_tells_what_a_safe_can_pause(bench: Bench, nodes: Nodes) -> None:
    where = laptop([bench.url], None, None, bench.guardian)
    planner = Planner(Reader(NodesSource(nodes), await nodes.newest()), NONE, await where.guarded(nodes, CHAIN_ID))
    named = Choice(safe=Address("0x" + "11" * 20))
    plan = await planner.plan(bench.vault, named)
    assert (plan.to, plan.data) == (bench.guardian, PAUSE_TARGET.call(bench.vault).data)
    with pytest.raises(PauseImpossible, match="mistyped"):
        await planner.plan(bench.vault.swapcase().replace("X", "x", 1), named)
    with pytest.raises(PauseImpossible, match='nothing is named "0x2222'):
        await planner.plan("0x" + "22" * 20, named)
    assert await laptop([bench.url], None, None).guarded(nodes, CHAIN_ID) is None


async def test_a_pause_signed_in_advance_is_part_of_the_status(bench: Bench, nodes: Nodes, tmp_path: Path) -> None:
    """The Safe of the file does not exist on this chain: that makes it stale, and the brake not ready."""
    prepared = Prepared(1, 1, (Address("0x" + "11" * 20),), 1, "1.4.1")
    document = Document(
        SafeTransaction(CHAIN_ID, bench.vault, 0, bench.guardian, PAUSE_TARGET.call(bench.vault).data), prepared, "pauses", "", None, {}
    )
    (tmp_path / "vault.json").write_text(document.as_json())
    (tmp_path / "bad.json").write_text("{")
    settings = bench.settings(presigned=[str(tmp_path / "vault.json"), str(tmp_path / "bad.json")])
    found = await status.status(settings, [endpoint(bench.url)])
    assert [c.name for p in found.presigned for c in p.checks if not c.ok] == ["is_a_safe", "file"] and not found.ready
    assert (await status.status(bench.settings(), [endpoint(bench.url)])).ready
