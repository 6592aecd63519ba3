"""What stands in for W&B's server, which does not run here: as much of its protocol as wandb 0.31 asks for.

It keeps runs, their history and summary, artifacts with manifests, files, aliases, and who logged or used
them. What it is not asked for in the tests, it does not know: then it answers with a GraphQL error.
"""

from __future__ import annotations

import base64
import contextlib
import gzip
import json
import re
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.repositories import in_thread

KEY = "k" * 40
ENTITY = "team"


@dataclass
class Run:
    """One run: what it was opened with, and what came by the stream of its files."""

    about: dict[str, Any]
    history: list[dict[str, Any]] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    used: list[str] = field(default_factory=list)
    exit_code: int | None = None


@dataclass
class Version:
    """One version of an artifact."""

    id: str
    project: str
    collection: str
    kind: str
    number: int
    digest: str
    metadata: str
    run: str
    aliases: set[str] = field(default_factory=set)
    state: str = "PENDING"


@dataclass
class Wandb:
    """Everything that the server was told."""

    url: str = ""
    runs: dict[str, Run] = field(default_factory=dict)
    versions: dict[str, Version] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)
    connections: set[socket.socket] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, query: str, given: dict[str, Any]) -> dict[str, Any] | None:
        """Returns the data of an operation, None for one that is not known."""
        found = re.search(r"(?:query|mutation)\s+(\w+)", query)
        name = found[1] if found else ""
        method = getattr(self, f"on_{name}", None)
        if method is None:
            self.unknown.append(f"{name} {json.dumps(given)[:300]} {' '.join(query.split())[:1500]}")
            return None
        with self.lock:
            try:
                answer: dict[str, Any] = method(given)
            except (KeyError, TypeError, ValueError) as error:  # without a reply, W&B would ask for ever
                self.unknown.append(f"{name}: {error!r}")
                return None
            return answer

    def on_Viewer(self, _: dict[str, Any]) -> dict[str, Any]:
        nobody: dict[str, Any] = {"edges": []}
        about = {"id": "u", "name": "Me", "username": "me", "entity": ENTITY, "email": "me@example.org"}
        rest = {"admin": False, "flags": "{}", "deletedAt": None, "apiKeys": nobody, "teams": nobody}
        return {"viewer": {**about, **rest}}

    on_GetViewer = on_GetDefaultEntity = on_Viewer  # noqa: N815

    def on_UpsertBucket(self, given: dict[str, Any]) -> dict[str, Any]:
        run = self.runs.setdefault(given["name"], Run(given))
        run.config = json.loads(given["config"] or "{}") or run.config
        project = {"id": "p", "name": given["project"], "entity": {"id": "e", "name": ENTITY}}
        bucket = {"id": given["name"], "name": given["name"], "displayName": given["displayName"]}
        rest = {"description": "", "config": None, "sweepName": None, "historyLineCount": 0}
        return {"upsertBucket": {"bucket": {**bucket, **rest, "project": project}, "inserted": True}}

    def on_ArtifactType(self, given: dict[str, Any]) -> dict[str, Any]:
        version = self.named(given["project"], given["name"])
        return {"project": {"artifact": version and {"artifactType": {"name": version.kind}}}}

    def on_CreateRunFiles(self, given: dict[str, Any]) -> dict[str, Any]:
        files = [{"name": f, "uploadUrl": f"{self.url}/storage/{given['run']}/{f}"} for f in given["files"]]
        return {"createRunFiles": {"runID": given["run"], "uploadHeaders": [], "files": files}}

    def on_ServerFeaturesQuery(self, _: dict[str, Any]) -> dict[str, Any]:
        return {"serverInfo": {"features": []}}

    def on_CreateArtifact(self, given: dict[str, Any]) -> dict[str, Any]:
        """Makes a version; content that the collection has already is the version that it has."""
        told = given["input"]
        collection = [
            version
            for version in self.versions.values()
            if (version.project, version.collection) == (told["projectName"], told["artifactCollectionName"])
        ]
        latest = max(collection, key=lambda version: version.number, default=None)
        version = next((each for each in collection if each.digest == told["digest"]), None)
        if version is None:
            version = Version(
                f"artifact-{len(self.versions)}",
                told["projectName"],
                told["artifactCollectionName"],
                told["artifactTypeName"],
                len(collection),
                told["digest"],
                told["metadata"],
                told["runName"] or "",  # one that is only used comes without
            )
            self.versions[version.id] = version
        for alias in told["aliases"] or ():
            for each in collection:
                each.aliases.discard(alias["alias"])
            version.aliases.add(alias["alias"])
        sequence = {"latestArtifact": latest and {"id": latest.id}}
        artifact = {"id": version.id, "state": version.state, "artifactSequence": sequence}
        return {"createArtifact": {"artifact": artifact}}

    def on_CreateArtifactManifest(self, given: dict[str, Any]) -> dict[str, Any]:
        return {"createArtifactManifest": {"artifactManifest": self._manifest(given["artifactID"])}}

    def on_UpdateArtifactManifest(self, given: dict[str, Any]) -> dict[str, Any]:
        return {"updateArtifactManifest": {"artifactManifest": self._manifest(given["artifactManifestID"])}}

    def _manifest(self, artifact_id: str) -> dict[str, Any]:
        url = f"{self.url}/storage/manifests/{artifact_id}"
        return {"id": artifact_id, "file": {"id": artifact_id, "uploadUrl": url, "uploadHeaders": []}}

    def on_CreateArtifactFiles(self, given: dict[str, Any]) -> dict[str, Any]:
        """Says where files go to, by their content: one that is there already is not asked for again."""
        edges = []
        for file in given["input"]["artifactFiles"]:
            place = f"/artifacts/{ENTITY}/{base64.b64decode(file['md5']).hex()}"
            node: dict[str, Any] = {
                "storagePath": place,
                "uploadUrl": None if place in self.files else f"{self.url}{place}",
                "uploadHeaders": [],
                "uploadMultipartUrls": None,
                "artifact": {"id": file["artifactID"]},
            }
            edges.append({"node": node})
        return {"createArtifactFiles": {"files": {"edges": edges}}}

    def on_CommitArtifact(self, given: dict[str, Any]) -> dict[str, Any]:
        version = self.versions[given["artifactID"]]
        version.state = "COMMITTED"
        return {"commitArtifact": {"artifact": {"id": version.id, "digest": version.digest}}}

    def on_UseArtifact(self, given: dict[str, Any]) -> dict[str, Any]:
        told = given.get("input", given)  # wandb-core asks in one way, the Python part in the other
        self.runs[told["runName"]].used.append(told["artifactID"])
        return {"useArtifact": {"artifact": {"id": told["artifactID"]}}}

    def on_ArtifactMembershipByName(self, given: dict[str, Any]) -> dict[str, Any]:
        version = self.named(given["project"], given["name"])
        if version is None:
            return {"project": {"artifactCollectionMembership": None}}
        project = {"id": "p", "internalId": "1", "name": version.project, "entity": {"name": ENTITY}}
        collection = {"__typename": "ArtifactSequence", "name": version.collection, "project": project}
        aliases = [{"__typename": "ArtifactAlias", "id": name, "alias": name} for name in version.aliases]
        dates = {"createdAt": "2026-01-01T00:00:00Z", "updatedAt": None}
        content = json.loads(self.files[f"/storage/manifests/{version.id}"])["contents"]
        artifact = {
            "__typename": "Artifact",
            "id": version.id,
            "artifactSequence": collection,
            "versionIndex": version.number,
            "artifactType": {"name": version.kind},
            "description": None,
            "metadata": version.metadata,
            "ttlDurationSeconds": -1,
            "ttlIsInherited": True,
            "tags": [],
            "historyStep": None,
            "state": version.state,
            "size": sum(entry["size"] for entry in content.values()),
            "digest": version.digest,
            "commitHash": version.digest,
            "fileCount": len(content),
            **dates,
            "aliases": [{**alias, "artifactCollection": collection} for alias in aliases],
        }
        member = {"__typename": "ArtifactCollectionMembership", "id": version.id, **dates}
        rest = {"versionIndex": version.number, "aliases": aliases, "artifactCollection": collection}
        return {"project": {"artifactCollectionMembership": {**member, **rest, "artifact": artifact}}}

    def on_FetchArtifactManifest(self, given: dict[str, Any]) -> dict[str, Any]:
        url = f"{self.url}/storage/manifests/{given['id']}"
        return {"artifact": {"currentManifest": {"file": {"directUrl": url}}}}

    def on_GetArtifactMembershipFileUrls(self, given: dict[str, Any]) -> dict[str, Any]:
        version = self.named(given["project"], f"{given['collection']}:{given['alias']}")
        edges = []
        if version:
            for name, entry in json.loads(self.files[f"/storage/manifests/{version.id}"])["contents"].items():
                url = f"{self.url}/artifacts/{ENTITY}/{base64.b64decode(entry['digest']).hex()}"
                edges.append({"node": {"__typename": "File", "name": name, "directUrl": url}})
        page = {"__typename": "PageInfo", "endCursor": None, "hasNextPage": False}
        member = {"files": {"pageInfo": page, "edges": edges}}
        collection = {"__typename": "ArtifactSequence", "artifactMembership": member}
        return {"project": {"artifactCollection": collection}}

    def named(self, project: str, name: str) -> Version | None:
        collection, _, alias = name.partition(":")
        for version in self.versions.values():
            if (version.project, version.collection) == (project, collection) and (
                alias in version.aliases or alias == f"v{version.number}"
            ):
                return version
        return None


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wandb: Wandb

    def setup(self) -> None:
        super().setup()
        self.wandb.connections.add(self.connection)

    def log_message(self, *_: Any) -> None:
        """Says nothing."""

    def handle_one_request(self) -> None:
        with contextlib.suppress(OSError, ValueError):  # a client that is done does not say so
            super().handle_one_request()

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            content = b""
            while length := int(self.rfile.readline(), 16):
                content += self.rfile.read(length)
                self.rfile.readline()
            self.rfile.readline()
        else:
            content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        return gzip.decompress(content) if self.headers.get("Content-Encoding") == "gzip" else content

    def do_POST(self) -> None:
        content = self._body()
        if self.path == "/graphql":
            given = base64.b64decode(self.headers["Authorization"].partition(" ")[2]).decode()
            if given != f"api:{KEY}":
                self._send({"errors": [{"message": "invalid key"}]}, 401)
                return
            asked = json.loads(content)
            data = self.wandb.answer(asked["query"], asked.get("variables") or {})
            self._send({"data": data} if data is not None else {"errors": [{"message": "not known here"}]})
        elif self.path.endswith("/file_stream"):
            self._stream(self.path.split("/")[4], json.loads(content))
            self._send({"exitcode": None, "limits": {}})
        else:
            self._send({})

    def _stream(self, run_id: str, told: dict[str, Any]) -> None:
        run = self.wandb.runs[run_id]
        for name, part in told.get("files", {}).items():
            rows = [json.loads(line) for line in part["content"] if line.startswith("{")]
            if name == "wandb-history.jsonl":
                run.history += rows
            elif name == "wandb-summary.json" and rows:
                run.summary = rows[-1]
        if told.get("complete"):
            run.exit_code = told.get("exitcode")

    def do_PUT(self) -> None:
        self.wandb.files[self.path] = self._body()
        self._send({})

    def do_GET(self) -> None:
        content = self.wandb.files.get(self.path)
        self._send(content if content is not None else {}, 200 if content is not None else 404)

    def _send(self, content: Any, status: int = 200) -> None:
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@contextlib.contextmanager
def wandb_server() -> Iterator[Wandb]:
    """Runs the server until the context ends."""
    wandb = Wandb()
    handler = type("Handler", (_Handler,), {"wandb": wandb})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    wandb.url = f"http://127.0.0.1:{server.server_port}"
    try:
        with in_thread(server):
            yield wandb
    finally:
        for connection in wandb.connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
