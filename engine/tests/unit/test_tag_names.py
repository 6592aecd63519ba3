"""Several products in one repository: whose tags are whose."""

from __future__ import annotations

import pytest

from waypost.contracts.tag_names import own_prefix, product_around, tag_name
from waypost.contracts.versions import releases_of, tags_of_others, version_of

OWN = "[bumpversion]\ncurrent_version = 1.0.0\ntag_name = parts-v{new_version}\n"
PLAIN = "[bumpversion]\ncurrent_version = 1.0.0\n"
TAGS = (
    "v1.0.0",
    "2.0.0",
    "parts-v1.0.0",
    "parts-v1.1.0rc1",
    "more-parts-v3.0.0",
    "parts-vv1.0.0",
    "parts-v1",
)


@pytest.mark.parametrize(
    ("text", "form"),
    [
        (OWN, "parts-v{new_version}"),
        (PLAIN, "v{new_version}"),
        ("[metadata]\nname = x\n", ""),
        ("", ""),
        ("no section\n", ""),
    ],
)
def test_the_form_of_tags(text: str, form: str) -> None:
    """It is what bump2version takes; a setup.cfg without its section makes no product."""
    assert tag_name(text) == form


@pytest.mark.parametrize(
    ("text", "prefix"), [(OWN, "parts-v"), (PLAIN, ""), ("", ""), ("[bumpversion]\ntag_name = x\n", "")]
)
def test_tags_of_its_own(text: str, prefix: str) -> None:
    """Plain tags are nobody's own, and a form that does not end in the version is none."""
    assert own_prefix(text) == prefix


@pytest.mark.parametrize(
    ("folder", "files", "product"),
    [
        ("", {"setup.cfg": OWN}, ("", "")),
        ("libs/parts", {"libs/parts/setup.cfg": OWN}, ("libs/parts", "parts-v")),
        ("libs/parts/deep", {"libs/parts/setup.cfg": OWN}, ("libs/parts", "parts-v")),
        ("guest", {"guest/setup.cfg": PLAIN}, ("", "")),
        ("libs/guest", {"libs/guest/setup.cfg": PLAIN, "libs/setup.cfg": OWN}, ("", "")),
        ("plain", {}, ("", "")),
        ("odd", {"odd/setup.cfg": "[bumpversion]\ntag_name = {new_version}-odd\n"}, ("", "")),
    ],
)
def test_the_product_around_a_folder(folder: str, files: dict[str, str], product: tuple[str, str]) -> None:
    """The nearest folder with tags of its own; a guest, and a folder without any, belong to the top."""
    assert product_around(folder, files.get) == product


def test_each_product_has_its_own_releases() -> None:
    """A prefix is taken as it is: neither other products' tags count, nor the top's."""
    commits = {tag: str(number) for number, tag in enumerate(TAGS)}
    assert [r.tag for r in releases_of(commits)] == ["2.0.0", "v1.0.0"]
    assert [r.tag for r in releases_of(commits, "parts-v")] == ["parts-v1.1.0rc1", "parts-v1.0.0"]
    assert str(version_of("parts-v1.0.0", "parts-v")) == "1.0.0"
    assert version_of("v1.0.0", "parts-v") is None
    assert tags_of_others(TAGS) == ["more-parts-v3.0.0", "parts-v1.0.0", "parts-v1.1.0rc1", "parts-vv1.0.0"]
    assert tags_of_others(["v1.0.0", "nightly", "v1"]) == []
