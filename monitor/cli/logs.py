"""Structured logs on stderr: readable on a terminal, JSON lines otherwise. NO_COLOR is honoured."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import MutableMapping
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
        elif value is not None and not isinstance(value, (bool, int, float)) and key != "exc_info" and (text := str(value)) != veiled(text):
            event[key] = veiled(text)
    return event


def configure(verbose: bool = False) -> None:
    """Set up structlog once, at the start of a command."""
    terminal = sys.stderr.isatty()
    colours = terminal and "NO_COLOR" not in os.environ
    rendered: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(colors=colours) if terminal else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            # On a terminal the console shows tracebacks itself.
            *([] if terminal else [structlog.processors.format_exc_info]),
            _veil,
            rendered,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG if verbose else logging.INFO),
        # Looked up at each line: whoever replaces stderr meanwhile gets the rest.
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )
