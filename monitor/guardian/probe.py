"""The probe: a user's call that a pause has to stop. What it does now, and what a pause would make of it; pure.

Both are simulated and never sent. The second makes three calls at one block: the user's (taken back), the pause from the guardian contract, the user's
again. So a pause that stops nothing is known before anybody needs one.
"""

from __future__ import annotations

from monitor.chain.stage import NotStaged, Outcome, outcomes
from monitor.guardian.checks import Check, outcome
from monitor.guardian.levers import Lever
from monitor.model import Address, Failed, Read, Snapshot, Staged, Step, Unanswered
from monitor.protocols.abi import selector

NOW, AFTER = "probe", "probe_after"
"""Names of the two checks."""


def now(lever: Lever, probe: Read, paused: bool, snapshot: Snapshot) -> Check:
    """A probe that fails while the target runs shows nothing; one that goes through while it is paused shows that the pause stops nothing."""
    assert lever.settings.probe is not None
    reverted = outcome(snapshot, probe, f"probe of {lever.name}")
    if not paused:
        went = "goes through" if reverted is None else f"fails with 0x{reverted[:4].hex()}: correct the probe"
        return Check(NOW, reverted is None, f"the target runs, and the probe {went}")
    if reverted is None:
        return Check(NOW, False, "the target says that it is paused, and the probe goes through all the same: the pause does not stop it")
    return _ended(NOW, lever, reverted, "the target is paused, and the probe")


def staged(lever: Lever, pull: tuple[Address, bytes], guardian_at: Address) -> Read | None:
    """The read that shows what a pause would make of the probe. None without a probe, and for one whose sender is called itself."""
    asked = lever.settings.probe
    if asked is None or {asked.sender, guardian_at} & {asked.to, pull[0]}:
        return None
    call = Step(Address(asked.sender), Address(asked.to), bytes.fromhex(asked.data[2:]), undone=True)
    return Read(lever.settings.where, Staged((call, Step(guardian_at, *pull), call)))


def after(lever: Lever, read: Read, snapshot: Snapshot) -> Check | None:
    """Whether a pause would stop the probe. None where that cannot be asked, for a reason that another check names: the probe or the pause would fail.

    Raises Unanswered, also where no endpoint runs such steps.
    """
    before, pause, then = _steps(read, snapshot, f"what a pause makes of the probe of {lever.name}")
    if not before.success or not pause.success:
        return None
    if then.success:
        return Check(AFTER, False, "a pause would go through, and the probe all the same: the pause would not stop it")
    return _ended(AFTER, lever, then.data, "after a pause the probe")


def _steps(read: Read, snapshot: Snapshot, what: str) -> tuple[Outcome, ...]:
    try:
        return outcomes(snapshot.value(read))
    except Unanswered as missing:
        raise Unanswered(what, missing.answer) from None
    except NotStaged as wrong:
        raise Unanswered(what, Failed(str(wrong))) from None


def _ended(name: str, lever: Lever, reverted: bytes, subject: str) -> Check:
    assert lever.settings.probe is not None
    wanted = lever.settings.probe.error
    meant = wanted is None or reverted[:4] == selector(wanted)
    words = f"{subject} fails with 0x{reverted[:4].hex()}"
    return Check(name, meant, words if meant else f"{words} instead of {wanted}: whether the pause stops it is open")
