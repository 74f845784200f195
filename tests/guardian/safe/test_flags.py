"""EigenLayer's flags: what is set stays set, whoever set it, and nothing here can clear one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.devnet.anvil import CHAIN_ID
from monitor.guardian.contract import PauseImpossible
from monitor.guardian.levers.flags import ALL, bits, cleared, with_flags
from monitor.guardian.levers.reader import Reader
from monitor.guardian.node import Nodes
from monitor.guardian.person import Fees
from monitor.guardian.safe.document import Document
from monitor.guardian.safe.flow import prepare, send
from monitor.guardian.safe.plan import Choice, Planner
from monitor.guardian.safe.source import NodesSource
from tests.guardian.safe.ground import OWNERS, Ground
from tests.guardian.safe.test_flow import SENDER, failing, looked_at, nodes, signed

__all__ = ["nodes"]
status = st.integers(0, ALL)


@given(status, st.sets(st.integers(0, 255), min_size=1, max_size=5))
def test_no_bit_is_ever_cleared_and_all_wanted_are_set(current: int, wanted: set[int]) -> None:
    if wanted <= set(bits(current)):
        with pytest.raises(PauseImpossible, match="are set already"):
            with_flags(current, wanted)
        return
    new = with_flags(current, wanted)
    assert new & current == current and cleared(current, new) == () and set(bits(new)) == set(bits(current)) | wanted


@given(status, status)
def test_what_would_be_cleared_is_what_the_contract_refuses(current: int, new: int) -> None:
    assert (current & new != current) == bool(cleared(current, new))


def test_nothing_and_impossible_flags_are_refused() -> None:
    for wanted in ((), (256,), (-1,)):
        with pytest.raises(PauseImpossible):
            with_flags(0, wanted)


async def a_pause(ground: Ground, nodes: Nodes, choice: Choice) -> Document:
    at = await nodes.newest()
    plan = await Planner(Reader(NodesSource(nodes), at), ground.declarations()).plan("eigenlayer/flags", choice)
    return await prepare(nodes, plan, at, CHAIN_ID, nonce=None, reason="", lives=None)


async def test_a_safe_sets_flags_on_top_of_those_that_are_set(ground: Ground, nodes: Nodes) -> None:
    document = await a_pause(ground, nodes, Choice(flags=(2,)))
    assert document.words.endswith("kept as set: 1")
    done = await send(nodes, SENDER, await looked_at(ground, nodes, document, await signed(document, OWNERS[:3])), Fees())
    assert done is not None and done.seen.endswith("are 6")


async def test_all_flags_need_no_look_at_what_is_set(ground: Ground, nodes: Nodes) -> None:
    document = await a_pause(ground, nodes, Choice(flags=None))
    assert await send(nodes, SENDER, await looked_at(ground, nodes, document, await signed(document, OWNERS[:3])), Fees()) is not None
    assert ground.anvil.rpc.call("eth_call", {"to": ground.at["flags"], "data": "0x5c975abb"}, "latest") == "0x" + "ff" * 32


async def test_a_flag_that_was_set_meanwhile_makes_the_signed_transaction_stale(ground: Ground, nodes: Nodes) -> None:
    document = await a_pause(ground, nodes, Choice(flags=(2,)))
    ground.send("guardian_person", "flags", "pause", 0b11)
    found = await looked_at(ground, nodes, document, await signed(document, OWNERS[:3]))
    assert failing(found) == ["simulated", "flags_kept"]
    assert "flags 0 are set now and would be cleared" in found.failing[1].reason and "InvalidNewPausedStatus" in found.failing[0].reason


@pytest.mark.parametrize(
    ("choice", "said"), [(Choice(), "say which flags"), (Choice(flags=(7,)), "has no flag 7"), (Choice(flags=(1,)), "set already")]
)
async def test_what_cannot_be_meant_is_refused(ground: Ground, nodes: Nodes, choice: Choice, said: str) -> None:
    with pytest.raises(PauseImpossible, match=said):
        await a_pause(ground, nodes, choice)
