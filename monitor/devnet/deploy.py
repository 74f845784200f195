"""Putting the protocols' stand-ins, the guardian and its vault on a fresh chain, wired as on mainnet in miniature."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import yaml
from eth_utils.address import to_canonical_address, to_checksum_address
from eth_utils.crypto import keccak

from monitor.devnet.accounts import MEMBERS, OWNERS, ROLES, address_of, key_of
from monitor.devnet.anvil import CHAIN_ID
from monitor.devnet.build import Artifacts
from monitor.devnet.market import open_market
from monitor.devnet.rpc import Rpc
from monitor.devnet.transactions import Transaction, ether, send

MULTICALL3 = "0xcA11bde05977b3631167028862bE2a173976CA11"
LIDO_APP_ID = "0x3ca7c3e38968823ccb4c78ea688df41356f182ae1d159e4ee608d30d68cef320"
"""Lido's name in the Aragon kernel, as on mainnet."""
SECONDS_PER_SLOT = 12
SLOTS_PER_EPOCH = 32
EPOCHS_PER_FRAME = 225
FAST_LANE_SLOTS = 100
INITIAL_EPOCH = 450
EPOCHS_INTO_FRAME = 12
"""Where in a frame the devnet begins: late enough that the frame's report is due, early enough that the next is far."""
QUORUM = 5
CONSENSUS_VERSION = 6
DAY = 86400
CEILINGS = (7 * DAY, 7 * DAY, 14 * DAY, 7 * DAY, 365 * DAY, 0)
"""The guardian's: sentinels' pause, guardians' pause and quota, cooldown, a sentinel's lifetime; and the age of orders (the default)."""
SENTINEL_LIFETIME = 180 * DAY
SENTINELS = ("sentinel", "sentinel_bravo", "sentinel_charlie")
"""The service's own, and two others. One has to sign; the drill two-of-three-sentinels asks for two while it lasts."""
VAULT_PAUSE_SECONDS = 3 * DAY
VAULT_GAS_LIMIT = 150_000
VAULT_LIMITS = (VAULT_PAUSE_SECONDS, VAULT_PAUSE_SECONDS, 14 * DAY, 0, VAULT_GAS_LIMIT, 1)
"""The vault's, as the guardian has them: sentinels' and guardians' pause, guardians' quota, cooldown, gas, sentinels' pauses."""
BREAKER_LIMITS = (5 * DAY, 60 * DAY, 30 * DAY, 3 * 365 * DAY, 21 * DAY, 365 * DAY)
"""The CircuitBreaker's, as on mainnet: least and most of a pause, least and most of a heartbeat interval, and both as they are."""
COMMITTEE_THRESHOLD = 3
COMMITTEE = "committee_circuit_breaker"
"""The Safe that pulls the CircuitBreaker for the core contracts, by its name on mainnet."""
NOBODY = "0x" + "00" * 20
STAKED = {"staker_0": 30_000, "staker_1": 20_000, "staker_2": 10_000}
"""Ether staked by each at the start."""
VALIDATOR = 32
"""Ether of a deposit."""
SPARE_KEYS = 100
"""Keys of each operator that wait for a deposit."""
CURATED = {
    "Alder Staking": 300, "Birch Nodes": 250, "Cedar & Sons": 200, "Dogwood Labs": 180, "Elm Validators": 150, "Fir Infrastructure": 120,
    "Ginkgo": 100, "Hazel Works": 50,
}  # fmt: skip
SIMPLE_DVT = {"Cluster Amber": 60, "Cluster Basalt": 50, "Cluster Coral": 40}
MODULES = (("node_operators_registry", "curated-onchain-v1", CURATED), ("simple_dvt", "SimpleDVT", SIMPLE_DVT))
"""Staking modules in the order of their ids (from 1): contract, name in the router, and validators by operator at the start."""
DEPOSITED = VALIDATOR * sum(sum(operators.values()) for _, _, operators in MODULES)
"""Ether that goes to validators at once."""
IN_VAULT = 5_000
"""Ether staked through wstETH and held by the guarded vault."""


class DeployFailed(RuntimeError):
    """The chain did not hold what was to be deployed."""


@dataclass(frozen=True)
class Deployment:
    """What is where on the devnet. Contract names are those of the protocol's contract list."""

    chain_id: int
    genesis_time: int
    seconds_per_slot: int
    slots_per_epoch: int
    initial_epoch: int
    epochs_per_frame: int
    block: int
    contracts: dict[str, str]
    implementations: dict[str, str]
    spare_implementations: dict[str, str]
    """Other implementations that lie ready on the chain, for upgrades: approved by nobody."""
    accounts: dict[str, str]
    members: list[str]
    quorum: int = QUORUM
    kinds: dict[str, str] = field(default_factory=dict)
    """Name of the compiled contract behind each entry of ``contracts``."""
    app_ids: dict[str, str] = field(default_factory=dict)
    """Names of apps in the Aragon kernel."""
    peg: dict[str, Any] = field(default_factory=dict)
    """Where stETH is traded and priced."""

    def write(self, path: Path) -> None:
        """Write it as YAML. No key is in it."""
        path.write_text("# Written by the devnet at each start.\n" + yaml.safe_dump(asdict(self), sort_keys=False))

    @classmethod
    def load(cls, path: Path) -> Deployment:
        """What :meth:`write` wrote."""
        return cls(**yaml.safe_load(path.read_text()))

    def json(self) -> dict[str, Any]:
        return asdict(self)


def write_keys(path: Path) -> None:
    """Private keys of the devnet's accounts by name, as JSON that only its owner can read."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.fchmod(descriptor, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump({role: key_of(role) for role in ROLES}, file, indent=1)


def create_address(sender: str, nonce: int) -> str:
    """Address of the contract that the sender's transaction with this nonce makes: keccak(rlp([sender, nonce]))[12:]."""
    if nonce >= 0x80:
        raise ValueError(f"nonce {nonce} needs a longer encoding than a deployment of this size")
    body = b"\x94" + to_canonical_address(sender) + (bytes([nonce]) if nonce else b"\x80")
    return str(to_checksum_address(keccak(bytes([0xC0 + len(body)]) + body)[12:]))


# name, compiled contract; a name of ``contracts`` in the protocol's list, or ``NAME.implementation``.
_ORDER = (
    ("agent", "Agent"),
    ("lido_locator.implementation", "LidoLocator"), ("lido_locator", "OssifiableProxy"),
    ("lido.implementation", "Lido"), ("lido", "LidoProxy"), ("kernel", "Kernel"),
    ("wsteth", "WstETH"),
    ("withdrawal_queue.implementation", "WithdrawalQueueERC721"), ("withdrawal_queue", "OssifiableProxy"),
    ("accounting.implementation", "Accounting"), ("accounting", "OssifiableProxy"),
    ("burner.implementation", "Burner"), ("burner", "OssifiableProxy"),
    ("accounting_oracle.implementation", "AccountingOracle"), ("accounting_oracle", "OssifiableProxy"),
    ("hash_consensus_ao", "HashConsensus"), ("oracle_report_sanity_checker", "OracleReportSanityChecker"),
    ("withdrawal_vault.implementation", "WithdrawalVault"), ("withdrawal_vault", "WithdrawalsManagerProxy"),
    ("el_rewards_vault", "ELRewardsVault"),
    ("staking_router.implementation", "StakingRouter"), ("staking_router", "OssifiableProxy"),
    ("node_operators_registry", "NodeOperatorsRegistry"), ("simple_dvt", "NodeOperatorsRegistry"),
    ("lido.spare", "LidoNext"), ("withdrawal_queue.spare", "WithdrawalQueueERC721"),
    ("circuit_breaker", "CircuitBreaker"), (f"{COMMITTEE}.implementation", "Safe"), (COMMITTEE, "SafeProxy"),
    ("vault", "Vault"), ("guardian", "Guardian"),
)  # fmt: skip


def deploy(rpc: Rpc, compiled: Artifacts, *, staked: dict[str, int] | None = None) -> Deployment:
    """Deploy and wire everything, stake, and deliver the first report, so that rates exist.

    The chain must mine each transaction at once, or at least keep their order. The beacon chain's genesis is set so
    that now lies ``EPOCHS_INTO_FRAME`` epochs into frame 1. Raises :class:`DeployFailed`, ``TransactionFailed``.
    """
    deployer = address_of("deployer")
    start = int(rpc.call("eth_getTransactionCount", deployer, "latest"), 16)
    place = {name: create_address(deployer, start + i) for i, (name, _) in enumerate(_ORDER)}
    now = int(rpc.call("eth_getBlockByNumber", "latest", False)["timestamp"], 16)
    epoch = INITIAL_EPOCH + EPOCHS_PER_FRAME + EPOCHS_INTO_FRAME
    genesis = now - epoch * SLOTS_PER_EPOCH * SECONDS_PER_SLOT
    arguments = _arguments(place, genesis, compiled)
    rpc.call("anvil_setCode", MULTICALL3, "0x" + compiled["Multicall3"].deployed.hex())
    send(rpc, [Transaction(deployer, None, compiled[kind].create(*arguments[name][0]), arguments[name][1]) for name, kind in _ORDER])
    _wire(rpc, compiled, place, now)
    _fill(rpc, compiled, place, STAKED if staked is None else staked)
    market = open_market(rpc, compiled, place["lido"])
    kinds = {name: kind for name, kind in _ORDER if "." not in name}
    kinds |= {name.removesuffix(".implementation"): kind for name, kind in _ORDER if name.endswith(".implementation")}
    deployment = Deployment(
        chain_id=CHAIN_ID,
        genesis_time=genesis,
        seconds_per_slot=SECONDS_PER_SLOT,
        slots_per_epoch=SLOTS_PER_EPOCH,
        initial_epoch=INITIAL_EPOCH,
        epochs_per_frame=EPOCHS_PER_FRAME,
        block=int(rpc.call("eth_blockNumber"), 16),
        contracts={**{name: at for name, at in place.items() if "." not in name}, **market.contracts, "multicall3": MULTICALL3},
        implementations={name.split(".")[0]: at for name, at in place.items() if name.endswith(".implementation")},
        spare_implementations={name.split(".")[0]: at for name, at in place.items() if name.endswith(".spare")},
        accounts={role: address_of(role) for role in ROLES},
        members=[address_of(f"member_{i}") for i in range(MEMBERS)],
        kinds={**kinds, **market.kinds, "multicall3": "Multicall3"},
        app_ids={"lido": LIDO_APP_ID},
        peg=market.peg,
    )
    _check(rpc, deployment)
    return deployment


def _arguments(place: dict[str, str], genesis: int, compiled: Artifacts) -> dict[str, tuple[tuple[Any, ...], int]]:
    """Constructor arguments and ether of each contract."""
    agent, locator = place["agent"], place["lido_locator"]

    def proxy(name: str, setup: str = "0x") -> tuple[Any, ...]:
        return place[f"{name}.implementation"], agent, bytes.fromhex(setup[2:])

    config = (
        place["accounting_oracle"], place["el_rewards_vault"], place["lido"], place["burner"], place["staking_router"], agent,
        place["withdrawal_queue"], place["withdrawal_vault"], place["accounting"], place["wsteth"], address_of("vault_hub"),
        place["oracle_report_sanity_checker"],
    )  # fmt: skip
    chain = (SLOTS_PER_EPOCH, SECONDS_PER_SLOT, genesis)
    frame = (INITIAL_EPOCH, EPOCHS_PER_FRAME, FAST_LANE_SLOTS)
    first_ref_slot = INITIAL_EPOCH * SLOTS_PER_EPOCH - 1
    router = compiled["StakingRouter"].data("initialize", agent, credentials(place["withdrawal_vault"]))
    oracle = compiled["AccountingOracle"].data("initialize", agent, place["hash_consensus_ao"], CONSENSUS_VERSION, first_ref_slot)
    free: dict[str, tuple[Any, ...]] = {
        "agent": (address_of("governance"),),
        "lido_locator.implementation": (config,),
        "lido_locator": proxy("lido_locator"),
        "lido": (place["lido.implementation"], place["kernel"], bytes.fromhex(compiled["Lido"].data("initialize", ether(1500), 3000)[2:])),
        "kernel": (agent, bytes.fromhex(LIDO_APP_ID[2:]), place["lido"], place["lido.implementation"]),
        "wsteth": (place["lido"],),
        "withdrawal_queue": proxy("withdrawal_queue", compiled["WithdrawalQueueERC721"].data("initialize", agent)),
        "accounting.implementation": (locator, address_of("module_rewards"), genesis, SECONDS_PER_SLOT),
        "accounting": proxy("accounting"),
        "burner": proxy("burner", compiled["Burner"].data("initialize", agent)),
        "accounting_oracle.implementation": (locator, SECONDS_PER_SLOT, genesis),
        "accounting_oracle": proxy("accounting_oracle", oracle),
        "staking_router": proxy("staking_router", router),
        "oracle_report_sanity_checker": (agent,),
        "hash_consensus_ao": (chain, frame, agent, place["accounting_oracle"]),
        "withdrawal_vault": (place["withdrawal_vault.implementation"], agent),
        "circuit_breaker": (agent, *BREAKER_LIMITS),
        f"{COMMITTEE}.implementation": (),
        COMMITTEE: (place[f"{COMMITTEE}.implementation"], _committee(compiled)),
        "vault": (place["wsteth"], address_of("governance")),
        "guardian": (0, address_of("governance"), 1, CEILINGS),
    }
    return {name: (free.get(name, (locator,)), ether(1) if name == "lido" else 0) for name, _ in _ORDER}


def _committee(compiled: Artifacts) -> bytes:
    """The call that sets the committee's Safe up: its owners and how many must sign."""
    owners = [address_of(f"owner_{i}") for i in range(OWNERS)]
    return bytes.fromhex(compiled["Safe"].data("setup", owners, COMMITTEE_THRESHOLD, NOBODY, b"", NOBODY, NOBODY, 0, NOBODY)[2:])


def credentials(vault: str) -> bytes:
    """Withdrawal credentials of type 0x01 for an address."""
    return b"\x01" + bytes(11) + to_canonical_address(vault)


def role(name: str) -> bytes:
    """The id of a role: the hash of its name; zero for the admin of all roles."""
    return bytes(32) if name == "DEFAULT_ADMIN_ROLE" else keccak(text=name)


def _wire(rpc: Rpc, compiled: Artifacts, place: dict[str, str], now: int) -> None:
    """Give the roles, seat the committee, register and arm the vault."""
    governance, vault = address_of("governance"), place["vault"]

    def by_agent(name: str, kind: str, function: str, *args: Any) -> Transaction:
        call = bytes.fromhex(compiled[kind].data(function, *args)[2:])
        return Transaction(governance, place["agent"], compiled["Agent"].data("execute", place[name], 0, call))

    def by_governance(name: str, kind: str, function: str, *args: Any) -> Transaction:
        return Transaction(governance, place[name], compiled[kind].data(function, *args))

    queue = [
        by_agent("withdrawal_queue", "WithdrawalQueueERC721", "grantRole", role(name), holder)
        for name, holder in (
            ("FINALIZE_ROLE", place["lido"]), ("ORACLE_ROLE", place["accounting_oracle"]), ("PAUSE_ROLE", address_of("reseal_manager")),
            ("PAUSE_ROLE", place["circuit_breaker"]), ("RESUME_ROLE", address_of("reseal_manager")),
        )
    ]  # fmt: skip
    queue.append(by_agent("circuit_breaker", "CircuitBreaker", "registerPauser", place["withdrawal_queue"], place[COMMITTEE]))
    committee = [by_agent("hash_consensus_ao", "HashConsensus", "grantRole", role("MANAGE_MEMBERS_AND_QUORUM_ROLE"), place["agent"])]
    for i in range(MEMBERS):
        # The quorum must be a majority of those seated so far, and ends at the real one.
        quorum = min(QUORUM, (i + 1) // 2 + 1)
        committee.append(by_agent("hash_consensus_ao", "HashConsensus", "addMember", address_of(f"member_{i}"), quorum))
    brake = [
        by_governance("vault", "Vault", "grantRole", role("PAUSE_ROLE"), place["guardian"]),
        by_governance("vault", "Vault", "grantRole", role("RESUME_ROLE"), governance),
        by_governance("guardian", "Guardian", "grantRole", role("GUARDIAN_ROLE"), address_of("guardian_person")),
        *(by_governance("guardian", "Guardian", "setSentinel", address_of(each), now + SENTINEL_LIFETIME) for each in SENTINELS),
        by_governance("guardian", "Guardian", "register", vault, NOBODY, 1, VAULT_LIMITS),
        by_governance("guardian", "Guardian", "arm", vault),
        by_governance("guardian", "Guardian", "setSentinelBudget", 1),
    ]
    vault_setup = Transaction(governance, place["withdrawal_vault"], compiled["WithdrawalVault"].data("initialize"))
    send(rpc, [vault_setup, *queue, *committee, *brake])


def _fill(rpc: Rpc, compiled: Artifacts, place: dict[str, str], staked: dict[str, int]) -> None:
    """Stake, put most of it on validators, and put wstETH into the guarded vault."""
    lido, user = compiled["Lido"], address_of("vault_user")
    rpc.batch([("anvil_setBalance", [address_of(name), hex(ether(amount + 100_000))]) for name, amount in staked.items()])
    rpc.call("anvil_setBalance", user, hex(ether(IN_VAULT + 100_000)))
    zero = "0x" + "00" * 20
    stakes = [Transaction(address_of(name), place["lido"], lido.data("submit", zero), ether(amount)) for name, amount in staked.items()]
    wrap = Transaction(user, place["wsteth"], "0x", ether(IN_VAULT))
    send(rpc, [*stakes, *_operators(compiled, place), wrap])
    shares = compiled["WstETH"].result(
        "balanceOf", rpc.call("eth_call", {"to": place["wsteth"], "data": compiled["WstETH"].data("balanceOf", user)}, "latest")
    )
    approve = Transaction(user, place["wsteth"], compiled["WstETH"].data("approve", place["vault"], shares))
    send(rpc, [approve, Transaction(user, place["vault"], compiled["Vault"].data("deposit", shares))])


def _operators(compiled: Artifacts, place: dict[str, str]) -> list[Transaction]:
    """Modules with operators and keys, and the deposits of all of them that have validators at the start."""
    governance, agent = address_of("governance"), compiled["Agent"]
    router, registry = compiled["StakingRouter"], compiled["NodeOperatorsRegistry"]

    def by_agent(name: str, data: str) -> Transaction:
        return Transaction(governance, place["agent"], agent.data("execute", place[name], 0, bytes.fromhex(data[2:])))

    found = []
    for module, (contract, name, operators) in enumerate(MODULES, 1):
        found.append(by_agent("staking_router", router.data("devAddModule", name, place[contract], 1)))
        for operator, (title, keys) in enumerate(operators.items()):
            found.append(by_agent(contract, registry.data("addNodeOperator", title, address_of("module_rewards"))))
            found.append(by_agent(contract, registry.data("devAddKeys", operator, keys + SPARE_KEYS)))
        deposit = router.data("devDeposit", module, list(range(len(operators))), list(operators.values()))
        found.append(Transaction(address_of("depositor_bot"), place["staking_router"], deposit))
    return found


def _check(rpc: Rpc, deployment: Deployment) -> None:
    codes = rpc.batch([("eth_getCode", [at, "latest"]) for at in deployment.contracts.values()])
    empty = [name for name, code in zip(deployment.contracts, codes, strict=True) if code == "0x"]
    if empty:
        raise DeployFailed(f"nothing was deployed for {', '.join(empty)}: was the chain fresh?")
