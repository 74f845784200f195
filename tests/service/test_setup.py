"""What judging depends on, as text: the same text, the same judging."""

from __future__ import annotations

from pathlib import Path

from monitor import rules
from monitor.model import labels
from monitor.service.setup import Setup
from tests.service.making import Small

PACKS = Path(__file__).parents[2] / "rules" / "packs"


def setup(*names: str) -> Setup:
    return Setup.of(rules.load([PACKS]), [Small(n, scopes=(labels(protocol="lido", contract=n), ())) for n in names])


def test_a_setup_comes_back_from_its_text() -> None:
    before = setup("roles", "queue")
    after = Setup.from_text(before.text)
    assert after.text == before.text and after.hash == before.hash
    assert after.sources == before.sources
    assert [r.id for r in after.ruleset] == [r.id for r in before.ruleset]
    assert (after.reach, after.keep_seconds, after.recorders) == (before.reach, before.keep_seconds, before.recorders)
    assert after.window().blind(0) == before.window().blind(0)


def test_other_sources_or_rules_are_another_setup(tmp_path: Path) -> None:
    text = (PACKS / "stakewarden.yaml").read_text()
    (tmp_path / "x.yaml").write_text(text.replace("> 300", "> 301"))
    hashes = {setup("roles").hash, setup("queue").hash, Setup.of(rules.load([tmp_path]), []).hash, Setup.of(rules.load([PACKS]), []).hash}
    assert len(hashes) == 4


def test_it_reaches_back_as_far_as_the_longest_lived_event() -> None:
    assert setup().reach >= 6 * 3600
