"""The committed contracts are what the compiler makes of the source, bit for bit."""

from __future__ import annotations

from importlib import resources

import pytest
from eth_hash.auto import keccak
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.devnet.build import Artifacts, signature
from monitor.devnet.committed import artifact, current
from monitor.guardian.compiled import GUARDIAN, RELEASER, Compiled, Shipped, load
from monitor.guardian.deploy import after, held, steps
from monitor.protocols.abi import Function

BOTH = pytest.mark.parametrize("which", [GUARDIAN, RELEASER], ids=lambda s: s.contract)


@BOTH
def test_the_committed_file_is_what_the_compiler_gives(compiled: Artifacts, which: Shipped) -> None:
    committed = resources.files("monitor.guardian").joinpath(which.file).read_text("utf-8")
    assert committed == current(which), (
        f"the source changed: renew monitor/guardian/{which.file} with `make abi`, and have the change reviewed"
    )


@BOTH
def test_what_is_loaded_is_the_compilers_own_bytes(compiled: Artifacts, which: Shipped) -> None:
    ours, theirs = load(which), compiled[which.contract]
    assert (ours.creation, ours.deployed, tuple(ours.abi)) == (theirs.bytecode, theirs.deployed, theirs.abi)
    assert ours.hash == keccak(theirs.bytecode)
    references = artifact(which)["deployedBytecode"]["immutableReferences"].values()
    assert {p for places in ours.immutables for p in places} == {r["start"] for refs in references for r in refs}
    assert len(ours.immutables) == len(references)


@BOTH
def test_it_fits_the_limits_of_the_chain(which: Shipped) -> None:
    """EIP-170 and EIP-3860."""
    ours = load(which)
    assert len(ours.deployed) <= 24_576 and len(ours.creation) + 512 <= 49_152


def _somewhere(code: Compiled) -> st.SearchStrategy[int]:
    return st.integers(0, len(code.deployed) - 1)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from([GUARDIAN, RELEASER]), st.data())
def test_one_changed_byte_is_found_unless_it_is_a_whole_immutable(which: Shipped, data: st.DataObject) -> None:
    ours = load(which)
    at = data.draw(_somewhere(ours))
    changed = bytearray(ours.deployed)
    changed[at] ^= data.draw(st.integers(1, 255))
    alone = any(len(places) == 1 and places[0] <= at < places[0] + 32 for places in ours.immutables)
    assert (ours.difference(bytes(changed)) is None) == alone


@BOTH
def test_other_code_is_told_how_it_differs(which: Shipped) -> None:
    ours = load(which)
    assert ours.difference(b"") == "there is no code"
    assert "bytes" in str(ours.difference(ours.deployed[:-1]))
    places = next((p for p in ours.immutables if len(p) > 1), None)
    filled = bytearray(ours.deployed)
    for group in ours.immutables:
        for p in group:
            filled[p : p + 32] = b"\x07" * 32
    assert ours.difference(bytes(filled)) is None
    if places is not None:
        filled[places[1]] = 8
        assert "different values" in str(ours.difference(bytes(filled)))


def test_what_is_called_and_read_is_in_the_interfaces() -> None:
    """Functions of the targets, of breakers and of OpenZeppelin's roles beside the contract's own are named here."""
    others = {"registerPauser(address,address)", "owner()", "isPaused()", "hasRole(bytes32,address)"}
    known = {signature(e) for which in (GUARDIAN, RELEASER) for e in load(which).abi if e["type"] == "function"}
    used = {
        v.signature
        for module in (steps, after, held)
        for name, v in vars(module).items()
        if isinstance(v, Function) and not name.startswith(("LIVE", "PAUSER", "BREAKER"))
    }
    assert len(used) > 15 and sorted(used - known - others) == []
