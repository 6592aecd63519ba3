"""The kit that new libraries bring along, and whether it is what it says."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import LIBRARY
from waypost.contracts import kit
from waypost.errors import UsageError
from waypost.release.conformance import _kit_findings
from waypost.scaffold import library

NEW = {name.removeprefix(f"{kit.FOLDER}/"): text for name, text in library.kit_files().items()}


def test_a_version_never_changes() -> None:
    """The kit of the templates is the newest one that is known: whoever changes it gives it a new version."""
    assert kit.kit_version(NEW) == kit.NEWEST
    assert kit.kit_digest(NEW) == kit.KITS[kit.NEWEST]
    assert kit.kit_problem(NEW) == ("", "")


def test_arguments_are_written_once() -> None:
    """The kit reads arguments by the very text that the component library does."""
    assert NEW["arguments.py"] == (LIBRARY / kit.FOLDER / "arguments.py").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        ({**NEW, "tables.py": NEW["tables.py"] + "\n"}, "it was changed"),
        ({**NEW, "mine.py": ""}, "it was changed"),
        ({name: text for name, text in NEW.items() if name != "tables.py"}, "it was changed"),
        ({**NEW, "__init__.py": 'KIT_OF_WAYPOST = "99"\n'}, "version 99 is not known here"),
        ({"__init__.py": '"""Our own."""\n'}, ""),
        ({}, ""),
    ],
)
def test_a_changed_kit(files: dict[str, str], problem: str) -> None:
    """A file more, less or other is told; a folder that does not say to be Waypost's is nobody's business."""
    found, hint = kit.kit_problem(files)
    assert problem in found
    assert bool(found) == bool(problem) == bool(hint)


def test_what_an_update_writes(tmp_path: Path) -> None:
    """All of it where there is none, nothing where it is the newest; a changed or foreign one stays."""
    assert library.kit_update(tmp_path) == ("", kit.NEWEST, library.kit_files())
    for name, text in library.kit_files().items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert library.kit_update(tmp_path) == (kit.NEWEST, kit.NEWEST, {})
    (tmp_path / kit.FOLDER / "mine.py").write_text("")
    with pytest.raises(UsageError, match="it was changed"):
        library.kit_update(tmp_path)
    (tmp_path / kit.FOLDER / "__init__.py").write_text("")
    with pytest.raises(UsageError, match="none of Waypost's"):
        library.kit_update(tmp_path)
    (tmp_path / "environment").mkdir()
    (tmp_path / "environment" / "requirements.txt").write_text("")
    with pytest.raises(UsageError, match="none of Waypost's") as error:
        library.new_component(tmp_path, "clean")
    assert "--like COMPONENT" in error.value.hint
    assert "clean/MLproject" in library.new_component(tmp_path, "clean", "shell")


def test_an_older_kit_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kit that is what its version was is brought to the newest; a check does not ask for that."""
    old = {"__init__.py": 'KIT_OF_WAYPOST = "0"\n', "gone.py": ""}
    monkeypatch.setitem(kit.KITS, "0", kit.kit_digest(old))
    (tmp_path / kit.FOLDER).mkdir()
    for name, text in old.items():
        (tmp_path / kit.FOLDER / name).write_text(text)
    assert kit.kit_problem(old) == ("", "")
    gone = {f"{kit.FOLDER}/gone.py": None}
    assert library.kit_update(tmp_path) == ("0", kit.NEWEST, {**library.kit_files(), **gone})


def test_a_folder_of_somebodys_with_an_image(tmp_path: Path) -> None:
    """A folder of the same name that is no kit may hold anything; a kit with a file that is no text was
    changed.
    """
    place = tmp_path / kit.FOLDER
    place.mkdir()
    (place / "logo.png").write_bytes(b"\x89PNG\xff")
    (place / "__init__.py").write_text("")
    assert list(_kit_findings(tmp_path, sorted(place.iterdir()))) == []
    for name, text in NEW.items():
        (place / name).write_text(text)
    [found] = _kit_findings(tmp_path, sorted(place.iterdir()))
    assert "it was changed" in found.problem
