"""``stakewarden drill`` where there is nothing to drill, the entry point itself, and a drill whose parts fail."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from monitor.devnet.drills import DRILLS, Drill, Ground, play, rehearse
from monitor.devnet.place import Devnet
from tests.cli.conftest import ROOT, Run


def test_all_drills_are_listed(stakewarden: Run) -> None:
    done = stakewarden("drill", "--list")
    assert done.code == 0
    assert [line.split()[0] for line in done.out.splitlines()] == list(DRILLS)


def test_an_unknown_drill_names_the_nearest(stakewarden: Run, tmp_path: Path) -> None:
    done = stakewarden("drill", "role-grnat", "--folder", tmp_path)
    assert done.code == 2 and 'there is no drill "role-grnat"; did you mean "role-grant"?' in done.err


@pytest.mark.parametrize("left", [None, "gone", "junk", "{}"])
def test_without_a_running_chain_it_says_so_at_once(stakewarden: Run, tmp_path: Path, left: str | None) -> None:
    """A killed devnet leaves its file behind: its process is asked for, not waited for."""
    if left == "gone":
        ended = subprocess.Popen([sys.executable, "-c", ""])
        ended.wait()
        Devnet(ended.pid, 1, str(tmp_path), "http://127.0.0.1:1", "http://127.0.0.1:1", {}).write()
    elif left is not None:
        (tmp_path / "devnet.json").write_text(left)
    done = stakewarden("drill", "role-grant", "--folder", tmp_path)
    assert done.code == 2 and "`make run`" in done.err and "Traceback" not in done.err


class _Nothing(Ground):
    """A ground on which nothing can be asked: only what the drill itself does is looked at."""

    def __init__(self) -> None:
        pass


def _late(_: Ground) -> Any:
    raise TimeoutError("block 7 did not come: does the chain mine?")


def test_what_a_drill_cannot_do_or_undo_is_a_problem_and_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(play._Before, "see", classmethod(lambda cls, ground: cls(frozenset(), frozenset(), frozenset(), 0)))
    monkeypatch.setattr(play, "_wait_for_the_end", lambda *_: _late(_Nothing()))
    said: list[str] = []
    outcome = rehearse(Drill("x", "about", _late, _late, {}), _Nothing(), said.append)
    assert [p.split(":")[0] for p in outcome.problems] == [
        "the drill could not be played to its end",
        "not everything was put right again, start the embedded chain anew",
        "what came of it could not be read",
    ]
    assert all("block 7 did not come" in p for p in outcome.problems) and "NOT as expected" in outcome.as_text()


def test_a_drill_that_is_held_is_put_right_afterwards_and_earlier_at_ctrl_c(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(play._Before, "see", classmethod(lambda cls, ground: cls(frozenset(), frozenset(), frozenset(), 0)))
    for name in ("_wait_for", "_settle", "_wait_for_the_end", "_compare"):
        monkeypatch.setattr(play, name, lambda *_: None)
    ground, happened = _Nothing(), []
    ground.devnet = Devnet(1, 1, "", "http://page", "http://inbox", {})

    def ctrl_c(seconds: float) -> None:
        happened.append(f"held {seconds:g}")
        raise KeyboardInterrupt

    monkeypatch.setattr(play.time, "sleep", ctrl_c)
    drill = Drill("x", "about", lambda _: happened.append("done") or 7, lambda _: happened.append("put right"), {})  # type: ignore[func-returns-value]
    assert rehearse(drill, ground, happened.append, 60).problems == []
    assert happened == [
        "x: about", "done", "done at block 7; waiting for ", "see http://page/ and http://inbox/: it stays for 60 s, or until Ctrl-C", "held 60",
        "putting everything right again ...", "put right",
    ]  # fmt: skip


def test_a_second_chain_in_the_same_folder_is_refused_and_the_first_keeps_its_files(stakewarden: Run, tmp_path: Path) -> None:
    (tmp_path / "stakewarden.sqlite3").write_text("the first one's")
    with (tmp_path / "devnet.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        done = stakewarden("devnet", "--folder", tmp_path)
    assert done.code == 1 and f"an embedded chain runs in {tmp_path} already: end it first" in done.err
    assert (tmp_path / "stakewarden.sqlite3").read_text() == "the first one's"


def test_a_taken_port_is_said_before_the_chain_is_started(stakewarden: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = stakewarden("run", "--port", port)
    assert done.code == 1 and f"port {port} (Address already in use)" in done.err and f"make run PORT={port + 1}" in done.err
    assert not (tmp_path / ".stakewarden").exists()


def process(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "monitor.cli", *words],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=ROOT,
        env={**os.environ, **environment},
    )


def test_the_entry_point_as_a_process() -> None:
    """Exit codes, streams and colours as a shell sees them."""
    wrong = process("rules", "chekc", NO_COLOR="1")
    assert wrong.returncode == 2 and wrong.stdout == "" and "chekc" in wrong.stderr and "\x1b" not in wrong.stderr
    fine = process("rules", "check", "--json", FORCE_COLOR="", NO_COLOR="1")
    assert fine.returncode == 0 and json.loads(fine.stdout) == [] and fine.stderr == ""


def test_logs_have_no_colour_when_told_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    import structlog

    from monitor.cli.logs import configure

    def logged(terminal: bool) -> str:
        monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
        configure()
        structlog.get_logger().info("block.judged", block=7)
        said = capsys.readouterr()
        assert said.out == ""
        return said.err

    monkeypatch.delenv("NO_COLOR", raising=False)
    try:
        assert "\x1b" in logged(True)
        monkeypatch.setenv("NO_COLOR", "1")
        assert "\x1b" not in logged(True) and "block.judged" in logged(True)
        assert json.loads(logged(False))["event"] == "block.judged"
    finally:
        structlog.reset_defaults()
