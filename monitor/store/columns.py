"""Column types that keep values exactly, in SQLite and PostgreSQL alike."""

from __future__ import annotations

import functools
import json
import math
import struct
import threading
from typing import TYPE_CHECKING, Any

import sqlalchemy
import zstandard
from sqlalchemy import Dialect, LargeBinary, String, Text, TypeDecorator
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import SQLModel

if TYPE_CHECKING:
    from monitor.store.unit import Unit

_ZSTD_LEVEL = 1
_MAX_UNPACKED = 1 << 30


class _Coders(threading.local):
    """zstd's objects are quick to use again and not to be shared by threads."""

    def __init__(self) -> None:
        self.compressor = zstandard.ZstdCompressor(level=_ZSTD_LEVEL, write_checksum=False)
        self.decompressor = zstandard.ZstdDecompressor()


_coders = _Coders()


def pack(data: bytes) -> bytes:
    """Compressed bytes (zstd, one frame that carries its length)."""
    return _coders.compressor.compress(data)


def unpack(data: bytes) -> bytes:
    """The bytes that :func:`pack` was given. Raises zstandard.ZstdError for damaged data."""
    return _coders.decompressor.decompress(data, max_output_size=_MAX_UNPACKED)


def canonical(value: Any) -> str:
    """JSON text that is the same for equal values: sorted keys, no spaces, ASCII. Integers of any size stay exact.

    The standard library's encoder, since orjson refuses integers above 64 bits, reads them back as floats, and turns NaN
    into null without a word. ASCII, because PostgreSQL refuses a NUL in text and an endpoint's error message may hold one.
    Raises ValueError for NaN and infinities, TypeError for what JSON does not have.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def float_text(value: float) -> str:
    """Text that gives back the same bits, also for a NaN with a payload."""
    return repr(value) if not math.isnan(value) else f"nan:{struct.unpack('>Q', struct.pack('>d', value))[0]:016x}"


def text_float(text: str) -> float:
    """The number that :func:`float_text` wrote."""
    if text.startswith("nan:"):
        number: float = struct.unpack(">d", int(text[4:], 16).to_bytes(8, "big"))[0]
        return number
    return float(text)


class Wei(TypeDecorator[int]):
    """An integer of any size as decimal text: SQLite rounds large numerics through floats. Does not sort or add up in SQL."""

    impl = String(80)
    cache_ok = True

    def process_bind_param(self, value: int | None, dialect: Dialect) -> str | None:
        return None if value is None else f"{value:d}"

    def process_result_value(self, value: str | None, dialect: Dialect) -> int | None:
        return None if value is None else int(value)


class CanonicalJson(TypeDecorator[Any]):
    """A JSON value as :func:`canonical` text; None is SQL's NULL. Tuples come back as lists."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        return None if value is None else canonical(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        return None if value is None else json.loads(value)


class PackedText(TypeDecorator[str]):
    """Text, compressed: for large canonical JSON that is read whole and never searched."""

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> bytes | None:
        return None if value is None else pack(value.encode("utf-8", "surrogatepass"))

    def process_result_value(self, value: bytes | None, dialect: Dialect) -> str | None:
        return None if value is None else unpack(value).decode("utf-8", "surrogatepass")


class FloatText(TypeDecorator[float]):
    """A float as text with all its bits: neither database keeps a NaN's payload, SQLite makes NaN NULL."""

    impl = String(32)
    cache_ok = True

    def process_bind_param(self, value: float | None, dialect: Dialect) -> str | None:
        return None if value is None else float_text(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> float | None:
        return None if value is None else text_float(value)


@functools.cache
def inserting(table: type[SQLModel]) -> sqlalchemy.Insert:
    """A plain INSERT into the table, built once; rows are given as parameters when it is executed."""
    return sqlalchemy.insert(table.__table__)  # type: ignore[attr-defined]


def insert(unit: Unit, table: type[SQLModel]) -> sqlite.Insert | postgresql.Insert:
    """The database's own INSERT, which has ``on_conflict_do_nothing`` and ``on_conflict_do_update``."""
    return sqlite.insert(table) if unit.dialect == "sqlite" else postgresql.insert(table)
