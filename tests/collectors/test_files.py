"""Whatever is in a user's file: a value, or an error that names the place. Never another exception."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.collectors import baseline
from monitor.protocols.entries import BadEntry
from monitor.protocols.lido import deployment
from tests.collectors.lido_state import account

READERS: list[Any] = [baseline.parse, deployment.parse]
WORDS = st.sampled_from(
    ["version", "networks", "lido", "proxy", "roles", "account", "note", "contracts", "address", "implementation", "pause", "none", "kinds",
     "1", "0x12", account(1), account(2), "", "withdrawal_queue", "access", "aragon_proxy", "network", "accounts", "implementations"]
)  # fmt: skip
TREES = st.recursive(
    WORDS | st.none() | st.integers() | st.booleans(),
    lambda t: st.lists(t, max_size=3) | st.dictionaries(WORDS, t, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize("read", READERS)
@settings(max_examples=60)
@given(TREES)
def test_any_tree_is_read_or_refused_with_its_place(read: Any, tree: Any) -> None:
    try:
        read(yaml.safe_dump(tree), "f.yaml")
    except BadEntry as error:
        assert str(error).startswith(f"f.yaml:{error.line}:{error.column}: ")


@pytest.mark.parametrize("read", READERS)
@settings(max_examples=60)
@given(st.text(max_size=60) | st.text(alphabet="[]{}:-&*!|>'\"\n a1", max_size=60))
def test_any_text_is_read_or_refused_with_its_place(read: Any, text: str) -> None:
    try:
        read(text, "f.yaml")
    except BadEntry as error:
        assert error.line >= 1


@pytest.mark.parametrize("number", ["²", "9" * 5000, "-1", "1.5", "0x10", ""])
def test_what_is_no_whole_number_is_refused(number: str) -> None:
    with pytest.raises(BadEntry):
        deployment.parse(f"network: '{number}'\ncontracts: {{}}")
    with pytest.raises(BadEntry):
        baseline.parse(f"version: 1\nnetworks:\n  '{number}': {{}}")


@pytest.mark.parametrize("read", READERS)
def test_absurd_nesting_is_refused(read: Any) -> None:
    with pytest.raises(BadEntry):
        read("[" * 2_000, "f.yaml")
