"""Drills: scripted incidents on the embedded chain, each with exactly what must come of it."""

from monitor.devnet.drills.ground import Ground, NotReady
from monitor.devnet.drills.play import Drill, Outcome, rehearse
from monitor.devnet.drills.scripts import DRILLS

__all__ = ["DRILLS", "Drill", "Ground", "NotReady", "Outcome", "rehearse"]
