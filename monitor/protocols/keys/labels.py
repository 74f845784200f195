"""What operators are called in labels: module, number, name. People write names, so they are made harmless first."""

from __future__ import annotations

import unicodedata

NAME_LENGTH = 40
UNLISTED = "unlisted"
"""Validators that withdraw to the protocol and have no key of its registries."""


def plain(text: bytes) -> str:
    """A name fit for a label: NFC, without control and format characters (that could turn the text around) and without ``#``,

    which separates the number; runs of spaces are one, and what is longer than 40 characters is cut.
    """
    shown = unicodedata.normalize("NFC", text[: NAME_LENGTH * 16].decode("utf-8", "replace"))
    kept = "".join(" " if c.isspace() else c for c in shown if c.isspace() or (unicodedata.category(c)[0] != "C" and c not in "#\ufffd"))
    return " ".join(kept.split())[:NAME_LENGTH].rstrip()


def label(module: str, operator: int, name: str) -> str:
    """``curated #7 Some Name``: unique, since module names are and the number comes first."""
    return f"{module} #{operator} {name}".rstrip()


def others(module: str) -> str:
    """Of the operators of a module for whom there is no group of their own left."""
    return f"{module} others"
