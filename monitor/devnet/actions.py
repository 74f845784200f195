"""What people and protocols do on the devnet's chain, as plain functions over a running :class:`World`.

Each waits until it is mined and raises ``TransactionFailed`` if it reverted. ``account`` arguments are addresses
(``world.account("staker_0")``). Reports are in ``reports``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from monitor.devnet import reports
from monitor.devnet.deploy import LIDO_APP_ID, MODULES, NOBODY, VALIDATOR, VAULT_LIMITS, role
from monitor.devnet.transactions import Receipt, Transaction, ether
from monitor.devnet.world import EL_REWARDS_A_DAY, World

MAX_REQUEST = 1000 * 10**18
"""Largest withdrawal request: bigger ones are split into several ids."""
REQUESTS_A_TRANSACTION = 50
EVERYTHING = 2**256 - 1
ZERO_ADDRESS = "0x" + "00" * 20

# ---------------------------------------------------------------- staking and withdrawing


def stake(world: World, account: str, wei: int) -> Receipt:
    """Stake ether; the account gets it as a gift first if it has too little."""
    if world.balance(account) < wei + ether(10):
        world.anvil.set_balance(account, wei + ether(1000))
    return world.send(world["lido"].tx(account, "submit", ZERO_ADDRESS, value=wei))[0]


def request_withdrawals(world: World, account: str, amounts: Sequence[int]) -> list[int]:
    """Request withdrawals of stETH; the new request ids are returned."""
    queue, lido = world["withdrawal_queue"], world["lido"]
    transactions = []
    if lido.read("allowance", account, queue.address) < sum(amounts):
        transactions.append(lido.tx(account, "approve", queue.address, EVERYTHING))
    for start in range(0, len(amounts), REQUESTS_A_TRANSACTION):
        part = list(amounts[start : start + REQUESTS_A_TRANSACTION])
        transactions.append(queue.tx(account, "requestWithdrawals", part, account))
    receipts = world.send(*transactions)
    return [args["requestId"] for receipt in receipts for name, args in queue.events(receipt) if name == "WithdrawalRequested"]


def flood(world: World, account: str, wei: int) -> list[int]:
    """Request a great amount at once, in as many ids of the largest size as it takes; missing stETH is staked first."""
    held = world["lido"].read("balanceOf", account)
    if held < wei:
        # Shares round down: a little more than is missing.
        stake(world, account, wei - held + ether(0.001))
    whole, remainder = divmod(wei, MAX_REQUEST)
    return request_withdrawals(world, account, [MAX_REQUEST] * whole + ([remainder] if remainder >= 100 else []))


def claim(world: World, account: str, ids: Sequence[int]) -> Receipt:
    """Claim finalized requests of an account."""
    queue = world["withdrawal_queue"]
    ordered = sorted(ids)
    hints = queue.read("findCheckpointHints", ordered, 1, queue.read("getLastCheckpointIndex"))
    return world.send(queue.tx(account, "claimWithdrawals", ordered, list(hints)))[0]


def deposit(world: World, wei: int) -> list[Receipt]:
    """The staking router takes buffered ether for validators: 32 ether for each next key of the curated operators in turn, which get
    more keys if they must, and what is left as a top-up."""
    count, rest = divmod(wei, ether(VALIDATOR))
    router, depositor, given = world["staking_router"], world.account("depositor_bot"), dict[int, int]()
    transactions = []
    for operator, free in enumerate(_unused_keys(world, "node_operators_registry")):
        given[operator] = min(free, count - sum(given.values()))
    if lacking := count - sum(given.values()):
        transactions.append(world.by_agent("node_operators_registry", "devAddKeys", 0, lacking))
        given[0] += lacking
    taking = {operator: keys for operator, keys in given.items() if keys}
    if taking:
        transactions.append(router.tx(depositor, "devDeposit", 1, list(taking), list(taking.values())))
    if rest:
        transactions.append(router.tx(depositor, "devTopUp", 1, rest))
    return world.send(*transactions)


def add_operator(world: World, name: str, keys: int = 0, *, module: str = "node_operators_registry") -> int:
    """A new operator with so many keys, none of them deposited; its id is returned."""
    operator = int(world[module].read("getNodeOperatorsCount"))
    world.send(world.by_agent(module, "addNodeOperator", name, world.account("module_rewards")))
    add_keys(world, operator, keys, module=module)
    return operator


def add_keys(world: World, operator: int, keys: int, *, module: str = "node_operators_registry") -> None:
    """An operator gets more keys, vetted at once."""
    world.send(world.by_agent(module, "devAddKeys", operator, keys))


def deposit_keys(world: World, operator: int, keys: int, *, module: str = "node_operators_registry") -> Receipt:
    """The next so many keys of one operator are deposited, 32 buffered ether each."""
    number = [name for name, _, _ in MODULES].index(module) + 1
    return world.send(world["staking_router"].tx(world.account("depositor_bot"), "devDeposit", number, [operator], [keys]))[0]


def rename_operator(world: World, operator: int, name: str, *, module: str = "node_operators_registry") -> Receipt:
    """The operator gets another name."""
    return world.send(world.by_agent(module, "setNodeOperatorName", operator, name))[0]


def exit_validators(world: World, wei: int) -> int:
    """Validators exit: ether arrives in the withdrawal vault, without an event. Pass the amount on to the next report's ``exits``."""
    vault = world["withdrawal_vault"].address
    world.anvil.set_balance(vault, world.balance(vault) + wei)
    return wei


def earn(world: World, wei: int) -> Receipt:
    """Priority fees and MEV rewards arrive in the execution rewards vault."""
    giver = world.account("staker_0")
    world.anvil.set_balance(giver, world.balance(giver) + wei)
    return world.send(Transaction(giver, world["el_rewards_vault"].address, "0x", wei))[0]


# ---------------------------------------------------------------- time and the daily report


def warp_to_next_frame(world: World, seconds_after: int = 0) -> int:
    """Go to the next frame's first slot, or so many seconds after it; the block's timestamp is returned."""
    _, deadline_slot = world["hash_consensus_ao"].read("getCurrentFrame")
    target = world.time_of(deadline_slot + 1) + seconds_after
    return world.warp(max(0, target - world.now()))


def heartbeat(world: World) -> list[Receipt]:
    """Do the frame's report if it is due and was not delivered; validators exit for what the queue lacks. Else do nothing.

    A healthy oracle waits until the reference epoch is finalized, so a report is due a while after the reference slot. Where a
    consensus layer runs beside, its validators do not exit by our word: the queue is paid from what is there.
    """
    ref_slot, _ = world["hash_consensus_ao"].read("getCurrentFrame")
    if reports.reported(world) or world.now() < world.time_of(ref_slot) + reports.FINALIZATION_DELAY:
        return []
    if world.cl_balance is not None:
        return reports.report(world)
    owed = world["withdrawal_queue"].read("unfinalizedStETH")
    lacking = owed - world["lido"].read("getWithdrawalsReserve") - world.balance(world["withdrawal_vault"].address)
    return reports.report(world, exits=exit_validators(world, lacking) if lacking > 0 else 0)


def live_through(world: World, frames: int) -> None:
    """Warp through frames, with a healthy report in each."""
    for _ in range(frames):
        warp_to_next_frame(world, reports.FINALIZATION_DELAY + 60)
        heartbeat(world)


# ---------------------------------------------------------------- reports that move the share rate


def negative_rebase(world: World, fraction: float = 0.001) -> list[Receipt]:
    """The next frame's report lowers the share rate by a fraction (all that came into the vaults is lost with it, so that nothing makes
    up for it). Mainnet's checks refuse a loss of more than 3.6 % of validators' balances, and so do the stand-ins."""
    _next_frame(world)
    incoming = sum(world.balance(world[name].address) for name in ("withdrawal_vault", "el_rewards_vault"))
    return reports.report(world, cl_change=-int(_own_ether(world) * fraction) - incoming, finalize=False)


def clamped_rebase(world: World, times: float = 1.5) -> list[Receipt]:
    """So many times what one report may bring lies in the execution rewards vault: the next frame's report is cut to the limit, and
    the rest stays for later ones."""
    limit = world["oracle_report_sanity_checker"].read("getMaxPositiveTokenRebase")
    world.anvil.set_balance(world["el_rewards_vault"].address, int(_own_ether(world) * limit / 10**9 * times))
    _next_frame(world)
    return reports.report(world)


def normal_rebase(world: World) -> list[Receipt]:
    """Back to normal after one of these: a day's execution rewards in the vault, and the next frame's report as ever."""
    world.anvil.set_balance(world["el_rewards_vault"].address, EL_REWARDS_A_DAY)
    _next_frame(world)
    return reports.report(world)


def _next_frame(world: World) -> None:
    """To where the next report is due; stays in a frame that waits for its report already."""
    if reports.reported(world):
        warp_to_next_frame(world, reports.FINALIZATION_DELAY + 60)


def _own_ether(world: World) -> int:
    """The ether that the share rate rests on, without that of external shares."""
    lido = world["lido"]
    validators, pending, deposited, _ = lido.read("getBalanceStats")
    return int(lido.read("getBufferedEther") + validators + pending + deposited)


# ---------------------------------------------------------------- half reports


def agree_only(world: World, **how: Any) -> reports.Report:
    """The committee agrees, and nobody delivers: what a report that the checks would refuse looks like."""
    prepared = reports.build(world, **how)
    world.send(*reports.votes(world, prepared))
    return prepared


def deliver_main_only(world: World, **how: Any) -> reports.Report:
    """The report with its rebase is delivered, its extra data is not."""
    prepared = reports.build(world, **how)
    world.send(*reports.votes(world, prepared), *reports.main_data(world, prepared))
    return prepared


def deliver(world: World, prepared: reports.Report) -> list[Receipt]:
    """Deliver what :func:`agree_only` left."""
    return world.send(*reports.main_data(world, prepared), *reports.rest(world, prepared))


def deliver_extra(world: World, prepared: reports.Report) -> list[Receipt]:
    """Deliver what :func:`deliver_main_only` left."""
    return world.send(*reports.rest(world, prepared))


def dissent(world: World, member: str, vote: bytes) -> Receipt:
    """A member votes for another hash in the current frame."""
    prepared = reports.build(world)
    return world.send(*reports.votes(world, prepared, [member], vote=vote))[0]


# ---------------------------------------------------------------- roles and upgrades


def grant_role(world: World, contract: str, role_name: str, account: str) -> Receipt:
    """The contract's admin grants a role (``DEFAULT_ADMIN_ROLE``, ``PAUSE_ROLE``, ...)."""
    return world.send(grant_tx(world, contract, role_name, account))[0]


def revoke_role(world: World, contract: str, role_name: str, account: str) -> Receipt:
    """The contract's admin revokes a role."""
    return world.send(_by_admin(world, contract, "revokeRole", role(role_name), account))[0]


def grant_tx(world: World, contract: str, role_name: str, account: str) -> Transaction:
    """The transaction of :func:`grant_role`, not sent: for a reorg that brings it in, or leaves it out."""
    return _by_admin(world, contract, "grantRole", role(role_name), account)


def upgrade(world: World, contract: str, implementation: str | None = None) -> Receipt:
    """The Agent puts another implementation behind a proxy: the spare one that lies ready, unless given. Lido's goes through the
    Aragon kernel, so that ``SetApp`` shows it as on mainnet (and the proxy's ``Upgraded``, too)."""
    new = implementation or world.deployment.spare_implementations[contract]
    return world.send(_upgrade_tx(world, contract, new))[0]


def restore(world: World, contract: str) -> Receipt:
    """Undo :func:`upgrade`."""
    return upgrade(world, contract, world.deployment.implementations[contract])


def mint_unbacked(world: World, account: str, shares: int) -> Receipt:
    """Shares without ether behind them, by the stand-in's back door: the share rate drops between reports."""
    return world.send(world["lido"].tx(account, "devMintUnbacked", account, shares))[0]


def burn_unbacked(world: World, account: str, shares: int) -> Receipt:
    """Undo :func:`mint_unbacked`."""
    return world.send(world["lido"].tx(account, "devBurn", account, shares))[0]


# ---------------------------------------------------------------- pauses


def pause_queue(world: World, seconds: int) -> Receipt:
    """The reseal manager, who may choose for how long, pauses the withdrawal queue."""
    return world.send(world["withdrawal_queue"].tx(world.account("reseal_manager"), "pauseFor", seconds))[0]


def resume_queue(world: World) -> Receipt:
    """The reseal manager resumes the withdrawal queue."""
    return world.send(world["withdrawal_queue"].tx(world.account("reseal_manager"), "resume"))[0]


def pause_vault(world: World) -> Receipt:
    """A person with GUARDIAN_ROLE pauses the vault through the guardian."""
    return world.send(world["guardian"].tx(world.account("guardian_person"), "pauseTarget", world["vault"].address))[0]


def resume_vault(world: World) -> Receipt | None:
    """Governance resumes the vault; nothing is done if it is not paused."""
    if not world["vault"].read("isPaused"):
        return None
    return world.send(world["vault"].tx(world.account("governance"), "resume"))[0]


def rearm(world: World, budget: int = 1) -> None:
    """After a pause: governance resumes the vault, registers and arms it anew and gives the sentinels their budget back.

    Registered anew, since sentinels may not pause again before the end that their last pause would have had, resumed or not.
    """
    resume_vault(world)
    guardian, governance, vault = world["guardian"], world.account("governance"), world["vault"].address
    calls = (("unregister", vault), ("register", vault, NOBODY, 1, VAULT_LIMITS), ("arm", vault), ("setSentinelBudget", budget))
    world.send(*(guardian.tx(governance, function, *arguments) for function, *arguments in calls))


# ---------------------------------------------------------------- reorgs


def reorg(world: World, depth: int, pairs: Sequence[tuple[Transaction, int]] = ()) -> None:
    """Replace the last ``depth`` blocks by as many new ones. Their transactions are orphaned, so a grant in them never
    happened; ``pairs`` are transactions to mine instead, each with its new block (0 is the first). What went through an endpoint, such as
    a sentinel's pause, is pending again afterwards."""
    world.anvil.reorg(depth, [(tx.fields(), block) for tx, block in pairs])


# ---------------------------------------------------------------- inside


def _unused_keys(world: World, module: str) -> list[int]:
    registry = world[module]
    return [registry.read("getUnusedSigningKeyCount", operator) for operator in range(registry.read("getNodeOperatorsCount"))]


def _by_admin(world: World, contract: str, function: str, *args: Any) -> Transaction:
    if contract in ("vault", "guardian"):
        return world[contract].tx(world.account("governance"), function, *args)
    return world.by_agent(contract, function, *args)


def _upgrade_tx(world: World, contract: str, implementation: str) -> Transaction:
    if contract == "lido":
        kernel = world["kernel"]
        return world.by_agent("kernel", "setApp", kernel.read("APP_BASES_NAMESPACE"), bytes.fromhex(LIDO_APP_ID[2:]), implementation)
    call = bytes.fromhex(world.compiled["OssifiableProxy"].data("proxy__upgradeTo", implementation)[2:])
    return world["agent"].tx(world.account("governance"), "execute", world.deployment.contracts[contract], 0, call)
