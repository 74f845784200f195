"""What a stranger tells back of our secrets is veiled, whichever part of them it tells; what is no secret stays readable."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, SecretStr

from monitor.model import secrecy
from monitor.model.secrecy import VEIL, hold, hold_settings, veiled


@pytest.fixture(autouse=True)
def _nothing_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrecy, "_held", set())


KEYS = st.text("abcdefABCDEF0123456789-_", min_size=secrecy.LEAST, max_size=60)


@given(KEYS, st.text(max_size=40), st.text(max_size=40))
def test_a_key_is_veiled_wherever_it_stands(key: str, before: str, after: str) -> None:
    secrecy._held.clear()
    hold(key)
    shown = veiled(f"{before}{key}{after}")
    assert key not in shown.replace(VEIL, "\0") and VEIL in shown


@pytest.mark.parametrize(
    "told",
    [
        "/v3/0123456789abcdef/x",
        "project 0123456789abcdef is over its quota",
        "Basic hunter2hunter2",
        "key=%22qwertzuiop",
        "qwertzuiop",
        "Basic YW5uOmh1bnRlcjJodW50ZXIy",
    ],
)
def test_each_part_of_an_address_that_may_be_a_key(told: str) -> None:
    hold("https://ann:hunter2hunter2@rpc.example:8545/v3/0123456789abcdef?key=qwertzuiop")
    assert VEIL in veiled(told)


def test_hosts_words_and_addresses_without_a_key_stay_readable() -> None:
    for address in (
        "http://127.0.0.1:8545",
        "sqlite:////var/lib/stakewarden/stakewarden.sqlite3",
        "https://rpc.example/v3/main",
        "http://[bad",
    ):
        hold(address)
        assert veiled(f"asked {address} about main") == f"asked {address} about main"


def test_a_longer_secret_is_not_left_half_veiled() -> None:
    hold("12345678")
    hold("abc-12345678-def")
    assert veiled("abc-12345678-def") == VEIL


class _Inner(BaseModel):
    headers: dict[str, SecretStr] = {}
    ca_file: Path | None = None


class _Model(BaseModel):
    token: SecretStr
    inner: tuple[_Inner, ...]


def test_whatever_stands_in_the_settings_is_held(tmp_path: Path) -> None:
    (tmp_path / "ca").write_text("no secret at all\n")
    inner = (_Inner(headers={"Authorization": SecretStr("Bearer first-secret")}, ca_file=tmp_path / "ca"), _Inner())
    hold_settings(_Model(token=SecretStr("zeroth-secret"), inner=inner))
    for secret in ("zeroth-secret", "first-secret"):
        assert veiled(f"it said {secret}!") == f"it said {VEIL}!"
    assert veiled("no secret at all") == "no secret at all"


def test_the_users_name_of_a_database_is_a_word_and_stays_readable() -> None:
    hold("postgresql://stakewarden:hunter2hunter2@postgres/stakewarden")
    assert veiled("stakewarden: role stakewarden, hunter2hunter2") == f"stakewarden: role stakewarden, {VEIL}"


def test_an_ordinary_word_in_a_path_is_no_secret() -> None:
    secrecy.hold("https://example.org/heartbeat/prom-api/4f9aK2mQx81Z")
    assert secrecy.veiled("heartbeat.withheld by prom-api: 4f9aK2mQx81Z") == "heartbeat.withheld by prom-api: <secret>"
