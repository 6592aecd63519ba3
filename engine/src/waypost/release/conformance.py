"""Conformance of a component library. The rules are in contracts/conformance.py."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from waypost.contracts import kit
from waypost.contracts.component_folder import README
from waypost.contracts.conformance import conformance
from waypost.contracts.exemptions import Exemption, Ignored, exemptions, judged
from waypost.contracts.pipeline import FILE as PIPELINE_FILE
from waypost.contracts.readme import readme_problems, with_tables
from waypost.contracts.rules import RULES
from waypost.errors import Finding, FindingsError, UsageError
from waypost.release.bumpversion import SETTINGS, read_section, read_settings
from waypost.release.component_folders import read_folders, unread
from waypost.release.product import CHANGELOG
from waypost.sources.files import components_in, contract_of, read_component, read_text, write_text

_OF_A_LIBRARY = {
    "LICENSE": ("licence", "may others use it, and how?"),
    README: ("files", "what is in it?"),
    CHANGELOG: ("files", "what changed for its users? https://keepachangelog.com"),
    SETTINGS: ("files", "[bumpversion], current_version = 0.1.0, commit = False, tag = False"),
}


@dataclass(frozen=True)
class Conformance:
    """The checked components, all findings, and those that are ignored with a reason."""

    components: tuple[str, ...]
    findings: tuple[Finding, ...]
    ignored: tuple[Ignored, ...] = ()


Tried = Callable[[Path], Iterable[Finding]]
"""Executes what is in a folder of components, and gives what failed."""


def check_library(folder: Path, tried: Tried | None = None) -> Conformance:
    """Checks all components of a library, and then executes `tried`. Raises UsageError if there are none."""
    found = check_components(folder)
    if not found.components:
        hint = f"the folder of a library, or of a pipeline ({PIPELINE_FILE})"
        if contract_of(folder):
            hint = (
                "it is a component itself, which pipelines use as it is; a library has folders of components"
            )
        raise UsageError(f"{folder.resolve()}: no components here", hint=hint)
    missing = [
        Finding(name, "is missing", hint, rule)
        for name, (rule, hint) in _OF_A_LIBRARY.items()
        if not (folder / name).is_file()
    ]
    if (folder / SETTINGS).is_file():
        missing += _settings_findings(folder / SETTINGS)
    failed = tried(folder) if tried else ()
    findings = (*missing, *found.findings, *failed)
    return held(Conformance(found.components, findings), ignored_in(folder), executed=tried is not None)


def _settings_findings(file: Path) -> Iterator[Finding]:
    """Yields why a setup.cfg says no version, which a release needs."""
    try:
        read_settings(file)
    except UsageError as error:
        yield unread(file.parent, error, "files")


def held(found: Conformance, exempt: tuple[Exemption, ...], *, executed: bool = False) -> Conformance:
    """Returns the findings of a product without those that its owner ignores.

    An unused exemption for a rule that was not `executed` is not reported.
    """
    asked = [name for name, rule in RULES.items() if executed or rule.of != "run"]
    findings, ignored = judged(found.findings, exempt, asked)
    return Conformance(found.components, findings, (*found.ignored, *ignored))


def ignored_in(folder: Path) -> tuple[Exemption, ...]:
    """Returns the exemptions in the setup.cfg of a library."""
    return exemptions(read_section(folder / SETTINGS, "waypost:ignore"), f"{SETTINGS}: ignore")


def check_components(folder: Path) -> Conformance:
    """Checks all components in a folder; there may be none."""
    read = read_folders(folder)
    findings = [finding for folder in read.folders() for finding in conformance(folder)]
    findings += [*read.problems, *read.texts(), *_kit_findings(folder, read.content.get(kit.FOLDER, ()))]
    return Conformance(tuple(components_in(folder)), tuple(dict.fromkeys(findings)))


def _kit_findings(folder: Path, files: Sequence[Path]) -> Iterator[Finding]:
    """Yields differences between a library's vendored kit and the version that it declares."""
    contents = {file.relative_to(folder / kit.FOLDER).as_posix(): file.read_bytes() for file in files}
    # What is no text differs from any text of the kit; line ends of Windows are those of a checkout.
    texts = {n: content.decode(errors="replace").replace("\r\n", "\n") for n, content in contents.items()}
    problem, hint = kit.kit_problem(texts)
    if problem:
        yield Finding(kit.FOLDER, problem, hint, "kit")


def write_tables(notify: Callable[[str], None]) -> Callable[[Path], None]:
    """Returns a function that writes the contracts' tables into the READMEs of a folder's components."""

    def write(folder: Path) -> None:
        for name in components_in(folder):
            try:
                main = read_component(folder, name, name).entry_points.get("main")
            except FindingsError:
                continue  # which a check tells
            file = folder / name / README
            before = read_text(file) if file.is_file() else f"# {name}\n"
            if main and list(readme_problems(before if file.is_file() else "", main)):
                write_text(file, with_tables(before, main))
                notify(f"{file}: its tables are those of the contract now")

    return write
