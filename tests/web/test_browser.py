"""The page in a real browser, on a phone and on a wide screen: nothing to scroll sideways, nothing that runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from monitor.web.page import render
from monitor.web.view import StatusView
from tests.web.views import EMPTY, NIGHT, hostile

FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as tools:
        found = tools.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        yield found
        found.close()


@pytest.mark.parametrize("width", [390, 1440])
@pytest.mark.parametrize(("name", "view"), [("night", NIGHT), ("empty", EMPTY), ("hostile", hostile())])
def test_the_page_fits_and_runs_nothing(browser: Browser, tmp_path: Path, name: str, view: StatusView, width: int) -> None:
    page = browser.new_page(viewport={"width": width, "height": 900})
    asked: list[str] = []
    said: list[str] = []
    page.on("dialog", lambda d: (said.append(d.message), d.dismiss()))
    page.on("request", lambda r: asked.append(r.url))
    page.set_content(render(view))
    size = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    picture = tmp_path / f"{name}-{width}.png"
    page.screenshot(path=str(picture), full_page=True)
    shown = page.inner_text("body")
    page.close()
    assert size[0] <= size[1], f"{size[0] - size[1]} pixels stick out"
    assert said == [] and asked == []
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert "Stakewarden" in shown


def test_columns_keep_their_names_on_a_phone(browser: Browser) -> None:
    """Without its header row a number says nothing."""
    page = browser.new_page(viewport={"width": 390, "height": 900})
    page.set_content(render(NIGHT))
    cell = page.locator("td[data-l=behind]").first
    name = cell.evaluate("e => getComputedStyle(e, ':before').content")
    header = page.locator("tr.h").first.is_visible()
    page.close()
    assert "behind" in name and not header


@pytest.mark.parametrize("width", [700, 1440])
def test_names_of_columns_stand_in_one_line(browser: Browser, width: int) -> None:
    page = browser.new_page(viewport={"width": width, "height": 900})
    page.set_content(render(NIGHT))
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    heights = page.eval_on_selector_all("tr.h", "rows => rows.map(r => r.getBoundingClientRect().height)")
    size = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    page.close()
    assert len(heights) > 8 and max(heights) < 40 and size[0] <= size[1]
