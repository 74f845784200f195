"""A small JSON-RPC client for steering the devnet: one connection, batches, exact errors.

The monitor itself reads through ``monitor.chain``; this one is for what people and protocols do on the chain.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import httpx
import orjson

from monitor.chain.tls import authorities


class RpcError(RuntimeError):
    """The node answered with a JSON-RPC error. ``data`` holds the revert data, if any."""

    def __init__(self, method: str, error: dict[str, Any]) -> None:
        self.method = method
        self.code: int = error.get("code", 0)
        self.reason: str = error.get("message", "")
        self.data: str = error.get("data") or "" if isinstance(error.get("data"), str) else ""
        super().__init__(f"{method}: {self.reason}" + (f" ({self.data[:138]})" if self.data else ""))


class Rpc:
    """JSON-RPC over HTTP. Usable from several threads."""

    def __init__(self, url: str, timeout: float = 20.0) -> None:
        self._ids = itertools.count(1)
        # Never through a proxy: the node is on this machine.
        headers = {"content-type": "application/json"}
        self._client = httpx.Client(base_url=url, timeout=timeout, trust_env=False, verify=authorities(), headers=headers)

    def call(self, method: str, *params: Any) -> Any:
        """The result of one request. Raises :class:`RpcError`."""
        return self.batch([(method, params)])[0]

    def batch(self, requests: Sequence[tuple[str, Sequence[Any]]]) -> list[Any]:
        """The results in the order of the requests. The first error is raised."""
        if not requests:
            return []
        bodies = [{"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": list(params)} for method, params in requests]
        response = self._client.post("", content=orjson.dumps(bodies if len(bodies) > 1 else bodies[0]))
        response.raise_for_status()
        answer = orjson.loads(response.content)
        by_id = {item["id"]: item for item in (answer if isinstance(answer, list) else [answer])}
        results = []
        for body in bodies:
            item = by_id[body["id"]]
            if "error" in item:
                raise RpcError(str(body["method"]), item["error"])
            results.append(item.get("result"))
        return results

    def close(self) -> None:
        self._client.close()
