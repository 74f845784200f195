"""Dashboards go into Grafana once, and again only when something changed; what Grafana refuses is said with its remedy."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from monitor.cli.__main__ import application
from monitor.dashboards.push import Folder, push
from monitor.devnet.grafana import TOKEN, FakeGrafana, Role
from monitor.model import Unsure
from monitor.receivers.grafana_port import Conflict, GrafanaPort

ROOT = Path(__file__).parents[2]
UIDS = ["stakewarden-chain", "stakewarden-guardian", "stakewarden-ourselves", "stakewarden-overview", "stakewarden-protocol"]


class Aside:
    """The fake in a loop and thread of its own, since commands bring their own loop."""

    def __init__(self, role: Role) -> None:
        self.fake = FakeGrafana(role=role)
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)

    def __enter__(self) -> FakeGrafana:
        self.thread.start()
        asyncio.run_coroutine_threadsafe(self.fake.start(), self.loop).result(10)
        return self.fake

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self.fake.close(), self.loop).result(10)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)
        self.loop.close()


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands look into the folder in which they run for the rules; here there are none to read each time."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def fake() -> Iterator[FakeGrafana]:
    with Aside("Admin") as fake:
        yield fake


@pytest.fixture
def token(tmp_path: Path) -> Path:
    path = tmp_path / "grafana.token"
    path.write_text(TOKEN)
    return path


def run(fake: FakeGrafana, token: Path, *more: str, folder: str = "dashboards/chain.json") -> Result:
    args = ["dashboards", "push", str(ROOT / folder), "--url", fake.url, "--token-file", str(token), *more]
    return CliRunner().invoke(application("dashboards"), args)


def test_pushed_twice_they_are_there_once(fake: FakeGrafana, token: Path) -> None:
    first, again = (run(fake, token, "--json", folder="dashboards") for _ in range(2))
    assert first.exit_code == again.exit_code == 0, first.output
    assert json.loads(first.stdout) == dict.fromkeys(UIDS, "created")
    assert json.loads(again.stdout) == dict.fromkeys(UIDS, "unchanged")
    assert sorted(fake.state.dashboards) == UIDS and fake.requests["postDashboard"] == len(UIDS)
    assert {d["folderUid"] for d in fake.state.dashboards.values()} == {"stakewarden"}
    assert fake.state.folders["stakewarden"]["title"] == "Stakewarden"
    fake.state.dashboards["stakewarden-chain"]["dashboard"]["title"] = "changed by hand"
    fake.state.dashboards["stakewarden-guardian"]["folderUid"] = ""
    found = json.loads(run(fake, token, "--json", folder="dashboards").stdout)
    assert {uid for uid, outcome in found.items() if outcome == "updated"} == {"stakewarden-chain", "stakewarden-guardian"}
    assert fake.state.dashboards["stakewarden-chain"]["dashboard"]["title"] == "Stakewarden: chain"
    assert fake.state.dashboards["stakewarden-guardian"]["folderUid"] == "stakewarden"
    assert [r["status"] for r in fake.rejected] == ["404"] * (1 + len(UIDS)), "only the first looks found nothing"


def test_the_data_source_is_made_kept_up_and_tried(fake: FakeGrafana, token: Path) -> None:
    made = run(fake, token, "--datasource", "http://127.0.0.1:1/prom")
    assert made.exit_code == 1
    assert "see that the address of the data source can be reached" in str(made.exception)
    source = fake.state.datasources["stakewarden"]
    assert (source["type"], source["url"], source["jsonData"]["prometheusType"]) == ("prometheus", "http://127.0.0.1:1/prom", "Prometheus")
    run(fake, token, "--datasource", "http://127.0.0.1:2/prom")
    assert fake.state.datasources["stakewarden"]["url"] == "http://127.0.0.1:2/prom"
    fake.state.datasources["stakewarden"]["readOnly"] = True
    run_again = run(fake, token, "--datasource", "http://127.0.0.1:3/prom")
    assert "provisioned by a file" in str(run_again.exception)


def test_each_refusal_has_its_remedy(fake: FakeGrafana, token: Path, tmp_path: Path) -> None:
    fake.role = "Viewer"
    assert "the role Editor" in str(run(fake, token).exception)
    fake.role = "Editor"
    assert "the role Admin" in str(run(fake, token, "--datasource", "http://127.0.0.1:1/prom").exception)
    assert run(fake, token).exit_code == 0
    fake.state.dashboards["stakewarden-chain"]["provisioned"] = True
    fake.state.dashboards["stakewarden-chain"]["dashboard"]["title"] = "older"
    assert "change that file instead" in str(run(fake, token).exception)
    token.write_text("glsa_other")
    assert "make a new token" in str(run(fake, token).exception)
    token.write_text("")
    assert "is empty: write the secret alone into it" in str(run(fake, token).exception)
    assert "--url and --token-file" in str(run(fake, token, "--url", "grafana").exception)
    assert TOKEN not in str(run(fake, tmp_path / "nowhere").exception)


def test_the_receiver_of_the_settings_is_used(fake: FakeGrafana, token: Path, tmp_path: Path) -> None:
    settings = tmp_path / "settings.yaml"
    text = "network: {execution: [{name: a, url: 'http://127.0.0.1:1'}]}\nprotocols: [{name: lido}]\nreceivers:\n"
    mine = f"  - {{kind: grafana, name: NAME, url: '{fake.url}', token_file: {token}}}\n"
    args = ["dashboards", "push", str(ROOT / "dashboards/guardian.json"), "--settings", str(settings)]
    settings.write_text(text + mine.replace("NAME", "one"))
    assert CliRunner().invoke(application("dashboards"), args).exit_code == 0
    settings.write_text(text + mine.replace("NAME", "one") + mine.replace("NAME", "two"))
    assert "name one with --receiver" in str(CliRunner().invoke(application("dashboards"), args).exception)
    assert CliRunner().invoke(application("dashboards"), [*args, "--receiver", "two"]).exit_code == 0
    assert "no receiver of kind grafana called three" in str(
        CliRunner().invoke(application("dashboards"), [*args, "--receiver", "three"]).exception
    )


def test_check_names_the_file_and_the_panel(tmp_path: Path) -> None:
    check = ["dashboards", "check"]
    assert CliRunner().invoke(application("dashboards"), [*check, str(ROOT / "dashboards")]).exit_code == 0
    board: dict[str, Any] = json.loads((ROOT / "dashboards/guardian.json").read_text())
    board["panels"][1]["targets"][0]["expr"] = "guardian_redy"
    (tmp_path / "mine.json").write_text(json.dumps(board))
    found = CliRunner().invoke(application("dashboards"), [*check, str(tmp_path)])
    assert found.exit_code == 1
    assert found.output.splitlines()[0] == "mine.json: 1 problem" and 'By people (A): no metric is called "guardian_redy"' in found.output
    assert "nothing was pushed" in str(CliRunner().invoke(application("dashboards"), ["dashboards", "push", str(tmp_path)]).exception)
    (tmp_path / "two.json").write_text(json.dumps(board))
    assert "two dashboards have the uid" in str(CliRunner().invoke(application("dashboards"), [*check, str(tmp_path)]).exception)
    for text, says in (("{", "must be a dashboard as JSON"), ("[]", "is no dashboard"), ('{"spec": {}}', "is no dashboard")):
        (tmp_path / "two.json").write_text(text)
        assert says in str(CliRunner().invoke(application("dashboards"), [*check, str(tmp_path)]).exception)
    assert "no JSON files" in str(CliRunner().invoke(application("dashboards"), [*check, str(tmp_path / "empty")]).exception)


# ---------------------------------------------------------------- races and failures

BOARD: dict[str, Any] = {"id": None, "uid": "b", "title": "B", "panels": [], "version": 0}


async def test_one_that_somebody_else_saves_meanwhile_is_read_again() -> None:
    async with FakeGrafana() as fake:
        port = GrafanaPort(fake.url, TOKEN)
        await push(port, [BOARD], Folder(), "m")
        fake.state.dashboards["b"]["dashboard"]["title"] = "theirs"
        fake.fail("error", "postDashboard", error="412", count=2)
        assert await push(port, [BOARD], Folder(), "m") == {"b": "updated"}
        fake.state.dashboards["b"]["dashboard"]["title"] = "theirs"
        fake.fail("error", "postDashboard", error="412", count=3)
        with pytest.raises(Conflict, match="412"):
            await push(port, [BOARD], Folder(), "m")


async def test_a_folder_that_somebody_else_makes_meanwhile_is_taken() -> None:
    async with FakeGrafana() as fake:
        fake.fail("error", "createFolder", error="409")
        fake.state.add_folder({"uid": "ours", "title": "Ours"})
        fake.fail("error", "getFolderByUID", error="404")
        assert await push(GrafanaPort(fake.url, TOKEN), [BOARD], Folder("ours"), "m") == {"b": "created"}


async def test_a_save_whose_answer_is_lost_is_found_done_the_next_time() -> None:
    async with FakeGrafana() as fake:
        port = GrafanaPort(fake.url, TOKEN)
        fake.fail("drop", "postDashboard", accepted=True)
        with pytest.raises(Unsure):
            await push(port, [BOARD], Folder(), "m")
        assert await push(port, [BOARD], Folder(), "m") == {"b": "unchanged"}
