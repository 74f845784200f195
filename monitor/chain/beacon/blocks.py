"""The facts of a block's body that we judge: its slashings. Two nodes agree on a block when they agree on these.

``/eth/v1/beacon/blinded_blocks`` (to Fulu) and ``/eth/v2/beacon/blocks`` (also Gloas) have them at the same place.
"""

from __future__ import annotations

from collections.abc import Mapping

from monitor.chain.beacon.answers import decimal, items, payload
from monitor.chain.errors import Malformed
from monitor.chain.wire import hash32, mapping
from monitor.model import Hash, Slot
from monitor.model.beacon import BeaconBlock, Offence


def block(answer: object, root: Hash) -> BeaconBlock:
    """The facts of the block that was asked for by ``root``. Raises Malformed."""
    message = mapping(payload(answer).get("message"), "block.message")
    body = mapping(message.get("body"), "block.body")
    proposals = (_proposal(mapping(s, "proposer slashing")) for s in items(body.get("proposer_slashings"), "proposer_slashings"))
    attestations = (_attestation(mapping(s, "attester slashing")) for s in items(body.get("attester_slashings"), "attester_slashings"))
    return BeaconBlock(
        slot=Slot(decimal(message.get("slot"), "block.slot")),
        root=root,
        parent=hash32(message.get("parent_root"), "block.parent_root"),
        proposer=decimal(message.get("proposer_index"), "block.proposer_index"),
        offences=(*proposals, *attestations),
    )


def _proposal(slashing: Mapping[str, object]) -> Offence:
    """Two headers of one proposer (consensus-specs, ``process_proposer_slashing``)."""
    first, second = (_proposer(slashing.get(f"signed_header_{i}")) for i in (1, 2))
    if first != second:
        raise Malformed("the two headers of a proposer slashing have different proposers")
    return Offence("proposal", (first,))


def _proposer(signed: object) -> int:
    message = mapping(mapping(signed, "signed header").get("message"), "signed header")
    return decimal(message.get("proposer_index"), "signed_header.proposer_index")


def _attestation(slashing: Mapping[str, object]) -> Offence:
    """Whoever signed both attestations (consensus-specs, ``process_attester_slashing``)."""
    first, second = (_attesters(slashing.get(f"attestation_{i}")) for i in (1, 2))
    return Offence("attestation", tuple(sorted(first & second)))


def _attesters(attestation: object) -> frozenset[int]:
    found = items(mapping(attestation, "attestation").get("attesting_indices"), "attesting_indices")
    return frozenset(decimal(index, "attesting_indices") for index in found)
