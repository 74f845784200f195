"""The page about deployment files tells every key and kind that the reader knows."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from monitor.protocols.access import PauseKind, ProxyKind
from monitor.protocols.lido import protocol
from monitor.protocols.lido.deployment import _FIELDS, _GROUPS, AccessKind, mainnet
from monitor.protocols.venues.market import MARKET_FIELDS, VENUE_FIELDS, VenueKind

PAGE = (Path(__file__).parents[2] / "docs" / "deployment.md").read_text()


@pytest.mark.parametrize(
    "word",
    [
        *get_args(ProxyKind),
        *get_args(PauseKind),
        *get_args(AccessKind),
        *get_args(VenueKind),
        *_FIELDS,
        *_GROUPS,
        *MARKET_FIELDS,
        *VENUE_FIELDS,
    ],
)
def test_every_key_and_kind_is_told(word: str) -> None:
    assert f"`{word}`" in PAGE


def test_every_contract_whose_holders_cannot_be_read_is_told() -> None:
    for line in protocol(mainnet()).uncovered:
        assert f"`{line.removeprefix('roles of ').split(':')[0]}`" in PAGE
