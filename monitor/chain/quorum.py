"""The vote on one answer: what a strict majority of all *configured* endpoints says, byte for byte. Pure.

n = 1: that one; n = 2: both; n = 3: two. An endpoint that does not know the block, or fails, has no vote, but still
counts among the n: a value never stands because the others are silent.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from monitor.model import Answer, Disputed, Failed, Reverted, Value


@dataclass(frozen=True, slots=True)
class Vote:
    """What an endpoint said: returned data, or revert data."""

    data: bytes
    reverted: bool = False


@dataclass(frozen=True, slots=True)
class NoVote:
    """The endpoint could not say, and why."""

    reason: str


def majority(n: int) -> int:
    """The least number that is more than half of ``n``."""
    return n // 2 + 1


def decide(votes: Mapping[str, Vote | NoVote], n: int, needed: int | None = None) -> Answer | None:
    """The answer once nothing that is still to come can change it, else None.

    ``votes``: what came so far, by endpoint, of ``n`` configured. ``needed``: equal votes that it takes (default: a majority of n).
    """
    needed = majority(n) if needed is None else needed
    camps: dict[Vote, list[str]] = {}
    for name, vote in votes.items():
        if isinstance(vote, Vote):
            camps.setdefault(vote, []).append(name)
    best = max(camps, key=lambda vote: len(camps[vote]), default=None)
    if best is not None and len(camps[best]) >= needed:
        names = tuple(sorted(camps[best]))
        return Reverted(best.data, names) if best.reverted else Value(best.data, names)
    most = 0 if best is None else len(camps[best])
    if most + n - len(votes) >= needed:
        return None
    if len(camps) > 1:
        return Disputed(tuple(sorted((name, digest(vote)) for vote, names in camps.items() for name in names)))
    return Failed(_why(votes, n, needed))


def dissenters(votes: Mapping[str, Vote | NoVote], answer: Answer | None) -> tuple[str, ...]:
    """The endpoints that said something else than the majority; empty where there is no majority."""
    if not isinstance(answer, (Value, Reverted)):
        return ()
    stands = Vote(answer.data, isinstance(answer, Reverted))
    return tuple(sorted(name for name, vote in votes.items() if isinstance(vote, Vote) and vote != stands))


def digest(vote: Vote) -> str:
    """Short text for a vote: a word in full, longer data by its SHA-256."""
    body = (
        "0x" + vote.data.hex() if len(vote.data) <= 32 else f"{len(vote.data)} bytes, sha256 {hashlib.sha256(vote.data).hexdigest()[:16]}"
    )
    return f"reverted {body}" if vote.reverted else body


def _why(votes: Mapping[str, Vote | NoVote], n: int, needed: int) -> str:
    said = sum(isinstance(v, Vote) for v in votes.values())
    reasons = "; ".join(f"{name}: {vote.reason}" for name, vote in sorted(votes.items()) if isinstance(vote, NoVote))
    return f"{said} of {n} endpoints answered, {needed} must agree" + (f" ({reasons})" if reasons else "")
