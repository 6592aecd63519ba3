"""Smart HTTP with credentials, refusals and broken connections: causes told apart, secrets kept."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Call
from tests.forks import ALONE
from tests.repositories import (
    HttpServer,
    Repository,
    forget,
    free_port,
    http_server,
    make_library,
    make_pipeline,
)

pytestmark = pytest.mark.journey
WAYPOST = ("python", "-m", "waypost")
RUN = (*WAYPOST, "run", "--env", "local")
SECRET = "hunter2-token"


@pytest.fixture
def library(workplace: Path) -> Repository:
    return make_library(workplace.parent / "served" / "components")


@pytest.fixture
def server(library: Repository) -> Iterator[HttpServer]:
    with http_server(library.path.parent) as behaviour:
        yield behaviour


@pytest.fixture
def pipeline(workplace: Path, server: HttpServer) -> Repository:
    return make_pipeline(workplace / "pipe", f"{server.url}/components/.git")


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (401, "no access: the server asks for credentials"),
        (403, "no access"),
        (404, "no such repository"),
        (500, "the connection broke 3 times"),
    ],
)
@pytest.mark.parametrize("cache", ["warm", "cold"])
def test_refusals(
    pipeline: Repository, server: HttpServer, workplace: Path, call: Call, status: int, words: str, cache: str
) -> None:
    """Each refusal has its own words and exit code 3; what is in the cache runs all the same."""
    assert call(*WAYPOST, "lock", pipeline.path).returncode == 0
    if cache == "cold":
        forget(workplace)
    server.status = status
    result = call(*RUN, pipeline.path, "--dry-run")
    assert result.returncode == (0 if cache == "warm" else 3), result.stderr
    if cache == "cold":
        assert words in result.stderr
        assert "core/load 1.0.0" in result.stderr
    (pipeline.path / "components.lock.json").unlink()
    refused = call(*WAYPOST, "lock", pipeline.path)
    assert refused.returncode == 3
    assert words in refused.stderr
    assert "Traceback" not in refused.stderr


def test_no_network(pipeline: Repository, workplace: Path, call: Call) -> None:
    """A host that does not answer, or has no name, is no network: not a missing version."""
    for url in (f"http://127.0.0.1:{free_port()}/c.git", "https://no-such-host.invalid/c.git"):
        other = make_pipeline(workplace / url.rpartition(":")[2].replace("/", "_"), url)
        result = call(*WAYPOST, "lock", other.path)
        assert result.returncode == 3
        assert "no network" in result.stderr


def test_wrong_credentials(pipeline: Repository, server: HttpServer, call: Call) -> None:
    """Wrong and forbidden credentials are no access; nobody is asked for better ones."""
    server.password = SECRET
    result = call(*WAYPOST, "lock", pipeline.path)
    assert result.returncode == 3
    assert "no access: the server asks for credentials" in result.stderr
    for user in ("me", "forbidden"):
        url = server.with_credentials(user, "wrong-word")
        other = make_pipeline(pipeline.path.parent / user, f"{url}/components/.git")
        result = call(*WAYPOST, "lock", other.path)
        assert result.returncode == 3
        assert "no access" in result.stderr
        assert "wrong-word" not in result.stdout + result.stderr


@pytest.mark.parametrize("place", ["url", "helper"])
def test_secret_stays_secret(
    workplace: Path, server: HttpServer, call: Call, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A token, in the URL or from a credential helper, opens the door and is found nowhere after."""
    server.password = SECRET
    url = server.url if place == "helper" else server.with_credentials("me", SECRET)
    if place == "helper":
        script = f"!f() {{ echo username=me; echo password={SECRET}; }}; f"
        monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
        monkeypatch.setenv("GIT_CONFIG_KEY_0", "credential.helper")
        monkeypatch.setenv("GIT_CONFIG_VALUE_0", script)
    monkeypatch.setenv("GIT_TRACE", "1")
    pipeline = make_pipeline(workplace / "pipe", f"{url}/components/.git")
    texts = []
    for command in (
        (*WAYPOST, "lock", pipeline.path),
        (*WAYPOST, "lock", "--json", pipeline.path),
        (*RUN, pipeline.path),
        (*RUN, "--json", pipeline.path),
        (*WAYPOST, "verify", pipeline.path),
        (*WAYPOST, "outdated", pipeline.path),
        (*WAYPOST, "cache", "list"),
        (*WAYPOST, "components", "list", pipeline.path),
    ):
        result = call(*command)
        assert result.returncode == 0, result.stderr
        texts.append(result.stdout + result.stderr)
    server.status = 500
    texts.append(call(*WAYPOST, "verify", pipeline.path).stdout)
    assert not [text for text in texts if SECRET in text]
    assert "me:" not in (pipeline.path / "components.lock.json").read_text()
    where = [workplace.parent / "cache", workplace / "mlflow.db", workplace / "mlruns"]
    where.append(pipeline.path / "components.lock.json")
    files = [f for w in where for f in ([w] if w.is_file() else w.rglob("*")) if f.is_file()]
    assert len(files) > 20
    assert not [f for f in files if SECRET.encode() in f.read_bytes()]


@pytest.mark.parametrize("cuts", [1, 10**6], ids=["once", "always"])
def test_cut_off_bodies(
    pipeline: Repository, server: HttpServer, workplace: Path, call: Call, cuts: int
) -> None:
    """A body that ends too soon is asked for again; for ever broken, it is an error without litter."""
    server.cut_after, server.cuts = 200, cuts
    result = call(*WAYPOST, "lock", pipeline.path)
    if cuts == 1:
        assert result.returncode == 0, result.stderr
        assert call(*RUN, pipeline.path, "--dry-run").returncode == 0
    else:
        assert result.returncode == 3
        assert "the connection broke 3 times" in result.stderr
        assert not (pipeline.path / "components.lock.json").exists()
        server.cut_after = 0
        assert call(*WAYPOST, "lock", pipeline.path).returncode == 0
    assert call(*WAYPOST, "cache", "verify").returncode == 0
    assert not list((workplace.parent / "cache").rglob("tmp_*"))


def test_slow_bodies(pipeline: Repository, server: HttpServer, call: Call) -> None:
    """A slow server is waited for."""
    server.delay = 1.5
    assert call(*WAYPOST, "lock", pipeline.path).returncode == 0


def test_interrupted_fetch(pipeline: Repository, server: HttpServer, call: Call, workplace: Path) -> None:
    """SIGTERM in a fetch: exit code 143, no git left behind, and the next try works."""
    server.delay = 30
    process = subprocess.Popen(["python", "-m", "waypost", "lock", pipeline.path])
    while not any("git-upload-pack" in r and r.startswith("POST") for r in server.requests[2:]):
        time.sleep(0.02)
    [git] = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    process.terminate()
    assert process.wait(timeout=20) == 143
    assert not Path(f"/proc/{git}").exists()
    server.delay = 0
    assert call(*WAYPOST, "lock", pipeline.path).returncode == 0
    assert call(*WAYPOST, "cache", "verify").returncode == 0


def test_cache_that_cannot_be_written(pipeline: Repository, call: Call) -> None:
    """One line that names the place, no stack trace."""
    result = call(*WAYPOST, "lock", pipeline.path, env={"WAYPOST_HOME": "/dev/null/cache"})
    assert result.returncode == 1
    assert result.stderr.startswith("error: ")
    assert "/dev/null/cache" in result.stderr
    assert "Traceback" not in result.stderr


def test_run_does_not_wait_for_the_network(
    pipeline: Repository, server: HttpServer, workplace: Path, call: Call
) -> None:
    """With everything here, a run asks a remote beside its work, and not at all with --offline."""
    assert call(*WAYPOST, "lock", pipeline.path).returncode == 0
    server.requests.clear()
    assert call(*RUN, "--offline", pipeline.path).returncode == 0
    assert not server.requests
    # A server that never answers: the run ends all the same, and stops asking.
    silent = subprocess.Popen(
        ["python", "-c", "import socket, time; s = socket.create_server(('127.0.0.1', 0));"
         "print(s.getsockname()[1], flush=True); time.sleep(300)"],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert silent.stdout
    port = silent.stdout.readline().strip()
    env = {
        **ALONE,
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.http://127.0.0.1:{port}.insteadOf",
        "GIT_CONFIG_VALUE_0": server.url,
    }
    result = call(*RUN, "--json", pipeline.path, env=env)
    silent.kill()
    silent.wait()
    silent.stdout.close()
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["warnings"] == []


def test_dumb_server(workplace: Path, library: Repository, call: Call) -> None:
    """A server that cannot leave files out still serves: the fallback is one whole commit."""
    library.git("config", "uploadpack.allowFilter", "false")
    pipeline = make_pipeline(workplace / "pipe", f"file://{library.path}")
    assert call(*WAYPOST, "lock", pipeline.path).returncode == 0
    assert call(*RUN, pipeline.path, "--dry-run").returncode == 0
    [mirror] = (workplace.parent / "cache" / "mirrors").glob("*.git")
    refs = subprocess.run(
        ["git", "-C", mirror, "for-each-ref"], capture_output=True, text=True, check=True
    ).stdout
    assert "refs/tags" not in refs
    assert os.environ["WAYPOST_HOME"] in str(mirror)
