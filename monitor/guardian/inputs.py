"""What the conditions rest on at the judged block: the reads, logs and memory that their collectors need for these very samples, and no more."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from monitor.model import (
    Address,
    Answer,
    Balance,
    BlockStamp,
    Call,
    Code,
    Collector,
    Hash,
    Known,
    Log,
    Ok,
    Read,
    Reverted,
    Series,
    Slot,
    Snapshot,
    Staged,
    Step,
    Storage,
    Value,
    address,
)

Samples = Mapping[Series, float]
KINDS = {"call": Call, "balance": Balance, "storage": Storage, "code": Code, "staged": Staged}


def decode(collectors: Iterable[Collector], snapshot: Snapshot, memory: Mapping[str, Known]) -> dict[Series, float]:
    """The samples that these collectors read at the snapshot's block itself, by their own code; events are 1.

    Facts of the consensus layer and of HTTP sources are in no snapshot of ours, so they are never among them.
    """
    found: dict[Series, float] = {}
    for collector in collectors:
        found |= _judged(collector, replace(snapshot, beacon=None), memory.get(collector.name, {}))
    return found


def _judged(collector: Collector, snapshot: Snapshot, known: Known) -> dict[Series, float]:
    try:
        frames, _ = collector.judge(snapshot, known)
    except Exception:  # unanswered, or nonsense: this collector has no samples, whatever the reason
        return {}
    found: dict[Series, float] = {}
    for frame in frames:
        if isinstance(frame.status, Ok) and frame.read_at == snapshot.stamp:
            found |= dict(zip(frame.layout.series, frame.values.tolist(), strict=True))
            found |= {event.series: 1.0 for event in frame.events if event.stamp == snapshot.stamp}
    return found


def same(wanted: Samples, found: Samples) -> bool:
    """Whether all wanted samples are there, bit for bit."""
    return all(series in found and found[series].hex() == value.hex() for series, value in wanted.items())


def reduced(collectors: Sequence[Collector], snapshot: Snapshot, memory: Mapping[str, Known], wanted: Samples) -> dict[str, Any]:
    """The least of the snapshot and the memory from which these collectors still come to the wanted samples, as canonical values.

    Everything is tried in a fixed order, so equal snapshots give equal results, whatever else was read with them. Only collectors that
    are needed are named.
    """
    used = []
    for collector in collectors:
        mine = {s: v for s, v in _judged(collector, replace(snapshot, beacon=None), memory.get(collector.name, {})).items() if s in wanted}
        if mine:
            used.append((collector, mine))
    answers: dict[Read, Answer] = {}
    logs: dict[tuple[Any, ...], Log] = {}
    kept: dict[str, Known] = {}
    for collector, mine in used:
        least, known = _least(collector, snapshot, memory.get(collector.name, {}), mine)
        answers |= least.answers
        logs |= {_log_key(log): log for log in least.logs} if isinstance(least.logs, tuple) else {}
        kept |= {collector.name: known} if known else {}
    return {
        "collectors": sorted(collector.name for collector, _ in used),
        "inputs": [described(read, answers[read]) for read in sorted(answers, key=_read_key)],
        "logs": [_log(logs[key]) for key in sorted(logs)],
        "memory": {name: json.loads(json.dumps(known)) for name, known in kept.items()},
    }


def _least(collector: Collector, snapshot: Snapshot, known: Known, wanted: Samples) -> tuple[Snapshot, Known]:
    touched = _Touched(snapshot.answers)
    _judged(collector, replace(snapshot, answers=touched, beacon=None), known)
    answers = {read: snapshot.answers[read] for read in touched.reads if read in snapshot.answers}
    logs = snapshot.logs if isinstance(snapshot.logs, tuple) else ()
    least = Snapshot(snapshot.stamp, answers, logs)

    def enough(candidate: Snapshot, memory: Known) -> bool:
        return same(wanted, _judged(collector, candidate, memory))

    for key in sorted(known):
        fewer = {k: v for k, v in known.items() if k != key}
        known = fewer if enough(least, fewer) else known
    for group in sorted({_kind_of_log(log) for log in logs}):
        rest = tuple(log for log in logs if _kind_of_log(log) != group)
        if enough(replace(least, logs=rest), known):
            least, logs = replace(least, logs=rest), rest
    for read in sorted(answers, key=_read_key):
        fewer_answers = {r: a for r, a in least.answers.items() if r != read}
        least = replace(least, answers=fewer_answers) if enough(replace(least, answers=fewer_answers), known) else least
    return least, known


class _Touched(Mapping[Read, Answer]):
    """Answers that remember what was asked of them."""

    def __init__(self, answers: Mapping[Read, Answer]) -> None:
        self._answers = answers
        self.reads: dict[Read, None] = {}

    def __getitem__(self, read: Read) -> Answer:
        self.reads[read] = None
        return self._answers[read]

    def __iter__(self) -> Any:
        return iter(self._answers)

    def __len__(self) -> int:
        return len(self._answers)


# ---------------------------------------------------------------- as text, and back


def snapshot_of(body: Mapping[str, Any], stamp: BlockStamp) -> Snapshot:
    """The snapshot that a document's inputs and logs make. Raises KeyError, TypeError and ValueError for what is not well formed."""
    answers = dict(_answered(entry) for entry in body["inputs"])
    return Snapshot(stamp, answers, tuple(_logged(entry) for entry in body["logs"]))


def stamp_body(stamp: BlockStamp) -> dict[str, Any]:
    return {"number": stamp.number, "hash": stamp.hash, "parent": stamp.parent, "timestamp": stamp.timestamp, "slot": int(stamp.slot)}


def stamp_of(body: Mapping[str, Any]) -> BlockStamp:
    return BlockStamp(body["number"], Hash(body["hash"]), Hash(body["parent"]), body["timestamp"], Slot(body["slot"]))


def described(read: Read, answer: Answer) -> dict[str, Any]:
    """A read and its answer as a document has them."""
    found: dict[str, Any] = {"contract": read.target, "read": type(read.what).__name__.lower()}
    if isinstance(read.what, Call):
        found["calldata"] = _hex(read.what.data)
    if isinstance(read.what, Storage):
        found["slot"] = hex(read.what.slot)
    if isinstance(read.what, Staged):
        found["steps"] = [{"caller": s.sender, "contract": s.target, "calldata": _hex(s.data), "undone": s.undone} for s in read.what.steps]
    if read.caller is not None:
        found["caller"] = read.caller
    if isinstance(answer, Value):
        return {**found, "returned": _hex(answer.data)}
    if isinstance(answer, Reverted):
        return {**found, "reverted": _hex(answer.data)}
    raise ValueError(f"{read.target}: a sample rests on a read without an agreed answer")


def _answered(entry: Mapping[str, Any]) -> tuple[Read, Answer]:
    what = _what(KINDS[entry["read"]], entry)
    caller = address(entry["caller"]) if "caller" in entry else None
    answer = Value(_bytes(entry["returned"]), ()) if "returned" in entry else Reverted(_bytes(entry["reverted"]))
    return Read(address(entry["contract"]), what, caller), answer


def _what(kind: type, entry: Mapping[str, Any]) -> Call | Balance | Storage | Code | Staged:
    if kind is Call:
        return Call(_bytes(entry["calldata"]))
    if kind is Storage:
        return Storage(int(entry["slot"], 16))
    if kind is Staged:
        steps = (Step(address(s["caller"]), address(s["contract"]), _bytes(s["calldata"]), bool(s["undone"])) for s in entry["steps"])
        return Staged(tuple(steps))
    return Balance() if kind is Balance else Code()


def _log(log: Log) -> dict[str, Any]:
    return {
        "contract": log.address, "topics": [_hex(t) for t in log.topics], "data": _hex(log.data), "block": stamp_body(log.block), "tx": log.tx,
        "index": log.index, "seq": log.seq,
    }  # fmt: skip


def _logged(entry: Mapping[str, Any]) -> Log:
    topics = tuple(_bytes(t) for t in entry["topics"])
    at = stamp_of(entry["block"])
    return Log(address(entry["contract"]), topics, _bytes(entry["data"]), at, Hash(entry["tx"]), entry["index"], entry["seq"])


def _read_key(read: Read) -> tuple[str, str, str, str]:
    what = read.what
    detail = _hex(what.data) if isinstance(what, Call) else hex(what.slot) if isinstance(what, Storage) else ""
    if isinstance(what, Staged):
        detail = "/".join(f"{s.sender}{s.target}{_hex(s.data)}{s.undone}" for s in what.steps)
    return read.target, type(read.what).__name__, detail, read.caller or ""


def _log_key(log: Log) -> tuple[Any, ...]:
    return log.block.number, log.index, log.seq, log.tx


def _kind_of_log(log: Log) -> tuple[Address, bytes]:
    return log.address, log.topics[0] if log.topics else b""


def _hex(data: bytes) -> str:
    return "0x" + data.hex()


def _bytes(text: str) -> bytes:
    if not text.startswith("0x") or text != text.lower():
        raise ValueError(f"{text[:20]} is not lower-case 0x hex")
    return bytes.fromhex(text[2:])
