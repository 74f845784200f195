"""Putting a guardian on a chain: a plan that people review, what follows from it, and reading back what came of it."""
