"""``kill -9`` of the service at random moments during drills, and a restart: nothing lost, nothing twice, exactly one pause.

``python -m tests.service.kill --kills 50 --store sqlite --seed 1`` (``make prove`` does it on both databases). The devnet (chain,
endpoints, inbox) runs in a process of its own and survives; drills are played in rounds, and after each round the Slack inbox, the
chain and the database are compared: see ``ends``. At the end the journal is replayed.
"""

from __future__ import annotations

import argparse
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from monitor.devnet.drills import DRILLS, Drill, Ground
from monitor.devnet.embedded import drilling
from monitor.devnet.place import Devnet
from tests.fixtures.postgres import fresh_database, running_server
from tests.service.ends import Database, Final, against_drill, against_reference, alerts_of, finals, incident_of, violations
from tests.service.victim import Killer, Victim, aims

ROUNDS = ("unbacked-mint", "unapproved-upgrade", "role-grant", "oracle-stall", "pause", "reorg", "slashing", "operator-offline")
WEIGHTS = (4, 3, 2, 2, 1, 2, 3, 2)
START_SECONDS = 180.0
TOLD_SECONDS = 120.0
IDLE_SECONDS = 120.0
SETTLE_BLOCKS = 3


@dataclass
class Report:
    """What came of it. ``violations`` is empty when all held."""

    seed: int
    moments: list[str] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def as_text(self) -> str:
        by = Counter(moment.split(" (+")[0] for moment in self.moments)
        lines = [f"seed {self.seed}: {len(self.moments)} kills, {len(self.violations)} violations, {self.seconds:.0f} s"]
        if self.moments:
            lines[0] += f" ({self.seconds / len(self.moments):.1f} s a kill)"
        return "\n".join([*lines, *(f"  {n:3} {name}" for name, n in by.most_common()), *(f"  VIOLATION {v}" for v in self.violations)])


class Stage:
    """The devnet, the service that is killed, and the ends, for one run. Use ``stage`` to make one."""

    def __init__(self, folder: Path, database: Database, ground: Ground, victim: Victim, say: Callable[[str], object]) -> None:
        self.folder, self.database, self.ground, self.victim, self.say = folder, database, ground, victim, say
        self.begun = ground.head()
        self.pauses: Counter[str] = Counter()

    def play(self, drill: Drill, rng: random.Random, kills: int) -> tuple[list[str], list[Final], list[str]]:
        """One round: the drill with so many kills. The moments of the kills, the final messages, and the violations."""
        known = frozenset(row["id"] for row in self.database.rows("SELECT id FROM incident"))
        killer = Killer(self.victim, self.database, self.ground.devnet.inbox, aims(rng, kills, "sentinel" in drill.pauses), rng)
        self.pauses.update(drill.pauses)
        problems: list[str] = []
        killer.start()
        try:
            time.sleep(rng.uniform(0.0, 1.0))
            drill.act(self.ground)
            self._wait("every alert and pause", lambda: self._missing(drill, known), TOLD_SECONDS)
            drill.undo(self.ground)
        except TimeoutError as late:
            problems.append(str(late))
        finally:
            killer.finish()
        problems += self._idle()
        found = finals(self.ground, self.database, known)
        problems += [*against_drill(drill, found), *violations(self.ground, self.database, self.pauses, self.begun)]
        return killer.moments, found, problems

    def _missing(self, drill: Drill, known: frozenset[str]) -> list[str]:
        """Alerts that are not in the channel, and pauses that are not on the chain."""
        names = alerts_of(self.database)
        told = {name for m in self.ground.messages() if incident_of(m) not in known for name in names.get(incident_of(m), ())}
        missing = [f"{name} in the channel" for name in drill.alerts if name not in told]
        if drill.pauses and not self.ground.world["vault"].read("isPaused"):
            missing.append("the vault's pause on the chain")
        return missing

    def _idle(self) -> list[str]:
        """Wait until nothing is owed any more, and a few blocks longer for what should not come."""
        try:
            for _ in range(2):
                head = self.ground.head()
                self._wait("the end of all that was owed", lambda head=head: self.database.unfinished(head), IDLE_SECONDS)  # type: ignore[misc]
                self.ground.world.wait_blocks(SETTLE_BLOCKS)
        except TimeoutError as late:
            return [str(late)]
        return []

    def _wait(self, what: str, missing: Callable[[], Sequence[str]], seconds: float) -> None:
        deadline, left = time.monotonic() + seconds, ["it was never looked at"]
        while time.monotonic() < deadline:
            try:
                if not (left := list(missing())):
                    return
            except Database.busy as error:
                left = [f"{type(error).__name__}: {error}"]
            time.sleep(0.05)
        raise TimeoutError(f"{what} did not come within {seconds:.0f} s: {', '.join(left)}")

    def replayed(self) -> list[str]:
        """What ``stakewarden replay`` finds in the journal that all the killed processes wrote together."""
        command = [sys.executable, "-m", "monitor.cli", "replay", "--settings", str(self.folder / "settings.yaml")]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        self.say(f"replay: {done.stdout.strip()}")
        return [] if done.returncode == 0 else [f"replay ended with {done.returncode}: {(done.stdout + done.stderr).strip()}"]


@contextmanager
def stage(folder: Path, store: str, say: Callable[[str], object]) -> Iterator[Stage]:
    """A devnet in a process and a folder of its own, and the service on the database at ``store``, started once."""
    log = folder / "devnet.log"
    command = [sys.executable, "-m", "monitor.cli", "devnet", "--folder", str(folder), "--port", str(_free_port()), "--store", store]
    with log.open("wb") as out:
        chain = subprocess.Popen([*command, "--with-parent"], stdout=out, stderr=out)
    try:
        deadline = time.monotonic() + START_SECONDS
        while not (folder / "devnet.json").exists():
            if chain.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the devnet did not start:\n{log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.05)
        with Ground.on(Devnet.read(folder)) as ground, Victim(folder) as victim, drilling(folder) as free:
            assert free
            victim.start()
            ground.wait("the service", lambda: True if ground.ready() is None else None, START_SECONDS)
            made = Stage(folder, Database(store), ground, victim, say)
            yield made
            victim.stop()
    finally:
        chain.terminate()
        chain.wait(20)


def prove(
    folder: Path,
    store: str,
    kills: int,
    seed: int,
    rounds: Sequence[str] | None = None,
    reference: bool = True,
    say: Callable[[str], object] = print,
) -> Report:
    """So many kills. ``rounds``: the drills in order, else at random; ``reference``: play each first without kills, and compare the texts."""
    rng, report, begun = random.Random(seed), Report(seed), time.monotonic()
    drills = _plan(rng, kills, rounds)
    without: dict[str, list[Final]] = {}
    with stage(folder, store, say) as on:
        for name in sorted({name for name, _ in drills}) if reference else ():
            _, without[name], wrong = on.play(DRILLS[name], rng, 0)
            report.violations += [f"{name} without kills: {w}" for w in wrong]
            say(f"{name} without kills: {len(without[name])} final messages")
        begun = time.monotonic()
        for name, count in drills:
            moments, found, wrong = on.play(DRILLS[name], rng, count)
            if name in without:
                wrong += against_reference(without[name], found)
            report.moments += moments
            report.violations += [f"{name}: {w}" for w in wrong]
            report.seconds = time.monotonic() - begun
            say(f"{len(report.moments):3} kills  {name}: {'; '.join(moments)}")
            for problem in wrong:
                say(f"     VIOLATION {problem}")
            if wrong:
                break
        report.violations += on.replayed()
    return report


def _plan(rng: random.Random, kills: int, rounds: Sequence[str] | None) -> list[tuple[str, int]]:
    """Drills and the number of kills in each."""
    found: list[tuple[str, int]] = []
    left = kills
    while left > 0:
        name = rounds[len(found) % len(rounds)] if rounds else rng.choices(ROUNDS, WEIGHTS)[0]
        count = min(left, rng.randint(2, 4))
        found.append((name, count))
        left -= count
    return found


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def main() -> int:
    """The command. 0 when nothing was violated."""
    parser = argparse.ArgumentParser(prog="python -m tests.service.kill", description="kill -9 during drills: nothing lost, nothing twice.")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--store", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--seed", type=int, default=None, help="of the rounds, the aims and the moments; a new one by default")
    parser.add_argument("--rounds", nargs="+", choices=sorted(DRILLS), help="these drills in turn, instead of a random order")
    parser.add_argument("--keep", type=Path, help="an empty folder for everything, kept afterwards")
    given = parser.parse_args()
    # Told to stop, end what was started, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    seed = given.seed if given.seed is not None else random.SystemRandom().randrange(10**6)
    print(f"{given.kills} kills on {given.store}, seed {seed}", flush=True)
    with ExitStack() as stack:
        folder = given.keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="stakewarden-kill-")))
        folder.mkdir(parents=True, exist_ok=True)
        if given.store == "sqlite":
            store = f"sqlite:///{(folder / 'stakewarden.sqlite3').absolute()}"
        else:
            store = fresh_database(stack.enter_context(running_server()))
        report = prove(folder.absolute(), store, given.kills, seed, given.rounds, say=lambda line: print(line, flush=True))
    print(f"{given.store}: {report.as_text()}", flush=True)
    return 1 if report.violations else 0


if __name__ == "__main__":
    sys.exit(main())
