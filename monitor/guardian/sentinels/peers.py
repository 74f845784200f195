"""Pulling what other sentinels signed. A peer may hang, lie, send megabytes or nothing: it costs its own signature and no time of the others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import httpx

from monitor.chain.tls import authorities
from monitor.guardian.order import Order
from monitor.guardian.sentinels.board import BadBoard, read_board
from monitor.guardian.settings import PeerSettings
from monitor.model import Address

MAX_BOARD_BYTES = 64 * 1024
"""64 orders have about 40 000 bytes."""
PEER_SECONDS = 1.5
"""How long one peer may take, body included."""


@dataclass(frozen=True, slots=True)
class Board:
    """What one peer serves. ``problem``: why there is nothing, without its address; None if all is well."""

    peer: str
    orders: Sequence[tuple[Order, bytes]] = ()
    problem: str | None = None


class Peers:
    """The other sentinels of the settings."""

    def __init__(self, peers: Sequence[PeerSettings], chain_id: int, guardian: Address) -> None:
        self._all = tuple(peers)
        self._chain_id, self._guardian = chain_id, guardian
        # trust_env: an order is nothing for a proxy that the environment names. Redirects are not followed: a peer speaks for itself.
        self._client = httpx.AsyncClient(trust_env=False, timeout=PEER_SECONDS, follow_redirects=False, verify=authorities())
        self.problems: dict[str, str] = {}
        """Peers that gave nothing when they were asked last, and why: for pages and readiness."""

    def __len__(self) -> int:
        return len(self._all)

    async def boards(self) -> AsyncIterator[Board]:
        """What each peer serves, as it comes; leave the loop when it is enough, and the others are not waited for."""
        pending = {asyncio.create_task(self._board(peer)) for peer in self._all}
        try:
            while pending:
                done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    yield task.result()
        finally:
            for task in pending:
                task.cancel()
            await asyncio.gather(*pending, return_exceptions=True)

    async def _board(self, peer: PeerSettings) -> Board:
        try:
            async with asyncio.timeout(PEER_SECONDS):
                found = Board(peer.name, read_board(await self._get(peer), self._chain_id, self._guardian))
        except BadBoard as wrong:
            found = Board(peer.name, problem=f"serves something else: {wrong}")
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, OSError, ValueError) as error:
            found = Board(peer.name, problem=f"silent ({type(error).__name__})")
        if found.problem is None:
            self.problems.pop(peer.name, None)
        else:
            self.problems[peer.name] = found.problem
        return found

    async def _get(self, peer: PeerSettings) -> bytes:
        token = peer.secret()
        headers = {"accept": "application/json", "accept-encoding": "identity", **({"authorization": f"Bearer {token}"} if token else {})}
        async with self._client.stream("GET", peer.url.get_secret_value(), headers=headers) as answer:
            if answer.status_code != 200:
                raise BadBoard(f"HTTP {answer.status_code}")
            body = b""
            async for piece in answer.aiter_raw():
                body += piece
                if len(body) > MAX_BOARD_BYTES:
                    raise BadBoard("too long")
        return body

    async def close(self) -> None:
        await self._client.aclose()
