"""`waypost verify` of a release, and who says where it is from: a stand-in for GitHub, real signatures."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bundles import make_bundle
from tests.conftest import Call
from tests.github import Github, github
from tests.repositories import Repository, make_library, make_pipeline, make_repository, record_of
from tests.signing import Signer
from waypost.ci.provenance import Asked, provenance_of
from waypost.errors import UsageError

VERIFY = ("python", "-m", "waypost", "verify")
SLUG = "team/grades"


@pytest.fixture
def hub(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Github]:
    with github(workplace.parent / "hub") as found:
        for name, text in found.variables.items():
            monkeypatch.setenv(name, text)
        yield found


def recorded(repository: Repository, **other: str) -> Repository:
    """Tags a release whose record lies inside of it."""
    repository.git("add", "--all")
    text = record_of(repository, "1.0.0", repository.git("write-tree"), **other)
    (repository.path / "releases").mkdir()
    (repository.path / "releases" / "1.0.0.json").write_text(text)
    repository.release("1.0.0")
    return repository


def test_where_a_file_is_from(hub: Github, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An attestation of the repository's own workflow counts; that of another repository's where it is named;
    none is a finding, and so is a foreign one. Where nobody tells, that is said, and is no finding.
    """
    file = tmp_path / "record.json"
    url = f"{hub.url}/{SLUG}.git"

    def found(**asked: str) -> tuple[str, list[str]]:
        told = provenance_of(file, "releases/1.0.0.json", url, Asked(**asked))
        return told.repository, [f"{each.category}: {each.problem}" for each in told.findings]

    file.write_text("one")
    assert found() == (SLUG, [f"attestation-missing: {SLUG} has no attestation of it"])
    hub.attest(SLUG, file, SLUG)
    assert found() == (SLUG, [])
    file.write_text("two")
    hub.attest(SLUG, file, "OWNER/waypost")
    assert found(signer="OWNER/waypost") == (SLUG, [])
    _, [problem] = found()
    assert problem.startswith(
        "attestation-wrong: its attestation does not count: team/grades: gh attestation"
    )
    assert found(repository="team/other")[1] == ["attestation-missing: team/other has no attestation of it"]
    with pytest.raises(UsageError, match="not of the form OWNER/NAME"):
        found(signer="https://github.com/OWNER/waypost")
    monkeypatch.setenv("GH_TOKEN", "expired")
    assert found()[1][0].startswith("unreachable: team/grades: gh api")
    url = str(tmp_path)
    assert "is not on GitHub" in found()[1][0]
    monkeypatch.setenv("PATH", str(tmp_path))
    assert found(repository=SLUG)[1] == [
        "unreachable: gh is not installed, so its provenance was not looked at"
    ]


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="there is no ssh-keygen")
def test_a_release_is_verified(hub: Github, workplace: Path, call: Call) -> None:
    """A release of a pipeline is compared with its record, its pins with what they name. Its provenance and
    its signature are looked at where that is asked for, and their absence is a finding then, and only then.
    """
    make_library(hub.folder / "repos" / "components")
    source = make_pipeline(workplace / "own", f"{hub.url}/components/.git")
    assert call("python", "-m", "waypost", "lock", source.path).returncode == 0
    recorded(source)
    url = hub.create(SLUG, source)
    target = f"{url}@1.0.0"

    def verify(*options: str) -> tuple[int, str]:
        done = call(*VERIFY, target, *options)
        return done.returncode, done.stdout + done.stderr

    code, said = verify()
    assert (code, "as the default branch records it" in said, "2 components as locked" in said) == (
        0,
        True,
        True,
    )
    document = json.loads(call(*VERIFY, target, "--json", "--attestation", "--signature").stdout)
    assert [each["category"] for each in document["findings"]] == ["tag-unsigned", "attestation-missing"]
    hub.attest(SLUG, source.path / "releases" / "1.0.0.json", SLUG)
    code, said = verify("--attestation")
    assert (code, f"made by a workflow, as {SLUG} attests" in said) == (0, True)

    signer = Signer(workplace, "anna")
    signer.sign(source, "v1.0.0")
    _push_tag(hub, source)
    code, said = verify("--signature")
    assert (code, "nobody says whose signature counts" in said) == (4, True)
    (workplace / "allowed").write_text(signer.line)
    settings = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "gpg.ssh.allowedSignersFile"}
    env = {**settings, "GIT_CONFIG_VALUE_0": str(workplace / "allowed")}
    assert call(*VERIFY, target, "--signature", env=env).returncode == 0
    (workplace / "allowed").write_text(Signer(workplace, "mallory").line)
    assert "signature-wrong" in call(*VERIFY, target, "--signature", env=env).stdout


def _push_tag(hub: Github, source: Repository) -> None:
    """Puts a tag in place of the one that is there, as its rules keep everybody from doing."""
    Repository(hub.bare(SLUG)).git(
        "fetch", "-q", "--force", str(source.path), "refs/tags/v1.0.0:refs/tags/v1.0.0"
    )


def test_a_library_is_verified_as_well(hub: Github, workplace: Path, call: Call) -> None:
    """A repository without a pipeline has no pins; a tag that is not what the default branch records is
    told with its category, and exit code 4; so is a folder in place of a release.
    """
    library = make_repository(workplace / "own")
    (library.path / "a").mkdir()
    (library.path / "a" / "x").write_text("x")
    recorded(library, kind="components")
    target = f"{hub.create(SLUG, library)}@1.0.0"
    assert call(*VERIFY, target).returncode == 0
    (library.path / "a" / "x").write_text("y")
    library.release("1.0.0", force=True)
    _push_tag(hub, library)
    done = call(*VERIFY, target, "--json")
    assert done.returncode == 4
    assert "record-differs" in {each["category"] for each in json.loads(done.stdout)["findings"]}
    for words, why in (([".", "--attestation"], "belong to a release"), (["gone"], "no such folder")):
        done = call(*VERIFY, *words)
        assert (done.returncode, why in done.stderr) == (2, True)


def test_a_bundle_is_from_where_it_should_be(hub: Github, workplace: Path, call: Call) -> None:
    """A bundle says itself which repository it is from: that one is asked, or the one that is named."""
    bundle = make_bundle(workplace / "made")
    check = ("python", "-m", "waypost", "verify-bundle", bundle, "--attestation", "--repo", SLUG)
    done = call(*check)
    assert (done.returncode, "attestation-missing" in done.stderr) == (4, True)
    hub.attest(SLUG, bundle, SLUG)
    done = call(*check)
    assert (done.returncode, f"as {SLUG} attests" in done.stdout) == (0, True)
    assert call(*check[:-2]).returncode == 3
