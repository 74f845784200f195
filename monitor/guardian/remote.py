"""A key that lives elsewhere: web3signer's REST interface for execution-layer keys.

``POST /api/v1/eth1/sign/{public key}`` takes bytes, hashes them with keccak **itself** and signs the hash. So it is given what is to
be hashed (``0x1901 ‖ domain ‖ order``, or an unsigned transaction), never a digest: that would be hashed twice and be a
signature of nothing. (Newer versions can be told not to hash; the default is the same in all.) What comes back is checked
against the public key before anybody uses it.
"""

from __future__ import annotations

import asyncio
import ssl

import httpx
from eth_hash.auto import keccak

from monitor.guardian.order import BadSignature, normal
from monitor.guardian.settings import RemoteKeySettings
from monitor.model import Address, address

REQUEST_SECONDS = 2.0
"""How long a signature may take: a sixth of a block."""
MAX_ANSWER = 4096
"""Bytes of an answer that are read; a signature has 132 characters."""


class SignerSilent(Exception):
    """The remote signer gave no signature now: what happened, without its address."""


class RemoteSigner:
    """An account whose key a web3signer holds. Its repr is its address."""

    def __init__(self, settings: RemoteKeySettings) -> None:
        self._url = f"{settings.base}/api/v1/eth1/sign/{settings.identifier}"
        self._tls = _tls(settings)
        self.address: Address = address("0x" + keccak(bytes.fromhex(settings.identifier))[12:].hex())

    async def sign_bytes(self, preimage: bytes) -> bytes:
        """The signature (r, s, v of 27 or 28, low s) over the keccak of these bytes. Raises SignerSilent."""
        said = await self._post(b'{"data":"0x' + preimage.hex().encode() + b'"}')
        try:
            return normal(keccak(preimage), bytes.fromhex(said.strip().strip('"').removeprefix("0x")), self.address)
        except BadSignature:
            raise SignerSilent(
                f"the remote signer's answer is no signature of {self.address}: has it another key under this name?"
            ) from None
        except ValueError:
            raise SignerSilent("the remote signer's answer is no hex") from None

    async def _post(self, content: bytes) -> str:
        headers = {"content-type": "application/json", "accept": "text/plain", "accept-encoding": "identity"}
        try:
            async with (
                asyncio.timeout(REQUEST_SECONDS),
                httpx.AsyncClient(trust_env=False, timeout=REQUEST_SECONDS, verify=self._tls) as client,
                client.stream("POST", self._url, content=content, headers=headers) as answer,
            ):
                body = b""
                async for piece in answer.aiter_raw():
                    body += piece
                    if len(body) > MAX_ANSWER:
                        raise SignerSilent("the remote signer's answer is too long for a signature")
        except (httpx.HTTPError, TimeoutError, OSError) as error:
            raise SignerSilent(f"the remote signer was not reached ({type(error).__name__})") from None
        if answer.status_code == 404:
            raise SignerSilent(f"the remote signer does not have the key of {self.address}: load it there, or correct remote.public_key")
        if answer.status_code != 200:
            raise SignerSilent(f"the remote signer answered HTTP {answer.status_code}")
        return body.decode("ascii", "replace")

    def __repr__(self) -> str:
        return f"RemoteSigner({self.address})"


def _tls(settings: RemoteKeySettings) -> ssl.SSLContext:
    """Who the signer is, and who we are: it signs for anybody who reaches it, so it should know us by a certificate. Raises OSError, ssl.SSLError."""
    context = ssl.create_default_context(cafile=None if settings.ca_file is None else str(settings.ca_file))
    if settings.client_cert_file is not None and settings.client_key_file is not None:
        context.load_cert_chain(str(settings.client_cert_file), str(settings.client_key_file))
    return context
