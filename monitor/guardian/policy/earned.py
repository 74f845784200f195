"""What a response has shown in shadow before it may pause by itself: the report that its ``earned`` names, held to it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from monitor.guardian.policy.model import Policy, Response, text_hash
from monitor.model import Hash
from monitor.rules.files import RuleSet

VERSION = 1
LEAST_SECONDS = 30 * 86_400
"""Block time that a report must cover."""
LEAST_COVERAGE = 0.95
"""Part of that time in which blocks were judged."""
MAX_BYTES = 1 << 20


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


def outgrown(policy: Policy, folder: Path, rules: RuleSet) -> list[str]:
    """Armed responses whose rule is another one than their report's, which was read and held by ``fault`` before."""
    found = []
    for response in policy.responses:
        if response.mode == "automatic" and response.earned is not None:
            report = json.loads((folder / response.earned.report).read_bytes())
            if report.get("rules") != rules_of(response, rules):
                found.append(
                    f"{response.name}: the rule {response.alert} changed since the report that armed it: let it run in shadow again"
                )
    return found


def fault(response: Response, folder: Path, chain: int) -> str | None:
    """Why the report does not arm this response, or None. Paths are relative to the responses file's folder."""
    assert response.earned is not None
    path = folder / response.earned.report
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
        return _objection(report, response, chain)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        return f"the report {path} is not one of `stakewarden guardian shadow-report`: {type(error).__name__}: {error}"


def _objection(report: dict[str, Any], response: Response, chain: int) -> str | None:
    if report["version"] != VERSION:
        return f"the report has version {report['version']}, this program reads version {VERSION}"
    if report["chain"] != chain:
        return f"the report is of chain {report['chain']}, not of chain {chain}"
    if report["response"] != response.name or report["conditions"] != conditions(response):
        return "the report is of other conditions: matchers, target, second, hold or agreement changed since"
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
