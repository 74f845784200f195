"""The page served and used as a responder does at night: on a phone and a wide screen, with a script and without one."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
import uvicorn
from playwright.async_api import Browser, Page, async_playwright

from monitor.web.app import Face, app
from monitor.web.exposition import Sample
from monitor.web.view import StatusView
from tests.web.test_browser import FLAGS
from tests.web.test_forms import OPEN, TOKEN, Done
from tests.web.test_runbooks import SHIPPED
from tests.web.views import NIGHT, incident

HOLDS = replace(NIGHT.silences[0], until=4_000_000_000.0)
SHOWN = replace(NIGHT, incidents=(incident("LidoRoleGrantedUnapproved", None),), silences=(HOLDS,))


class Night:
    """A served page whose content a test may change."""

    def __init__(self) -> None:
        self.view: StatusView = SHOWN
        self.done = Done()
        self.address = ""

    async def status(self) -> StatusView:
        return self.view

    async def metrics(self) -> Iterable[Sample]:
        return ()


class _Quiet(uvicorn.Server):
    def install_signal_handlers(self) -> None:
        """The test's own signals stay."""


@asynccontextmanager
async def served(night: Night) -> AsyncIterator[uvicorn.Server]:
    listening = socket.create_server(("127.0.0.1", 0))
    night.address = f"http://127.0.0.1:{listening.getsockname()[1]}"
    made = app(Face(night.status, night.metrics, lambda: None, night.done, TOKEN, runbooks=lambda: SHIPPED), 0.0)
    server = _Quiet(uvicorn.Config(made, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=1))
    task = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        yield server
    finally:
        server.should_exit = True
        await asyncio.gather(task, return_exceptions=True)
        listening.close()


@asynccontextmanager
async def opened(width: int = 390, script: bool = True) -> AsyncIterator[tuple[Night, Page, uvicorn.Server]]:
    """A browser at the page; fails when anything is asked of elsewhere, or the browser complains about the page."""
    night = Night()
    asked: list[str] = []
    said: list[str] = []
    async with served(night) as server, async_playwright() as tools:
        browser: Browser = await tools.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        try:
            context = await browser.new_context(viewport={"width": width, "height": 900}, java_script_enabled=script)
            context.set_default_timeout(20_000)
            page = await context.new_page()
            page.on("request", lambda r: asked.append(r.url))
            page.on("console", lambda m: said.append(m.text))
            yield night, page, server
            assert all(url.startswith(night.address) for url in asked), asked
            assert not [text for text in said if "ERR_CONNECTION_REFUSED" not in text and "favicon" not in text and "404" not in text], said
        finally:
            await browser.close()


async def sign_in(night: Night, page: Page) -> None:
    await page.goto(night.address + "/")
    await page.get_by_text("Sign in to take it").click()
    await page.fill("input[name=who]", "ann")
    await page.fill("input[name=token]", TOKEN)
    await page.click("main button")
    await page.wait_for_url(f"{night.address}/incidents/{OPEN}")


@pytest.mark.parametrize(("width", "script"), [(390, True), (1440, False)])
async def test_a_responder_signs_in_takes_the_incident_and_silences(width: int, script: bool) -> None:
    async with opened(width, script) as (night, page, _):
        await sign_in(night, page)
        await page.fill("input[name=why]", "calling the DAO")
        await page.locator("form.form button").click()
        await page.wait_for_url(night.address + "/")
        await page.get_by_text("Silence…").click()
        assert await page.input_value("textarea[name=matchers]") == "\n".join(
            ['alertname="LidoRoleGrantedUnapproved"', 'protocol="lido"', 'contract="withdrawal_queue"', 'role="FINALIZE_ROLE"']
        )
        await page.fill("input[name=why]", "works")
        await page.locator("form.form button").click()
        await page.locator("text=End now").click()
        await page.locator("text=End now").wait_for()
        for path in ("/", "/series", "/silences", "/sign-in", f"/incidents/{OPEN}"):
            await page.goto(night.address + path)
            for wide in (390, 1440):
                await page.set_viewport_size({"width": wide, "height": 900})
                size = await page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
                assert size[0] <= size[1], f"{path}: {size[0] - size[1]} pixels stick out at {wide}"
    matchers = ('alertname="LidoRoleGrantedUnapproved"', 'protocol="lido"', 'contract="withdrawal_queue"', 'role="FINALIZE_ROLE"')
    assert night.done.all == [
        ("acknowledge", OPEN, "ann", "calling the DAO"),
        ("silence", matchers, "ann", 7200.0, "works"),
        ("end", "5111", "ann"),
    ]


@pytest.mark.parametrize(("width", "script"), [(390, False), (1440, True)])
async def test_a_runbook_is_one_click_away_and_opens_at_its_section(width: int, script: bool) -> None:
    async with opened(width, script) as (night, page, _):
        own = incident("LidoShareRateDrift", None)
        own["alerts"][0]["annotations"]["runbook_url"] = "docs/runbooks/lido.md#lidoshareratedrift"
        night.view = replace(SHOWN, incidents=(own,))
        await page.goto(night.address + "/")
        await page.get_by_text("docs/runbooks/lido.md#lidoshareratedrift").click()
        await page.wait_for_url(f"{night.address}/runbooks/lido.md#lidoshareratedrift")
        heading = await page.locator("h2#lidoshareratedrift").bounding_box()
        bar = await page.locator("header").bounding_box()
        assert heading is not None and bar is not None and bar["y"] + bar["height"] <= heading["y"] < 400, (
            "hidden below the bar, or not scrolled to"
        )
        size = await page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
        assert size[0] <= size[1], f"{size[0] - size[1]} pixels stick out"
        await page.get_by_role("link", name="ethereum.md").click()
        await page.locator("h1#runbooks-ethereum-itself").wait_for()


async def test_the_script_keeps_the_page_fresh_and_what_was_unfolded_open() -> None:
    async with opened() as (night, page, _):
        await page.clock.install()
        await page.goto(night.address + "/")
        await page.locator("#coverage-lido summary").click()
        night.view = replace(SHOWN, incidents=(incident("SomethingElse", None),), block=19_000_000)
        await page.clock.run_for(5_100)
        await page.get_by_text("SomethingElse: somebody got a role").wait_for()
        assert await page.locator("#coverage-lido").get_attribute("open") is not None
        assert "block 19,000,000" in await page.inner_text("header")


async def test_a_page_that_gets_no_answer_says_that_it_is_old() -> None:
    async with opened() as (night, page, server):
        await page.clock.install()
        await page.goto(night.address + "/")
        assert not await page.locator(".pill.late").is_visible()
        for listening in server.servers:
            listening.close()
        for connection in list(server.server_state.connections):
            connection.shutdown()
        for _ in range(5):
            await page.clock.run_for(5_100)
            await asyncio.sleep(0.05)
        await page.locator(".pill.late").wait_for(state="visible")


async def test_without_a_script_the_page_loads_itself_again() -> None:
    async with opened(script=False) as (night, page, _):
        await page.goto(night.address + "/")
        night.view = replace(SHOWN, block=19_000_000)
        await page.get_by_text("block 19,000,000").wait_for(timeout=15_000)
