"""docs/query.md tells every endpoint, and bounds as they are."""

from __future__ import annotations

import re
from pathlib import Path

from starlette.routing import Route

from monitor.catalogue import SHIPPED, Catalogue
from monitor.promql import parse, selectors
from monitor.promql.parse import MAX_EVALUATIONS
from monitor.promql.steps import MAX_VALUES
from monitor.samples import past
from monitor.store import Store
from monitor.web.prom import MAX_STEPS, asking, mount
from tests.web.prom.world import feed

PAGE = (Path(__file__).parents[3] / "docs/query.md").read_text("utf-8")


def test_every_endpoint_has_a_row_and_no_other(tmp_path: Path) -> None:
    with Store.open(f"sqlite:///{tmp_path / 'empty.db'}") as store:
        routes = [r for r in mount(feed(store, None)).routes if isinstance(r, Route)]
    assert sorted(re.findall(r"^\| `(/prom/\S+)` \|", PAGE, re.MULTILINE)) == sorted(f"/prom{r.path}" for r in routes)
    assert all(r.methods is not None and {"GET", "POST"} <= r.methods for r in routes)


def test_bounds_are_as_they_are_told() -> None:
    for bound in (MAX_STEPS, MAX_EVALUATIONS, past.MAX_FRAMES, asking.WAITING, past.MAX_BYTES >> 20, int(asking.MAX_SECONDS)):
        assert f"{bound:,}" in PAGE
    assert f"{MAX_VALUES // 1_000_000} million values" in PAGE


def test_metrics_in_examples_exist() -> None:
    catalogue = Catalogue(SHIPPED)
    examples = [*re.findall(r"promtool query instant \S+ '(.+)'", PAGE), *re.findall(r'history\("\S+", "(.+?)"', PAGE)]
    assert len(examples) == 2
    for example in examples:
        assert all(s.selector.family in catalogue for s in selectors(parse(example)))
