"""What a response is, and what must hold before it may pause by itself: plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from eth_utils.crypto import keccak

from monitor.alerts.matchers import Matcher, all_match
from monitor.model import Hash, Labels, Zone
from monitor.rules.files import Rule

Mode = Literal["shadow", "propose", "automatic"]
Kind = Literal["pause", "shadow", "propose", "refused", "wait"]
"""What becomes of an alert that fires. ``wait``: nothing is recorded yet, and the next block is looked at."""
CRITICAL = frozenset({"critical", "page"})
"""Severities that may lead to a response: both names of "a person must act now"."""
MIN_OPERATORS = 2
MAX_FINALITY_EPOCHS = 4
"""Epochs between the head's and the finalized one above which nothing is paused by itself: 2 when all is well."""


@dataclass(frozen=True, slots=True, order=True)
class Hold:
    """For how long both conditions must have held: at so many judged blocks in a row, and over so many seconds of block time."""

    blocks: int = 1
    seconds: int = 0

    def __or__(self, other: Hold) -> Hold:
        """The stricter of both."""
        return Hold(max(self.blocks, other.blocks), max(self.seconds, other.seconds))

    def __str__(self) -> str:
        return f"{self.seconds} s" if self.seconds else f"{self.blocks} block{'s' * (self.blocks != 1)}"


INVARIANT, AMOUNT, PRICE = Hold(1), Hold(2, 60), Hold(2, 300)
MINIMUM: Mapping[Zone, Hold] = {
    "accounting": INVARIANT,
    "governance": INVARIANT,
    "deposit": AMOUNT,
    "validator": AMOUNT,
    "integration": PRICE,
}
"""The least time by the zone of what a condition reads. What must never be so is true in its first block; a price can be pushed for one block
by whoever pays for it, and a queue by one large holder. Zone ``monitor`` is about ourselves: it has no part in a pause."""


Proof = Literal["report", "replay"]
"""What may arm a response: a shadow report, or a replay over a library of incidents."""


@dataclass(frozen=True, slots=True)
class Earned:
    """The proof that armed a response: a report of ``stakewarden guardian shadow-report`` or ``guardian replay``, and the sha256 of its file.

    ``library``: for a replay, the folder of the incidents that it was made over, seen from the responses file.
    """

    file: str
    sha256: str
    proof: Proof = "report"
    library: str = ""


@dataclass(frozen=True, slots=True)
class Incidents:
    """Which incidents of a library concern a response: where a pause of such a target is right for this cause, it has to pause in time."""

    cause: str
    target: str


@dataclass(frozen=True, slots=True)
class Response:
    """One entry of the file.

    ``second`` is the other condition: an expression over families that other collectors fill from other sources; None only where nothing is
    paused by itself. It holds for an alert when one of its elements agrees with the alert on every label that both have.
    ``agreement``: endpoints that must stand behind the block, 0 for the majority. ``hold``: longer than the class asks for. ``incidents``: those that
    it is for; they decide nothing live.
    """

    name: str
    matchers: tuple[Matcher, ...]
    target: str
    mode: Mode
    owner: str
    reason: str
    agreement: int = 0
    second: Rule | None = field(default=None, compare=False)
    hold: Hold = Hold()
    earned: Earned | None = None
    incidents: Incidents | None = None

    def matches(self, labels: Labels) -> bool:
        return all_match(self.matchers, dict(labels))

    @property
    def alert(self) -> str:
        """The name of the alert; every response names one."""
        return next((m.value for m in self.matchers if m.name == "alertname" and m.operator == "="), "")


@dataclass(frozen=True, slots=True)
class Policy:
    """All responses, in the order of the file: for each target the first that matches decides. ``text``: the file as it stands."""

    responses: tuple[Response, ...] = ()
    text: str = ""

    @property
    def hash(self) -> Hash:
        return text_hash(self.text)

    def first_per_target(self, labels: Labels) -> tuple[Response, ...]:
        found: dict[str, Response] = {}
        for response in self.responses:
            if response.target not in found and response.matches(labels):
                found[response.target] = response
        return tuple(found.values())


@dataclass(frozen=True, slots=True)
class Agreement:
    """Who stood behind a judged block, at its hash. ``operators`` maps each *configured* endpoint to who runs it."""

    operators: Mapping[str, str]
    agreed: frozenset[str]

    @property
    def behind(self) -> tuple[str, ...]:
        return tuple(sorted(self.agreed & self.operators.keys()))

    def shortfall(self, wanted: int, *, automatic: bool) -> str | None:
        """Why this is not enough, or None. Counted over configured endpoints and their operators, never over those alive."""
        n = len(self.operators)
        operators = {self.operators[e] for e in self.behind}
        every = set(self.operators.values())
        if automatic and len(every) < MIN_OPERATORS:
            return f"an automatic pause needs endpoints of at least {MIN_OPERATORS} operators, {len(every)} is configured"
        needed = max(wanted, n // 2 + 1, MIN_OPERATORS if automatic else 1)
        if len(self.behind) < needed:
            return f"{len(self.behind)} of {n} configured endpoints agreed on the block, {needed} are needed"
        needed = max(len(every) // 2 + 1, MIN_OPERATORS if automatic else 1)
        if len(operators) < needed:
            return f"the agreeing endpoints are run by {len(operators)} of {len(every)} operators, {needed} are needed"
        return None


@dataclass(frozen=True, slots=True)
class Health:
    """The state of the chain at a judged block. None is unknown, and unknown health is not healthy.

    ``finality_epochs``: epoch of the agreed head minus the finalized one. ``split``: whether a configured execution endpoint is on another
    branch.
    """

    finality_epochs: float | None = None
    split: bool | None = None

    def objection(self) -> str | None:
        """Why nothing is paused by itself on such a chain, or None."""
        if self.split is None:
            return "whether the execution clients agree on the head is not known"
        if self.split:
            return "the execution clients disagree on the head"
        if self.finality_epochs is None:
            return "how far finality lags is not known"
        if not self.finality_epochs <= MAX_FINALITY_EPOCHS:
            return f"finality lags {self.finality_epochs:g} epochs, {MAX_FINALITY_EPOCHS} is the most"
        return None


def text_hash(text: str) -> Hash:
    """keccak256 of a file's text, as decisions name it."""
    return Hash("0x" + keccak(text.encode()).hex())
