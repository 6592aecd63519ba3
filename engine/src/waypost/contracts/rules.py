"""The rules of `waypost check`: what each demands, and why. The id is the category of its findings."""

from __future__ import annotations

from typing import Literal, NamedTuple

Of = Literal["component", "library", "pipeline", "run", "all"]


class Rule(NamedTuple):
    """What has to be so, and the reason; a release `refuses` what breaks it.

    What is `final` cannot be ignored: without it nobody could lock or run the product.
    """

    of: Of
    demand: str
    reason: str
    refuses: bool = False
    final: bool = False


RULES: dict[str, Rule] = {
    "contract": Rule(
        "component", "The MLproject can be read.", "Nobody could lock or run it.", refuses=True, final=True
    ),
    "name": Rule(
        "component",
        "The name in the MLproject is the folder's.",
        "A pipeline names the folder, MLflow's pages the component: one thing has one name.",
        refuses=True,
    ),
    "entry-point": Rule("component", "There is an entry point `main`.", "A step uses it by default."),
    "described": Rule(
        "component",
        "Every entry point, parameter and output has a description.",
        "Users read them: `waypost components info`, the README, the catalogue.",
    ),
    "command": Rule(
        "component",
        "The command can be filled in with the parameters, and the program that it names is there.",
        "Else every run fails, the user's first.",
        refuses=True,
        final=True,
    ),
    "unused-parameter": Rule(
        "component",
        "The command uses every parameter.",
        "MLflow drops the value of one that it does not use without a word.",
        refuses=True,
    ),
    "arguments": Rule(
        "component",
        "The program reads the options that the command gives, and the command gives those that it requires.",
        "argparse ends a program that is given an option it does not know, or lacks one.",
        refuses=True,
    ),
    "outputs": Rule(
        "component",
        "Each declared output is named in the code, by its path or its name.",
        "A step fails where an output is not logged under the path that the contract declares.",
    ),
    "default": Rule(
        "component",
        "A default fits the type, choices and range of its parameter.",
        "It is the value of everybody who gives none.",
        refuses=True,
        final=True,
    ),
    "parameter": Rule(
        "component",
        "What a parameter declares goes together: range, choices, `sha256`, `takes`, `metadata`.",
        "What cannot be checked is no promise.",
        refuses=True,
        final=True,
    ),
    "schema": Rule(
        "component",
        "The JSON Schema of a parameter is there, comes along, and uses keywords that are checked.",
        "A keyword that nobody checks looks like a promise.",
        refuses=True,
        final=True,
    ),
    "shared": Rule(
        "component",
        "The folders in `shared` are there.",
        "The component cannot be locked without them.",
        refuses=True,
        final=True,
    ),
    "imports": Rule(
        "component",
        "Folders of the library that the code imports are named in `shared`.",
        "Nothing else is brought along: the import fails on every other machine.",
        refuses=True,
    ),
    "environment": Rule(
        "component",
        "The files that say what is installed are there, and come along.",
        "Nobody could install it.",
        refuses=True,
        final=True,
    ),
    "undeclared-environment": Rule(
        "component",
        "A component with Python code declares what it needs installed.",
        "Else it runs in whatever its user has.",
    ),
    "pinned": Rule(
        "component",
        "Every package is required in one version.",
        "Else a new version of a package is a new component, without a release.",
        refuses=True,
    ),
    "hashed": Rule(
        "component",
        "Every package has its hashes.",
        "What is installed is then what was tried, byte by byte.",
    ),
    "index": Rule(
        "component",
        "Requirement files name no package index and no address to look for packages.",
        "Which index is asked is for those who install it to say.",
    ),
    "readme": Rule(
        "component",
        "There is a README, and its tables are those of the contract.",
        "A table that differs is wrong where most people look. `--fix` writes them.",
    ),
    "tests": Rule(
        "component", "There are tests, such as test_run.py.", "`--run` executes them, as its owners' CI does."
    ),
    "example": Rule(
        "component",
        "There is an example: values for what is required, files that are there.",
        "It is how somebody tries the component first, and `--run` executes it.",
    ),
    "paths": Rule(
        "all",
        "Nothing names a place that only one machine has.",
        "Nobody else has it.",
    ),
    "secrets": Rule(
        "all",
        "No file holds what has the form of a key or a token.",
        "A release is a copy for ever: what was in one is known. Revoke it, then take it out.",
        refuses=True,
    ),
    "licence": Rule("library", "There is a LICENSE.", "May others use it, and how?"),
    "files": Rule(
        "all",
        "The files are there that its users, stock MLflow and a release need.",
        "README: what is it? CHANGELOG: what changed? setup.cfg: which version? MLproject: stock MLflow.",
    ),
    "pipeline": Rule(
        "pipeline",
        "pipeline.yaml can be read, and goes together.",
        "No run would start.",
        refuses=True,
        final=True,
    ),
    "hold": Rule(
        "pipeline",
        "The names under `hold` are components that steps use.",
        "Nothing would be held for another name.",
        final=True,
    ),
    "lock-stale": Rule(
        "pipeline",
        "The lock answers the pipeline.yaml of now.",
        "A run refuses another one.",
        refuses=True,
        final=True,
    ),
    "plan": Rule(
        "pipeline",
        "A run with params.yaml as it is could start.",
        "Everything that a run refuses is told before it.",
    ),
    "parameters": Rule(
        "pipeline",
        "A step uses every parameter of params.yaml.",
        "Setting one that none uses changes nothing.",
    ),
    "data": Rule(
        "pipeline",
        "Data from an address has a sha256 beside it.",
        "Else nothing says which content is meant, and a run gives what the address has today.",
    ),
    "versions": Rule(
        "pipeline",
        "Steps use one version of a component.",
        "Two are allowed, and mostly an oversight: an ignored finding says why.",
    ),
    "run-tests": Rule(
        "run",
        "With --run: the component's tests pass in its own environment, without other machines.",
        "A test that needs the network passes by luck.",
    ),
    "run-example": Rule(
        "run",
        "With --run: stock MLflow runs the example, and every declared output is there, as declared.",
        "A component that never ran does not work.",
    ),
    "ignore": Rule(
        "all",
        "What is ignored is a rule that may be, with a reason, and has something to ignore.",
        "A reason that is not written down is forgotten; one without a finding is out of date.",
        final=True,
    ),
}


def refuses(category: str) -> bool:
    """Tells whether a release is refused for a finding; what is no rule here is for its own verb."""
    rule = RULES.get(category)
    return rule is not None and rule.refuses
