"""A small real chain with the guardian and its vault, and a relay before it that misbehaves on demand."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
from eth_account import Account

from monitor.chain.settings import EndpointSettings
from monitor.chain.tls import authorities
from monitor.devnet.accounts import address_of, key_of
from monitor.devnet.anvil import CHAIN_ID, Anvil
from monitor.devnet.build import Artifact, Artifacts
from monitor.guardian import contract as guardian
from monitor.guardian.decision import Decision
from monitor.guardian.order import Order, digest
from monitor.guardian.policy import Response
from monitor.guardian.settings import GuardianSettings
from monitor.model import Address, BlockStamp, EpisodeId, Hash, RuleId, Slot, address

DURATION = 86_400
GAS = 300_000
RESUME_ROLE = bytes.fromhex("2fc10cc8ae19568712f7a176fb4978616a610650813c9d05326c34abb62749c7")
PAUSE_ROLE = bytes.fromhex("139c2898040ef16910dc9f44dc697df79363da767d8bc92f2e310312b816e46d")
CEILINGS = (7 * DURATION, 7 * DURATION, 14 * DURATION, DURATION, 365 * DURATION, 0)
LIMITS = (DURATION, DURATION, 10 * DURATION, 0, GAS, 1)
SENTINEL_LIFETIME = 30 * DURATION
NOBODY = "0x000000000000000000000000000000000000dEaD"
__all__ = ["CHAIN_ID", "Bench", "Relay", "decision", "endpoint"]


class Bench:
    """Anvil that mines each transaction at once, the guardian, and a vault that is registered and armed."""

    def __init__(self, compiled: Artifacts) -> None:
        self.begin(compiled, guardian="Guardian", vault="Vault", breaker="CircuitBreaker", pool="PausablePool")
        admin = address_of("governance")
        self.guardian = self.deploy("guardian", 0, admin, 1, CEILINGS)
        self.vault = self.deploy("vault", NOBODY, admin)
        self.by_admin("vault", "grantRole", PAUSE_ROLE, self.guardian)
        self.by_admin("guardian", "grantRole", guardian.GUARDIAN_ROLE, address_of("guardian_person"))
        self.by_admin("guardian", "setSentinel", address_of("sentinel"), self.head().timestamp + SENTINEL_LIFETIME)
        self.by_admin("guardian", "register", self.vault, "0x" + "00" * 20, 1, LIMITS)
        self.by_admin("guardian", "arm", self.vault)
        self.by_admin("guardian", "setSentinelBudget", 3)

    def begin(self, compiled: Artifacts, **contracts: str) -> None:
        """An empty chain, and the contracts that may be deployed on it by name."""
        self.anvil = Anvil.start()
        self.anvil.mine_at_once()
        self.contracts: dict[str, Artifact] = {name: compiled[contract] for name, contract in contracts.items()}
        self.at: dict[str, Address] = {}

    @property
    def url(self) -> str:
        return self.anvil.http_url

    def settings(self, **more: Any) -> GuardianSettings:
        targets = [{"name": "vault", "address": self.vault, "lever": "pauseFor"}]
        return GuardianSettings.model_validate({"contract": self.guardian, "targets": targets, "poll_seconds": 0.02, **more})

    def by_admin(self, name: str, function: str, *args: Any) -> str:
        return self.send("governance", name, function, *args)

    def send(self, role: str, name: str, function: str, *args: Any) -> str:
        """A transaction from a devnet account; its hash, once it is mined. A revert raises."""
        tx = {"from": address_of(role), "to": self.at[name], "data": self.contracts[name].data(function, *args), "gas": hex(3_000_000)}
        hash = str(self.anvil.rpc.call("eth_sendTransaction", tx))
        assert self.receipt(hash)["status"] == "0x1", f"{function} reverted"
        return hash

    def call(self, name: str, function: str, *args: Any) -> Any:
        artifact, to = self.contracts[name], self.at[name]
        return artifact.result(function, self.anvil.rpc.call("eth_call", {"to": to, "data": artifact.data(function, *args)}, "latest"))

    def pause_by_order(self) -> None:
        """The sentinel orders a pause of the vault for the newest block, and the sender submits it."""
        asked = {"to": self.guardian, "data": "0x" + guardian.TARGET.call(self.vault).data.hex()}
        epoch = guardian.read_target(bytes.fromhex(self.anvil.rpc.call("eth_call", asked, "latest")[2:])).epoch
        order = Order(self.vault, epoch, bytes(32), self.head().number, self.head().hash)
        signed = Account.unsafe_sign_hash(digest(order, CHAIN_ID, self.guardian), key_of("sentinel"))
        self.send("sender", "guardian", "execute", order.struct, bytes(signed.signature))

    def receipt(self, hash: str, seconds: float = 10) -> dict[str, Any]:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            found: dict[str, Any] | None = self.anvil.rpc.call("eth_getTransactionReceipt", hash)
            if found is not None:
                return found
            time.sleep(0.005)
        raise TimeoutError(f"{hash} was not mined")

    def head(self) -> BlockStamp:
        return self.stamp()

    def stamp(self, at: str = "latest") -> BlockStamp:
        block = self.anvil.rpc.call("eth_getBlockByNumber", at, False)
        return BlockStamp(int(block["number"], 16), Hash(block["hash"]), Hash(block["parentHash"]), int(block["timestamp"], 16), Slot(0))

    def pauses(self) -> int:
        """How often the guardian paused anything, from its own events."""
        wanted = {"address": self.guardian, "fromBlock": "0x0", "topics": ["0x" + guardian.TARGET_PAUSED.topic.hex()]}
        return len(self.anvil.rpc.call("eth_getLogs", wanted))

    def nonce(self, role: str) -> int:
        return int(self.anvil.rpc.call("eth_getTransactionCount", address_of(role), "latest"), 16)

    def deploy(self, name: str, *args: Any) -> Address:
        """A contract of ``contracts`` from its constructor's arguments."""
        tx = {"from": address_of("deployer"), "data": self.contracts[name].create(*args), "gas": hex(12_000_000)}
        receipt = self.receipt(str(self.anvil.rpc.call("eth_sendTransaction", tx)))
        assert receipt["status"] == "0x1", f"{name} was not deployed"
        self.at[name] = address(receipt["contractAddress"])
        return self.at[name]


def endpoint(url: str, name: str = "a", operator: str = "") -> EndpointSettings:
    return EndpointSettings.model_validate({"name": name, "url": url, "operator": operator})


def decision(bench: Bench, id: str = "d1", at: BlockStamp | None = None, target: str = "vault") -> Decision:
    response = Response("r", (), target, "automatic", "risk", "because")
    return Decision(id, "pause", response, EpisodeId("e"), RuleId("g/R"), (("alertname", "R"),), Hash("0x00"), at or bench.head(), ("a",))


Handler = Callable[[str, list[Any], Callable[[], Any]], Any]
"""Takes the method, its parameters and a way to ask the chain; gives the JSON-RPC body, or raises Hang or Drop."""


class Drop(Exception):
    """Close the connection without an answer."""


class _Server(ThreadingHTTPServer):
    """Takes as many connections at once as are asked for: five, the default, are fewer than a client's questions."""

    daemon_threads = True
    request_queue_size = 128


class Relay:
    """An endpoint before the chain. ``handler`` decides what becomes of each request; counts are kept by method."""

    def __init__(self, upstream: str) -> None:
        self.handler: Handler = lambda method, params, forward: forward()
        self.seen: list[str] = []
        client = httpx.Client(
            base_url=upstream, trust_env=False, verify=authorities(), timeout=20, headers={"content-type": "application/json"}
        )
        relay = self

        class Serve(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True  # headers and body are two packets: the second would wait 40 ms for the first's acknowledgement

            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers["content-length"]))
                request = json.loads(raw)
                relay.seen.append(request["method"])
                try:
                    answer = relay.handler(request["method"], request["params"], lambda: client.post("", content=raw).json())
                except Drop:
                    self.close_connection = True
                    return
                body = json.dumps(
                    {"jsonrpc": "2.0", "id": request["id"], **{k: v for k, v in answer.items() if k in ("result", "error")}}
                ).encode()
                try:
                    self.send_response(200)
                    self.send_header("content-type", "application/json")
                    self.send_header("content-length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)
                except OSError:
                    self.close_connection = True

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = _Server(("127.0.0.1", 0), Serve)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def killer(pid: int, method: str, nth: int, *, after: bool) -> Handler:
    """Kill the process when its nth request of that method comes: before the chain sees it, or after, without telling the answer."""
    count = 0

    def handle(asked: str, params: list[Any], forward: Callable[[], Any]) -> Any:
        nonlocal count
        if asked != method:
            return forward()
        count += 1
        if count != nth:
            return forward()
        if after:
            forward()
        os.kill(pid, signal.SIGKILL)
        raise Drop

    return handle
