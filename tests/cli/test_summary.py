"""``guardian summary``: from a settings file and its database to a file, and what a typo says."""

from __future__ import annotations

from pathlib import Path

from monitor.store import Store
from tests.cli.conftest import Run, plain, write
from tests.guardian.summary import planted


def test_the_account_is_printed_or_written_and_a_typo_says_what_to_do(stakewarden: Run, tmp_path: Path) -> None:
    body = plain(tmp_path)
    body["guardian"] = {"contract": "0x" + "0d" * 20, "targets": [{"name": "vault", "address": "0x" + "0c" * 20, "stops": "withdrawals"}]}
    settings, out = write(tmp_path, body), tmp_path / "incident.md"
    with Store.open(f"sqlite:///{tmp_path}/x.sqlite3") as store:
        store.migrate()
        with store.begin() as unit:
            planted.automatic(unit)
    done = stakewarden("guardian", "summary", planted.DECISION[:6], "-o", out, "-s", settings)
    assert done.code == 0 and "incident.md: the pause of vault" in done.out, done.err
    text = out.read_text("utf-8")
    assert text.startswith("# Pause of vault: by the service\n") and "It stopped: withdrawals" in text
    printed = stakewarden("guardian", "summary", "11111111", "-s", settings)
    assert printed.code == 0 and printed.out.splitlines()[4:] == text.splitlines()[4:]
    typo = stakewarden("guardian", "summary", "feed", "-s", settings)
    assert typo.code == 1 and "no decision and no incident begins with feed" in typo.err and "Traceback" not in typo.err
    nowhere = stakewarden("guardian", "summary", "11111111", "-o", tmp_path / "no" / "x.md", "-s", settings)
    assert nowhere.code == 2 and "cannot be written" in nowhere.err
