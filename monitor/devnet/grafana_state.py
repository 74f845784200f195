"""What a Grafana holds: annotations, folders, dashboards, data sources; with the refusals of its API. No network here.

Numbers, texts and statuses are Grafana's own, as far as its clients see them: https://grafana.com/docs/grafana/latest/developers/http_api/.
"""

from __future__ import annotations

import copy
import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

TAGS_LENGTH = 500
"""Characters of all tags of one annotation: Grafana's setting ``annotations.tags_length``."""
UID = re.compile(r"[a-zA-Z0-9_-]{1,40}")
Json = dict[str, Any]


class GrafanaError(Exception):
    """An answer that is no success: the status, and what its body says."""

    def __init__(self, status: int, message: str, /, **more: Any) -> None:
        super().__init__(message)
        self.status, self.body = status, {"message": message, **more}


@dataclass
class GrafanaState:
    """One organisation of one Grafana. Every method is one call of the API; ids count up and are never given again."""

    now: Callable[[], float] = time.time
    annotations: dict[int, Json] = field(default_factory=dict)
    folders: dict[str, Json] = field(default_factory=dict)
    dashboards: dict[str, Json] = field(default_factory=dict)
    """By uid: ``dashboard``, ``folderUid``, ``version``, ``provisioned``."""
    datasources: dict[str, Json] = field(default_factory=dict)
    _last: int = 0

    def _id(self) -> int:
        self._last += 1
        return self._last

    def _ms(self) -> int:
        return int(self.now() * 1000)

    # ------------------------------------------------------------ annotations

    def add_annotation(self, given: Mapping[str, Any]) -> Json:
        if not given["text"]:
            raise GrafanaError(400, "Failed to save annotation")
        _check_tags(given.get("tags") or ())
        at, found = self._ms(), self._id()
        begun = given.get("time") or at
        # A dashboard that does not exist is no error: the annotation becomes one of the organisation.
        dashboard = given.get("dashboardUID") if given.get("dashboardUID") in self.dashboards else ""
        self.annotations[found] = {
            "id": found, "dashboardUID": dashboard, "panelId": given.get("panelId", 0), "time": begun, "timeEnd": given.get("timeEnd") or begun,
            "text": given["text"], "tags": _distinct(given.get("tags") or ()), "data": copy.deepcopy(given.get("data", {})),
            "created": at, "updated": at, "login": "sa-stakewarden",
        }  # fmt: skip
        return {"message": "Annotation added", "id": found}

    def patch_annotation(self, id: int, given: Mapping[str, Any]) -> Json:
        """Tags that are given replace, also none; an empty text and times that are not positive are ignored."""
        was = self.annotation(id)
        if given.get("tags") is not None:
            _check_tags(given["tags"])
            was["tags"] = _distinct(given["tags"])
        was |= {key: given[key] for key in ("time", "timeEnd") if given.get(key, 0) > 0}
        was |= {"text": given["text"]} if given.get("text") else {}
        was |= {"data": copy.deepcopy(given["data"])} if given.get("data") is not None else {}
        was["timeEnd"] = max(was["timeEnd"], was["time"])
        was["updated"] = self._ms()
        self.annotations[id] = was
        return {"message": "Annotation patched"}

    def put_annotation(self, id: int, given: Mapping[str, Any]) -> Json:
        """All properties are replaced."""
        was = self.annotation(id)
        if not given.get("text"):
            raise GrafanaError(400, "Failed to update annotation")
        _check_tags(given.get("tags") or ())
        begun = given.get("time") or was["time"]
        new = {"text": given["text"], "tags": _distinct(given.get("tags") or ()), "time": begun, "timeEnd": given.get("timeEnd") or begun}
        self.annotations[id] = {**was, **new, "data": copy.deepcopy(given.get("data", {})), "updated": self._ms()}
        return {"message": "Annotation updated"}

    def annotation(self, id: int) -> Json:
        if id not in self.annotations:
            raise GrafanaError(404, "Annotation not found")
        return copy.deepcopy(self.annotations[id])

    def delete_annotation(self, id: int) -> Json:
        self.annotation(id)
        del self.annotations[id]
        return {"message": "Annotation deleted"}

    def find_annotations(
        self, tags: Iterable[str], match_any: bool, limit: int, begin: int | None = None, end: int | None = None, dashboard: str = ""
    ) -> list[Json]:
        """The newest first. With tags all of them must be there, or any."""
        wanted = set(tags)
        found = [
            a
            for a in self.annotations.values()
            if (not wanted or (wanted & set(a["tags"]) if match_any else wanted <= set(a["tags"])))
            and (begin is None or end is None or (a["time"] <= end and a["timeEnd"] >= begin))
            and (not dashboard or a["dashboardUID"] == dashboard)
        ]
        return copy.deepcopy(sorted(found, key=lambda a: (a["time"], a["id"]), reverse=True)[:limit])

    def tags(self) -> Json:
        counts: dict[str, int] = {}
        for annotation in self.annotations.values():
            for tag in annotation["tags"]:
                counts[tag] = counts.get(tag, 0) + 1
        return {"result": {"tags": [{"tag": t, "count": n} for t, n in sorted(counts.items())]}}

    # ------------------------------------------------------------ folders

    def add_folder(self, given: Mapping[str, Any]) -> Json:
        uid = given.get("uid") or f"f{self._id()}"
        if not given.get("title"):
            raise GrafanaError(400, "folder title cannot be empty")
        if not UID.fullmatch(uid):
            raise GrafanaError(400, "uid contains illegal characters")
        if uid in self.folders:
            raise GrafanaError(409, "a folder with the same UID already exists")
        self.folders[uid] = {"id": self._id(), "uid": uid, "title": given["title"], "url": f"/dashboards/f/{uid}/", "version": 1}
        return dict(self.folders[uid])

    def folder(self, uid: str) -> Json:
        if uid not in self.folders:
            raise GrafanaError(404, "folder not found")
        return dict(self.folders[uid])

    def change_folder(self, uid: str, given: Mapping[str, Any]) -> Json:
        was = self.folder(uid)
        if not given.get("overwrite") and given.get("version") != was["version"]:
            raise GrafanaError(409, "the folder has been changed by someone else")
        self.folders[uid] = {**was, "title": given.get("title") or was["title"], "version": was["version"] + 1}
        return dict(self.folders[uid])

    def delete_folder(self, uid: str) -> Json:
        self.folder(uid)
        self.dashboards = {k: d for k, d in self.dashboards.items() if d["folderUid"] != uid}
        del self.folders[uid]
        return {"message": "Folder deleted"}

    # ------------------------------------------------------------ dashboards

    def save_dashboard(self, given: Mapping[str, Any]) -> Json:
        """As POST /api/dashboards/db. Without ``folderUid`` the dashboard goes to the root, also one that was elsewhere."""
        board, overwrite, folder = given.get("dashboard"), bool(given.get("overwrite")), given.get("folderUid", "")
        if not isinstance(board, dict) or not str(board.get("title", "")).strip():
            raise GrafanaError(400, "Dashboard title cannot be empty", status="empty-name")
        uid = board.get("uid") or f"d{self._id()}"
        if not isinstance(uid, str) or not UID.fullmatch(uid):
            raise GrafanaError(400, "uid contains illegal characters")
        if len(given.get("message", "")) > 500:
            raise GrafanaError(400, "message is too long")
        if folder and folder not in self.folders:
            raise GrafanaError(404, "folder not found")
        was = self.dashboards.get(uid)
        if was is not None:
            self._check_overwrite(board, was, folder, overwrite)
        version = 1 if was is None else was["version"] + 1
        identity = self._id() if was is None else was["dashboard"]["id"]
        kept = {**copy.deepcopy(board), "id": identity, "uid": uid, "version": version}
        self.dashboards[uid] = {"dashboard": kept, "folderUid": folder, "version": version, "provisioned": False}
        title = str(board["title"])
        slug = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
        return {
            "id": identity,
            "uid": uid,
            "url": f"/d/{uid}/{slug}",
            "status": "success",
            "version": version,
            "title": title,
            "folderUid": folder,
        }

    def _check_overwrite(self, board: Mapping[str, Any], was: Mapping[str, Any], folder: str, overwrite: bool) -> None:
        if was["provisioned"]:
            raise GrafanaError(400, "Cannot save provisioned dashboard")
        if overwrite:
            return
        if folder != was["folderUid"]:
            raise GrafanaError(400, "A dashboard with the same uid already exists")
        if board.get("version") != was["version"]:
            raise GrafanaError(412, "The dashboard has been changed by someone else", status="version-mismatch")

    def dashboard(self, uid: str) -> Json:
        found = self.dashboards.get(uid)
        if found is None:
            raise GrafanaError(404, "Dashboard not found")
        meta = {key: found[key] for key in ("folderUid", "version", "provisioned")}
        return {"dashboard": copy.deepcopy(found["dashboard"]), "meta": {**meta, "url": f"/d/{uid}"}}

    def delete_dashboard(self, uid: str) -> Json:
        title = self.dashboard(uid)["dashboard"]["title"]
        del self.dashboards[uid]
        return {"title": title, "message": f"Dashboard {title} deleted"}

    # ------------------------------------------------------------ data sources

    def add_datasource(self, given: Mapping[str, Any]) -> Json:
        uid = given.get("uid") or f"s{self._id()}"
        if any(uid == d["uid"] or given.get("name") == d["name"] for d in self.datasources.values()):
            raise GrafanaError(409, "data source with the same name already exists")
        if not given.get("name") or not given.get("type") or given.get("access") not in ("proxy", "direct"):
            raise GrafanaError(500, "Failed to add datasource")
        self.datasources[uid] = {**_open(given), "uid": uid, "id": self._id(), "orgId": 1, "version": 1, "readOnly": False}
        shown = dict(self.datasources[uid])
        return {"datasource": shown, "id": shown["id"], "message": "Datasource added", "name": shown["name"]}

    def change_datasource(self, uid: str, given: Mapping[str, Any]) -> Json:
        was = self.datasource(uid)
        if was["readOnly"]:
            raise GrafanaError(403, "Cannot update read-only data source")
        self.datasources[uid] = {**was, **_open(given), "uid": uid, "version": was["version"] + 1}
        shown = dict(self.datasources[uid])
        return {"datasource": shown, "id": shown["id"], "message": "Datasource updated", "name": shown["name"]}

    def datasource(self, uid: str) -> Json:
        if uid not in self.datasources:
            raise GrafanaError(404, "Data source not found")
        return dict(self.datasources[uid])

    def datasource_named(self, name: str) -> Json:
        found = next((d for d in self.datasources.values() if d["name"] == name), None)
        if found is None:
            raise GrafanaError(404, "Data source not found")
        return dict(found)

    def delete_datasource(self, uid: str) -> Json:
        if self.datasource(uid)["readOnly"]:
            raise GrafanaError(403, "Cannot delete read-only data source")
        del self.datasources[uid]
        return {"message": "Data source deleted"}


def _open(given: Mapping[str, Any]) -> Json:
    """What is shown of a data source: that there are secrets, never which."""
    secrets = given.get("secureJsonData") or {}
    shown = {k: copy.deepcopy(v) for k, v in given.items() if k not in ("secureJsonData", "version")}
    return {"jsonData": {}, "isDefault": False, **shown, "secureJsonFields": dict.fromkeys(secrets, True)}


def _check_tags(tags: Iterable[str]) -> None:
    if sum(len(t) for t in tags) > TAGS_LENGTH:
        raise GrafanaError(400, f"Failed to save annotation: tags length exceeds the maximum allowed of {TAGS_LENGTH}")


def _distinct(tags: Iterable[str]) -> list[str]:
    """Without empty ones and repetitions, and without the space around them."""
    return list(dict.fromkeys(t.strip() for t in tags if t.strip()))
