"""Structured logs on stderr: readable on a terminal, JSON lines otherwise. NO_COLOR is honoured."""

from __future__ import annotations

import logging
import os
import sys

import structlog


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
            rendered,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG if verbose else logging.INFO),
        # Looked up at each line: whoever replaces stderr meanwhile gets the rest.
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )
