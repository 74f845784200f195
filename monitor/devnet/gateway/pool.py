"""A node's transaction pool by geth's rules, as values: no clock, no chain, no network.

The rules, their defaults and the errors' words are geth's (core/txpool and core/txpool/legacypool, 1.16): what is priced below the base
fee waits, a gap in the nonces waits, a replacement must raise both fees by a tenth, and nothing is taken that its sender could not pay.
"""

from __future__ import annotations

import itertools
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass

from monitor.devnet.gateway.signed import Signed
from monitor.devnet.upstream import failure

BUMP_PER_CENT = 10
LEAST_TIP = 1
QUEUE_LIMIT = 64
"""Transactions of one account behind a gap."""
FEE_CAP = 10**18
"""Most that one transaction sent over RPC may cost in fees, wei (``--rpc.txfeecap``)."""
GAS_CAP = 2**24
"""Most gas of one transaction (EIP-7825)."""
SIZE_LIMIT = 128 * 1024
INIT_CODE_LIMIT = 49_152


@dataclass(frozen=True, slots=True)
class Account:
    """An account at the head: its next nonce, its wei."""

    nonce: int
    balance: int


def check(tx: Signed, chain: int, block_gas_limit: int) -> None:
    """What is wrong with a transaction whatever the state is. Raises ``Fails`` in the order in which geth looks."""
    if tx.gas * tx.max_fee > FEE_CAP:
        raise failure(-32000, f"tx fee ({tx.gas * tx.max_fee / 1e18:.2f} ether) exceeds the configured cap ({FEE_CAP / 1e18:.2f} ether)")
    if tx.chain is None:
        raise failure(-32000, "only replay-protected (EIP-155) transactions allowed over RPC")
    if len(tx.raw) > SIZE_LIMIT:
        raise failure(-32000, f"oversized data: transaction size {len(tx.raw)}, limit {SIZE_LIMIT}")
    if tx.to is None and len(tx.data) > INIT_CODE_LIMIT:
        raise failure(-32000, f"max initcode size exceeded: code size {len(tx.data)} limit {INIT_CODE_LIMIT}")
    if tx.gas > GAS_CAP:
        raise failure(-32000, f"transaction gas limit too high (cap: {GAS_CAP}, tx: {tx.gas})")
    if tx.gas > block_gas_limit:
        raise failure(-32000, "exceeds block gas limit")
    if tx.tip > tx.max_fee:
        raise failure(-32000, "max priority fee per gas higher than max fee per gas")
    if tx.chain != chain:
        raise failure(-32000, f"invalid sender: invalid chain id for signer: have {tx.chain} want {chain}")
    if tx.gas < tx.intrinsic_gas:
        raise failure(-32000, f"intrinsic gas too low: gas {tx.gas}, minimum needed {tx.intrinsic_gas}")
    if tx.gas < tx.floor_gas:
        raise failure(-32000, f"insufficient gas for floor data gas cost: gas {tx.gas}, minimum needed {tx.floor_gas}")
    if tx.tip < LEAST_TIP:
        raise failure(-32000, f"transaction gas price below minimum: gas tip cap {tx.tip}, minimum needed {LEAST_TIP}")


class Pool:
    """The transactions that one node holds: *pending* ones could be mined in the order of their nonces, *queued* ones wait for a nonce."""

    def __init__(self) -> None:
        self._of: dict[str, dict[int, Signed]] = {}
        self._accounts: dict[str, Account] = {}
        self._by_hash: dict[str, Signed] = {}

    def __contains__(self, hash: object) -> bool:
        return hash in self._by_hash

    def __len__(self) -> int:
        return len(self._by_hash)

    def __iter__(self) -> Iterator[Signed]:
        return iter(tuple(self._by_hash.values()))

    def get(self, hash: str) -> Signed | None:
        """A transaction of the pool."""
        return self._by_hash.get(hash)

    def senders(self) -> tuple[str, ...]:
        """Whose transactions are here."""
        return tuple(self._of)

    def add(self, tx: Signed, account: Account) -> Signed | None:
        """Take a transaction that passed :func:`check`; the one that it replaces is returned. Raises ``Fails`` and changes nothing."""
        if tx.hash in self._by_hash:
            raise failure(-32000, "already known")
        self._accounts[tx.sender] = account
        old = self._of.get(tx.sender, {}).get(tx.nonce)
        self._affordable(tx, account)
        if old is not None and not _outbids(tx, old):
            raise failure(-32000, "replacement transaction underpriced")
        if old is not None:
            del self._by_hash[old.hash]
        self._of.setdefault(tx.sender, {})[tx.nonce] = tx
        self._by_hash[tx.hash] = tx
        self._keep_to_limit(tx.sender)
        return old

    def reset(self, accounts: Mapping[str, Account]) -> None:
        """The head has moved: what is mined or cannot be paid any more goes; what lost its predecessor waits again."""
        for sender, account in accounts.items():
            self._accounts[sender] = account
            for tx in tuple(self._of.get(sender, {}).values()):
                if tx.nonce < account.nonce or tx.cost > account.balance:
                    self._drop(tx)
            self._keep_to_limit(sender)

    def pending(self, sender: str) -> tuple[Signed, ...]:
        """What could be mined now, in order, were it paid enough."""
        own, found = self._of.get(sender, {}), []
        nonce = self._accounts[sender].nonce if sender in self._accounts else 0
        while nonce in own:
            found.append(own[nonce])
            nonce += 1
        return tuple(found)

    def queued(self, sender: str) -> tuple[Signed, ...]:
        """What waits behind a gap, by nonce."""
        ready = {tx.nonce for tx in self.pending(sender)}
        return tuple(tx for nonce, tx in sorted(self._of.get(sender, {}).items()) if nonce not in ready)

    def _affordable(self, tx: Signed, account: Account) -> None:
        if tx.nonce < account.nonce:
            raise failure(-32000, f"nonce too low: next nonce {account.nonce}, tx nonce {tx.nonce}")
        words, have = "insufficient funds for gas * price + value: balance", account.balance
        if have < tx.cost:
            raise failure(-32000, f"{words} {have}, tx cost {tx.cost}, overshot {tx.cost - have}")
        pending = self.pending(tx.sender)
        spent = sum(each.cost for each in pending)
        replaced = next((each for each in pending if each.nonce == tx.nonce), None)
        more = tx.cost - (replaced.cost if replaced is not None else 0)
        if have < spent + more:
            named = "tx cost" if replaced is None else "tx bumped"
            raise failure(-32000, f"{words} {have}, queued cost {spent}, {named} {more}, overshot {spent + more - have}")

    def _keep_to_limit(self, sender: str) -> None:
        for tx in self.queued(sender)[QUEUE_LIMIT:]:
            self._drop(tx)

    def _drop(self, tx: Signed) -> None:
        del self._by_hash[tx.hash]
        del self._of[tx.sender][tx.nonce]
        if not self._of[tx.sender]:
            del self._of[tx.sender]


def _outbids(new: Signed, old: Signed) -> bool:
    """Whether both fees are higher, and by a tenth at least (rounded down)."""
    return all(b > a and b >= a * (100 + BUMP_PER_CENT) // 100 for a, b in ((old.max_fee, new.max_fee), (old.tip, new.tip)))


def next_base_fee(base_fee: int, gas_used: int, gas_limit: int) -> int:
    """The next block's base fee in wei (EIP-1559, ``calc_base_fee``): an eighth up or down at most."""
    target = gas_limit // 2
    if gas_used == target:
        return base_fee
    change = base_fee * abs(gas_used - target) // target // 8
    return base_fee + max(change, 1) if gas_used > target else base_fee - change


def best_paying(pool: Pool, base_fee: int, gas: int, least_tip: int = 0, held: Container[str] = ()) -> tuple[Signed, ...]:
    """What a maker of blocks takes from its pool: by effective tip, each account's in order of nonces, as much as fits into ``gas``.

    ``held``: hashes that it leaves out, and with them what comes after on the same account.
    """
    fronts = {sender: ready for sender in pool.senders() if (ready := _until(pool.pending(sender), held))}
    taken: list[Signed] = []
    while fronts:
        sender = max(fronts, key=lambda s: fronts[s][0].effective_tip(base_fee))
        tx = fronts[sender].pop(0)
        if tx.effective_tip(base_fee) < least_tip:
            break
        if tx.gas > gas or not fronts[sender]:
            del fronts[sender]
        if tx.gas <= gas:
            taken.append(tx)
            gas -= tx.gas
    return tuple(taken)


def _until(ready: tuple[Signed, ...], held: Container[str]) -> list[Signed]:
    return list(itertools.takewhile(lambda tx: tx.hash not in held, ready))
