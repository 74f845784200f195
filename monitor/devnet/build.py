"""Compiling the contracts with forge when they changed, and encoding for them.

``artifacts()`` compiles only if the sources' hash differs from the stamp of the last build.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import orjson
from eth_abi.abi import decode, encode
from eth_utils.crypto import keccak

from monitor.devnet.anvil import CONTRACTS_DIR, find_binary


class BuildFailed(RuntimeError):
    """Forge refused the sources; the message carries what it said."""


class UnknownContract(KeyError):
    """No compiled contract has this name."""

    def __str__(self) -> str:
        return f"no compiled contract is named {self.args[0]!r}: is its source under contracts/src?"


@dataclass(frozen=True)
class Artifact:
    """A compiled contract: its interface and its code."""

    name: str
    abi: tuple[dict[str, Any], ...] = field(repr=False)
    bytecode: bytes = field(repr=False)
    deployed: bytes = field(repr=False)

    @cached_property
    def functions(self) -> dict[str, dict[str, Any]]:
        return {item["name"]: item for item in self.abi if item["type"] == "function"}

    @cached_property
    def events(self) -> dict[str, dict[str, Any]]:
        """Events by topic0."""
        return {"0x" + keccak(text=signature(item)).hex(): item for item in self.abi if item["type"] == "event"}

    @cached_property
    def errors(self) -> dict[str, str]:
        """Signatures of custom errors by selector."""
        found = (signature(item) for item in self.abi if item["type"] == "error")
        return {"0x" + keccak(text=text)[:4].hex(): text for text in found}

    def create(self, *args: Any) -> str:
        """Data of the transaction that deploys it."""
        inputs: list[dict[str, Any]] = next((item["inputs"] for item in self.abi if item["type"] == "constructor"), [])
        return "0x" + (self.bytecode + encode(types_of(inputs), args)).hex()

    def data(self, function: str, *args: Any) -> str:
        """Data of a call. Structs are tuples."""
        item = self.functions[function]
        return "0x" + (keccak(text=signature(item))[:4] + encode(types_of(item["inputs"]), args)).hex()

    def result(self, function: str, data: str) -> Any:
        """The decoded answer: the value of a single output, else a tuple."""
        values = decode(types_of(self.functions[function]["outputs"]), bytes.fromhex(data[2:]))
        return values[0] if len(values) == 1 else values

    def log(self, log: dict[str, Any]) -> tuple[str, dict[str, Any]] | None:
        """Name and arguments of a log, or None if it is not one of this contract's events."""
        item = self.events.get(log["topics"][0])
        if item is None:
            return None
        indexed = [i for i in item["inputs"] if i["indexed"]]
        plain = [i for i in item["inputs"] if not i["indexed"]]
        args = {i["name"]: decode([i["type"]], bytes.fromhex(topic[2:]))[0] for i, topic in zip(indexed, log["topics"][1:], strict=True)}
        values = decode(types_of(plain), bytes.fromhex(log["data"][2:]))
        return item["name"], {**args, **{i["name"]: value for i, value in zip(plain, values, strict=True)}}


def types_of(inputs: list[dict[str, Any]]) -> list[str]:
    """Canonical ABI types of inputs or outputs, structs as parenthesised lists."""
    return [_type(item) for item in inputs]


def _type(item: dict[str, Any]) -> str:
    if not item["type"].startswith("tuple"):
        return str(item["type"])
    return f"({','.join(types_of(item['components']))}){item['type'][5:]}"


def signature(item: dict[str, Any]) -> str:
    """``name(type,type)`` of a function, event or error: what its selector or topic is the hash of."""
    return f"{item['name']}({','.join(types_of(item['inputs']))})"


class Artifacts:
    """Compiled contracts by name, read when asked for."""

    def __init__(self, out: Path) -> None:
        self._out = out
        self._read: dict[str, Artifact] = {}

    def __getitem__(self, name: str) -> Artifact:
        if name not in self._read:
            found = sorted(self._out.glob(f"*.sol/{name}.json"))
            if not found:
                raise UnknownContract(name)
            content = orjson.loads(found[0].read_bytes())
            code, deployed = (bytes.fromhex(content[key]["object"][2:]) for key in ("bytecode", "deployedBytecode"))
            self._read[name] = Artifact(name, tuple(content["abi"]), code, deployed)
        return self._read[name]


def artifacts(contracts: Path = CONTRACTS_DIR) -> Artifacts:
    """Compile if needed, and give what was compiled. Processes that build at the same time wait for each other."""
    stamp = contracts / "out" / ".sources"
    (contracts / "out").mkdir(exist_ok=True)
    with (contracts / "out" / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        wanted = source_hash(contracts)
        if not stamp.exists() or stamp.read_text() != wanted:
            _forge_build(contracts)
            stamp.write_text(wanted)
    return Artifacts(contracts / "out")


def source_hash(contracts: Path) -> str:
    """A hash over everything that a build depends on."""
    digest = hashlib.sha256()
    for path in _sources(contracts):
        digest.update(str(path.relative_to(contracts)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def _sources(contracts: Path) -> Iterator[Path]:
    yield from sorted((contracts / "src").rglob("*.sol"))
    yield from (contracts / name for name in ("foundry.toml", "package-lock.json", "solc"))


def _forge_build(contracts: Path) -> None:
    command = [str(find_binary(contracts, "forge")), "build", "--skip", "test", "--color", "never"]
    done = subprocess.run(
        command, cwd=contracts, capture_output=True, text=True, env={**os.environ, "FOUNDRY_DISABLE_NIGHTLY_WARNING": "1"}
    )
    if done.returncode != 0:
        raise BuildFailed(f"forge could not compile the contracts under {contracts}:\n{done.stdout}{done.stderr}")
