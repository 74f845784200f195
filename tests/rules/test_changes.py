"""Reorganisations and reloads: nothing that was announced is forgotten, nothing is announced twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from monitor.model import Transition
from monitor.rules import Instances, RuleSet, reconcile_reorg, reload
from monitor.rules.judge import judge
from monitor.samples import FrameWindow
from tests.rules.chain import block, level, window
from tests.rules.test_judge import HIGH, rules

Values = Mapping[str, float]
OF = rules(HIGH)


def told(
    of: RuleSet, seen: FrameWindow, live: Instances, values: Sequence[Values], first: int, branch: str = ""
) -> tuple[Instances, list[Transition]]:
    said = []
    for number, now in enumerate(values, first):
        at = block(number, branch)
        seen.append(level(at, now))
        live, transitions, _ = judge(of, seen, at, live)
        said += transitions
    return live, said


def reorg(
    common: Sequence[Values], old: Sequence[Values], new: Sequence[Values]
) -> tuple[Instances, Instances, list[tuple[str, str, str]]]:
    """Instances at the orphaned tip, those of the new branch, and what is announced beyond what was."""
    seen = window()
    ancestor, _ = told(OF, seen, Instances(), common, 1)
    before, _ = told(OF, seen, ancestor, old, len(common) + 1, "old")
    seen.rewind(block(len(common)))
    after, held = told(OF, seen, ancestor, new, len(common) + 1, "new")
    after, announce = reconcile_reorg(before, after, block(len(common) + len(new), "new"), held)
    return before, after, [(dict(t.labels)["item"], t.new, t.cause) for t in announce]


def test_an_alert_on_both_branches_is_the_same_episode_and_not_told_again() -> None:
    before, after, said = reorg([{}], [{"a": 9.0}, {"a": 9.0}], [{}, {"a": 9.0}, {"a": 9.0}])
    assert said == []
    assert [i.episode for i in after.firing] == [i.episode for i in before.firing]


def test_an_alert_of_the_orphaned_branch_alone_is_retracted() -> None:
    _, after, said = reorg([{}], [{"a": 9.0}], [{}, {}])
    assert said == [("a", "inactive", "reorg")]
    assert after.firing == ()


def test_an_alert_of_the_new_branch_alone_is_announced() -> None:
    assert reorg([{}], [{}], [{"b": 9.0}, {"b": 9.0}])[2] == [("b", "firing", "judged")]


def test_an_old_alert_that_ended_by_itself_on_the_new_branch_is_over_not_retracted() -> None:
    assert reorg([{"a": 9.0}], [{"a": 9.0}], [{}, {}])[2] == [("a", "inactive", "judged")]


def test_an_old_alert_that_ended_and_began_again_on_the_new_branch_goes_on() -> None:
    before, after, said = reorg([{"a": 9.0}], [{"a": 9.0}], [{}, {"a": 9.0}])
    assert said == []
    assert after.firing[0].episode == before.firing[0].episode


def test_an_alert_whose_end_was_orphaned_is_announced_again() -> None:
    assert reorg([{"a": 9.0}], [{}], [{"a": 9.0}, {"a": 9.0}])[2] == [("a", "firing", "reorg")]


def test_an_alert_that_began_on_both_branches_and_ended_on_the_new_one_is_retracted_once() -> None:
    assert reorg([{}], [{"a": 9.0}], [{"a": 9.0}, {}])[2] == [("a", "inactive", "reorg")]


def test_a_reload_keeps_alerts_of_unchanged_rules_and_ends_the_others() -> None:
    old = rules(HIGH, "alert: Low, expr: test_level < 5", "alert: Gone, expr: test_level == 1")
    seen = window()
    live, _ = told(old, seen, Instances(), [{"a": 9.0, "b": 1.0}], 1)
    new = rules(HIGH.replace("expr: test_level > 5", "expr: test_level   > 5, for: 1h"), "alert: Low, expr: test_level < 4")
    kept, said = reload(old, new, live, block(1))
    assert [(i.rule, i.state) for i in kept] == [("g/High", "firing")]
    assert sorted((t.rule, t.old, t.new, t.cause) for t in said) == [
        ("g/Gone", "firing", "inactive", "reload"),
        ("g/Low", "firing", "inactive", "reload"),
    ]
    after, said = told(new, seen, kept, [{"a": 9.0, "b": 1.0}], 2)
    assert [(t.rule, t.new) for t in said] == [("g/Low", "firing")]
    assert {i.rule for i in after.firing} == {"g/High", "g/Low"}
