"""What an alert may lead to: ``rules/policy/responses.yaml``, and what must hold before anything is paused by itself.

The alert's rule says what is wrong; this file, with owners of its own, says what may be *done*. Endpoints that are down count as not agreeing.
"""

from monitor.guardian.policy.file import EMBEDDED_CHAINS, FILE_KEYS, KEYS, REQUIRED, BadPolicy, load_policy, parse_policy
from monitor.guardian.policy.model import (
    CRITICAL,
    MINIMUM,
    Agreement,
    Earned,
    Health,
    Hold,
    Incidents,
    Kind,
    Mode,
    Policy,
    Proof,
    Response,
    text_hash,
)

__all__ = [
    "CRITICAL",
    "EMBEDDED_CHAINS",
    "FILE_KEYS",
    "KEYS",
    "MINIMUM",
    "REQUIRED",
    "Agreement",
    "BadPolicy",
    "Earned",
    "Health",
    "Hold",
    "Incidents",
    "Kind",
    "Mode",
    "Policy",
    "Proof",
    "Response",
    "load_policy",
    "parse_policy",
    "text_hash",
]
