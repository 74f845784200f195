"""A command that cannot go on, said in one line."""

from __future__ import annotations


class Failure(Exception):
    """What is wrong and what to do; ``code`` is the exit code: 1 for a finding, 2 for wrong use."""

    def __init__(self, message: str, code: int = 2) -> None:
        super().__init__(message)
        self.code = code
