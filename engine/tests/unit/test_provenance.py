"""What a run keeps of where it came from."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.repositories import make_repository
from waypost.contracts.parameters import merged
from waypost.contracts.provenance import (
    ParameterFile,
    Place,
    Provenance,
    command,
    difference_lines,
    differing,
    named,
    parse_provenance,
    provenance_text,
    tags,
)
from waypost.sources import changes


def provenance(**more: object) -> Provenance:
    content = {"engine": "1.1.0", "pipeline": "small", "place": Place(top="/x", inside="pipeline"), **more}
    return Provenance.model_validate(content)


def test_what_a_run_keeps_is_read_again() -> None:
    """The file says the same after it was written and read; passwords and tokens are not in it."""
    file = ParameterFile(name="more.yaml", text="url: https://u:secret1@host/a?token=secret2\n")
    kept = provenance(files=(file,), overrides=("url=https://u:secret1@host",), steps=("a", "b"))
    text = provenance_text(kept)
    assert "secret" not in text
    assert '"schema": 1' in text
    again = parse_provenance(text)
    assert provenance_text(again) == text
    assert again.steps == ("a", "b")


def test_parameters_that_differ() -> None:
    """What differs from params.yaml is told with both values, whether a file or an override set it."""
    plain = merged([("params.yaml", "depth: 2\nseed: 1\nnames: [a]\n")], ())
    texts = [("params.yaml", "depth: 2\nseed: 1\nnames: [a]\n"), ("more.yaml", "names: [b, c]\n")]
    found = differing(merged(texts, ["depth=7", "+new=x"]).content, plain.content)
    assert difference_lines(found) == ["depth=7 (2)", "names=[b, c] ([a])", "new=x (new)"]
    assert differing(plain.content, plain.content) == {}
    assert difference_lines(differing({"a": 1}, {"a": 1, "b": 2})) == ["b=nothing (2)"]


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, "waypost run pipeline"),
        ({"overrides": ("names=[a, b]",)}, "waypost run pipeline 'names=[a, b]'"),
        ({"place": Place(top="/x")}, "waypost run ."),
        ({"place": Place(url="https://host/x", inside="p")}, "waypost run p"),
        ({"place": Place(inside="p", release="1.0.0")}, "waypost run p"),
        ({"steps": ("a", "b")}, "waypost run pipeline --steps=a,b"),
        (
            {"place": Place(url="https://u:p@host/x", commit="c", release="1.0.0"), "overrides": ("a=1",)},
            "waypost run https://host/x@1.0.0 a=1",
        ),
        (
            {"files": (ParameterFile(name="a b.yaml", text=""),), "env": "local", "dev": True},
            "waypost run pipeline '--params=a b.yaml' --dev --env=local",
        ),
    ],
)
def test_command(more: dict[str, object], expected: str) -> None:
    """The command has all that decides the result, quoted for a shell, and no password."""
    assert command(provenance(**more)) == expected


def test_default_runs() -> None:
    """A run with overrides, other parameter files, chosen steps or --dev is not the default one."""
    own = ParameterFile(name="params.yaml", text="")
    assert provenance(files=(own,)).is_default
    for more in ({"overrides": ("a=1",)}, {"steps": ("a",)}, {"dev": True}):
        assert not provenance(files=(own,), **more).is_default
    assert not provenance(files=(own, ParameterFile(name="./params.yaml", text=""))).is_default


def test_tags_have_limits() -> None:
    """However many files and parameters differ, each tag stays within what MLflow keeps."""
    many = provenance(dirty=tuple(f"{n}.py" for n in range(5000)), overrides=("x=" + "y" * 9000,))
    found = tags(many, {"x": ("y" * 9000, None)})
    assert all(len(text) < 5000 for text in found.values())
    assert found["waypost.dirty"].endswith("19.py and 4980 more")
    assert named(("x",) * 20).endswith(", x")
    assert named(("x",) * 21).endswith(", x and 1 more")


def test_uncommitted_changes_are_made_again(tmp_path: Path) -> None:
    """Changed, new, removed and binary files come back from the diff; the repository is left as it was."""
    repository = make_repository(tmp_path / "work")
    contents = {"kept.txt": b"a\n", "changed.txt": b"a\nb\n", "gone.txt": b"x\n", "sub/data.bin": b"\0\1"}
    for name, content in contents.items():
        file = repository.path / name
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(content)
    commit = repository.commit("one")
    (repository.path / "changed.txt").write_bytes(b"a\nc\n")
    (repository.path / "gone.txt").unlink()
    (repository.path / "sub" / "data.bin").write_bytes(bytes(range(256)))
    (repository.path / "sub" / "new é.csv").write_bytes(b"caf\xe9\r\n")
    (repository.path / "elsewhere.txt").write_text("not looked at")
    before = sorted((p.name, p.stat().st_mtime_ns) for p in (repository.path / ".git").rglob("*"))
    paths = [repository.path / name for name in ("changed.txt", "gone.txt", "kept.txt", "sub")]
    found = changes.changed(repository.path, [*paths, tmp_path / "outside"])
    assert found == ["changed.txt", "gone.txt", "sub/data.bin", "sub/new é.csv"]
    diff = changes.diff_of(repository.path, commit, found)
    assert sorted((p.name, p.stat().st_mtime_ns) for p in (repository.path / ".git").rglob("*")) == before
    assert diff
    copy = repository.path / "sub" / "copy"  # inside a repository, as with --keep
    subprocess.run(["git", "clone", "-q", repository.path, copy], check=True)
    subprocess.run(["rm", "-rf", copy / ".git"], check=True)
    changes.apply(copy, diff)
    for name in ("changed.txt", "kept.txt", "sub/data.bin", "sub/new é.csv"):
        assert (copy / name).read_bytes() == (repository.path / name).read_bytes()
    assert not (copy / "gone.txt").exists()


def test_large_changes_are_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A diff beyond the limit is not kept, nor is one tried of files beyond theirs."""
    repository = make_repository(tmp_path / "work")
    commit = repository.commit("one")
    (repository.path / "data.csv").write_bytes(b"some\n" * 100)
    monkeypatch.setattr(changes, "MOST_DIFF_BYTES", 100)
    assert changes.diff_of(repository.path, commit, ["data.csv"]) is None
    monkeypatch.setattr(changes, "_MOST_READ_BYTES", 100)
    assert changes.diff_of(repository.path, "no commit", ["data.csv"]) is None


def test_work_tree(tmp_path: Path) -> None:
    """Outside of a repository, and before its first commit, there is no commit to start from."""
    (tmp_path / "plain").mkdir()
    assert changes.work_tree(tmp_path / "plain") is None
    repository = make_repository(tmp_path / "work")
    assert changes.work_tree(repository.path) is None
    commit = repository.commit("one")
    (repository.path / "inside").mkdir()
    found = changes.work_tree(repository.path / "inside")
    assert found == changes.WorkTree(repository.path, "inside", commit, "")
