"""How one node of the simulated chain misbehaves. Modes are fields of :class:`NodeFaults`; the default is an honest, healthy node."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class StateLie(_Strict):
    """What a node changes in every state that it tells: of an operator's validators, or of single ones."""

    operator: str | None = None
    validators: tuple[int, ...] = ()
    zero_participation: bool = False
    """As if they had not voted, in this epoch and the last."""
    slashed: bool | None = None
    """Their slashed flags set, or cleared."""


class NodeFaults(_Strict):
    """All that can be wrong with a node at once."""

    refuse: bool = False
    """Drops every connection."""
    hang: bool = False
    """Takes requests and says nothing; event streams stay open without a word."""
    slow_ms: int = Field(default=0, ge=0)
    unavailable: bool = False
    """HTTP 503 with a page of HTML."""
    syncing_503: bool = False
    """HTTP 503, "currently syncing", for everything but ``/node/*``."""
    rate_limit: float | None = None
    """HTTP 429 with this Retry-After."""
    is_syncing: bool = False
    is_optimistic: bool = False
    el_offline: bool = False
    pruned: bool = False
    """404 for every state but the head's."""
    no_debug: bool = False
    """404 for whole states, as behind a provider that blocks the debug namespace."""
    state_offset: int = 0
    """Answers with the state of another slot, so many later (earlier, if negative)."""
    state_error: bool = False
    """500 for whole states."""
    cut_body: bool = False
    """Connections end in the middle of a body."""
    garbage: bool = False
    """Half a JSON object, HTTP 200."""
    wrong_version: bool = False
    """``Eth-Consensus-Version`` names another fork than the bytes are."""
    no_events: bool = False
    """404 for the event stream."""
    mute_events: bool = False
    """Event streams stay open and bring keep-alives alone."""
    mute_slashings: bool = False
    """Slashings are never gossiped."""
    lag: int = Field(default=0, ge=0)
    """Its head is so many slots behind."""
    wrong_genesis: bool = False
    """Says that it serves another chain."""
    fake_head: bool = False
    """Its head is another block than everybody's."""
    invent_slashings: tuple[int, ...] = ()
    """Its newest block slashes these validators for their votes; nobody else's does. It gossips this, too."""
    hide_slashings: bool = False
    """Its blocks hold no slashings and it gossips none."""
    state_lies: tuple[StateLie, ...] = ()

    def with_mode(self, mode: str, value: object) -> NodeFaults:
        """These faults with one mode set (or ``healthy``). Raises ValueError naming the modes."""
        if mode == "healthy":
            return NodeFaults()
        if mode not in NodeFaults.model_fields:
            raise ValueError(f"there is no mode {mode!r}; there are: healthy, {', '.join(NodeFaults.model_fields)}")
        return NodeFaults.model_validate({**self.model_dump(), mode: value})
