"""A soak: the chain is healthy and everything around the service is not. Nothing may be said of Lido, and nothing may be paused.

``python -m tests.service.chaos --minutes 5 --seed 1``. The devnet and the service are processes in a folder of their own. Each round
turns on random faults (endpoints, Slack, reorganisations, a stopped or restarted service), lets the chain live on, heals everything
and then asks the far ends what came of it: see ``Soak.wrong``. At the end the journal is replayed.
"""

from __future__ import annotations

import argparse
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import psutil

from benchmarks.rig import Rig, RigFailed
from monitor.devnet import actions
from monitor.devnet.embedded import drilling
from monitor.devnet.transactions import TransactionFailed
from tests.service.ends import Database, alerts_of, violations

OURS = re.compile(r"(?!Lido|GuardianPause|GuardianResumed|GuardianTargetPaused|RuleErrors)")
"""Alerts that faults around us may raise: nothing about Lido, no pause, and no rule that cannot be evaluated."""
BAD_LINES = ("Traceback", "service.begins_anew", "collector.judge_failed")
SILENT = ("hang", "refuse", "error", "garbage", "cut_body", "unavailable")
"""Modes in which an endpoint tells nothing, so a liar beside two of them is alone."""
HEAL_SECONDS = 180.0
WAIT_SECONDS = 90.0
FORGET_SECONDS = 420
"""Block time after which rules about endpoints have forgotten a fault."""
UNTOLD = (
    "SELECT e.episode, e.rule FROM alert_episode e WHERE e.muted IS NULL AND (e.ended_timestamp IS NULL OR "
    "e.ended_timestamp - e.since_timestamp >= 15) AND NOT EXISTS (SELECT 1 FROM incident_episode m WHERE m.episode = e.episode "
    "AND m.announced AND m.life = e.life)"
)
"""What should have been told. What was muted, or shorter than the routes' group_wait, need not be (alerts/way.py, ``leave``)."""
GROWTH = 1.6
"""The memory at the end of a round, against that after the first one."""


@dataclass(frozen=True)
class Liar:
    """A lie that would be an incident if it were believed."""

    name: str
    modes: Mapping[str, Any]


class Soak:
    """One service on one devnet, for many rounds. ``wrong`` holds what was violated, ``used`` how often each fault was on."""

    def __init__(self, rig: Rig, rng: random.Random, say: Callable[[str], object]) -> None:
        self.rig, self.ground, self.rng, self.say = rig, rig.ground, rng, say
        self.database = Database(rig.url)
        self.begun = self.ground.head()
        self.used: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.alerts: Counter[str] = Counter()
        self.memory: list[int] = []
        self.lines: Counter[str] = Counter()
        self._read = 0
        self._http = httpx.Client(trust_env=False, timeout=10.0)

    # ------------------------------------------------------------ a round

    def round(self, seconds: float) -> None:
        """Faults for so long, then health, then the account."""
        begun = time.monotonic()
        faults = [*self._endpoints(), *(self._slack() if self.rng.random() < 0.5 else ())]
        self.say(f"  on: {', '.join(faults) or 'nothing'}")
        while time.monotonic() - begun < seconds:
            for act in self.rng.sample((self._live, self._live, self._warp, self._reorg, self._stop, self._restart, self._hangup), 2):
                with self._told(act.__name__):
                    act()
            self._health()
            time.sleep(self.rng.uniform(0.2, 2.0))
        self._heal()
        self._account()

    def _endpoints(self) -> Iterator[str]:
        names = list(self.ground.devnet.controls)
        self.rng.shuffle(names)
        broken = names[: self.rng.choices((0, 1, 2, 3), (1, 4, 3, 1))[0]]
        if broken and self.rng.random() < 0.5:
            liar, *broken = broken
            lie = self.rng.choice(self._lies())
            yield self._turn(liar, lie.name, lie.modes)
        elif broken:
            liar = ""
        else:
            return
        for name in broken:
            mode, value = self.rng.choice(_faults(silent_only=bool(liar) and len(broken) == 2))
            yield self._turn(name, mode, {mode: value})

    def _turn(self, endpoint: str, what: str, modes: Mapping[str, Any]) -> str:
        for mode, value in modes.items():
            self.ground.fault(endpoint, mode, value)
        self.used[what] += 1
        return f"{endpoint} {what}"

    def _lies(self) -> tuple[Liar, ...]:
        world = self.ground.world
        lido, queue, vault = world["lido"], world["withdrawal_queue"], world["vault"]

        def lie(target: str, data: str, **how: Any) -> dict[str, Any]:
            return {"lies": [{"target": target, "selector": data[:10], **how}]}

        return (
            Liar("lie:shares", lie(lido.address, lido.artifact.data("getTotalShares"), add=10**24)),
            Liar("lie:pooled", lie(lido.address, lido.artifact.data("getTotalPooledEther"), add=-(10**23))),
            Liar("lie:queue-paused", lie(queue.address, queue.artifact.data("isPaused"), flip=True)),
            Liar("lie:vault-paused", lie(vault.address, vault.artifact.data("isPaused"), flip=True)),
            Liar("lie:balance", {"lies": [{"target": queue.address, "add": -(10**18)}]}),
            Liar("fake_heads", {"fake_heads": True}),
            Liar("omit_logs", {"omit_logs": True}),
        )

    def _slack(self) -> Iterator[str]:
        kind = self.rng.choice(("rate_limited", "server_error", "hang", "drop", "html", "garbage"))
        fault = {
            "kind": kind,
            "count": self.rng.randint(1, 4),
            "accepted": kind != "rate_limited" and self.rng.random() < 0.5,
            "seconds": 2.0,
        }
        self._http.post(f"{self.ground.devnet.inbox}/control/faults", json=fault).raise_for_status()
        self.used[f"slack:{kind}"] += 1
        yield f"slack {kind}"

    # ------------------------------------------------------------ what happens meanwhile

    def _live(self) -> None:
        world, who = self.ground.world, self.ground.world.account("staker_1")
        actions.stake(world, who, self.rng.randint(1, 20) * 10**18)
        actions.request_withdrawals(world, who, [10**18])

    def _warp(self) -> None:
        self.ground.pass_time(self.rng.randint(30, 600))

    def _reorg(self) -> None:
        world, head = self.ground.world, self.ground.head()
        # Below the first block that the service ever judged it has nothing to go back to, and says rightly that the chain is lost. And an
        # orphaned report can come again only within its own frame: deeper, a report would truly be missed.
        ref_slot, _ = world["hash_consensus_ao"].read("getCurrentFrame")
        room = 0
        while head - room > self.begun + 1 and self._time(head - room) > world.time_of(ref_slot + 1):
            room += 1
            if room == 20:
                break
        if room:
            actions.reorg(world, self.rng.randint(1, room))
            actions.heartbeat(world)

    def _time(self, number: int) -> int:
        return int(self.ground.world.rpc.call("eth_getBlockByNumber", hex(number), False)["timestamp"], 16)

    def _stop(self) -> None:
        self.rig.service.send_signal(signal.SIGSTOP)
        try:
            time.sleep(self.rng.uniform(0.5, 6.0))
        finally:
            self.rig.service.send_signal(signal.SIGCONT)

    def _restart(self) -> None:
        self._log()
        self.rig.restart_service()
        self._read = 0

    def _hangup(self) -> None:
        self.rig.service.send_signal(signal.SIGHUP)

    @contextmanager
    def _told(self, name: str) -> Iterator[None]:
        """The harness is not what is tested: an act that the chain refuses (a reorg took its base away) is only counted."""
        self.used[name.strip("_")] += 1
        try:
            yield
        except (TransactionFailed, TimeoutError) as error:
            self.used[f"{name.strip('_')}:{type(error).__name__}"] += 1

    # ------------------------------------------------------------ healing, and the account

    def _heal(self) -> None:
        for name in self.ground.devnet.controls:
            self.ground.fault(name, "healthy")
        self._http.delete(f"{self.ground.devnet.inbox}/control/faults").raise_for_status()
        with self._late():
            self.ground.wait("readiness after healing", lambda: True if self.ground.ready() is None else None, HEAL_SECONDS)
            self.ground.world.wait_blocks(3)
            self.ground.caught_up(WAIT_SECONDS)
            self.ground.pass_time(FORGET_SECONDS)
            left: list[str] = []
            try:
                self.ground.wait("the end", lambda: True if not left_after(self, left) else None, HEAL_SECONDS)
            except TimeoutError:
                firing = sorted(
                    {a["labels"]["alertname"] for i in self.ground.status()["incidents"] if not i["closed_at"] for a in i["alerts"]}
                )
                raise TimeoutError(f"not over {HEAL_SECONDS:.0f} s after healing: {', '.join(left)}; open: {firing}") from None

    @contextmanager
    def _late(self) -> Iterator[None]:
        try:
            yield
        except TimeoutError as error:
            self._note(f"{error} (not ready: {self.ground.ready()})")

    def _health(self) -> None:
        try:
            status = self._http.get(f"{self.ground.devnet.web}/healthz").status_code
        except httpx.HTTPError as error:
            self._note(f"/healthz does not answer ({type(error).__name__})")
        else:
            if status != 200:
                self._note(f"/healthz is {status}")

    def _account(self) -> None:
        for found in violations(self.ground, self.database, {}, self.begun):
            if not found.endswith("was never told"):
                self._note(found)
        for row in self.database.rows(UNTOLD):
            self._note(f"{row['rule']} was never told ({row['episode']})")
        pauses = self.database.number("SELECT count(*) FROM guardian_pause")
        if pauses:
            self._note(f"{pauses} pauses were decided")
        self.alerts = Counter(name for names in alerts_of(self.database).values() for name in names)
        for name in self.alerts:
            if not OURS.match(name):
                self._note(f"{name} was told, and nothing happened to Lido")
        self._log()
        self._memory()

    def _log(self) -> None:
        """The service's lines since the last look. A restart writes the file anew."""
        text = (self.rig.folder / "run.log").read_text(errors="replace")
        fresh, self._read = text[self._read :], len(text)
        for line in fresh.splitlines():
            for bad in BAD_LINES:
                if bad in line:
                    self.lines[bad] += 1
                    self._note(f"the log says {line.strip()[:400]}")

    def _memory(self) -> None:
        self.memory.append(self.rig.service.memory_info().rss)
        if self.memory[-1] > GROWTH * self.memory[0]:
            self._note(f"memory grew from {self.memory[0] >> 20} to {self.memory[-1] >> 20} MiB")

    def _note(self, what: str) -> None:
        if what not in self.wrong:
            self.wrong.append(what)
            self.say(f"  VIOLATION {what}")

    def replay(self) -> None:
        """The journal, judged again."""
        command = [sys.executable, "-m", "monitor.cli", "replay", "--settings", str(self.rig.folder / "settings.yaml")]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        self.say(f"replay: {done.stdout.strip()}")
        if done.returncode:
            self._note(f"replay ended with {done.returncode}: {(done.stdout + done.stderr).strip()[-600:]}")


def left_after(soak: Soak, into: list[str]) -> list[str]:
    """What is not over yet, kept for the one who asks why."""
    into[:] = soak.database.unfinished(soak.ground.head() - 3)
    return into


def _faults(silent_only: bool) -> tuple[tuple[str, Any], ...]:
    silent = tuple((mode, True) for mode in SILENT)
    if silent_only:
        return silent
    return (
        *silent,
        ("lag", 3),
        ("lag", 40),
        ("prune", 4),
        ("rate_limit", {"style": "http"}),
        ("rate_limit", {"style": "rpc"}),
        ("log_limit", {"blocks": 1}),
        ("ids", "shuffled"),
        ("ids", "missing"),
        ("ids", "wrong"),
        ("slow_ms", 800),
        ("no_socket", True),
        ("mute_socket", True),
        ("batch_error", True),
    )


def main() -> int:
    """The command. 0 when nothing was violated."""
    parser = argparse.ArgumentParser(prog="python -m tests.service.chaos", description="Faults all around a healthy chain.")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--round-seconds", type=float, default=20.0)
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        with Rig() as rig, drilling(rig.folder):
            soak = Soak(rig, random.Random(given.seed), lambda line: print(line, flush=True))
            until, number = time.monotonic() + 60 * given.minutes, 0
            while time.monotonic() < until:
                number += 1
                print(f"seed {given.seed} round {number}", flush=True)
                soak.round(given.round_seconds)
            soak.replay()
    except (RigFailed, psutil.Error) as error:
        print(f"seed {given.seed}: the service ended: {error}", flush=True)
        return 1
    print(f"seed {given.seed}: {number} rounds, {len(soak.wrong)} violations; faults {dict(soak.used)}; alerts {dict(soak.alerts)}")
    print(f"memory MiB {[m >> 20 for m in soak.memory]}; log {dict(soak.lines)}", flush=True)
    return 1 if soak.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
