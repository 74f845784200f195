"""From a decision to a pause that is mined and read back: exactly once, over crashes and reorganisations (``machine.py`` tells the way)."""
