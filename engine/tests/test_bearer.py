"""The bearer token of `waypost serve`: what guards holds a token, or nothing is served."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.conftest import Call
from tests.serving import SERVE
from waypost.errors import UsageError
from waypost.serving.tokens import Bearer, Guard, doubts, tokens_of


@pytest.mark.parametrize(
    "content",
    [
        *(b"open-sesame", b"open-sesame\n", b"open-sesame\r\n", b"\n  open-sesame\t\n\n"),
        b"\xef\xbb\xbfopen-sesame\r\n",
    ],
)
def test_a_token_is_the_line_of_a_file(tmp_path: Path, content: bytes) -> None:
    """Line ends of any system, blanks around it and a byte order mark are no part of a token."""
    file = tmp_path / "token"
    file.write_bytes(content)
    assert tokens_of(file, {"WAYPOST_TOKEN": ""}) == {"": ("open-sesame",)}


NO_TOKENS = {
    "empty": (b"", "it has no token"),
    "blank": (b"\n", "it has no token"),
    "many blanks": (b" \t\r\n\x0c\n", "it has no token"),
    "a mark only": (b"\xef\xbb\xbf\r\n", "it has no token"),
    "a comment": (b"# the token goes here\n\n# really\n", "it has no token, only a comment"),
    "two tokens": (b"open\nsesame\n", "2 lines; a token is one line"),
    "a comment and a token": (b"# ours\nsesame\n", "2 lines; a token is one line"),
    "blanks within": (b"open sesame\n", "blanks or invisible characters"),
    "invisible": ("\u200b\n".encode(), "blanks or invisible characters"),
    "a zero byte": (b"open\0sesame", "blanks or invisible characters"),
    "UTF-16": ("open".encode("utf-16"), "the token is not UTF-8"),
    "a large file": (b"x" * 65_537, "more than 65,536 bytes"),
}


@pytest.mark.parametrize("name", NO_TOKENS)
def test_a_file_without_a_token_is_refused(tmp_path: Path, name: str) -> None:
    """A file that holds no token, or more than one, is refused by name, and its content is not repeated."""
    content, message = NO_TOKENS[name]
    file = tmp_path / "token"
    file.write_bytes(content)
    with pytest.raises(UsageError, match=message) as error:
        tokens_of(file, {})
    assert str(error.value).startswith(f"{file}: ")
    assert "sesame" not in f"{error.value} {error.value.hint}"


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    """A folder, or no file at all, is told with its name."""
    for file in (tmp_path, tmp_path / "nothing"):
        with pytest.raises(UsageError, match=f"{file}: the token cannot be read"):
            tokens_of(file, {})


@pytest.mark.parametrize("value", ["", " ", "\n", "# none", "open sesame"])
def test_a_variable_without_a_token_is_refused(value: str) -> None:
    """WAYPOST_TOKEN that is set and holds no token is refused; a variable that is not set asks for none."""
    with pytest.raises(UsageError, match="WAYPOST_TOKEN: "):
        tokens_of(None, {"WAYPOST_TOKEN": value})
    assert tokens_of(None, {}) == {}
    assert tokens_of(None, {"WAYPOST_TOKEN": "open-sesame\n"}) == {"": ("open-sesame",)}


def test_what_guards_little_is_told(tmp_path: Path) -> None:
    """A token that can be guessed, and a file that others can read, are told."""
    file = tmp_path / "token"
    file.touch(0o600)
    assert list(doubts({"": ("0123456789abcdef",)}, file)) == []
    assert list(doubts({}, None)) == []
    file.chmod(0o640)
    told = list(doubts({"": ("open",), "app": ("0123456789abcdef", "sesame")}, file))
    assert told[0] == "the token has 4 characters: it can be guessed; use 16 or more"
    assert told[1].startswith("the token of app has 6 characters")
    assert f"chmod 600 {file}" in told[2]


def bearer(token: str) -> Bearer:
    return Bearer({"app": (token,)})


def test_a_header_is_compared_whole() -> None:
    """The token and nothing else is accepted."""
    guarded = bearer("open-sesame")
    assert guarded.caller(b"Bearer open-sesame") == "app"
    for header in (b"", b"Bearer ", b"Bearer open", b"Bearer open-sesame!", b"open-sesame", b"Bearer \xff"):
        assert guarded.caller(header) is None


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_a_token_may_have_any_letters(encoding: str) -> None:
    """A token that is not ASCII is accepted as any client sends it: UTF-8 or latin-1."""
    assert bearer("grüezi").caller("Bearer grüezi".encode(encoding)) == "app"
    assert bearer("grüezi").caller("Bearer gruezi".encode(encoding)) is None
    assert bearer("東京").caller("Bearer 東京".encode()) == "app"
    assert bearer("東京").caller(b"Bearer ??") is None


def test_callers_have_tokens_of_their_own(tmp_path: Path) -> None:
    """A file may have a line for each caller, comments, and two lines for one whose token is replaced."""
    file = tmp_path / "tokens"
    file.write_text("# ours\nmobile-app: open-sesame\n\nbatch@night:\tsimsim\nmobile-app: new-sesame\n")
    tokens = tokens_of(file, {})
    assert tokens == {"mobile-app": ("open-sesame", "new-sesame"), "batch@night": ("simsim",)}
    guarded = Bearer(tokens)
    found = [
        guarded.caller(f"Bearer {token}".encode()) for token in ("open-sesame", "new-sesame", "simsim", "x")
    ]
    assert found == ["mobile-app", "mobile-app", "batch@night", None]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("app: sesame\nsimsim\n", "line 2 is not of the form `NAME: TOKEN`"),
        ("app: sesame\n# x\nother: sesame\n", "line 3 has the token of another line"),
        ("app: open sesame\n", "line 1: the token has blanks"),
    ],
)
def test_a_file_of_callers_is_whole(tmp_path: Path, text: str, message: str) -> None:
    """A line without a name, with another's token, or with one that nobody can bring is refused by number."""
    file = tmp_path / "tokens"
    file.write_text(text)
    with pytest.raises(UsageError, match=message) as error:
        tokens_of(file, {})
    assert "sesame" not in f"{error.value} {error.value.hint}"


def test_tokens_are_read_again_where_they_change(tmp_path: Path) -> None:
    """Another content counts; one that holds no token, or no file, is told, and those of before count."""
    file = tmp_path / "tokens"
    file.write_text("app: open-sesame\n")
    guard = Guard(file, {})
    assert not guard.follow()
    file.write_text("app: simsim\n")
    assert guard.follow()
    for break_it in (lambda: file.write_text(""), file.unlink):
        break_it()
        with pytest.raises(UsageError, match=str(file)):
            guard.follow()
        assert not guard.follow()
        assert guard.bearer
        assert guard.bearer.caller(b"Bearer simsim") == "app"


def test_serve_refuses_to_start_without_the_token(workplace: Path, call: Call) -> None:
    """`waypost serve` with an empty token file or an empty variable: exit code 2 and one line, no server."""
    (workplace / "blank").write_text("\n")
    for options, env in ((["--token-file", "blank"], {}), ([], {"WAYPOST_TOKEN": ""})):
        result = call(*SERVE, "nothing", "--port", "0", *options, env={**os.environ, **env})
        assert result.returncode == 2
        assert "it has no token" in result.stderr
        assert "Traceback" not in result.stderr
