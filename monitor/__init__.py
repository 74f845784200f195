"""Stakewarden: watches liquid staking and restaking on Ethereum, judges by rules, alerts, and can pause.

The rooms of this package and the direction of its imports are told in ``docs/architecture.md``.
"""

__version__ = "0.1.0"
