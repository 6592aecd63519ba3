"""Builds the documentation as a site into build/site (`make site`); a link that leads nowhere fails it.

Pages of docs/ stand at the top of the site. What they link to elsewhere in the repository comes along below
`repository/`, so that the same relative links work on the site and where the files are read as they are.
"""

from __future__ import annotations

import posixpath
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import NamedTuple

TOP = Path(__file__).parents[2]
PAGES, ELSEWHERE = "docs", "repository"
_STAGED = Path("build", "site-source")
_LINK = re.compile(r"(?<=\]\()([^)\s#]+)(?=[)#])")
_LISTING = "index.md"
_FETCHED = {"src", "srcset", "data", "poster", "background"}
"""Attributes by which a browser fetches something."""
_LINKS = {
    "stylesheet",
    "icon",
    "preload",
    "modulepreload",
    "prefetch",
    "preconnect",
    "dns-prefetch",
    "manifest",
}
_ELSEWHERE = re.compile(r"\s*(https?:)?//", re.IGNORECASE)
_STYLE = re.compile(r"(?:url\(|@import)\s*[\"']?\s*((?:https?:)?//[^\"')\s]+)", re.IGNORECASE)
_FENCE = re.compile(r"^(```|~~~).*?^\1", re.DOTALL | re.MULTILINE)


class Staged(NamedTuple):
    """The files of a site by their place on it, and the links that lead nowhere."""

    files: dict[str, bytes]
    broken: list[str]


def staged(top: Path, pages: Iterable[str]) -> Staged:
    """Returns `pages` (paths relative to `top`) and everything that they link to, links adapted."""
    found = Staged({}, [])
    todo = list(pages)
    while todo:
        path = todo.pop()
        if (place := _place(path)) in found.files:
            continue
        if not path.endswith(".md"):
            found.files[place] = (top / path).read_bytes()
            continue
        text, links = _adapted(top, path, _text(top, path))
        found.files[place] = text.encode("utf-8")
        for link in links:
            if _is_there(top, link):
                todo.append(link)
            else:
                found.broken.append(f"{path}: {link}")
    return found


def _place(path: str) -> str:
    """Returns where a file of the repository stands on the site."""
    inside = posixpath.relpath(path, PAGES)
    return inside if not inside.startswith("..") else posixpath.join(ELSEWHERE, path)


def _is_there(top: Path, path: str) -> bool:
    return (top / path).is_file() or (path.endswith(f"/{_LISTING}") and (top / path).parent.is_dir())


def _text(top: Path, path: str) -> str:
    """Returns a page, or the listing of a folder that has none of its own."""
    if (file := top / path).is_file():
        return file.read_text(encoding="utf-8")
    titles = {
        page.name: page.read_text(encoding="utf-8").partition("\n")[0] for page in file.parent.glob("*.md")
    }
    lines = [f"- [{titles[name].lstrip('# ')}]({name})" for name in sorted(titles)]
    return "\n".join([f"# {file.parent.name.capitalize()}", "", *lines, ""])


def _adapted(top: Path, path: str, text: str) -> tuple[str, list[str]]:
    """Returns a page with its relative links as they are on the site, and the files that they lead to."""
    links: list[str] = []

    def moved(match: re.Match[str]) -> str:
        link = match[1]
        if (
            "://" in link
            or link.startswith(("mailto:", "/"))
            or any(match.start() in each for each in fences)
        ):
            return link
        target = posixpath.normpath(posixpath.join(posixpath.dirname(path), link))
        if (top / target).is_dir():  # shown by its README, as where repositories are read
            has_readme = (top / target / "README.md").is_file()
            target = posixpath.join(target, "README.md" if has_readme else _LISTING)
        links.append(target)
        return posixpath.relpath(_place(target), posixpath.dirname(_place(path)) or ".")

    fences = [range(*match.span()) for match in _FENCE.finditer(text)]
    return _LINK.sub(moved, text), links


class _Fetched(HTMLParser):
    """Notes what a page has a browser fetch from other machines: an address, or what makes a script do so."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if "mermaid" in given.get("class", "").split():
            self.found.append("a mermaid diagram, which a script of the theme fetches the library for")
        for name, value in given.items():
            is_link = tag == "link" and name == "href" and _LINKS & set(given.get("rel", "").lower().split())
            if (name in _FETCHED or is_link) and _ELSEWHERE.match(value):
                self.found.append(value.strip())
        self.found += _STYLE.findall(given.get("style", ""))


def fetched_elsewhere(site: Path) -> Iterator[str]:
    """Yields what a reader's browser would ask other machines for, by page: a site asks for nothing."""
    for page in sorted([*site.rglob("*.html"), *site.rglob("*.css"), *site.rglob("*.svg")]):
        text = page.read_text(encoding="utf-8")
        reader = _Fetched()
        if page.suffix != ".css":
            reader.feed(text)
        found = reader.found if page.suffix == ".html" else [*reader.found, *_STYLE.findall(text)]
        yield from (f"{page.relative_to(site)}: {each}" for each in dict.fromkeys(found))


def main() -> None:
    """Stages the pages and has Zensical build them, strictly; no page asks another machine for anything."""
    pages = sorted(str(page.relative_to(TOP)) for page in (TOP / PAGES).rglob("*.md"))
    site = staged(TOP, [*pages, f"{PAGES}/site.css", "README.md", "CONTRIBUTING.md", "SECURITY.md"])
    if site.broken:
        sys.exit("links that lead nowhere:\n" + "\n".join(sorted(set(site.broken))))
    folder = TOP / _STAGED
    shutil.rmtree(folder, ignore_errors=True)
    for place, content in site.files.items():
        file = folder / place
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    zensical = Path(sys.executable).with_name("zensical")
    command = [str(zensical), "build", "--strict", "--clean"]
    done = subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stdout + done.stderr)
    if outside := list(fetched_elsewhere(TOP / "build" / "site")):
        sys.exit("fetched from other machines:\n" + "\n".join(outside))
    print(f"{len(site.files)} files: build/site/index.html")


if __name__ == "__main__":
    main()
