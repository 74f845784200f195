"""The compose file and its settings belong together and open no door; what is needed at run time is in the wheel."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from jsonschema import Draft202012Validator

from monitor.service.settings import RulesSettings, load
from tests.deploy.compose_schema import COMPOSE as SCHEMA

ROOT = Path(__file__).parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SETTINGS = (ROOT / "deploy/settings.compose.yaml").read_text()
SERVICE = COMPOSE["services"]["stakewarden"]
GRAFANA = COMPOSE["services"]["grafana"]
SOURCES = yaml.safe_load((ROOT / "deploy/grafana/datasources.yaml").read_text())
BOARDS = yaml.safe_load((ROOT / "deploy/grafana/dashboards.yaml").read_text())


def faults(compose: Any) -> list[str]:
    return [f"{'.'.join(map(str, e.absolute_path))}: {e.message}" for e in Draft202012Validator(SCHEMA).iter_errors(compose)]


def test_the_file_is_what_compose_takes() -> None:
    assert faults(COMPOSE) == []
    for name, service in COMPOSE["services"].items():
        assert set(service.get("depends_on", {})) <= set(COMPOSE["services"]), name
        assert set(service["networks"]) <= set(COMPOSE["networks"]), name
        assert set(service.get("secrets", ())) <= set(COMPOSE["secrets"]), name
        named = {v.split(":")[0] for v in service.get("volumes", ()) if not v.startswith(".")}
        assert named <= set(COMPOSE["volumes"]), name
        secrets = [v for k, v in service.get("environment", {}).items() if k.endswith("_FILE")]
        assert {f"/run/secrets/{s}" for s in service.get("secrets", ())} >= set(secrets), name


@pytest.mark.parametrize(
    ("where", "value"),
    [
        ("read_onli", True),
        ("ports", ["0.0.0.0:8787:8787"]),
        ("volumes", ["./rules:/app/rules"]),
        ("image", "stakewarden:latest"),
        ("healthcheck", {"test": "curl"}),
        ("restart", "sometimes"),
        ("environment", {"TOKEN": 1}),
    ],
)
def test_what_compose_or_we_would_refuse_is_a_fault(where: str, value: Any) -> None:
    broken = copy.deepcopy(COMPOSE)
    broken["services"]["stakewarden"][where] = value
    assert faults(broken) != []


def test_settings_load_and_every_secret_they_name_is_mounted(tmp_path: Path) -> None:
    contents = {"store_url": "postgresql://u@postgres/d", "slack_token": "xoxb-1-2-x", "web_token": "0123456789abcdef"}
    for name in SERVICE["secrets"]:
        assert f"/run/secrets/{name}" in SETTINGS
        assert COMPOSE["secrets"][name] == {"file": f"./deploy/secrets/{name}"}
        (tmp_path / name).write_text(contents.get(name, f"http://127.0.0.1:1/{name}"))
    path = tmp_path / "settings.yaml"
    path.write_text(SETTINGS.replace("/run/secrets", str(tmp_path)))
    loaded = load(path)
    assert loaded.web.host == "0.0.0.0" and loaded.web.port == 8787
    assert len({e.run_by for e in loaded.network.execution}) == len({n.run_by for n in loaded.network.beacon}) == 3
    assert loaded.network.warnings() == loaded.network.beacon_warnings() == []


def test_the_services_are_confined_and_published_on_loopback_alone() -> None:
    for service in (SERVICE, GRAFANA):
        assert service["read_only"] is True and service["cap_drop"] == ["ALL"]
    assert SERVICE["user"] == "10001:10001"
    assert SERVICE["ports"] == ["127.0.0.1:8787:8787"]
    assert "ports" not in COMPOSE["services"]["postgres"]
    assert COMPOSE["services"]["postgres"]["networks"] == ["inside"] and COMPOSE["networks"]["inside"] == {"internal": True}
    mounted = [v.split(":")[0] for s in COMPOSE["services"].values() for v in s["volumes"] if v.startswith(".")]
    assert mounted and all((ROOT / path).exists() for path in mounted)


def test_grafana_reads_stakewarden_and_the_dashboards_of_this_repository() -> None:
    (source,) = SOURCES["datasources"]
    address = urlsplit(source["url"])
    assert address.hostname in COMPOSE["services"] and address.port == load_compose_port() and address.path == "/prom"
    assert (source["type"], source["jsonData"]["httpMethod"], source["jsonData"]["prometheusType"]) == ("prometheus", "POST", "Prometheus")
    (provider,) = BOARDS["providers"]
    mounts = {v.split(":")[1]: v.split(":")[0] for v in GRAFANA["volumes"]}
    assert mounts[provider["options"]["path"]] == "./dashboards"
    provisioning = {path for path in mounts if path.startswith("/etc/grafana/provisioning/")}
    assert {Path(p).parent.name for p in provisioning} == {"datasources", "dashboards"}
    for board in (ROOT / "dashboards").glob("*.json"):
        assert named_sources(json.loads(board.read_text())) <= {source["uid"], "-- Grafana --", "grafana", "${datasource}"}, board.name


def dclint(compose: str, folder: Path) -> list[str]:
    """Rule and message of what Compose's linter finds: its rules, and the specification's own schema, which it brings with it."""
    path = folder / "docker-compose.yml"
    path.write_text(compose)
    program = ROOT / "tests/deploy/node_modules/.bin/dclint"
    assert program.exists(), "dclint is missing: `make test` installs it"
    command = [str(program), "--config", str(ROOT / "tests/deploy/dclint.json"), "--formatter", "json", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode in (0, 1) and done.stdout, done.stderr
    (found,) = json.loads(done.stdout)
    return [f"{message['rule']}: {message['message']}" for message in found["messages"]]


def test_composes_own_linter_finds_nothing(tmp_path: Path) -> None:
    assert dclint((ROOT / "docker-compose.yml").read_text(), tmp_path) == []


@pytest.mark.parametrize(
    ("changes", "rules"),
    [
        (
            {"name: stakewarden\n": "", "postgres:15": "postgres:latest", '"127.0.0.1:8787:8787"': '"8787:8787"'},
            {"require-project-name-field", "service-image-require-explicit-tag", "no-unbound-port-interfaces"},
        ),
        ({"read_only: true": "read_onli: true"}, {"invalid-schema"}),
    ],
)
def test_composes_own_linter_is_awake(changes: dict[str, str], rules: set[str], tmp_path: Path) -> None:
    compose = (ROOT / "docker-compose.yml").read_text()
    for of, instead in changes.items():
        assert of in compose
        compose = compose.replace(of, instead, 1)
    assert {found.split(": ")[0] for found in dclint(compose, tmp_path)} == rules


def load_compose_port() -> int:
    return int(yaml.safe_load(SETTINGS)["web"].get("port", 8787))


def named_sources(node: Any) -> set[str]:
    """The uids of data sources that a dashboard names, wherever it does."""
    if isinstance(node, list):
        return {uid for item in node for uid in named_sources(item)}
    if not isinstance(node, dict):
        return set()
    here = {node["datasource"]["uid"]} if isinstance(node.get("datasource"), dict) and "uid" in node["datasource"] else set()
    return here | {uid for value in node.values() for uid in named_sources(value)}


def test_the_image_runs_as_nobody_special_from_sources_that_exist() -> None:
    lines = [line.split() for line in (ROOT / "Dockerfile").read_text().splitlines() if line and not line.startswith("#")]
    copied = [words[1:-1] for words in lines if words[0] == "COPY" and not words[1].startswith("--from")]
    named = {source.rstrip("/") for sources in copied for source in sources}
    assert all((ROOT / source).exists() for source in named)
    admitted = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert named <= admitted, "the build cannot see what .dockerignore leaves out"
    files = RulesSettings()
    needed = [*files.dirs, files.baseline, files.routes, files.responses, files.runbooks]
    assert all(any(path.is_relative_to(source) for source in named) for path in needed), "the image lacks what the settings name by default"
    mounted = [Path(volume.split(":")[0]) for volume in SERVICE["volumes"]]
    assert all(any(path.is_relative_to(source) for source in mounted) for path in needed), "a change of these needs no new image"
    assert [words[1] for words in lines if words[0] == "USER"] == ["10001:10001"]
    (check,) = [" ".join(words) for words in lines if words[0] == "HEALTHCHECK"]
    assert SERVICE["healthcheck"]["test"][-1] in check
    assert all(":" in words[1] for words in lines if words[0] == "FROM")


def hadolint(dockerfile: str) -> list[str]:
    """The codes of what the linter finds, at its strictest and by no configuration but this."""
    command = [str(Path(sys.executable).parent / "hadolint"), "--config", "/dev/null", "--no-color", "--format", "json", "-"]
    done = subprocess.run(command, input=dockerfile, capture_output=True, text=True, timeout=60)
    assert done.returncode in (0, 1) and done.stdout, done.stderr
    return [f"{found['line']}: {found['code']}" for found in json.loads(done.stdout)]


def test_the_linter_finds_nothing_in_the_image() -> None:
    assert hadolint((ROOT / "Dockerfile").read_text()) == []


@pytest.mark.parametrize(
    ("instead", "of", "code"),
    [
        ("FROM python:latest", "FROM python:3.12-slim", "DL3007"),
        ("WORKDIR app", "WORKDIR /app", "DL3000"),
        ("RUN pip install pyarrow==26.0.1", "WORKDIR /src", "DL3042"),
        ("RUN cd /tmp && useradd", "RUN useradd", "DL3003"),
        ("ENTRYPOINT stakewarden", 'ENTRYPOINT ["stakewarden"]', "DL3025"),
        ("COPI rules/ rules/", "COPY rules/ rules/", "DL1000"),
        ("RUN echo $unset_and_unquoted", "WORKDIR /src", "SC2086"),
    ],
)
def test_the_linter_is_awake(instead: str, of: str, code: str) -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert of in dockerfile
    assert code in {found.split(": ")[1] for found in hadolint(dockerfile.replace(of, instead, 1))}


def test_the_wheel_holds_what_is_read_at_run_time(tmp_path: Path) -> None:
    for name in ("monitor", "requirements"):
        (tmp_path / name).symlink_to(ROOT / name)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        (tmp_path / name).write_text((ROOT / name).read_text())
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--wheel-dir",
        str(tmp_path / "out"),
        ".",
    ]
    subprocess.run(command, cwd=tmp_path, check=True, timeout=120)
    (wheel,) = (tmp_path / "out").glob("*.whl")
    held = set(zipfile.ZipFile(wheel).namelist())
    files = [p.relative_to(ROOT) for p in (ROOT / "monitor").rglob("*") if p.is_file() and "__pycache__" not in p.parts]
    assert not {str(p) for p in files} - held
