"""A real Prometheus as the reference: started on loopback, filled by remote write, asked over its HTTP API."""

from __future__ import annotations

import contextlib
import shutil
import socket
import struct
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import httpx

STALE = struct.unpack("<d", struct.pack("<Q", 0x7FF0000000000002))[0]
"""Prometheus' own marker for "this series ended here"."""

Samples = Mapping[tuple[tuple[str, str], ...], Iterable[tuple[int, bytes]]]
"""By label set (with ``__name__``): time in seconds and the value as 8 bytes, so that no NaN loses its payload."""


def packed(value: float) -> bytes:
    return struct.pack("<d", value)


class Prometheus:
    """The HTTP API of a running server."""

    def __init__(self, url: str) -> None:
        self._http = httpx.Client(base_url=url, trust_env=False, timeout=30)

    def write(self, samples: Samples) -> None:
        body = _snappy(b"".join(_field(1, _series(labels, points)) for labels, points in samples.items()))
        headers = {
            "Content-Encoding": "snappy",
            "Content-Type": "application/x-protobuf",
            "X-Prometheus-Remote-Write-Version": "0.1.0",
        }
        self._http.post("/api/v1/write", content=body, headers=headers).raise_for_status()

    def query(self, expr: str, at: int) -> dict[tuple[tuple[str, str], ...], float] | float | str:
        """The elements by label set, a scalar, or the text of an error."""
        answer = self._http.get("/api/v1/query", params={"query": expr, "time": at}).json()
        if answer["status"] != "success":
            return str(answer["error"])
        data = answer["data"]
        if data["resultType"] == "scalar":
            return float(data["result"][1])
        return {tuple(sorted(e["metric"].items())): float(e["value"][1]) for e in data["result"]}

    def query_range(self, expr: str, start: int, end: int, step: int) -> dict[tuple[tuple[str, str], ...], dict[int, float]]:
        """The points of each series by time."""
        answer = self._http.get("/api/v1/query_range", params={"query": expr, "start": start, "end": end, "step": step}).json()
        assert answer["status"] == "success", answer
        return {tuple(sorted(e["metric"].items())): {int(t): float(v) for t, v in e["values"]} for e in answer["data"]["result"]}

    def ready(self) -> bool:
        try:
            return self._http.get("/-/ready").status_code == 200
        except httpx.TransportError:
            return False


@contextlib.contextmanager
def running(folder: Path, lookback: int) -> Iterator[Prometheus]:
    """A server with an empty database; ``lookback`` seconds is how long a sample speaks."""
    program = shutil.which("prometheus")
    assert program, "Debian's package prometheus is missing; apt-get install prometheus"
    config = folder / "prometheus.yml"
    config.write_text("global: {}\n")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    arguments = (
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={address}",
        f"--query.lookback-delta={lookback}s",
        "--web.enable-remote-write-receiver",
        "--storage.tsdb.retention.time=100y",
    )
    with (folder / "log").open("wb") as log, subprocess.Popen([program, *arguments], stdout=log, stderr=log) as process:
        try:
            server = Prometheus(f"http://{address}")
            deadline = time.monotonic() + 30
            while not server.ready():
                assert process.poll() is None and time.monotonic() < deadline, (folder / "log").read_text()
                time.sleep(0.05)
            yield server
        finally:
            process.terminate()


def _series(labels: tuple[tuple[str, str], ...], points: Iterable[tuple[int, bytes]]) -> bytes:
    parts = [_field(1, _field(1, name.encode()) + _field(2, value.encode())) for name, value in labels]
    parts += [_field(2, b"\x09" + value + b"\x10" + _varint(at * 1000)) for at, value in points]
    return b"".join(parts)


def _field(number: int, content: bytes) -> bytes:
    return bytes([number << 3 | 2]) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def _snappy(data: bytes) -> bytes:
    """Snappy's block format with literals alone: valid, not smaller."""
    out = [_varint(len(data))]
    for start in range(0, len(data), 1 << 16):
        piece = data[start : start + (1 << 16)]
        out += [b"\xf4", struct.pack("<H", len(piece) - 1), piece]
    return b"".join(out)
