"""Puts dashboards into a Grafana by its API: a folder, each dashboard as it is in its file, and, if wanted, the data source.

Pushing again changes nothing where nothing changed. A dashboard is saved over the version that was read just before, so what somebody else
saves in between is not lost unseen; what somebody saved earlier under the same uid is replaced: keep own ones under a uid of their own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from monitor.model import Refused
from monitor.receivers.grafana_port import Conflict, GrafanaPort, NotFound

Outcome = Literal["created", "updated", "unchanged"]
ATTEMPTS = 3
SOURCE_UID = "stakewarden"
SOURCE_SETTINGS = {
    "httpMethod": "POST",
    "prometheusType": "Prometheus",
    "prometheusVersion": "2.50.1",
    "timeInterval": "12s",
    "manageAlerts": True,
}
_GRAFANAS_OWN = ("id", "version")


@dataclass(frozen=True)
class Folder:
    uid: str = "stakewarden"
    title: str = "Stakewarden"


async def push(port: GrafanaPort, boards: Iterable[Mapping[str, Any]], folder: Folder, message: str) -> dict[str, Outcome]:
    """What became of each dashboard, by uid. Raises Refused, Unavailable and Unsure; what was saved until then stays."""
    await ensure_folder(port, folder)
    return {str(board["uid"]): await save(port, board, folder.uid, message) for board in boards}


async def ensure_folder(port: GrafanaPort, folder: Folder) -> Outcome:
    """Make the folder if it is not there; its title is not changed."""
    try:
        await port.call("GET", f"/folders/{folder.uid}")
    except NotFound:
        try:
            await port.call("POST", "/folders", {"uid": folder.uid, "title": folder.title})
        except Conflict:  # somebody was faster
            await port.call("GET", f"/folders/{folder.uid}")
        return "created"
    return "unchanged"


async def save(port: GrafanaPort, board: Mapping[str, Any], folder: str, message: str) -> Outcome:
    """Save one dashboard if it differs. Raises Conflict when somebody keeps changing it meanwhile."""
    for attempt in range(ATTEMPTS):
        there = await _read(port, str(board["uid"]))
        if there is not None and _same(there["dashboard"], board) and there["meta"].get("folderUid") == folder:
            return "unchanged"
        version = 0 if there is None else there["meta"].get("version", 0)
        moved = there is not None and there["meta"].get("folderUid") != folder
        body = {"dashboard": {**board, "id": None, "version": version}, "folderUid": folder, "overwrite": moved, "message": message}
        try:
            await port.call("POST", "/dashboards/db", body)
        except Conflict:
            if attempt == ATTEMPTS - 1:
                raise
            continue
        except Refused as refused:
            if "provisioned" not in refused.reason:
                raise
            raise Refused(refused.reason, "Grafana reads this dashboard from a file: change that file instead", fatal=False) from None
        return "created" if there is None else "updated"
    raise AssertionError("the last attempt returns or raises")


async def ensure_source(port: GrafanaPort, url: str, authorization: str | None = None) -> Outcome:
    """The data source with our query API at ``url`` (it ends in ``/prom``). Needs the role Admin; what it has already is kept up to date."""
    wanted: dict[str, Any] = {
        "name": "Stakewarden", "uid": SOURCE_UID, "type": "prometheus", "access": "proxy", "url": url, "isDefault": False, "jsonData": dict(SOURCE_SETTINGS),
    }  # fmt: skip
    if authorization is not None:
        wanted["jsonData"]["httpHeaderName1"] = "Authorization"
        wanted["secureJsonData"] = {"httpHeaderValue1": authorization}
    try:
        return await _put_source(port, wanted, authorization is None)
    except Refused as refused:
        if "HTTP 403" not in refused.reason:
            raise
        raise Refused(refused.reason, "for data sources the token's service account needs the role Admin", fatal=True) from None


async def _put_source(port: GrafanaPort, wanted: Mapping[str, Any], comparable: bool) -> Outcome:
    """``comparable``: there is no secret in it, which Grafana would not show."""
    try:
        there = await port.call("GET", f"/datasources/uid/{SOURCE_UID}")
    except NotFound:
        await port.call("POST", "/datasources", wanted)
        return "created"
    if comparable and all(there.get(k) == v for k, v in wanted.items() if k != "isDefault"):
        return "unchanged"
    if there.get("readOnly"):
        raise Refused("the data source is provisioned by a file", "change its url in that file", fatal=False)
    await port.call("PUT", f"/datasources/uid/{SOURCE_UID}", {**wanted, "isDefault": bool(there.get("isDefault"))})
    return "updated"


async def ask_source(port: GrafanaPort) -> str:
    """What Grafana says when it asks the data source itself (Save & test). Raises Refused when it does not work."""
    try:
        found = await port.call("GET", f"/datasources/uid/{SOURCE_UID}/health")
    except NotFound:
        raise Refused(f"Grafana has no data source {SOURCE_UID}", "make it, or let this command do it", fatal=False) from None
    except Refused as refused:
        if refused.fatal:
            raise
        raise Refused(
            refused.reason, "see that the address of the data source can be reached from Grafana's machine", fatal=False
        ) from None
    return str(found.get("message", "")) if isinstance(found, Mapping) else ""


async def _read(port: GrafanaPort, uid: str) -> Mapping[str, Any] | None:
    try:
        found = await port.call("GET", f"/dashboards/uid/{uid}")
    except NotFound:
        return None
    if not isinstance(found, Mapping) or not isinstance(found.get("dashboard"), Mapping) or not isinstance(found.get("meta"), Mapping):
        raise Refused(f"GET /dashboards/uid/{uid}: the answer is no dashboard", "see that url is Grafana's own address", fatal=True)
    return found


def _same(there: Mapping[str, Any], board: Mapping[str, Any]) -> bool:
    return _plain(there) == _plain(board)


def _plain(board: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in board.items() if k not in _GRAFANAS_OWN}
