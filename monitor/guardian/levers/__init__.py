"""How things are paused: the guardian's own targets (``target``), and every other lever that a protocol has (``declared``, ``survey``)."""

from monitor.guardian.levers.target import HAS_ROLE, IS_PAUSED, PAUSED, RESUME_SINCE, Lever, NoGood, ask

__all__ = ["HAS_ROLE", "IS_PAUSED", "PAUSED", "RESUME_SINCE", "Lever", "NoGood", "ask"]
