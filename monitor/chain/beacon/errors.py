"""What can go wrong with a beacon node, by kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

NodeErrorKind = Literal["timeout", "connection", "http", "malformed", "too_large", "not_found", "syncing", "wrong_state", "optimistic"]
"""The kinds of the family ``stakewarden_beacon_node_errors_total``."""
NODE_ERROR_KINDS: tuple[NodeErrorKind, ...] = get_args(NodeErrorKind)


class NodeError(Exception):
    """A beacon node did not answer properly. The text names the node, never its URL. ``status``: of the HTTP answer, if one came."""

    def __init__(self, node: str, kind: NodeErrorKind, reason: str, status: int | None = None) -> None:
        super().__init__(f"{node}: {reason}")
        self.node, self.kind, self.reason, self.status = node, kind, reason, status


class BeaconUnanswered(Exception):
    """The beacon nodes gave no answer that can be believed: ``what`` was asked, and why not, by node. Nothing is wrong with us."""

    def __init__(self, what: str, reasons: Mapping[str, str]) -> None:
        told = "; ".join(f"{node}: {reason}" for node, reason in reasons.items())
        super().__init__(f"{what}: no majority of the configured beacon nodes" + (f" ({told})" if told else ""))
        self.what, self.reasons = what, dict(reasons)
