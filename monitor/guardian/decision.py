"""A decision: what was decided about one target at one block, and the canonical document that says why.

The document is byte-identical for every service that judged the same block by the same rules, policy and baseline: it holds no endpoint, no
wall clock, nothing of the contract's state and no float type. Its keccak256 is what sentinels sign. Numbers that were samples are the
shortest decimal text that gives the same float64 again (``repr``).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from eth_utils.crypto import keccak

from monitor.guardian.policy.model import Kind, Response
from monitor.model import BlockStamp, EpisodeId, Hash, Labels, RuleId

VERSION = 1
SEAL = "seal"
"""The document's own key: keccak256 over the document without it. It finds damage; who wrote it is told by the signed order alone."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided about one target in one episode. ``note``: why it is not a pause.

    ``document``: the canonical file, where both conditions held; empty otherwise. ``evidence``: digest of the samples behind the alert.
    """

    id: str
    kind: Kind
    response: Response
    episode: EpisodeId
    rule: RuleId
    labels: Labels
    evidence: Hash
    at: BlockStamp
    agreed: tuple[str, ...]
    note: str = ""
    document: bytes = field(default=b"", repr=False)

    @property
    def target(self) -> str:
        return self.response.target

    @property
    def digest(self) -> bytes:
        """What is signed: keccak256 of the document. Raises ValueError without one."""
        if not self.document:
            raise ValueError(f"decision {self.id} is a {self.kind}: it has no document, so there is nothing to sign")
        return digest(self.document)


class NotCanonical(ValueError):
    """Something that has no canonical form, or bytes that are not in it."""


def decision_id(episode: EpisodeId, target: str) -> str:
    """The same episode never leads to two pauses of one target: the id is the key under which a pause is owed."""
    return hashlib.sha256(f"{episode}\n{target}".encode()).hexdigest()[:32]


def canonical(decision: Mapping[str, Any]) -> bytes:
    """Sorted keys, no spaces, UTF-8, a newline at the end; texts, integers, booleans, null, lists and mappings only. Raises NotCanonical."""
    _refuse(decision, "decision")
    try:
        return json.dumps(decision, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode() + b"\n"
    except UnicodeEncodeError:
        raise NotCanonical("a text in it is not Unicode") from None


def digest(document: bytes) -> bytes:
    """keccak256: 32 bytes."""
    return bytes(keccak(document))


def sealed(body: Mapping[str, Any]) -> bytes:
    """The canonical document with its seal. Raises NotCanonical."""
    return canonical({**body, SEAL: "0x" + digest(canonical(body)).hex()})


def opened(document: bytes) -> dict[str, Any]:
    """The document's content without the seal. Raises NotCanonical for any byte that is not as it was written."""
    try:
        body = json.loads(document.decode("utf-8"), object_pairs_hook=_once, parse_float=_no_float, parse_constant=_no_float)
    except (ValueError, RecursionError) as wrong:
        raise NotCanonical(f"not the JSON of a decision: {wrong}") from None
    if not isinstance(body, dict) or canonical(body) != document:
        raise NotCanonical("not in canonical form: keys sorted, no spaces, one newline at the end")
    seal = body.pop(SEAL, None)
    if seal != "0x" + digest(canonical(body)).hex():
        raise NotCanonical("the seal does not match: the document was changed after it was written")
    if body.get("version") != VERSION:
        raise NotCanonical(f"version {body.get('version')!r}; this program reads version {VERSION}")
    return body


def number_text(value: float) -> str:
    """A float64 as the shortest decimal text that gives it again."""
    return repr(float(value))


def _refuse(value: Any, where: str) -> None:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if not isinstance(key, str):
                raise NotCanonical(f"{where} has the key {key!r}: keys are texts")
            _refuse(inner, f"{where}.{key}")
    elif isinstance(value, list | tuple):
        for i, inner in enumerate(value):
            _refuse(inner, f"{where}[{i}]")
    elif value is not None and not isinstance(value, str | int):
        raise NotCanonical(f"{where} is a {type(value).__name__}: only texts and integers have one form")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is written twice")
    return found


def _no_float(text: str) -> Any:
    raise ValueError(f"{text} is not an integer")
