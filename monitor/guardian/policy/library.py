"""The files of an incident library, by their bytes: what a report of a replay was made over, and whether it still lies there."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

SHIPPED = "../incidents"
"""Where a library lies, seen from the responses file, unless something else is named."""


def files_of(folder: Path) -> list[Path]:
    """The incidents of a folder, one a file; the file's name is the incident's."""
    return sorted([*folder.glob("*.yaml"), *folder.glob("*.yml")])


def hashes(folder: Path) -> dict[str, str]:
    """sha256 of each file, by its name. Raises OSError."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files_of(folder)}


def digest(files: Mapping[str, str]) -> str:
    """One hash for all files: of a line for each, its sha256 and its name, in the order of the names, as ``sha256sum`` writes them."""
    return hashlib.sha256("".join(f"{files[name]}  {name}\n" for name in sorted(files)).encode()).hexdigest()
