"""``stakewarden config check``: what is wrong, where, and the nearest right name; never a value, since it may be secret."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Run, plain, write

CANARY = "canary0123456789abcdef0123456789abcdef0123456789abcdef0123456789"
KEY = "0x" + "c0ffee" * 10 + "beef"
"""A private key, pasted where it does not belong."""


def changed(body: dict[str, Any], where: str, value: Any) -> dict[str, Any]:
    *path, last = where.split(".")
    at: Any = body
    for part in path:
        at = at[int(part)] if isinstance(at, list) else at.setdefault(part, {})
    at[last] = value
    return body


def test_good_settings_are_fine_and_say_what_is_there(stakewarden: Run, tmp_path: Path) -> None:
    done = stakewarden("config", "check", write(tmp_path, plain(tmp_path)))
    assert done.code == 0, done.err
    assert "fine:" in done.out and "1 receivers" in done.out


def test_looking_at_settings_makes_no_database_and_leaves_a_database_alone(stakewarden: Run, tmp_path: Path) -> None:
    path = write(tmp_path, plain(tmp_path))
    before = sorted(tmp_path.iterdir())
    assert stakewarden("config", "check", path).code == 0
    assert sorted(tmp_path.iterdir()) == before
    stakewarden("db", "migrate", "-s", path)
    held = (tmp_path / "x.sqlite3").read_bytes()
    assert stakewarden("config", "check", path).code == 0
    assert (tmp_path / "x.sqlite3").read_bytes() == held
    done = stakewarden("config", "check", write(tmp_path, changed(plain(tmp_path), "store.url", f"sqlite:///{tmp_path}/no/x.sqlite3")))
    assert done.code == 2 and "create it or correct store.url" in done.err


@pytest.mark.parametrize(
    ("where", "value", "said"),
    [
        ("netwrok", {}, ["settings.yaml:19: netwrok: is not a setting", 'did you mean "network"?']),
        ("network.chain_idd", 1, ["network.chain_idd: is not a setting", 'did you mean "chain_id"?']),
        ("network.execution.0.ur", CANARY, ["settings.yaml:5: network.execution.0.ur: is not a setting", 'did you mean "url"?']),
        ("network.execution.0.url", f"ftp://user:{CANARY}@host", ["endpoint one", "must be http:// or https://"]),
        ("network.execution.0.url", f"http://{CANARY}:nonsense", ["endpoint one", "must be http:// or https://"]),
        ("network.chain_id", "one", ["settings.yaml:5: network.chain_id: ", "integer"]),
        ("network.request_seconds", -1, ["network.request_seconds: ", "greater than 0"]),
        ("network.multicall", KEY, ["network.multicall: is not an address", "20 bytes as 0x hex"]),
        ("network.execution", [], ["settings.yaml:2: network.execution: ", "at least 1 item"]),
        ("protocols.0.name", "lidoo", ["settings.yaml:6: protocols.0.name: ", "'lido'"]),
        ("protocols.0.deployment", "nowhere.yaml", ["nowhere.yaml"]),
        ("rules.dirs", ["nowhere"], ["nowhere"]),
        ("rules.baseline", "nowhere.yaml", ["nowhere.yaml"]),
        ("rules.routes", "nowhere.yaml", ["nowhere.yaml"]),
        ("store.url", f"mysql://user:{CANARY}@host/x", ["unknown scheme 'mysql'", "sqlite:///path or postgresql://"]),
        ("store.url", f"{CANARY}", ["the URL cannot be read", "sqlite:///path"]),
        ("store.url_file", "also", ["store: give either url or url_file"]),
        ("receivers.0.token", CANARY, ["receivers.0: give either token or token_file"]),
        ("receivers.0.token_file", "nowhere.token", ["receivers.0: token_file nowhere.token is not there", "check its path"]),
        ("store.raw_days", 100, ["thinned_days is less than raw_days"]),
        ("receivers.0.chanel", "C1", ["receivers.0.chanel: is not a setting", 'did you mean "channel"?']),
        ("guardian.contract", KEY, ["guardian.contract: is not an address", "guardian.targets: is required"]),
        ("guardian.sentinel", {"env": KEY}, ["guardian.sentinel.env: "]),
        ("web.port", 99999, ["web.port: ", "65535"]),
    ],
)
def test_a_mistake_is_named_with_its_place_and_remedy(
    stakewarden: Run, tmp_path: Path, where: str, value: Any, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = stakewarden("config", "check", write(tmp_path, changed(plain(tmp_path), where, value)))
    assert done.code == 2 and done.out == ""
    for text in said:
        assert text in done.err
    assert CANARY not in done.err and "c0ffee" not in done.err and "Traceback" not in done.err


def test_endpoints_must_differ_in_name_and_url(stakewarden: Run, tmp_path: Path) -> None:
    one = {"name": "one", "url": f"http://127.0.0.1:1/{CANARY}"}
    for second, said in (
        (dict(one, url="http://127.0.0.1:2"), "two endpoints are named one"),
        (dict(one, name="two"), "have the same URL"),
    ):
        done = stakewarden("config", "check", write(tmp_path, changed(plain(tmp_path), "network.execution", [one, second])))
        assert done.code == 2 and said in done.err and CANARY not in done.err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("network: {chain_id: 1", "settings.yaml:1:"),
        ("network:\n\tchain_id: 1", "settings.yaml:2:"),
        ("network: 1\nnetwork: 2\n", "settings.yaml:2: 'network' is written twice"),
        ("- a list", "must be a mapping"),
        ("", "must be a mapping"),
        ("day: 2024-99-99", "put texts into quotes"),
        ("a: &a [*a]", "a: is not a setting"),
        ("? [a, b]\n: c", "settings.yaml:1:"),
        ("network: \x07", "not YAML"),
        ("protocols: !!python/object:os.system {}", "not YAML"),
    ],
)
def test_a_file_that_is_no_settings_file(stakewarden: Run, tmp_path: Path, text: str, said: str) -> None:
    done = stakewarden("config", "check", write(tmp_path, text))
    assert done.code == 2 and said in done.err and "Traceback" not in done.err


def test_a_missing_file_says_where_to_start(stakewarden: Run, tmp_path: Path) -> None:
    done = stakewarden("config", "check", tmp_path / "nowhere.yaml")
    assert done.code == 2 and "there is no such file; start from settings.example.yaml" in done.err
    assert stakewarden("config", "check", tmp_path).code == 2
    (tmp_path / "latin").write_bytes(b"a: \xff\xfe")
    assert "cannot be read" in stakewarden("config", "check", tmp_path / "latin").err


def test_the_environment_overrides_the_file_and_is_checked_like_it(
    stakewarden: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path, changed(plain(tmp_path), "store.url", "mysql://x/y"))
    monkeypatch.setenv("STAKEWARDEN_STORE__URL", f"sqlite:///{tmp_path}/y.sqlite3")
    assert stakewarden("config", "check", path).code == 0
    monkeypatch.setenv("STAKEWARDEN_STORE__URLL", CANARY)
    done = stakewarden("config", "check", path)
    assert done.code == 2 and 'store.urll: is not a setting; did you mean "url"?' in done.err and CANARY not in done.err
    monkeypatch.delenv("STAKEWARDEN_STORE__URLL")
    monkeypatch.setenv("STAKEWARDEN_NETWORK", f'{{"execution": {CANARY}')
    done = stakewarden("config", "check", path)
    assert done.code == 2 and "environment:" in done.err and '"network"' in done.err
    assert CANARY not in done.err and "Traceback" not in done.err


def test_rules_that_look_back_further_than_the_settings_keep(stakewarden: Run, tmp_path: Path) -> None:
    done = stakewarden("config", "check", write(tmp_path, changed(plain(tmp_path), "rules.dirs", [str(_pack(tmp_path))])))
    assert done.code == 2 and "more than rules.keep_seconds" in done.err


def _pack(folder: Path) -> Path:
    path = folder / "pack.yaml"
    path.write_text(
        """
groups:
  - name: g
    rules:
      - alert: A
        expr: max_over_time(queue_unfinalized_ether[7d]) > 1
        labels: {severity: info, zone: deposit}
        annotations: {summary: a, description: b, runbook_url: c, stakewarden_owner: d, stakewarden_reason: e}
"""
    )
    return path
