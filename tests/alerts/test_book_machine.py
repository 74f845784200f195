"""The book under random lives of alerts, silences, crashes and rollbacks: nothing that must be said is lost, nothing is said twice."""

from __future__ import annotations

import tempfile
import uuid
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from monitor.alerts.book import Judged
from monitor.model import BlockStamp, Cause, Silence, State, Transition
from tests.alerts.making import Desk, Unit, block, engine_at, episode_of, moved

ALERTS = ("Page/a", "Page/b", "Ticket/a", "Ticket/b", "NoHead", "Endpoint/a", "Endpoint/b")
SEVERITY = {"Ticket": "ticket", "Endpoint": "ticket"}
CAUSES: tuple[Cause, ...] = ("judged", "expired", "reorg", "reload", "made_up")
WORDS = {"judged": "resolved", "made_up": "resolved", "expired": "expired", "reorg": "retracted", "reload": "withdrawn"}


class BookMachine(RuleBasedStateMachine):
    """``firing``: alert to its life. ``ended``: what each ended life must read, once it was told."""

    @initialize()
    def open(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.desk = Desk(engine_at(Path(self.folder.name) / "book.db"))
        self.number, self.now = 1, float(block(1).timestamp + 1)
        self.firing: dict[str, int] = {}
        self.lives: dict[str, int] = {}
        self.ended: dict[str, str] = {}
        self.must_be_told: set[str] = set()
        self.silences: dict[str, str] = {}

    def teardown(self) -> None:
        if hasattr(self, "desk"):
            self.settle()
            self.desk.engine.dispose()
            self.folder.cleanup()

    # ------------------------------------------------------------ what happens

    @rule(
        changes=st.lists(st.tuples(st.sampled_from(ALERTS), st.sampled_from(CAUSES)), max_size=4),
        seconds=st.sampled_from((0, 0, 1, 5, 40)),
        fails=st.booleans(),
    )
    def judge_a_block(self, changes: list[tuple[str, Cause]], seconds: int, fails: bool) -> None:
        self.judge(changes, seconds, fails)

    @rule(alert=st.sampled_from(ALERTS))
    def flicker(self, alert: str) -> None:
        """On and off, or off and on, in two blocks that are judged at once: catching up."""
        for _ in range(2):
            self.judge([(alert, "judged")], 0, False)

    def judge(self, changes: list[tuple[str, Cause]], seconds: int, fails: bool) -> None:
        self.number += 1
        self.now += seconds
        at = block(self.number)
        transitions = [self.turn(alert, cause, at) for alert, cause in dict(changes).items()]
        if fails:
            self.roll_back(transitions, at)
        self.desk.admit(at, *transitions, now=self.now)
        for alert, life in self.firing.items():
            if alert.startswith("Page") and not self.muted(alert):
                self.must_be_told.add(episode_of(alert, life))

    def turn(self, alert: str, cause: Cause, at: BlockStamp) -> Transition:
        severity = SEVERITY.get(alert.split("/")[0], "page")
        old: State = "firing" if alert in self.firing else "inactive"
        if alert in self.firing:
            life = self.firing[alert]
            if (cause == "reorg" or self.muted(alert)) and episode_of(alert, life) not in self.shown():
                # It waited for its incident's interval, and then nobody needed to hear it any more.
                self.must_be_told.discard(episode_of(alert, life))
            del self.firing[alert]
            self.ended[episode_of(alert, life)] = WORDS[cause]
            return moved(alert, old, "inactive", at, life=life, cause=cause, severity=severity)
        life = self.lives[alert] = self.lives.get(alert, 0) + 1
        self.firing[alert] = life
        return moved(alert, old, "firing", at, life=life, severity=severity)

    def roll_back(self, transitions: list[Transition], at: BlockStamp) -> None:
        """The same block fails to commit first."""
        with self.desk.engine.connect() as conn, conn.begin() as transaction:
            self.desk.book.admit(Unit(conn), transitions, Judged(at, self.now, self.now, {}))
            transaction.rollback()

    @rule(seconds=st.floats(0, 30))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self.desk.tick(self.now)

    @rule()
    def crash(self) -> None:
        path = str(self.desk.engine.url.database)
        self.desk.engine.dispose()
        self.desk = Desk(engine_at(Path(path)))

    @rule(name=st.sampled_from(("Page", "Ticket", "Endpoint")))
    def silence(self, name: str) -> None:
        if name not in self.silences:
            self.silences[name] = str(uuid.uuid4())
            command = Silence(self.silences[name], (f'alertname="{name}"',), "Ann", self.now, self.now + 1e9, "work")
            with self.desk.engine.begin() as conn:
                self.desk.book.silence(Unit(conn), command)
            # One that still waited for its incident's interval need not be told while it is silenced.
            self.must_be_told -= {episode_of(a, life) for a, life in self.firing.items() if a.startswith(name)} - set(self.shown())

    @precondition(lambda self: self.silences)
    @rule()
    def end_a_silence(self) -> None:
        _, silence = self.silences.popitem()
        with self.desk.engine.begin() as conn:
            self.desk.book.end_silence(Unit(conn), silence, "Ann", self.now)

    # ------------------------------------------------------------ what must hold

    def muted(self, alert: str) -> bool:
        name = alert.split("/")[0]
        return name in self.silences or (name == "Endpoint" and "NoHead" in self.firing)

    def told(self) -> dict[str, list[dict[str, Any]]]:
        """For each incident, its accounts in order: what a receiver that missed none would have shown."""
        found: dict[str, list[dict[str, Any]]] = {}
        for d in self.desk.owed("open", "update", "close"):
            found.setdefault(d["incident"], []).append(d)
        return found

    @invariant()
    def messages_are_in_order_and_single(self) -> None:
        if not hasattr(self, "desk"):
            return
        homes: dict[str, str] = {}
        for incident, messages in self.told().items():
            kinds = [m["kind"] for m in messages]
            assert kinds[0] == "open"
            assert kinds.count("open") == 1
            assert "close" not in kinds[:-1], "nothing is said of an incident after its close"
            assert [m["revision"] for m in messages] == list(range(1, len(messages) + 1))
            assert [m["state"] for m in messages] == ["superseded"] * (len(messages) - 1) + ["owed"]
            for alert in messages[-1]["body"]["alerts"]:
                assert homes.setdefault(alert["episode"], incident) == incident, "an episode is told in one incident"

    def shown(self) -> dict[str, str]:
        """What a reader of the channel sees of each episode."""
        return {a["episode"]: a["state"] for messages in self.told().values() for a in messages[-1]["body"]["alerts"]}

    def settle(self) -> None:
        """Every wait passes; then what was said must be what is so."""
        for _ in range(3):
            self.now += 20
            self.desk.tick(self.now)
        shown = self.shown()
        for messages in self.told().values():
            last = messages[-1]
            assert (last["body"]["state"] == "firing") == any(a["state"] == "firing" for a in last["body"]["alerts"])
        alive = {episode_of(alert, life): alert for alert, life in self.firing.items()}
        for episode, word in shown.items():
            assert word == ("firing" if episode in alive else self.ended[episode])
        for episode, alert in alive.items():
            assert self.muted(alert) or shown.get(episode) == "firing", f"{alert} fires and nobody was told"
        assert self.must_be_told <= set(shown), "a page that fired was told, whatever came after"


TestBook = BookMachine.TestCase
TestBook.settings = settings(max_examples=20, stateful_step_count=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
