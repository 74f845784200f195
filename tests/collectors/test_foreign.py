"""A deposited key with somebody else's withdrawal credentials is told by its operator, and is in no other figure."""

from __future__ import annotations

from monitor.collectors.validators import validators
from monitor.model import BlockStamp, Hash, Ok, Slot
from monitor.model.beacon import BeaconView
from tests.collectors.beacon_state import GROUPS, SPEC, facts, head, registry, snapshot

STAMP = BlockStamp(9, Hash("0x" + "9" * 64), Hash("0x" + "8" * 64), 1_700_000_000, Slot(SPEC.last_slot(6)))
FAMILY = "validators_foreign_credentials"


def told(foreign: dict[tuple[str, str], int]) -> dict[str, dict[str, float]]:
    """Values of the family by owner and operator."""
    slot = SPEC.last_slot(6)
    view = BeaconView(head(slot), (), facts(5, Hash("0x" + "7" * 64), STAMP, foreign=foreign), registry(slot))
    frames, _ = validators(["lido"]).judge(snapshot(STAMP, view), {})
    assert all(isinstance(frame.status, Ok) for frame in frames)
    return {
        dict(frame.scope)["protocol"]: {
            dict(series.labels)["operator"]: float(value)
            for series, value in zip(frame.layout.series, frame.values, strict=True)
            if series.family == FAMILY
        }
        for frame in frames
    }


def test_each_operators_front_run_keys_are_told() -> None:
    assert told({GROUPS[0]: 2}) == {"ethereum": {}, "lido": {GROUPS[0][1]: 2.0}}


def test_where_there_is_none_nothing_is_said() -> None:
    assert told({}) == {"ethereum": {}, "lido": {}}
