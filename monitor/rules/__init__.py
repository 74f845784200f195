"""Rules: read, checked, judged. ``load`` and ``check`` before they run; ``record`` and ``judge`` at each block.

``reload`` and ``reconcile_reorg`` are for when the rules or the past change; all of it is pure and in block time.
"""

from monitor.rules.changes import reconcile_reorg, reload
from monitor.rules.check import check
from monitor.rules.files import EMPTY_RULES, Rule, RuleSet, from_sources, load, rule_files
from monitor.rules.instances import Instances, Live, episode_id, fingerprint
from monitor.rules.judge import judge, judging, record
from monitor.rules.problems import Problem, RuleFileErrors, Span, errors, render_problem, render_problems
from monitor.rules.recording import keep_seconds, recorded_families, recording_sources
from monitor.rules.unit_tests import Failure, Report, render_report, run

__all__ = [
    "EMPTY_RULES",
    "Failure",
    "Instances",
    "Live",
    "Problem",
    "Report",
    "Rule",
    "RuleFileErrors",
    "RuleSet",
    "Span",
    "check",
    "episode_id",
    "errors",
    "fingerprint",
    "from_sources",
    "judge",
    "judging",
    "keep_seconds",
    "load",
    "reconcile_reorg",
    "record",
    "recorded_families",
    "recording_sources",
    "reload",
    "render_problem",
    "render_problems",
    "render_report",
    "rule_files",
    "run",
]
