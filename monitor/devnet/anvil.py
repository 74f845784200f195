"""Starting, steering and stopping anvil, the embedded chain's node. Its state lives in memory only.

What was measured with anvil 1.7.1, and what the functions below rely on: ``evm_increaseTime`` moves the clock from the
next block on and leaves one-second mining running, so after a warp blocks go on a second apart. Blocks mined by hand
or by automine within one second carry the *same* timestamp, which no real chain has. The requests of a JSON-RPC batch are handled
at the same time, so their order is lost. ``anvil_reorg`` gives all new blocks their common parent's timestamp and
forgets a warp among the blocks it replaces: therefore :meth:`Node.reorg` rolls back and mines the new branch itself.
"""

from __future__ import annotations

import atexit
import os
import re
import secrets
import subprocess
import threading
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from monitor.devnet.rpc import Rpc

CHAIN_ID = 31337
ACCOUNTS = 40
CONTRACTS_DIR = Path(__file__).resolve().parents[2] / "contracts"
MNEMONIC = "test test test test test test test test test test test junk"
"""The mnemonic that every Ethereum development node uses: its keys are public and must hold nothing of worth."""

_LISTENING = re.compile(r"Listening on [0-9.]+:(\d+)")


class AnvilMissing(RuntimeError):
    """The anvil binary (or another of Foundry's tools) is not where npm puts it."""

    def __init__(self, place: Path, tool: str = "anvil") -> None:
        super().__init__(f"{tool} is missing under {place}: run `npm install` in the contracts folder (`make run` and `make test` do it)")


class AnvilFailed(RuntimeError):
    """Anvil ended, or did not get ready in time; the message carries its last lines."""


def find_binary(contracts: Path = CONTRACTS_DIR, tool: str = "anvil") -> Path:
    """The native binary that the npm package brings. Raises :class:`AnvilMissing`.

    The package's own launcher is a node script that starts it as a child; starting the binary itself gives us its PID.
    """
    modules = contracts / "node_modules"
    for found in sorted((modules / "@foundry-rs").glob(f"{tool}-*/bin/{tool}")):
        if os.access(found, os.X_OK):
            return found
    raise AnvilMissing(modules, tool)


class Node:
    """What one can make a running anvil do, whoever started it: blocks, time, balances, code."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.http_url = f"http://127.0.0.1:{port}"
        self.ws_url = f"ws://127.0.0.1:{port}"
        self.rpc = Rpc(self.http_url)

    def stop(self) -> None:
        """Let go of the node; it runs on, since it is not ours."""
        self.rpc.close()

    # ------------------------------------------------------------ blocks and time

    def mine_at_once(self) -> None:
        """A block for each transaction, as soon as it comes: for set-up and for tests that need no clock."""
        self.rpc.call("evm_setIntervalMining", 0)
        self.rpc.call("evm_setAutomine", True)

    def mine_every(self, seconds: int) -> None:
        """A block every so many seconds, with or without transactions."""
        self.rpc.call("evm_setAutomine", False)
        self.rpc.call("evm_setIntervalMining", seconds)

    def mine(self, blocks: int = 1, *, apart: int | None = None) -> None:
        """Mine now; ``apart`` seconds of block time between the blocks when several are asked for."""
        params = [hex(blocks)] if apart is None else [hex(blocks), hex(apart)]
        self.rpc.call("anvil_mine", *params)

    def increase_time(self, seconds: int) -> None:
        """Move the clock: the next block is so much later."""
        self.rpc.call("evm_increaseTime", seconds)

    def head(self) -> tuple[int, int]:
        """Number and timestamp of the newest block."""
        block = self.rpc.call("eth_getBlockByNumber", "latest", False)
        return int(block["number"], 16), int(block["timestamp"], 16)

    def reorg(self, depth: int, pairs: Sequence[tuple[dict[str, Any], int]] = ()) -> None:
        """Replace the last ``depth`` blocks by as many new ones at the same times; takes some 20 ms.

        The old blocks' transactions are dropped; those that went through the gateway come back from its pool. ``pairs`` are transactions and the new block (0 first) that holds them. For
        a moment the head is the common parent, as it may be on a real node. Raises ``RpcError`` if the chain is shorter.
        """
        number, _ = self.head()
        old = self.rpc.batch([("eth_getBlockByNumber", [hex(n), False]) for n in range(number - depth + 1, number + 1)])
        automine, interval = self.rpc.call("anvil_getAutomine"), self.rpc.call("anvil_getIntervalMining")
        self.rpc.call("evm_setAutomine", False)
        self.rpc.call("evm_setIntervalMining", 0)
        try:
            self.rpc.call("anvil_rollback", depth)
            # Another proposer, so that an empty block at the same time gets another hash.
            self.rpc.call("anvil_setCoinbase", "0x" + secrets.token_hex(20))
            for i, block in enumerate(old):
                for tx, _ in (pair for pair in pairs if pair[1] == i):
                    self.rpc.call("eth_sendTransaction", tx)
                self.rpc.call("evm_setNextBlockTimestamp", block["timestamp"])
                self.rpc.call("evm_mine")
        finally:
            if interval:
                self.rpc.call("evm_setIntervalMining", interval)
            self.rpc.call("evm_setAutomine", automine)

    # ------------------------------------------------------------ state

    def set_balance(self, account: str, wei: int) -> None:
        self.rpc.call("anvil_setBalance", account, hex(wei))

    def set_code(self, account: str, code: bytes) -> None:
        self.rpc.call("anvil_setCode", account, "0x" + code.hex())

    def impersonate(self, account: str) -> None:
        """Let ``eth_sendTransaction`` send from an account whose key nobody has."""
        self.rpc.call("anvil_impersonateAccount", account)

    def snapshot(self) -> str:
        return str(self.rpc.call("evm_snapshot"))

    def revert(self, snapshot: str) -> None:
        """Back to a snapshot, which is used up by that."""
        if not self.rpc.call("evm_revert", snapshot):
            raise AnvilFailed(f"anvil does not know the snapshot {snapshot}: each can be used once")


class Anvil(Node):
    """A running anvil: HTTP and WebSocket on one port of 127.0.0.1. Use it as a context manager, or call :meth:`stop`.

    It starts without mining; :meth:`mine_at_once` or :meth:`mine_every` begins it.
    """

    def __init__(self, process: subprocess.Popen[str], port: int, lines: deque[str]) -> None:
        self._process = process
        self._lines = lines
        super().__init__(port)
        atexit.register(self.stop)

    @classmethod
    def start(
        cls,
        *,
        binary: Path | None = None,
        port: int = 0,
        timestamp: int | None = None,
        fork: tuple[str, int] | None = None,
        timeout: float = 20.0,
    ) -> Self:
        """Start anvil on a free port (or ``port``), its clock at ``timestamp`` (now), and wait until it answers.

        ``fork``: URL of another node and the last block that both share; it holds no keys then, and no balance is made up.
        """
        command = [
            str(binary or find_binary()), "--host", "127.0.0.1", "--port", str(port), "--chain-id", str(CHAIN_ID),
            "--accounts", str(ACCOUNTS if fork is None else 0), "--mnemonic", MNEMONIC, "--no-mining", "--order", "fifo", "--gas-limit", "300000000",
            *(["--timestamp", str(timestamp)] if timestamp is not None else []),
            *(["--fork-url", fork[0], "--fork-block-number", str(fork[1]), "--no-storage-caching"] if fork is not None else []),
        ]  # fmt: skip
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True)
        lines: deque[str] = deque(maxlen=50)
        ready: deque[int] = deque()
        reader = threading.Thread(target=_drain, args=(process, lines, ready), daemon=True, name="anvil-output")
        reader.start()
        deadline = time.monotonic() + timeout
        while not ready:
            if process.poll() is not None or time.monotonic() > deadline:
                process.kill()
                process.wait()
                reader.join(5)  # why it ended may not have been read yet
                raise AnvilFailed("anvil did not start; its last lines:\n" + "".join(lines))
            time.sleep(0.005)
        return cls(process, ready[0], lines)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def stop(self) -> None:
        """End anvil; a second call does nothing."""
        atexit.unregister(self.stop)
        self.rpc.close()
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()


def _drain(process: subprocess.Popen[str], lines: deque[str], ready: deque[int]) -> None:
    """Anvil logs every request; nobody reading its pipe would stop it."""
    assert process.stdout is not None
    for line in process.stdout:
        lines.append(line)
        if not ready and (found := _LISTENING.search(line)):
            ready.append(int(found[1]))
