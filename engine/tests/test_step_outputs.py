"""What the steps of a pipeline give is part of its interface, wherever their components are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.pipelines import write_component
from tests.repositories import edit_contract, edit_pipeline, make_library, make_pipeline, record_of
from waypost.interfaces.record import Record, parse_record
from waypost.pins.locking import resolve, write_lock
from waypost.pins.updating import plan_update
from waypost.pins.workspace import fresh_lock, open_workspace, required_lock
from waypost.release.kinds import read_product

SETTINGS = "[bumpversion]\ncurrent_version = 1.0.0\ncommit = False\ntag = False\n"


def give(root: Path, name: str, *outputs: str) -> None:
    """Lets a component declare these outputs."""

    def change(contract: dict[str, Any]) -> None:
        contract["entry_points"]["main"]["outputs"] = {output: {"path": output} for output in outputs}

    edit_contract(root, name, change)


def test_an_output_that_is_dropped(workplace: Path) -> None:
    """It breaks users, of a component that is pinned and of one in a folder beside the pipeline."""
    library = make_library(workplace / "core")
    give(library.path, "load", "kept", "dropped")
    library.release("1.1.0")
    pipeline = make_pipeline(workplace / "pipe", f"file://{library.path}")
    write_component(pipeline.path / "parts", "own", "")
    give(pipeline.path / "parts", "own", "one", "two")

    def with_own(content: dict[str, Any]) -> None:
        content["components"]["parts"] = {"path": "parts"}
        content["steps"]["own"] = {"uses": "parts/own"}

    edit_pipeline(pipeline.path, with_own)
    (pipeline.path / "setup.cfg").write_text(SETTINGS)
    workspace = open_workspace(pipeline.path, lambda _: None)
    write_lock(workspace, resolve(workspace, None), None)
    pipeline.release("1.0.0")
    text = record_of(pipeline, "1.0.0", pipeline.git("rev-parse", "HEAD^{tree}"), pipeline=".")
    base = parse_record(Record, text, "1.0.0.json")
    assert "outputs" not in read_product(pipeline.path).changes_since(base)

    give(library.path, "load", "kept")
    library.release("1.2.0")
    give(pipeline.path / "parts", "own", "two", "three")
    workspace = open_workspace(pipeline.path, lambda _: None)  # which asks the remote anew
    old = required_lock(workspace, fresh_lock(workspace))
    write_lock(workspace, plan_update(workspace, old).lock, old)
    assert sorted(map(str, read_product(pipeline.path).changes_since(base)["outputs"])) == [
        "added: step 'own': output 'three'",
        "breaking: step 'load': output 'dropped' was removed",
        "breaking: step 'own': output 'one' was removed",
    ]
