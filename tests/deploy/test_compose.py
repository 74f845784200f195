"""The compose file and its settings belong together and open no door; what is needed at run time is in the wheel."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import yaml

from monitor.service.settings import load

ROOT = Path(__file__).parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SETTINGS = (ROOT / "deploy/settings.compose.yaml").read_text()
SERVICE = COMPOSE["services"]["stakewarden"]


def test_settings_load_and_every_secret_they_name_is_mounted(tmp_path: Path) -> None:
    contents = {"store_url": "postgresql://u@postgres/d", "slack_token": "xoxb-1-2-x"}
    for name in SERVICE["secrets"]:
        assert f"/run/secrets/{name}" in SETTINGS
        assert COMPOSE["secrets"][name] == {"file": f"./deploy/secrets/{name}"}
        (tmp_path / name).write_text(contents.get(name, f"http://127.0.0.1:1/{name}"))
    path = tmp_path / "settings.yaml"
    path.write_text(SETTINGS.replace("/run/secrets", str(tmp_path)))
    loaded = load(path)
    assert loaded.web.host == "0.0.0.0" and loaded.web.port == 8787
    assert len({e.run_by for e in loaded.network.execution}) == 3


def test_the_service_is_confined_and_published_on_loopback_alone() -> None:
    assert SERVICE["read_only"] is True
    assert SERVICE["cap_drop"] == ["ALL"]
    assert SERVICE["ports"] == ["127.0.0.1:8787:8787"]
    assert "ports" not in COMPOSE["services"]["postgres"]
    mounted = [volume.split(":")[0] for volume in SERVICE["volumes"]]
    assert mounted and all((ROOT / path).is_file() for path in mounted)


def test_the_image_runs_as_nobody_special_from_sources_that_exist() -> None:
    lines = [line.split() for line in (ROOT / "Dockerfile").read_text().splitlines() if line and not line.startswith("#")]
    copied = [words[1:-1] for words in lines if words[0] == "COPY" and not words[1].startswith("--from")]
    assert copied and all((ROOT / source).exists() for sources in copied for source in sources)
    assert [words[1] for words in lines if words[0] == "USER"] == ["10001:10001"]
    assert any(words[0] == "HEALTHCHECK" for words in lines)
    assert all(":" in words[1] for words in lines if words[0] == "FROM")


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
