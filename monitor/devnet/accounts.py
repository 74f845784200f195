"""Who is who on the devnet: an account of the public development mnemonic for each part that people play."""

from __future__ import annotations

import functools

from eth_account import Account
from eth_account.hdaccount import seed_from_mnemonic
from eth_account.hdaccount.deterministic import HDPath
from eth_utils.address import to_checksum_address

from monitor.devnet.anvil import MNEMONIC

MEMBERS = 9
"""Oracle members, as on mainnet; the quorum is 5."""
OWNERS = 6
"""Owners of the committee's Safe, as on mainnet; 3 must sign."""

ROLES = (
    "deployer", "governance", "guardian_person", "sentinel", "reseal_manager", "depositor_bot", "vault_hub",
    "module_rewards", "vault_user", *(f"member_{i}" for i in range(MEMBERS)), "attacker", "staker_0", "staker_1", "staker_2",
    "market_maker", "sender", *(f"owner_{i}" for i in range(OWNERS)), "sentinel_charlie", "sender_bravo", "sentinel_bravo",
)  # fmt: skip
"""Names in the order of the mnemonic's accounts. ``vault_hub`` is a contract on mainnet, an account here."""


@functools.cache
def key_of(role: str) -> str:
    """The private key of a devnet account, as 0x hex. Public knowledge: worth nothing anywhere else."""
    path = HDPath(f"m/44'/60'/0'/0/{ROLES.index(role)}")
    return "0x" + path.derive(_seed()).hex()


@functools.cache
def address_of(role: str) -> str:
    """The account's address, EIP-55."""
    return str(to_checksum_address(Account.from_key(key_of(role)).address))


@functools.cache
def _seed() -> bytes:
    return seed_from_mnemonic(MNEMONIC, "")
