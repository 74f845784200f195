"""What a response has shown before it may pause by itself: the report that its ``earned`` names, held to it.

Two kinds arm. A shadow report (``guardian/shadow.py``) is what the response did on its own chain, as blocks came. A replay (``replay.py``) is what
it does in a library of past incidents: at once, and only as good as the library.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from monitor.guardian.policy import library
from monitor.guardian.policy.model import Policy, Response, text_hash
from monitor.model import Hash
from monitor.rules.files import RuleSet

VERSION = 1
LEAST_SECONDS = 30 * 86_400
"""Block time that a shadow report must cover."""
LEAST_COVERAGE = 0.95
"""Part of that time in which blocks were judged."""
MAX_BYTES = 1 << 20

# Of a replay only what happened counts (``record: past``): whoever wants a number could make scenarios up. These are constants, not settings:
# who arms a response must not be the one who says how little is enough.
LEAST_IN_TIME = 3
"""Past incidents in which it had to pause, and did in time. One or two can be met by luck, or by a rule that was written after them; and the public
record of this field hardly holds more of one kind, so a higher number would be reached by splitting incidents."""
LEAST_NOT = 20
"""Past incidents in which it must not pause, and did not. After n of them without a false pause, up to 3/n of such events may still lead to one
(95 %): 15 % for 20. They are many times as common as exploits, and each false pause costs users more than a missed one costs a person's minute."""
LEAST_HELD_BACK = 2
"""Of those and of scenarios: where the alert fired, and the second condition, the agreement or the chain's health kept it from pausing. Without
them the library shows that the rule was quiet, and nothing of the response."""

WRONG = frozenset({"missed", "late", "early", "false_pause", "untold"})
"""Verdicts of a replay with which nothing is armed; ``untold``: it had to pause, and the series do not say what it reads."""
KEPT = frozenset({"held_back", "quiet"})
"""It must not pause and did not: though its alert fired, or while it did not fire at all."""
IN_TIME, NOT_COUNTED = "in_time", "not_counted"
"""It had to pause, and did while it helped; or nothing can be learned of it from the incident."""


def conditions(response: Response) -> Hash:
    """A digest of all that decides when the response acts: another one is another response, which has earned nothing yet."""
    parts = [
        [str(m) for m in response.matchers], response.target, response.second.text if response.second else "", response.hold.blocks,
        response.hold.seconds, response.agreement,
    ]  # fmt: skip
    return text_hash(json.dumps(parts))


def rules_of(response: Response, rules: RuleSet) -> dict[str, str]:
    """The rules whose alerts the response answers to, by id, with the digest of what makes them so."""
    return {rule.id: rule.identity for rule in rules.alerts if rule.name == response.alert}


def text_of(report: Mapping[str, Any]) -> str:
    """A report as its file has it."""
    return json.dumps(report, indent=1, sort_keys=True) + "\n"


def outgrown(policy: Policy, folder: Path, rules: RuleSet) -> list[str]:
    """Armed responses whose rule is another one than their report's, which was read and held by ``fault`` before."""
    found = []
    again = {"report": "let it run in shadow again", "replay": "replay it again"}
    for response in policy.responses:
        if response.mode == "automatic" and response.earned is not None:
            report = json.loads((folder / response.earned.file).read_bytes())
            if report.get("rules") != rules_of(response, rules):
                why = f"the rule {response.alert} changed since the report that armed it"
                found.append(f"{response.name}: {why}: {again[response.earned.proof]}")
    return found


def fault(response: Response, folder: Path, chain: int) -> str | None:
    """Why the report does not arm this response, or None. Paths are relative to the responses file's folder."""
    assert response.earned is not None
    path, proof = folder / response.earned.file, response.earned.proof
    try:
        if path.stat().st_size > MAX_BYTES:
            return f"the report {path} is larger than {MAX_BYTES} bytes"
        raw = path.read_bytes()
    except OSError as error:
        return f"the report {path} cannot be read: {error.strerror or error}"
    if hashlib.sha256(raw).hexdigest() != response.earned.sha256.lower().removeprefix("0x"):
        return f"the report {path} is not the one that was reviewed: its sha256 is {hashlib.sha256(raw).hexdigest()}"
    try:
        report = json.loads(raw)
        if why := _of_another(report, response):
            return why
        return _shadowed(report, chain) if proof == "report" else _replayed(report, response, folder / response.earned.library)
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        made_by = "shadow-report" if proof == "report" else "replay"
        return f"the report {path} is not one of `stakewarden guardian {made_by}`: {type(error).__name__}: {error}"


def _of_another(report: dict[str, Any], response: Response) -> str | None:
    if report["version"] != VERSION:
        return f"the report has version {report['version']}, this program reads version {VERSION}"
    if report["response"] != response.name or report["conditions"] != conditions(response):
        return "the report is of other conditions: matchers, target, second, hold or agreement changed since"
    return None


def _shadowed(report: dict[str, Any], chain: int) -> str | None:
    if report["chain"] != chain:
        return f"the report is of chain {report['chain']}, not of chain {chain}"
    if int(report["seconds"]) < LEAST_SECONDS:
        return f"the report covers {int(report['seconds']) // 86_400} days, 30 are needed"
    if int(report["judged_seconds"]) < LEAST_COVERAGE * int(report["seconds"]):
        return f"only {int(report['judged_seconds']) * 100 // max(1, int(report['seconds']))} % of the report's time was judged"
    open = [p for p in report["pauses"] if p["verdict"] == "open"]
    false = [p for p in report["pauses"] if p["verdict"] != "true" and p not in open]
    if open:
        return f"nobody said of {len(open)} of its pauses whether they were right, first of block {open[0]['block']}"
    if false:
        return f"{len(false)} of its pauses were false, first that of block {false[0]['block']}"
    return None


def _replayed(report: dict[str, Any], response: Response, folder: Path) -> str | None:
    if response.incidents is None:
        return 'the response does not say which incidents it is for: it has no key "incidents"'
    if report["incidents"] != {"cause": response.incidents.cause, "target": response.incidents.target}:
        return "the replay was judged for another cause or class of targets than the response is for"
    try:
        there = library.hashes(folder)
    except OSError as error:
        return f"the library {folder} cannot be read: {error.strerror or error}"
    if report["library"]["files"] != there or report["library"]["sha256"] != library.digest(there):
        return f"the library {folder} is not the one that was replayed{_changed(report['library']['files'], there)}: replay it again"
    return _short(report["outcomes"], {Path(name).stem for name in there})


def _changed(then: Mapping[str, str], now: Mapping[str, str]) -> str:
    names = sorted(name for name in {*then, *now} if then.get(name) != now.get(name))
    return f" ({len(names)} of its files changed, first {names[0]})" if names else ""


def _short(outcomes: Sequence[Mapping[str, Any]], names: set[str]) -> str | None:
    """Why what came of the incidents is not enough, or None."""
    if sorted(o["incident"] for o in outcomes) != sorted(names):
        return "the report's outcomes are not those of the library's incidents"
    if wrong := [o for o in outcomes if o["verdict"] not in {*KEPT, IN_TIME, NOT_COUNTED}]:
        return f"{len(wrong)} of its incidents came out wrong, first {wrong[0]['incident']}: {wrong[0]['verdict']}"
    in_time = sum(o["verdict"] == IN_TIME and o["record"] == "past" for o in outcomes)
    kept = sum(o["verdict"] in KEPT and o["record"] == "past" for o in outcomes)
    held_back = sum(o["verdict"] == "held_back" for o in outcomes)
    if in_time < LEAST_IN_TIME:
        return f"it paused in time in {in_time} past incidents, {LEAST_IN_TIME} are needed"
    if kept < LEAST_NOT:
        return f"it rightly kept from pausing in {kept} past incidents, {LEAST_NOT} are needed"
    if held_back < LEAST_HELD_BACK:
        return f"in {held_back} incidents its alert fired and it was held back from a pause, {LEAST_HELD_BACK} are needed"
    return None
