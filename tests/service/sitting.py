"""One incident, seen by everybody who looks while it is there: Slack, Grafana, the page, promtool, and ``stakewarden history``.

All must say the same under the same key. The value is not taken from the service but worked out from the chain.
"""

from __future__ import annotations

import csv
import io
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from benchmarks.rig import Rig
from monitor.devnet.drills.pauses import UNBACKED_SHARES
from tests.service.ends import incident_of

DRILL, ALERT = "unbacked-mint", "LidoShareRateDrift"
RUNBOOK, SECTION = "docs/runbooks/lido.md", "lidoshareratedrift"
EXPR = 'accounting_share_rate_drift_ratio{protocol="lido"}'
WHO, WHY = "ann", "calling the DAO"
SAMPLE = re.compile(r"^(?:.* => )?(\S+) @\[(\d+)\]$", re.MULTILINE)


@dataclass
class Sitting:
    """``during`` while the incident is open, ``after`` when it is over: each looks everywhere."""

    rig: Rig
    key: str = ""
    ts: str = ""
    value: float = 0.0
    since: int = 0
    edits: int = 0

    # ------------------------------------------------------------ while it fires

    def during(self) -> None:
        (incident,) = [i for i in self._incidents() if i["closed_at"] is None]
        (alert,) = incident["alerts"]
        self.key, self.since = incident["id"], alert["since_timestamp"]
        self.value = self._on_chain()
        self._acknowledge()
        self._slack_fires(alert)
        self._grafana_fires(alert)
        self._page_fires(alert)
        assert self._instant()[0] == pytest.approx(self.value, rel=1e-6)
        firing = [a for a in self._prom("alerts")["alerts"] if a["labels"]["alertname"] == ALERT]
        assert [(a["state"], float(a["value"])) for a in firing] == [("firing", abs(self.value))]

    def _on_chain(self) -> float:
        """Shares made up without ether lower the rate by their part of all shares."""
        return -UNBACKED_SHARES / int(self.rig.ground.world["lido"].read("getTotalShares"))

    def _acknowledge(self) -> None:
        """As a person does it: the token, then the form of the incident's own page."""
        web = self.rig.devnet.web
        with httpx.Client(base_url=web, trust_env=False, headers={"Origin": web}, timeout=20) as browser:
            token = (self.rig.folder / "page.token").read_text().strip()
            entered = browser.post("/sign-in", data={"who": WHO, "token": token, "next": f"/incidents/{self.key}"})
            assert entered.headers["location"] == f"/incidents/{self.key}"
            form = re.search(r"name=csrf value='([^']+)'", browser.get(f"/incidents/{self.key}").text)
            assert form is not None
            done = browser.post("/acknowledge", data={"csrf": form[1], "incident": self.key, "why": WHY})
            assert done.status_code == 303, done.text
        self.rig.ground.wait("the acknowledgement in Slack", lambda: True if "Acknowledged" in str(self._message()["blocks"]) else None, 20)
        self.rig.ground.wait("its note in Slack", lambda: True if self._taken(self._message()["thread"]) else None, 20)
        self.rig.ground.wait("its note in Grafana", lambda: True if self._taken(self._tagged(f"of:{self.key}")) else None, 20)

    def _taken(self, notes: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Those of the acknowledgement; what became of the pause is told there too, when it comes to it."""
        return [n for n in notes if not re.match(r"(\S+ )?Pause of vault ", n["text"])]

    def _slack_fires(self, alert: dict[str, Any]) -> None:
        message = self._message()
        self.ts, self.edits = message["ts"], message["edits"]
        shown = str(message["blocks"])
        assert message["text"].endswith("· Firing · page · lido · accounting")
        assert f"{abs(self.value):.3g} without a report" in message["text"]
        assert all(part in shown for part in (f"Acknowledged by {WHO} at", f"<{self.rig.devnet.web}/incidents/{self.key}>"))
        (runbook,) = re.findall(r"runbook <([^>]+)>", shown)
        assert runbook == f"{self.rig.devnet.web}/runbooks/lido.md#{SECTION}" and f'<h2 id="{SECTION}">{ALERT}</h2>' in self._page(
            "/runbooks/lido.md"
        )
        assert f"since block *{alert['since_number']}*" in shown and re.search(r"seen .* → judged .* → sent .* → acknowledged ", shown)
        assert "Pause of vault " in shown and "RESUME_ROLE is held by" in shown
        assert [note["text"].endswith(f"Acknowledged by {WHO}: {WHY}.") for note in self._taken(message["thread"])] == [True]

    def _grafana_fires(self, alert: dict[str, Any]) -> None:
        (region,) = self._tagged(f"incident:{self.key}")
        assert {"state:firing", "severity:page", "protocol:lido", "zone:accounting", f"alert:{ALERT}", "devnet"} <= set(region["tags"])
        assert (region["time"], region["timeEnd"]) == (self.since * 1000, self.since * 1000)
        assert (
            f"{self.rig.devnet.web}/runbooks/lido.md#{SECTION}" in region["text"]
            and f"{self.rig.devnet.web}/incidents/{self.key}" in region["text"]
        )
        assert f"Acknowledged by {WHO}" in region["text"] and f"since block {alert['since_number']}" in region["text"]
        (note,) = self._taken(self._tagged(f"of:{self.key}"))
        assert "acknowledgement" in note["tags"] and note["text"].startswith(f"Acknowledged by {WHO}: {WHY}.")

    def _page_fires(self, alert: dict[str, Any]) -> None:
        overview, own = self._page("/"), self._page(f"/incidents/{self.key}")
        for shown in (overview, own):
            card = shown.partition(f"id='incident-{self.key}'")[2].partition("</article>")[0]
            assert f"taken by {WHO}" in card and f"<b>{WHO}</b> took it at" in card and WHY in card
            assert f"block {alert['since_number']:,}" in card and f"<a href='/runbooks/lido.md#{SECTION}'>{RUNBOOK}#{SECTION}</a>" in card
            assert "<dt>value</dt>" in card and "above 1e-9" in card
            assert re.findall(r"<li>(\w+)<b>", card) == ["block", "seen", "judged", "sent", "acknowledged"]
        assert f"<a href='/incidents/{self.key}'>" in overview
        messages = own.partition("<h2>Messages")[2]
        assert "slack" in messages and "grafana" in messages

    # ------------------------------------------------------------ when it is over

    def after(self) -> None:
        (incident,) = [i for i in self._incidents() if i["id"] == self.key]
        ended = incident["alerts"][0]["ended_timestamp"]
        message = self._message()
        assert (message["ts"], message["edits"] > self.edits) == (self.ts, True)
        assert message["text"].endswith("· Resolved · page · lido · accounting")
        assert any("Resolved" in note["text"] for note in message["thread"][1:])
        (region,) = self._tagged(f"incident:{self.key}")
        assert "state:resolved" in region["tags"]
        assert (region["time"], region["timeEnd"]) == (self.since * 1000, ended * 1000)
        assert any(region["time"] <= a["time"] <= region["timeEnd"] for a in self._tagged("pause"))
        assert f"<a href='/incidents/{self.key}'>" in self._page("/").partition("<h2>Over")[2]
        own = self._page(f"/incidents/{self.key}")
        assert ">resolved</span>" in own and f"block {incident['alerts'][0]['ended_number']:,}" in own
        assert ">reported</span>" in own.partition("<h3>Pauses")[2]
        self._course_agrees()
        assert ALERT not in {a["labels"]["alertname"] for a in self._prom("alerts")["alerts"]}

    # ------------------------------------------------------------ the numbers

    def _instant(self) -> tuple[float, int]:
        """The value at the newest judged block, and that block's time."""
        at = int(self.rig.ground.status()["timestamp"])
        ((value, of),) = self._promtool("instant", f"--time={at}")
        assert of == at
        return value, at

    def _course_agrees(self) -> None:
        """From before the incident to after it, promtool's instant and range and history out of the database give the very same floats."""
        value, at = self._instant()
        first = self.since - 2
        assert abs(value) < 1e-9
        course = self._promtool("range", f"--start={first}", f"--end={at}", "--step=1s")
        assert course[-1] == (value, at)
        assert {t: v for v, t in course}[self.since] == pytest.approx(self.value, rel=1e-6)
        assert all(abs(v) < 1e-9 for v, t in course if t < self.since)
        assert self._history(first, at) == course

    def _promtool(self, kind: str, *options: str) -> list[tuple[float, int]]:
        """Value and time of each sample, in order."""
        program = shutil.which("promtool")
        assert program, "python -m tests.needs says what to install"
        command = [program, "query", kind, *options, f"{self.rig.devnet.web}/prom", EXPR]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30)
        assert done.returncode == 0 and EXPR in done.stdout, done.stderr + done.stdout
        return [(float(value), int(at)) for value, at in SAMPLE.findall(done.stdout)]

    def _history(self, first: int, last: int) -> list[tuple[float, int]]:
        """The same of ``stakewarden history``."""
        words = [
            "--from",
            str(first),
            "--to",
            str(last),
            "--step",
            "1s",
            "--format",
            "csv",
            "--settings",
            str(self.rig.folder / "settings.yaml"),
        ]
        command = [sys.executable, "-m", "monitor.cli", "history", EXPR, *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        head, *rows = csv.reader(io.StringIO(done.stdout))
        assert head[1:] == [EXPR]
        return [(float(row[1]), first + i) for i, row in enumerate(rows) if row[1]]

    # ------------------------------------------------------------ looking

    def _incidents(self) -> list[dict[str, Any]]:
        found = self.rig.ground.status()["incidents"]
        return [i for i in found if i["messages"] and {a["labels"]["alertname"] for a in i["alerts"]} == {ALERT}]

    def _message(self) -> dict[str, Any]:
        (found,) = [m for m in self.rig.ground.messages() if incident_of(m) == self.key]
        return found

    def _tagged(self, tag: str) -> list[dict[str, Any]]:
        return [a for a in self.rig.ground.annotations() if tag in a["tags"]]

    def _page(self, path: str) -> str:
        answer = httpx.get(f"{self.rig.devnet.web}{path}", trust_env=False, timeout=20)
        assert answer.status_code == 200
        return answer.text

    def _prom(self, path: str) -> Any:
        return httpx.get(f"{self.rig.devnet.web}/prom/api/v1/{path}", trust_env=False, timeout=20).json()["data"]
