"""download: what it promises, against a real HTTP server."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from componentkit.arguments import ComponentError
from download.fetch import fetch, file_name, redact, verify

CONTENT = bytes(range(256)) * 40_000  # 10 MB: two of fsspec's blocks


class Server(BaseHTTPRequestHandler):
    """Serves CONTENT with ranges; /cut breaks the first transfer off, /plain knows no ranges."""

    protocol_version = "HTTP/1.1"
    requests: list[str]

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        span = self.headers.get("Range")
        if body:
            self.requests.append(f"{self.path} {span}")
        if self.path.startswith("/missing"):
            self.send_error(404)
            return
        if self.path.startswith("/down"):
            self.send_error(503)
            return
        ranged = bool(span) and not self.path.startswith("/plain")
        start, end = 0, len(CONTENT) - 1
        if ranged and span is not None:
            first, _, last = span.removeprefix("bytes=").partition("-")
            start, end = int(first), min(int(last or end), end)
        self.send_response(206 if ranged else 200)
        if not self.path.startswith("/plain"):
            self.send_header("Accept-Ranges", "bytes")
        if ranged:
            self.send_header("Content-Range", f"bytes {start}-{end}/{len(CONTENT)}")
        self.send_header("Content-Length", str(end - start + 1))
        self.end_headers()
        if not body:
            return
        piece = CONTENT[start : end + 1]
        if "cut" in self.path and len(self.requests) == 1:
            self.wfile.write(piece[:4_000_000])
            self.close_connection = True
            return
        self.wfile.write(piece)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    Server.requests = []
    http = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    http.daemon_threads = True
    thread = threading.Thread(target=http.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{http.server_address[1]}"
    http.shutdown()
    http.server_close()


@pytest.mark.parametrize("path", ["/file.csv", "/plain.csv"])
def test_streams_whole_file(server: str, tmp_path: Path, path: str) -> None:
    """A file arrives whole from servers with and without range requests."""
    fetch(server + path, tmp_path / "file", retries=0)
    assert (tmp_path / "file").read_bytes() == CONTENT


def test_resumes_after_cut(server: str, tmp_path: Path) -> None:
    """A transfer that breaks off goes on where it stopped: what arrived is not asked for again."""
    fetch(server + "/cut.csv", tmp_path / "file", retries=2, pause=0.01)
    assert (tmp_path / "file").read_bytes() == CONTENT
    assert Server.requests[0] == "/cut.csv None"
    assert int(Server.requests[1].partition("bytes=")[2].partition("-")[0]) > 1_000_000


def test_starts_anew_where_server_cannot_resume(server: str, tmp_path: Path) -> None:
    """Without range requests a transfer that breaks off is made again from the start."""
    fetch(server + "/plain/cut.csv", tmp_path / "file", retries=3, pause=0.01)
    assert (tmp_path / "file").read_bytes() == CONTENT


def test_missing_is_not_retried(server: str, tmp_path: Path) -> None:
    """A file that is not there is an error at once, and names the URL without its query."""
    with pytest.raises(ComponentError, match="/missing") as caught:
        fetch(server + "/missing?token=hunter2", tmp_path / "file", retries=5, pause=60)
    assert "hunter2" not in str(caught.value)


def test_gives_up(server: str, tmp_path: Path) -> None:
    """A server that stays down is tried as often as asked, then the error says so."""
    with pytest.raises(ComponentError, match="gave up after 3 tries"):
        fetch(server + "/down", tmp_path / "file", retries=2, pause=0.01)


@pytest.mark.parametrize("form", ["{}", "file://{}"])
def test_local_file(tmp_path: Path, form: str) -> None:
    """A plain path and a file URL work like any other source."""
    (tmp_path / "a.csv").write_bytes(b"x\n1\n")
    fetch(form.format(tmp_path / "a.csv"), tmp_path / "copy", retries=0)
    assert (tmp_path / "copy").read_bytes() == b"x\n1\n"


def test_other_content_is_an_error(tmp_path: Path) -> None:
    """A wrong sha256 is an error with both digests."""
    path = tmp_path / "a.csv"
    path.write_bytes(b"x\n1\n")
    verify(path, hashlib.sha256(b"x\n1\n").hexdigest().upper(), "a.csv")
    with pytest.raises(ComponentError) as caught:
        verify(path, "0" * 64, "a.csv")
    assert "0" * 64 in str(caught.value)
    assert hashlib.sha256(b"x\n1\n").hexdigest() in str(caught.value)


def test_names_and_secrets() -> None:
    """The file keeps its own name; user, password and query never show."""
    assert file_name("https://host/a/loans%20x.parquet?sig=1") == "loans x.parquet"
    assert file_name("https://host/") == "data"
    assert redact("https://me:pass@host.example:1/a?sig=1") == "https://host.example:1/a"
    assert redact("/plain/path.csv") == "/plain/path.csv"
