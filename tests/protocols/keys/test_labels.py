"""Names that people give themselves come out harmless."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.protocols.keys.labels import NAME_LENGTH, label, plain


@given(st.one_of(st.binary(max_size=200), st.text(max_size=120).map(lambda t: t.encode("utf-8", "surrogatepass"))))
def test_no_name_breaks_a_label(raw: bytes) -> None:
    name = plain(raw)
    assert len(name) <= NAME_LENGTH
    assert name == name.strip() and "  " not in name and "#" not in name
    assert not [c for c in name if unicodedata.category(c).startswith("C") or (c.isspace() and c != " ")]
    name.encode("utf-8")
    assert plain(name.encode()) == name


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        (b"P2P.ORG - P2P Validator", "P2P.ORG - P2P Validator"),
        ("Stärke GmbH".encode(), "Stärke GmbH"),
        (b"two\n lines\tand\x00 nul", "two lines and nul"),
        ("\u202eevil\u202c".encode(), "evil"),
        (b"curated #7 Other", "curated 7 Other"),
        (b"\xff\xfe broken", "broken"),
        (b"x" * 100_000, "x" * NAME_LENGTH),
    ],
)
def test_names_as_they_are_shown(raw: bytes, name: str) -> None:
    assert plain(raw) == name


def test_a_label_is_module_number_and_name() -> None:
    assert label("curated", 7, "Some Name") == "curated #7 Some Name"
    assert label("Community Staking", 12, "") == "Community Staking #12"


@given(st.text(max_size=60), st.text(max_size=60), st.integers(0, 10**6), st.integers(0, 10**6))
def test_labels_of_two_operators_differ(one: str, other: str, a: int, b: int) -> None:
    """Also when one of them calls itself by the other's whole label."""
    names = [plain(t.encode("utf-8", "replace")) for t in (one, other, label("curated", a, one))]
    for name in names:
        for again in names:
            assert (label("curated", a, name) == label("curated", b, again)) <= (a == b)
