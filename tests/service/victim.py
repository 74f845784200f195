"""The service as a process that is killed with SIGKILL, and the aims at which it is killed: random moments and narrow ones."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import httpx

from monitor.cli.__main__ import application
from tests.fixtures.processes import context
from tests.service.ends import Database

POLL_SECONDS = 0.002
MISSED_SECONDS = 10.0
"""When the moment that an aim waits for does not come so long after the service leads, it is killed all the same: that is a random moment."""
LEADS_SECONDS = 60.0
ENDING_SECONDS = 2.0
"""The same, when the round waits for nothing else any more."""


def serve(settings: str, log: str) -> None:
    """What ``stakewarden run --settings`` does, with its logs at the end of a file."""
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    application("run")(["run", "--settings", settings])


class Victim:
    """``stakewarden run`` in a process of its own; only this very process is ever killed. Its logs go to ``service.log`` in the folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._process: ForkServerProcess | None = None
        self._log = folder / "service.log"
        self._said = 0

    def start(self) -> None:
        self._said = self._log.stat().st_size if self._log.exists() else 0
        self._process = context.Process(target=serve, args=(str(self.folder / "settings.yaml"), str(self._log)))
        self._process.start()

    def leads(self) -> bool:
        """Whether it said that it acts, since its start."""
        if not self._log.exists():
            return False
        with self._log.open("rb") as log:
            log.seek(self._said)
            return b'"service.leads"' in log.read()

    def kill(self) -> None:
        """SIGKILL, and wait until the process is gone. Raises RuntimeError when it had ended by itself: it must not."""
        assert self._process is not None
        self._process.kill()
        self._process.join()
        if self._process.exitcode != -signal.SIGKILL:
            raise RuntimeError(f"the service ended by itself with {self._process.exitcode}; its last words stand in {self._log}")

    def stop(self) -> None:
        """End it in order. Raises RuntimeError when it does not end, or not with 0."""
        assert self._process is not None
        self._process.terminate()
        self._process.join(20)
        if self._process.exitcode is None:
            self._process.kill()
            self._process.join()
            raise RuntimeError("the service did not end within 20 s of SIGTERM")
        if self._process.exitcode != 0:
            raise RuntimeError(f"the service ended with {self._process.exitcode}")

    def __enter__(self) -> Victim:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None and self._process.is_alive():
            self._process.kill()
            self._process.join()


@dataclass(frozen=True)
class Aim:
    """A moment to kill at. ``found`` is polled from when the service leads until it is true (None: from its start, and at once);
    ``after`` seconds later the service is killed.

    ``fault`` is a fault of the inbox that is set beforehand, so that the moment lasts, or the outcome of a message is unknown.
    """

    name: str
    found: Callable[[Database], bool] | None = None
    after: tuple[float, float] = (0.0, 0.0)
    fault: dict[str, Any] | None = None


class Judged:
    """True once a moment was judged that changed an alert, after the first look."""

    def __init__(self) -> None:
        self.first: int | None = None

    def __call__(self, database: Database) -> bool:
        now = database.number("SELECT count(*) FROM transition")
        if self.first is None:
            self.first = now
        return now > self.first


class Evaluated:
    """True once an epoch was evaluated after the first look: what it tells waits in memory for the next judged block."""

    def __init__(self) -> None:
        self.first: str | None = None

    def __call__(self, database: Database) -> bool:
        now = str([row["value"] for row in database.rows("SELECT value FROM meta WHERE key = 'offline_streaks'")])
        if self.first is None:
            self.first = now
        return now != self.first


def _pause(*states: str) -> Callable[[Database], bool]:
    named = ", ".join(f"'{state}'" for state in states)
    return lambda database: database.number(f"SELECT count(*) FROM guardian_pause WHERE state IN ({named})") > 0


def _sending(database: Database) -> bool:
    return database.number("SELECT count(*) FROM delivery WHERE state = 'sending' AND receiver = 'slack'") > 0


def _fault(kind: str, **more: Any) -> dict[str, Any]:
    return {"kind": kind, "method": "chat.postMessage", **more}


PAUSE_AIMS: tuple[Callable[[], Aim], ...] = (
    lambda: Aim("pause decided", _pause("decided")),
    lambda: Aim("pause signed, not sent", _pause("signed", "gathered", "simulated")),
    lambda: Aim("pause sent, not mined", _pause("sent", "replaced"), (0.0, 0.9)),
    lambda: Aim("pause mined, not reported", _pause("mined", "verified")),
)
"""In the order in which their moments come."""

AIMS: tuple[Callable[[], Aim], ...] = (
    lambda: Aim("at random", after=(0.0, 5.0)),
    lambda: Aim("while it starts", after=(0.0, 1.5)),
    lambda: Aim("just judged", Judged()),
    lambda: Aim("epoch evaluated, not admitted", Evaluated(), (0.0, 0.4)),
    lambda: Aim("message attempted", _sending),
    lambda: Aim("message accepted, answer lost", _sending, (0.03, 0.3), _fault("hang", accepted=True, seconds=2.0)),
    lambda: Aim("message accepted after the kill", _sending, fault=_fault("slow", seconds=0.5)),
    lambda: Aim("message accepted long after the kill", _sending, fault=_fault("slow", seconds=2.5)),
    lambda: Aim("message never accepted", _sending, (0.03, 0.3), _fault("hang", seconds=2.0)),
)


def aims(rng: random.Random, count: int, pauses: bool) -> list[Aim]:
    """So many aims for one round; where a pause comes, half of them along its way."""
    along = sorted(rng.sample(range(len(PAUSE_AIMS)), min(len(PAUSE_AIMS), (count + 1) // 2))) if pauses else []
    found = [PAUSE_AIMS[i]() for i in along]
    while len(found) < count:
        found.insert(rng.randint(0, len(found)), rng.choice(AIMS)())
    return found


class Killer(threading.Thread):
    """Kills the service at each aim, one after the other, and starts it again at once.

    ``moments`` tells for each kill the aim, how long after the round's begin, and what the database says was under way.
    """

    def __init__(self, victim: Victim, database: Database, inbox: str, aims: Sequence[Aim], rng: random.Random) -> None:
        super().__init__(name="killer", daemon=True)
        self.moments: list[str] = []
        self.error: Exception | None = None
        self._victim, self._database, self._inbox, self._aims, self._rng = victim, database, inbox, aims, rng
        self._ending = threading.Event()

    def finish(self) -> None:
        """The round has nothing else to wait for: make an end. Raises what went wrong."""
        self._ending.set()
        self.join()
        if self.error is not None:
            raise self.error

    def run(self) -> None:
        begun = time.monotonic()
        try:
            with httpx.Client(trust_env=False, base_url=self._inbox, timeout=5.0) as inbox:
                for aim in self._aims:
                    hit = self._wait(aim, inbox)
                    at = time.monotonic() - begun
                    self._victim.kill()
                    inbox.delete("/control/faults").raise_for_status()
                    self.moments.append(f"{aim.name if hit else 'at random'} (+{at:.2f} s; {self._database.under_way()})")
                    self._victim.start()
        except Exception as error:
            self.error = error

    def _wait(self, aim: Aim, inbox: httpx.Client) -> bool:
        if aim.fault is not None:
            inbox.post("/control/faults", json=aim.fault).raise_for_status()
        found = self._watch(aim.found) if aim.found is not None else True
        if found:
            time.sleep(self._rng.uniform(*aim.after))
        return found

    def _watch(self, found: Callable[[Database], bool]) -> bool:
        """Poll; False when the moment does not come in time. Raises RuntimeError when the service does not come to lead."""
        deadline = time.monotonic() + LEADS_SECONDS
        while not self._victim.leads():
            if time.monotonic() > deadline:
                raise RuntimeError(f"the service did not lead within {LEADS_SECONDS:.0f} s of its start")
            time.sleep(10 * POLL_SECONDS)
        deadline = time.monotonic() + MISSED_SECONDS
        while time.monotonic() < deadline:
            if self._ending.is_set():
                deadline = min(deadline, time.monotonic() + ENDING_SECONDS)
            with contextlib.suppress(*self._database.busy):
                if found(self._database):
                    return True
            time.sleep(POLL_SECONDS)
        return False
