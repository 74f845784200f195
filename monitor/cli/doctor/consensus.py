"""Each beacon node by itself: its chain, whether it is synced, and whether it gives whole states, which the watch of validators needs."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from monitor.chain.beacon.answers import Chain
from monitor.chain.beacon.download import FIRST
from monitor.chain.beacon.errors import NodeError
from monitor.chain.beacon.node import BeaconNode
from monitor.chain.beacon.spec import FORKS
from monitor.chain.quorum import majority
from monitor.chain.rpc import brief
from monitor.chain.settings import NetworkSettings
from monitor.cli.doctor.finding import Finding, note, ok, wrong

OCTETS = "application/octet-stream"
STATES = "use a node that serves /eth/v2/debug/beacon/states (many providers do not), or the epoch facts rest on the others"


@dataclass
class _Node:
    """What is known of a node so far. ``finding``: what is wrong with it, which ends its examination."""

    client: BeaconNode
    chain: Chain | None = None
    head: int | None = None
    said: str = ""
    finding: Finding | None = None
    digest: str | None = None

    @property
    def what(self) -> str:
        return f"beacon node {self.client.name}"


async def beacon(network: NetworkSettings, *, whole: bool) -> list[Finding]:
    """A line for each beacon node and for the vote of all. ``whole``: states are taken to their end, and compared."""
    if not network.beacon:
        return [note("beacon nodes", "none are configured: validators, slashings and finality are not watched", "add network.beacon")]
    workers = ThreadPoolExecutor(1, thread_name_prefix="doctor")
    nodes = [_Node(BeaconNode(s, network, workers)) for s in network.beacon]
    try:
        await asyncio.gather(*(_identify(node, network) for node in nodes))
        _same_chain(nodes)
        ready = [n for n in nodes if n.finding is None and n.head is not None]
        slot = min((n.head for n in ready if n.head is not None), default=None)
        if slot is not None:
            await asyncio.gather(*(_state(node, network, slot, whole) for node in ready))
        return [*(n.finding or ok(n.what, n.said) for n in nodes), _vote(nodes, network, whole), *_weak(network)]
    finally:
        await asyncio.gather(*(node.client.close() for node in nodes))
        workers.shutdown()


async def _identify(node: _Node, network: NetworkSettings) -> None:
    try:
        chain = node.chain = node.client.chain = await node.client.identify()
        status = await node.client.sync_status()
        head = await node.client.header("head")
    except NodeError as error:
        node.finding = wrong(node.what, error.reason, "see that it runs and that its URL and key are right")
        return
    node.head = int(head.header.slot)
    if chain.genesis_time != network.genesis_time:
        node.finding = wrong(
            node.what,
            f"its genesis was at {chain.genesis_time}, not at network.genesis_time ({network.genesis_time})",
            "it serves another chain: correct its URL",
        )
    elif chain.spec.preset_base != network.beacon_preset:
        node.finding = wrong(
            node.what, f"its preset is {chain.spec.preset_base}, not network.beacon_preset ({network.beacon_preset})", "correct one of them"
        )
    elif status.is_syncing:
        node.finding = wrong(
            node.what, f"it is syncing, {status.distance} slots behind", "wait until it is synced: it has no vote until then"
        )
    elif status.el_offline or status.is_optimistic:
        node.finding = wrong(node.what, "its execution client is offline or behind", "repair the execution client beside it")
    else:
        node.said = f"slot {node.head}{_behind(network, node.head)}"


def _behind(network: NetworkSettings, slot: int) -> str:
    if not network.wall_clock:
        return ""
    now = int(time.time() - network.genesis_time) // network.slot_seconds
    return f", {max(0, now - slot)} slots behind the clock"


def _same_chain(nodes: Sequence[_Node]) -> None:
    """Nodes of equal genesis time and preset may still serve different chains: the majority's is ours."""
    roots = [n.chain.validators_root for n in nodes if n.chain is not None and n.finding is None]
    ours = max(roots, key=roots.count, default=None)
    for node in nodes:
        if node.finding is None and node.chain is not None and node.chain.validators_root != ours:
            node.finding = wrong(
                node.what, "its genesis_validators_root differs from that of the others", "it serves another chain: correct its URL"
            )


async def _state(node: _Node, network: NetworkSettings, slot: int, whole: bool) -> None:
    """Ask for a state as the service does, to the end or to its first bytes."""
    started = time.monotonic()
    taken = hashlib.sha256()
    size = 0
    first = b""
    try:
        with node.client.told(network.beacon_state_seconds):
            path = f"/eth/v2/debug/beacon/states/{slot}"
            async with asyncio.timeout(network.beacon_state_seconds), node.client.stream(path, OCTETS) as response:
                fork, kind = response.headers.get("eth-consensus-version", ""), response.headers.get("content-type", "")
                length = int(response.headers.get("content-length", "0") or 0)
                if problem := _refused(fork, kind, length, network):
                    node.finding = wrong(node.what, *problem)
                    return
                async for chunk in response.aiter_raw():
                    size += len(chunk)
                    first += chunk[: FIRST - len(first)]
                    taken.update(chunk)
                    if size > network.max_state_bytes:
                        node.finding = wrong(node.what, "its state is larger than network.max_state_bytes", "raise network.max_state_bytes")
                        return
                    if len(first) >= FIRST and not whole:
                        break
    except NodeError as error:
        remedy = (
            "raise network.beacon_state_seconds and the node's own limit (Prysm: --api-timeout=300s)" if error.kind == "timeout" else STATES
        )
        node.finding = wrong(node.what, f"gives no state: {error.reason}", remedy)
        return
    if len(first) < FIRST or int.from_bytes(first[40:48], "little") != slot:
        node.finding = wrong(
            node.what, f"sent what is no state of slot {slot}", "ask its operator: a cache in between, or a fault of the client"
        )
        return
    seconds = time.monotonic() - started
    node.digest = taken.hexdigest() if whole else ""
    node.said += f", states of fork {fork}" + (f": {size:,} bytes in {seconds:.1f} s" if whole else f", first bytes after {seconds:.1f} s")


def _refused(fork: str, kind: str, length: int, network: NetworkSettings) -> tuple[str, str] | None:
    if not kind.startswith(OCTETS):
        return f"gives no state as SSZ: {brief(kind or 'no content type', 40)} came", STATES
    if fork not in FORKS:
        return f"its state is of fork {brief(fork or 'unknown', 20)}, which this version does not read", "update Stakewarden"
    if length > network.max_state_bytes:
        return f"its state has {length:,} bytes, more than network.max_state_bytes", "raise network.max_state_bytes"
    return None


def _vote(nodes: Sequence[_Node], network: NetworkSettings, whole: bool) -> Finding:
    what, count = "agreement of the beacon nodes", len(nodes)
    needed = 1 if network.beacon_states == "one" else majority(count)
    digests = [n.digest for n in nodes if n.digest is not None]
    most = max((digests.count(d) for d in digests), default=0)
    if most < needed:
        why = "give equal states" if whole and len(digests) >= needed else "give states"
        return wrong(
            what,
            f"{most} of {count} {why}, {needed} are needed: what validators do is not known",
            "mend or replace nodes until a majority does",
        )
    return ok(
        what,
        f"{most} of {count} give {'equal ' if whole else ''}states, {needed} are needed"
        + ("" if whole else " (--states compares them whole)"),
    )


def _weak(network: NetworkSettings) -> list[Finding]:
    return [note("choice of beacon nodes", warning) for warning in network.beacon_warnings()]
