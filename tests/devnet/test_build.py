"""Compiling only what changed, and telling what is wrong."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from monitor.devnet.anvil import CONTRACTS_DIR
from monitor.devnet.build import Artifacts, BuildFailed, UnknownContract, artifacts, source_hash


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A small Foundry project with our compiler."""
    for name in ("foundry.toml", "package-lock.json", "solc"):
        shutil.copy2(CONTRACTS_DIR / name, tmp_path / name)
    (tmp_path / "node_modules").symlink_to(CONTRACTS_DIR / "node_modules")
    (tmp_path / "src").mkdir()
    write(tmp_path, "uint256 public constant A = 1;")
    return tmp_path


def write(project: Path, body: str) -> None:
    (project / "src" / "Thing.sol").write_text(
        f"// SPDX-License-Identifier: Apache-2.0\npragma solidity ^0.8.28;\n\ncontract Thing {{ {body} }}\n"
    )


def test_sources_are_compiled_when_they_change_and_an_error_is_told_with_its_line(project: Path) -> None:
    assert set(artifacts(project)["Thing"].functions) == {"A"}
    compiled = next((project / "out").glob("Thing.sol/Thing.json"))
    written = compiled.stat().st_mtime_ns
    assert set(artifacts(project)["Thing"].functions) == {"A"}
    assert compiled.stat().st_mtime_ns == written
    write(project, "uint256 public constant B = ;")
    with pytest.raises(BuildFailed, match=r"Thing.sol:4"):
        artifacts(project)
    # Otherwise the next run would take the old output for the new source's.
    assert (project / "out" / ".sources").read_text() != source_hash(project)


def test_the_compiler_and_its_settings_count_as_sources(project: Path) -> None:
    before = source_hash(project)
    (project / "foundry.toml").write_text((project / "foundry.toml").read_text().replace("200", "201"))
    assert source_hash(project) != before


def test_an_unknown_contract_is_named(compiled: Artifacts) -> None:
    with pytest.raises(UnknownContract, match="'Ldio'"):
        compiled["Ldio"]


def test_encoding_and_decoding_take_structs_as_tuples(compiled: Artifacts) -> None:
    oracle = compiled["AccountingOracle"]
    data = oracle.data("submitReportExtraDataList", b"\x01\x02")
    assert data.startswith("0x")
    word = (7).to_bytes(32, "big").hex()
    assert oracle.result("getConsensusVersion", "0x" + word) == 7
    assert oracle.log({"topics": ["0x" + "00" * 32], "data": "0x"}) is None
