"""Where somebody asks for signatures, only tags that are signed as asked for are locked or run."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Call
from tests.repositories import Repository, edit_pipeline, make_library, make_pipeline, make_repository
from tests.signing import Signer
from waypost.contracts.target import Target
from waypost.errors import FindingsError, IntegrityError
from waypost.pins.locking import resolve, write_lock
from waypost.pins.updating import plan_update
from waypost.pins.verify import verify
from waypost.pins.workspace import FetchedRelease, Workspace, fresh_lock, open_workspace, required_lock
from waypost.release.fetched import fetch_release
from waypost.sources.store import Store

pytestmark = pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="there is no ssh-keygen")


@pytest.fixture(scope="module")
def signers(tmp_path_factory: pytest.TempPathFactory) -> tuple[Signer, Signer]:
    folder = tmp_path_factory.mktemp("keys")
    return Signer(folder, "anna"), Signer(folder, "mallory")


@pytest.fixture
def origin(tmp_path: Path, signers: tuple[Signer, Signer]) -> Repository:
    """A pipeline's repository with a signed release, v1.0.0."""
    repository = make_repository(tmp_path / "grades")
    (repository.path / "pipeline.yaml").write_text("name: grades\nsteps: {}\ncomponents: {}\n")
    repository.commit()
    signers[0].sign(repository, "v1.0.0")
    return repository


@pytest.fixture
def asked(tmp_path: Path, signers: tuple[Signer, Signer], monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the user asks for: everything is signed by anna."""
    (tmp_path / "keys").write_text(signers[0].line)
    (tmp_path / "signers.yaml").write_text('"*": keys\n')
    monkeypatch.setenv("WAYPOST_SIGNERS", str(tmp_path / "signers.yaml"))
    return tmp_path / "signers.yaml"


def fetched(
    origin: Repository, home: Path, version: str = "1.0.0", *, offline: bool = False
) -> FetchedRelease:
    target = Target(f"file://{origin.path}", "", version)
    return fetch_release(Store(home, lambda _: None), target, offline=offline)


def refusal(origin: Repository, home: Path, version: str = "1.0.0", *, offline: bool = False) -> list[str]:
    with pytest.raises(IntegrityError) as error:
        fetched(origin, home, version, offline=offline)
    assert error.value.exit_code == 4
    return [finding.category for finding in error.value.findings]


Change = Callable[[Repository, Signer], object]
CHANGES: dict[str, tuple[Change, str]] = {
    "lightweight": (lambda o, _: o.git("tag", "-f", "v1.0.0", "HEAD"), "tag-unsigned"),
    "unsigned": (lambda o, _: o.git("tag", "-f", "-m", "x", "v1.0.0", "HEAD"), "tag-unsigned"),
    "another key": (lambda o, mallory: mallory.sign(o, "v1.0.0"), "signature-wrong"),
    "another name": (lambda o, _: o.git("update-ref", "refs/tags/v1.0.0", "v0.9.0"), "signature-wrong"),
    "a tag of the tag": (lambda o, _: o.git("tag", "-f", "-m", "x", "v1.0.0", "v0.9.0"), "tag-unsigned"),
}


@pytest.mark.parametrize(("change", "category"), CHANGES.values(), ids=CHANGES)
def test_only_what_is_signed_runs(
    origin: Repository,
    asked: Path,
    signers: tuple[Signer, Signer],
    tmp_path: Path,
    change: Change,
    category: str,
) -> None:
    """A release that is not signed by those whom the user allows is refused, though its commit is the same; a
    commit by its name runs, but not as the release. Nobody asks where there is no policy.
    """
    assert fetched(origin, tmp_path / "home").version == "1.0.0"
    assert fetched(origin, tmp_path / "home", offline=True).version == "1.0.0"
    signers[0].sign(origin, "v0.9.0")
    change(origin, signers[1])
    assert refusal(origin, tmp_path / "home") == [category]
    commit = origin.git("rev-parse", "HEAD")
    assert "v1.0.0" not in fetched(origin, tmp_path / "home", commit).tag
    asked.write_text("example.org: keys\n")
    assert fetched(origin, tmp_path / "home").version == "1.0.0"


def test_a_changed_tag(origin: Repository, asked: Path, tmp_path: Path) -> None:
    """A tag with another content than was signed does not count, nor what follows the signature."""
    body = origin.git("cat-file", "tag", "v1.0.0")
    (tmp_path / "tag").write_text(body.replace("\n\nv1.0.0\n", "\n\nv1.0.0, mended\n") + "\n")
    changed = origin.git("hash-object", "-t", "tag", "-w", str(tmp_path / "tag"))
    origin.git("update-ref", "refs/tags/v1.0.0", changed)
    assert refusal(origin, tmp_path / "home") == ["signature-wrong"]


def test_offline_the_tag_is_what_was_seen(origin: Repository, asked: Path, tmp_path: Path) -> None:
    """A release that was fetched before anybody asked for signatures is not known to be signed."""
    asked.write_text("example.org: keys\n")
    fetched(origin, tmp_path / "home")
    asked.write_text('"*": keys\n')
    assert refusal(origin, tmp_path / "home", offline=True) == ["tag-unsigned"]


def test_a_policy_that_is_lost(origin: Repository, asked: Path, tmp_path: Path) -> None:
    """A file that is not there, or not to be read, is never taken for no policy."""
    for text in ('"*": gone\n', "- wrong\n", "a: b: c\n"):
        asked.write_text(text)
        with pytest.raises(FindingsError):
            fetched(origin, tmp_path / "home")
    asked.unlink()
    with pytest.raises(FindingsError, match="it is named by WAYPOST_SIGNERS"):
        fetched(origin, tmp_path / "home")


def test_what_the_users_git_is_set_to(
    origin: Repository,
    asked: Path,
    signers: tuple[Signer, Signer],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No setting of the user's own git lets a wrong signature count, or a right one not."""
    (tmp_path / "theirs").write_text(signers[1].line)
    settings = {
        "gpg.format": "openpgp",
        "gpg.program": "true",
        "gpg.ssh.program": "true",
        "log.showSignature": "true",
        "gpg.minTrustLevel": "ultimate",
        "gpg.ssh.allowedSignersFile": str(tmp_path / "theirs"),
        "gpg.ssh.revocationFile": str(tmp_path / "keys"),
    }
    monkeypatch.setenv("GIT_CONFIG_COUNT", str(len(settings)))
    for index, (key, value) in enumerate(settings.items()):
        monkeypatch.setenv(f"GIT_CONFIG_KEY_{index}", key)
        monkeypatch.setenv(f"GIT_CONFIG_VALUE_{index}", value)
    assert fetched(origin, tmp_path / "home").version == "1.0.0"
    with monkeypatch.context() as clean:
        clean.delenv("GIT_CONFIG_COUNT")
        signers[1].sign(origin, "v1.0.0")
    assert refusal(origin, tmp_path / "home") == ["signature-wrong"]


def test_the_default_branch_asks(origin: Repository, signers: tuple[Signer, Signer], tmp_path: Path) -> None:
    """releases/allowed_signers counts as the default branch has it; one in the tag vouches for nothing."""
    place = origin.path / "releases" / "allowed_signers"
    place.parent.mkdir()
    place.write_text(signers[0].line)
    origin.commit("who signs")
    assert fetched(origin, tmp_path / "home").version == "1.0.0"
    origin.git("checkout", "-q", "-b", "side")
    place.write_text(signers[1].line)
    origin.commit("mallory signs")
    signers[1].sign(origin, "v1.1.0")
    origin.git("checkout", "-q", "main")
    assert refusal(origin, tmp_path / "home", "1.1.0") == ["signature-wrong"]


def test_the_verbs_refuse(
    origin: Repository, workplace: Path, signers: tuple[Signer, Signer], call: Call
) -> None:
    """`run`, `reproduce` and `bundle` end with 4, and say which tag it is."""
    (workplace / "keys").write_text(signers[1].line)
    (workplace / "signers.yaml").write_text('"*": keys\n')
    target, env = f"{origin.path}@1.0.0", {"WAYPOST_SIGNERS": str(workplace / "signers.yaml")}
    for verb in (["run", target], ["reproduce", target], ["bundle", target, "-o", "x.tar"]):
        result = call("python", "-m", "waypost", *verb, env=env)
        assert result.returncode == 4, result.stderr
        assert "v1.0.0  signature-wrong" in result.stderr
        assert re.search(r"ED25519 key SHA256:\S+ is none of the keys that count", result.stderr)


def opened(folder: Path) -> Workspace:
    return open_workspace(folder, lambda _: None)


def test_components(workplace: Path, signers: tuple[Signer, Signer]) -> None:
    """With `signers` in pipeline.yaml `lock` and `update` take no other tag and write nothing; `verify` lists
    one that was locked and whose signature went away.
    """
    library = make_library(workplace / "components")
    signers[0].sign(library, "v1.0.0")
    folder = make_pipeline(workplace / "pipe", f"file://{library.path}").path
    (folder / "allowed").write_text(signers[0].line)
    edit_pipeline(folder, lambda content: content.update(signers="allowed"))
    lock = resolve(opened(folder), None)
    write_lock(opened(folder), lock, None)
    assert verify(opened(folder)).findings == []
    library.release("1.0.1")
    with pytest.raises(IntegrityError, match=r"core v1.0.1: the tag is not signed"):
        resolve(opened(folder), None)
    with pytest.raises(IntegrityError, match=r"core v1.0.1: the tag is not signed") as error:
        plan_update(opened(folder), required_lock(opened(folder), fresh_lock(opened(folder))))
    assert error.value.consequence == "nothing was written"
    library.git("tag", "-f", "-m", "x", "v1.0.0", "v1.0.0^{commit}")
    [finding] = verify(opened(folder)).findings
    assert (finding.place, finding.category) == ("core v1.0.0", "tag-unsigned")
    edit_pipeline(folder, lambda content: content.pop("signers"))
    assert resolve(opened(folder), None).components["core/load"].tag == "v1.0.1"
