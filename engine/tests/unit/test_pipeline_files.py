"""What is wrong in a pipeline.yaml, and where a key belongs."""

from __future__ import annotations

import pytest

from waypost.contracts.pipeline import hold_findings, parse_pipeline
from waypost.errors import FindingsError

TEXT = """\
name: grades
components:
  core: {{git: ../core, version: ~=1.0, hold: {hold}}}
steps:
  load: {{uses: core/download{more}}}
  clean: {{uses: core/preprocess}}
"""


@pytest.mark.parametrize("hold", ["[]", "true", "[download]", "[preprocess, download]"])
def test_components_that_are_held(hold: str) -> None:
    """All of them, or those that steps use."""
    assert hold_findings(parse_pipeline(TEXT.format(hold=hold, more=""))) == []


def test_a_component_that_no_step_uses_cannot_be_held() -> None:
    """A slip in `hold` would let the component move: it is told with the nearest name."""
    [finding] = hold_findings(parse_pipeline(TEXT.format(hold="[preproces]", more="")))
    assert str(finding) == (
        "pipeline.yaml: components.core.hold: no step uses core/preproces; did you mean 'preprocess'?"
    )


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("hold: true", "it belongs to components.NAME.hold"),
        ("git: x", "it belongs to components.NAME.git"),
        ("minutes: 3", "it belongs to steps.NAME.limits.minutes"),
        ("limit: {}", "did you mean 'limits'?"),
        ("colour: red", "known: after, cache"),
    ],
)
def test_where_a_key_belongs(key: str, hint: str) -> None:
    """The place that has it, else the nearest key of that very place; never the key itself as the hint."""
    with pytest.raises(FindingsError) as caught:
        parse_pipeline(TEXT.format(hold="[]", more=f", {key}"))
    [finding] = caught.value.findings
    assert finding.problem == "unknown key"
    assert finding.hint.startswith(hint)
