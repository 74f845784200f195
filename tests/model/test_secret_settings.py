"""A secret is read in one way from setting, file and environment; what is wrong with its source is named, it itself never, and it is held."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, SecretStr

from monitor.model import secrecy, secret_settings
from monitor.model.secrecy import VEIL, veiled
from monitor.model.secret_settings import LARGEST, NoSecret, exposed, file_text, from_environment, from_file, one_of, secret, secret_lines


@pytest.fixture(autouse=True)
def _nothing_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrecy, "_held", set())


def test_setting_file_and_environment_give_the_same_and_each_is_held(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text(" first-secret\r\n\n")
    assert secret("token", None, path) == "first-secret"
    assert secret("token", SecretStr(" second-secret\n")) == "second-secret"
    assert from_environment("env", "OUR_KEY", {"OUR_KEY": "third-secret "}) == "third-secret ", "a password may end with a space"
    assert secret("token", None) is None and secret_lines("token", None) == ()
    for word in ("first", "second", "third"):
        assert veiled(f"it said {word}-secret!") == f"it said {VEIL}!"


def test_an_address_among_others_is_taken_apart_and_a_changed_file_counts(tmp_path: Path) -> None:
    path = tmp_path / "urls"
    path.write_text("http://a.example/plain\nhttp://ann:hunter2hunter2@b.example/\n")
    assert secret_lines("urls", None, path) == ("http://a.example/plain", "http://ann:hunter2hunter2@b.example/")
    assert veiled("at b.example: hunter2hunter2") == f"at b.example: {VEIL}"
    path.write_text("\ufeffhttp://c.example/\n", "utf-8")
    assert secret_lines("urls", None, path) == ("http://c.example/",), "what Windows writes before a text is no part of it"


def test_a_text_of_which_a_part_is_secret_is_held_by_its_reader(tmp_path: Path) -> None:
    (tmp_path / "keystore").write_text('{"address": "7e5f4552091a69125d5dfcb7b8c2659029395bdf"}\n')
    assert veiled(file_text("keystore_file", tmp_path / "keystore")).count("7e5f4552") == 1


@pytest.mark.parametrize(
    ("made", "says"),
    [
        (lambda p: None, "token_file .*/it is not there: check its path, or write the secret into it"),
        (lambda p: p.mkdir(), "token_file .*/it is a folder: name the file in it; Docker makes a folder where"),
        (lambda p: p.write_text(" \n"), "token_file .*/it is empty: write the secret alone into it"),
        (lambda p: p.write_bytes(b"canary5ecret\xff"), "token_file .*/it is not UTF-8 text: write the secret alone into it, as plain text"),
        (lambda p: p.write_text("canary5ecret" * LARGEST), f"token_file .*/it is larger than {LARGEST} bytes: that is no secret"),
        (lambda p: p.write_text("canary5ecret\nand\nmore"), "token_file .*/it holds 3 lines where one is expected"),
        (lambda p: p.symlink_to(p), r"token_file .*/it cannot be read \(Too many levels of symbolic links\): check its path"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_file_is_named_with_its_remedy(tmp_path: Path, made: object, says: str) -> None:
    made(tmp_path / "it")  # type: ignore[operator]
    with pytest.raises(NoSecret, match=says) as caught:
        secret("token", None, tmp_path / "it")
    assert str(caught.value) == f"{caught.value.reason}: {caught.value.remedy}" and "canary" not in str(caught.value)


def test_a_file_that_others_own_is_told_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The far end here is the kernel; a test that runs as root would be let through."""

    def denied(*_: object, **__: object) -> object:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", denied)
    with pytest.raises(NoSecret, match=r"web\.token_file /x may not be read: make the user that runs Stakewarden its owner"):
        from_file("web.token_file", Path("/x"))


def test_an_empty_setting_and_a_variable_that_is_not_set_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OUR_KEY", raising=False)
    with pytest.raises(NoSecret, match=r"web\.token is empty: .*unset its variable"):
        secret("web.token", SecretStr(" "))
    for environment in ({"OUR_KEY": " "}, None):
        with pytest.raises(NoSecret, match="env: the environment variable OUR_KEY is not set: set it for this process, or name a file"):
            from_environment("env", "OUR_KEY", environment)
    with pytest.raises(NoSecret, match="give the name of the environment variable") as caught:
        from_environment("env", "c0ffee5ec4e7" * 6, {})
    assert "c0ffee" not in str(caught.value), "somebody gave the key itself"


def test_one_source_is_given() -> None:
    value, file = SecretStr("x"), Path("x")
    one_of("url", value, None)
    one_of("url", None, file)
    one_of("url", None, None, required=False)
    for required in (True, False):
        with pytest.raises(ValueError, match="give either url or url_file, not both"):
            one_of("url", value, file, required)
    with pytest.raises(ValueError, match=r"give either url \(.*\) or url_file \(a file that holds it\)"):
        one_of("url", None, None)


@given(st.binary(max_size=200))
def test_whatever_a_file_holds_is_read_as_lines_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any"
    path.write_bytes(content)
    try:
        lines = secret_lines("token", None, path)
    except NoSecret as wrong:
        assert wrong.reason.startswith(f"token_file {path} ")
        return
    assert lines and all(line and line == line.strip() for line in lines)
    assert "".join("".join(lines).split()) == "".join(content.decode("utf-8-sig").split()), "nothing but white space is left out"


class _Inner(BaseModel):
    key_file: Path | None = None
    ca_file: Path | None = None
    levers_file: Path | None = None
    rules: Path | None = None


class _Model(BaseModel):
    inner: tuple[_Inner, ...]


@pytest.fixture
def outside() -> Iterator[Path]:
    """A folder into which every user can look; pytest's own are closed."""
    with TemporaryDirectory() as made:
        Path(made).chmod(0o755)
        yield Path(made)


def test_a_file_that_every_user_can_read_is_told_and_mounts_of_containers_are_not(outside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def lines(path: Path) -> list[str]:
        return exposed(_Model(inner=(_Inner(), _Inner(key_file=path, ca_file=path, levers_file=path, rules=path))))

    key = outside / "folder" / "key"
    key.parent.mkdir(mode=0o755)
    key.write_text("canary5ecret")
    key.chmod(0o644)
    (told,) = lines(key)
    assert told.startswith(f"inner.1.key_file {key} can be read by every user of this machine: chmod 0400")
    key.parent.chmod(0o750)
    assert lines(key) == [], "nobody else gets to it"
    key.parent.chmod(0o755)
    (outside / "link").symlink_to(key)
    assert lines(outside / "link"), "what counts is the file itself"
    monkeypatch.setattr(secret_settings, "MOUNTED", (outside,))
    assert lines(key) == lines(outside / "link") == [], "a container has no other users"
    monkeypatch.undo()
    key.chmod(0o640)
    assert lines(key) == lines(outside / "nowhere") == []
