"""The verbs: where each is, what it is for, which extra it needs. A verb is imported when it is called."""

from __future__ import annotations

import importlib
from typing import Any, NamedTuple

import click

from waypost import extras
from waypost.errors import nearest


class Verb(NamedTuple):
    """A verb of `waypost`: its module below `waypost.commands`, and the first sentence of its help."""

    module: str
    about: str
    extra: str = extras.CORE


VERBS = {
    "bundle": Verb(
        "bundle", "Pack a release with everything that it needs to run on a machine without network."
    ),
    "cache": Verb("cache", "Inspect or empty the cache of mirrors, components and environments."),
    "check-drift": Verb(
        "check_drift",
        "Compare the inputs that a server received with the training table of its model.",
        "serve",
    ),
    "check": Verb(
        "check",
        "Check a library or a pipeline for problems that its users would run into.",
    ),
    "checks": Verb("checks", "Suggest the rules that a pipeline checks a table by."),
    "ci": Verb("ci", "Check, release, reproduce and update in CI, in any repository and on any service."),
    "compare": Verb("compare", "Show what differs between two pipeline runs, and why."),
    "components": Verb(
        "components",
        "Inspect the components of a pipeline; search libraries; add a component to a library; export it.",
    ),
    "diff": Verb(
        "update",
        "Show the code diff of a component between two versions, its shared folders included.",
    ),
    "gc": Verb("gc", "List the runs on the tracking server that nothing needs any more; --yes deletes them."),
    "image": Verb(
        "image",
        "Write a folder from which any container engine builds an image that serves MODEL.",
        "serve",
    ),
    "init": Verb("init", "Create a repository for a pipeline, or for a component library."),
    "info": Verb(
        "info", "Show where a registered model comes from: run, release, component trees, data, signature."
    ),
    "lock": Verb("lock", "Resolve the requirements in pipeline.yaml, and write components.lock.json."),
    "monitor": Verb(
        "monitor",
        "Report how the models in service do: latency, predictions, quality by labels, drift of columns.",
        "serve",
    ),
    "outdated": Verb("update", "Show what `waypost update` would do, and write nothing."),
    "promote": Verb(
        "promote",
        "Register the model of a run or a release and give it an alias, if it passes the gate.",
        "serve",
    ),
    "release": Verb(
        "release",
        "Cut a release: check, bump the version, rotate the changelog, write the record, commit, tag.",
    ),
    "report": Verb("report", "Write the page of a run: one HTML file that needs nothing but itself."),
    "reproduce": Verb(
        "reproduce",
        "Execute a release or a run again in a clean place, and compare the results.",
    ),
    "rollback": Verb("rollback", "Give an alias back to the version that had it before the last promotion."),
    "run": Verb(
        "run", "Run a pipeline: that of a folder (default: the current one), of a release, or of a bundle."
    ),
    "schema": Verb("schema", "Print the JSON Schema of a file, for editors."),
    "score": Verb(
        "score", "Score each row of INPUT with MODEL, and write the answers into the folder OUTPUT.", "serve"
    ),
    "semver-check": Verb(
        "semver_check",
        "Compare interfaces with a release (BASE, default: the newest), and tell which bump they demand.",
    ),
    "serve": Verb(
        "serve", "Serve MODEL over MLflow's scoring protocol, compiled where that is proved equal.", "serve"
    ),
    "sweep": Verb("sweep", "Run a pipeline for each combination of parameter values, and rank the results."),
    "update": Verb("update", "Move pins to the newest releases that pipeline.yaml allows."),
    "verify": Verb(
        "verify",
        "Check the tags on the remotes, the cache and local folders against the lock; or a release.",
    ),
    "verify-bundle": Verb(
        "bundle",
        "Check a bundle as `run` would: archive, list, every byte and tree, record, lock and plan.",
    ),
    "worker": Verb(
        "worker",
        "Start a worker for the Dask scheduler at ADDRESS (tls://HOST:8786), with this machine's resources.",
        "dask",
    ),
}


class Verbs(click.Group):
    """A group that imports a verb when it is called (click's LazyGroup); `--help` imports none."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 (as click calls it)
        return sorted(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 (as above)
        """Returns a verb. Raises MissingExtraError where the extra that it needs is not installed."""
        verb = VERBS.get(cmd_name)
        if verb is None:
            return None
        if verb.extra:
            extras.require(verb.extra, f"waypost {cmd_name}")
        try:
            module = importlib.import_module(f"waypost.commands.{verb.module}")
        except ImportError as error:
            _explain(error, cmd_name)
            raise
        command: click.Command = getattr(module, cmd_name.replace("-", "_"))
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Returns the verb that was typed, and what follows it; a slip is told with the near verb."""
        name = args[0]
        if name not in VERBS and not name.startswith("-") and (near := nearest(name, VERBS)):
            ctx.fail(f"no such command: {name}; {near}")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ImportError as error:
            _explain(error, ctx.invoked_subcommand)
            raise

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 (as above)
        with formatter.section("Commands"):
            formatter.write_dl([(name, verb.about) for name, verb in sorted(VERBS.items())])


def _explain(error: ImportError, name: str | None) -> None:
    """Raises MissingExtraError where a verb's import failed for what the installation lacks."""
    verb = VERBS.get(name or "")
    if verb and (lacking := extras.explained(verb.extra, f"waypost {name}")):
        raise lacking from error
