"""Where a cluster is, and why it cannot be reached: told in one line, by real handshakes on this machine."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import dask.config
import pytest

from tests.certificates import Authority
from waypost.cluster.connection import Worker, connected
from waypost.cluster.security import (
    Tls,
    check_encrypted,
    check_reachable,
    context_of,
    parse_address,
)
from waypost.errors import RemoteError, UsageError, WaypostError


@contextlib.contextmanager
def server(context: ssl.SSLContext | None) -> Iterator[int]:
    """Speaks first to whoever connects, as Dask's servers do; gives its port."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer() -> None:
            while True:
                try:
                    accepted, _ = listening.accept()
                except OSError:
                    return
                with contextlib.suppress(OSError), accepted:
                    stream = context.wrap_socket(accepted, server_side=True) if context else accepted
                    stream.sendall(b"hello")
                    stream.close()

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)
        thread.join(5)


def listening(authority: Authority, valid: timedelta = timedelta(days=1)) -> ssl.SSLContext:
    """Returns what a server listens with that asks for certificates."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=authority.file)
    context.load_cert_chain(*authority.issue("scheduler", valid))
    context.verify_mode = ssl.CERT_REQUIRED
    return context


def said(address: str, tls: Tls | None = None) -> str:
    """Returns what is said of a connection, nothing where it works."""
    place = parse_address(address)
    try:
        check_reachable(place, context_of(place, (tls or Tls()).security()), 1.0)
    except RemoteError as error:
        return str(error).removeprefix(f"{place}: ")
    return ""


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("tls://node:8786", "tls://node:8786"),
        ("tcp://10.0.0.1", "tcp://10.0.0.1:8786"),
        ("tls://[fd00::1]:80", "tls://[fd00::1]:80"),
        ("tls://[fd00::1]", "tls://[fd00::1]:8786"),
    ],
)
def test_addresses(text: str, shown: str) -> None:
    """An address has a scheme and a host; the port is Dask's where none is named."""
    assert str(parse_address(text)) == shown


@pytest.mark.parametrize(
    "text",
    ["", "node:8786", "http://node:8786", "tls://", "tls://:1", "tcp://node:x", "tcp://node:65536"],
)
def test_no_addresses(text: str) -> None:
    """Anything else is refused, with an example."""
    with pytest.raises(UsageError, match="not a scheduler address") as caught:
        parse_address(text)
    assert caught.value.hint == "such as tls://scheduler:8786"


def test_without_tls() -> None:
    """tcp:// to another machine is warned of, and refused where Dask's configuration forbids it."""
    heard: list[str] = []
    for address in ("tls://node", "tcp://localhost", "tcp://127.0.0.7", "tcp://[::1]"):
        check_encrypted(parse_address(address), heard.append)
    assert heard == []
    check_encrypted(parse_address("tcp://node"), heard.append)
    assert "anyone who reaches this port can run code on the cluster" in heard[0]
    with dask.config.set({"distributed.comm.require-encryption": True}):
        check_encrypted(parse_address("tls://node"), heard.append)
        for address in ("tcp://node", "tcp://127.0.0.1"):
            with pytest.raises(UsageError, match="require-encryption is set") as caught:
                check_encrypted(parse_address(address), heard.append)
            assert caught.value.hint.startswith("use tls://")
    assert len(heard) == 1


def test_certificates_come_from_dasks_configuration(tmp_path: Path) -> None:
    """What no option names is Dask's own: one set of variables for its commands and ours; a worker's
    certificate is that of workers.
    """
    ours = {"ca-file": "ca", "client.cert": "c", "client.key": "ck", "worker.cert": "w", "worker.key": "wk"}
    with dask.config.set({f"distributed.comm.tls.{key}": value for key, value in ours.items()}):
        assert Tls().security().get_tls_config_for_role("client")["cert"] == "c"
        assert Tls().security("worker").get_tls_config_for_role("client")["key"] == "wk"
        named = Tls(cert=tmp_path / "own").security().get_tls_config_for_role("client")
        # A key of another certificate would not fit: the own one may stand in the same file.
        assert (named["ca_file"], named["cert"], named["key"]) == ("ca", str(tmp_path / "own"), None)


def test_no_certificates_that_can_be_used(tmp_path: Path) -> None:
    """tls:// without certificates, or with files that are none, names options, variables and files."""
    place = parse_address("tls://node")
    with pytest.raises(UsageError, match="TLS needs a CA certificate") as caught:
        context_of(place, Tls().security())
    assert "--tls-ca-file" in caught.value.hint
    assert "DASK_DISTRIBUTED__COMM__TLS__CA_FILE, …__TLS__CLIENT__CERT" in caught.value.hint
    authority = Authority(tmp_path)
    cert, _ = authority.issue("client")
    _, other = authority.issue("other")
    nothing = tmp_path / "nothing.pem"
    nothing.write_text("nothing")
    for tls in (Tls(authority.file, cert, other), Tls(nothing, cert), Tls(authority.file, tmp_path / "none")):
        with pytest.raises(UsageError, match="cannot be used as certificates and key"):
            context_of(place, tls.security())


def test_each_way_to_fail_has_its_words(tmp_path: Path) -> None:
    """Nobody there, no such machine, no TLS there, TLS there, another authority, certificates that expired on
    either side or are missing: each is one line.
    """
    ours, others = Authority(tmp_path / "ours"), Authority(tmp_path / "others", "others")
    ours.folder.mkdir()
    others.folder.mkdir()
    good = Tls(ours.file, *ours.issue("client"))
    with server(listening(ours)) as port:
        address = f"tls://127.0.0.1:{port}"
        assert said(address, good) == ""
        assert said(f"tcp://127.0.0.1:{port}") in ("no answer", "the other side closed the connection")
        stranger = Tls(others.file, *ours.issue("one"))
        assert said(address, stranger) == "a different CA signed the scheduler's certificate"
        expired = Tls(ours.file, *ours.issue("two", -timedelta(days=1)))
        assert said(address, expired) == "our certificate has expired"
        unknown = Tls(ours.file, *others.issue("three"))
        assert said(address, unknown) == "the scheduler does not know the CA that signed our certificate"
    assert said(address, good) == "nothing listens there"
    with server(listening(ours, -timedelta(days=1))) as port:
        assert said(f"tls://127.0.0.1:{port}", good) == "the scheduler's certificate has expired"
    with server(None) as port:
        assert said(f"tcp://127.0.0.1:{port}") == ""
        assert said(f"tls://127.0.0.1:{port}", good) == "the server there does not use TLS"
        with (
            pytest.raises(RemoteError, match="not a Dask scheduler"),
            connected(f"tcp://127.0.0.1:{port}", seconds=1),
        ):
            pass
    assert said("tcp://no-such-machine.invalid:1") == "there is no host of that name"


def test_what_a_worker_has() -> None:
    """A task that asks for more than a worker has at all, or for what it does not name, never runs there."""
    worker = Worker("tcp://a:1", "a", "a", 2, 0, {"CPU": 2, "MEMORY_MB": 1000})
    assert worker.has({})
    assert worker.has({"CPU": 2, "MEMORY_MB": 1000})
    assert not worker.has({"CPU": 3})
    assert not worker.has({"GPU": 1})


def test_errors_are_those_of_the_house() -> None:
    """A cluster that cannot be reached is a remote that cannot: exit code 3."""
    assert issubclass(RemoteError, WaypostError)
    assert RemoteError.exit_code == 3
