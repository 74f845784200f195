"""The settings file as values: precedence, places of errors, and what is never shown. Messages of the command: tests/cli."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.receivers.grafana import GrafanaSettings
from monitor.receivers.slack import SlackSettings
from monitor.service.settings import BadSettings, Settings, load

FILE = """\
network:
  execution:
    - name: one
      url: http://127.0.0.1:1
protocols:
  - name: lido
store:
  url: sqlite:///from-file.sqlite3
web:
  port: 9000
"""


def read(folder: Path, text: str = FILE) -> Settings:
    path = folder / "settings.yaml"
    path.write_text(text)
    return load(path)


def problems(folder: Path, text: str) -> list[str]:
    with pytest.raises(BadSettings) as wrong:
        read(folder, text)
    return [p.replace(str(folder) + "/", "") for p in wrong.value.problems]


def test_the_file_goes_over_defaults_and_the_environment_over_both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = read(tmp_path)
    assert (found.web.port, found.web.host, found.network.chain_id, found.oracle_allowance_seconds) == (9000, "127.0.0.1", 1, 2700)
    monkeypatch.setenv("STAKEWARDEN_WEB__PORT", "9001")
    monkeypatch.setenv("STAKEWARDEN_STORE__URL", "sqlite:///from-environment.sqlite3")
    monkeypatch.setenv("STAKEWARDEN_NETWORK__EXECUTION", '[{"name": "two", "url": "http://127.0.0.1:2"}]')
    monkeypatch.setenv("STAKEWARDEN_GUARDIAN_KEY", "a key for `guardian pause` is no setting")
    found = read(tmp_path)
    assert found.web.port == 9001
    assert found.store.location() == "sqlite:///from-environment.sqlite3"
    assert [e.name for e in found.network.execution] == ["two"]


def test_a_setting_may_come_from_the_environment_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAKEWARDEN_RULES__KEEP_SECONDS", "7200")
    assert read(tmp_path).rules.keep_seconds == 7200
    monkeypatch.setenv("STAKEWARDEN_RULES__KEEP_SECONDS", "soon")
    (problem,) = problems(tmp_path, FILE)
    assert problem.startswith("settings.yaml") and "rules.keep_seconds: " in problem and "soon" not in problem


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("port: 9000", "prot: 9000", 'settings.yaml:10: web.prot: is not a setting; did you mean "port"?'),
        ("port: 9000", "zzz: 9000", "settings.yaml:10: web.zzz: is not a setting; known: host, port, public_url"),
        ("port: 9000", "port: http", "settings.yaml:10: web.port: Input should be a valid integer"),
        ("port: 9000", "port: 70000", "settings.yaml:10: web.port: Input should be less than or equal to 65535"),
        ("  - name: lido", "  - nmae: lido", 'settings.yaml:6: protocols.0.nmae: is not a setting; did you mean "name"?'),
        ("  - name: lido", "  - {}", "settings.yaml:6: protocols.0.name: is required"),
        ("      url: http://127.0.0.1:1", "      url_file: nowhere", "settings.yaml:3: network.execution.0: endpoint one: url_file nowhere is not there"),
        ("    - name: one", "    - name: 'a b'", "settings.yaml:3: network.execution.0.name: String should match pattern"),
        ("  url: sqlite", "  url: 7\n  url: sqlite", "settings.yaml:9: 'url' is written twice"),
        ("web:\n  port: 9000", "web: 9000", "settings.yaml:9: web: Input should be"),
        ("web:\n  port: 9000", "web:\n  port: 9000\nreceivers:\n  - {channel: C123, token: x}\n  - {channel: C456, token: y}", "two receivers have the same name"),
    ],
)  # fmt: skip
def test_each_mistake_has_its_line(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in FILE
    found = problems(tmp_path, FILE.replace(old, new))
    assert any(said in p for p in found), found


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("https://stakewarden.example", "https://stakewarden.example"),
        ("https://stakewarden.example/", "https://stakewarden.example"),
        ("http://127.0.0.1:8787", "http://127.0.0.1:8787"),
        ("http://[::1]:8787", "http://[::1]:8787"),
        ("https://stake_warden:443/", "https://stake_warden:443"),
    ],
)
def test_the_pages_address_is_scheme_host_and_port(tmp_path: Path, given: str, found: str) -> None:
    assert read(tmp_path, FILE.replace("port: 9000", f"public_url: '{given}'")).web.public_url == found


@pytest.mark.parametrize(
    "given",
    [
        "stakewarden.example", "ftp://x.example", "https://", "https://ann:SECRET@x.example", "https://SECRET@x.example", "https://x.example/below", "https://x.example//",
        "https://x.example?token=SECRET", "https://x.example#a", "https://x.example:0", "https://x.example:70000", "https://x.example:", "https://x y.example",
        " https://x.example", "https://x.example\\n", "https://x.example|a", "https://<x>", "//x.example", "javascript:alert(1)", "https://x..example", "",
    ],
)  # fmt: skip
def test_any_other_address_of_the_page_is_refused_and_not_shown(tmp_path: Path, given: str) -> None:
    (problem,) = problems(tmp_path, FILE.replace("port: 9000", f'public_url: "{given}"'))
    assert problem.startswith("settings.yaml:10: web.public_url: must be scheme, host and port alone") and "SECRET" not in problem


SLACK = "{channel: C123, token: xoxb-x}"
GRAFANA = "{kind: grafana, url: 'http://127.0.0.1:3000', token: glsa_x}"


def test_a_receiver_is_of_its_kind_and_of_slack_without_one(tmp_path: Path) -> None:
    found = read(tmp_path, FILE + f"receivers:\n  - {SLACK}\n  - {GRAFANA}\n").receivers
    assert [(type(r), r.kind, r.name) for r in found] == [(SlackSettings, "slack", "slack"), (GrafanaSettings, "grafana", "grafana")]


@pytest.mark.parametrize(
    ("receiver", "said"),
    [
        ("{kind: grafanna, token: x}", "settings.yaml:12: receivers.0: kind is none of slack, grafana"),
        ("{kind: [grafana]}", "settings.yaml:12: receivers.0: kind is none of slack, grafana"),
        ("grafana", "settings.yaml:12: receivers.0: Input should be"),
        ("{kind: grafana, urll: x}", 'receivers.0.urll: is not a setting; did you mean "url"?'),
        ("{kind: slack, chanel: C123}", 'receivers.0.chanel: is not a setting; did you mean "channel"?'),
        ("{channel: C123, url: x, token: y}", "receivers.0.url: is not a setting; known: base_url, channel, kind,"),
        ("{kind: grafana, token: x}", "receivers.0.url: is required"),
        ("{kind: grafana, url: 'grafana.example', token: x}", "receivers.0.url: url must be a web address"),
        ("{kind: grafana, url: 'http://me:canary@grafana.example', token: x}", "url must not hold a name and password"),
        ("{kind: grafana, url: 'http://[::1', token: x}", "receivers.0.url: url must be a web address"),
        ("{kind: grafana, url: 'http://g'}", "give either token (in the environment, rather than here) or token_file"),
        ("{kind: grafana, url: 'http://g', token: x, tags: ['a,b']}", "receivers.0.tags: at most 4 tags"),
    ],
)
def test_a_mistake_in_a_receiver_is_told_in_the_words_of_its_kind(tmp_path: Path, receiver: str, said: str) -> None:
    found = problems(tmp_path, FILE + f"receivers:\n  - {receiver}\n")
    assert any(said in p for p in found) and not any("canary" in p for p in found), found


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    found = problems(tmp_path, FILE.replace("port: 9000", "prot: 1\n  hsot: x").replace("name: lido", "name: lidl"))
    assert len(found) == 3


def test_the_database_url_comes_from_a_file(tmp_path: Path) -> None:
    secret = tmp_path / "url"
    text = FILE.replace("url: sqlite:///from-file.sqlite3", f"url_file: {secret}")
    with pytest.raises(BadSettings, match=r"store.url_file .* is not there: check its path"):
        read(tmp_path, text).store.location()
    secret.write_text("postgresql://user:hunter2@host/x\n")
    found = read(tmp_path, text)
    assert found.store.location() == "postgresql://user:hunter2@host/x"
    assert "hunter2" not in repr(found) and "hunter2" not in str(found.store.model_dump())


def test_secrets_do_not_show_when_settings_are_printed(tmp_path: Path) -> None:
    text = FILE.replace("http://127.0.0.1:1", "https://host/v3/s3cret-word").replace(
        "sqlite:///from-file.sqlite3", "postgresql://u:s3cret-word@h/x"
    )
    assert "s3cret-word" not in repr(read(tmp_path, text))


def test_the_pages_token_comes_from_the_file_or_a_file_of_its_own_and_is_not_short(tmp_path: Path) -> None:
    secret = tmp_path / "token"
    text = FILE.replace("port: 9000", f"port: 9000\n  token_file: {secret}")
    with pytest.raises(BadSettings, match=r"web.token_file .* is not there: check its path"):
        read(tmp_path, text).web.secret()
    secret.write_text("hunter2\n")
    with pytest.raises(BadSettings, match=r"less than 16 characters") as short:
        read(tmp_path, text).web.secret()
    assert "hunter2" not in str(short.value)
    secret.write_text("hunter2hunter2hunter2\n")
    assert read(tmp_path, text).web.secret() == "hunter2hunter2hunter2"
    assert read(tmp_path, FILE).web.secret() is None
    assert any(
        "less than 16 characters" in p and "hunter2" not in p for p in problems(tmp_path, FILE.replace("port: 9000", "token: hunter2"))
    )
    both = problems(tmp_path, FILE.replace("port: 9000", f"token: hunter2hunter2hunter2\n  token_file: {secret}"))
    assert any("give either token or token_file" in p for p in both)
