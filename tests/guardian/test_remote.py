"""A remote signer is asked as web3signer wants it, and believed only after its answer was checked."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from eth_account import Account
from eth_hash.auto import keccak
from pydantic import ValidationError

from monitor.guardian import envelope, remote
from monitor.guardian.keys import KeyProblem, load_key, load_signer
from monitor.guardian.order import Order, digest, recover, sign
from monitor.guardian.remote import RemoteSigner, SignerSilent
from monitor.guardian.settings import KeySettings
from monitor.model import Hash, address

ACCOUNT = Account.from_key(b"\x31" * 32)
OTHER = Account.from_key(b"\x32" * 32)
PUBLIC = ACCOUNT._key_obj.public_key.to_hex()
PLACE = address("0x" + "44" * 20)
ORDER = Order(PLACE, 1, b"\x07" * 32, 9, Hash("0x" + "05" * 32))
CANARY = "canary-in-the-address"
Answer = Callable[[bytes], tuple[int, bytes]]


class FakeWeb3Signer:
    """The far end: hashes what it is given, as web3signer does, and signs; or does what ``answer`` says."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Any]] = []
        self.answer: Answer = lambda data: (200, b"0x" + bytes(ACCOUNT.unsafe_sign_hash(keccak(data)).signature).hex().encode())
        fake = self

        class Serve(BaseHTTPRequestHandler):
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                fake.asked.append((self.path, body))
                status, content = fake.answer(bytes.fromhex(body["data"][2:]))
                self.send_response(status)
                self.send_header("content-type", "text/plain; charset=utf-8")
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                with contextlib.suppress(OSError):
                    self.wfile.write(content)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Serve)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/{CANARY}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def far() -> Iterator[FakeWeb3Signer]:
    found = FakeWeb3Signer()
    yield found
    found.close()


def key_of(far: FakeWeb3Signer, public: str = PUBLIC) -> RemoteSigner:
    found = load_key(KeySettings.model_validate({"remote": {"url": far.url + "/", "public_key": public}}))
    assert isinstance(found, RemoteSigner)
    return found


@pytest.mark.parametrize("written", [PUBLIC, PUBLIC[2:], PUBLIC[2:].upper(), "0x04" + PUBLIC[2:]])
def test_the_account_follows_from_the_public_key(far: FakeWeb3Signer, written: str) -> None:
    assert key_of(far, written).address == ACCOUNT.address and not far.asked


async def test_it_is_given_the_preimage_and_its_signature_is_over_the_digest(far: FakeWeb3Signer) -> None:
    found = await sign(ORDER, 1, PLACE, key_of(far))
    assert recover(digest(ORDER, 1, PLACE), found) == ACCOUNT.address
    ((path, body),) = far.asked
    assert path == f"/{CANARY}/api/v1/eth1/sign/{PUBLIC[2:]}"
    assert body.keys() == {"data"} and body["data"].startswith("0x1901") and len(body["data"]) == 2 + 2 * 66


async def test_transactions_are_signed_by_it_too(far: FakeWeb3Signer) -> None:
    made = envelope.Transaction(1, 0, PLACE, b"\x01\x02", 50_000, 20, 1)
    hash, raw = await envelope.sign_transaction(made, key_of(far))
    assert Account.recover_transaction(raw) == ACCOUNT.address and hash == "0x" + keccak(bytes.fromhex(raw[2:])).hex()


def refuse(status: int, content: bytes) -> Answer:
    return lambda data: (status, content)


def foreign(data: bytes) -> tuple[int, bytes]:
    return 200, b"0x" + bytes(OTHER.unsafe_sign_hash(keccak(data)).signature).hex().encode()


def hashed_once_too_often(data: bytes) -> tuple[int, bytes]:
    return 200, b"0x" + bytes(ACCOUNT.unsafe_sign_hash(keccak(keccak(data))).signature).hex().encode()


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (refuse(404, b"no"), "does not have the key"),
        (refuse(500, CANARY.encode()), "HTTP 500"),
        (refuse(302, b""), "HTTP 302"),
        (refuse(200, b""), "no signature of"),
        (refuse(200, b"0xzz"), "no hex"),
        (refuse(200, b"0x" + b"00" * 65), "no signature of"),
        (refuse(200, b"0" * 5000), "too long"),
        (refuse(200, b"\xff\xfe" * 66), "no hex"),
        (foreign, "another key"),
        (hashed_once_too_often, "no signature of"),
    ],
)
async def test_what_is_no_signature_of_ours_is_refused(far: FakeWeb3Signer, answer: Answer, said: str) -> None:
    far.answer = answer
    with pytest.raises(SignerSilent, match=said) as caught:
        await key_of(far).sign_bytes(b"anything")
    assert CANARY not in str(caught.value)


async def test_a_signer_that_hangs_is_given_up(far: FakeWeb3Signer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "REQUEST_SECONDS", 0.1)
    released = threading.Event()

    def hang(data: bytes) -> tuple[int, bytes]:
        released.wait(10)
        return 200, b""

    far.answer = hang
    began = time.monotonic()
    with pytest.raises(SignerSilent, match="not reached"):
        await key_of(far).sign_bytes(b"anything")
    assert time.monotonic() - began < 5
    released.set()


async def test_an_address_where_nobody_listens_is_not_shown(far: FakeWeb3Signer) -> None:
    key = key_of(far)
    far.close()
    with pytest.raises(SignerSilent) as caught:
        await key.sign_bytes(b"anything")
    assert CANARY not in str(caught.value) and CANARY not in repr(key) and "127.0.0.1" not in str(caught.value)


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": "signer.example", "public_key": PUBLIC},
        {"url": "ftp://signer.example", "public_key": PUBLIC},
        {"url": "http://signer.example", "public_key": ACCOUNT.address},
        {"url": "http://signer.example", "public_key": PUBLIC, "client_cert_file": "a.pem"},
        {"url": f"http://signer.example?key={CANARY}", "public_key": PUBLIC},
    ],
)
def test_wrong_settings_are_refused_and_not_repeated(wrong: dict[str, str]) -> None:
    with pytest.raises(ValidationError) as caught:
        KeySettings.model_validate({"remote": wrong})
    assert CANARY not in str(caught.value) and "signer.example" not in str(caught.value)


def test_missing_certificates_are_named_at_the_start(tmp_path: Any) -> None:
    settings = KeySettings.model_validate({"remote": {"url": "https://s.example", "public_key": PUBLIC, "ca_file": tmp_path / "gone"}})
    with pytest.raises(KeyProblem, match="ca_file"):
        load_key(settings)
    with pytest.raises(KeyProblem, match="remote signer cannot be used here"):
        load_signer(settings)
