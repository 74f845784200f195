"""Fixtures that several rooms use, and: in CI nothing may be skipped."""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest

pytest_plugins = ["tests.fixtures.postgres", "tests.fixtures.stores", "tests.fixtures.chain", "tests.fixtures.leftovers"]

# Everything that tests talk to is on this machine: a proxy from the environment would swallow it.
for _name in [name for name in os.environ if name.lower().endswith("_proxy")]:
    del os.environ[_name]


LONGEST = (
    "tests/service/test_drills.py", "tests/service/test_kill.py", "tests/service",
    "tests/contracts", "tests/cli/test_secrets.py", "tests/web/test_live.py", "tests/guardian/execution", "tests/guardian/deploy", "tests/cli",
)  # fmt: skip
"""Begun first, in this order, so that several workers end together: each file is played by one worker from its first test to its last."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first; all others in their order."""
    items.sort(key=lambda item: next((i for i, name in enumerate(LONGEST) if item.nodeid.startswith(name)), len(LONGEST)))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With CI=true a skipped test is a failed one: what is skipped there is proven nowhere."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get("CI"):
        report.outcome = "failed"
        report.longrepr = f"skipped, which CI does not allow: {report.longrepr}"
    return report
