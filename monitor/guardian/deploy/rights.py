"""What a plan gives to whom, in plain words: to be read by those who approve it."""

from __future__ import annotations

from collections.abc import Iterator

from monitor.guardian.deploy.plan import DeployPlan, TargetPlan


def rights(plan: DeployPlan) -> tuple[tuple[str, str], ...]:
    """Party, and what it can do at worst. ``docs/trust.md`` tells how each is noticed and undone."""
    return tuple(_rights(plan))


def _rights(plan: DeployPlan) -> Iterator[tuple[str, str]]:
    yield "the deployer " + plan.deployer, "nothing: it pays for the deployment and holds no right afterwards"
    yield (
        "the admin " + plan.admin.address,
        "registers targets, sets limits under the ceilings, names guardians and sentinels, arms; hands its role over "
        f"{span(plan.admin.delay_seconds)} after saying so. Cannot resume a target, move value, upgrade, or go beyond the ceilings",
    )
    for person in plan.guardians:
        yield (
            f"guardian {person.name} {person.address}",
            f"pauses any of {_names(plan.targets)} at once; cancels orders, disarms, revokes and stops sentinels. Cannot resume or arm",
        )
    armed = tuple(t for t in plan.targets if t.arming == "armed")
    able = (
        f"pause {_names(armed)}, each as long and as often as its limits say, {plan.budget} pauses in all" if armed else "pause nothing yet"
    )
    if plan.sentinels:
        yield f"{plan.threshold} of {len(plan.sentinels)} sentinels together", able + ". Cannot send, resume, arm or register"
        yield "fewer sentinels", "nothing"
    yield "anyone", "submits orders that enough sentinels signed; looks at everything"
    for target in plan.targets:
        yield f"the guardian contract, at {target.name}", _at(target)
    if plan.releaser is not None:
        released = _names(tuple(t for t in plan.targets if t.release))
        yield (
            "the Releaser",
            f"holds the right to resume {released}: anyone ends a guardian's pause there once its time is over, within "
            f"{span(plan.releaser.window_seconds)}. A pause by somebody else may be taken for the guardian's: see docs/trust.md",
        )


def _at(target: TargetPlan) -> str:
    limits = target.limits
    if target.lever == "pause":
        return "pauses it without an end of its own, when a guardian says so; whoever may resume it lifts that"
    if target.lever == "circuitBreaker":
        return "is its only pauser at the CircuitBreaker, which pauses for its own duration and takes the right away with each pause"
    return (
        f"pauses it for {span(limits.guardian_seconds)} when a guardian says so ({span(limits.guardian_quota_seconds)} in all), "
        f"for {span(limits.sentinel_seconds)} when sentinels do ({limits.budget} times until armed again); never resumes it"
    )


def _names(targets: tuple[TargetPlan, ...]) -> str:
    return ", ".join(t.name for t in targets)


def span(seconds: int) -> str:
    """A length of time in the largest unit that tells it exactly."""
    for unit, size in (("days", 86_400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size and seconds % size == 0:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
