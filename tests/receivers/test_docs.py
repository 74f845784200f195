"""docs/alerts.md names every setting of the receivers and every key of the routes file."""

from __future__ import annotations

import re
from pathlib import Path

from monitor.alerts.routes import INHIBIT_KEYS, ROUTE_KEYS
from monitor.receivers.alertmanager import AlertmanagerSettings
from monitor.receivers.heartbeat import HeartbeatSettings
from monitor.receivers.slack import SlackSettings
from monitor.receivers.webhook import WebhookSettings

TEXT = (Path(__file__).parents[2] / "docs" / "alerts.md").read_text("utf-8")
NAMED = set(re.findall(r"`([a-z_]+)`", TEXT))


def test_every_setting_and_key_is_documented() -> None:
    for names in (
        SlackSettings.model_fields,
        WebhookSettings.model_fields,
        AlertmanagerSettings.model_fields,
        HeartbeatSettings.model_fields,
        ROUTE_KEYS,
        INHIBIT_KEYS,
    ):
        assert set(names) <= NAMED


def test_nothing_is_documented_that_is_not_there() -> None:
    rows = set(re.findall(r"^\| `([a-z_]+)`(?:, `([a-z_]+)`)? \|", TEXT, re.MULTILINE))
    documented = {name for row in rows for name in row if name}
    assert documented <= {
        *SlackSettings.model_fields,
        *WebhookSettings.model_fields,
        *AlertmanagerSettings.model_fields,
        *ROUTE_KEYS,
        *INHIBIT_KEYS,
        "inhibit_rules",
    }
    assert len(documented) > 15
