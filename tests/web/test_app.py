"""The routes: readiness with its reason, metrics that Prometheus takes, and no request that breaks them."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterable
from dataclasses import replace
from urllib.parse import quote

import httpx
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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


def get(path: str, view: StatusView = NIGHT, dead: str | None = None, method: str = "GET") -> httpx.Response:
    async def status() -> StatusView:
        return view

    async def metrics() -> Iterable[Sample]:
        return SAMPLES

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app(Face(status, metrics, lambda: dead)))
        async with httpx.AsyncClient(transport=transport, base_url="http://page") as client:
            return await client.request(method, path)

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


@pytest.mark.parametrize("view", [EMPTY, NIGHT, hostile()])
@pytest.mark.parametrize("path", ["/", "/api/status", "/readyz", "/healthz", "/metrics"])
def test_every_route_bears_every_view_and_forbids_scripts(path: str, view: StatusView) -> None:
    answer = get(path, view)
    assert answer.status_code in (200, 503)
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert answer.headers["cache-control"] == "no-store" and answer.headers["x-content-type-options"] == "nosniff"
    if path == "/api/status":
        orjson.loads(answer.content)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["", "api/status", "readyz", "metrics", "healthz"]),
    st.text(max_size=20),
    st.sampled_from(["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"]),
)
def test_no_request_makes_a_500_or_changes_anything(path: str, more: str, method: str) -> None:
    answer = get("http://page/" + path + quote(more), method=method)
    assert answer.status_code in (200, 404, 405, 503)
    if method not in ("GET", "HEAD"):
        assert answer.status_code in (404, 405)
