"""``stakewarden doctor`` against a real chain, beacon nodes, and a Slack inbox: what is well, and what each fault is told as."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import yaml
from pydantic import SecretStr

from monitor.cli.doctor.around import database, page, service
from monitor.devnet import actions
from monitor.devnet.accounts import address_of
from monitor.devnet.inbox import CHANNEL, TOKEN, Inbox
from monitor.devnet.proxies import EndpointProxy
from monitor.devnet.world import World
from monitor.service.settings import StoreSettings, WebSettings
from monitor.store import Store
from tests.chain.beacon_server import GENESIS_TIME, FarNode, Script, sends, status
from tests.cli.conftest import Done, Run, plain, write
from tests.cli.far_ends import FarEnds
from tests.receivers.far_end import FarEnd


@pytest.fixture
def far() -> Iterator[FarEnds]:
    ends = FarEnds()
    yield ends
    ends.close()


@pytest.fixture
def inbox(far: FarEnds) -> Iterator[Inbox]:
    inbox = Inbox()
    far.run(inbox.start())
    yield inbox
    far.run(inbox.close())


@pytest.fixture
def proxy(far: FarEnds, world: World) -> Iterator[EndpointProxy]:
    proxy = EndpointProxy(world.anvil.http_url, "anvil")
    far.run(proxy.start())
    yield proxy
    far.run(proxy.close())


@pytest.fixture
def nodes(far: FarEnds) -> Iterator[list[FarNode]]:
    script = Script()
    script.mine_to(3)
    made = [far.run(FarNode(script, name).start()) for name in ("delta", "echo", "foxtrot")]
    yield made
    for node in made:
        far.run(node.stop())


@pytest.fixture
def whole(stakewarden: Run, chain_settings: Path, inbox: Inbox, nodes: list[FarNode], proxy: EndpointProxy) -> Path:
    """Settings in which all is well: an approved baseline, an endpoint with a socket, three beacon nodes, a channel, a database."""

    def all_of_it(body: dict[str, Any]) -> None:
        body["network"]["execution"] = [{"name": "anvil", "url": proxy.url, "ws_url": proxy.ws_url}]
        body["network"]["genesis_time"] = GENESIS_TIME
        body["network"]["beacon_preset"] = "minimal"
        body["network"]["beacon"] = [{"name": n.name, "url": n.url} for n in nodes]
        body["receivers"] = [{"name": "slack", "channel": CHANNEL, "token": TOKEN, "base_url": inbox.base_url}]
        body["web"] = {"port": 1}

    edit(chain_settings, all_of_it)
    assert stakewarden("roles", "approve", "--note", "start", "-s", chain_settings).code == 0
    assert stakewarden("db", "migrate", "-s", chain_settings).code == 0
    return chain_settings


def edit(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    body = yaml.safe_load(path.read_text())
    change(body)
    path.write_text(yaml.safe_dump(body, sort_keys=False))


def line(done: Done, what: str) -> str:
    (found,) = [each for each in done.out.splitlines() if each[7:].startswith(f"{what}: ")]
    return found


def test_what_is_well_is_said_in_a_line_each(stakewarden: Run, whole: Path, inbox: Inbox) -> None:
    done = stakewarden("doctor", "--states", "-s", whole)
    assert done.code == 0, done.out + done.err
    for what, said in (
        ("settings", "rules, 1 receivers"),
        ("endpoint anvil", "WebSocket"),
        ("agreement of the endpoints", "1 of 1 have block"),
        ("beacon node delta", "states of fork fulu"),
        ("agreement of the beacon nodes", "3 of 3 give equal states"),
        ("lido: contracts", "have code at block"),
        ("lido: versions", "have the approved implementations"),
        ("lido: roles", "are held as approved"),
        ("guardian: vault", "a pause would work, by people and by the service"),
        ("receiver slack", "takes messages"),
        ("journal", "nothing was judged yet; no process acts"),
    ):
        assert line(done, what).startswith("ok ") and said in line(done, what)
    assert "0 to mend" in done.out and inbox.messages() == [] and "Traceback" not in done.err
    assert "the choice" not in done.out and "note   choice of endpoints: one execution endpoint" in done.out
    assert "hunter2" not in done.out + done.err and "secretkey" not in done.out + done.err and TOKEN not in done.out + done.err


def test_what_is_broken_is_told_with_its_remedy(
    stakewarden: Run, whole: Path, nodes: list[FarNode], inbox: Inbox, world: World, far: FarEnds
) -> None:
    nodes[0].fault["states"] = status(404, "no such route")
    nodes[1].status = {"is_syncing": True, "sync_distance": "900"}
    nodes[2].validators_root = bytes(32)
    inbox.fail("invalid_auth")
    actions.grant_role(world, "withdrawal_queue", "FINALIZE_ROLE", address_of("attacker"))
    actions.pause_vault(world)
    edit(whole, lambda body: body["network"]["execution"][0].update(ws_url="ws://127.0.0.1:1"))
    done = stakewarden("doctor", "-s", whole)
    assert done.code == 1
    assert "gives no state" in line(done, "beacon node delta") and "many providers do not" in line(done, "beacon node delta")
    assert "900 slots behind" in line(done, "beacon node echo")
    assert line(done, "agreement of the beacon nodes").startswith("wrong") and "2 are needed" in line(done, "agreement of the beacon nodes")
    assert "WebSocket does not answer" in line(done, "endpoint anvil")
    assert "1 differences from the baseline: withdrawal_queue FINALIZE_ROLE" in line(done, "lido: roles")
    assert "a pause would not work" in line(done, "guardian: vault")
    assert line(done, "receiver slack").startswith("wrong")


def test_states_that_differ_are_no_majority(stakewarden: Run, whole: Path, nodes: list[FarNode]) -> None:
    right = nodes[0].state
    nodes[0].state = lambda block, slot: right(block, slot) + b"\0"
    nodes[1].state = lambda block, slot: right(block, slot) + b"\1"
    done = stakewarden("doctor", "--states", "-s", whole)
    assert done.code == 1 and "1 of 3 give equal states" in line(done, "agreement of the beacon nodes")


def test_nodes_that_are_not_ours_and_an_endpoint_without_old_states(
    stakewarden: Run, whole: Path, nodes: list[FarNode], proxy: EndpointProxy
) -> None:
    nodes[0].version = "osaka"
    nodes[1].spec = {"PRESET_BASE": "mainnet"}
    nodes[2].status = {"el_offline": True}
    proxy.set(prune=5)
    done = stakewarden("doctor", "-s", whole)
    assert done.code == 1
    assert "of fork osaka, which this version does not read; update Stakewarden" in line(done, "beacon node delta")
    assert "its preset is mainnet" in line(done, "beacon node echo")
    assert "its execution client is offline" in line(done, "beacon node foxtrot")
    assert line(done, "endpoint anvil").startswith("wrong") and "set network.history_blocks: " in line(done, "endpoint anvil")


def test_json_has_the_same_findings(stakewarden: Run, whole: Path, nodes: list[FarNode]) -> None:
    nodes[0].fault["states"] = sends(b'{"data": {}}', Eth_Consensus_Version="fulu")
    nodes[1].genesis_time = 1
    done = stakewarden("doctor", "--json", "-s", whole)
    found = {f["what"]: f for f in json.loads(done.out)}
    assert {"what", "state", "said", "remedy"} == set(found["clock"]) and done.code == 1
    assert "gives no state as SSZ: application/json came" in found["beacon node delta"]["said"]
    assert "its genesis was at 1" in found["beacon node echo"]["said"]


def test_endpoints_that_are_down_or_of_another_chain(stakewarden: Run, whole: Path) -> None:
    edit(whole, lambda body: body["network"].update(chain_id=5))
    wrong = stakewarden("doctor", "-s", whole)
    assert wrong.code == 1 and "it must serve chain 5" in line(wrong, "endpoint anvil")
    edit(whole, lambda body: body["network"]["execution"][0].update(url="http://127.0.0.1:1/canary-key"))
    down = stakewarden("doctor", "-s", whole)
    assert (
        down.code == 1
        and "connection failed" in line(down, "endpoint anvil")
        and "nothing is known" in line(down, "agreement of the endpoints")
    )
    assert "not read: " in line(down, "lido: contracts") and "canary-key" not in down.out + down.err


def test_a_database_that_is_down_is_a_finding_like_others(stakewarden: Run, whole: Path) -> None:
    edit(whole, lambda body: body.update(store={"url": "postgresql://u:hunter2hunter2@127.0.0.1:1/x"}))
    down = stakewarden("doctor", "-s", whole)
    assert down.code == 1 and "see that the server runs" in line(down, "database") and "hunter2" not in down.out + down.err
    assert line(down, "lido: roles").startswith("ok ")


def test_databases(tmp_path: Path) -> None:
    (fresh, disk) = database(StoreSettings(url=SecretStr(f"sqlite:///{tmp_path}/new.sqlite3")))
    assert (fresh.state, disk.what) == ("note", "disk") and "is not there yet" in fresh.said
    assert not (tmp_path / "new.sqlite3").exists()
    (tmp_path / "letter").write_text("no database, a letter long enough to have a header" * 40)
    (letter,) = database(StoreSettings(url=SecretStr(f"sqlite:///{tmp_path}/letter")))
    assert letter.state == "wrong" and "not a database" in letter.said
    with Store.open(f"sqlite:///{tmp_path}/old.sqlite3") as store:
        store.migrate()
        with store.begin() as unit:
            unit.conn.exec_driver_sql("UPDATE alembic_version SET version_num = 'from-the-future'")
    newer = database(StoreSettings(url=SecretStr(f"sqlite:///{tmp_path}/old.sqlite3")))[0]
    assert newer.state == "wrong" and "run the newer version" in newer.remedy


def test_settings_that_cannot_be_used_are_no_finding(stakewarden: Run, tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("netwrok: {}\n")
    done = stakewarden("doctor", "-s", tmp_path / "bad.yaml")
    assert done.code == 2 and done.out == "" and 'did you mean "network"?' in done.err


@pytest.mark.parametrize(
    ("answer", "state", "said"),
    [
        (b'{"network": "chain 1"}', "ok", "runs and is ready"),
        (b'{"network": "chain 31337"}', "wrong", "watches another network (chain 31337); end it, or set web.port"),
        (b"<html>hello</html>", "wrong", "something else answers"),
        (b"[]", "wrong", "something else answers"),
    ],
)
async def test_only_our_own_service_is_taken_for_ours(answer: bytes, state: str, said: str) -> None:
    async with FarEnd(answer=answer) as other:
        found = await service(WebSettings(port=other.port), 1)
    assert found.state == state and said in str(found)


@pytest.mark.parametrize(
    ("status", "state", "said"),
    [(200, "ok", "which answers"), (401, "ok", "asks who is there"), (302, "ok", "asks who is there"), (404, "wrong", "answers 404"), (502, "wrong", "answers 502")],
)  # fmt: skip
async def test_what_messages_link_to_is_looked_at(status: int, state: str, said: str) -> None:
    async with FarEnd(script=deque([status])) as proxy:
        found = await page(WebSettings(public_url=f"http://127.0.0.1:{proxy.port}"))
    assert (found.state, found.what) == (state, "web.public_url") and said in str(found)


async def test_a_page_that_is_not_reached_from_here_may_be_reached_by_responders() -> None:
    unset, gone = await page(WebSettings()), await page(WebSettings(public_url="http://127.0.0.1:1"))
    assert (unset.state, gone.state) == ("note", "note")
    assert "messages link neither" in str(unset) and "cannot be reached from here (ConnectError)" in str(gone)


def test_a_secret_that_every_user_can_read_is_told_and_used(stakewarden: Run, tmp_path: Path) -> None:
    with TemporaryDirectory() as outside:  # pytest's own folders are closed to other users
        Path(outside).chmod(0o755)
        token = Path(outside) / "token"
        token.write_text("xoxb-1-2-canary\n")
        body = plain(tmp_path) | {
            "receivers": [{"name": "slack", "channel": CHANNEL, "base_url": "http://127.0.0.1:1/", "token_file": str(token)}]
        }
        path = write(tmp_path, body)
        for mode, told in ((0o644, True), (0o640, False)):
            token.chmod(mode)
            for words in (("doctor", "-s", path), ("config", "check", path)):
                done = stakewarden(*words)
                assert (f"receivers.0.token_file {token} can be read by every user of this machine" in done.out + done.err) == told, (
                    words,
                    done,
                )
            assert done.code == 0
