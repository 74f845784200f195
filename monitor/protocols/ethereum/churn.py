"""How much stake may come, go and move in an epoch, and when an exit that asks now gets its turn (consensus-specs, Electra, Gloas)."""

from __future__ import annotations

from dataclasses import dataclass

from monitor.chain.beacon.spec import Fork, Spec


@dataclass(frozen=True, slots=True)
class Churn:
    """Gwei an epoch: of deposits that are credited; of exits and partial withdrawals; of consolidations."""

    activation: int
    exit: int
    consolidation: int

    @classmethod
    def of(cls, spec: Spec, fork: Fork, total_active: int) -> Churn:
        """The limits of a fork at a total active balance in gwei."""
        if fork == "gloas":
            limit = _share(spec, total_active, spec.churn_limit_quotient_gloas, spec.min_per_epoch_churn_limit_electra)
            moved = _share(spec, total_active, spec.consolidation_churn_limit_quotient, 0)
            return cls(min(spec.max_per_epoch_activation_churn_limit_gloas, limit), limit, moved)
        limit = _share(spec, total_active, spec.churn_limit_quotient, spec.min_per_epoch_churn_limit_electra)
        both = min(spec.max_per_epoch_activation_exit_churn_limit, limit)
        return cls(both, both, limit - both)


@dataclass(frozen=True, slots=True)
class Turn:
    """When something leaves by a queue: the epoch, and what is left of that epoch's churn after it, gwei."""

    epoch: int
    left: int


def turn(spec: Spec, epoch: int, earliest: int, left: int, churn: int, gwei: int) -> Turn | None:
    """The exit epoch of ``gwei`` that ask in ``epoch``, behind those before them (compute_exit_epoch_and_update_churn).

    ``earliest`` and ``left`` are the state's last exit epoch of the queue and what of its churn is not taken yet. None without churn.
    """
    if churn == 0:
        return None
    start = max(earliest, activation_exit_epoch(spec, epoch))
    available = churn if earliest < start else left
    more = max(0, -(-(gwei - available) // churn))
    return Turn(start + more, available + more * churn - gwei)


def activation_exit_epoch(spec: Spec, epoch: int) -> int:
    """The first epoch in which what is decided in ``epoch`` can take effect."""
    return epoch + 1 + spec.max_seed_lookahead


def _share(spec: Spec, total_active: int, quotient: int, at_least: int) -> int:
    limit = max(at_least, total_active // quotient)
    return limit - limit % spec.effective_balance_increment
