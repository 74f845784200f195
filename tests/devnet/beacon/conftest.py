"""A chain without anvil: small, quick, with everything that a chain does."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from monitor.chain.beacon.spec import MINIMAL, Fork, Spec
from monitor.devnet.beacon.chain import Chain
from monitor.devnet.beacon.registry import registry
from monitor.devnet.beacon.roots import sha
from monitor.devnet.beacon.sim import DEVNET
from monitor.devnet.beacon.state import Payload

EPOCH = 690
MakeChain = Callable[..., Chain]


def payload(number: int, branch: bytes = b"") -> Payload:
    """An execution block."""
    return Payload(
        number, sha(b"block", branch, number.to_bytes(8, "little")), sha(b"block", branch, (number - 1).to_bytes(8, "little")), 12 * number
    )


@pytest.fixture
def make_chain() -> MakeChain:
    """``make_chain(validators=..., spec=..., fork=..., slots=...)``: a chain that has grown so many slots."""

    def make(
        validators: int = 256, spec: Spec = DEVNET, fork: Fork = "fulu", slots: int = 1, miss_rate: float = 0.0, swept: bool = False
    ) -> Chain:
        chain = Chain.begin(
            spec, fork, 0, registry(None, validators), EPOCH * spec.slots_per_epoch, payload(1), miss_rate=miss_rate, swept=swept
        )
        chain.grow(chain.first_slot + slots - 1, payload(2))
        return chain

    return make


SMALL = MINIMAL
"""The minimal preset: eight slots an epoch, 64 epochs of memory."""
