"""docs/settings.md tells every setting as the models have it, its variables work, and the example is one that loads."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest
import yaml
from typer.testing import CliRunner

from monitor.cli.__main__ import application
from monitor.service.settings import BadSettings, load
from tests.docs.settings_keys import Key, keys, model_in

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/settings.md").read_text("utf-8")
KEYS = list(keys())
EXAMPLE = yaml.safe_load((ROOT / "settings.example.yaml").read_text("utf-8"))
LEAST: dict[str, Any] = {
    "network": {"execution": [{"name": "alpha", "url": "http://127.0.0.1:1"}]},
    "protocols": [{"name": "lido"}],
    "guardian": EXAMPLE["guardian"],
    "heartbeat": {"url": "https://example.org/ping"},
}


def test_every_setting_has_a_row_with_its_type_default_and_variable() -> None:
    missing = [key.row for key in KEYS if f"\n{key.row} " not in PAGE]
    assert not missing, "docs/settings.md lacks these rows (add the meaning):\n" + "\n".join(missing)


def test_every_row_is_a_setting_and_says_what_it_means() -> None:
    rows = re.findall(r"^\| `([a-z_.\[\]]+)` \|.*\| ([^|]*) \|$", PAGE, re.MULTILINE)
    assert [path for path, _ in rows] == [key.path for key in KEYS]
    assert all(meaning.endswith(".") for _, meaning in rows)


# ---------------------------------------------------------------- variables


def with_defaults() -> list[Key]:
    """Settings outside lists that have a plain default: each can be set by a variable of its own."""
    return [k for k in KEYS if "[" not in k.path and k.default.startswith("`")]


@pytest.mark.parametrize("key", with_defaults(), ids=lambda key: key.path)
def test_the_variable_of_a_setting_wins_over_the_file(key: Key, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    value = another(key)
    monkeypatch.setenv(key.environment.strip("`"), json.dumps(value) if isinstance(value, list) else str(value))
    assert as_plain(found(written(tmp_path, LEAST), key.path), value) == value


@pytest.mark.parametrize(
    ("name", "value", "path", "expected"),
    [
        ("STAKEWARDEN_STORE__URL", "sqlite:///elsewhere.db", "store.url", "sqlite:///elsewhere.db"),
        ("STAKEWARDEN_HEARTBEAT__URL", "https://example.org/other", "heartbeat.url", "https://example.org/other"),
        ("STAKEWARDEN_GUARDIAN__SENTINEL__ENV", "SENTINEL_KEY", "guardian.sentinel.env", "SENTINEL_KEY"),
    ],
)
def test_secrets_may_come_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, path: str, expected: str
) -> None:
    monkeypatch.setenv(name, value)
    assert as_plain(found(written(tmp_path, LEAST), path), expected) == expected


def test_a_list_is_set_whole_as_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAKEWARDEN_RECEIVERS", json.dumps([{"name": "night", "token": "xoxb-1", "channel": "C123"}]))
    (receiver,) = found(written(tmp_path, LEAST), "receivers")
    assert (receiver.name, receiver.channel) == ("night", "C123")


def test_an_empty_variable_is_a_value_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAKEWARDEN_WEB__PORT", "")
    with pytest.raises(BadSettings, match=r"web\.port"):
        load(written(tmp_path, LEAST))


def test_the_variable_of_a_persons_key_is_no_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`stakewarden guardian pause` reads STAKEWARDEN_GUARDIAN_KEY: it must not be taken for a part of the settings."""
    monkeypatch.setenv("STAKEWARDEN_GUARDIAN_KEY", "0x01")
    assert found(written(tmp_path, LEAST), "guardian.sentinel") is None


# ---------------------------------------------------------------- the example


@pytest.fixture
def copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the example, the rules, and a file for each secret that the example names."""
    (tmp_path / "rules").symlink_to(ROOT / "rules")
    (tmp_path / "secrets").mkdir()
    for endpoint in EXAMPLE["network"]["execution"]:
        (tmp_path / endpoint["url_file"]).write_text(f"https://{endpoint['name']}.example/KEY\n")
        (tmp_path / endpoint["ws_url_file"]).write_text(f"wss://{endpoint['name']}.example/KEY\n")
    for node in EXAMPLE["network"]["beacon"]:
        (tmp_path / node["url_file"]).write_text(f"https://{node['name']}.example/KEY\n")
    (tmp_path / "secrets/slack.token").write_text("xoxb-not-a-token\n")
    (tmp_path / "settings.example.yaml").write_text((ROOT / "settings.example.yaml").read_text("utf-8"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "settings.example.yaml"


def test_the_example_passes_the_check(copied: Path) -> None:
    result = CliRunner().invoke(application(), ["config", "check", copied.name])
    assert result.exit_code == 0, result.output + str(result.exception)
    assert "settings.example.yaml: fine" in result.output


def test_the_example_is_for_mainnet_with_three_operators_and_no_key(copied: Path) -> None:
    settings = load(copied)
    assert settings.network.chain_id == 1
    assert len({e.run_by for e in settings.network.execution}) == 3
    assert len({n.run_by for n in settings.network.beacon}) == 3
    assert settings.network.warnings() == [] and settings.network.beacon_warnings() == []
    assert settings.guardian is not None and settings.guardian.sentinel is None and not settings.guardian.senders


def test_the_example_pauses_nothing() -> None:
    policy = yaml.safe_load((ROOT / EXAMPLE["rules"]["responses"]).read_text("utf-8"))
    assert {response["mode"] for response in policy["responses"]} == {"shadow"}


def test_a_missing_secret_of_the_example_is_named(copied: Path) -> None:
    (copied.parent / "secrets/bravo.url").unlink()
    result = CliRunner().invoke(application(), ["config", "check", copied.name])
    assert result.exit_code != 0
    assert "endpoint bravo: url_file secrets/bravo.url is not there" in str(result.exception)


# ---------------------------------------------------------------- below


def written(folder: Path, body: dict[str, Any]) -> Path:
    path = folder / "settings.yaml"
    path.write_text(yaml.safe_dump(body))
    return path


def found(path: Path, key: str) -> Any:
    value: Any = load(path)
    for part in key.split("."):
        value = getattr(value, part)
    return value


def another(key: Key) -> Any:
    """A value that is allowed and is not the default."""
    default = key.field.get_default(call_default_factory=True)
    if isinstance(default, bool):
        return not default
    if isinstance(default, tuple):
        return ["other/packs"]
    if isinstance(default, Path):
        return "other/file.yaml"
    if key.path == "network.multicall":
        return "0x1111111111111111111111111111111111111111"
    if get_origin(key.field.annotation) is Literal:
        return next(value for value in get_args(key.field.annotation) if value != default)
    return "0.0.0.0" if isinstance(default, str) else int(default) + 1


def as_plain(value: Any, like: Any) -> Any:
    if hasattr(value, "get_secret_value"):
        return value.get_secret_value()
    return [str(v) for v in value] if isinstance(like, list) else type(like)(value)


def test_every_section_is_walked() -> None:
    """The walk itself must not lose a model."""
    sections = {k.path for k in KEYS if model_in(k.field.annotation)}
    assert sections >= {"network", "network.execution", "guardian.targets", "guardian.sentinel", "store", "heartbeat", "receivers"}
