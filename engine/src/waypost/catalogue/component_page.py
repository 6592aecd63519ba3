"""A component's page: what it does, its contract, how to use it, its versions, who uses it."""

from __future__ import annotations

from collections.abc import Iterator

from waypost.catalogue.badges import badges_of
from waypost.catalogue.example import mlflow_example, pin_example
from waypost.catalogue.facts import UNRELEASED, Entry, Library, State, Version
from waypost.catalogue.markdown import html_of
from waypost.catalogue.markup import Html, Part, element, joined, table
from waypost.catalogue.shell import code_block, page
from waypost.contracts.component import EntryPoint, Parameter
from waypost.contracts.readme import END, START

_STATES: dict[State, str] = {
    "new": "new",
    "interface": "interface changed",
    "content": "other content, same interface",
    "same": "same content",
}


def component_page(library: Library, entry: Entry, site: str) -> str:
    """Returns the page, which lies in a folder of the library's name."""
    return page(
        f"{entry.name} · {library.name}",
        element("h1", entry.name),
        element("p", entry.description) if entry.description else None,
        _badges(entry),
        _deprecation(entry),
        *_use(library, entry),
        element("h2", "Contract", id="contract"),
        *_contract(entry),
        *_readme(entry),
        element("h2", "Versions", id="versions"),
        element("div", *(_version(library, version) for version in entry.versions), class_="versions"),
        element("h2", "Used by", id="used-by"),
        _users(entry),
        site=site,
        root="../",
        place=element("a", library.name, href=f"../{library.slug}.html"),
    )


def _badges(entry: Entry) -> Html:
    parts = [
        element("div", element("dt", badge.what), element("dd", badge.answer, class_=badge.mark))
        for badge in badges_of(entry)
    ]
    return element("dl", *parts, class_="badges")


def _deprecation(entry: Entry) -> Part:
    if not entry.deprecated:
        return None
    return element("p", element("strong", f"This component is {entry.deprecated}."), class_="bad")


def _use(library: Library, entry: Entry) -> Iterator[Part]:
    newest = entry.newest
    version = "as it is now" if newest.version == UNRELEASED else f"version {newest.version}"
    yield element("h2", f"Use {version}", id="use")
    yield element("p", "In a pipeline, pinned exactly:")
    yield code_block(pin_example(library, entry))
    yield element("p", "By itself, with stock MLflow:")
    yield code_block(mlflow_example(library, entry))


def _contract(entry: Entry) -> Iterator[Part]:
    if entry.contract is None:
        yield element("p", f"It cannot be read: {entry.versions[0].problem}", class_="bad")
        return
    for name, point in entry.contract.entry_points.items():
        if name != "main":
            yield element("h3", "Entry point ", element("code", name))
            yield element("p", point.description) if point.description else None
        yield from _tables(point)
    if entry.contract.shared:
        yield element("p", f"It shares with others: {', '.join(entry.contract.shared)}.", class_="soft")


def _tables(point: EntryPoint) -> Iterator[Part]:
    yield table(
        "Parameters",
        ("name", "type", "default", "what it is"),
        (
            (_code(name), _type(p), "required" if p.is_required else _default(p), p.description)
            for name, p in point.parameters.items()
        ),
    )
    yield table(
        "Outputs",
        ("name", "artifact", "type", "what it is"),
        ((_code(n), _code(o.path), o.type or "any", o.description) for n, o in point.outputs.items()),
    )
    yield table(
        "Metrics",
        ("name", "declared", "what it is"),
        ((_code(n), str(m.facts), m.description) for n, m in point.metrics.items()),
    )


def _code(text: str) -> Html:
    return element("code", text)


def _type(parameter: Parameter) -> Html:
    said: list[Part] = [parameter.type]
    if parameter.choices:
        said.append(joined((_code(str(choice)) for choice in parameter.choices), " or "))
    if parameter.minimum is not None:
        said.append(f"at least {parameter.minimum:g}")
    if parameter.maximum is not None:
        said.append(f"at most {parameter.maximum:g}")
    if parameter.takes:
        said.append(f"takes {parameter.takes}")
    return joined(said, ", ")


def _default(parameter: Parameter) -> Part:
    value = parameter.default
    if value in ("", "/dev/null"):
        return "none"
    return _code(str(value).lower() if isinstance(value, bool) else str(value))


def _readme(entry: Entry) -> Iterator[Part]:
    """Gives the README but for its title and its tables, which the page has already."""
    head, start, rest = entry.readme.partition(START)
    _, end, tail = rest.partition(END)
    text = (f"{head}\n{tail}" if start and end else entry.readme).strip()
    title, _, body = text.partition("\n")
    if title.lstrip("# ").strip("` ") == entry.name:
        text = body.strip()
    if text:
        yield element("h2", "README", id="readme")
        yield html_of(text)


def _version(library: Library, version: Version) -> Html:
    """Returns the section of a version: its release, and what changed since the one before."""
    release = version.release
    breaking = any(change.kind == "breaking" for change in version.changes)
    summary = element(
        "summary",
        element("strong", release.version),
        f" {release.date} ",
        element("span", _STATES[version.state], class_="tag bad" if breaking else "tag"),
        element("span", f"yanked: {release.yanked}", class_="tag bad") if release.yanked else None,
    )
    changes = [
        element("li", element("strong", change.kind), f": {change.text}") for change in version.changes
    ]
    notes = html_of("\n".join(version.notes)) if version.notes else None
    where = element("a", "the whole release", href=f"../{library.slug}.html#v{release.version}")
    return element(
        "details",
        summary,
        element("p", version.problem, class_="bad") if version.problem else None,
        element("ul", *changes) if changes else None,
        notes,
        element(
            "p",
            "Commit ",
            _code(release.commit),
            joined([" · ", where]) if release.tag else None,
            class_="soft",
        ),
    )


def _users(entry: Entry) -> Html:
    rows = ((use.place, use.pipeline, use.version, ", ".join(use.steps)) for use in entry.uses)
    found = table("Pipelines that pin it", ("folder", "pipeline", "version", "steps"), rows)
    return found or element("p", "No pipeline that was looked at pins it.", class_="soft")
