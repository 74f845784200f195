"""Playing a drill: do it, wait for what must come, undo it, and compare with what may come."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import httpx

from monitor.devnet.drills.ground import Ground, NotReady
from monitor.devnet.rpc import RpcError
from monitor.devnet.transactions import TransactionFailed

Pauser = Literal["sentinel", "guardian"]
DONE = ("verified", "reported")
SETTLE_BLOCKS = 3
READY_SECONDS = 60.0


@dataclass(frozen=True)
class Drill:
    """A scripted incident. ``act`` does it and returns the block at which the condition holds; ``undo`` puts all right again.

    ``alerts``: exactly the alerts that must be told, each with how it must end; with several ends it is told as often, in this order.
    ``afterwards``: those that must be told beside them when all is put right again.
    ``pauses``: by whom the vault must be paused. ``proposed``: words of the reason for which a pause is only proposed; empty: none is.
    ``proof``: what else must hold when all is there, of what happened since a block; it gives the problems. ``patience``: wall seconds
    until the alerts must be there.
    """

    name: str
    about: str
    act: Callable[[Ground], int]
    undo: Callable[[Ground], None]
    alerts: Mapping[str, str | tuple[str, ...]]
    pauses: tuple[Pauser, ...] = ()
    proposed: str = ""
    proof: Callable[[Ground, int], list[str]] = lambda ground, since: []
    patience: float = 30.0
    afterwards: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict)

    @property
    def ends(self) -> list[tuple[str, str]]:
        """Each time that an alert must be told, with how it must end."""
        return [*_each(self.alerts), *_each(self.afterwards)]


def _each(alerts: Mapping[str, str | tuple[str, ...]]) -> list[tuple[str, str]]:
    return [(name, end) for name, ends in alerts.items() for end in ([ends] if isinstance(ends, str) else ends)]


@dataclass
class Outcome:
    """What came of a drill. ``timeline``: wall time and what happened; ``problems``: what is not as expected."""

    drill: str
    block: int | None = None
    timeline: list[tuple[float, str]] = field(default_factory=list)
    alerts: dict[str, dict[str, Any]] = field(default_factory=dict)
    pauses: list[dict[str, Any]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        lines = [{"at": at, "what": what} for at, what in sorted(self.timeline)]
        return {
            "drill": self.drill,
            "block": self.block,
            "timeline": lines,
            "alerts": self.alerts,
            "pauses": self.pauses,
            "problems": self.problems,
        }

    def as_text(self) -> str:
        """For people: seconds since the condition became true."""
        lines = sorted(self.timeline)
        start = lines[0][0] if lines else 0.0
        told = [f"  {at - start:+9.3f} s  {what}" for at, what in lines]
        end = ["", f"{self.drill}: {'as expected' if not self.problems else 'NOT as expected'}"] + [f"  {p}" for p in self.problems]
        return "\n".join(["", f"timeline (condition true at block {self.block})", *told, *end])


def rehearse(drill: Drill, ground: Ground, say: Callable[[str], object], hold: float = 0.0) -> Outcome:
    """Play a drill and undo it, whatever comes, ``hold`` seconds after all that it brings is there. Raises NotReady when it cannot begin."""
    before = _Before.see(ground)
    outcome = Outcome(drill.name)
    say(f"{drill.name}: {drill.about}")
    try:
        with _told_if_it_fails(outcome, "the drill could not be played to its end"):
            _act(drill, ground, before, outcome, say)
            _hold(ground, say, hold)
    finally:
        say("putting everything right again ...")
        with _told_if_it_fails(outcome, "not everything was put right again, start the embedded chain anew"):
            drill.undo(ground)
    with _told_if_it_fails(outcome, "what came of it could not be read"):
        _wait_for_the_end(drill, ground, before, outcome)
        _compare(drill, ground, before, outcome)
    return outcome


def _act(drill: Drill, ground: Ground, before: _Before, outcome: Outcome, say: Callable[[str], object]) -> None:
    outcome.block = drill.act(ground)
    outcome.timeline.append((time.time(), f"condition true at block {outcome.block}"))
    say(f"done at block {outcome.block}; waiting for {_listed(drill)}")
    _wait_for(drill, ground, before, outcome)
    _settle(ground)
    outcome.problems += drill.proof(ground, outcome.block)


def _hold(ground: Ground, say: Callable[[str], object], seconds: float) -> None:
    """Leave it as it is, so that somebody can look at it and act."""
    if seconds:
        say(f"see {ground.devnet.web}/ and {ground.devnet.inbox}/: it stays for {seconds:g} s, or until Ctrl-C")
        with contextlib.suppress(KeyboardInterrupt):
            time.sleep(seconds)


@contextlib.contextmanager
def _told_if_it_fails(outcome: Outcome, what: str) -> Iterator[None]:
    """A chain, an endpoint or a service that does not do its part is a problem of the drill, told like any other."""
    try:
        yield
    except (TimeoutError, httpx.HTTPError, RpcError, TransactionFailed) as error:
        outcome.problems.append(f"{what}: {str(error) or type(error).__name__}")


# ---------------------------------------------------------------- before


@dataclass(frozen=True)
class _Before:
    """What was there before the drill, so that only what is new counts."""

    incidents: frozenset[str]
    pauses: frozenset[str]
    messages: frozenset[str]
    block: int

    @classmethod
    def see(cls, ground: Ground) -> _Before:
        why = _becomes_ready(ground)
        if why is not None:
            raise NotReady(f"the service is not ready: {why}")
        status = ground.status()
        firing = sorted({a["name"] for a in status["alerts"] if a["state"] == "firing"})
        if firing:
            raise NotReady(f"{', '.join(firing)} fires already: wait until it is over, or start the devnet anew")
        incidents = frozenset(i["id"] for i in status["incidents"])
        return cls(incidents, frozenset(p["id"] for p in status["pauses"]), frozenset(m["ts"] for m in ground.messages()), ground.head())

    def new_incidents(self, status: Mapping[str, Any]) -> list[dict[str, Any]]:
        return [i for i in status["incidents"] if i["id"] not in self.incidents and i["messages"]]

    def new_pauses(self, status: Mapping[str, Any]) -> list[dict[str, Any]]:
        return [p for p in status["pauses"] if p["id"] not in self.pauses]


def _becomes_ready(ground: Ground) -> str | None:
    try:
        ground.wait("readiness", lambda: True if ground.ready() is None else None, READY_SECONDS)
    except TimeoutError:
        return ground.ready()
    return None


# ---------------------------------------------------------------- during


def _wait_for(drill: Drill, ground: Ground, before: _Before, outcome: Outcome) -> None:
    try:
        ground.wait("every expected alert", lambda: _told(drill, ground, before) or None, drill.patience)
        if drill.pauses:
            ground.wait("the pause", lambda: _paused(drill, ground, before, outcome) or None, drill.patience)
    except TimeoutError as late:
        outcome.problems.append(str(late))


def _told(drill: Drill, ground: Ground, before: _Before) -> bool:
    """Whether each expected alert's message was accepted as often as it must come, which the inbox itself must confirm."""
    sent: Counter[str] = Counter()
    there = {m["metadata"]["event_payload"]["incident_id"] for m in ground.messages() if m.get("metadata")}
    for incident in before.new_incidents(ground.status()):
        if incident["id"] in there:
            sent.update({_name(a) for a in incident["alerts"]})
    return sent >= Counter(name for name, _ in _each(drill.alerts))


def _paused(drill: Drill, ground: Ground, before: _Before, outcome: Outcome) -> bool:
    if not ground.world["vault"].read("isPaused"):
        return False
    if "sentinel" not in drill.pauses:
        return True
    pauses = before.new_pauses(ground.status())
    return any(p["state"] in (*DONE, "failed") for p in pauses)


def _settle(ground: Ground) -> None:
    """Leave a few blocks for what should not come."""
    ground.world.wait_blocks(SETTLE_BLOCKS)


# ---------------------------------------------------------------- after


def _wait_for_the_end(drill: Drill, ground: Ground, before: _Before, outcome: Outcome) -> None:
    def over() -> bool | None:
        status = ground.status()
        incidents = before.new_incidents(status)
        done = all(i["closed_at"] and all(m["state"] in ("sent", "superseded") for m in i["messages"]) for i in incidents)
        return True if done and ground.ready() is None else None

    try:
        ground.caught_up()
        ground.wait("the end of every alert", over, max(drill.patience, 60.0))
    except TimeoutError as late:
        still = [
            _name(a) for i in before.new_incidents(ground.status()) if not i["closed_at"] for a in i["alerts"] if a["state"] == "firing"
        ]
        outcome.problems.append(f"{late}" + (f": {', '.join(sorted(set(still)))}" if still else ""))


def _compare(drill: Drill, ground: Ground, before: _Before, outcome: Outcome) -> None:
    status = ground.status()
    incidents = before.new_incidents(status)
    _compare_alerts(drill, incidents, outcome)
    _compare_messages(ground, before, incidents, outcome)
    _compare_annotations(ground, incidents, outcome)
    _compare_pauses(drill, ground, before, status, outcome)
    _tell(incidents, before.new_pauses(status), outcome)


def _compare_alerts(drill: Drill, incidents: list[dict[str, Any]], outcome: Outcome) -> None:
    came: dict[str, list[str]] = {}
    for incident in sorted(incidents, key=lambda i: i["alerts"][0]["since_number"]):
        for name in {_name(a) for a in incident["alerts"]}:
            came.setdefault(name, []).append(incident["outcome"] or "still open")
    wanted: dict[str, list[str]] = {}
    for name, end in drill.ends:
        wanted.setdefault(name, []).append(end)
    for name in sorted(wanted.keys() - came.keys()):
        outcome.problems.append(f"{name} was expected and did not come")
    for name in sorted(came.keys() - wanted.keys()):
        outcome.problems.append(f"{name} came and was not expected")
    for name in sorted(came.keys() & wanted.keys()):
        if len(came[name]) != len(wanted[name]):
            outcome.problems.append(f"{name} was told as {len(came[name])} incidents, not {len(wanted[name])}")
        elif came[name] != wanted[name]:
            outcome.problems.append(f"{name} ended as {', '.join(came[name])}, not as {', '.join(wanted[name])}")


def _compare_messages(ground: Ground, before: _Before, incidents: list[dict[str, Any]], outcome: Outcome) -> None:
    fresh = [m for m in ground.messages() if m["ts"] not in before.messages]
    of = Counter((m.get("metadata") or {}).get("event_payload", {}).get("incident_id", "no incident") for m in fresh)
    known = {i["id"]: " and ".join(sorted({_name(a) for a in i["alerts"]})) for i in incidents}
    for incident, name in known.items():
        if of[incident] != 1:
            outcome.problems.append(f"{name}: {of[incident]} messages in the inbox, not one")
    for stranger in of.keys() - known.keys():
        outcome.problems.append(f"{of[stranger]} messages in the inbox belong to no incident of this drill ({stranger})")


def _compare_annotations(ground: Ground, incidents: list[dict[str, Any]], outcome: Outcome) -> None:
    """Each incident is one annotation, a region by now, and Grafana refused nothing."""
    annotations = ground.annotations()
    for incident in incidents:
        name = " and ".join(sorted({_name(a) for a in incident["alerts"]}))
        own = [a for a in annotations if f"incident:{incident['id']}" in a["tags"]]
        if len(own) != 1:
            outcome.problems.append(f"{name}: {len(own)} annotations in Grafana, not one")
        for annotation in own:
            if incident["closed_at"] and f"state:{incident['outcome']}" not in annotation["tags"]:
                outcome.problems.append(f"{name}: ended as {incident['outcome']}, and its annotation does not say so")
    for refused in ground.rejected_annotations():
        outcome.problems.append(f"Grafana refused {refused['operation']}: {refused['message']}")


def _compare_pauses(drill: Drill, ground: Ground, before: _Before, status: Mapping[str, Any], outcome: Outcome) -> None:
    """The chain is asked, not the service: how often, and by whom, the guardian paused since the drill began."""
    world = ground.world
    logs = world.rpc.call("eth_getLogs", {"address": world["guardian"].address, "fromBlock": hex(before.block + 1), "toBlock": "latest"})
    events = [found for log in logs if (found := world["guardian"].artifact.log(dict(log)))]
    by = [args for name, args in events if name == "TargetPaused"]
    came = ["sentinel" if args["bySentinels"] else "guardian" for args in by]
    if sorted(came) != sorted(drill.pauses):
        outcome.problems.append(f"pauses on the chain: {', '.join(came) or 'none'}; expected: {', '.join(drill.pauses) or 'none'}")
    automatic = [p for p in before.new_pauses(status) if p["state"] not in ("shadow", "proposed", "refused")]
    if len(automatic) != drill.pauses.count("sentinel"):
        outcome.problems.append(f"{len(automatic)} pauses were decided, {drill.pauses.count('sentinel')} expected")
    outcome.problems += [f"the pause of {p['target']} is {p['state']}: {p['note']}" for p in automatic if p["state"] not in DONE]
    asked = [p["note"] or "" for p in before.new_pauses(status) if p["state"] == "proposed"]
    if len(asked) != (1 if drill.proposed else 0) or any(drill.proposed not in why for why in asked):
        said = ", ".join(f"{why!r}" for why in asked) or "none"
        outcome.problems.append(
            f"proposals to pause: {said}; expected: {f'one that says {drill.proposed!r}' if drill.proposed else 'none'}"
        )


def _tell(incidents: list[dict[str, Any]], pauses: list[dict[str, Any]], outcome: Outcome) -> None:
    """The timeline, from what the service recorded."""
    for incident in incidents:
        names = " and ".join(sorted({_name(a) for a in incident["alerts"]}))
        first = incident["alerts"][0]
        outcome.timeline.append((first["seen_at"], f"block {first['since_number']} seen ({names})"))
        outcome.timeline.append((first["judged_at"], f"block {first['since_number']} judged and committed ({names})"))
        for message in incident["messages"]:
            if message["sent_at"]:
                outcome.timeline.append((message["sent_at"], f"{message['kind']} accepted by {message['receiver']} ({names})"))
        if incident["closed_at"]:
            outcome.timeline.append((incident["closed_at"], f"over: {incident['outcome']} ({names})"))
        outcome.alerts[names] = {"incident": incident["id"], "outcome": incident["outcome"], "since_block": first["since_number"]}
    for pause in pauses:
        outcome.timeline.append((pause["decided_at"], f"pause of {pause['target']} decided ({pause['mode']})"))
        for step, words in (
            ("sent_at", "sent"),
            ("mined_at", f"mined in block {pause['mined_number']}"),
            ("verified_at", "read back: paused"),
        ):
            if pause[step]:
                outcome.timeline.append((pause[step], f"pause of {pause['target']} {words}"))
        outcome.pauses.append({k: pause[k] for k in ("id", "target", "state", "mined_number", "mined_tx")})


def _name(alert: Mapping[str, Any]) -> str:
    return str(alert["labels"]["alertname"])


def _listed(drill: Drill) -> str:
    return ", ".join([*sorted(drill.alerts), *(["an automatic pause"] if "sentinel" in drill.pauses else [])])
