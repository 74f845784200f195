"""Whether a prepared transaction can still be sent: stale, rivalled, short of signatures, or ready. Pure.

A pause that was signed in advance looks fine in its drawer for months; what happened to its Safe meanwhile is what makes it fail.
Each condition is a :class:`~monitor.guardian.checks.Check`, so that readiness carries a pre-signed pause like any other way to pause.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from monitor.guardian.checks import Check
from monitor.guardian.safe.contracts import Confirmed
from monitor.guardian.safe.decode import in_words
from monitor.guardian.safe.document import Document, SignatureFile
from monitor.guardian.safe.signatures import BadSignature, Signature, recover
from monitor.guardian.safe.state import SafeState
from monitor.model import Address


@dataclass(frozen=True, slots=True)
class Gathered:
    """Whose agreement there is. ``refused``: what was not taken, and why, by its source."""

    signatures: tuple[Signature, ...]
    refused: tuple[tuple[str, str], ...]

    @property
    def owners(self) -> tuple[Address, ...]:
        return tuple(s.owner for s in self.signatures)


def gather(
    document: Document,
    files: Iterable[SignatureFile],
    approvals: Sequence[Signature],
    owners: Sequence[Address],
    contracts: Confirmed | None = None,
) -> Gathered:
    """Every owner's agreement, each once: those in the document, those of the files, those on chain. ``owners``: of now.

    ``contracts``: what owners that are contracts say of the signatures given for them.
    """
    digest = document.transaction.hash
    inside = [SignatureFile("the transaction's file", raw, owner, digest) for owner, raw in document.signatures.items()]
    found: dict[Address, Signature] = {s.owner: s for s in approvals}
    refused = []
    for file in (*inside, *files):
        try:
            signature = _taken(file, digest, owners, contracts or {})
        except BadSignature as wrong:
            refused.append((file.source, str(wrong)))
        else:
            found[signature.owner] = signature
    return Gathered(tuple(found[o] for o in owners if o in found), tuple(refused))


def _taken(file: SignatureFile, digest: bytes, owners: Sequence[Address], contracts: Confirmed) -> Signature:
    if file.safe_tx_hash not in (None, digest):
        raise BadSignature(f"it is for another transaction (0x{file.safe_tx_hash.hex() if file.safe_tx_hash else ''})")
    said = contracts.get((file.claimed, file.raw)) if file.claimed in owners and file.claimed is not None else None
    if isinstance(said, Signature):
        return said
    if said is not None:
        raise BadSignature(said)
    found = recover(digest, file.raw, owners)
    if file.claimed not in (None, found.owner):
        raise BadSignature(f"it says that it is by {file.claimed}, and is by {found.owner}")
    return found


def checks(document: Document, state: SafeState, gathered: Gathered) -> tuple[Check, ...]:
    """All that must hold to send it now, but for what it calls (``simulation``)."""
    t, before = document.transaction, document.prepared
    return (
        _nonce(t.nonce, state.nonce),
        _owners(before.owners, state.owners),
        Check("threshold_unchanged", before.threshold == state.threshold, f"{before.threshold} had to sign, now {state.threshold}"),
        _signed(gathered, state),
        _expiry(document.expires, state.at.timestamp),
    )


def rivals(document: Document, others: Iterable[tuple[str, Document]]) -> list[str]:
    """Other transactions for the same nonce of the same Safe: only one of them can ever be executed. In words, with the source."""
    t = document.transaction
    return [
        f"{source}: another transaction at nonce {t.nonce} (0x{o.transaction.hash.hex()}: {in_words(o.transaction.data)})"
        for source, o in others
        if (o.transaction.chain_id, o.transaction.safe, o.transaction.nonce) == (t.chain_id, t.safe, t.nonce)
        and o.transaction.hash != t.hash
    ]


def _nonce(mine: int, now: int) -> Check:
    if mine < now:
        return Check("nonce", False, f"nonce {mine} is used (the Safe is at {now}): all signatures are void; prepare it again")
    if mine > now:
        return Check("nonce", False, f"nonce {mine} is not next (the Safe is at {now}): {mine - now} other transactions must come first")
    return Check("nonce", True, f"nonce {mine} is next")


def _owners(before: Sequence[Address], now: Sequence[Address]) -> Check:
    gone, new = sorted(set(before) - set(now)), sorted(set(now) - set(before))
    said = [f"{a} is no owner any more" for a in gone] + [f"{a} is a new owner" for a in new]
    return Check("owners_unchanged", not said, "; ".join(said) or f"the same {len(now)} owners")


def _signed(gathered: Gathered, state: SafeState) -> Check:
    missing = [o for o in state.owners if o not in gathered.owners]
    count = len(gathered.signatures)
    said = f"{count} of {state.threshold} signatures"
    return Check("signed", count >= state.threshold, said if count >= state.threshold else f"{said}; not yet: {', '.join(missing)}")


def _expiry(expires: int | None, now: int) -> Check:
    if expires is None:
        return Check("not_expired", True, "it has no expiry of its own")
    return Check("not_expired", now < expires, f"it was to be used before {expires} (block time is {now})")
