"""Real git repositories and real servers for tests."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import shutil
import socket
import subprocess
import threading
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

from tests.pipelines import write_component
from waypost.interfaces.record import Record, record_text
from waypost.sources import objects

DAY = "2026-01-02T03:04:05+0000"


@dataclass
class Repository:
    """A repository with a work tree, whose commits come out the same at every run."""

    path: Path

    def git(self, *arguments: str) -> str:
        person = {
            f"GIT_{who}_{what}": "t@example.org"
            for who in ("AUTHOR", "COMMITTER")
            for what in ("NAME", "EMAIL")
        }
        dates = {"GIT_AUTHOR_DATE": DAY, "GIT_COMMITTER_DATE": DAY}
        command = ["git", "-c", "init.defaultBranch=main", *arguments]
        result = subprocess.run(
            command,
            cwd=self.path,
            env={"GIT_CONFIG_GLOBAL": os.devnull, **os.environ, **person, **dates},
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == 0, result.stderr
        return result.stdout.strip()

    def commit(self, message: str = "change") -> str:
        self.git("add", "--all", ".")
        self.git("commit", "--quiet", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")

    def release(self, version: str, *, annotated: bool = True, force: bool = False) -> str:
        """Commits everything and tags it."""
        commit = self.commit(f"release {version}")
        options = [*(["-f"] if force else []), *(["-a", "-m", version] if annotated else [])]
        self.git("tag", *options, f"v{version}")
        return commit


def make_repository(path: Path) -> Repository:
    path.mkdir(parents=True)
    repository = Repository(path)
    repository.git("init", "--quiet", ".")
    repository.git("config", "uploadpack.allowFilter", "true")
    return repository


def make_library(path: Path, *names: str, script: str = "") -> Repository:
    """A component library with one release, 1.0.0; its components print a parameter and share a folder."""
    repository = make_repository(path)
    for name in names or ("load", "clean"):
        write_component(path, name, script or SCRIPT, text={"type": "string", "default": "hello"})
        edit_contract(path, name, lambda contract: contract.update(shared=["kit"]))
    (path / "kit").mkdir()
    (path / "kit" / "words.py").write_text("WORD = 'one'\n")
    repository.release("1.0.0")
    return repository


SCRIPT = (
    "import os, sys\nsys.path.insert(0, '..')\nfrom kit.words import WORD\nprint('said', WORD, sys.argv[2])\n"
)


def edit_contract(root: Path, name: str, change: Any) -> None:
    file = root / name / "MLproject"
    contract = yaml.safe_load(file.read_text())
    change(contract)
    file.write_text(yaml.safe_dump(contract, sort_keys=False))


def parameters_of(contract: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = contract["entry_points"]["main"]["parameters"]
    return found


def add_parameter(root: Path, component: str, name: str, **declared: Any) -> None:
    """Adds a parameter to a contract, and to its command: no library is released with an unused one."""

    def add(contract: dict[str, Any]) -> None:
        parameters_of(contract)[name] = declared
        contract["entry_points"]["main"]["command"] += f" --{name}={{{name}}}"

    edit_contract(root, component, add)


def make_pipeline(folder: Path, git: str, version: str = "~=1.0", **source: Any) -> Repository:
    """A pipeline repository with two steps, committed."""
    repository = make_repository(folder)
    content = {
        "name": "pinned",
        "components": {"core": {"git": git, "version": version, **source}},
        "steps": {
            "load": {"uses": "core/load", "with": {"text": "a"}},
            "clean": {"uses": "core/clean", "after": ["load"]},
        },
    }
    (folder / "pipeline.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    repository.commit("pipeline")
    return repository


def edit_pipeline(path: Path, change: Any) -> None:
    file = path / "pipeline.yaml"
    content = yaml.safe_load(file.read_text())
    change(content)
    file.write_text(yaml.safe_dump(content, sort_keys=False))


def state_of(repository: Repository) -> dict[str, object]:
    """Returns everything of a repository that a user sees."""
    files = {
        str(path.relative_to(repository.path)): path.read_bytes()
        for path in repository.path.rglob("*")
        if path.is_file() and ".git" not in path.relative_to(repository.path).parts
    }
    return {
        "files": files,
        "refs": repository.git("for-each-ref"),
        "head": repository.git("symbolic-ref", "HEAD") + repository.git("rev-parse", "HEAD"),
        "index": repository.git("ls-files", "--stage"),
        "status": repository.git("status", "--porcelain"),
        "settings": (repository.path / ".git" / "config").read_bytes(),
        "names": sorted(path.name for path in (repository.path / ".git").iterdir()),
    }


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


@contextlib.contextmanager
def git_daemon(folder: Path) -> Iterator[str]:
    """Serves a folder of repositories; gives the URL to put names behind."""
    port = free_port()
    daemon = subprocess.Popen(
        [
            *("git", "daemon", "--export-all", f"--base-path={folder}", "--listen=127.0.0.1"),
            *(f"--port={port}", "--reuseaddr", "--enable=receive-pack"),
        ],
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        for _ in range(200):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.02)
        yield f"git://127.0.0.1:{port}"
    finally:
        os.killpg(daemon.pid, 15)
        daemon.wait()


@dataclass
class HttpServer:
    """Smart HTTP by `git http-backend`; its fields change how it behaves from the next request on."""

    folder: Path
    url: str = ""
    password: str = ""
    status: int = 0
    cut_after: int = 0
    cuts: int = 10**6
    delay: float = 0.0
    requests: list[str] = field(default_factory=list)
    offered: list[str] = field(default_factory=list)
    sent: int = 0

    def with_credentials(self, user: str, password: str) -> str:
        return self.url.replace("://", f"://{user}:{password}@")


@contextlib.contextmanager
def http_server(folder: Path) -> Iterator[HttpServer]:
    """Serves a folder of repositories over HTTP."""
    behaviour = HttpServer(folder)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            _answer(self, behaviour)

        do_POST = do_GET  # noqa: N815 (http.server's name)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    behaviour.url = f"http://127.0.0.1:{server.server_port}"
    with in_thread(server):
        yield behaviour


@contextlib.contextmanager
def in_thread(server: ThreadingHTTPServer) -> Iterator[None]:
    """Lets a server answer from a thread until the context ends."""
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _password(given: str) -> str:
    return base64.b64decode(given.removeprefix("Basic ")).decode().partition(":")[2]


def _answer(request: BaseHTTPRequestHandler, behaviour: HttpServer) -> None:
    behaviour.requests.append(f"{request.command} {request.path}")
    length = int(request.headers.get("Content-Length") or 0)
    if request.headers.get("Transfer-Encoding") == "chunked":
        body = b""
        while size := int(request.rfile.readline(), 16):
            body += request.rfile.read(size)
            request.rfile.readline()
    else:
        body = request.rfile.read(length)
    if behaviour.status:
        request.send_error(behaviour.status)
        return
    given = request.headers.get("Authorization", "")
    behaviour.offered += [_password(given)] if given else []
    if behaviour.password:
        if not given:
            request.send_response(401)
            request.send_header("WWW-Authenticate", 'Basic realm="git"')
            request.send_header("Content-Length", "0")
            request.end_headers()
            return
        if _password(given) != behaviour.password:
            request.send_error(403 if "forbidden" in base64.b64decode(given[6:]).decode() else 401)
            return
    path, _, query = request.path.partition("?")
    environment = {
        "PATH": os.environ["PATH"],
        "GIT_PROJECT_ROOT": str(behaviour.folder),
        "GIT_HTTP_EXPORT_ALL": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "REQUEST_METHOD": request.command,
        "CONTENT_TYPE": request.headers.get("Content-Type", ""),
        "CONTENT_LENGTH": str(len(body)),
        "HTTP_CONTENT_ENCODING": request.headers.get("Content-Encoding", ""),
        "GIT_PROTOCOL": request.headers.get("Git-Protocol", ""),
        "REMOTE_USER": "someone",
        "REMOTE_ADDR": "127.0.0.1",
    }
    backend = shutil.which("git", path=os.environ["PATH"])
    assert backend
    result = subprocess.run(
        [backend, "http-backend"], input=body, env=environment, capture_output=True, check=False
    )
    head, _, content = result.stdout.partition(b"\r\n\r\n")
    fields = [line.split(": ", 1) for line in head.decode().split("\r\n") if ": " in line]
    status = next((int(value.split()[0]) for name, value in fields if name == "Status"), 200)
    is_pack = request.command == "POST" and len(content) > 500
    time.sleep(behaviour.delay if is_pack else 0)
    request.send_response(status)
    for name, value in fields:
        if name != "Status":
            request.send_header(name, value)
    request.send_header("Content-Length", str(len(content)))
    request.end_headers()
    if is_pack and behaviour.cut_after and behaviour.cuts > 0:
        behaviour.cuts -= 1
        content = content[: behaviour.cut_after]
    behaviour.sent += len(content)
    with contextlib.suppress(OSError):
        request.wfile.write(content)


def forget(workplace: Path) -> None:
    """Makes the cache of a test cold."""
    subprocess.run(["chmod", "-R", "u+w", workplace.parent / "cache"], check=False)
    shutil.rmtree(workplace.parent / "cache", ignore_errors=True)


class RawRepository:
    """A bare repository whose objects may be such as git itself would never write."""

    def __init__(self, path: Path) -> None:
        self.path = path
        subprocess.run(["git", "init", "-q", "--bare", "--template=", str(path)], check=True)
        for key in ("allowFilter", "allowAnySHA1InWant"):
            subprocess.run(["git", "-C", str(path), "config", f"uploadpack.{key}", "true"], check=True)

    def add(self, kind: str, body: bytes) -> str:
        """Writes an object and returns its id."""
        data = f"{kind} {len(body)}\0".encode() + body
        oid = hashlib.sha1(data).hexdigest()
        file = self.path / "objects" / oid[:2] / oid[2:]
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(zlib.compress(data, 1))
        return oid

    def blob(self, content: bytes = b"x") -> str:
        return self.add("blob", content)

    def tree(self, *entries: tuple[str, str | bytes, str], ordered: bool = True) -> str:
        """Writes a tree of (mode, name, id), in git's order, and returns its id."""
        listed = [(m, n.encode() if isinstance(n, str) else n, o) for m, n, o in entries]
        if ordered:
            listed.sort(key=lambda e: e[1] + b"/" * (e[0] == "40000"))
        return self.add(
            "tree", b"".join(m.encode() + b" " + n + b"\0" + bytes.fromhex(o) for m, n, o in listed)
        )

    def release(self, tree: str, author: str = "a <a@example.org> 1700000000 +0000") -> str:
        """Writes a commit, makes it the default branch and the tag v1.0.0, and returns its id."""
        body = f"tree {tree}\nauthor {author}\ncommitter a <a@example.org> 1700000000 +0000\n\nx\n"
        commit = self.add("commit", body.encode())
        for ref in ("refs/heads/main", "refs/tags/v1.0.0"):
            (self.path / ref).parent.mkdir(parents=True, exist_ok=True)
            (self.path / ref).write_text(commit + "\n")
        (self.path / "HEAD").write_text("ref: refs/heads/main\n")
        return commit


def record_of(repository: Repository, version: str, tree: str, **other: Any) -> str:
    """Returns the text of a pipeline's record that lists what lies at the top of a tree."""
    entries = objects.entries(repository.path, tree)
    record = Record(
        name="grades",
        version=version,
        date="2026-01-02",
        engine="1.0.0",
        made_with={},
        trees={name: entry.oid for name, entry in entries.items() if name != "releases"},
        **{"kind": "pipeline", "notes": "", **other},
    )
    return record_text(record)
