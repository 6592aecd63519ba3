"""A GitHub of our own: a git server whose hooks keep its rules, a `gh` that keeps its state in a folder.

Both refuse what GitHub refuses. A line in the file `kill` lets the first command that has those words kill
who called it, with -9, once it is done.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.conftest import BIN
from tests.repositories import Repository, git_daemon

_HOOK = """#!/bin/sh
while read old new ref; do
  none=$(echo "$old" | tr 0-9a-f 0)
  case $ref in
  refs/heads/main)
    if [ -f protected ]; then
      echo "error: GH006: Protected branch update failed for $ref. Make a pull request." >&2
      exit 1
    fi
    if [ "$old" != "$none" ] && ! git merge-base --is-ancestor "$old" "$new"; then
      echo "error: GH003: Sorry, force-pushing to main is not allowed." >&2
      exit 1
    fi ;;
  refs/tags/*)
    if [ "$old" != "$none" ]; then
      echo "error: GH013: Repository rule violations found for $ref. Cannot update this protected ref." >&2
      exit 1
    fi ;;
  esac
done
"""

_GIT = """#!/bin/sh
{git} "$@"
code=$?
if [ $code = 0 ] && [ -f {kill} ] && case "git $*" in *"$(cat {kill})"*) true ;; *) false ;; esac; then
  rm {kill}
  kill -9 $PPID
fi
exit $code
"""

_GH = """#!{python}
import hashlib, json, os, pathlib, subprocess, sys, urllib.parse

STATE, REPOS, KILL = (pathlib.Path(p) for p in ({state!r}, {repos!r}, {kill!r}))
words, options, rest = [], {{}}, sys.argv[1:]
TAKES = {{
    *("--repo", "--json", "--title", "--notes-file", "--target"),
    *("--head", "--base", "--body-file", "--state", "--ref", "--signer-repo"),
}}
while rest:
    word = rest.pop(0)
    if word in TAKES:
        options[word] = rest.pop(0)
    elif word.startswith("--"):
        options[word.partition("=")[0]] = word.partition("=")[2]
    else:
        words.append(word)
if not os.environ.get("GH_TOKEN"):
    sys.exit("gh: To use GitHub CLI in a GitHub Actions workflow, set the GH_TOKEN environment variable.")
verb = words[0]
slug = options.get("--repo") or "/".join(words[1].split("/")[1:3])
if os.environ["GH_TOKEN"] == "expired":
    sys.exit("HTTP 401: Bad credentials (https://api.github.com/graphql)")
bare = REPOS / f"{{slug}}.git"
file = STATE / f"{{slug.replace('/', '+')}}.json"
state = json.loads(file.read_text()) if file.exists() else {{"releases": {{}}, "pulls": []}}

def may(scope):
    token = os.environ["GH_TOKEN"]  # a job's says what it may
    return not token.startswith("job:") or f"{{scope}}=write" in token

def need(scope):
    if not may(scope):
        sys.exit("HTTP 403: Resource not accessible by integration")

def git(*arguments):
    found = subprocess.run(["git", "-C", bare, *arguments], capture_output=True, text=True)
    return found.stdout.strip() if found.returncode == 0 else ""

def save():
    file.write_text(json.dumps(state, indent=1))

def digest(path):
    return "sha256:" + hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()

def attach(release, paths, clobber):
    for path in map(pathlib.Path, paths):
        if path.name in release["assets"] and not clobber:
            sys.exit(f"HTTP 422: Validation Failed: asset {{path.name}} already exists")
        release["assets"][path.name] = digest(path)
        save()
        stop("half")

def stop(mark=""):
    if KILL.exists() and (wanted := KILL.read_text().strip()):
        done = " ".join([*(["half"] if mark else []), "gh", *words])
        if done.startswith(wanted):
            KILL.unlink()
            os.kill(os.getppid(), 9)
            os._exit(9)

with (STATE / "calls").open("a") as calls:
    calls.write(" ".join(["gh", *words[:2]]) + "\\n")
attested = state.setdefault("attestations", {{}})
if verb == "attestation":
    found = attested.get(digest(words[2]))
    print(f"Loaded digest {{digest(words[2])}} for file://{{words[2]}}", file=sys.stderr)
    if found is None:
        url = f"https://api.github.com/repos/{{slug}}/attestations/{{digest(words[2])}}?per_page=30"
        sys.exit(f"✗ Loading attestations from GitHub API failed\\n\\nError: HTTP 404: Not Found ({{url}})")
    signer = options.get("--signer-repo", slug)
    if found != signer:
        problem = f"expected SAN value to match regex ^https://github.com/{{signer}}/"
        sys.exit(f"✗ Verification failed\\n\\nError: {{problem}}")
elif verb == "api" and "/attestations/" in words[1]:
    if words[1].rpartition("/")[2] not in attested:
        sys.exit("gh: Not Found (HTTP 404)")
    print(json.dumps({{"attestations": [{{"bundle": {{}}}}]}}))
elif verb == "workflow":
    need("actions")
    if not git("rev-parse", "--verify", "--quiet", f"refs/tags/{{options['--ref']}}"):
        sys.exit(f"HTTP 422: No ref found for: {{options['--ref']}}")
    state.setdefault("started", []).append([words[2], options["--ref"]])
    save()
elif verb == "api" and "/statuses/" in words[1]:
    need("statuses")
    state.setdefault("statuses", {{}})[words[1].rpartition("/")[2]] = words[3]
    save()
elif verb == "api":
    release = state["releases"].get(urllib.parse.unquote(words[1].rpartition("/")[2]))
    if release is None or release["draft"]:
        sys.exit("gh: Not Found (HTTP 404)")
    print(json.dumps({{"immutable": (bare / "immutable").exists()}}))
elif verb == "release":
    action, tag, paths = words[1], words[2], words[3:]
    release = state["releases"].get(tag)
    if release and release["draft"] and not may("contents"):
        release = None  # drafts are for those who may write
    if action != "view":
        need("contents")
    if action == "create":
        if release:
            sys.exit(f"HTTP 422: Validation Failed: a release with the same tag name already exists: {{tag}}")
        if not git("rev-parse", "--verify", "--quiet", f"{{options['--target']}}^{{{{commit}}}}"):
            sys.exit("HTTP 422: Validation Failed: Release.target_commitish is invalid")
        notes = pathlib.Path(options["--notes-file"]).read_text()
        release = {{"draft": True, "assets": {{}}, "notes": notes, "title": options["--title"]}}
        state["releases"][tag] = release
        save()
        attach(release, paths, False)
    elif release is None:
        sys.exit("release not found")
    elif action == "view":
        assets = [{{"name": n, "digest": d, "state": "uploaded"}} for n, d in release["assets"].items()]
        url = f"https://github.test/{{slug}}/releases/{{tag}}"
        print(json.dumps({{"isDraft": release["draft"], "url": url, "assets": assets}}))
    elif not release["draft"]:
        sys.exit("HTTP 422: Validation Failed: this release is immutable")
    elif action == "upload":
        attach(release, paths, "--clobber" in options)
    elif action == "delete-asset":
        del release["assets"][paths[0]]
    elif action == "edit":
        if not git("rev-parse", "--verify", "--quiet", f"refs/tags/{{tag}}"):
            sys.exit(f"tag {{tag}} doesn't exist in the repo {{slug}}, aborting due to --verify-tag flag")
        release["draft"] = options["--draft"] != "false"
    save()
elif verb == "pr":
    action = words[1]
    named = options.get("--head") or words[2]
    pulls = [p for p in state["pulls"] if named in (p["head"], p["url"]) and p["open"]]
    forks = [p["url"] for p in pulls if p.get("fork")]
    if action == "list":
        print(json.dumps([{{"url": p["url"], "isCrossRepository": p["url"] in forks}} for p in pulls]))
    elif action == "create":
        need("pull-requests")
        if len(pulls) > len(forks):
            sys.exit(f"a pull request for branch {{options['--head']}} already exists")
        if not git("rev-parse", "--verify", "--quiet", f"refs/heads/{{options['--head']}}"):
            sys.exit("pull request create failed: GraphQL: Head sha can't be blank")
        url = f"https://github.test/{{slug}}/pull/{{len(state['pulls']) + 1}}"
        body = pathlib.Path(options["--body-file"]).read_text()
        pull = {{"head": options["--head"], "url": url, "open": True}}
        state["pulls"].append({{**pull, "title": options["--title"], "body": body}})
        print(url)
    elif action == "edit":
        pulls[0] |= {{"title": options["--title"], "body": pathlib.Path(options["--body-file"]).read_text()}}
    save()
stop()
"""


@dataclass
class Github:
    """A server with repositories as OWNER/NAME, and the state of its releases and pull requests."""

    folder: Path
    url: str

    def bare(self, slug: str) -> Path:
        return self.folder / "repos" / f"{slug}.git"

    def create(self, slug: str, source: Repository) -> str:
        """Makes a repository with what another one has on main; returns its URL."""
        bare = self.bare(slug)
        bare.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["git", "clone", "-q", "--bare", source.path, bare], check=True)
        subprocess.run(["git", "-C", bare, "config", "uploadpack.allowFilter", "true"], check=True)
        hook = bare / "hooks" / "pre-receive"
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(_HOOK)
        hook.chmod(0o755)
        return f"{self.url}/{slug}.git"

    def clone(self, slug: str, place: Path) -> Repository:
        """Returns a fresh clone, as a runner makes one."""
        subprocess.run(["git", "clone", "-q", f"{self.url}/{slug}.git", place], check=True)
        return Repository(place)

    def state(self, slug: str) -> dict[str, Any]:
        file = self.folder / f"{slug.replace('/', '+')}.json"
        found: dict[str, Any] = (
            json.loads(file.read_text()) if file.exists() else {"releases": {}, "pulls": []}
        )
        return found

    def attest(self, slug: str, file: Path, signer: str) -> None:
        """Stores that a workflow of `signer` made a file, in a run of a repository."""
        state = self.state(slug)
        digest = f"sha256:{hashlib.sha256(file.read_bytes()).hexdigest()}"
        state.setdefault("attestations", {})[digest] = signer
        (self.folder / f"{slug.replace('/', '+')}.json").write_text(json.dumps(state))

    def protect(self, slug: str, *, yes: bool = True) -> None:
        """Protects main, or lifts it, as an administrator does who merges."""
        (self.bare(slug) / "protected").unlink(missing_ok=True)
        if yes:
            (self.bare(slug) / "protected").touch()

    def kill_after(self, words: str) -> None:
        (self.folder / "kill").write_text(words)

    @property
    def killed(self) -> bool:
        return not (self.folder / "kill").exists()

    def calls(self) -> list[str]:
        """Returns what was asked of gh since the last time."""
        file = self.folder / "calls"
        found = file.read_text().splitlines() if file.exists() else []
        file.unlink(missing_ok=True)
        return found

    @property
    def variables(self) -> dict[str, str]:
        """The variables of a job; `gh` and `git` are found before others."""
        path = f"{self.folder / 'bin'}{os.pathsep}{BIN}{os.pathsep}{os.environ['PATH']}"
        return {
            "GITHUB_SERVER_URL": self.url,
            "GH_TOKEN": "of-the-job",
            "PATH": path,
            "GITHUB_ACTOR": "robot",
        }


@contextlib.contextmanager
def github(folder: Path) -> Iterator[Github]:
    """Serves a GitHub whose repositories and state are in a folder."""
    programs = folder / "bin"
    programs.mkdir(parents=True)
    places = {"state": str(folder), "repos": str(folder / "repos"), "kill": str(folder / "kill")}
    texts = {
        "gh": _GH.format(python=sys.executable, **places),
        "git": _GIT.format(git=shutil.which("git"), kill=folder / "kill"),
    }
    for name, text in texts.items():
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    (folder / "repos").mkdir()
    with git_daemon(folder / "repos") as url:
        yield Github(folder, url)
