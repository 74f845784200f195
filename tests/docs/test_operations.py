"""docs/operations.md, docs/responders.md and SECURITY.md against the code: settings, secrets, alerts, files and figures that they name are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from monitor.catalogue import SHIPPED
from monitor.catalogue.page import PROCESS
from monitor.rules import load
from tests.docs.settings_keys import holds_secret, keys

ROOT = Path(__file__).parents[2]
PAGES = {name: (ROOT / name).read_text("utf-8") for name in ("docs/operations.md", "docs/responders.md", "SECURITY.md")}
SECTIONS = {key.path.split(".")[0] for key in keys()}


@pytest.mark.parametrize("name", PAGES)
def test_settings_that_are_named_exist(name: str) -> None:
    known = {key.path for key in keys()} | {re.sub(r"\[\w+\]", "[]", key.path) for key in keys()}
    sections = "|".join(SECTIONS)
    named = re.findall(rf"`((?:{sections})(?:\[\w*\])?(?:\.[\w\[\]]+)+)`", PAGES[name])
    assert [n for n in named if n not in known and not (ROOT / n).exists()] == []


@pytest.mark.parametrize("name", PAGES)
def test_alerts_that_are_named_ship(name: str) -> None:
    shipped = {rule.name for rule in load([ROOT / "rules/packs"]).alerts}
    named = re.findall(r"[`*]((?:Lido|Guardian|Endpoint|Beacon|Stakewarden|NoAgreed|State|Deliveries|Judging)[A-Za-z]+)[`*]", PAGES[name])
    assert set(named) <= shipped


def test_metrics_that_are_named_exist() -> None:
    known = {f.name for f in SHIPPED} | {row[0] for row in PROCESS}
    assert set(re.findall(r"`(stakewarden_\w+)`", PAGES["docs/operations.md"])) <= known


def test_every_secret_of_compose_is_told() -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
    table = PAGES["docs/operations.md"].split("| file | holds |")[1].split("```")[0]
    told: set[str] = set()
    for cell in re.findall(r"^\| (`.+?`) \|", table, re.MULTILINE):
        first, *endings = re.findall(r"`(\w+)`", cell)
        told |= {first} | {first.rsplit("_", 1)[0] + ending for ending in endings}
    assert told == set(compose["secrets"])


def test_severities_that_are_told_are_those_that_ship() -> None:
    (row,) = [line for line in PAGES["docs/responders.md"].splitlines() if line.startswith("| severity |")]
    shipped = set(re.findall(r"severity: (\w+)", "".join(p.read_text() for p in (ROOT / "rules/packs").glob("*.yaml"))))
    assert set(re.findall(r"`(\w+)`", row)) == shipped


def test_the_security_model_tells_of_every_secret_setting() -> None:
    """A row names a setting in full, and others of the same section by their last name."""
    told: set[str] = set()
    for row in PAGES["SECURITY.md"].split("| secret |")[1].splitlines():
        section = ""
        for name in re.findall(r"`([a-z_.\[\]]+)`", row.split("|")[2] if row.count("|") > 3 else ""):
            section = name.rpartition(".")[0] or section
            told.add(f"{section}.{name.rpartition('.')[2]}")
    assert {key.path for key in keys() if holds_secret(key)} - told == set()


def test_units_that_are_installed_are_there() -> None:
    assert all((ROOT / path).exists() for path in re.findall(r"deploy/[\w.-]+\.(?:service|timer)", PAGES["docs/operations.md"]))
