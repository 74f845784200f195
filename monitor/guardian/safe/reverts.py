"""Revert data in words, for the contracts that a Safe's pause goes through."""

from __future__ import annotations

from monitor.guardian import contract as guardian
from monitor.protocols.abi import decode, selector

_TEXT = selector("Error(string)")
_MEANINGS = {
    "SenderNotPauser()": "the Safe is not the registered pauser of that contract (a pause uses the registration up)",
    "HeartbeatExpired()": "the Safe's heartbeat at the CircuitBreaker has expired; only its admin can register the Safe again",
    "PauseFailed()": "the CircuitBreaker called, and the contract does not say that it is paused",
    "SenderNotAdmin()": "only the CircuitBreaker's admin may do that",
    "ResumedExpected()": "the contract is paused already",
    "PausedExpected()": "the contract is not paused",
    "EnforcedPause()": "the contract is paused already",
    "ZeroPauseDuration()": "the duration is zero",
    "InvalidNewPausedStatus()": "the flags would clear a flag that is set now: prepare it again, with the flags of now",
    "OnlyPauser()": "the Safe is no pauser there",
}
_BY_SELECTOR = {selector(s): (s, m) for s, m in _MEANINGS.items()}
_SAFE = {
    "GS010": "too little gas was given",
    "GS013": "the call inside failed, so the Safe took everything back: nonce and signatures stay good",
    "GS020": "there are too few signatures",
    "GS024": "a contract among the owners does not confirm its signature",
    "GS025": "an owner's approval of the hash is not on chain",
    "GS026": "a signature is not by an owner, comes twice, or is for another transaction (another nonce, another chain)",
}


def explain(data: bytes) -> str:
    """What the revert data means."""
    if data[:4] in _BY_SELECTOR:
        signature, meaning = _BY_SELECTOR[data[:4]]
        return f"{signature}: {meaning}"
    if data[:4] == _TEXT:
        try:
            (text,) = decode(("string",), data[4:])
        except ValueError:
            return guardian.explain(data)
        return f"{text}: {_SAFE[text]}" if text in _SAFE else f"it says {text[:200]!r}"
    return guardian.explain(data)
