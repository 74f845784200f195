"""Structured logs on stderr: readable on a terminal, JSON lines otherwise. NO_COLOR is honoured."""

from __future__ import annotations

import logging
import os
import sys
import threading
import traceback
from collections.abc import MutableMapping
from types import TracebackType
from typing import Any

import structlog

from monitor.model.secrecy import veiled

_OURS = ("event", "level", "timestamp")
"""What this program alone writes: names of events must stay what they are."""


def _veil(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A net under all that is written: no secret of the settings is in a line, whoever said it."""
    for key, value in event.items():
        if key in _OURS:
            continue
        if isinstance(value, str):
            event[key] = veiled(value)
        elif value is not None and not isinstance(value, (bool, int, float)) and (text := str(value)) != veiled(text):
            event[key] = veiled(text)
    return event


class _Libraries(logging.Handler):
    """What libraries log (asyncio about a task that died, uvicorn about a request) goes our way, and so behind the veil."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            said = record.getMessage()
        except Exception:  # a message that does not fit its own arguments
            said = str(record.msg)
        structlog.get_logger().log(record.levelno, "library.said", library=record.name, message=said, exc_info=record.exc_info)


def _last_words(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """An error that nobody caught: its traceback, veiled."""
    sys.stderr.write(veiled("".join(traceback.format_exception(kind, error, trace))))


def _last_words_of_a_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is not None and not issubclass(args.exc_type, SystemExit):
        _last_words(args.exc_type, args.exc_value, args.exc_traceback)


def configure(verbose: bool = False) -> None:
    """Set up once, at the start of a command, all that may write to stderr: our logs, those of libraries, errors that nobody caught."""
    logging.lastResort = _Libraries(logging.WARNING)
    sys.excepthook, threading.excepthook = _last_words, _last_words_of_a_thread
    terminal = sys.stderr.isatty()
    colours = terminal and "NO_COLOR" not in os.environ
    # Tracebacks are text before they are veiled; the console's own, with the values of variables, would come after it.
    rendered: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(colors=colours, exception_formatter=structlog.dev.plain_traceback)
        if terminal
        else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _veil,
            rendered,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG if verbose else logging.INFO),
        # Looked up at each line: whoever replaces stderr meanwhile gets the rest.
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )
