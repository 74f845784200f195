"""The account of a pause: golden files, what a name may mean, and that no text from the chain becomes markup."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.guardian.settings import GuardianSettings
from monitor.guardian.summary import Meaning, NotFound, find, written
from monitor.guardian.summary.words import code, escaped
from monitor.store import Store, Unit
from tests.guardian.summary import planted

GOLDEN = Path(__file__).parent / "golden"
MEANING = Meaning("deposits and withdrawals of the vault", "transfers of what people hold already", "")
WRITTEN_AT = planted.START + 90_000.0


def account(store: Store, plant: Callable[[Unit], None], name: str) -> str:
    with store.begin() as unit:
        plant(unit)
    with store.read() as unit:
        return written(find(unit, name), MEANING, 31337, WRITTEN_AT)


@pytest.mark.parametrize(
    ("plant", "name"),
    [
        (planted.automatic, planted.DECISION), (planted.by_people, "22222222-bbbb"), (planted.shadow, "d1d1"), (planted.proposed, "2222"),
        (planted.resealed, "2222"),
    ],
)  # fmt: skip
def test_the_account_is_as_it_was_read_and_approved(store: Store, plant: Callable[[Unit], None], name: str) -> None:
    """``STAKEWARDEN_GOLDEN=1`` writes the files anew: read the difference."""
    text, path = account(store, plant, name), GOLDEN / f"{plant.__name__}.md"
    if os.environ.get("STAKEWARDEN_GOLDEN"):
        path.write_text(text, "utf-8")
    assert text == path.read_text("utf-8")


@pytest.mark.parametrize("name", ["11111111-aaaa", "22222222", "333", planted.DECISION[:5]])
def test_each_incident_and_the_decision_name_the_same_pause(store: Store, name: str) -> None:
    assert account(store, planted.automatic, name) == (GOLDEN / "automatic.md").read_text("utf-8")


def test_what_names_nothing_or_several_is_refused_with_what_to_give(store: Store) -> None:
    with store.begin() as unit:
        planted.automatic(unit)
        planted.put(unit, planted.pause(id="d1ff", episode="other", observed_number=9, observed_timestamp=1))
        planted.put(unit, planted.episode("alone", "lido-oracle/LidoOracleReportLate", 1, 2, protocol="lido"))
        planted.incident(unit, "44444444-dddd", 1, ("alone",), 2)
    with store.read() as unit:
        for name, why in (
            ("zz", "no decision and no incident begins with zz"), ("", "begins with"), ("d1", f"several begin with d1: decision {planted.DECISION}, decision d1ff"),
            ("4444", "LidoOracleReportLate, and led to no pause"), ("%", "no decision"),
        ):  # fmt: skip
            with pytest.raises(NotFound, match=re.escape(why)):
                find(unit, name)


def test_an_empty_store_names_nothing(store: Store) -> None:
    with store.read() as unit, pytest.raises(NotFound):
        find(unit, "d1")


def test_the_meaning_is_the_settings_own_words() -> None:
    where = {
        "contract": "0x" + "01" * 20,
        "targets": [{"name": "vault", "address": "0x" + "02" * 20, "stops": "s", "goes_on": "g", "cost": "c"}],
    }
    settings = GuardianSettings.model_validate(where)
    assert Meaning.of(settings, "vault") == Meaning("s", "g", "c")
    assert Meaning.of(settings, "gone") == Meaning.of(None, "vault") == Meaning()


@given(st.text())
def test_no_text_is_markup(text: str) -> None:
    shown = escaped(text)
    assert "\n" not in shown and "\r" not in shown
    assert not re.search(r"(?<!\\)(?:\\\\)*[<>|`*_\[\]!&#~]", shown), "every mark has its backslash"
    fenced = code(text)
    fence = re.match("`+", fenced)
    assert fence is not None and fenced.endswith(fence.group()) and "\n" not in fenced
    inner = fenced[len(fence.group()) : -len(fence.group())]
    assert fence.group() not in re.findall("`+", inner), "nothing within closes it"
    assert not re.search(r"(?<!\\)\|", inner)
