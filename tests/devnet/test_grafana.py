"""The fake Grafana refuses what Grafana refuses, with its statuses, and answers in the shapes of its own client."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import jsonschema
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from monitor.devnet.grafana import DEFINITIONS, ROUTES, TOKEN, FakeGrafana
from monitor.devnet.json_schema import faults

BOARD = {"id": None, "uid": "board", "title": "A board", "version": 0, "panels": []}
SOURCE = {"name": "Stakewarden", "uid": "stakewarden", "type": "prometheus", "access": "proxy", "url": "http://127.0.0.1:1/prom"}
ANSWERS = {
    "postAnnotation": "PostAnnotationOKBody", "patchAnnotation": "SuccessResponseBody", "getAnnotationByID": "Annotation", "createFolder": "Folder",
    "getFolderByUID": "Folder", "updateFolder": "Folder", "postDashboard": "PostDashboardOKBody", "getDashboardByUID": "DashboardFullWithMeta",
    "addDataSource": "AddDataSourceOKBody", "updateDataSourceByUID": "AddDataSourceOKBody", "getDataSourceByUID": "DataSource",
    "getHealth": "HealthResponse", "deleteAnnotationByID": "SuccessResponseBody",
}  # fmt: skip


@pytest.fixture
async def fake() -> AsyncIterator[FakeGrafana]:
    async with FakeGrafana() as fake:
        yield fake


class Api:
    """Calls by the name of the operation; what comes back is held to the shape that Grafana's client reads."""

    def __init__(self, fake: FakeGrafana) -> None:
        self.fake, self.headers = fake, {"Authorization": f"Bearer {TOKEN}"}

    async def __call__(self, operation: str, body: Any = None, query: Any = None, **parts: Any) -> tuple[int, Any]:
        route = ROUTES[operation]
        async with httpx.AsyncClient(headers=self.headers, trust_env=False, verify=False) as client:
            found = await client.request(route["method"], self.fake.url + route["path"].format(**parts), json=body, params=query)
        known = {*route["status_codes"], "400", "404"}
        assert str(found.status_code) in known, f"{operation} answers {found.status_code}"
        said = found.json()
        name = ANSWERS.get(operation) if found.status_code == 200 else "ErrorResponseBody"
        if name is not None:
            jsonschema.validate(said, {"$ref": f"#/$defs/{name}", "$defs": DEFINITIONS})
        return found.status_code, said


@pytest.fixture
def api(fake: FakeGrafana) -> Api:
    return Api(fake)


async def test_without_the_token_only_health_is_told(api: Api) -> None:
    api.headers = {}
    assert (await api("getHealth"))[0] == 200
    assert await api("getAnnotations") == (
        401,
        {"message": "Invalid API key", "messageId": "api-key.invalid", "statusCode": 401, "traceID": ""},
    )


@pytest.mark.parametrize(
    ("role", "statuses"), [("Viewer", [200, 403, 403, 403]), ("Editor", [200, 200, 200, 403]), ("Admin", [200, 200, 200, 200])]
)
async def test_each_role_may_do_what_it_may_in_grafana(fake: FakeGrafana, api: Api, role: Any, statuses: list[int]) -> None:
    fake.role = role
    found = [await api("getAnnotations"), await api("postAnnotation", {"text": "x"}), await api("postDashboard", {"dashboard": BOARD})]
    assert [status for status, _ in [*found, await api("addDataSource", SOURCE)]] == statuses


async def test_an_annotation_is_added_patched_replaced_found_and_deleted(api: Api) -> None:
    _, made = await api("postAnnotation", {"text": "one", "time": 5000, "tags": ["a", "b", "a", " "], "data": {"x": 1}})
    one = made["id"]
    await api("postAnnotation", {"text": "two", "time": 9000, "tags": ["a", "c"]})
    assert (await api("getAnnotationByID", annotation_id=one))[1]["timeEnd"] == 5000
    assert (await api("patchAnnotation", {"timeEnd": 8000, "time": 0, "text": ""}, annotation_id=one))[0] == 200
    _, found = await api("getAnnotationByID", annotation_id=one)
    assert (found["time"], found["timeEnd"], found["text"], found["tags"], found["data"]) == (5000, 8000, "one", ["a", "b"], {"x": 1})
    assert [a["text"] for a in (await api("getAnnotations", query=[("tags", "a")]))[1]] == ["two", "one"]
    assert [a["text"] for a in (await api("getAnnotations", query=[("tags", "a"), ("tags", "b")]))[1]] == ["one"]
    both = [("tags", "b"), ("tags", "c"), ("matchAny", "true")]
    assert len((await api("getAnnotations", query=both))[1]) == 2
    assert len((await api("getAnnotations", query={"from": "6000", "to": "8500"}))[1]) == 1, "a region counts as long as it lasts"
    assert len((await api("getAnnotations", query={"limit": "1"}))[1]) == 1
    assert (await api("getAnnotationTags"))[1]["result"]["tags"][0] == {"tag": "a", "count": 2}
    await api("patchAnnotation", {"tags": []}, annotation_id=one)
    assert (await api("getAnnotationByID", annotation_id=one))[1]["tags"] == [], "tags that are given replace, also none"
    await api("updateAnnotation", {"text": "three", "time": 7000}, annotation_id=one)
    _, found = await api("getAnnotationByID", annotation_id=one)
    assert (found["text"], found["timeEnd"], found["data"]) == ("three", 7000, {})
    assert (await api("deleteAnnotationByID", annotation_id=one))[0] == 200
    for operation, body in (("getAnnotationByID", None), ("patchAnnotation", {"text": "x"}), ("deleteAnnotationByID", None)):
        assert (await api(operation, body, annotation_id=one))[0] == 404


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({}, "/text is missing"),
        ({"text": ""}, "Failed to save"),
        ({"text": "x", "tag": ["a"]}, "/tag is not known"),
        ({"text": "x", "tags": "a"}, "/tags must be of type array"),
        ({"text": "x", "tags": [1]}, "/tags/0 must be of type string"),
        ({"text": "x", "time": 1.5}, "/time must be of type integer"),
        ({"text": "x", "time": True}, "/time must be of type integer"),
        ({"text": "x", "tags": ["a" * 60] * 9}, "maximum allowed of 500"),
        ([], "must be of type object"),
    ],
)
async def test_a_wrong_annotation_is_refused(fake: FakeGrafana, api: Api, body: Any, says: str) -> None:
    status, said = await api("postAnnotation", body)
    assert status == 400
    assert says in said["message"]
    assert [r["operation"] for r in fake.rejected] == ["postAnnotation"]


async def test_a_dashboard_is_saved_over_the_version_that_was_read_only(api: Api) -> None:
    await api("createFolder", {"uid": "ours", "title": "Ours"})
    status, said = await api("postDashboard", {"dashboard": BOARD, "folderUid": "ours"})
    assert (status, said["version"], said["url"]) == (200, 1, "/d/board/a-board")
    status, said = await api("postDashboard", {"dashboard": BOARD, "folderUid": "ours"})
    assert (status, said["status"]) == (412, "version-mismatch")
    assert (await api("postDashboard", {"dashboard": {**BOARD, "version": 1}, "folderUid": "ours"}))[1]["version"] == 2
    assert (await api("postDashboard", {"dashboard": {**BOARD, "version": 2}}))[0] == 400, "it stays in its folder unless told to go"
    assert (await api("postDashboard", {"dashboard": BOARD, "overwrite": True}))[1]["folderUid"] == "", "and then it goes to the root"
    assert (await api("getDashboardByUID", uid="board"))[1]["meta"]["version"] == 3


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"dashboard": {**BOARD, "title": " "}}, 400),
        ({"dashboard": {**BOARD, "uid": "a b"}}, 400),
        ({"dashboard": {**BOARD, "uid": "a" * 41}}, 400),
        ({"dashboard": BOARD, "message": "x" * 501}, 400),
        ({"dashboard": BOARD, "folderUid": "nowhere"}, 404),
        ({"dashboard": None}, 400),
        ({"dashboards": BOARD}, 400),
    ],
)
async def test_a_wrong_dashboard_is_refused(api: Api, body: Any, status: int) -> None:
    assert (await api("postDashboard", body))[0] == status
    assert (await api("getDashboardByUID", uid="board"))[0] == 404


async def test_a_provisioned_dashboard_cannot_be_saved(fake: FakeGrafana, api: Api) -> None:
    await api("postDashboard", {"dashboard": BOARD})
    fake.state.dashboards["board"]["provisioned"] = True
    assert (await api("postDashboard", {"dashboard": BOARD, "overwrite": True}))[0] == 400
    assert (await api("deleteDashboardByUID", uid="board"))[0] == 200


async def test_a_folder_and_a_data_source_are_there_once(api: Api) -> None:
    assert [(await api("createFolder", {"uid": "f", "title": "F"}))[0] for _ in range(2)] == [200, 409]
    assert (await api("createFolder", {"uid": "g"}))[0] == 400
    assert (await api("updateFolder", {"title": "G", "version": 7}, folder_uid="f"))[0] == 409
    assert (await api("updateFolder", {"title": "G", "overwrite": True}, folder_uid="f"))[1]["version"] == 2
    assert (await api("deleteFolder", folder_uid="f"))[0] == 200
    assert (await api("getFolderByUID", folder_uid="f"))[0] == 404
    assert [(await api("addDataSource", SOURCE))[0] for _ in range(2)] == [200, 409]
    secret = {**SOURCE, "secureJsonData": {"httpHeaderValue1": "canary"}}
    _, said = await api("updateDataSourceByUID", secret, uid="stakewarden")
    assert said["datasource"]["secureJsonFields"] == {"httpHeaderValue1": True}
    assert "canary" not in json.dumps((await api("getDataSources"))[1])
    assert (await api("getDataSourceByName", name="Stakewarden"))[1]["uid"] == "stakewarden"
    assert (await api("deleteDataSourceByUID", uid="stakewarden"))[0] == 200
    assert (await api("getDataSourceByUID", uid="stakewarden"))[0] == 404


async def test_save_and_test_asks_the_data_source(api: Api) -> None:
    asked: list[Any] = []

    async def query(request: web.Request) -> web.Response:
        asked.append((request.path, dict(await request.post())))
        return web.json_response({"status": "success", "data": {"resultType": "scalar", "result": [4, "2"]}})

    app = web.Application()
    app.router.add_post("/prom/api/v1/query", query)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    await api("addDataSource", {**SOURCE, "url": f"http://127.0.0.1:{runner.addresses[0][1]}/prom"})
    status, said = await api("checkDatasourceHealthWithUID", uid="stakewarden")
    assert (status, said["status"]) == (200, "OK")
    assert asked == [("/prom/api/v1/query", {"query": "1+1", "time": "4"})]
    await runner.cleanup()
    status, said = await api("checkDatasourceHealthWithUID", uid="stakewarden")
    assert (status, said["status"]) == (400, "ERROR")


async def test_routes_that_grafana_gave_up_are_not_there(fake: FakeGrafana) -> None:
    async with httpx.AsyncClient(base_url=fake.url, trust_env=False) as client:
        for path in ("/api/datasources/1", "/api/dashboards/id/1", "/api/alert-notifications", "/api/auth/keys"):
            assert (await client.get(path)).status_code == 404
        page = await client.get("/")
        assert "no annotation yet" in page.text
        added = await client.post("/control/faults", json={"kind": "html", "method": "getHealth"})
        assert (added.status_code, (await client.get("/api/health")).status_code) == (200, 503)
        for wrong in ({"kind": "mad"}, {"kind": "html", "method": "getNothing"}, {"sort": 1}):
            assert (await client.post("/control/faults", json=wrong)).status_code == 400
        fake.state.add_annotation({"text": "what\nand more", "time": 1_700_000_000_000, "timeEnd": 1_700_000_060_000, "tags": ["a"]})
        assert "#1 2023-11-14 22:13:20 to 22:14:20 UTC\nwhat\nand more\na" in (await client.get("/")).text
        assert (await client.get("/state")).json()["annotations"][0]["id"] == 1


values = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2)
    | st.dictionaries(st.sampled_from(["text", "tags", "time", "data", "url", "title", "uid", "overwrite", "secureJsonData", "x"]), inner, max_size=4),
    max_leaves=6,
)  # fmt: skip


@given(st.sampled_from(sorted(DEFINITIONS)), values)
def test_the_small_validator_agrees_with_jsonschema(name: str, value: Any) -> None:
    closed = {
        k: {**d, "additionalProperties": d.get("additionalProperties", False)} if "properties" in d else d for k, d in DEFINITIONS.items()
    }
    right = jsonschema.Draft202012Validator({"$ref": f"#/$defs/{name}", "$defs": closed}).is_valid(value)
    assert (list(faults(value, DEFINITIONS[name], DEFINITIONS)) == []) == right


@pytest.mark.parametrize("schema", [{"oneOf": []}, {"type": "object", "properties": {"a": {"minimum": 1}}}])
def test_a_schema_that_says_more_than_is_understood_is_an_error(schema: Any) -> None:
    with pytest.raises(ValueError, match="not understood"):
        list(faults({"a": 1}, schema, {}))


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [({"enum": ["a"]}, "a", "b"), ({"pattern": "^a"}, "ab", "b"), ({"minLength": 1}, "a", ""), ({"maxLength": 1}, "a", "ab")],
)
def test_words_are_held_to_their_limits(schema: Any, good: str, bad: str) -> None:
    assert list(faults(good, schema, {})) == []
    assert list(faults(bad, schema, {})) != []
