"""The query API: Prometheus' shapes, its errors, what is unknown, history from the store, and promtool as its client."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitor.samples.past import Past
from monitor.store import Store
from monitor.web.prom import asking
from tests.promql.expressions import expressions
from tests.samples.stamps import stamp
from tests.web.prom.world import END, NOW, client, feed, filled, serving, window

SAMPLES = json.loads((Path(__file__).parents[2] / "data/prometheus-api.json").read_text())["samples"]
THEIR_NOW = 1795239103
PEG = "stakewarden_peg_ratio"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with filled(f"sqlite:///{tmp_path_factory.mktemp('prom') / 'prom.db'}") as store:
        yield store


@pytest.fixture
async def http(store: Store) -> AsyncIterator[httpx.AsyncClient]:
    async with client(feed(store, window())) as found:
        yield found


async def ask(http: httpx.AsyncClient, path: str, **params: Any) -> Any:
    answer = await http.post(f"/{path}", data={k.replace("match", "match[]"): v for k, v in params.items()})
    assert answer.status_code == 200, answer.text
    assert answer.json()["status"] == "success"
    return answer.json()


# ---------------------------------------------------------------- Prometheus' shapes


def shape(value: Any) -> Any:
    """Types and keys, whatever the values; of a list the shape of its first element."""
    if isinstance(value, dict):
        return {k: shape(v) for k, v in value.items() if k not in ("instance", "job", "asset", "protocol", "collector", "__name__")}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return float if isinstance(value, int | float) and not isinstance(value, bool) else type(value)


@pytest.mark.parametrize("name", sorted(SAMPLES))
async def test_answers_have_the_shape_of_prometheus(http: httpx.AsyncClient, name: str) -> None:
    sample = SAMPLES[name]
    request, move = sample["request"], NOW - THEIR_NOW

    def moved(params: dict[str, Any] | None) -> dict[str, Any] | None:
        return params and {
            k: str(float(v) + move) if k in ("time", "start", "end") and float(v) > 1e9 else v.replace("on(instance)", "on()").replace("[3s]", "[1m]") if isinstance(v, str) else v
            for k, v in params.items()
        }  # fmt: skip

    path = request["path"].removeprefix("/api/v1")
    answer = await http.request(request["method"], path, params=moved(request.get("params")), data=moved(request.get("data")))
    if name == "query_exec_error":  # duplicates make their group unknown: the rest is judged, and said
        assert answer.status_code == 200 and answer.json()["warnings"]
        return
    assert answer.status_code == sample["status"], answer.text
    assert answer.headers["content-type"] == sample["content_type"]
    theirs = sample["body"]
    if isinstance(theirs, str):
        assert answer.text == theirs
        return
    ours = answer.json()
    if theirs["status"] == "error":
        assert ours.keys() == theirs.keys() and ours["errorType"] == theirs["errorType"]
        if name not in ("query_bad", "query_missing"):  # our parser says more
            assert ours["error"] == theirs["error"]
        return
    ours.pop("warnings", None)
    if name.startswith("rules"):
        ours["data"]["groups"][0]["rules"].sort(key=lambda r: r["type"], reverse=name == "rules")
        for rule in (r for r in theirs["data"]["groups"][0]["rules"] if r["type"] == "recording"):
            rule.setdefault("labels", {})
        for rule in ours["data"]["groups"][0]["rules"]:
            rule["labels"] = rule["labels"] or {}
    if name == "metadata":
        assert len(ours["data"]) == 3
        ours["data"] = {k: ours["data"][k] for k in theirs["data"]}
    elif name in ("buildinfo", "format_query") or name.startswith("query_health"):
        assert ours["data"].keys() == theirs["data"].keys() if isinstance(theirs["data"], dict) else ours == theirs
    assert shape(ours) == shape(theirs)


async def test_get_and_post_and_both_at_once_say_the_same(http: httpx.AsyncClient) -> None:
    by_get = await http.get("/query", params={"query": PEG, "time": NOW})
    by_post = await http.post("/query", data={"query": PEG, "time": NOW})
    mixed = await http.post("/query", params={"time": NOW}, data={"query": PEG})
    assert by_get.json() == by_post.json() == mixed.json()


async def test_grafana_finds_the_data_source_healthy(http: httpx.AsyncClient) -> None:
    assert (await ask(http, "query", query="1+1", time="4"))["data"] == {"resultType": "scalar", "result": [4, "2"]}
    assert (await ask(http, "status/buildinfo"))["data"]["version"] == "2.50.1"
    for path in ("rules", "alerts", "status/buildinfo", "metadata", f"label/{PEG}/values"):
        assert (await http.get(f"/{path}")).status_code == (await http.post(f"/{path}")).status_code == 200


# ---------------------------------------------------------------- unknown


async def test_what_is_unknown_is_left_out_and_said(http: httpx.AsyncClient) -> None:
    answer = await ask(http, "query", query=PEG, time=NOW)
    assert [r["metric"]["protocol"] for r in answer["data"]["result"]] == ["lido"]
    assert any("unknown" in w and "rocketpool" in w for w in answer["warnings"])
    assert any("may be missing" in w for w in answer["warnings"])
    total = await ask(http, "query", query=f"sum({PEG})", time=NOW)
    assert total["data"]["result"] == [] and total["warnings"]
    number = await ask(http, "query", query=f"scalar({PEG})", time=NOW)
    assert number["data"]["result"][1] == "NaN" and number["warnings"]
    samples = await ask(http, "query", query=f"{PEG}[5m]", time=NOW)
    assert [r["metric"]["protocol"] for r in samples["data"]["result"]] == ["lido"] and samples["warnings"]
    assert "warnings" not in await ask(http, "query", query=f'{PEG}{{protocol="lido"}}', time=NOW)


async def test_a_graph_has_a_gap_where_it_is_unknown(http: httpx.AsyncClient) -> None:
    times = [stamp(n).timestamp for n in range(90, 140)]
    answer = await ask(http, "query_range", query=f'{PEG}{{protocol="rocketpool"}}', start=times[0], end=times[-1], step=12)
    (series,) = answer["data"]["result"]
    shown = {int(t) for t, _ in series["values"]}
    blind = {t for n, t in zip(range(90, 140), times, strict=True) if 104 < n <= 120}
    assert shown == set(times) - blind
    assert any("16 of 50 steps" in w for w in answer["warnings"])


async def test_the_future_is_empty_and_nothing_to_warn_of(http: httpx.AsyncClient) -> None:
    answer = await ask(http, "query_range", query=f'{PEG}{{protocol="lido"}}', start=NOW, end=NOW + 3600, step=60)
    assert len(answer["data"]["result"][0]["values"]) < 3 and "warnings" not in answer


async def test_a_metric_that_does_not_exist_is_nothing_with_a_hint(http: httpx.AsyncClient) -> None:
    answer = await ask(http, "query", query="stakewarden_peg_ration", time=NOW)
    assert answer["data"]["result"] == []
    assert answer["warnings"] == ['no metric is called "stakewarden_peg_ration"; did you mean "stakewarden_peg_ratio"?']


async def test_a_ranking_is_shown_by_rank(http: httpx.AsyncClient) -> None:
    for op, order in (("topk", ["rETH", "stETH"]), ("bottomk", ["stETH", "rETH"])):
        answer = await ask(http, "query", query=f"{op}(2, {PEG})", time=stamp(280).timestamp)
        assert [r["metric"]["asset"] for r in answer["data"]["result"]] == order


# ---------------------------------------------------------------- history


async def test_history_is_the_same_from_memory_from_the_store_and_from_both(store: Store) -> None:
    queries = (PEG, "rate(stakewarden_polls_total[5m])", "role_change", f"max_over_time({PEG}[10m]) - {PEG}", f"topk(1, {PEG})")
    found = []
    for memory in (None, window(1), window(), window(END - 2)):
        async with client(feed(store, memory)) as http:
            answers = [
                await ask(http, "query_range", query=q, start=stamp(1).timestamp, end=stamp(END).timestamp, step=36) for q in queries
            ]
            found.append([a["data"] for a in answers])
    assert found[0] == found[1] == found[2] == found[3]
    assert [len(data["result"]) for data in found[0]] == [2, 1, 1, 2, 1]


async def test_postgresql_answers_the_same(store: Store, postgres_url: str) -> None:
    found = []
    with filled(postgres_url) as other:
        for each in (store, other):
            async with client(feed(each, window())) as http:
                span = {"start": stamp(1).timestamp, "end": stamp(END).timestamp}
                found.append(
                    [await ask(http, "query_range", query=q, step=120, **span) for q in (PEG, "role_change")]
                    + [await ask(http, "series", match=m, **span) for m in (PEG, "role_change")]
                    + [await ask(http, "labels"), await ask(http, "label/__name__/values", **span)]
                )
    assert found[0] == found[1]


async def test_the_newest_is_read_from_memory_alone(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise AssertionError("the store was asked")

    monkeypatch.setattr(asking.Store, "read", refused)
    async with client(feed(store, window())) as http:
        await ask(http, "query", query=f"rate(stakewarden_polls_total[5m]) + scalar(sum({PEG}))", time=NOW)
        await ask(http, "query_range", query=PEG, start=NOW - 600, end=NOW, step=15)
        with pytest.raises(AssertionError, match="was asked"):
            await ask(http, "query", query=PEG, time=stamp(100).timestamp)


async def test_now_is_the_newest_block_when_the_chain_is_ahead_of_the_wall_clock(store: Store) -> None:
    async with client(feed(store, window(), now=NOW - 100_000)) as http:
        assert (await ask(http, "query", query=PEG))["data"]["result"][0]["value"][0] == stamp(END).timestamp
    async with client(feed(store, window(), now=NOW + 100_000)) as http:
        assert (await ask(http, "query", query=PEG))["data"]["result"] == []


async def test_series_and_labels_come_from_the_whole_store(http: httpx.AsyncClient) -> None:
    assert (await ask(http, "label/protocol/values"))["data"] == ["lido", "rocketpool"]
    assert (await ask(http, "label/__name__/values"))["data"] == ["role_change", PEG, "stakewarden_polls_total"]
    assert (await ask(http, "labels", match='{protocol="rocketpool"}'))["data"] == ["__name__", "asset", "protocol"]
    assert (await ask(http, "series", match="role_change"))["data"] == [{"__name__": "role_change", "protocol": "lido", "tx": "0x1"}]
    assert (await ask(http, "series", match="role_change", start=NOW - 60))["data"] == []
    assert (await ask(http, "series", match=["nope", '{__name__=~"stakewarden_polls.*"}']))["data"][0]["collector"] == "lido"
    limited = await ask(http, "label/__name__/values", limit=1)
    assert limited["data"] == ["role_change"] and limited["warnings"] == ["results truncated due to limit"]
    assert (await ask(http, "labels", start=NOW + 200_000, end=NOW + 200_001))["data"] == []
    assert (await ask(http, "label/U__protocol/values"))["data"] == ["lido", "rocketpool"]


async def test_a_process_that_does_not_judge_has_history_and_no_alerts(store: Store) -> None:
    async with client(feed(store, None)) as http:
        assert len((await ask(http, "query", query=PEG, time=stamp(200).timestamp))["data"]["result"]) == 2
        assert (await ask(http, "alerts"))["data"] == {"alerts": []}
        assert (await ask(http, "rules"))["data"] == {"groups": []}


# ---------------------------------------------------------------- bounds


@pytest.mark.parametrize(
    ("path", "params", "status", "kind", "says"),
    [
        ("query", {"query": "up{"}, 400, "bad_data", "1:3: parse error"),
        ("query", {"query": "x\n+ rat(y[5m])"}, 400, "bad_data", "2:3: parse error: the function"),
        ("query", {"query": "x", "time": "yesterday"}, 400, "bad_data", "valid timestamp"),
        ("query", {"query": "x", "time": "1e300"}, 400, "bad_data", "no time in seconds"),
        ("query", {"query": "x", "timeout": "soon"}, 400, "bad_data", "valid duration"),
        ("query", {"query": "max_over_time(x[1y:1s])"}, 400, "bad_data", "larger steps"),
        ("query", {"query": f"{PEG} or ignoring(asset, protocol) label_replace({PEG}, \"asset\", \"a\", \"\", \"\") or -({PEG} or label_join({PEG}, \"__name__\", \"\"))"}, 422, "execution", "same labels"),
        ("query_range", {"query": "x", "start": "5", "end": "1", "step": "1"}, 400, "bad_data", "must not be before"),
        ("query_range", {"query": "x", "start": "1", "end": "5", "step": "0"}, 400, "bad_data", "zero or negative"),
        ("query_range", {"query": "x", "start": "1", "end": "5", "step": "nan"}, 400, "bad_data", "valid duration"),
        ("query_range", {"query": "x", "start": "0", "end": "11001", "step": "1"}, 400, "bad_data", "11,000 points"),
        ("query_range", {"query": "x[5m]", "start": "0", "end": "1", "step": "1"}, 400, "bad_data", 'invalid expression type "range vector"'),
        ("series", {"match[]": "{"}, 400, "bad_data", "match[]"),
        ("series", {"match[]": '{a=~".*"}'}, 400, "bad_data", "at least one non-empty"),
        ("labels", {"limit": "-1"}, 400, "bad_data", "limit"),
        ("labels", {"start": "9", "end": "1"}, 400, "bad_data", "before start"),
        ("rules", {"type": "both"}, 400, "bad_data", "not supported value"),
    ],
)  # fmt: skip
async def test_errors_are_those_of_prometheus(
    http: httpx.AsyncClient, path: str, params: dict[str, str], status: int, kind: str, says: str
) -> None:
    answer = await http.post(f"/{path}", data={"time": str(NOW), **params} if path == "query" else params)
    assert (answer.status_code, answer.json()["errorType"]) == (status, kind), answer.text
    assert says in answer.json()["error"]


async def test_other_bodies_are_refused(http: httpx.AsyncClient) -> None:
    assert (await http.post("/query", json={"query": "1"})).status_code == 400
    assert (await http.post("/query", content=b"query=" + b"1" * (1 << 20) + b"1")).status_code == 413
    assert (await http.post("/query", content=b"query=%ff%fe")).status_code == 400
    assert (await http.post("/query", content=b"&".join(b"a=1" for _ in range(2_000)))).status_code == 400


async def test_a_query_that_takes_too_long_is_given_up(http: httpx.AsyncClient) -> None:
    answer = await http.post("/query_range", data={"query": PEG, "start": stamp(1).timestamp, "end": NOW, "step": 1, "timeout": "1ms"})
    assert (answer.status_code, answer.json()["errorType"]) == (503, "timeout")
    assert "larger steps" in answer.json()["error"]


async def test_too_many_at_once_are_told_to_come_again(http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "WAITING", 3)
    answers = await asyncio.gather(*(http.get("/query", params={"query": PEG, "time": NOW}) for _ in range(12)))
    statuses = sorted(a.status_code for a in answers)
    assert statuses.count(200) >= 3 and set(statuses) == {200, 429}
    assert next(a for a in answers if a.status_code == 429).json()["errorType"] == "too_many_requests"
    assert (await http.get("/query", params={"query": PEG, "time": NOW})).status_code == 200


async def test_more_than_one_may_read_is_refused_with_the_remedy(http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monitor.samples.past.MAX_FRAMES", 20)
    answer = await http.post("/query_range", data={"query": PEG, "start": stamp(1).timestamp, "end": NOW, "step": 12})
    assert (answer.status_code, answer.json()["errorType"]) == (422, "execution")
    assert "shorter time" in answer.json()["error"]


@settings(max_examples=60, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(
    path=st.sampled_from(["query", "query_range", "series", "labels", "label/a/values", "label/U___9f_x/values", "metadata", "rules", "format_query", "query_exemplars", "nothing"]),
    params=st.lists(
        st.tuples(
            st.sampled_from(["query", "start", "end", "step", "time", "timeout", "match[]", "limit", "type", "metric"]),
            st.one_of(expressions(), st.text(max_size=12), st.floats().map(str), st.sampled_from(["1", "60", "5m", "2026-11-21T05:31:42.124Z", str(NOW), "{}", PEG])),
        ),
        max_size=8,
    ),
    get=st.booleans(),
)  # fmt: skip
def test_no_request_breaks_it(store: Store, path: str, params: list[tuple[str, str]], get: bool) -> None:
    async def send() -> httpx.Response:
        async with client(feed(store, window(END - 5))) as http:
            text = urlencode(params, errors="surrogatepass")
            if get:
                return await http.get(f"/{path}?{text}")
            return await http.post(f"/{path}", content=text, headers={"content-type": "application/x-www-form-urlencoded"})

    answer = asyncio.run(send())
    assert answer.status_code in (200, 400, 404, 422), answer.text


def test_the_guard_looks_at_the_clock_at_each_selector() -> None:
    guard = asking.Guard(Past(window(END), None, None), deadline=0.0)
    with pytest.raises(asking.TimedOut):
        guard.instant(asking.Selector(PEG), NOW)


# ---------------------------------------------------------------- promtool


async def promtool(*arguments: str) -> tuple[int | None, str]:
    program = shutil.which("promtool")
    assert program, "Debian's package prometheus is missing; apt-get install prometheus"
    process = await asyncio.create_subprocess_exec(
        program, "query", *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    out, _ = await asyncio.wait_for(process.communicate(), 20)
    return process.returncode, out.decode()


async def test_promtool_reads_us(store: Store) -> None:
    async with serving(feed(store, window())) as url:
        code, out = await promtool("instant", f"--time={NOW}", url, f'{PEG}{{protocol="lido"}} > 0')
        assert (code, out) == (0, f'{PEG}{{asset="stETH", protocol="lido"}} => 0.99913 @[{NOW}]\n')
        code, out = await promtool("range", f"--start={NOW - 60}", f"--end={NOW}", "--step=12s", url, f'{PEG}{{protocol="lido"}}')
        assert code == 0 and out.count("@[") == 6
        span = (f"--start={NOW - 600}", f"--end={NOW}")
        code, out = await promtool("series", f"--match={PEG}", *span, url)
        assert (code, sorted(out.splitlines())) == (
            0,
            [f'{{__name__="{PEG}", asset="{asset}", protocol="{of}"}}' for asset, of in (("rETH", "rocketpool"), ("stETH", "lido"))],
        )
        code, out = await promtool("labels", *span, url, "protocol")
        assert (code, out) == (0, "lido\nrocketpool\n")
        code, out = await promtool("instant", url, "rat(x[5m])")
        assert code == 1 and "is not supported" in out
