"""The other two sentinels of the embedded chain, as a drill needs them: bravo is a service of its own with its own database, keys, page and people; charlie
is always down."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

NAMES = ("bravo", "charlie")
CHANNEL = "C0DEVNET02"
"""Slack channel of bravo's people: what it tells is none of the messages that a drill expects of the service."""
RECEIVER = "bravo"
ROUTES = f"""route:
  receiver: {RECEIVER}
  group_by: [alertname, protocol]
"""


def peers(pages: Mapping[str, str], folder: Path, *but: str) -> list[dict[str, str]]:
    """The other sentinels for ``guardian.peers``: all of these pages but some."""
    return [
        {"name": name, "url": f"{page}/guardian/orders", "token_file": str(folder / "orders.token")}
        for name, page in pages.items()
        if name not in but
    ]


def settings_of_bravo(settings: Mapping[str, Any], folder: Path, pages: Mapping[str, str], service: str) -> dict[str, Any]:
    """The settings of the second sentinel: the service's, with its own keys, database, page and Slack channel. ``service``: the first one's page."""
    slack = next(r for r in settings["receivers"] if r["name"] == "slack")
    return {
        **{key: settings[key] for key in ("network", "protocols")},
        "rules": {**settings["rules"], "routes": str(folder / "bravo.routes.yaml")},
        "store": {"url": f"sqlite:///{folder / 'bravo.sqlite3'}", "lease_seconds": 3},
        "receivers": [{**slack, "name": RECEIVER, "channel": CHANNEL}],
        "guardian": {
            **settings["guardian"],
            "sentinel": {"key_file": str(folder / "sentinel_bravo.key")},
            "senders": [{"key_file": str(folder / "sender_bravo.key")}],
            "peers": peers({"alpha": service, **pages}, folder, "bravo"),
        },
        "web": {"port": int(pages["bravo"].rsplit(":", 1)[1])},
    }
