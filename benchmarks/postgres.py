"""A PostgreSQL server of our own that syncs every commit to the disk, for as long as it is measured."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

MISSING = "PostgreSQL is not installed, so it was not measured: sudo apt-get install postgresql"


def programs() -> Path | None:
    """The newest server programs, which Debian keeps outside PATH; None when there are none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3].split(".")[0]))
    if found:
        return found[-1].parent
    here = shutil.which("initdb")
    return Path(here).parent if here else None


@contextlib.contextmanager
def server(folder: Path) -> Iterator[str]:
    """The URL of an empty database on a free port; durability is left as PostgreSQL ships it (fsync, synchronous_commit on)."""
    place = programs()
    if place is None:
        raise FileNotFoundError(MISSING)
    home = Path(tempfile.mkdtemp(prefix="postgres-", dir=folder))
    # The server refuses to run as root.
    user = "postgres" if os.geteuid() == 0 else None
    if user:
        folder.chmod(0o755)
        shutil.chown(home, user)
    data, port = home / "data", _free_port()
    _call([place / "initdb", "-D", data, "-A", "trust", "-U", "bench", "-E", "UTF8", "--locale=C"], user, home)
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories="
    _call([place / "pg_ctl", "-D", data, "-o", options, "-l", home / "log", "-w", "start"], user, home)
    try:
        yield f"postgresql://bench@127.0.0.1:{port}/postgres"
    finally:
        _call([place / "pg_ctl", "-D", data, "-m", "fast", "-w", "stop"], user, home)


def _call(command: list[str | Path], user: str | None, home: Path) -> None:
    # Not through a pipe: the server inherits it and would keep it open.
    subprocess.run(command, user=user, cwd=home, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
