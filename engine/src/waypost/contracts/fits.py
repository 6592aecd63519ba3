"""Whether an output matches the parameter that receives it, if both declare a type."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from waypost.contracts.component import EntryPoint, Output, Parameter


def misfits(
    parameter: Parameter, output: Output, made_by: EntryPoint, given: Collection[str]
) -> Iterator[tuple[str, str]]:
    """Yields why a parameter cannot receive an output: (problem, remedy).

    `given` are the parameters that the step sets: one may replace a key missing in the model's metadata.
    """
    if parameter.takes and output.type and parameter.takes != output.type:
        fitting = [name for name, other in made_by.outputs.items() if other.type == parameter.takes]
        yield f"it takes type {parameter.takes}, not {output.type}", _instead(fitting)
        return
    if not output.metadata:
        return
    for key, instead in parameter.metadata.items():
        if key not in output.metadata and instead not in given:
            problem = f"it reads {key!r} in the model's metadata, which has {', '.join(output.metadata)}"
            yield problem, f"set the parameter {instead!r} instead" if instead else ""


def _instead(outputs: list[str]) -> str:
    return f"of that type: {', '.join(outputs)}" if outputs else ""


def parameter_problems(parameters: Mapping[str, Parameter], name: str) -> Iterator[tuple[str, str, str]]:
    """Yields problems with the output that a parameter declares to take: (key, problem, hint)."""
    parameter = parameters[name]
    if parameter.takes and parameter.type != "path":
        yield f"parameters.{name}.takes", f"type {parameter.type} takes no output", "type: path"
    if parameter.metadata and parameter.takes != "mlflow-model":
        yield f"parameters.{name}.metadata", "only a model has metadata", "takes: mlflow-model"
    for key, instead in parameter.metadata.items():
        if instead and instead not in parameters:
            yield f"parameters.{name}.metadata.{key}", f"no parameter {instead!r}", ""
