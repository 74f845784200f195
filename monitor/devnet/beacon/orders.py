"""What drills make the validators do: fail, leave, break the rules. Everything takes effect with the next slot."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from monitor.chain.beacon.spec import ETHER
from monitor.devnet.beacon.bodies import attester_slashing, proposer_slashing, voluntary_exit
from monitor.devnet.beacon.chain import Chain, Pruned
from monitor.devnet.beacon.duties import LATE, OFFLINE, ONLINE, Behaviour
from monitor.devnet.beacon.operations import (
    AttesterSlashing,
    Consolidation,
    DepositRequest,
    Forfeit,
    Operation,
    ProposerSlashing,
    VoluntaryExit,
    WithdrawalRequest,
    may_exit,
    slashable,
)
from monitor.devnet.beacon.registry import Key, credentials_of, derive_pubkey
from monitor.devnet.beacon.state import FAR

Kind = Literal["proposal", "attestation"]
Event = tuple[str, dict[str, Any]]
"""Topic and data of what is gossiped."""


class BadOrder(ValueError):
    """What was asked for cannot be done: what, and what could."""


class Orders:
    """The validators' wills. Two layers: what was asked of operators, and a stall across the network, which ends without touching the first."""

    def __init__(self, chain: Chain) -> None:
        self.chain = chain
        count = len(chain.registry)
        self._votes, self._silent = np.full(count, ONLINE, np.uint8), np.zeros(count, bool)
        self._stalled, self._stall_silent = np.zeros(count, bool), False
        self._miss_rate = chain.behaviour(chain.head_slot + 1).miss_rate
        self._version = 0
        self._deposits = 0

    def follow(self, chain: Chain) -> None:
        """Another chain took the place of the old one: the validators go on as they were told."""
        self.chain = chain
        self._take_effect()

    # ------------------------------------------------------------ votes and proposals

    def offline(self, operator: str, share: float = 1.0, *, proposals: bool = True) -> int:
        """A share of an operator's active validators stop voting, and proposing unless ``proposals`` is false. Their number is returned."""
        chosen = self._share(self._of(operator), share)
        self._votes[chosen] = OFFLINE
        if proposals:
            self._silent[chosen] = True
        return self._took(chosen)

    def late(self, operator: str, share: float = 1.0) -> int:
        """Their votes come too late for the head."""
        chosen = self._share(self._of(operator), share)
        self._votes[chosen] = LATE
        return self._took(chosen)

    def silent(self, operator: str, share: float = 1.0) -> int:
        """They vote but propose nothing."""
        chosen = self._share(self._of(operator), share)
        self._silent[chosen] = True
        return self._took(chosen)

    def online(self, operator: str | None = None) -> int:
        """An operator, or everybody, behaves well again. A stall is ended by ``unstall`` alone."""
        chosen = np.ones(len(self._votes), bool) if operator is None else self._of(operator)
        self._votes[chosen], self._silent[chosen] = ONLINE, False
        return self._took(chosen)

    def stall(self, share: float = 0.4, *, proposals: bool = True) -> float:
        """At least this share of the active stake stops voting, others' validators first; ``proposals``: they go on proposing. The real share is returned."""
        state = self.chain.state
        count = len(self._votes)
        effective = np.where(state.active(state.epoch), state.effective, 0)[:count]
        order = np.argsort(self.chain.registry.group < self.chain.registry.watched, kind="stable")
        total, reach = max(1, int(effective.sum())), np.cumsum(effective[order])
        taken = order[: int(np.searchsorted(reach, share * total)) + 1] if share > 0 else order[:0]
        self._stalled = np.zeros(count, bool)
        self._stalled[taken] = True
        self._stall_silent = not proposals
        self._take_effect()
        return float(effective[taken].sum() / total)

    def unstall(self) -> None:
        """The stall is over."""
        self._stalled[:] = False
        self._take_effect()

    def miss_rate(self, share: float) -> None:
        """So many votes go wrong at random."""
        if not 0 <= share <= 1:
            raise BadOrder(f"a share is between 0 and 1, not {share}")
        self._miss_rate = share
        self._take_effect()

    def miss_slots(self, count: int) -> list[int]:
        """The next slots have no block, whether they come one by one or by a warp."""
        first = max([self.chain.head_slot, *self.chain.missing]) + 1
        slots = list(range(first, first + count))
        self.chain.missing.update(slots)
        return slots

    def _took(self, chosen: NDArray[np.bool_]) -> int:
        self._take_effect()
        return int(chosen.sum())

    def _take_effect(self) -> None:
        self._version += 1
        votes = np.where(self._stalled, OFFLINE, self._votes).astype(np.uint8)
        silent = self._silent | self._stalled if self._stall_silent else self._silent.copy()
        self.chain.behave(Behaviour(self._version, votes, silent, self._miss_rate))

    # ------------------------------------------------------------ operations

    def slash(
        self, indices: Sequence[int] | None = None, *, operator: str | None = None, count: int = 1, kind: Kind = "attestation",
        gossip: bool = True,
    ) -> tuple[list[int], list[Event]]:  # fmt: skip
        """Slashings for the next block: of these validators, or of ``count`` of an operator's. Who, and what is gossiped.

        All votes are one attester slashing, so thousands fit into one block; of proposals 16 fit, the rest waits.
        """
        if kind not in get_args(Kind):
            raise BadOrder(f"a slashing is for a {' or an '.join(get_args(Kind))}, not {kind!r}")
        state = self.chain.state
        chosen = self._pick(indices, operator, count, [slashable(state, i) for i in range(len(state))])
        if kind == "proposal":
            made: list[Operation] = [ProposerSlashing(index, self.chain.head_slot) for index in chosen]
            told = [("proposer_slashing", proposer_slashing(one)) for one in made if isinstance(one, ProposerSlashing)]
        else:
            innocent = [i for i in range(min(len(state), len(chosen) + 2)) if i not in set(chosen)][:2]
            vote = AttesterSlashing(tuple(chosen), state.epoch, tuple(innocent[:1]), tuple(innocent[1:]))
            made, told = [vote], [("attester_slashing", attester_slashing(vote, self.chain.spec.slots_per_epoch))]
        self.chain.pool += made
        return chosen, told if gossip else []

    def exit(self, indices: Sequence[int] | None = None, *, operator: str | None = None, count: int = 1) -> tuple[list[int], list[Event]]:
        """Voluntary exits; 16 fit into a block."""
        state = self.chain.state
        chosen = self._pick(indices, operator, count, [may_exit(state, i) for i in range(len(state))])
        made = [VoluntaryExit(index, state.epoch) for index in chosen]
        self.chain.pool += made
        return chosen, [("voluntary_exit", voluntary_exit(one)) for one in made]

    def consolidate(self, pairs: Sequence[tuple[int, int]] | None = None, *, count: int = 1) -> list[tuple[int, int]]:
        """Consolidation requests; without pairs, validators of others into large ones. The same index twice: switch to compounding."""
        state = self.chain.state
        if pairs is None:
            free = state.active(state.epoch) & (state.exit == FAR)
            group = np.full(len(state), -1)
            group[: len(self.chain.registry)] = self.chain.registry.group
            kinds = state.prefix()
            sources = np.flatnonzero(free & (kinds == 1) & (group >= self.chain.registry.watched))[:count].tolist()
            targets = np.flatnonzero(free & (kinds == 2)).tolist()
            if len(sources) < count or not targets:
                raise BadOrder(f"there are not {count} validators of others to consolidate, or no large one to take them")
            pairs = [(source, targets[i % len(targets)]) for i, source in enumerate(sources)]
        for index in (one for pair in pairs for one in pair):
            self._known(index)
        self.chain.pool += [Consolidation(source, target) for source, target in pairs]
        return [(source, target) for source, target in pairs]

    def withdraw(self, index: int, gwei: int) -> None:
        """A withdrawal request; 0 gwei: a full exit from the execution side."""
        self._known(index)
        self.chain.pool.append(WithdrawalRequest(index, gwei))

    def forfeit(self, gwei: int) -> None:
        """The watched validators lose so much in all, each as much as the other."""
        watched = int((self.chain.registry.group < self.chain.registry.watched).sum())
        self.chain.pool.append(Forfeit(watched, gwei))

    def deposit(self, count: int = 1, gwei: int = 32 * ETHER, *, operator: str = "new", keys: Sequence[Key] | None = None) -> list[bytes]:
        """New validators into the deposit queue: these, or ``count`` invented ones of an operator; their public keys.

        Those of an operator that the registry knows count for it.
        """
        if keys is None:
            numbers = range(self._deposits, self._deposits + count)
            self._deposits += count
            new = [derive_pubkey(f"{operator}/deposit", number) for number in numbers]
            keys = [Key(key, credentials_of(key[:20]), operator) for key in new]
        operators = self.chain.registry.operators
        for key in keys:
            if len(key.pubkey) != 48 or len(key.credentials) != 32:
                raise BadOrder("a deposit has a key of 48 bytes and 32 bytes of credentials")
            if key.operator in operators:
                self.chain.owner_of[key.pubkey] = operators.index(key.operator)
        self.chain.pool += [DepositRequest(key.pubkey, key.credentials, gwei) for key in keys]
        return [key.pubkey for key in keys]

    # ------------------------------------------------------------ choosing

    def _of(self, operator: str) -> NDArray[np.bool_]:
        operators = self.chain.registry.operators
        if operator not in operators:
            raise BadOrder(f"there is no operator {operator!r}; there are: {', '.join(operators)}")
        return np.asarray(self.chain.registry.group == operators.index(operator))

    def _share(self, whose: NDArray[np.bool_], share: float) -> NDArray[np.bool_]:
        if not 0 <= share <= 1:
            raise BadOrder(f"a share is between 0 and 1, not {share}")
        active = np.flatnonzero(whose & self.chain.state.active(self.chain.state.epoch)[: len(whose)])
        chosen = np.zeros(len(whose), bool)
        chosen[active[: round(share * len(active))]] = True
        return chosen

    def _known(self, index: int) -> None:
        if not 0 <= index < len(self.chain.state):
            raise BadOrder(f"there is no validator {index}: the registry has {len(self.chain.state)}")

    def _pick(self, indices: Sequence[int] | None, operator: str | None, count: int, able: Sequence[bool]) -> list[int]:
        if indices is not None:
            for index in indices:
                self._known(index)
                if not able[index]:
                    raise BadOrder(f"validator {index} cannot do that any more, or not yet")
            return sorted(set(indices))
        whose = np.ones(len(self.chain.registry), bool) if operator is None else self._of(operator)
        waiting = self._waiting()
        found = [i for i in np.flatnonzero(whose).tolist() if able[i] and i not in waiting][:count]
        if len(found) < count:
            raise BadOrder(f"only {len(found)} validators can do that, not {count}")
        return found

    def _waiting(self) -> set[int]:
        """Who is in the pool already."""
        found: set[int] = set()
        for operation in self.chain.pool:
            if isinstance(operation, AttesterSlashing):
                found.update(operation.validators)
            elif isinstance(operation, ProposerSlashing | VoluntaryExit):
                found.add(operation.validator)
        return found

    # ------------------------------------------------------------ what it tells

    def balances_at(self, slot: int, operators: Sequence[str] | None = None) -> dict[str, Any]:
        """Gwei at a slot of all watched validators, or of the operators named: held, and withdrawn up to then. Raises BadOrder."""
        names = self.chain.registry.operators
        wanted = names[: self.chain.registry.watched] if operators is None else list(operators)
        if unknown := set(wanted) - set(names):
            raise BadOrder(f"there is no operator {', '.join(sorted(unknown))}; there are: {', '.join(names)}")
        try:
            sums = self.chain.watched_sums(slot)
        except Pruned as error:
            raise BadOrder(
                f"{error}; kept are the last slots of epochs {min(self.chain.sums, default='none')} to {max(self.chain.sums, default='none')}"
            ) from None
        places = [names.index(name) for name in wanted]
        by = {name: int(sums.balances[place]) for name, place in zip(wanted, places, strict=True)}
        return {"slot": slot, "gwei": sum(by.values()), "withdrawn": int(sums.withdrawn[places].sum()), "operators": by}

    def status(self) -> dict[str, Any]:
        """The chain in a few figures."""
        chain, state = self.chain, self.chain.state
        active = state.active(state.epoch)
        names = chain.registry.operators
        return {
            "fork": chain.fork, "slot": chain.head_slot, "epoch": state.epoch, "genesis_time": chain.genesis_time,
            "justified": state.current_justified.epoch, "finalized": state.finalized.epoch, "validators": len(state),
            "active": int(active.sum()), "active_gwei": int(state.effective[active].sum()), "slashed": np.flatnonzero(state.slashed).tolist(),
            "exiting": int(((state.exit < FAR) & active).sum()), "pool": len(chain.pool), "deposits": len(state.deposits),
            "consolidations": len(state.consolidations), "operators": {name: int((chain.registry.group == i).sum()) for i, name in enumerate(names)},
            "watched": names[: chain.registry.watched],
        }  # fmt: skip
