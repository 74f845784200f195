"""What is deployed, as the compiler gave it: interface and code are committed, so that nobody needs a compiler to deploy or to audit.

``make abi`` renews the files; a test compares them with the compiler's output bit for bit. They are canonical JSON, so that a diff shows a change and no noise.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import resources
from typing import Any

from eth_abi.abi import encode
from eth_hash.auto import keccak


@dataclass(frozen=True, slots=True)
class Shipped:
    """Which contract of ``contracts/`` is committed as which file of this folder."""

    file: str
    contract: str


GUARDIAN = Shipped("guardian.json", "Guardian")
RELEASER = Shipped("releaser.json", "Releaser")


@dataclass(frozen=True)
class Compiled:
    """A contract. ``immutables``: for each one, in the order of its first place, where in ``deployed`` its 32-byte words stand (zero there)."""

    name: str
    compiler: str
    abi: list[dict[str, Any]]
    creation: bytes
    deployed: bytes
    immutables: tuple[tuple[int, ...], ...]

    def data(self, *arguments: Any) -> bytes:
        """The bytes of the transaction that deploys it. Structs are tuples."""
        return self.creation + encode(self.types, arguments)

    @cached_property
    def parameters(self) -> list[dict[str, Any]]:
        """The constructor's parameters, as the ABI has them."""
        found: list[dict[str, Any]] = next(e["inputs"] for e in self.abi if e["type"] == "constructor")
        return found

    @property
    def types(self) -> tuple[str, ...]:
        """Their canonical types."""
        return tuple(_type(i) for i in self.parameters)

    @property
    def hash(self) -> bytes:
        """keccak256 of the code that creates it, without arguments."""
        return keccak(self.creation)

    def difference(self, code: bytes) -> str | None:
        """How code on the chain differs from this one; None if it is the same but for the values of immutables."""
        if not code:
            return "there is no code"
        if len(code) != len(self.deployed):
            return f"it has {len(code)} bytes, ours has {len(self.deployed)}"
        masked = bytearray(code)
        for places in self.immutables:
            words = {bytes(code[p : p + 32]) for p in places}
            if len(words) > 1:
                return f"the immutable at byte {places[0]} has different values in different places"
            for p in places:
                masked[p : p + 32] = bytes(32)
        first = next((i for i, (a, b) in enumerate(zip(masked, self.deployed, strict=True)) if a != b), None)
        return None if first is None else f"it differs from byte {first} on"


def _type(item: Mapping[str, Any]) -> str:
    if not item["type"].startswith("tuple"):
        return str(item["type"])
    return f"({','.join(map(_type, item['components']))}){item['type'][5:]}"


def from_artifact(content: Mapping[str, Any], name: str) -> dict[str, Any]:
    """What is committed of forge's JSON. Numbers that hang on what else was compiled (ids of the syntax tree) are left out."""
    deployed = content["deployedBytecode"]
    places = sorted(sorted(r["start"] for r in refs) for refs in deployed["immutableReferences"].values())
    assert all(r["length"] == 32 for refs in deployed["immutableReferences"].values() for r in refs)
    return {
        "contract": name, "compiler": content["metadata"]["compiler"]["version"], "abi": content["abi"],
        "creation": content["bytecode"]["object"], "deployed": deployed["object"], "immutables": places,
    }  # fmt: skip


def text(found: Mapping[str, Any]) -> str:
    """The committed form."""
    return json.dumps(found, indent=1, sort_keys=True) + "\n"


@cache
def load(which: Shipped) -> Compiled:
    """A committed contract."""
    found = json.loads(resources.files(__package__).joinpath(which.file).read_text("utf-8"))
    creation, deployed = (bytes.fromhex(found[k][2:]) for k in ("creation", "deployed"))
    return Compiled(found["contract"], found["compiler"], found["abi"], creation, deployed, tuple(tuple(p) for p in found["immutables"]))
