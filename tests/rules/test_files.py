"""Rule files: what is read, and every mistake with its place. Golden messages are in tests/rules/broken/*.txt."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.catalogue import SHIPPED, Catalogue
from monitor.promql import parse
from monitor.rules import RuleFileErrors, check, from_sources, load, render_problems
from monitor.rules.document import MAX_BYTES, parse_duration
from monitor.rules.files import canonical

BROKEN = Path(__file__).parent / "broken"
CATALOGUE = Catalogue(SHIPPED)
PACK = (Path(__file__).parents[2] / "rules/packs/lido.yaml").read_text()
GROUP = "groups:\n" + PACK[PACK.index("  - name: lido-accounting") :]


def problems_of(text: str, name: str = "rules.yaml") -> str:
    """What a reader is told about a file: errors of loading, else findings of checking."""
    try:
        rules = from_sources({name: text})
    except RuleFileErrors as error:
        return render_problems(error.problems, {name: text})
    return render_problems(check(rules, CATALOGUE), rules.sources)


@pytest.mark.parametrize("path", sorted(BROKEN.glob("*.yaml")), ids=lambda p: p.stem)
def test_every_mistake_is_told_with_its_place(path: Path) -> None:
    """To renew the golden files after a deliberate change: RENEW_GOLDEN=1 pytest tests/rules/test_files.py"""
    told = problems_of(path.read_text(), path.name) + "\n"
    golden = path.with_suffix(".txt")
    if os.environ.get("RENEW_GOLDEN"):
        golden.write_text(told)
    assert told == golden.read_text()


def test_what_is_no_text_is_told_by_its_byte(tmp_path: Path) -> None:
    path = tmp_path / "latin1.yaml"
    path.write_bytes("groups:\n- name: caf\xe9\n".encode("latin-1"))
    with pytest.raises(RuleFileErrors, match=r"latin1.yaml:2:12: error: byte 0xe9 is not UTF-8; expected a file in UTF-8"):
        load([path])


def test_a_huge_file_is_refused_before_it_is_parsed(tmp_path: Path) -> None:
    path = tmp_path / "huge.yaml"
    path.write_text("groups:\n" + "# more\n" * (MAX_BYTES // 6))
    with pytest.raises(RuleFileErrors, match=r"the file has .* bytes; expected at most 524288: split it"):
        load([path])


def test_a_missing_file_and_all_problems_of_all_files_are_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("groups: 3")
    (tmp_path / "b.yaml").write_text("grupps: []")
    with pytest.raises(RuleFileErrors) as caught:
        load([tmp_path / "a.yaml", tmp_path / "b.yaml", tmp_path / "c.yaml"])
    assert [(Path(p.span.file).name, p.code) for p in caught.value.problems] == [
        ("a.yaml", "wrong-type"),
        ("b.yaml", "unknown-key"),
        ("c.yaml", "unreadable"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "groups: " + "[" * 5000,
        "- " * 5000,
        "groups: &a [" + ",".join(["*a"] * 3) + "]",
        "a: &a [x,x,x,x,x,x,x,x,x]\n"
        + "\n".join(f"{c}: &{c} [{','.join(['*' + p] * 9)}]" for p, c in zip("abcdefgh", "bcdefghi", strict=True)),
        "groups:\n- &g {name: g, rules: &r [&x {alert: A, expr: up}," + ",".join(["*x"] * 3000) + "]}\n" + "- {name: h, rules: *r}\n" * 30,
        "groups: !!python/object/apply:os.system ['true']",
        "\x00",
        "groups: \ud800",
        "%YAML 9.9\n---\n",
        "? [a]\n: b",
        "--- 1\n--- 2\n",
    ],
    ids=[
        "deep",
        "deep-block",
        "recursive",
        "laughs",
        "aliased-groups",
        "python-tag",
        "nul",
        "surrogate",
        "version",
        "complex-key",
        "two-documents",
    ],
)
def test_hostile_yaml_is_a_problem_and_nothing_else(text: str) -> None:
    with pytest.raises(RuleFileErrors) as caught:
        from_sources({"evil.yaml": text})
    assert len(caught.value.problems) < 50


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=200))
def test_any_text_is_rules_or_problems(text: str) -> None:
    problems_of(text)


KEYS = st.sampled_from(
    [
        "groups",
        "name",
        "rules",
        "alert",
        "record",
        "expr",
        "for",
        "labels",
        "annotations",
        "interval",
        "limit",
        "keep_firing_for",
        "severity",
    ]
)
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=12),
    st.sampled_from(["5m", "{{ $value }}", "up", "sum(", "queue_bunker_mode == 1", "{{"]),
)
TREES = st.recursive(VALUES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5), max_leaves=25)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.dictionaries(KEYS, TREES, max_size=5), max_size=3))
def test_any_tree_is_rules_or_problems(groups: list[object]) -> None:
    problems_of(yaml.safe_dump({"groups": groups}, allow_unicode=True))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, len(GROUP) - 1), st.integers(0, 30), st.text(alphabet="{}[]():\"'|>-&*!%@`#\t\n ax0~$", max_size=4))
def test_a_damaged_pack_is_rules_or_problems(at: int, cut: int, put: str) -> None:
    problems_of(GROUP[:at] + put + GROUP[at + cut :])


RULES = """
groups:
- name: g
  labels: {severity: ticket, team: a}
  rules:
  - alert: A
    expr: up > 1 # a comment
    labels: {team: b}
  - alert: A
    expr: up > 2
  - record: level:x:sum
    expr: 5
"""


def test_ids_are_unique_group_labels_are_inherited_and_sources_are_kept() -> None:
    rules = from_sources({"r.yaml": RULES})
    assert [r.id for r in rules] == ["g/A", "g/A#2", "g/level:x:sum"]
    assert [(r.label("severity"), r.label("team")) for r in rules] == [("ticket", "b"), ("ticket", "a"), ("ticket", "a")]
    again = from_sources(rules.sources)
    assert again == rules and again.hash == rules.hash
    assert from_sources({"r.yaml": RULES + " "}).hash != rules.hash


def test_a_rules_identity_does_not_depend_on_its_lay_out_or_wording() -> None:
    spread = RULES.replace("up > 1 # a comment", "|\n      up\n        >   1").replace(
        "labels: {team: b}", "labels: {team: b}\n    annotations: {summary: new}\n    for: 5m"
    )
    first, second = from_sources({"r.yaml": RULES}).rules[0], from_sources({"r.yaml": spread}).rules[0]
    assert first.identity == second.identity
    assert from_sources({"r.yaml": RULES.replace("up > 1", "up > 1.5")}).rules[0].identity != first.identity


def test_expressions_that_differ_have_different_canonical_texts() -> None:
    texts = [
        "a",
        'a{x="1"}',
        'a{x="1"}[5m]',
        "a offset 5m",
        "-a",
        "a + a",
        "a == bool a",
        "sum by (x) (a)",
        "sum without (x) (a)",
        "a / on (x) a",
        "a / on (x, y) a",
        "abs(a)",
        "1",
        "2",
    ]
    trees = [parse(t) if "[" not in t else parse(f"rate({t})") for t in texts]
    assert len({canonical(t) for t in trees}) == len(texts)


def test_a_folder_is_read_without_its_tests(tmp_path: Path) -> None:
    for name in ("b.yaml", "a.yml", "a.test.yaml", "notes.txt"):
        (tmp_path / name).write_text("groups: []")
    assert [Path(f).name for f in load([tmp_path]).sources] == ["a.yml", "b.yaml"]


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("0", 0),
        ("1h30m", 5_400_000),
        ("1d", 86_400_000),
        ("1y2w3d4h5m6s7ms", 33_019_506_007),
        ("", None),
        ("5", None),
        ("m5", None),
        ("1.5h", None),
        ("5m5h", None),
        ("-5m", None),
    ],
)
def test_durations_are_prometheus(text: str, milliseconds: int | None) -> None:
    assert parse_duration(text) == milliseconds
