"""Values as command arguments: checked against the parameter, and written as text."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from waypost.contracts.command import filled
from waypost.contracts.component import TYPED, EntryPoint, Parameter
from waypost.texts.limits import shortened
from waypost.texts.scalars import Written, text_of, value_of
from waypost.texts.sealed import Sealed, Variables, opened

_TRUTH = dict.fromkeys(("true", "yes", "on", "1"), True) | dict.fromkeys(("false", "no", "off", "0"), False)


def argument_text(parameter: Parameter, value: Any) -> str:
    """Returns a value as text for the command line.

    Raises ValueError if the value does not match type, choices or range.
    """
    value = _as_asked(parameter, value)
    if isinstance(value, (dict, list)):
        raise ValueError(f"type {parameter.type} is expected, not a {_kind(value)}")
    if "\0" in str(value):
        raise ValueError(f"{shortened(value)!r}: a command argument cannot contain the character NUL")
    typed = _typed(parameter.type, value)
    choices = (
        [text_of(choice) for choice in parameter.choices] if isinstance(typed, str) else parameter.choices
    )
    if choices and typed not in choices:
        raise ValueError(f"{shortened(repr(typed))} is not one of {', '.join(map(str, parameter.choices))}")
    if isinstance(typed, (int, float)):
        if parameter.minimum is not None and typed < parameter.minimum:
            raise ValueError(f"{shortened(typed)} is less than the minimum, {parameter.minimum:g}")
        if parameter.maximum is not None and typed > parameter.maximum:
            raise ValueError(f"{shortened(typed)} is more than the maximum, {parameter.maximum:g}")
    return str(typed).lower() if isinstance(typed, bool) else str(typed)


def is_not_given(parameter: Parameter, value: Any) -> bool:
    """Returns whether a value means "no value": null does, and so does an empty text for a parameter that is
    not a string.
    """
    return value_of(value) is None and (value is None or parameter.type in (*TYPED, "path", "uri"))


def _as_asked(parameter: Parameter, value: Any) -> Any:
    """Returns a value as the parameter's type requires: a string keeps the text as written.

    Raises ValueError for a null on the command line that could also be the text.
    """
    if not isinstance(value, Written) or parameter.type in TYPED:
        return value_of(value)
    if value.value is None and value.text.strip().lower() == "null":
        problem = f"{value.text} may mean the text or no value"
        raise ValueError(f"{problem}: write '\"{value.text}\"' or '!!null', including the quotes")
    return value.text


def sealed_text(parameter: Parameter, value: Sealed, variables: Variables) -> Sealed:
    """Returns a sealed value for the command line, as `argument_text` does for others.

    Raises ValueError, without the value, if it is known and does not match.
    """
    if variables.values is not None:
        try:
            argument_text(parameter, opened(value, variables.values))
        except ValueError:
            # The cause contains the value.
            raise ValueError(
                f"the value of {value} does not match the parameter: {parameter.wanted}"
            ) from None
    return value


def _typed(kind: str, value: Any) -> bool | int | float | str:
    text = str(value).strip()
    try:
        if kind == "bool":
            return _TRUTH[text.lower()]
        if kind == "int" and not isinstance(value, bool):
            return int(value) if isinstance(value, float) and value.is_integer() else int(text)
        if kind == "float" and not isinstance(value, bool):
            return float(text)
    except (KeyError, ValueError):
        pass
    if kind in ("bool", "int", "float"):
        raise ValueError(f"{shortened(repr(value))} is not a{'n' if kind == 'int' else ''} {kind}")
    return str(value).lower() if isinstance(value, bool) else str(value)


def _kind(value: object) -> str:
    return "mapping" if isinstance(value, dict) else "list"


def command_line(entry_point: EntryPoint, arguments: Mapping[str, str]) -> str:
    """Returns the shell command with the values quoted, as MLflow Projects would build it."""
    quoted = {name: shlex.quote(value) for name, value in arguments.items()}
    return filled(entry_point.command, quoted)
