"""Which release each requirement gets: the newest that is allowed and can be used."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from waypost.contracts.component import MISSING, Component
from waypost.contracts.lock import Pin, Wanted
from waypost.contracts.pipeline import FILE as PIPELINE_FILE
from waypost.contracts.versions import Release, Requirement, newest, parse_requirement
from waypost.errors import Finding, FindingsError, IntegrityError, redacted
from waypost.pins.commit_contents import Commit
from waypost.pins.cooling import Cooling
from waypost.pins.pinning import pins_at
from waypost.pins.vouching import library_findings
from waypost.pins.workspace import Workspace
from waypost.sources import git, remotes
from waypost.sources.mirror import Mirror
from waypost.sources.mirror_objects import HEAD

_MOST_NAMED = 6
NOTHING_WRITTEN = "nothing was written"


@dataclass
class Choice:
    """What a requirement gets: a commit, with the tag that named it, if one did."""

    mirror: Mirror
    commit: str
    tag: str = ""


@dataclass
class Resolver:
    """Chooses commits and reads them; every remote is asked once. `settled` are commits that are pinned."""

    workspace: Workspace
    settled: Collection[str] = ()
    problems: dict[str, list[Finding]] = field(default_factory=dict)
    contracts: dict[str, Component] = field(default_factory=dict)
    cooling: Cooling = field(init=False)
    _doubts: list[Finding] = field(default_factory=list)
    _heads: set[tuple[str, str]] = field(default_factory=set)
    _choices: dict[tuple[str, ...], Choice | LookupError] = field(default_factory=dict)
    _commits: dict[tuple[str, ...], Commit] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.cooling = Cooling(self.workspace, self.settled)

    def pins(self, wants: Mapping[str, Wanted]) -> dict[str, Pin]:
        """Returns the newest pins that requirements allow; `problems` has those that have none.

        Raises IntegrityError where a tag is not what the default branch records, or not signed as asked for:
        an older release is no way out of that.
        """
        chosen: dict[tuple[str, ...], tuple[Choice, dict[str, Wanted]]] = {}
        for uses, want in wants.items():
            if choice := self._choose(uses, want):
                group = chosen.setdefault((*_place(choice.mirror), choice.commit), (choice, {}))
                group[1][uses] = want
        if self._doubts:
            raise IntegrityError(self._doubts, consequence=NOTHING_WRITTEN)
        found: dict[str, Pin] = {}
        for choice, asked in chosen.values():
            commit = self.commit(choice.mirror, choice.commit)
            pins, problems = pins_at(commit, asked, choice.tag)
            for uses, causes in problems.items():
                self.problems[uses] = [self._explained(f, choice, asked[uses]) for f in causes]
            found |= pins
            self.contracts |= {uses: commit.component(asked[uses].component, uses) for uses in pins}
        return found

    def commit(self, mirror: Mirror, commit: str) -> Commit:
        """Returns a commit that is in the mirror, read once."""
        key = (*_place(mirror), commit)
        if key not in self._commits:
            self._commits[key] = Commit(mirror, commit)
        return self._commits[key]

    def offered(self, want: Wanted) -> list[str]:
        """Returns the components that a requirement gets. Raises FindingsError, IntegrityError."""
        choice = self._choose(want.source, want)
        if self._doubts:
            raise IntegrityError(self._doubts, consequence=NOTHING_WRITTEN)
        if choice is None:
            raise FindingsError(self.problems[want.source], consequence=NOTHING_WRITTEN)
        return self.commit(choice.mirror, choice.commit).components

    def newest_of_all(self, source: str) -> Release | None:
        """Returns the newest stable release of a source, whatever the pipeline asks for."""
        releases = self.workspace.mirror(source).releases()
        return newest(releases, parse_requirement("*"))

    def _choose(self, uses: str, want: Wanted) -> Choice | None:
        mirror = self.workspace.mirror(want.source)
        cooldown = self.workspace.pipeline.components[want.source].cooldown
        key = (*_place(mirror), want.requirement, cooldown)
        if key not in self._choices:
            requirement = parse_requirement(want.requirement)
            try:
                if requirement.commit:
                    self._choices[key] = _commit_choice(mirror, requirement.commit)
                else:
                    self._choices[key] = self._release_choice(mirror, want, requirement)
            except LookupError as error:
                self._choices[key] = error
        found = self._choices[key]
        if isinstance(found, Choice):
            return found
        self.problems[uses] = [Finding(f"{PIPELINE_FILE}: {uses}", *found.args)]
        return None

    def _release_choice(self, mirror: Mirror, want: Wanted, requirement: Requirement) -> Choice:
        """Returns the newest release that fits. Raises LookupError with the rest of a finding."""
        fitting = [r for r in mirror.releases() if requirement.allows(r.version)]
        if not fitting:
            raise LookupError(*_no_release(mirror, want))
        # The first is fetched together with the default branch, which says what was yanked since.
        if next(mirror.sound(fitting, with_head=_place(mirror) not in self._heads), None) is None:
            names = ", ".join(release.tag for release in fitting)
            problem = f"{want.place}: no tag that fits {want.requirement} names a commit: {names}"
            raise LookupError(problem, "they name files or folders: ask for another version")
        self._heads.add(_place(mirror))
        yanked, young = mirror.yanked(), list[str]()
        for release in mirror.sound(r for r in fitting if str(r.version) not in yanked):
            if why := self.cooling.holds(mirror, want.source, requirement, release):
                young.append(why)
                continue
            named = (release.tag, str(release.version), release.commit)
            doubts = library_findings(self.workspace, want.source, *named)
            self._doubts += doubts
            if not doubts:
                mirror.note_reached(release.commit)
            return Choice(mirror, release.commit, release.tag)
        if young:
            problem = (
                f"{want.place}: the releases that fit {want.requirement} are too young: {', '.join(young)}"
            )
            raise LookupError(problem, f"wait, or ask for one by name: =={young[0].partition(' ')[0]}")
        known = {str(r.version): yanked[str(r.version)] for r in fitting if str(r.version) in yanked}
        reasons = [f"{version} was yanked: {reason}" for version, reason in known.items()]
        raise LookupError(f"{want.place}: {'; '.join(reasons)}", "ask for another version", "yanked")

    def _explained(self, finding: Finding, choice: Choice, want: Wanted) -> Finding:
        """Adds to a missing component the version looked at, and the first that has it."""
        if finding.category != MISSING:
            return finding
        at = choice.tag or choice.commit[:12]
        first = self._first_with(choice.mirror, want.component)
        hint = f"the first version that has it is {first.version}" if first else finding.hint
        problem = f"{finding.problem} in {want.place} at {at}"
        return Finding(f"{PIPELINE_FILE}: {finding.place}", problem, hint)

    def _first_with(self, mirror: Mirror, component: str) -> Release | None:
        """Returns the first release that has a component which the newest has (by bisection)."""
        releases = [r for r in reversed(mirror.releases()) if not r.version.is_prerelease]

        def has(release: Release) -> bool:
            found = next(mirror.sound([release]), None)
            return found is not None and component in self.commit(mirror, release.commit).components

        if not releases or not has(releases[-1]):
            return None
        low, high = 0, len(releases) - 1
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if has(releases[middle]) else (middle + 1, high)
        return releases[low]


def _place(mirror: Mirror) -> tuple[str, str]:
    return mirror.url, mirror.inside


def _commit_choice(mirror: Mirror, text: str) -> Choice:
    """Returns the choice of a full or short commit. Raises LookupError with the rest of a finding."""
    commit = remotes.commit_of(mirror.url, text)
    if commit is None:
        problem = f"no branch and no tag of {redacted(mirror.url)} holds commit {text}"
        raise LookupError(problem, "a commit that only a fork has is refused")
    mirror.ensure(commit)
    mirror.note_reached(commit)
    return Choice(mirror, commit)


def _without_releases(mirror: Mirror) -> str:
    """Returns what to do where a repository, such as a stranger's, has no release."""
    mirror.fetch_head()
    head = git.object_at(mirror.folder, HEAD)
    return "waypost release cuts one" + (f"; a commit is a version, too: {head}" if head else "")


def _no_release(mirror: Mirror, want: Wanted) -> tuple[str, str]:
    """Returns problem and hint where no release fits."""
    asked = want.requirement
    releases = mirror.releases()
    stable = [str(r.version) for r in releases if not r.version.is_prerelease]
    pre = [str(r.version) for r in releases if r.version.is_prerelease]
    problem = f"no release of {want.place} fits {asked}"
    if not releases:
        others = mirror.other_products()
        hint = f"{others}: `folder: …` beside `git`" if others else _without_releases(mirror)
        return f"{problem}: it has no tag of the form vX.Y.Z", hint
    if pre and any(parse_requirement(asked + ",>=0.dev0").allows(r.version) for r in releases):
        return f"{problem}: only pre-releases do", f"ask for one by name, such as =={pre[0]}"
    known = stable or pre
    more = f" and {len(known) - _MOST_NAMED} more" if len(known) > _MOST_NAMED else ""
    return problem, f"there {'are' if len(known) > 1 else 'is'} {', '.join(known[:_MOST_NAMED])}{more}"
