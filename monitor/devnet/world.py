"""The embedded chain as one thing: a running anvil with everything deployed, and handles on its contracts."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from monitor.devnet.anvil import Anvil, Node
from monitor.devnet.build import Artifact, Artifacts, artifacts
from monitor.devnet.deploy import Deployment, deploy
from monitor.devnet.rpc import Rpc
from monitor.devnet.transactions import Receipt, Transaction, send

DAY = 86400
HISTORY = 2
"""Days with a healthy report before the present, so that rates, rebases and members' reports exist."""
EL_REWARDS_A_DAY = 3 * 10**18


@dataclass(frozen=True)
class Contract:
    """A deployed contract: reads and transactions by function name."""

    name: str
    address: str
    artifact: Artifact
    rpc: Rpc

    def read(self, function: str, *args: Any, block: str = "latest") -> Any:
        """Call a view. ``block`` is a tag, or a number in hex. Raises ``RpcError`` with the revert data."""
        data = self.rpc.call("eth_call", {"to": self.address, "data": self.artifact.data(function, *args)}, block)
        return self.artifact.result(function, data)

    def tx(self, sender: str, function: str, *args: Any, value: int = 0) -> Transaction:
        """A transaction of an account of the node (see ``accounts.address_of``)."""
        return Transaction(sender, self.address, self.artifact.data(function, *args), value)

    def events(self, receipt: Receipt) -> list[tuple[str, dict[str, Any]]]:
        """This contract's events in a receipt, in order: name and arguments."""
        logs = (log for log in receipt.logs if log["address"].lower() == self.address.lower())
        return [found for log in logs if (found := self.artifact.log(dict(log)))]


class World:
    """A running devnet. Use it as a context manager, or call :meth:`stop`."""

    def __init__(self, anvil: Node, deployment: Deployment, compiled: Artifacts, block_time: int) -> None:
        self.anvil = anvil
        self.rpc = anvil.rpc
        self.deployment = deployment
        self.compiled = compiled
        self.block_time = block_time
        """Seconds between blocks; 0 when each transaction makes its block at once."""
        self.cl_balance: Callable[[int], int | None] | None = None
        """Gwei that Lido's validators hold at the end of a slot, by a consensus layer that runs beside: then reports say just that.

        It gives None for a slot that it does not know any more. Without one, reports make rewards up."""

    @classmethod
    def start(cls, *, block_time: int = 1, port: int = 0, staked: Mapping[str, int] | None = None) -> Self:
        """Start anvil, compile if needed, deploy, live through ``HISTORY`` daily reports; then a block every ``block_time`` seconds.

        The chain begins in the past, so that after those days its clock shows the present. With ``block_time=0`` each transaction
        is mined at once, and only warps move the clock: for fast tests.
        """
        from monitor.devnet.reports import report  # needs the type of a world

        compiled = artifacts()
        anvil = Anvil.start(port=port, timestamp=int(time.time()) - HISTORY * DAY)
        try:
            anvil.mine_at_once()
            world = cls(anvil, deploy(anvil.rpc, compiled, staked=dict(staked) if staked else None), compiled, 0)
            report(world)
            for _ in range(HISTORY):
                world.warp(DAY)
                anvil.set_balance(world["el_rewards_vault"].address, EL_REWARDS_A_DAY)
                report(world)
            if block_time:
                anvil.mine_every(block_time)
            world.block_time = block_time
        except BaseException:
            anvil.stop()
            raise
        return world

    @classmethod
    def attach(cls, port: int, deployment: Deployment, block_time: int = 1) -> Self:
        """The world of a devnet that another process runs; :meth:`stop` only lets go of it."""
        return cls(Node(port), deployment, artifacts(), block_time)

    def __getitem__(self, name: str) -> Contract:
        """A handle on a contract of the deployment."""
        return Contract(name, self.deployment.contracts[name], self.compiled[self.deployment.kinds[name]], self.rpc)

    def account(self, role: str) -> str:
        return self.deployment.accounts[role]

    def send(self, *transactions: Transaction) -> list[Receipt]:
        """Send in order and wait until all are mined; raises ``TransactionFailed``."""
        return send(self.rpc, transactions)

    def by_agent(self, target: str, function: str, *args: Any) -> Transaction:
        """A transaction by which governance makes the Agent call a contract of the deployment."""
        call = bytes.fromhex(self[target].artifact.data(function, *args)[2:])
        return self["agent"].tx(self.account("governance"), "execute", self[target].address, 0, call)

    def balance(self, account: str) -> int:
        return int(self.rpc.call("eth_getBalance", account, "latest"), 16)

    # ------------------------------------------------------------ time

    def now(self) -> int:
        """Timestamp of the newest block."""
        return self.anvil.head()[1]

    def time_of(self, slot: int) -> int:
        """T(slot): when a slot begins."""
        return self.deployment.genesis_time + slot * self.deployment.seconds_per_slot

    def warp(self, seconds: int, *, timeout: float = 10.0) -> int:
        """Move block time on by at least ``seconds`` and wait for the block; its timestamp is returned."""
        target = self.now() + seconds
        self.anvil.increase_time(seconds)
        if not self.block_time:
            self.anvil.mine()
        deadline = time.monotonic() + timeout
        # A block mined by hand would have the same timestamp as its neighbour: wait for the regular one.
        while (reached := self.now()) < target:
            if time.monotonic() > deadline:
                raise TimeoutError(f"no block reached {target} within {timeout} s: does the chain mine?")
            time.sleep(0.02)
        return reached

    def wait_blocks(self, count: int = 1, *, timeout: float = 10.0) -> None:
        """Wait for more blocks (or mine them, where blocks come with transactions only)."""
        if not self.block_time:
            self.anvil.mine(count, apart=1)
            return
        target, deadline = self.anvil.head()[0] + count, time.monotonic() + timeout + count * self.block_time
        while self.anvil.head()[0] < target:
            if time.monotonic() > deadline:
                raise TimeoutError(f"block {target} did not come: does the chain mine?")
            time.sleep(0.02)

    def stop(self) -> None:
        self.anvil.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()
