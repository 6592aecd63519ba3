"""What CI writes for people, and the script that sets a repository up."""

from __future__ import annotations

import json
import re

import pytest

from waypost.ci import credentials, hosting, settings, texts
from waypost.ci.hosting import slug_of
from waypost.compat.github_cli import is_absent
from waypost.contracts.lock import Pin, make_lock
from waypost.contracts.pipeline import parse_pipeline
from waypost.contracts.requirements import PackageMove
from waypost.errors import Finding, UsageError
from waypost.interfaces.interface import Change
from waypost.interfaces.record import RunRecord
from waypost.pins.updating import Move, Update

BAD = "a|b @team #1 <img src=x> [x](javascript:y)"
PIPELINE = "name: x\nsteps: {a: {uses: b/c}}\ncomponents: {b: {path: b}}\n"
CELL = "`a\\|b @team #1 <img src=x> [x](javascript:y)`"


def pin(version: str) -> Pin:
    return Pin.model_construct(version=version, tag=f"v{version}", commit="c" * 40, tree="t" * 40)


def run(value: float) -> RunRecord:
    about = dict.fromkeys(("version", "commit", "date", "run_id", "platform"), "")
    return RunRecord.model_validate(
        {**about, "made_with": {}, "outputs": {}, "metrics": {"one": {BAD: value}}}
    )


def test_a_hostile_library_in_a_pull_request() -> None:
    """What others changed stands in the text as code: no link, no mention, no cell more."""
    move = Move(
        f"core/{BAD}",
        "moved",
        pin("1.0.0"),
        pin("1.1.0"),
        (Change("added", BAD),),
        packages=(PackageMove(BAD, "1", ""),),
    )
    lock = make_lock(parse_pipeline(PIPELINE), {}, "1")
    update = Update(lock, (move,), {"core": f"{BAD}\n```\n{BAD}"})
    text = texts.update_body(update, run(1.0), run(2.0), "")
    assert f"| 1.0.0 | 1.1.0 | **added**: {CELL} |" in text
    assert f"| {CELL} | `1` |  |" in text
    assert f"| {CELL.replace('a', 'one/a', 1)} | 1.0 | 2.0 ≠ |" in text
    assert f"````\n{BAD}\n```\n{BAD}\n````" in text
    assert "does not run" not in text
    assert "### The pipeline does not run with these" in texts.update_body(update, run(1.0), None, "x")


def test_locks_that_moved() -> None:
    """A package stands in one row with all the locks that have it; hashes alone are told in a line."""
    old, new = "a==1 --hash=sha256:aa\nb==2\n", "a==1.1 --hash=sha256:bb\nc==3\n"
    text = texts.locks_body({"x.txt": (old, new), "y/z.txt": ("a==1\n", "a==1.1\n")})
    assert text.splitlines()[2:] == [
        "| `a` | `1` | `1.1` | `x.txt`, `y/z.txt` |",
        "| `b` | `2` |  | `x.txt` |",
        "| `c` |  | `3` | `x.txt` |",
    ]
    assert texts.locks_body({"x.txt": (old, old.replace("aa", "bb"))}).startswith("The versions are the same")


def test_findings_on_the_page_of_a_job() -> None:
    """A finding is one row, whatever is in it; where there is none, there is no table."""
    assert texts.findings_table([]) == []
    assert texts.findings_table([Finding(BAD, "x\ny", "z")])[-1] == f"| {CELL} | `x␊y` | `z` |"


def test_the_script_of_settings() -> None:
    """Each call is one of the API; each body is JSON; tags never move, a branch takes pull requests only."""
    script = settings.script("team/grades", branch="main", tags="v*", check="check / check")
    bodies = [json.loads(body) for body in re.findall(r"<<'JSON'\n(.*?)\nJSON", script, re.DOTALL)]
    by_target = {body["target"]: body for body in bodies}
    assert {rule["type"] for rule in by_target["tag"]["rules"]} == {"deletion", "non_fast_forward", "update"}
    assert by_target["tag"]["conditions"]["ref_name"]["include"] == ["refs/tags/v*"]
    rules = {rule["type"]: rule.get("parameters", {}) for rule in by_target["branch"]["rules"]}
    assert rules["pull_request"]["allowed_merge_methods"] == ["merge"]
    assert rules["required_status_checks"]["required_status_checks"][0]["context"] == "check / check"
    calls = re.findall(r"^gh api --method (\w+) (\S+)", script, re.MULTILINE)
    assert ("PUT", "repos/team/grades/immutable-releases") in calls
    assert all(address.startswith("repos/team/grades") for _, address in calls)
    assert "environments/package" not in script
    more = settings.script("team/x", branch="main", tags="x-v*", check="check", is_package=True)
    assert "environments/package/deployment-branch-policies \\\n  -f name='x-v*' -f type=tag" in more


@pytest.mark.parametrize(
    ("words", "absent"),
    [
        ("release not found", True),
        (
            "✗ Loading attestations from GitHub API failed Error: HTTP 404: Not Found (https://api.github.com/x)",
            True,
        ),
        ("gh: Not Found (HTTP 404)", True),
        ("HTTP 401: Bad credentials (https://api.github.com/graphql)", False),
        ("✗ Verification failed Error: expected SAN value to match regex", False),
        ("To get started with GitHub CLI, please run:  gh auth login", False),
    ],
)
def test_what_gh_says(words: str, absent: bool) -> None:
    """That a thing is not there is told apart from every other failure, which says nothing of it."""
    assert is_absent(words) == absent


@pytest.mark.parametrize(
    ("url", "slug"),
    [
        ("https://github.com/team/grades.git", "team/grades"),
        ("https://token@github.com/team/grades", "team/grades"),
        ("git@github.com:team/grades.git", "team/grades"),
        ("ssh://git@github.com/team/grades.git", "team/grades"),
        ("https://gitlab.com/team/grades.git", ""),
        ("https://github.com/team/grades/more", ""),
        ("/folder", ""),
    ],
)
def test_which_repository_of_github(url: str, slug: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A URL of GitHub names a repository, however it is written; any other names none."""
    monkeypatch.delenv("GITHUB_SERVER_URL", raising=False)
    assert slug_of(url) == slug


@pytest.mark.parametrize(
    ("variables", "token"),
    [
        ({}, "GH_TOKEN"),
        ({"COMPONENTS_TOKEN": "x"}, "COMPONENTS_TOKEN"),
        ({"COMPONENTS_TOKEN": "x", "LIBRARY_TOKEN": "y"}, "LIBRARY_TOKEN"),
        ({"COMPONENTS_TOKEN": "x", "COMPONENTS_URL": "https://gitlab.test/team"}, "GH_TOKEN"),
        ({"COMPONENTS_TOKEN": "x", "COMPONENTS_URL": "https://github.com/team"}, "COMPONENTS_TOKEN"),
    ],
)
def test_who_looks_at_a_librarys_own_repository(
    variables: dict[str, str], token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A private one is seen with a token that is for its server; one for another server is never sent."""
    for name in ("COMPONENTS_TOKEN", "COMPONENTS_URL", "LIBRARY_TOKEN", "GITHUB_SERVER_URL"):
        monkeypatch.delenv(name, raising=False)
    for name, text in variables.items():
        monkeypatch.setenv(name, text)
    monkeypatch.setattr(hosting, "has_gh", lambda: True)
    origin = "https://github.com/team/all.git"
    assert hosting.library_host("https://github.com/team/parts.git", origin) == hosting.Host(
        "team/parts", token
    )


@pytest.mark.parametrize(
    "address", ["git@github.com:team/x.git", "ssh://github.com/x", "/folder", "https://"]
)
def test_a_token_goes_to_the_web_alone(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token that is given for another address than one of http or https is refused."""
    monkeypatch.setenv("SOME_TOKEN", "x")
    with pytest.raises(UsageError, match="a token goes to a URL of http or https"):
        credentials.lend({address: "SOME_TOKEN"})
