"""Keys come from one place, mistakes are named, and nothing of them ever shows."""

from __future__ import annotations

import json
import pickle
import traceback
from pathlib import Path

import pytest
from eth_account import Account
from pydantic import ValidationError

from monitor.guardian.envelope import Transaction, sign_transaction
from monitor.guardian.keys import KeyProblem, Signer, load_signer
from monitor.guardian.settings import GuardianSettings, KeySettings
from monitor.model import Address

KEY = "0x" + "4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318"
ADDRESS = Account.from_key(KEY).address
WRONG = "hunter2-wrong"
TARGET = {"name": "vault", "address": "0x" + "11" * 20}
CONTRACT = "0x" + "22" * 20


def keystore(tmp_path: Path, password: str) -> Path:
    path = tmp_path / "keystore.json"
    path.write_text(json.dumps(Account.encrypt(KEY, password, kdf="pbkdf2", iterations=2)))
    return path


def test_every_source_gives_the_same_account(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(KEY[2:] + "\n")
    (tmp_path / "password").write_text("correct horse\n")
    store = keystore(tmp_path, "correct horse")
    sources = [
        KeySettings(env="K"),
        KeySettings(key_file=tmp_path / "key"),
        KeySettings(keystore_file=store, password_file=tmp_path / "password"),
        KeySettings(keystore_file=store, password_env="P"),
    ]
    for source in sources:
        assert load_signer(source, {"K": KEY, "P": "correct horse"}).address == ADDRESS


def test_a_signer_shows_its_address_only() -> None:
    signer = load_signer(KeySettings(env="K"), {"K": KEY})
    assert repr(signer) == str(signer) == f"Signer({ADDRESS})"
    with pytest.raises(TypeError):
        pickle.dumps(signer)
    assert KEY[2:] not in repr([getattr(signer, n, "") for n in dir(signer) if not n.startswith("_Signer")])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (KEY + "00", "66 characters"),
        (KEY[:-2], "62 characters"),
        ("0x" + "zz" * 32, "no private key"),
        ("0x" + "ff" * 32, "no private key"),
        ("0x" + "00" * 32, "no private key"),
    ],
)
def test_a_wrong_key_is_described_and_not_repeated(text: str, said: str) -> None:
    with pytest.raises(KeyProblem, match=said) as caught:
        load_signer(KeySettings(env="K"), {"K": text})
    shown = "".join(traceback.format_exception(caught.value))
    assert text[2:20] not in shown.replace('"ff" * 32', "").replace('"zz" * 32', "")


def test_wrong_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(KeyProblem, match=r"key_file .*gone is not there"):
        load_signer(KeySettings(key_file=tmp_path / "gone"))
    (tmp_path / "empty").write_text("\n")
    with pytest.raises(KeyProblem, match="is empty"):
        load_signer(KeySettings(key_file=tmp_path / "empty"))
    (tmp_path / "large").write_text("0" * 70_000)
    with pytest.raises(KeyProblem, match="larger"):
        load_signer(KeySettings(key_file=tmp_path / "large"))
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(KeyProblem, match="not UTF-8 text"):
        load_signer(KeySettings(key_file=tmp_path / "binary"))
    with pytest.raises(KeyProblem, match="variable K is not set"):
        load_signer(KeySettings(env="K"), {})


def test_a_wrong_password_and_a_wrong_keystore_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(KeyProblem, match="does not open with this password") as caught:
        load_signer(KeySettings(keystore_file=keystore(tmp_path, "right"), password_env="P"), {"P": WRONG})
    assert WRONG not in "".join(traceback.format_exception(caught.value))
    (tmp_path / "other.json").write_text("[1, 2]")
    with pytest.raises(KeyProblem, match="not a version 3 keystore"):
        load_signer(KeySettings(keystore_file=tmp_path / "other.json", password_env="P"), {"P": "x"})


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "exactly one of env, key_file, keystore_file"),
        ({"env": "K", "key_file": "k"}, "exactly one of env, key_file, keystore_file"),
        ({"keystore_file": "k"}, "exactly one of password_file and password_env"),
        ({"env": "K", "password_env": "P"}, "for a keystore_file only"),
        ({"env": KEY}, "should match pattern"),
        ({"secret": KEY}, "Extra inputs"),
    ],
)
def test_settings_refuse_a_mixture_and_never_repeat_input(given: dict[str, str], said: str) -> None:
    with pytest.raises(ValidationError, match=said) as caught:
        KeySettings.model_validate(given)
    assert KEY[2:] not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"contract": "0x12"}, "is not an address"),
        ({"targets": []}, "at least 1"),
        ({"targets": [TARGET, {**TARGET, "address": CONTRACT[:-1] + "3"}]}, "the name vault"),
        ({"targets": [TARGET, {**TARGET, "name": "other"}]}, "the address 0x1111"),
        ({"targets": [{**TARGET, "address": CONTRACT}]}, "its own target"),
        ({"targets": [{**TARGET, "lever": "stop"}]}, "pauseFor"),
        ({"typo": 1}, "Extra inputs"),
    ],
)
def test_guardian_settings_name_what_is_wrong(change: dict[str, object], said: str) -> None:
    good = {"contract": CONTRACT, "targets": [TARGET]}
    assert GuardianSettings.model_validate(good).target("vault").lever == "pauseFor"
    with pytest.raises(ValidationError, match=said):
        GuardianSettings.model_validate({**good, **change})


async def test_a_signer_signs_what_the_chain_recovers() -> None:
    signer = load_signer(KeySettings(env="K"), {"K": KEY})
    assert isinstance(signer, Signer)
    for to in (Address(ADDRESS), None):
        hash, raw = await sign_transaction(Transaction(1, 0, to, b"", 21_000, 1, 1), signer)
        assert Account.recover_transaction(raw) == ADDRESS and len(hash) == 66
