"""Processes of their own for the store's tests: forked from a clean server, so that they start fast and share no connection."""

from __future__ import annotations

import multiprocessing

context = multiprocessing.get_context("forkserver")
context.set_forkserver_preload(["tests.store.writer"])
