"""The routes: readiness with its reason, metrics that Prometheus takes, and no request that breaks them."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import httpx
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette

from monitor.web.app import Face, app
from monitor.web.exposition import Sample, exposition
from monitor.web.view import StatusView
from tests.web.views import EMPTY, HOSTILE, NIGHT, hostile

SAMPLES = (
    Sample("stakewarden_endpoint_errors_total", "counter", "Failed requests.\nSince the start: C:\\", (("endpoint", "alpha"), ("kind", "rpc")), 3),
    Sample("stakewarden_endpoint_errors_total", "counter", "Failed requests.\nSince the start: C:\\", (("endpoint", HOSTILE), ("kind", 'a"b\\c\nd')), 2.0**60),
    Sample("stakewarden_head_age_ratio", "gauge", "Infinite.", (), float("inf")),
    Sample("stakewarden_nothing_ratio", "gauge", "No number.", (), float("nan")),
    Sample("stakewarden_small_ratio", "gauge", "Small.", (), -1.5e-9),
)  # fmt: skip


ABOUT_A_PAUSE = "3f2a91c0-0000-4000-8000-000000000001"
RUNBOOKS = {"lido.md": Path(__file__).parents[2] / "docs/runbooks/lido.md", "gone.md": Path("gone.md")}


def made(view: StatusView = NIGHT, dead: str | None = None, files: Mapping[str, Path] = RUNBOOKS) -> Starlette:
    async def status() -> StatusView:
        return view

    async def metrics() -> Iterable[Sample]:
        return SAMPLES

    async def summary(incident: str) -> str | None:
        return "# Pause of <b>vault</b>\n" if incident == ABOUT_A_PAUSE else None

    return app(Face(status, metrics, lambda: dead, runbooks=lambda: files, summary=summary))


def get(
    path: str, view: StatusView = NIGHT, dead: str | None = None, method: str = "GET", files: Mapping[str, Path] = RUNBOOKS, **more: Any
) -> httpx.Response:
    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(made(view, dead, files))
        async with httpx.AsyncClient(transport=transport, base_url="http://page") as client:
            return await client.request(method, path, **more)

    return asyncio.run(ask())


def test_readiness_is_503_with_every_reason() -> None:
    answer = get("/readyz", replace(NIGHT, problems=("blind on oracle", "no agreed head for 70 seconds")))
    assert (answer.status_code, answer.text) == (503, "blind on oracle\nno agreed head for 70 seconds\n")
    ready = get("/readyz", replace(NIGHT, problems=()))
    assert (ready.status_code, ready.text) == (200, "ready\n")


def test_health_says_what_died() -> None:
    assert get("/healthz").status_code == 200
    answer = get("/healthz", dead="the leading task has ended")
    assert (answer.status_code, answer.text) == (503, "the leading task has ended\n")


def test_promtool_takes_the_metrics() -> None:
    text = get("/metrics").text
    found = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, timeout=30, check=False)
    assert found.returncode == 0, found.stdout + found.stderr
    assert text.count("# TYPE stakewarden_endpoint_errors_total counter") == 1
    assert get("/metrics").headers["content-type"].startswith("text/plain; version=0.0.4")


def test_promtool_would_have_noticed() -> None:
    broken = exposition((Sample("bad name", "gauge", "", (), 1),))
    assert (
        subprocess.run(["promtool", "check", "metrics"], input=broken, capture_output=True, text=True, timeout=30, check=False).returncode
        != 0
    )


def test_json_tells_infinite_from_unknown() -> None:
    series = {s["name"]: s["value"] for s in get("/api/status").json()["series"]}
    assert series["oracle_quorum"] == "+Inf" and series["queue_coverage_ratio"] is None and series["queue_claimable_ether"] == 0


PAGES = [
    "/",
    "/series",
    "/silences",
    "/sign-in",
    "/incidents/3f2a91c0-0000-4000-8000-000000000001",
    "/incidents/3f2a91c0-0000-4000-8000-000000000001/summary.md",
    "/runbooks/lido.md",
    "/api/status",
    "/readyz",
    "/healthz",
    "/metrics",
]


@pytest.mark.parametrize("view", [EMPTY, NIGHT, hostile()])
@pytest.mark.parametrize("path", PAGES)
def test_every_route_bears_every_view_and_loads_nothing_from_elsewhere(path: str, view: StatusView) -> None:
    answer = get(path, view)
    assert answer.status_code in (200, 503) or (path.startswith("/incidents") and answer.status_code == 404)
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'") and "unsafe" not in policy and "http" not in policy
    assert answer.headers["cache-control"] == "no-store" and answer.headers["x-content-type-options"] == "nosniff"
    if path == "/api/status":
        orjson.loads(answer.content)


def test_the_account_of_a_pause_is_markdown_and_never_a_page() -> None:
    there, not_there = get(f"/incidents/{ABOUT_A_PAUSE}/summary.md"), get("/incidents/none/summary.md")
    assert there.status_code == 200 and there.headers["content-type"] == "text/markdown; charset=utf-8" and there.text.startswith("# Pause")
    assert not_there.status_code == 404 and not_there.headers["content-type"].startswith("text/plain") and "no pause" in not_there.text


def test_an_incident_that_led_to_a_pause_or_names_a_target_links_its_account_and_no_other_does() -> None:
    first, other = NIGHT.incidents[0], NIGHT.incidents[1]
    link = f"/incidents/{first['id']}/summary.md"
    assert link not in get(f"/incidents/{first['id']}").text
    paused = replace(NIGHT, pauses=({**NIGHT.pauses[0], "episode": first["alerts"][0]["episode"]},))
    assert link in get(f"/incidents/{first['id']}", paused).text and "summary.md" not in get(f"/incidents/{other['id']}", paused).text
    alert = {**first["alerts"][0], "labels": {"alertname": "GuardianTargetPaused", "target": "vault"}}
    assert link in get(f"/incidents/{first['id']}", replace(NIGHT, incidents=({**first, "alerts": [alert]},))).text


def test_the_keys_that_programs_read_stay() -> None:
    body = get("/api/status").json()
    assert body.keys() >= {"network", "block", "timestamp", "judged_at", "problems", "alerts", "series", "endpoints", "beacon", "collectors", "readiness",
                           "incidents", "transitions", "pauses", "deliveries", "rule_errors", "rules"}  # fmt: skip
    assert body["incidents"][0].keys() >= {"id", "group", "opened_at", "closed_at", "outcome", "acknowledged_by", "alerts", "messages"}


def test_without_a_token_nothing_can_be_changed() -> None:
    for path in ("/acknowledge", "/silences", "/silences/end", "/sign-in", "/sign-out"):
        answer = get(
            path,
            method="POST",
            headers={"origin": "http://page", "content-type": "application/x-www-form-urlencoded"},
            content=b"token=&who=ann&incident=1",
        )
        assert answer.status_code == 403 and "for reading only" in answer.text


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from(
        [
            *(p.lstrip("/") for p in PAGES),
            "acknowledge",
            "silences/end",
            "sign-out",
            "incidents/",
            "runbooks/",
            "runbooks/../",
            "runbooks/gone.md",
            "",
        ]
    ),
    st.text(max_size=20),
    st.dictionaries(st.sampled_from(["matcher", "next", "x"]), st.text(max_size=20), max_size=2),
    st.sampled_from(["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"]),
)
def test_no_request_makes_a_500_or_changes_anything(path: str, more: str, query: dict[str, str], method: str) -> None:
    answer = get("http://page/" + path + quote(more) + "?" + urlencode(query), method=method)
    assert answer.status_code in (200, 403, 404, 405, 503)
    if method not in ("GET", "HEAD"):
        assert answer.status_code in (403, 404, 405)
