"""Ethereum's own protocol: pure, vectorised formulas of the consensus layer, from one state to the facts of an epoch."""

from monitor.protocols.ethereum.evaluate import Evaluated, evaluate
from monitor.protocols.ethereum.participation import NotEvaluable
from monitor.protocols.ethereum.slashing import Losses, expected_losses
from monitor.protocols.ethereum.streaks import DamagedStreaks, Streaks, advance

__all__ = ["DamagedStreaks", "Evaluated", "Losses", "NotEvaluable", "Streaks", "advance", "evaluate", "expected_losses"]
