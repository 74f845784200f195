"""The keys that sign: where they come from, and that they never show.

No message here repeats what was read: a wrong key is described by what is wrong with it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from eth_hash.auto import keccak

from monitor.guardian.remote import RemoteSigner
from monitor.guardian.settings import KeySettings
from monitor.model import Address, address
from monitor.model.secrecy import hold
from monitor.model.secret_settings import NoSecret, file_text, from_environment, from_file

if TYPE_CHECKING:
    from eth_account import Account
    from eth_account.signers.local import LocalAccount


class KeyProblem(Exception):
    """The key cannot be used: what, where, and the remedy. Never holds any part of a secret."""


class Key(Protocol):
    """An account that signs: with a key of this process, or by asking who has it."""

    @property
    def address(self) -> Address: ...

    async def sign_bytes(self, preimage: bytes) -> bytes:
        """r, s and v (27 or 28), with low s, over the keccak of these bytes: of an order's preimage, or of an unsigned transaction.

        Raises SignerSilent when the key is elsewhere and cannot be had now.
        """
        ...


class Signer:
    """An account whose key is in this process. Its repr is its address."""

    __slots__ = ("__account", "address")

    def __init__(self, account: LocalAccount) -> None:
        self.__account = account
        self.address: Address = address(account.address)

    async def sign_bytes(self, preimage: bytes) -> bytes:
        """As :class:`Key` says."""
        from eth_typing import Hash32

        return bytes(self.__account.unsafe_sign_hash(Hash32(keccak(preimage))).signature)

    def __repr__(self) -> str:
        return f"Signer({self.address})"

    def __reduce__(self) -> str:
        raise TypeError("a signer is not pickled: its key would leave the process")


def load_key(settings: KeySettings, environment: Mapping[str, str] | None = None) -> Key:
    """The key of the settings, wherever it is. Raises KeyProblem."""
    if settings.remote is None:
        return load_signer(settings, environment)
    try:
        return RemoteSigner(settings.remote)
    except OSError as error:  # ssl.SSLError is one
        raise KeyProblem(
            f"remote: its certificates cannot be used ({type(error).__name__}): check ca_file and the client's files"
        ) from None


def load_signer(settings: KeySettings, environment: Mapping[str, str] | None = None) -> Signer:
    """The signer of the settings, for who needs the key in this process. Raises KeyProblem."""
    if settings.remote is not None:
        raise KeyProblem("a remote signer cannot be used here: give env, key_file or keystore_file")
    try:
        account = _account(settings, environment)
    except NoSecret as wrong:
        raise KeyProblem(str(wrong)) from None
    hold(account.key.hex().removeprefix("0x"))
    return Signer(account)


def _account(settings: KeySettings, environment: Mapping[str, str] | None) -> LocalAccount:
    if settings.env is not None:
        return _from_hex(from_environment("env", settings.env, environment), f"the environment variable {settings.env}")
    if settings.key_file is not None:
        return _from_hex(from_file("key_file", settings.key_file), f"key_file {settings.key_file}")
    assert settings.keystore_file is not None
    if settings.password_env is not None:
        return _from_keystore(settings.keystore_file, from_environment("password_env", settings.password_env, environment))
    assert settings.password_file is not None
    return _from_keystore(settings.keystore_file, from_file("password_file", settings.password_file))


def _accounts() -> type[Account]:
    """Imported when a key is there: it brings elliptic curves that take a second to load."""
    from eth_account import Account

    return Account


def _from_hex(text: str, where: str) -> LocalAccount:
    digits = text.strip().removeprefix("0x")
    if len(digits) != 64:
        raise KeyProblem(f"{where} holds {len(digits)} characters where a private key has 64 hex digits (with or without 0x)")
    try:
        account: LocalAccount = _accounts().from_key(bytes.fromhex(digits))
    except Exception:
        # Whatever the libraries say about it, they may say the key itself.
        raise KeyProblem(
            f"{where} holds 64 characters that are no private key: give hex digits of a number within the curve's order"
        ) from None
    return account


def _from_keystore(path: Path, password: str) -> LocalAccount:
    try:
        store = json.loads(file_text("keystore_file", path))
        sealed = {str(k).lower(): v for k, v in store.items()}["crypto"]
        # Not the whole file: who signs is no secret. What is sealed may be tried with every password.
        hold(str(sealed["ciphertext"]))
    except (json.JSONDecodeError, AttributeError, KeyError, TypeError):
        raise KeyProblem(
            f"keystore_file {path} is not a version 3 keystore (JSON with a 'crypto' object): make one with `cast wallet import`"
        ) from None
    try:
        account: LocalAccount = _accounts().from_key(_accounts().decrypt(store, password))
    except Exception:
        raise KeyProblem(f"keystore_file {path} does not open with this password: check password_file or password_env") from None
    return account
