"""A small chain with what protocols have today: a CircuitBreaker under a Safe of 3 of 6, a vault behind it, and pause flags."""

from __future__ import annotations

import time
from typing import Any

from eth_account import Account
from eth_hash.auto import keccak

from monitor.devnet.accounts import address_of
from monitor.devnet.anvil import CHAIN_ID, Anvil
from monitor.devnet.build import Artifacts
from monitor.guardian.keys import Signer
from monitor.guardian.levers.declared import Declarations
from monitor.guardian.node import Nodes
from monitor.model import Address, address
from tests.guardian.bench import NOBODY, endpoint

PAUSE_ROLE = bytes.fromhex("139c2898040ef16910dc9f44dc697df79363da767d8bc92f2e310312b816e46d")
RESUME_ROLE = bytes.fromhex("2fc10cc8ae19568712f7a176fb4978616a610650813c9d05326c34abb62749c7")
NO_ADDRESS = "0x" + "00" * 20
DAY = 86_400
OWNERS = tuple(Signer(Account.from_key(bytes([i]) * 32)) for i in range(11, 17))
TEXTS = {"stops": "deposits and withdrawals", "goes_on": "transfers", "cost": "nobody gets out"}


class Ground:
    """The chain; ``call`` and ``send`` go by contract name. The Safe's keys are in OWNERS."""

    def __init__(self, compiled: Artifacts) -> None:
        self.anvil = Anvil.start()
        self.anvil.mine_at_once()
        self.artifacts = {
            "breaker": compiled["CircuitBreaker"],
            "vault": compiled["Vault"],
            "other": compiled["Vault"],
            "safe": compiled["Safe"],
        }
        admin = address_of("governance")
        self.at: dict[str, Address] = {}
        self._deploy("vault", NOBODY, admin)
        self._deploy("other", NOBODY, admin)
        self._deploy("breaker", admin, 5 * DAY, 60 * DAY, 30 * DAY, 3 * 365 * DAY, 21 * DAY, 365 * DAY)
        code = self._create(compiled["Safe"].create())
        setup = compiled["Safe"].data("setup", [o.address for o in OWNERS], 3, NO_ADDRESS, b"", NO_ADDRESS, NO_ADDRESS, 0, NO_ADDRESS)
        self.at["multisend"] = self._create(compiled["MultiSendCallOnly"].create())
        self.at["safe"] = self._create(compiled["SafeProxy"].create(code, bytes.fromhex(setup[2:])))
        for name in ("vault", "other"):
            self.send("governance", name, "grantRole", PAUSE_ROLE, self.at["breaker"])
            self.send("governance", name, "grantRole", RESUME_ROLE, admin)
            self.send("governance", "breaker", "registerPauser", self.at[name], self.at["safe"])

        executor, strangers = address_of("governance"), [address_of("guardian_person")]
        self.artifacts |= {"registry": compiled["PauserRegistry"], "flags": compiled["PauseFlags"], "quiet": compiled["PauseFlags"]}
        self._deploy("registry", [self.at["safe"], *strangers], executor)
        self._deploy("flags", self.at["registry"], 0b10)
        self._deploy("quiet", self.at["registry"], 0)

    def declarations(self) -> Declarations:
        """What mainnet.yaml is for mainnet."""
        behind = [
            {"contract": n, "address": self.at[n], "way": "circuit_breaker", "via": self.at["breaker"], **TEXTS} for n in ("vault", "other")
        ]
        return Declarations.model_validate(
            {
                "network": CHAIN_ID,
                "multisend": {self.at["multisend"]: "0x" + keccak(self.code("multisend")).hex()},
                "accounts": {"lido/committee": self.at["safe"], "lido/breaker": self.at["breaker"], "lido/agent": address_of("governance")},
                "protocols": [
                    {"protocol": "lido", "levers": behind},
                    {"protocol": "eigenlayer", "levers": [self._flags("flags"), self._flags("quiet")]},
                ],
            }
        )

    def _flags(self, name: str) -> dict[str, Any]:
        return {
            "contract": name, "address": self.at[name], "way": "flags", "registry": self.at["registry"],
            "candidates": [self.at["safe"], address_of("guardian_person"), address_of("staker_0")],
            "flags": {0: "deposits", 1: "rewards for all", 2: "withdrawals"}, "usual": 2 if name == "flags" else 0, **TEXTS,
        }  # fmt: skip

    def nodes(self) -> Nodes:
        return Nodes([endpoint(self.anvil.http_url)], 4.0)

    def send(self, role: str, name: str, function: str, *args: Any) -> str:
        """A transaction from a devnet account (a role, or an address that anvil may impersonate); its hash. A revert raises."""
        sender = role if role.startswith("0x") else address_of(role)
        tx = {"from": sender, "to": self.at[name], "data": self.artifacts[name].data(function, *args), "gas": hex(3_000_000)}
        found = str(self.anvil.rpc.call("eth_sendTransaction", tx))
        assert self._receipt(found)["status"] == "0x1", f"{function} reverted"
        return found

    def by_safe(self, name: str, function: str, *args: Any) -> None:
        """Something that the Safe does without its owners' signatures: a change of its setup."""
        self.anvil.impersonate(self.at["safe"])
        self.anvil.set_balance(self.at["safe"], 10**18)
        self.send(self.at["safe"], name, function, *args)

    def call(self, name: str, function: str, *args: Any) -> Any:
        artifact = self.artifacts[name]
        return artifact.result(
            function, self.anvil.rpc.call("eth_call", {"to": self.at[name], "data": artifact.data(function, *args)}, "latest")
        )

    def code(self, name: str) -> bytes:
        return bytes.fromhex(self.anvil.rpc.call("eth_getCode", self.at[name], "latest")[2:])

    def put(self, bytecode: str) -> Address:
        """A contract from its deployment code."""
        return self._create(bytecode)

    def _deploy(self, name: str, *args: Any) -> None:
        self.at[name] = self._create(self.artifacts[name].create(*args))

    def _create(self, data: str) -> Address:
        tx = {"from": address_of("deployer"), "data": data, "gas": hex(8_000_000)}
        return address(self._receipt(str(self.anvil.rpc.call("eth_sendTransaction", tx)))["contractAddress"])

    def _receipt(self, found: str) -> dict[str, Any]:
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            receipt: dict[str, Any] | None = self.anvil.rpc.call("eth_getTransactionReceipt", found)
            if receipt is not None:
                return receipt
            time.sleep(0.005)
        raise TimeoutError(f"{found} was not mined")
