"""The tokens of a job, as real servers are offered them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.repositories import HttpServer, Repository, http_server, make_repository
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


def offered(server: HttpServer) -> set[str]:
    """Returns the passwords that a server was offered since the last time."""
    found = set(server.offered)
    server.offered.clear()
    return found
