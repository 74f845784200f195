"""A secret of the settings: in place, in a file of its own, or in the environment. Read, refused and remembered in this one way.

Whatever is read here is held by :mod:`monitor.model.secrecy`, so it is veiled wherever a stranger tells it back. Errors name the setting, the
path or the variable, and the remedy; never what was read.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, SecretStr

from monitor.model.secrecy import hold

LARGEST = 64 * 1024
"""Bytes of a file that may be a secret."""
MOUNTED = (Path("/run/secrets"), Path("/var/run/secrets"))
"""Where container engines put secrets. They choose the mode themselves (Docker 0444), and nobody else lives in a container."""
_ALONE = "write the secret alone into it"


class NoSecret(ValueError):
    """A secret cannot be had: which setting, what is wrong with its source, and the remedy."""

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(f"{reason}: {remedy}")
        self.reason, self.remedy = reason, remedy


def one_of(setting: str, value: object, file: Path | None, required: bool = True) -> None:
    """For validators: raises ValueError unless one of ``setting`` and ``setting_file`` is given (if not ``required``: at most one)."""
    if value is not None and file is not None:
        raise ValueError(f"give either {setting} or {setting}_file, not both")
    if required and value is None and file is None:
        raise ValueError(f"give either {setting} (in the environment, rather than here) or {setting}_file (a file that holds it)")


def secret(setting: str, value: SecretStr | None, file: Path | None = None) -> str | None:
    """The secret of ``setting``, or of the file of ``setting_file``: one line, without white space around it. None: neither is given.

    A file is read each time, so a secret that is changed there counts at its next use. Raises NoSecret.
    """
    lines = secret_lines(setting, value, file)
    if len(lines) > 1:
        where = setting if file is None else f"{setting}_file {file}"
        raise NoSecret(f"{where} holds {len(lines)} lines where one is expected", _ALONE)
    return lines[0] if lines else None


def secret_lines(setting: str, value: SecretStr | None, file: Path | None = None) -> tuple[str, ...]:
    """Secrets, one a line, of a setting that may hold several; none when neither ``value`` nor ``file`` is given. Raises NoSecret."""
    if file is not None:
        text = from_file(f"{setting}_file", file)
    elif value is not None:
        text = value.get_secret_value()
        if not text.strip():
            raise NoSecret(f"{setting} is empty", "give the secret, or leave the setting out (in the environment: unset its variable)")
    else:
        return ()
    return _held(text)


def from_file(setting: str, path: Path) -> str:
    """The text of a secret's file without white space around it; ``setting`` is the whole key (``key_file``). Raises NoSecret."""
    text = file_text(setting, path)
    _held(text)
    return text


def file_text(setting: str, path: Path) -> str:
    """As :func:`from_file`, and nothing is held: for a file of which only a part is secret, which its reader must hold."""
    where = f"{setting} {path}"
    try:
        with path.open("rb") as file:
            read = file.read(LARGEST + 1)
    except FileNotFoundError:
        raise NoSecret(f"{where} is not there", "check its path, or write the secret into it") from None
    except IsADirectoryError:
        raise NoSecret(f"{where} is a folder", "name the file in it; Docker makes a folder where the file to mount is missing") from None
    except PermissionError:
        raise NoSecret(f"{where} may not be read", "make the user that runs Stakewarden its owner, or a member of its group") from None
    except (OSError, ValueError) as error:
        raise NoSecret(f"{where} cannot be read ({getattr(error, 'strerror', None) or type(error).__name__})", "check its path") from None
    if len(read) > LARGEST:
        raise NoSecret(f"{where} is larger than {LARGEST} bytes", f"that is no secret: {_ALONE}")
    try:
        text = read.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        raise NoSecret(f"{where} is not UTF-8 text", f"{_ALONE}, as plain text") from None
    if not text:
        raise NoSecret(f"{where} is empty", _ALONE)
    return text


def from_environment(setting: str, name: str, environment: Mapping[str, str] | None = None) -> str:
    """The value of the variable that a setting names, as it is. Raises NoSecret."""
    text = (os.environ if environment is None else environment).get(name, "")
    if _held(text):
        return text
    if re.fullmatch(r"[0-9a-fA-F]{32,}", name):  # somebody took it for the place of the key itself
        raise NoSecret(f"{setting} names no variable", "give the name of the environment variable that holds the secret, never the secret")
    raise NoSecret(f"{setting}: the environment variable {name} is not set", "set it for this process, or name a file")


def exposed(settings: BaseModel) -> list[str]:
    """A line for each file with a secret that every user of this machine can read: allowed, since some mounts leave no choice, and told.

    A folder on its way that others may not enter protects it too.
    """
    return [
        f"{key} {path} can be read by every user of this machine: chmod 0400, and let its owner be the user that runs Stakewarden"
        for key, path in _files(settings)
        if _open_to_all(path)
    ]


def _held(text: str) -> tuple[str, ...]:
    """The lines that are not empty, each held: an address that stands among others is taken apart as one."""
    lines = tuple(line.strip() for line in text.splitlines() if line.strip())
    for line in lines:
        hold(line)
    return lines


def _files(value: Any, key: str = "") -> Iterator[tuple[str, Path]]:
    """Each file that holds a secret, by the setting's key: all that are named so, but certificates and declared levers, which are public."""
    if isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _files(getattr(value, name), f"{key}.{name}" if key else name)
    elif isinstance(value, (tuple, list)):
        for number, inner in enumerate(value):
            yield from _files(inner, f"{key}.{number}")
    elif isinstance(value, Path) and key.endswith("_file") and not key.endswith(("ca_file", "levers_file")):
        yield key, value


def _open_to_all(path: Path) -> bool:
    try:
        real, way = path.resolve(strict=True), path.absolute().parents
        mounted = any(folder in MOUNTED for folder in (*way, *real.parents))
        return not mounted and bool(real.stat().st_mode & stat.S_IROTH) and all(f.stat().st_mode & stat.S_IXOTH for f in real.parents)
    except (OSError, RuntimeError):
        return False  # what cannot be read is told by whoever reads it
