"""What a plan is refused for before anything is sent: by its own text, or by what the chain says."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.devnet.accounts import address_of
from monitor.devnet.anvil import CONTRACTS_DIR
from monitor.guardian.compiled import GUARDIAN
from monitor.guardian.deploy import file as files
from monitor.guardian.deploy import plan as plans
from monitor.guardian.deploy.file import BadPlan, load, parse
from tests.guardian.deploy.site import DAY, Site

EXAMPLE = Path(__file__).parents[3] / "deploy/guardian.example.yaml"
Change = Callable[[dict[str, Any]], Any]


def changed(content: dict[str, Any], change: Change) -> dict[str, Any]:
    change(content)
    return content


def target(i: int, **more: Any) -> Change:
    return lambda c: c["targets"][i].update(more)


def limit(i: int, **more: Any) -> Change:
    return lambda c: c["targets"][i]["limits"].update(more)


# ---------------------------------------------------------------- the file


def example() -> dict[str, Any]:
    found: dict[str, Any] = yaml.load(EXAMPLE.read_text("utf-8"), files._Loader)
    return found


def test_the_example_is_a_plan_that_says_why() -> None:
    found = load(EXAMPLE)
    assert found.threshold == 2 and {t.lever for t in found.targets} == {"pauseFor", "pause"}
    for key in ("admin", "ceilings", "threshold", "budget", "arming", "releaser"):
        assert re.search(rf"(#.*\n)?\s*{key}:.*(#|\n)", EXAMPLE.read_text("utf-8")), key


SAYS: list[tuple[Change, str]] = [
    (lambda c: c.pop("admin"), "admin: is missing"),
    (lambda c: c.update(tresholds=2), 'tresholds: is no key of a plan: did you mean "threshold"'),
    (lambda c: c["sentinels"][0].update(expires="soon"), "sentinels.0.expires: is no time: write 2027-05-31"),
    (lambda c: c["admin"].update(address="0x12"), "admin.address: is not an address"),
    (lambda c: c["admin"].update(address="0x5aaeb6053F3E94C9b9A09f33669435E7Ef1BeAed"), "admin.address: its checksum"),
    (lambda c: c.update(deployer=c["admin"]["address"]), "admin.address: is the deployer"),
    (lambda c: c.update(deployer=c["guardians"][0]["address"]), "guardians.emergency-committee: is the deployer"),
    (lambda c: c.update(deployer=c["sentinels"][0]["address"]), "sentinels.alpha: is the deployer as well"),
    (lambda c: c["sentinels"][1].update(address=c["guardians"][0]["address"]), "sentinels.bravo: is the guardian emergency-committee as well"),
    (lambda c: c["sentinels"][1].update(address=c["admin"]["address"]), "sentinels.bravo: is the admin as well"),
    (lambda c: c["sentinels"][1].update(address=c["sentinels"][0]["address"]), "sentinels: two have the address"),
    (lambda c: c["targets"][1].update(name="vault"), "targets: two have the name vault"),
    (lambda c: c["targets"][0].update(address=c["admin"]["address"]), "targets.vault.address: is an account of this plan"),
    (lambda c: c.update(threshold=4), "threshold: 4 sentinels must sign and 3 are planned"),
    (lambda c: c.update(threshold=0), "threshold: "),
    (lambda c: c.update(sentinels=[]), "threshold: 2 sentinels must sign and 0 are planned"),
    (lambda c: c.update(guardians=[]), "guardians: "),
    (lambda c: c["ceilings"].update(order_age_blocks=129), "ceilings.order_age_blocks: "),
    (lambda c: c["ceilings"].update(guardian_seconds=10**9), "ceilings.guardian_seconds: "),
    (lambda c: c["ceilings"].update(guardian_quota_seconds=DAY), "ceilings.guardian_quota_seconds: is less than guardian_seconds"),
    (limit(0, sentinel_seconds=30 * DAY), "targets.vault.limits.sentinel_seconds: 2592000 is beyond the ceiling of 259200"),
    (limit(0, guardian_quota_seconds=DAY), "targets.vault.limits.guardian_quota_seconds: is less than guardian_seconds"),
    (limit(0, budget=0), "targets.vault.limits: sentinel_seconds and budget are at least 1"),
    (limit(0, gas=29_999), "targets.0.limits.gas: "),
    (limit(1, budget=1), "targets.pool.limits: pause() does not lapse"),
    (target(1, arming="armed"), "targets.pool.arming: pause() does not lapse"),
    (target(0, release=True), "targets.vault.release: this lever lapses"),
    (target(0, lever="circuitBreaker"), "targets.vault.via: is the CircuitBreaker"),
    (target(0, via="0x00000000000000000000000000000000000000e9"), "targets.vault.via: is the CircuitBreaker"),
    (target(0, lever="flags"), "targets.0.lever: "),
    (lambda c: c.pop("releaser"), "releaser: is missing, and pool shall be released"),
    (target(1, release=False), "releaser: no target has release"),
    (lambda c: c["releaser"].update(window_seconds=31 * DAY), "releaser.window_seconds: "),
]  # fmt: skip


@pytest.mark.parametrize(("change", "says"), SAYS, ids=[s for _, s in SAYS])
def test_a_mistake_is_named_with_its_key(change: Change, says: str) -> None:
    with pytest.raises(BadPlan) as wrong:
        parse(yaml.safe_dump(changed(example(), change)), "plan.yaml")
    assert f"plan.yaml: {says}" in str(wrong.value)


def test_all_mistakes_are_told_at_once_and_what_is_no_plan_too(tmp_path: Path) -> None:
    with pytest.raises(BadPlan) as wrong:
        parse("version: 1\nchain_id: x\nbudget: -1")
    assert len(wrong.value.problems) > 5
    for text, says in (
        ("- 1", "is no mapping"),
        ("a: [", "line 1: is not YAML"),
        ("a: 1\na: 2", 'line 2: is not YAML: the key "a" stands there twice'),
    ):
        with pytest.raises(BadPlan, match=re.escape(says)):
            parse(text)
    with pytest.raises(BadPlan, match="cannot be read"):
        load(tmp_path / "none.yaml")


@settings(max_examples=150, deadline=None)
@given(st.one_of(st.text(max_size=60), st.recursive(st.none() | st.integers() | st.text(max_size=8), lambda x: st.dictionaries(st.sampled_from(
    ["version", "admin", "targets", "limits", "sentinels", "expires", "address"]), x, max_size=4) | st.lists(x, max_size=3), max_leaves=12).map(yaml.safe_dump)))  # fmt: skip
def test_junk_is_a_bad_plan_and_nothing_else(text: str) -> None:
    with pytest.raises(BadPlan):
        parse(text)


def test_bounds_are_those_of_the_contracts() -> None:
    [main] = (CONTRACTS_DIR / "src").rglob(f"{GUARDIAN.contract}.sol")
    sources = [p.read_text("utf-8") for p in main.parent.glob("*.sol")]

    def constant(name: str) -> int:
        [value] = [m for s in sources for m in re.finditer(rf"constant {name} = ([\d_]+)( days)?;", s)]
        return int(value[1]) * (DAY if value[2] else 1)

    names = {"MAX_SECONDS": plans.MAX_SECONDS, "MAX_SENTINELS": plans.MAX_SENTINELS, "MAX_ORDER_AGE": plans.MAX_ORDER_AGE,
             "MIN_GAS_LIMIT": plans.MIN_GAS, "MAX_GAS_LIMIT": plans.MAX_GAS, "MAX_WINDOW": plans.MAX_WINDOW}  # fmt: skip
    assert {name: constant(name) for name in names} == names


# ---------------------------------------------------------------- the chain


def refused(site: Site, content: dict[str, Any]) -> set[str]:
    """The keys for which the plan is refused."""
    return {f["key"] for f in site.drawn(content, code=1)["findings"] if f["level"] == "refuse"}


def test_what_is_refused_is_not_sent(site: Site) -> None:
    content = changed(site.content(), target(0, address=address_of("attacker")))
    nonce = site.anvil.rpc.call("eth_getTransactionCount", content["deployer"], "latest")
    assert "the plan is refused: targets.vault.address" in site.do("--send", content=content, code=1)
    assert site.anvil.rpc.call("eth_getTransactionCount", content["deployer"], "latest") == nonce


def role(site: Site, name: str, getter: str) -> bytes:
    artifact = site.compiled["Vault" if name != "pool" else "PausablePool"]
    found: bytes = artifact.result(getter, site.ask(name, artifact.data(getter)))
    return found


ON_CHAIN: list[tuple[str, Callable[[Site], Change]]] = [
    ("chain_id", lambda s: lambda c: c.update(chain_id=1)),
    ("sentinels.alpha.expires", lambda s: lambda c: c["sentinels"][0].update(expires=s.now + 300 * DAY)),
    ("sentinels.bravo.expires", lambda s: lambda c: c["sentinels"][1].update(expires=s.now - DAY)),
    ("sentinels.alpha", lambda s: lambda c: c["sentinels"][0].update(address=s.at["breaker"])),
    ("targets.vault.address", lambda s: target(0, address=address_of("attacker"))),
    ("targets.vault.lever", lambda s: lambda c: (c.pop("releaser"), c["targets"].pop(2), c["targets"][0].update(address=s.at["pool"], role_getter="PAUSER_ROLE", resume_getter="UNPAUSER_ROLE"))),
    ("targets.pool.lever", lambda s: lambda c: (c["targets"].pop(0), c["targets"][1].update(address=s.at["vault"], role_getter="PAUSE_ROLE", resume_getter="RESUME_ROLE"))),
    ("targets.vault.role_getter", lambda s: target(0, role_getter="NO_SUCH_ROLE")),
    ("targets.vault.resume_getter", lambda s: target(0, resume_getter="NO_SUCH_ROLE")),
    ("targets.vault.resume_getter", lambda s: target(0, resume_getter=None)),
    ("targets.vault.role_getter", lambda s: target(0, role_getter="RESUME_ROLE")),
    ("targets.pool.resume_getter", lambda s: target(2, resume_getter=None)),
    ("targets.vault.owner", lambda s: target(0, owner=address_of("attacker"))),
    ("targets.queue.owner", lambda s: target(1, owner=s.at["admin"])),
    ("targets.queue.via", lambda s: target(1, via=s.at["vault"])),
    ("targets.queue.limits", lambda s: limit(1, sentinel_seconds=20 * DAY)),
    ("budget", lambda s: lambda c: c.update(budget=0)),
]  # fmt: skip


@pytest.mark.parametrize(("key", "change"), ON_CHAIN, ids=[f"{i}-{k}" for i, (k, _) in enumerate(ON_CHAIN)])
def test_what_the_chain_speaks_against_is_refused(site: Site, key: str, change: Callable[[Site], Change]) -> None:
    assert key in refused(site, changed(site.content(), change(site)))


def test_a_guardian_that_would_hold_the_right_to_resume_is_refused(site: Site) -> None:
    """Somebody prepared the predicted address: whatever is deployed there could resume."""
    guardian = site.drawn()["creations"][0]["address"]
    site.send(site.at["admin"], "vault", site.compiled["Vault"].data("grantRole", role(site, "vault", "RESUME_ROLE"), guardian))
    assert "targets.vault" in refused(site, site.content())
    assert "RESUME_ROLE of it: have it revoked" in site.do(code=1)


def test_a_releaser_that_could_pause_is_refused(site: Site) -> None:
    releaser = site.drawn()["creations"][1]["address"]
    site.send(site.at["admin"], "pool", site.compiled["PausablePool"].data("grantRole", role(site, "pool", "PAUSER_ROLE"), releaser))
    assert refused(site, site.content()) == {"targets.pool"}


WARNS: list[tuple[str, Callable[[Site], Change]]] = [
    ("admin.address", lambda s: lambda c: c["admin"].update(address=address_of("attacker"))),
    ("admin.delay_seconds", lambda s: lambda c: c["admin"].update(delay_seconds=0)),
    ("guardians.committee", lambda s: lambda c: c["guardians"][0].update(address=address_of("attacker"))),
    ("threshold", lambda s: lambda c: c.update(threshold=1)),
    ("threshold", lambda s: lambda c: c.update(threshold=3)),
    ("sentinels.alpha.expires", lambda s: lambda c: c["sentinels"][0].update(expires=s.now + DAY)),
    ("targets", lambda s: lambda c: None),
]  # fmt: skip


@pytest.mark.parametrize(("key", "change"), WARNS, ids=[f"{i}-{k}" for i, (k, _) in enumerate(WARNS)])
def test_what_people_have_to_want_is_warned_of_and_not_refused(site: Site, key: str, change: Callable[[Site], Change]) -> None:
    found = site.drawn(changed(site.content(), change(site)))
    assert key in {f["key"] for f in found["findings"] if f["level"] == "warn"}
    assert not found["refused"]
