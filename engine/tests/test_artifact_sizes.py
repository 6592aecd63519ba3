"""Artifacts of another machine: their size is asked for before they are downloaded."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from mlflow import MlflowClient

from waypost.tracking.runs import TooLargeError, bounded_output_in

API = "/api/2.0/mlflow-artifacts/artifacts"
LISTED = {"figures.json": 7, "logs/train.log": 5_000_000_000, "unstated.json": None, "lies.json": 7}
CONTENT = {"figures.json": b'{"a":1}', "lies.json": b"x" * 5000}


class Artifacts(http.server.ThreadingHTTPServer):
    """An artifact store by MLflow's protocol, which notes what was downloaded."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.sent: list[str] = []


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Artifacts

    def do_GET(self) -> None:
        asked = urlsplit(self.path)
        name = asked.path.partition("/artifacts/")[2].partition("/artifacts/")[2]
        if asked.path == API:
            folder = parse_qs(asked.query)["path"][0].partition("/artifacts")[2].strip("/")
            files = {Path(n): size for n, size in LISTED.items() if str(Path(n).parent) == (folder or ".")}
            listed = [
                {"path": n.name, "is_dir": False} | ({} if size is None else {"file_size": size})
                for n, size in files.items()
            ]
            body = json.dumps({"files": listed}).encode()
        elif name in CONTENT:
            self.server.sent.append(name)
            body = CONTENT[name]
        else:
            self.server.sent.append(name)
            return self.send_error(404)
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        return None

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture
def store() -> Iterator[Artifacts]:
    with Artifacts() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.mark.parametrize(
    ("artifact", "found", "sent"),
    [
        ("figures.json", b'{"a":1}', ["figures.json"]),
        ("logs/train.log", None, []),
        ("unstated.json", None, []),
        ("lies.json", None, ["lies.json"]),
        ("gone.json", b"", []),
        ("../figures.json", b"", []),
    ],
)
def test_only_small_files_are_downloaded(
    workplace: Path, store: Artifacts, artifact: str, found: bytes | None, sent: list[str]
) -> None:
    """A file whose stated size is too large, or that has none, is not downloaded; what turns out to be larger
    is not read; what is not there is nothing. A second look downloads nothing.
    """
    client = MlflowClient(f"sqlite:///{workplace / 'mlflow.db'}")
    place = f"http://127.0.0.1:{store.server_address[1]}{API}/run"
    run = client.create_run(client.create_experiment("far", artifact_location=place))
    for _ in range(2):
        if found is None:
            with pytest.raises(TooLargeError, match="more than 1,000 bytes"):
                bounded_output_in(client, run, artifact, 1000)
        else:
            file = bounded_output_in(client, run, artifact, 1000)
            assert (file.read_bytes() if file else b"") == found
    assert store.sent == sent
