"""Secrets that this process holds. A stranger's text may tell one back (providers write keys into their errors): it is veiled before it is shown.

What stands in files and in the environment is held when it is read (``secret_settings``), what stands in the settings when they are loaded.

What we write ourselves never has a secret in it; this is for what others answer, and a net under the logs.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from pydantic import BaseModel, SecretStr

LEAST = 8
"""Characters of the shortest part that is taken for a secret: shorter ones are words such as ``rpc`` or ``mainnet``."""
VEIL = "<secret>"
_held: set[str] = set()


def hold(text: str) -> None:
    """From now on ``veiled`` hides this text, its words, and if it is an address, what may be secret in that: all but host and port."""
    for part in _parts(text.strip()):
        if len(part) >= LEAST:
            _held.add(part)


def hold_settings(model: BaseModel) -> None:
    """Hold every secret that stands in the settings themselves."""
    for value in _secrets(model):
        hold(value)


def veiled(text: str) -> str:
    """The text without any secret that is held."""
    # The longest first: what is left of it when a part was replaced would not be found any more.
    for secret in sorted((s for s in _held if s in text), key=len, reverse=True):
        text = text.replace(secret, VEIL)
    return text


def _parts(text: str) -> Iterator[str]:
    """A text and its words; of an address what may be a key in it, so that of a local node, or of a SQLite file, holds nothing."""
    if "://" not in text:
        yield text
        yield from text.split()
        return
    try:
        address = urlsplit(text)
        found = [
            *(name for name in [address.username or ""] if not _is_word(name)),
            address.password or "",
            *(part for part in address.path.split("/") if not _is_word(part)),
            *(value for _, value in parse_qsl(address.query)),
        ]
    except ValueError:
        return
    if address.netloc:
        # As HTTP sends name and password (RFC 7617): that is what a far end has seen of them.
        yield b64encode(f"{unquote(address.username or '')}:{unquote(address.password or '')}".encode()).decode()
        yield from found
        yield from map(unquote, found)


def _is_word(part: str) -> bool:
    """A user's name, or a part of a path, that is a word (``heartbeat``) and no key: keys have digits or capitals, and are long."""
    return len(part) < 16 and part.isascii() and part.replace("-", "").replace("_", "").isalpha() and part.islower()


def _secrets(value: Any) -> Iterator[str]:
    if isinstance(value, SecretStr):
        yield value.get_secret_value()
    elif isinstance(value, BaseModel):
        for field in type(value).model_fields:
            yield from _secrets(getattr(value, field))
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _secrets(inner)
    elif isinstance(value, (tuple, list)):
        for inner in value:
            yield from _secrets(inner)
