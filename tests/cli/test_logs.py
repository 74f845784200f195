"""All that reaches stderr goes behind the veil: our lines, those of libraries, and errors that nobody caught; for people and for machines."""

from __future__ import annotations

import io
import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator

import pytest
import structlog

from monitor.cli.logs import configure
from monitor.model import secrecy
from monitor.model.secrecy import VEIL, hold
from tests.cli.conftest import ROOT

SECRET = "canary5ecret-0123456789"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(params=[io.StringIO, Terminal], ids=["file", "terminal"])
def listen(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], io.StringIO]]:
    """To be called in the test: between its phases pytest puts a stderr of its own in place."""
    for module, name in ((sys, "excepthook"), (threading, "excepthook"), (logging, "lastResort")):
        monkeypatch.setattr(module, name, getattr(module, name))
    monkeypatch.setattr(secrecy, "_held", set())
    monkeypatch.setenv("NO_COLOR", "1")
    hold(SECRET)

    def begin() -> io.StringIO:
        written: io.StringIO = request.param()
        monkeypatch.setattr(sys, "stderr", written)
        configure()
        return written

    yield begin
    structlog.reset_defaults()


def failing() -> None:
    local = {"a variable": SECRET}
    raise ValueError(f"denied: {local['a variable']}")


def test_a_traceback_is_shown_without_secrets_nor_variables(listen: Callable[[], io.StringIO]) -> None:
    stderr = listen()
    try:
        failing()
    except ValueError as error:
        structlog.get_logger().error("it.failed", error=error, told=[SECRET], exc_info=error)
        structlog.get_logger().exception("it.failed_again")
    said = stderr.getvalue()
    assert (
        said.count("in failing") == 2
        and VEIL in said
        and SECRET not in said
        and "a variable" not in said.replace("local['a variable']", "")
    )


def test_what_a_library_logs_is_a_line_of_ours(listen: Callable[[], io.StringIO]) -> None:
    stderr = listen()
    handler = logging.lastResort
    assert handler is not None
    for record in (
        logging.LogRecord("asyncio", logging.ERROR, "", 1, "Task exception was never retrieved: %s", (SECRET,), None),
        logging.LogRecord("broken", logging.ERROR, "", 1, "%d of %d", (SECRET,), None),
    ):
        handler.handle(record)
    said = stderr.getvalue()
    assert SECRET not in said and "Task exception was never retrieved: <secret>" in said and "%d of %d" in said
    if not stderr.isatty():
        first = json.loads(said.splitlines()[0])
        assert (first["event"], first["level"], first["library"]) == ("library.said", "error", "asyncio")


UNCAUGHT = """
import asyncio, gc, logging, threading
from monitor.cli.logs import configure
from monitor.model.secrecy import hold
secret = "canary5ecret" + "-0123456789"
hold(secret)
configure()
def fail(): raise ValueError("denied: " + secret)
thread = threading.Thread(target=fail); thread.start(); thread.join()
async def forgotten(): fail()
async def main():
    task = asyncio.create_task(forgotten())
    await asyncio.sleep(0)
    del task
    gc.collect()
asyncio.run(main())
logging.getLogger("uvicorn.error").error("in a request", exc_info=ValueError(secret))
fail()
"""


def test_what_nobody_catches_is_veiled_too() -> None:
    """In a thread, in a task, in a library, and at the very end: for real, in a process of its own."""
    done = subprocess.run([sys.executable, "-c", UNCAUGHT], cwd=ROOT, env=dict(os.environ), capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and done.stdout == ""
    assert SECRET not in done.stderr and done.stderr.count(VEIL) >= 4, done.stderr
    assert "in fail" in done.stderr and "Task exception was never retrieved" in done.stderr and "in a request" in done.stderr
