"""A canary in every secret of sentinels, senders and peers is in no log, note, board, error or database, whatever goes wrong."""

from __future__ import annotations

import json
import traceback
from pathlib import Path
from typing import Any

import pytest
import structlog
from eth_account import Account
from pydantic import ValidationError

from monitor.devnet.anvil import CHAIN_ID
from monitor.guardian.execution.machine import Executor
from monitor.guardian.keys import Key, KeyProblem, load_key
from monitor.guardian.sentinels.board import posted
from monitor.guardian.settings import GuardianSettings, KeySettings
from monitor.model.secrecy import hold_settings
from monitor.store import Store
from tests.guardian.bench import Relay
from tests.guardian.execution.bench import SENDERS, SENTINELS, OrderBench, Peer, endpoint, judge, row
from tests.guardian.execution.steps import is_, until

CANARY = "canary5ecret"


def key_file(folder: Path, name: str, account: Any) -> dict[str, str]:
    (folder / name).write_text("0x" + account.key.hex().removeprefix("0x") + "\n")
    return {"key_file": str(folder / name)}


def everything_in(book: Store) -> str:
    return Path(book.where.removeprefix("sqlite:///")).read_bytes().decode("latin-1")


async def test_a_whole_way_with_everything_failing_tells_no_secret(orders: OrderBench, book: Store, tmp_path: Path) -> None:
    """Peers, the private endpoint and the remote signer each tell back what they were sent; keys come from an encrypted file and a plain one."""
    peer, relay = Peer(), Relay(orders.url)
    peer.answer = lambda headers: (200, f"denied: {dict(headers)}".encode())

    def blabbing(method: str, params: list[Any], forward: Any) -> Any:
        return {"error": {"code": -1, "message": f"denied for {CANARY}: {method}"}} if method == "eth_sendRawTransaction" else forward()

    relay.handler = blabbing
    (tmp_path / "keystore.json").write_text(json.dumps(Account.encrypt(SENTINELS[0].key, CANARY, kdf="pbkdf2", iterations=2)))
    (tmp_path / "password").write_text(CANARY + "\n")
    (tmp_path / "token").write_text(CANARY + "\n")
    signer = {"url": f"http://user:{CANARY}@127.0.0.1:1/{CANARY}", "public_key": SENDERS[3]._key_obj.public_key.to_hex()}
    settings = GuardianSettings.model_validate(
        {
            **orders.settings(private_blocks=1, submission=[{"name": "quiet", "url": "http://127.0.0.1:1", "private": True}]).model_dump(
                exclude={"submission"}
            ),
            "sentinel": {"keystore_file": tmp_path / "keystore.json", "password_file": tmp_path / "password"},
            "senders": [{"remote": signer}, key_file(tmp_path, "sender", SENDERS[0])],
            "peers": [
                {"name": "bravo", "url": f"{peer.url}?key={CANARY}", "token_file": tmp_path / "token"},
                {"name": "gone", "url": f"http://user:{CANARY}@127.0.0.1:1/{CANARY}", "token": CANARY},
            ],
            "orders_token_file": tmp_path / "token",
            "submission": [{"name": "quiet", "url": relay.url + f"/{CANARY}", "headers": {"Authorization": CANARY}, "private": True}],
        }
    )  # fmt: skip
    hold_settings(settings)  # as the service does at its start: what far ends tell back is veiled
    assert settings.token() == CANARY
    secrets = [CANARY, *(a.key.hex().removeprefix("0x") for a in (SENTINELS[0], SENDERS[0]))]
    with structlog.testing.capture_logs() as logs:
        assert settings.sentinel is not None
        keys: list[Key] = [load_key(s) for s in settings.senders]
        worker = Executor(settings, CHAIN_ID, [endpoint(orders.url)], book, load_key(settings.sentinel), keys)
        orders.by_admin("guardian", "setThreshold", 2)
        judge(book, orders.head(), "d1")
        await worker.advance_once()  # peers give nothing
        notes = [row(book).note or ""]
        orders.by_admin("guardian", "setThreshold", 1)
        await worker.advance_once()  # the remote sender is not there, the private endpoint refuses
        await worker.advance_once()
        notes.append(row(book).note or "")
        await until(worker, is_(book, "reported"))
    with book.read() as unit:
        served = posted(unit, CHAIN_ID, settings.where, 0.0).decode()
    shown = "\n".join(
        [repr(logs), *notes, served, row(book).execution or "", repr(settings), repr(worker.room), repr(keys), repr(vars(worker))]
    )
    stored = everything_in(book)
    assert logs and "bravo" in notes[0] and "quiet" not in notes[0]
    for secret in secrets:
        assert secret not in shown and secret not in stored
    await worker.close()
    peer.close()
    relay.close()


@pytest.mark.parametrize(
    "wrong",
    [
        {"peers": [{"name": "a", "url": CANARY}]},
        {"peers": [{"name": "a", "url": "http://a", "token": CANARY, "token_file": "x"}]},
        {"peers": [{"name": "a", "url": f"http://{CANARY}"}, {"name": "a", "url": "http://b"}]},
        {"orders_token": CANARY, "orders_token_file": "x"},
        {"sentinel": {"env": "0x" + CANARY.encode().hex()}},
        {"submission": [{"name": "a", "url": CANARY}]},
        {"submission": [{"name": "a", "url": f"http://{CANARY}"}, {"name": "a", "url": "http://b"}]},
        {"senders": [{"key_file": "a"}, {"key_file": "b"}, {"key_file": CANARY}]},
        {"targets": [{"name": "v", "address": "0x" + "11" * 20, "private_blocks": 1}]},
    ],
)
def test_wrong_settings_are_refused_and_not_repeated(wrong: dict[str, Any]) -> None:
    good = {"contract": "0x" + "22" * 20, "targets": [{"name": "v", "address": "0x" + "11" * 20}]}
    assert GuardianSettings.model_validate(good).token() is None
    with pytest.raises(ValidationError) as caught:
        GuardianSettings.model_validate({**good, **wrong})
    assert CANARY not in str(caught.value) and CANARY.encode().hex() not in str(caught.value)


def test_a_token_file_that_is_missing_or_empty_is_named(tmp_path: Path) -> None:
    good = {"contract": "0x" + "22" * 20, "targets": [{"name": "v", "address": "0x" + "11" * 20}]}
    (tmp_path / "empty").write_text("\n")
    for name, said in (("gone", "is not there"), ("empty", "is empty")):
        with pytest.raises(ValueError, match=said):
            GuardianSettings.model_validate({**good, "orders_token_file": tmp_path / name}).token()


def test_a_wrong_keystore_password_is_not_repeated(tmp_path: Path) -> None:
    (tmp_path / "keystore.json").write_text(json.dumps(Account.encrypt(SENTINELS[0].key, "right", kdf="pbkdf2", iterations=2)))
    (tmp_path / "password").write_text(CANARY)
    settings = KeySettings(keystore_file=tmp_path / "keystore.json", password_file=tmp_path / "password")
    with pytest.raises(KeyProblem) as caught:
        load_key(settings)
    assert CANARY not in "".join(traceback.format_exception(caught.value))
