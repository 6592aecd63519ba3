"""The rules of `waypost check`: what each requires, and why. The id is the category of its findings."""

from __future__ import annotations

from typing import Literal, NamedTuple

Of = Literal["component", "library", "pipeline", "run", "all"]


class Rule(NamedTuple):
    """A requirement and its reason; a release `refuses` a product that breaks it.

    A `final` rule cannot be ignored: the product could not be locked or run.
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
        "The name in the MLproject is that of the folder.",
        "Pipelines use the folder's name, MLflow's pages the component's: they must agree.",
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
        "Otherwise every run fails.",
        refuses=True,
        final=True,
    ),
    "unused-parameter": Rule(
        "component",
        "The command uses every parameter.",
        "MLflow silently drops the value of an unused parameter.",
        refuses=True,
    ),
    "arguments": Rule(
        "component",
        "The program reads the options that the command gives, and the command gives those that it requires.",
        "argparse exits on an unknown option, and on a missing required one.",
        refuses=True,
    ),
    "outputs": Rule(
        "component",
        "Each declared output is named in the code, by its path or its name.",
        "A step fails if an output is not logged under its declared path.",
    ),
    "default": Rule(
        "component",
        "A default fits the type, choices and range of its parameter.",
        "Every user who sets no value gets it.",
        refuses=True,
        final=True,
    ),
    "parameter": Rule(
        "component",
        "The declarations of a parameter are consistent: range, choices, `sha256`, `takes`, `metadata`.",
        "A declaration that cannot be checked promises nothing.",
        refuses=True,
        final=True,
    ),
    "schema": Rule(
        "component",
        "The JSON Schema of a parameter exists, in a folder of the component, with supported keywords only.",
        "An unsupported keyword would have no effect.",
        refuses=True,
        final=True,
    ),
    "shared": Rule(
        "component",
        "The folders in `shared` exist.",
        "The component cannot be locked without them.",
        refuses=True,
        final=True,
    ),
    "delivered": Rule(
        "component",
        "It and its shared folders have no submodule, no pointer of Git LFS, and no link out of them.",
        "Every lock refuses them: their content is not in the release.",
        refuses=True,
        final=True,
    ),
    "imports": Rule(
        "component",
        "Folders of the library that the code imports are named in `shared`.",
        "Other folders are not delivered: the import fails on every other machine.",
        refuses=True,
    ),
    "environment": Rule(
        "component",
        "The environment files exist, and lie in folders that the component brings.",
        "Nobody could install the component.",
        refuses=True,
        final=True,
    ),
    "undeclared-environment": Rule(
        "component",
        "A component with Python code declares its packages.",
        "Otherwise it runs with whatever its user has installed.",
    ),
    "pinned": Rule(
        "component",
        "Every package is pinned to one version.",
        "Otherwise a new version of a package changes the component without a release.",
        refuses=True,
    ),
    "hashed": Rule(
        "component",
        "Every package has its hashes.",
        "The installed files are then the tested ones, byte by byte.",
    ),
    "index": Rule(
        "component",
        "Requirement files name no package index and no other source of packages.",
        "The user who installs them chooses the index.",
    ),
    "readme": Rule(
        "component",
        "There is a README, and its tables match the contract.",
        "Most users read the README only. `--fix` writes the tables.",
    ),
    "tests": Rule("component", "There are tests, such as test_run.py.", "`--run` executes them."),
    "example": Rule(
        "component",
        "There is an example: values for all required parameters, with files that exist.",
        "Users try the component with it, and `--run` executes it.",
    ),
    "kit": Rule(
        "library",
        "A `componentkit` of Waypost's is unchanged, file by file.",
        "A changed copy says a version that it is not, and cannot be upgraded.",
    ),
    "paths": Rule(
        "all",
        "No file contains a path of one machine.",
        "It exists nowhere else.",
    ),
    "secrets": Rule(
        "all",
        "No file contains text in the form of a key or a token.",
        "A release is permanent: a secret in it is public. Revoke it, then remove it.",
        refuses=True,
    ),
    "licence": Rule(
        "library", "There is a LICENSE.", "It tells others whether and how they may use the library."
    ),
    "files": Rule(
        "all",
        "The files that users, stock MLflow and releases need exist.",
        "README: what is it? CHANGELOG: what changed? setup.cfg: which version? MLproject: stock MLflow.",
    ),
    "pipeline": Rule(
        "pipeline",
        "pipeline.yaml can be read, and is consistent.",
        "No run would start.",
        refuses=True,
        final=True,
    ),
    "hold": Rule(
        "pipeline",
        "The names under `hold` are components that steps use.",
        "Any other name holds nothing.",
        final=True,
    ),
    "lock-stale": Rule(
        "pipeline",
        "The lock matches the current pipeline.yaml.",
        "A run refuses a stale lock.",
        refuses=True,
        final=True,
    ),
    "plan": Rule(
        "pipeline",
        "A run with the current params.yaml could start.",
        "Everything that a run would refuse is reported here.",
    ),
    "parameters": Rule(
        "pipeline",
        "A step uses every parameter of params.yaml.",
        "Setting an unused parameter has no effect.",
    ),
    "schemas": Rule(
        "pipeline",
        "The JSON Schema that the first line of params.yaml names fits the contracts of the components.",
        "An editor would offer wrong values and reject right ones. `--fix` writes the file again.",
    ),
    "data": Rule(
        "pipeline",
        "Data from a URL has a sha256.",
        "Otherwise a run uses whatever the URL has today.",
    ),
    "versions": Rule(
        "pipeline",
        "Steps use one version of a component.",
        "Two versions are allowed, but usually an oversight: ignore the finding with a reason.",
    ),
    "deprecated": Rule(
        "pipeline",
        "No step uses a deprecated component.",
        "Its library may remove it in the next major version. Move, or ignore the finding with a reason.",
    ),
    "run-tests": Rule(
        "run",
        "With --run: the component's tests pass in its own environment, without other machines.",
        "A test that needs the network passes by luck.",
    ),
    "run-example": Rule(
        "run",
        "With --run: stock MLflow runs the example, and every output is as declared.",
        "A component that never ran probably does not work.",
    ),
    "ignore": Rule(
        "all",
        "Every entry under `ignore` names a rule that may be, has a reason, and applies to a finding.",
        "An entry without a reason explains nothing; one without a finding is out of date.",
        final=True,
    ),
}


def refuses(category: str) -> bool:
    """Returns whether a release is refused for a finding; categories that are not rules belong to other
    verbs.
    """
    rule = RULES.get(category)
    return rule is not None and rule.refuses
