"""Commands through the entry point of ``stakewarden``, and settings of a chain that runs."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog
import yaml

from monitor.cli.__main__ import main
from monitor.devnet.accounts import key_of
from monitor.devnet.anvil import CHAIN_ID
from monitor.devnet.world import World

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Done:
    """What a command left: its exit code, and what it wrote."""

    code: int
    out: str
    err: str


Run = Callable[..., Done]


@pytest.fixture
def stakewarden(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """Runs a command in this process, by its entry point."""

    for module, name in ((sys, "excepthook"), (threading, "excepthook"), (logging, "lastResort")):
        monkeypatch.setattr(module, name, getattr(module, name))  # a command sets them for its process

    def run(*words: object) -> Done:
        monkeypatch.setattr(sys, "argv", ["stakewarden", *map(str, words)])
        capsys.readouterr()
        code: Any = 0
        try:
            main()
        except SystemExit as end:
            code = end.code
        said = capsys.readouterr()
        return Done(int(code or 0), said.out, said.err)

    yield run
    structlog.reset_defaults()


def plain(folder: Path) -> dict[str, Any]:
    """Settings that name every file of the repository and an endpoint that nobody serves."""
    return {
        "network": {"execution": [{"name": "one", "url": "http://127.0.0.1:1"}]},
        "protocols": [{"name": "lido"}],
        "rules": {
            "dirs": [str(ROOT / "rules/packs")],
            "baseline": str(ROOT / "rules/policy/baseline.yaml"),
            "routes": str(ROOT / "rules/policy/routes.yaml"),
            "responses": str(folder / "responses.yaml"),
        },
        "store": {"url": f"sqlite:///{folder / 'x.sqlite3'}"},
        "receivers": [{"name": "slack", "channel": "C0123456789", "token_file": str(folder / "token")}],
    }


def write(folder: Path, body: Any, name: str = "settings.yaml") -> Path:
    """The settings as a file, with the small files that they name."""
    (folder / "responses.yaml").write_text("responses: []\n")
    (folder / "token").write_text("xoxb-1-2-canary\n")
    path = folder / name
    path.write_text(body if isinstance(body, str) else yaml.safe_dump(body, sort_keys=False))
    return path


@pytest.fixture
def chain_settings(world: World, tmp_path: Path) -> Path:
    """Settings of the running chain: one endpoint, straight to anvil; the baseline is still empty."""
    world.deployment.write(tmp_path / "deployment.yaml")
    for file, role in (("sentinel", "sentinel"), ("sender", "sender"), ("person", "guardian_person")):
        (tmp_path / f"{file}.key").write_text(key_of(role))
    body = plain(tmp_path)
    body["network"] = {
        "chain_id": CHAIN_ID,
        "genesis_time": world.deployment.genesis_time,
        "wall_clock": False,
        "execution": [{"name": "anvil", "url": world.anvil.http_url}],
    }
    body["protocols"] = [{"name": "lido", "deployment": str(tmp_path / "deployment.yaml")}]
    body["rules"]["baseline"] = str(tmp_path / "baseline.yaml")
    body["guardian"] = {
        "contract": world["guardian"].address,
        "targets": [{"name": "vault", "address": world["vault"].address}],
        "sentinel": {"key_file": str(tmp_path / "sentinel.key")},
        "senders": [{"key_file": str(tmp_path / "sender.key")}],
    }
    return write(tmp_path, body)
