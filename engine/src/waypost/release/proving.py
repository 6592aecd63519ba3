"""What fails of a product when its components are executed, before it is released."""

from __future__ import annotations

from pathlib import Path

from waypost.contracts.rules import RULES
from waypost.errors import Finding, UsageError
from waypost.release.conformance import check_library
from waypost.release.kinds import read_product
from waypost.release.library import Library
from waypost.release.pipeline_conformance import check_pipeline, pipeline_at
from waypost.release.pipeline_repository import PipelineRepository
from waypost.release.trying import try_components
from waypost.sources.waiting import Notify


def failing(folder: Path, say: Notify) -> list[Finding]:
    """Returns the tests and examples of a library, or of a pipeline's own components, that fail and that its
    owner does not ignore. Raises UsageError for a package, which has no components; WaypostError.
    """
    product = read_product(folder)

    def tried(library: Path) -> list[Finding]:
        return try_components(library, say)

    if isinstance(product, Library):
        found = check_library(product.folder, tried)
    elif isinstance(product, PipelineRepository):
        found = check_pipeline(pipeline_at(product.place, say), None, tried)
    else:
        raise UsageError(f"{folder}: a package has no components to execute", hint="leave --run out")
    return [each for each in found.findings if each.category in RULES and RULES[each.category].of == "run"]
