"""The bill of materials of a release."""

from __future__ import annotations

from waypost.contracts.sbom import Part, packages_in, sbom

HASH = "a" * 64
LOCK = (
    f"Pandas==2.2 \\\n    --hash=sha256:{HASH}\n"
    "numpy==1.26 ; python_version < '3.13'\nnumpy==2.1 ; python_version > '3'\n"
)


def test_packages_of_locks() -> None:
    """Each version that a lock pins, by its canonical name, once, with its hashes; ranges are no versions."""
    assert list(packages_in([LOCK, "scipy>=1.2\npandas==2.2\nlocal==1.*\n"])) == [
        Part("numpy", "1.26"),
        Part("numpy", "2.1"),
        Part("pandas", "2.2", (HASH,)),
    ]


def test_a_document_follows_from_its_parts() -> None:
    """The same parts give the same document, serial number and all; other parts another one."""
    parts = [Part("core/load", "1.0.0", commit="c" * 40), *packages_in([LOCK])]
    found = sbom("grades", "1.0.0", parts)
    assert found == sbom("grades", "1.0.0", [*parts, parts[0]])
    assert found["serialNumber"] != sbom("grades", "1.0.1", parts)["serialNumber"]
    assert [part["bom-ref"] for part in found["components"]] == [
        "core/load@1.0.0",
        "pkg:pypi/numpy@1.26",
        "pkg:pypi/numpy@2.1",
        "pkg:pypi/pandas@2.2",
    ]
    assert found["dependencies"][0]["dependsOn"] == sorted(part["bom-ref"] for part in found["components"])
