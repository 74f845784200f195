"""Slashings: an event at the block that includes one, and once an epoch what slashed validators lose.

Events and their completeness are scopes of their own. What is certain is told in the scope without labels, whatever else is missing. That
*nobody else* was slashed is claimed by the scopes of the owners: the network's needs every block since the last state, a protocol's needs its keys,
too. So incomplete keys never hide a slashing, and never claim that there was none.

In one block the first 16 validators of an operator have an event each, the rest share one. Each offence is one more event for the network as a whole.
Ids name the validator, which can be slashed only once: they are the same on every branch and after a restart. A validator whose owner
was not known when it was slashed is told for its owner as soon as the keys are there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from monitor.catalogue.shipped import SLASHING
from monitor.chain.beacon.spec import Spec
from monitor.collectors.beacon import verified_head_of
from monitor.collectors.emit import Samples
from monitor.collectors.epochs import NETWORK, Epochs, ether, is_complete
from monitor.collectors.slashed import Ledger, Slashed, pack, unpack
from monitor.model import (  # fmt: skip
    EVERY_BLOCK,
    Address,
    BlockStamp,
    Event,
    EventId,
    Failed,
    Frame,
    Hash,
    Known,
    Labels,
    Read,
    Series,
    Snapshot,
    Unanswered,
    blind_frame,
    labels,
    ok_frame,
)
from monitor.model.beacon import BeaconHead, BeaconView, EpochFacts, Registry

EVENT = "validator_slashed"
BY_NAME = 16
"""Validators of one operator that get an event each in one block."""
_LISTED = 1000
"""More indices than this are given as a count and a digest."""
_UNOWNED = 32
"""Slashings that are kept while their owner is not known."""
GAUGES = tuple(f for f in SLASHING if f.kind != "event")
EVENTS = tuple(f for f in SLASHING if f.kind == "event")


def losses(protocols: Sequence[str]) -> Epochs:
    """The collector of what slashed validators lose."""
    return Epochs("slashing", GAUGES, (NETWORK, *protocols), _fill)


def _fill(samples: Samples, facts: EpochFacts, owner: str) -> None:
    for (protocol, operator), group in facts.groups.items():
        if protocol != owner:
            continue
        samples.put("slashing_validators", group.slashed, operator=operator)
        for part, gwei in (
            ("initial", group.loss.initial),
            ("attestation", group.loss.attestation),
            ("correlation", group.loss.correlation),
        ):
            samples.put("slashing_loss_ether", ether(gwei), operator=operator, part=part)
        if group.balance:
            samples.put("slashing_loss_ratio", group.loss.total / group.balance, operator=operator)
    if owner == NETWORK and facts.total_active:
        samples.put("slashing_network_ratio", facts.slashings / facts.total_active)


class SlashingEvents:
    """Who was slashed, each once on the surviving branch."""

    name = "slashing_events"
    families = EVENTS
    cadence = EVERY_BLOCK
    watches: frozenset[Address] = frozenset()

    def __init__(self, protocols: Sequence[str], spec: Spec) -> None:
        self._protocols, self._spec = tuple(protocols), spec
        self._owners = {owner: labels(protocol=owner) for owner in (NETWORK, *protocols)}
        self.scopes: tuple[Labels, ...] = (labels(), *self._owners.values())

    def plan(self, known: Known) -> Sequence[Read]:
        return ()

    def judge(self, snapshot: Snapshot, known: Known) -> tuple[Sequence[Frame], Known]:
        """Raises Unanswered without a verified head of this time, and before the first evaluated state."""
        head = verified_head_of(snapshot, self._spec)
        view, at = snapshot.beacon, snapshot.stamp
        ledger = None if view is None or view.registry is None else Ledger(view, view.registry, known, at.slot, self._spec)
        if view is None or view.registry is None or ledger is None or not ledger.ready:
            raise Unanswered(
                "slashings", Failed("no state of this branch was evaluated yet: who can be slashed, and whose it is, is not known")
            )
        after = ledger.look()
        events = [event for found in ledger.found for event in self._events(found, view.registry, at)]
        later, after["unowned"] = self._later(known.get("unowned", ()), ledger.found, view, at)
        frames = [ok_frame(self.name, labels(), at, events=[*events, *later])]
        missing = _missing(view, head, after["gap"], at)
        frames += [self._completeness(owner, missing, view, at) for owner in self._owners]
        return frames, after

    def _completeness(self, owner: str, missing: str | None, view: BeaconView, at: BlockStamp) -> Frame:
        scope = self._owners[owner]
        if missing is not None:
            return blind_frame(self.name, scope, at, Failed(f"{missing}: who was slashed in them is not known"))
        if not is_complete(view, owner):
            reason = f"not all keys of {owner} were read: whose a slashed validator is, is not certain"
            return blind_frame(self.name, scope, at, Failed(reason))
        return ok_frame(self.name, scope, at)

    def _later(
        self, waiting: Iterable[Sequence[Any]], found: Sequence[Slashed], view: BeaconView, at: BlockStamp
    ) -> tuple[list[Event], list[list[Any]]]:
        """Events of earlier slashings whose owner is known now, and the slashings that still wait for one."""
        registry, events, kept = view.registry, list[Event](), list[list[Any]]()
        assert registry is not None
        certain = len(registry.owners.of) if all(is_complete(view, p) for p in self._protocols) else 0
        older = [Slashed(kind, slot, Hash(root), tuple(sorted(unpack(text)))) for kind, slot, root, text in waiting]
        for slashed in older:
            events += self._of_owners(slashed, registry, at)
        for slashed in (*older, *found):
            open = [v for v in slashed.validators if registry.owners.group(v) is None and v >= certain]
            if open:
                kept.append([slashed.kind, int(slashed.slot), slashed.root, pack(open)])
        return events, kept[-_UNOWNED:]

    # ------------------------------------------------------------ events

    def _events(self, slashed: Slashed, registry: Registry, at: BlockStamp) -> list[Event]:
        first, more = slashed.validators[0], len(slashed.validators) - 1
        name = f"{first} and {more} more" if more else str(first)
        whole = self._event(NETWORK, "", name, f"{first}", slashed, registry, at)
        return [whole, *self._of_owners(slashed, registry, at)]

    def _of_owners(self, slashed: Slashed, registry: Registry, at: BlockStamp) -> list[Event]:
        """One event a validator, and one for the rest, for each operator whom we watch."""
        groups: dict[tuple[str, str], list[int]] = {}
        for validator in slashed.validators:
            group = registry.owners.group(validator)
            if group is not None and group[0] in self._protocols:
                groups.setdefault(group, []).append(validator)
        found: list[Event] = []
        for (protocol, operator), validators in sorted(groups.items()):
            named = [replace(slashed, validators=(v,)) for v in validators[:BY_NAME]]
            found += [self._event(protocol, operator, str(n.validators[0]), str(n.validators[0]), n, registry, at) for n in named]
            rest = tuple(validators[BY_NAME:])
            if rest:
                name = f"and {len(rest)} more"
                found.append(
                    self._event(protocol, operator, name, f"{rest[0]}+{len(rest)}", replace(slashed, validators=rest), registry, at)
                )
        return found

    def _event(
        self, protocol: str, operator: str, name: str, id: str, slashed: Slashed, registry: Registry, at: BlockStamp
    ) -> Event:  # fmt: skip
        series = Series(EVENT, labels(protocol=protocol, operator=operator, validator=name, kind=slashed.kind))
        return Event(EventId(f"{EVENT}/{protocol}/{id}"), series, at, self._details(slashed, registry))

    def _details(self, slashed: Slashed, registry: Registry) -> dict[str, str]:
        """Exact figures: the initial penalty is effective balance // q of the fork, for each validator."""
        stakes = [int(registry.effective_balance[v]) for v in slashed.validators if v < len(registry.effective_balance)]
        quotient = self._spec.min_slashing_penalty_quotient_electra
        details = {"slot": str(slashed.slot), "validators": str(len(slashed.validators))}
        details["state_root_block" if slashed.kind == "unseen" else "block_root"] = slashed.root
        if len(stakes) == len(slashed.validators):
            details["effective_balance_gwei"] = str(sum(stakes))
            details["initial_penalty_gwei"] = str(sum(stake // quotient for stake in stakes))
        return {**details, **_indices(slashed.validators)}


def _missing(view: BeaconView, head: BeaconHead, gap: bool, at: BlockStamp) -> str | None:
    """Why not all blocks up to the judged one were seen; None when they were."""
    if gap:
        return "blocks were missed, and no state after them was evaluated yet"
    last = view.blocks[-1]
    if last.root != head.root and last.slot < at.slot:
        return f"blocks after slot {last.slot} are not agreed on yet"
    return None


def _indices(validators: Sequence[int]) -> dict[str, str]:
    text = ",".join(map(str, validators))
    if len(validators) <= _LISTED:
        return {"indices": text}
    return {"indices_sha256": hashlib.sha256(text.encode()).hexdigest(), "first": str(validators[0]), "last": str(validators[-1])}
