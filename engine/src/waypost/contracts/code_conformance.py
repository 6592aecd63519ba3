"""Rules that compare a component's code with its contract. Nothing is executed."""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Iterator

from waypost.contracts import kit
from waypost.contracts.command import programs_in
from waypost.contracts.component import FILE, EntryPoint
from waypost.contracts.component_folder import ComponentFolder, Rule
from waypost.contracts.examples import example_problems
from waypost.contracts.python_code import Code, together
from waypost.errors import Finding, nearest

_OPTION = re.compile(r"(--[A-Za-z][\w-]*)(?:=.*)?")
_CHANGE_PATHS = frozenset({"sys", "site", "importlib", "runpy"})  # modules that can
_HELP = frozenset({"--help", "--version"})


def _imported(inspected: ComponentFolder) -> Iterator[Finding]:
    """Imported folders are declared: others are not delivered."""
    if not _looks_beside(inspected):
        return
    imported = {
        module: folder for folder in inspected.together for module in inspected.imports.get(folder, ())
    }
    for module in sorted((set(imported) & inspected.beside) - set(inspected.together)):
        problem = f"{imported[module]} imports {module!r}, which is not in `shared`"
        hint = f"shared: [{', '.join([*inspected.component.shared, module])}]"
        yield inspected.finding("imports", FILE, problem, hint)


def _looks_beside(inspected: ComponentFolder) -> bool:
    """Tells whether the code may import what lies beside the component, which Python does not by itself: a
    folder with the name of a package, such as sklearn, is no reason to share it.
    """
    commands = (entry_point.command for entry_point in inspected.component.entry_points.values())
    modules = {module for folder in inspected.together for module in inspected.imports.get(folder, ())}
    return any("PYTHONPATH" in command or ".." in command for command in commands) or bool(
        modules & _CHANGE_PATHS
    )


def _arguments(inspected: ComponentFolder) -> Iterator[Finding]:
    """The command gives only options that the program reads, as far as its text shows them."""
    for name, entry_point in inspected.component.entry_points.items():
        for file in programs_in(entry_point.command):
            program = inspected.code.get(posixpath.normpath(file))
            if program is None or not program.options or program.is_open or _is_piped(entry_point.command):
                continue
            place = f"{FILE}: entry_points.{name}.command"
            given = _options_in(entry_point.command)
            for option in sorted(given - _HELP):
                # argparse accepts a prefix of an option.
                if not any(known.startswith(option) for known in program.options):
                    problem, hint = f"{file} reads no {option}", nearest(option, program.options)
                    yield inspected.finding("arguments", place, problem, hint)
            for option in sorted(each for each in program.required if each.startswith("--")):
                if not any(option.startswith(each) for each in given):
                    problem = f"{file} requires {option}, which the command does not give"
                    hint = f"a parameter for it: {option}={{{option.lstrip('-')}}}"
                    yield inspected.finding("arguments", place, problem, hint)


def _kit_reads(inspected: ComponentFolder) -> Iterator[Finding]:
    """Every parameter has what the kit makes its option of; MLflow itself needs neither."""
    arguments = posixpath.relpath(f"{kit.FOLDER}/arguments.py", inspected.name)
    main = inspected.component.entry_points.get("main")
    if not main or arguments not in inspected.code or kit.FOLDER not in inspected.imports[inspected.name]:
        return
    for name, parameter in main.parameters.items():
        lacking = [key for key in ("type", "description") if key not in parameter.model_fields_set]
        if lacking:
            place = f"{FILE}: entry_points.main.parameters.{name}"
            problem = f"{kit.FOLDER} reads its {' and '.join(lacking)}, and ends without"
            yield inspected.finding("arguments", place, problem, "{type: string, description: …}")


def _options_in(command: str) -> set[str]:
    return {found[1] for word in shlex.split(command) if (found := _OPTION.fullmatch(word))}


def _is_piped(command: str) -> bool:
    """Returns whether a command is more than one program: only a shell can tell their options apart."""
    return bool(re.search(r"[|;&<>`\n]|\$\(", command))


def _outputs(inspected: ComponentFolder) -> Iterator[Finding]:
    """The code names each output: its path, the last part of that, or its name."""
    for name, entry_point in inspected.component.entry_points.items():
        code = _reached(inspected, entry_point)
        if code is None:
            continue
        for key, output in entry_point.outputs.items():
            names = {output.path, posixpath.basename(output.path), posixpath.splitext(output.path)[0], key}
            if not any(word in text for text in code.texts for word in names):
                problem = f"no code here names {output.path!r}, the output {key!r}"
                hint = "log it under that path"
                yield inspected.finding(
                    "outputs", f"{FILE}: entry_points.{name}.outputs.{key}", problem, hint
                )


def _reached(inspected: ComponentFolder, entry_point: EntryPoint) -> Code | None:
    """Returns a description of a component's Python code, None if something else is executed, too."""
    programs = programs_in(entry_point.command)
    if not programs or any(posixpath.normpath(file) not in inspected.code for file in programs):
        return None
    return together(inspected.code.values())


def _example(inspected: ComponentFolder) -> Iterator[Finding]:
    """There is an example that can run."""
    if main := inspected.component.entry_points.get("main"):
        place = f"{FILE}: entry_points.main.example"
        for problem, hint in example_problems(main, inspected.files, inspected.contracts):
            yield inspected.finding("example", place, problem, hint)


RULES: tuple[Rule, ...] = (_imported, _arguments, _kit_reads, _outputs, _example)
