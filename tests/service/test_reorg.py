"""What is announced around a reorganisation, also when the process dies in the middle of one."""

from __future__ import annotations

import json
from dataclasses import replace

from monitor.model import AlertInstance, BlockStamp, EpisodeId, Moment, RuleId, Transition, labels
from monitor.rules import Instances
from monitor.rules.instances import Live, fingerprint
from monitor.service.reorg import WITHHELD_SLOTS, Reorg
from tests.rules.chain import block

SLOT = 12


def instance(name: str, since: BlockStamp) -> AlertInstance:
    own = labels(alertname=name, severity="page")
    return AlertInstance(
        fingerprint(own), RuleId(f"g/{name}"), own, (), "firing", since, 0, 0, None, EpisodeId(f"{name}-{since.hash[:6]}"), 1.0
    )


def instances(at: BlockStamp, *firing: AlertInstance) -> Instances:
    return Instances(at, tuple(Live(i, (), "true", at.timestamp) for i in firing))


def begins(of: AlertInstance, at: Moment) -> Transition:
    assert of.episode is not None
    return Transition(of.episode, of.fingerprint, of.rule, of.labels, (), "pending", "firing", at, "judged", 1.0, block(1).hash)


def told(found: list[Transition]) -> list[tuple[str, str, str]]:
    return [(dict(t.labels)["alertname"], t.new, t.cause) for t in found]


def begun(*firing: AlertInstance, kept: object = None) -> Reorg:
    """Blocks 11 to 12 of the old branch are orphaned; ``firing`` was announced there."""
    reorg = Reorg(SLOT)
    reorg.begin(block(12), block(10), instances(block(12), *firing))
    return reorg


def test_without_a_reorg_everything_is_announced() -> None:
    a = instance("A", block(5))
    live = instances(block(5), a)
    assert Reorg(SLOT).announced(live, [begins(a, block(5))], block(5)) == (live, [begins(a, block(5))])
    assert Reorg(SLOT).to_json() is None


def test_nothing_is_announced_while_the_new_branch_is_younger() -> None:
    reorg = begun()
    new = block(11, "b")
    a = instance("A", new)
    _, found = reorg.announced(instances(new, a), [begins(a, new)], new)
    assert found == []
    later = block(12, "b")
    _, found = reorg.announced(instances(later, a), [], later)
    assert told(found) == [("A", "firing", "judged")], "it was held back, and is told when the branches can be compared"
    assert reorg.to_json() is None


def test_what_fired_on_the_orphaned_branch_alone_is_retracted() -> None:
    reorg = begun(instance("A", block(12)))
    _, found = reorg.announced(instances(block(12, "b")), [], block(12, "b"))
    assert told(found) == [("A", "inactive", "reorg")]


def test_what_fires_on_both_goes_on_under_its_first_name_without_a_word() -> None:
    old, new = instance("A", block(12)), instance("A", block(12, "b"))
    reorg = begun(old)
    live, found = reorg.announced(instances(block(12, "b"), new), [begins(new, block(12, "b"))], block(12, "b"))
    assert found == []
    assert [i.episode for i in live] == [old.episode]


def test_a_restart_in_the_middle_announces_the_same() -> None:
    """What was held back is lost with the process; comparing the branches finds it again."""
    gone, both, fresh = instance("Gone", block(12)), instance("Both", block(11)), instance("Fresh", block(11, "b"))
    first = block(11, "b")
    again = replace(both, since=first, episode=EpisodeId("other"))
    reorg = begun(gone, both)
    _, found = reorg.announced(instances(first, again, fresh), [begins(again, first), begins(fresh, first)], first)
    assert found == []

    kept = json.loads(json.dumps(reorg.to_json()))
    later = block(12, "b")
    outcomes = []
    for resumed in (reorg, Reorg(SLOT, kept)):
        live, found = resumed.announced(instances(later, again, fresh), [], later)
        outcomes.append(sorted((name, new) for name, new, _ in told(found)))
        assert {i.episode for i in live} == {both.episode, fresh.episode}
        assert resumed.to_json() is None
    assert outcomes[0] == outcomes[1] == [("Fresh", "firing"), ("Gone", "inactive")]


def test_announcing_is_withheld_for_some_slots_at_most() -> None:
    """A branch that was long and warped ahead must not silence the new one for ever."""
    reorg = Reorg(SLOT)
    reorg.begin(block(200), block(10), instances(block(200), instance("A", block(150))))
    for number in range(11, 10 + WITHHELD_SLOTS):
        assert reorg.announced(instances(block(number, "b")), [], block(number, "b"))[1] == []
    last = block(10 + WITHHELD_SLOTS, "b")
    assert told(reorg.announced(instances(last), [], last)[1]) == [("A", "inactive", "reorg")]


def test_a_second_reorg_compares_with_what_was_announced_first() -> None:
    reorg = begun(instance("A", block(12)))
    middle = block(11, "b")
    reorg.announced(instances(middle), [], middle)
    reorg.begin(middle, block(9), instances(middle))
    younger = block(11, "c")
    assert reorg.announced(instances(younger), [], younger)[1] == [], "the first orphaned branch was older than this"
    end = block(12, "c")
    assert told(reorg.announced(instances(end), [], end)[1]) == [("A", "inactive", "reorg")]
