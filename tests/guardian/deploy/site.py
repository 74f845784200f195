"""A chain with what a guardian is deployed for: a vault, a pool without an end to its pauses, a contract behind a CircuitBreaker, and their owners."""

from __future__ import annotations

import asyncio
import copy
import json
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from monitor.cli.__main__ import main
from monitor.devnet.accounts import address_of, key_of
from monitor.devnet.anvil import CHAIN_ID, Anvil
from monitor.devnet.build import Artifacts
from monitor.guardian.compiled import GUARDIAN
from monitor.guardian.deploy.after import read_back
from monitor.guardian.deploy.file import parse
from monitor.guardian.deploy.plan import DeployPlan
from monitor.guardian.deploy.send import send
from monitor.guardian.keys import load_signer
from monitor.guardian.node import Nodes
from monitor.guardian.person import Fees
from monitor.guardian.settings import KeySettings
from monitor.model import Address, address
from tests.guardian.bench import endpoint

DAY = 86_400
NO_ADDRESS = "0x" + "00" * 20
OWNERS = ("staker_0", "staker_1", "staker_2")


class Site:
    """``at``: the contracts by name. ``plan()`` is the plan that everything here is as planned by."""

    def __init__(self, compiled: Artifacts) -> None:
        self.compiled = compiled
        self.anvil = Anvil.start()
        self.anvil.mine_at_once()
        self.at: dict[str, Address] = {}
        self.guardian: Address | None = None
        self.releaser: Address | None = None
        admin = address_of("governance")
        for name, contract, arguments in (
            ("vault", "Vault", (NO_ADDRESS, admin)),
            ("queue", "Vault", (NO_ADDRESS, admin)),
            ("pool", "PausablePool", (admin,)),
            ("breaker", "CircuitBreaker", (admin, 5 * DAY, 60 * DAY, 30 * DAY, 3 * 365 * DAY, 21 * DAY, 365 * DAY)),
            ("singleton", "Safe", ()),
        ):
            self.at[name] = self.create(compiled[contract].create(*arguments))
        for name in ("admin", "committee"):
            self.at[name] = self._safe()
        # Each contract's roles are given by the Safe that stands for governance.
        for name, contract in (("vault", "Vault"), ("queue", "Vault"), ("pool", "PausablePool")):
            self.send(admin, name, compiled[contract].data("grantRole", bytes(32), self.at["admin"]))
        pauser = compiled["Vault"].result("PAUSE_ROLE", self.ask("queue", compiled["Vault"].data("PAUSE_ROLE")))
        self.send(admin, "queue", compiled["Vault"].data("grantRole", pauser, self.at["breaker"]))
        for name in ("admin", "committee"):
            self.anvil.impersonate(self.at[name])
            self.anvil.set_balance(self.at[name], 10**18)
        self.now = int(self.anvil.rpc.call("eth_getBlockByNumber", "latest", False)["timestamp"], 16)

    def _safe(self) -> Address:
        safe = self.compiled["Safe"]
        setup = safe.data("setup", [address_of(o) for o in OWNERS], 2, NO_ADDRESS, b"", NO_ADDRESS, NO_ADDRESS, 0, NO_ADDRESS)
        return self.create(self.compiled["SafeProxy"].create(self.at["singleton"], bytes.fromhex(setup[2:])))

    # ------------------------------------------------------------ the plan

    def content(self) -> dict[str, Any]:
        """The plan's file as data. Each call gives a copy of its own."""
        admin = self.at["admin"]
        limits = {
            "sentinel_seconds": DAY,
            "guardian_seconds": 7 * DAY,
            "guardian_quota_seconds": 14 * DAY,
            "cooldown_seconds": DAY,
            "gas": 300_000,
            "budget": 1,
        }
        machines = [(n, address_of(f"member_{i}")) for i, n in enumerate(("alpha", "bravo", "charlie"))]
        return copy.deepcopy({
            "version": 1, "chain_id": CHAIN_ID, "deployer": address_of("market_maker"),
            "admin": {"address": admin, "delay_seconds": 3 * DAY},
            "ceilings": {
                "sentinel_seconds": 30 * DAY, "guardian_seconds": 60 * DAY, "guardian_quota_seconds": 90 * DAY, "cooldown_seconds": 30 * DAY,
                "sentinel_lifetime_seconds": 180 * DAY, "order_age_blocks": 32,
            },
            "threshold": 2, "budget": 3,
            "sentinels": [{"name": n, "address": a, "expires": self.now + 170 * DAY} for n, a in machines],
            "guardians": [{"name": "committee", "address": self.at["committee"]}],
            "targets": [
                {"name": "vault", "address": self.at["vault"], "lever": "pauseFor", "owner": admin, "arming": "shadow", "limits": limits},
                {"name": "queue", "address": self.at["queue"], "lever": "circuitBreaker", "via": self.at["breaker"], "owner": address_of("governance"),
                 "arming": "armed", "limits": {**limits, "sentinel_seconds": 21 * DAY, "guardian_seconds": 21 * DAY, "guardian_quota_seconds": 42 * DAY}},
                {"name": "pool", "address": self.at["pool"], "lever": "pause", "owner": admin, "role_getter": "PAUSER_ROLE", "resume_getter": "UNPAUSER_ROLE",
                 "arming": "disarmed", "release": True, "limits": {**limits, "sentinel_seconds": 0, "budget": 0}},
            ],
            "releaser": {"window_seconds": 7 * DAY},
        })  # fmt: skip

    def plan(self) -> DeployPlan:
        return parse(yaml.safe_dump(self.content()))

    def file(self, content: dict[str, Any] | None = None) -> Path:
        path = self.folder / "plan.yaml"
        path.write_text(yaml.safe_dump(content or self.content()), "utf-8")
        return path

    # ------------------------------------------------------------ the command

    def sit(self, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        """Before each test: a folder, and the deployer's key in the environment."""
        self.folder, self._monkeypatch, self._capsys = folder, monkeypatch, capsys
        monkeypatch.setenv("STAKEWARDEN_DEPLOYER_KEY", key_of("market_maker"))
        monkeypatch.delenv("STAKEWARDEN_RPC_URL", raising=False)

    def do(self, *words: object, content: dict[str, Any] | None = None, code: int = 0, url: str | None = None) -> str:
        """``stakewarden guardian deploy``; what it wrote, which is never the key."""
        told = ["stakewarden", "guardian", "deploy", str(self.file(content)), "--rpc", url or self.anvil.http_url, *map(str, words)]
        self._monkeypatch.setattr(sys, "argv", told)
        self._capsys.readouterr()
        found: Any = 0
        try:
            main()
        except SystemExit as end:
            found = end.code
        said = self._capsys.readouterr()
        assert int(found or 0) == code, said.out + said.err
        assert key_of("market_maker")[2:] not in said.out + said.err
        self.said = said.err
        return said.out if "--json" in words else said.out + said.err

    def drawn(self, content: dict[str, Any] | None = None, code: int = 0) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.do("--json", content=content, code=code))
        return found

    def deployed(self) -> dict[str, Any]:
        """Deploy by the command."""
        found: dict[str, Any] = json.loads(self.do("--send", "--json"))
        self.guardian, self.releaser = address(found["guardian"]), address(found["releaser"])
        return found

    def check(self, *words: object, content: dict[str, Any] | None = None, code: int = 0, url: str | None = None) -> dict[str, Any]:
        assert self.guardian is not None
        told = ("--check", self.guardian, "--releaser", self.releaser, "--json", *words)
        found: dict[str, Any] = json.loads(self.do(*told, content=content, code=code, url=url))
        return found

    def stand(self) -> None:
        """Deploy, and let everybody make their calls."""

        async def work() -> None:
            nodes, plan = Nodes([endpoint(self.anvil.http_url)], 4.0), self.plan()
            try:
                key = load_signer(KeySettings(env="KEY"), {"KEY": key_of("market_maker")})
                place = await send(nodes, plan, key, CHAIN_ID, Fees(), said=lambda line: None)
                self.guardian, self.releaser = place.guardian, place.releaser
                for step in (await read_back(nodes, plan, place)).left:
                    self.transact(step.by, step.to, "0x" + step.data.hex())
            finally:
                await nodes.close()

        asyncio.run(work())

    # ------------------------------------------------------------ the chain

    def transact(self, sender: str, to: str | None, data: str) -> dict[str, Any]:
        """A transaction from an account that anvil may impersonate; a revert raises."""
        tx = {"from": sender, "data": data, "gas": hex(12_000_000), **({} if to is None else {"to": to})}
        hash = str(self.anvil.rpc.call("eth_sendTransaction", tx))
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            receipt: dict[str, Any] | None = self.anvil.rpc.call("eth_getTransactionReceipt", hash)
            if receipt is not None:
                assert receipt["status"] == "0x1", "reverted"
                return receipt
            time.sleep(0.005)
        raise TimeoutError(hash)

    def create(self, data: str, by: str | None = None) -> Address:
        return address(self.transact(by or address_of("deployer"), None, data)["contractAddress"])

    def send(self, sender: str, name: str, data: str) -> None:
        self.transact(sender, self.at[name], data)

    def governs(self, function: str, *arguments: Any) -> None:
        """The admin calls the guardian."""
        assert self.guardian is not None
        self.transact(self.at["admin"], self.guardian, self.compiled[GUARDIAN.contract].data(function, *arguments))

    def ask(self, name: str, data: str) -> str:
        return str(self.anvil.rpc.call("eth_call", {"to": self.at[name], "data": data}, "latest"))
