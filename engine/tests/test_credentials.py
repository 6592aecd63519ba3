"""The tokens of a job, as real servers are offered them."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.repositories import HttpServer, Repository, http_server, in_thread, make_repository
from waypost.ci.credentials import lend
from waypost.errors import RemoteError
from waypost.sources import remotes


def served(folder: Path, name: str) -> Repository:
    repository = make_repository(folder / name)
    repository.release("1.0.0")
    return repository


def test_a_token_is_given_to_its_address_alone(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A private repository is read with the token for it. Another server that asks for credentials is offered
    none, and another repository of the same server only what is for the whole server.
    """
    for name in ("mine", "components"):
        served(workplace / "one", name)
    served(workplace / "two", "components")
    monkeypatch.setenv("WAYPOST_TOKEN", "for-mine")
    monkeypatch.setenv("COMPONENTS_TOKEN", "for-components")
    with http_server(workplace / "one") as one, http_server(workplace / "two") as two:
        lend({one.url: "COMPONENTS_TOKEN", f"{one.url}/mine/.git": "WAYPOST_TOKEN"})
        one.password, two.password = "for-mine", "for-mine"
        assert remotes.tags_of(f"{one.url}/mine/.git")
        assert offered(one) == {"for-mine"}
        one.password = "for-components"
        assert remotes.tags_of(f"{one.url}/components/.git")
        assert offered(one) == {"for-components"}
        with pytest.raises(RemoteError, match="asks for credentials"):
            remotes.tags_of(f"{two.url}/components/.git")
        assert offered(two) == set()


@pytest.mark.parametrize("asks", [False, True])
def test_a_redirect_takes_no_token_along(
    workplace: Path, monkeypatch: pytest.MonkeyPatch, asks: bool
) -> None:
    """A server that sends git elsewhere, at once or after it got the token, brings that to nobody else."""
    served(workplace / "two", "mine")
    monkeypatch.setenv("WAYPOST_TOKEN", "for-mine")
    with http_server(workplace / "two") as two:
        two.password = "for-mine"

        class Elsewhere(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                is_asking = asks and not self.headers.get("Authorization")
                self.send_response(401 if is_asking else 302)
                self.send_header("WWW-Authenticate" if is_asking else "Location", self._where(is_asking))
                self.send_header("Content-Length", "0")
                self.end_headers()

            def _where(self, is_asking: bool) -> str:
                return 'Basic realm="git"' if is_asking else f"{two.url}{self.path}"

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere)
        with in_thread(server):
            url = f"http://127.0.0.1:{server.server_port}/mine/.git"
            lend({url: "WAYPOST_TOKEN"})
            with pytest.raises(RemoteError, match="asks for credentials"):
                remotes.tags_of(url)
        assert two.requests
        assert offered(two) == set()


def offered(server: HttpServer) -> set[str]:
    """Returns the passwords that a server was offered since the last time."""
    found = set(server.offered)
    server.offered.clear()
    return found
