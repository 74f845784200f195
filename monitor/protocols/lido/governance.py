"""Changes of roles, proxies and pauses by the logs, also those that Aragon's ACL and Kernel keep for other contracts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from monitor.model import Address, Log, Snapshot
from monitor.protocols.abi import Events, EventType
from monitor.protocols.access import Change, Guarded, ProxyChange, RoleChange, change
from monitor.protocols.lido.deployment import Deployment

SET_PERMISSION = EventType.parse("event SetPermission(address indexed entity, address indexed app, bytes32 indexed role, bool allowed)")
CHANGE_MANAGER = EventType.parse("event ChangePermissionManager(address indexed app, bytes32 indexed role, address indexed manager)")
SET_APP = EventType.parse("event SetApp(bytes32 indexed namespace, bytes32 indexed appId, address app)")
APP_BASES = bytes.fromhex("f1f3eb40f5bc1ad1344716ced8b8a0431d840b5783aea1fd01786bc26f35ac0f")
"""Kernel namespace of the apps' implementations; the others do not change what runs."""
CORE = bytes.fromhex("c681a85306374a5ab27f0bbc385296a54bcd314a1948b6cf61c4ea1bc44bb9f8")
"""Kernel namespace of the Kernel itself."""


class LidoChanges:
    """Logs of all guarded contracts, of the ACL (roles of Aragon apps) and of the Kernel (their implementations)."""

    def __init__(self, guarded: Sequence[Guarded], deployment: Deployment) -> None:
        self._guarded = {g.name: g for g in guarded}
        self._deployment = deployment
        self._by_address = {d.contract.address: d.contract.name for d in deployment.contracts.values()}
        pairs = [pair for g in guarded for pair in g.events()]
        if deployment.has("acl"):
            pairs += [(deployment["acl"], SET_PERMISSION), (deployment["acl"], CHANGE_MANAGER)]
        if deployment.has("kernel"):
            pairs.append((deployment["kernel"], SET_APP))
        self._events = Events(*pairs)

    @cached_property
    def watches(self) -> frozenset[Address]:
        return self._events.addresses

    def changes(self, snapshot: Snapshot) -> Sequence[Change]:
        """In chain order. Raises Unanswered when the logs are not agreed."""
        found: list[Change | None] = []
        for seen in self._events.scan(snapshot.logs_of(*self.watches)):
            if seen.event in (SET_PERMISSION, CHANGE_MANAGER):
                found.append(self._permission(seen.event, seen.values, seen.log))
            elif seen.event == SET_APP:
                found.append(self._app(seen.values, seen.log))
            else:
                found.append(change(self._guarded[seen.contract.name], seen.event, seen.values, seen.log))
        return [c for c in found if c is not None]

    def _permission(self, event: EventType, values: Mapping[str, Any], log: Log) -> RoleChange | None:
        app = self._by_address.get(values["app"])
        if app is None:  # an app of Aragon that is not one of ours
            return None
        roles = self._deployment.contracts[app].roles
        role = roles.get(values["role"], "0x" + values["role"].hex())
        if event == CHANGE_MANAGER:
            return RoleChange(app, role, values["manager"], "admin_changed", log, {"manager": values["manager"]})
        return RoleChange(app, role, values["entity"], "granted" if values["allowed"] else "revoked", log)

    def _app(self, values: Mapping[str, Any], log: Log) -> ProxyChange | None:
        if values["namespace"] == CORE:
            return ProxyChange("kernel", "implementation", values["app"], log)
        if values["namespace"] != APP_BASES:
            return None
        app = self._deployment.app_ids.get(values["appId"], "0x" + values["appId"].hex())
        return ProxyChange(app, "implementation", values["app"], log)
