"""A small real chain with the guardian of sentinel orders, two vaults, three sentinels, and what the pipeline would write about a judged block."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from eth_account import Account

from monitor.devnet.accounts import address_of
from monitor.devnet.anvil import CHAIN_ID
from monitor.devnet.build import Artifacts
from monitor.guardian import contract as guardian
from monitor.guardian.decision import canonical
from monitor.guardian.execution import ledger
from monitor.guardian.execution.machine import Executor
from monitor.guardian.keys import Signer
from monitor.guardian.settings import GuardianSettings
from monitor.model import BlockStamp
from monitor.protocols.abi import Function
from monitor.store import Store
from monitor.store.tables.guardian import PauseRow
from tests.guardian.bench import DURATION, GAS, NOBODY, PAUSE_ROLE, Bench, endpoint

AGE = 32
SENTINELS = [Account.from_key(bytes([0x51 + i]) * 32) for i in range(3)]
SENDERS = [Account.from_key(bytes([0x61 + i]) * 32) for i in range(4)]
ETHER = 10**18


def sentinel(i: int) -> Signer:
    return Signer(SENTINELS[i])


def sender(i: int) -> Signer:
    return Signer(SENDERS[i])


class OrderBench(Bench):
    """The bench with three sentinels and a threshold, and two vaults that are registered and armed."""

    def __init__(self, compiled: Artifacts, threshold: int = 1, budget: int = 1) -> None:
        self.begin(compiled, guardian="Guardian", vault="Vault", pool="Vault")
        admin = address_of("governance")
        ceilings = (7 * DURATION, 30 * DURATION, 60 * DURATION, DURATION, 365 * DURATION, AGE)
        self.guardian = self.deploy("guardian", 0, admin, threshold, ceilings)
        expiry = self.head().timestamp + 30 * DURATION
        for account in SENTINELS:
            self.by_admin("guardian", "setSentinel", account.address, expiry)
        for account in SENDERS:
            self.anvil.set_balance(account.address, 10 * ETHER)
        self.by_admin("guardian", "grantRole", guardian.GUARDIAN_ROLE, address_of("guardian_person"))
        for name in ("vault", "pool"):
            self.deploy(name, NOBODY, admin)
            self.by_admin(name, "grantRole", PAUSE_ROLE, self.at["guardian"])
            limits = (DURATION, 2 * DURATION, 10 * DURATION, 0, GAS, budget)
            self.by_admin("guardian", "register", self.at[name], "0x" + "00" * 20, 1, limits)
            self.by_admin("guardian", "arm", self.at[name])
        self.by_admin("guardian", "setSentinelBudget", 4)

    def settings(self, **more: Any) -> GuardianSettings:
        private = more.pop("private_blocks", 0)
        targets = [{"name": n, "address": self.at[n], "lever": "pauseFor", "private_blocks": private} for n in ("vault", "pool")]
        return GuardianSettings.model_validate({"contract": self.at["guardian"], "targets": targets, "poll_seconds": 0.02, **more})

    def executor(self, store: Store, *urls: str, who: int = 0, senders: int = 1, **settings: Any) -> Executor:
        endpoints = [endpoint(url, f"e{i}") for i, url in enumerate(urls or (self.url,))]
        keys = [sender(who), sender(3)][:senders]
        return Executor(self.settings(**settings), CHAIN_ID, endpoints, store, sentinel(who), keys)

    def ask(self, function: Function, *args: Any) -> Any:
        """The guardian's answer, by the package's own words."""
        data = "0x" + function.call(*args).data.hex()
        return function.decode(bytes.fromhex(self.anvil.rpc.call("eth_call", {"to": self.at["guardian"], "data": data}, "latest")[2:]))

    def nonce(self, i: int) -> int:  # type: ignore[override]
        """Of the sender of that number."""
        return int(self.anvil.rpc.call("eth_getTransactionCount", SENDERS[i].address, "latest"), 16)


# ---------------------------------------------------------------- what the pipeline writes


def document(at: BlockStamp, target: str = "vault", rule: str = "g/R") -> bytes:
    """A decision's canonical document: equal for all who saw the same block."""
    return canonical({"rule": rule, "target": target, "block": {"number": at.number, "hash": at.hash, "timestamp": at.timestamp}})


def values(id: str, at: BlockStamp, target: str = "vault") -> dict[str, Any]:
    return {
        "id": id, "target": target, "response": "r", "mode": "automatic", "owner": "risk", "reason": "because", "episode": f"e-{id}",
        "rule": "g/R", "labels": "{}", "evidence": "0x00", "agreed": "[]", "observed_number": at.number, "observed_hash": at.hash,
        "observed_timestamp": at.timestamp, "decided_at": time.time(),
    }  # fmt: skip


def judge(store: Store, at: BlockStamp, *pauses: str, target: str = "vault", open: bool = True) -> None:
    """One judged block at which these decisions hold, and no others."""
    with store.begin() as unit:
        for id in pauses:
            if open:
                ledger.decide(unit, values(id, at, target))
        ledger.observe(unit, at, {id: document(at, target, f"g/{id}") for id in pauses}, time.time())


def row(store: Store, id: str = "d1") -> PauseRow:
    with store.read() as unit:
        return ledger.pause(unit, id).row


def pause(store: Store, id: str = "d1") -> ledger.Pause:
    with store.read() as unit:
        return ledger.pause(unit, id)


# ---------------------------------------------------------------- a peer that misbehaves


class Peer:
    """A sentinel's board over real HTTP. ``answer`` gives status and body for the request's headers; it may raise Drop or block."""

    def __init__(self) -> None:
        self.answer: Callable[[Any], tuple[int, bytes]] = lambda headers: (404, b"")
        self.asked = 0
        peer = self

        class Serve(BaseHTTPRequestHandler):
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                peer.asked += 1
                try:
                    status, body = peer.answer(self.headers)
                    self.send_response(status)
                    self.send_header("content-type", "application/json")
                    if status == 302:
                        self.send_header("location", "/elsewhere")
                    self.end_headers()
                    self.wfile.write(body)
                except OSError:
                    self.close_connection = True

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Serve)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/guardian/orders"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def serve(self, body: bytes, status: int = 200) -> None:
        self.answer = lambda headers: (status, body)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def board(bench: OrderBench, *orders: tuple[Any, bytes], **more: Any) -> bytes:
    """A board as a peer would serve it."""
    entries = [{"order": order.json(), "signature": "0x" + signature.hex()} for order, signature in orders]
    return json.dumps({"version": 1, "chain_id": CHAIN_ID, "guardian": bench.at["guardian"], "orders": entries, **more}).encode()
