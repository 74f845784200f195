"""Whose validator each is: operators, the unlisted, the foreign; and what the book says of itself."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from monitor.model import address
from monitor.protocols.keys import book as books
from monitor.protocols.keys.book import STALE_SECONDS, KeyBook, Listing
from monitor.protocols.signals import KeyModule, KeyOperator, KeyRun

OURS, FOREIGN = b"\x01" + bytes(11) + b"\xaa" * 20, b"\x01" + bytes(11) + b"\xbb" * 20
COMPOUNDING = b"\x02" + OURS[1:]
NOW = 1_700_000_000


def key(text: str) -> bytes:
    return text.encode().ljust(48, b".")


def listing(module: int, *operators: tuple[str | None, int], title: str = "curated") -> Listing:
    known = {i: KeyOperator(i, name, deposited) for i, (name, deposited) in enumerate(operators)}
    total = sum(n for _, n in operators)
    where = address(f"0x{module:040x}")
    return Listing(KeyModule(module, title, where, "registry", 1, total, len(operators)), known, NOW)


def state(*validators: tuple[str, bytes]) -> tuple[np.ndarray, np.ndarray]:
    keys, credentials = b"".join(key(k) for k, _ in validators), b"".join(c for _, c in validators)
    return np.frombuffer(keys, "V48"), np.frombuffer(credentials, "V32")


@pytest.fixture
def book() -> KeyBook:
    """One module with operators Ash (keys a0, a1) and Birch (key b0)."""
    book = KeyBook(["lido"])
    book.put_credentials("lido", frozenset({OURS, COMPOUNDING}))
    book.put_listing("lido", listing(1, ("Ash", 2), ("Birch", 1)))
    book.add("lido", 1, KeyRun(0, 0, 2), key("a0") + key("a1"))
    book.add("lido", 1, KeyRun(1, 0, 1), key("b0"))
    book.checked("lido", [1], {1: NOW}, [])
    return book


def owners_of(book: KeyBook, *validators: tuple[str, bytes]) -> list[tuple[str, str] | None]:
    owners = book.owners(*state(*validators))
    return [owners.group(i) for i in range(len(validators))]


def test_each_validator_is_whose_key_it_is(book: KeyBook) -> None:
    found = owners_of(book, ("b0", OURS), ("x", FOREIGN), ("a1", COMPOUNDING), ("a0", OURS))
    assert found == [("lido", "curated #1 Birch"), None, ("lido", "curated #0 Ash"), ("lido", "curated #0 Ash")]


def test_our_credentials_without_a_key_of_ours_are_unlisted(book: KeyBook) -> None:
    assert owners_of(book, ("x", OURS), ("y", COMPOUNDING), ("z", b"\x00" + OURS[1:])) == [("lido", "unlisted")] * 2 + [None]


def test_our_key_with_foreign_credentials_is_nobodys_and_counted(book: KeyBook) -> None:
    owners = book.owners(*state(("a0", FOREIGN), ("a1", OURS), ("b0", bytes(32))))
    assert [owners.group(i) for i in range(3)] == [None, ("lido", "curated #0 Ash"), None]
    assert owners.foreign == {("lido", "curated #0 Ash"): 1, ("lido", "curated #1 Birch"): 1}


def test_credentials_that_change_are_seen_though_the_registry_only_grew(book: KeyBook) -> None:
    """0x01 to 0x02 is ordinary; a validator that turned from BLS to another's address is not."""
    assert owners_of(book, ("a0", OURS), ("x", bytes(32))) == [("lido", "curated #0 Ash"), None]
    assert owners_of(book, ("a0", COMPOUNDING), ("x", OURS)) == [("lido", "curated #0 Ash"), ("lido", "unlisted")]
    assert book.owners(*state(("a0", FOREIGN), ("x", OURS), ("b0", OURS))).foreign == {("lido", "curated #0 Ash"): 1}


def test_before_credentials_are_known_nobody_is_accused(book: KeyBook) -> None:
    book.put_credentials("lido", frozenset())
    owners = book.owners(*state(("a0", OURS), ("x", OURS)))
    assert owners.of.tolist() == [-1, -1] and owners.foreign == {}


def test_a_rename_changes_the_label_and_no_groups_place(book: KeyBook) -> None:
    before = book.owners(*state(("b0", OURS), ("a0", OURS)))
    book.put_listing("lido", listing(1, ("Ash", 2), ("Birch & Partners", 1)))
    after = book.owners(*state(("b0", OURS), ("a0", OURS)))
    assert after.of.tolist() == before.of.tolist()
    assert after.group(0) == ("lido", "curated #1 Birch & Partners")


def test_a_name_that_could_not_be_read_stays(book: KeyBook) -> None:
    book.put_listing("lido", listing(1, (None, 2), ("Birch", 1), (None, 0)))
    assert owners_of(book, ("a0", OURS)) == [("lido", "curated #0 Ash")]
    assert book.shelf("lido").listings[1].operators[2].name == ""


def test_labels_are_bounded_and_nobody_is_lost(book: KeyBook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(books, "MAX_GROUPS", 2)
    book.put_listing("lido", listing(3, *((f"n{i}", 1) for i in range(5)), title="Community Staking"))
    for i in range(5):
        book.add("lido", 3, KeyRun(i, 0, 1), key(f"c{i}"))
    found = owners_of(book, *((k, OURS) for k in ("a0", "b0", "c0", "c4")))
    assert found == [("lido", "curated #0 Ash"), ("lido", "curated #1 Birch")] + [("lido", "Community Staking others")] * 2
    assert len(book.owners(*state(("a0", OURS))).groups) == 4


def test_keys_come_in_the_order_of_their_operator(book: KeyBook) -> None:
    with pytest.raises(ValueError, match="from 5, but 2 are there"):
        book.add("lido", 1, KeyRun(0, 5, 1), key("a5"))
    assert book.shelf("lido").missing(1, 10) == []
    book.put_listing("lido", listing(1, ("Ash", 7), ("Birch", 1)))
    assert book.shelf("lido").missing(1, 2) == [KeyRun(0, 2, 2), KeyRun(0, 4, 2), KeyRun(0, 6, 1)]


def test_complete_means_that_every_module_was_in_step_lately(book: KeyBook) -> None:
    assert book.complete(NOW) == frozenset({"lido"})
    assert book.complete(NOW + STALE_SECONDS) and not book.complete(NOW + STALE_SECONDS + 1)
    book.checked("lido", [1], {}, ["module 1: no answer"])
    assert book.complete(NOW + STALE_SECONDS) and not book.complete(NOW + STALE_SECONDS + 1)
    assert book.progress()[0].problems == ("module 1: no answer",)
    book.checked("lido", [1, 4], {1: NOW}, ["module 4: unknown type"])
    assert not book.complete(NOW)
    book.checked("lido", [1, 4], {1: NOW, 4: NOW}, [])
    assert book.complete(NOW)
    book.drop("lido", 1, 1)
    assert not book.complete(NOW)
    assert not KeyBook(["lido"]).complete(NOW)


def test_dropped_keys_are_nobodys_until_they_are_read_again(book: KeyBook) -> None:
    assert owners_of(book, ("a0", OURS), ("b0", OURS))[0] == ("lido", "curated #0 Ash")
    book.drop("lido", 1, 0)
    assert owners_of(book, ("a0", OURS), ("b0", OURS)) == [("lido", "unlisted"), ("lido", "curated #1 Birch")]
    assert book.keys().tobytes() == key("b0")
    book.add("lido", 1, KeyRun(0, 0, 1), key("other"))
    assert book.keys().tobytes() == key("b0") + key("other")
    assert owners_of(book, ("a0", OURS), ("other", OURS)) == [("lido", "unlisted"), ("lido", "curated #0 Ash")]
    book.drop("lido", 1)
    assert book.shelf("lido").directory == {} and owners_of(book, ("b0", OURS)) == [("lido", "unlisted")]


def test_a_key_of_two_operators_is_the_firsts_and_told(book: KeyBook) -> None:
    book.put_listing("lido", listing(1, ("Ash", 2), ("Birch", 3)))
    book.add("lido", 1, KeyRun(1, 1, 2), key("a0") + key("b0"))
    assert owners_of(book, ("a0", OURS), ("b0", OURS)) == [("lido", "curated #0 Ash"), ("lido", "curated #1 Birch")]
    assert book.progress()[0].repeated == 2


def test_two_protocols_do_not_take_each_others_validators() -> None:
    book = KeyBook(["lido", "other"])
    for name, credentials, mine in (("lido", OURS, "l"), ("other", FOREIGN, "o")):
        book.put_credentials(name, frozenset({credentials}))
        book.put_listing(name, listing(1, ("One", 1)))
        book.add(name, 1, KeyRun(0, 0, 1), key(mine))
    owners = book.owners(*state(("l", OURS), ("o", FOREIGN), ("l2", OURS), ("o2", FOREIGN)))
    names = [owners.group(i) for i in range(4)]
    assert names == [("lido", "curated #0 One"), ("other", "curated #0 One"), ("lido", "unlisted"), ("other", "unlisted")]
    crossed = book.owners(*state(("l", FOREIGN)))
    assert crossed.group(0) == ("other", "unlisted") and crossed.foreign == {("lido", "curated #0 One"): 1}


def test_readers_of_the_book_are_not_disturbed_by_its_writer(book: KeyBook) -> None:
    book.put_listing("lido", listing(1, ("Ash", 2), ("Birch", 4001)))
    asked = state(("a0", OURS), ("k1999", OURS), ("x", OURS))
    wrong: list[object] = []

    def ask() -> None:
        for _ in range(40):
            groups = book.owners(*asked)
            found = [groups.group(i) for i in range(3)]
            if found[0] != ("lido", "curated #0 Ash") or found[1] not in (("lido", "unlisted"), ("lido", "curated #1 Birch")):
                wrong.append(found)

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    for i in range(400):
        book.add("lido", 1, KeyRun(1, 1 + 10 * i, 10), b"".join(key(f"k{10 * i + j}") for j in range(10)))
    for thread in threads:
        thread.join()
    assert wrong == []
    assert owners_of(book, ("k1999", OURS), ("k3999", OURS)) == [("lido", "curated #1 Birch")] * 2
