"""A tracking server that is silent for a while is asked again; one that refuses is not."""

from __future__ import annotations

import pytest
from mlflow.exceptions import MlflowException

from waypost.errors import WaypostError
from waypost.tracking import connection
from waypost.tracking.connection import SilentServerError, insisted

URI = "http://127.0.0.1:1"


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "_PAUSE_SECONDS", 0.0)


class Server:
    """Is silent for some calls, and answers then; or refuses."""

    def __init__(self, silent: int, *, refuses: bool = False) -> None:
        self.silent = silent
        self.refuses = refuses

    def answer(self) -> str:
        if self.refuses:
            raise MlflowException("no such run")
        if self.silent:
            self.silent -= 1
            raise MlflowException("Max retries exceeded") from ConnectionRefusedError(111, "refused")
        return "answer"


def test_a_server_that_comes_back() -> None:
    """The call is repeated until it is answered; whoever waits hears why each time."""
    heard: list[str] = []
    assert insisted(Server(3).answer, URI, heard.append) == "answer"
    assert len(heard) == 3
    assert all("no answer" in problem for problem in heard)


def test_a_server_that_stays_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """After two minutes the error is that of the server, with what helps."""
    monkeypatch.setattr(connection, "_INSISTENT_SECONDS", -1.0)
    with pytest.raises(SilentServerError, match="no answer") as told:
        insisted(Server(1).answer, URI, lambda _: None)
    assert "is the server up" in told.value.hint


def test_a_server_that_refuses() -> None:
    """A refusal is an answer: nothing is repeated."""
    heard: list[str] = []
    with pytest.raises(WaypostError, match="no such run") as told:
        insisted(Server(0, refuses=True).answer, URI, heard.append)
    assert not isinstance(told.value, SilentServerError)
    assert heard == []


def test_nobody_waits_any_more() -> None:
    """What the wait raises ends the repetitions: a step that nobody wants does not stay for a server."""

    def stop(_: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        insisted(Server(9).answer, URI, stop)


@pytest.mark.parametrize(
    ("cause", "words"),
    [
        ("NewConnectionError('HTTPConnection(host=x): Failed: [Errno 111] refused')", "[Errno 111] refused"),
        (
            "ProtocolError('Aborted.', RemoteDisconnected('Remote end closed'))",
            "Remote end closed",
        ),
        ("ProtocolError('Aborted.', ConnectionResetError(104, 'Reset by peer'))", "Reset by peer"),
        ("ResponseError('too many 500 error responses')", "too many 500 error responses"),
    ],
)
def test_words_of_a_silent_server(cause: str, words: str) -> None:
    """The cause is told in its own words, without the address asked and the names of classes."""
    text = f"API request failed: Max retries exceeded with url: /api/runs/get?run_id=1 (Caused by {cause})"

    def ask() -> None:
        raise MlflowException(text) from ConnectionError("x")

    with pytest.raises(SilentServerError) as told, connection.tracking_errors(URI):
        ask()
    assert str(told.value) == f"tracking server {URI}: no answer ({words})"


def test_a_proxy_before_a_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy of the environment is named, without its password: often the server is to be left out of it."""
    for name in ("http_proxy", "no_proxy", "NO_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", "http://me:word@proxy:3128")
    hint = SilentServerError("no answer", "http://tracking.example.org").hint
    assert hint.startswith(
        "asked through the proxy http://proxy:3128: NO_PROXY leaves it out; is the server up"
    )
    monkeypatch.setenv("no_proxy", "tracking.example.org")
    assert SilentServerError("no answer", "http://tracking.example.org").hint.startswith("is the server up")
    assert SilentServerError("no answer", "sqlite:///mlflow.db").hint.startswith("is the server up")
