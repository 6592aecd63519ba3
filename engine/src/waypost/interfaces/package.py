"""The public interface of a Python package as a value, and the changes between two of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Literal, TypeVar

from waypost.interfaces.changes import Change, Facts, Kind, changes_for_givers, compared
from waypost.interfaces.schema import Keys, own_changes, read_changes, written_changes
from waypost.interfaces.signature import signature_changes
from waypost.texts.parsing import Strict

Item = TypeVar("Item")


class Option(Facts):
    """An option of a verb: `names` are all its spellings, `nargs` says how many values follow (-1: any
    number), `multiple` whether it may stand there several times; `variables` are environment variables.
    """

    names: tuple[str, ...]
    nargs: int = 1
    multiple: bool = False
    variables: tuple[str, ...] = ()


class Argument(Facts):
    """A positional argument of a verb; its name only appears in the help text."""

    name: str
    nargs: int = 1


class Verb(Strict):
    """One command, by its full name such as `waypost release yank`."""

    options: tuple[Option, ...] = ()
    arguments: tuple[Argument, ...] = ()


class Member(Strict):
    """A public name of the Python interface: `signature` that of a function, or of a class's making."""

    kind: Literal["function", "class", "attribute", "module"]
    signature: str = ""
    bases: tuple[str, ...] = ()


class PackageInterface(Strict):
    """All of it. `reads` and `writes` are the keys of documents, `entry_points` names by group."""

    python: str = ""
    extras: tuple[str, ...] = ()
    entry_points: dict[str, tuple[str, ...]] = {}
    exit_codes: dict[str, int] = {}
    commands: dict[str, Verb] = {}
    reads: dict[str, dict[str, Facts]] = {}
    writes: dict[str, dict[str, Facts]] = {}
    api: dict[str, Member] = {}


def package_changes(old: PackageInterface, new: PackageInterface) -> dict[str, tuple[Change, ...]]:
    """Returns what changed for users, by what they use: a verb, a file, exit codes, the Python interface.

    A document that is both read and written, such as a lock, keeps its promise to either side.
    """
    own = old.writes.keys() & new.writes.keys()
    found = {
        "package": tuple(_package_changes(old, new)),
        "entry points": tuple(_entry_point_changes(old, new)),
        "exit codes": tuple(compared("exit code", old.exit_codes, new.exit_codes, _code_changes)),
        "Python": tuple(_api_changes(old.api, new.api)),
        **_grouped("command", old.commands, new.commands, _verb_changes),
        **_grouped("document", _but(old.reads, own), _but(new.reads, own), read_changes),
        **_grouped("document", _only(old.reads, own), _only(new.reads, own), own_changes),
    }
    for name, group in _grouped("document", old.writes, new.writes, written_changes).items():
        found[name] = tuple(dict.fromkeys((*found.get(name, ()), *group)))
    return {
        name: tuple(sorted(group, key=lambda c: c.kind != "breaking"))
        for name, group in found.items()
        if group
    }


def _only(documents: Mapping[str, Keys], names: Collection[str]) -> dict[str, Keys]:
    return {name: keys for name, keys in documents.items() if name in names}


def _but(documents: Mapping[str, Keys], names: Collection[str]) -> dict[str, Keys]:
    return {name: keys for name, keys in documents.items() if name not in names}


def _grouped(
    noun: str,
    old: Mapping[str, Item],
    new: Mapping[str, Item],
    changes: Callable[[Item, Item], Iterator[Change]],
) -> dict[str, tuple[Change, ...]]:
    found: dict[str, tuple[Change, ...]] = {}
    for name in sorted({*old, *new}):
        if name not in new:
            found[name] = (Change("breaking", f"the {noun} was removed"),)
        elif name not in old:
            found[name] = (Change("added", f"the {noun} is new"),)
        else:
            found[name] = tuple(changes(old[name], new[name]))
    return found


def _package_changes(old: PackageInterface, new: PackageInterface) -> Iterator[Change]:
    if old.python != new.python:
        yield Change("changed", f"requires-python {old.python or 'any'} became {new.python or 'any'}")
    yield from compared("extra", dict.fromkeys(old.extras), dict.fromkeys(new.extras), _nothing)


def _entry_point_changes(old: PackageInterface, new: PackageInterface) -> Iterator[Change]:
    for group in sorted({*old.entry_points, *new.entry_points}):
        before, after = (dict.fromkeys(side.entry_points.get(group, ())) for side in (old, new))
        yield from compared(f"{group} entry", before, after, _nothing)


def _nothing(_name: str, _old: object, _new: object) -> Iterator[Change]:
    yield from ()


def _code_changes(name: str, old: int, new: int) -> Iterator[Change]:
    if old != new:
        yield Change("breaking", f"exit code {name!r}: {old} became {new}")


def _api_changes(old: Mapping[str, Member], new: Mapping[str, Member]) -> Iterator[Change]:
    came_or_went = set(old) ^ set(new)
    before, after = (
        {name: member for name, member in side.items() if name.rpartition(".")[0] not in came_or_went}
        for side in (old, new)
    )
    yield from compared("name", before, after, _member_changes)


def _member_changes(name: str, old: Member, new: Member) -> Iterator[Change]:
    if old.kind != new.kind:
        yield Change("breaking", f"name {name!r}: {old.kind} became {new.kind}")
        return
    for base in old.bases:
        if base not in new.bases:
            yield Change("breaking", f"name {name!r}: it is no {base} any more")
    for change in signature_changes(old.signature, new.signature) if old.signature and new.signature else ():
        yield Change(change.kind, f"name {name!r}: {change.text}")


def _verb_changes(old: Verb, new: Verb) -> Iterator[Change]:
    yield from _options_changes(old, new)
    for place, (before, after) in enumerate(zip(old.arguments, new.arguments, strict=False), start=1):
        what = f"argument {place}:"
        yield from changes_for_givers(what, before, after)
        yield from _number_changes(what, before.nargs, after.nargs)
    for argument in old.arguments[len(new.arguments) :]:
        yield Change("breaking", f"argument {argument.name!r} was removed")
    for argument in new.arguments[len(old.arguments) :]:
        if argument.required:
            yield Change("breaking", f"required argument {argument.name!r} was added")
        else:
            yield Change("added", f"argument {argument.name!r}")


def _options_changes(old: Verb, new: Verb) -> Iterator[Change]:
    """Options are matched by their spellings, since that is what users write."""
    before = {name: option for option in old.options for name in option.names}
    after = {name: option for option in new.options for name in option.names}
    for name in before:
        if name not in after:
            yield Change("breaking", f"option {name!r} was removed")
    for option in new.options:
        known = next((before[name] for name in option.names if name in before), None)
        if known is not None:
            yield from _option_changes(f"option {option.names[0]!r}:", known, option)
            yield from (Change("added", f"option {name!r}") for name in option.names if name not in before)
        elif option.required:
            yield Change("breaking", f"required option {option.names[0]!r} was added")
        else:
            yield Change("added", f"option {option.names[0]!r}")


def _option_changes(what: str, old: Option, new: Option) -> Iterator[Change]:
    yield from changes_for_givers(what, old, new)
    yield from _number_changes(what, old.nargs, new.nargs)
    if old.multiple != new.multiple:
        kind: Kind = "changed" if new.multiple else "breaking"
        yield Change(kind, f"{what} it may be given {'several times' if new.multiple else 'once only'} now")
    yield from compared(
        f"{what} environment variable", dict.fromkeys(old.variables), dict.fromkeys(new.variables), _nothing
    )


def _number_changes(what: str, old: int, new: int) -> Iterator[Change]:
    if old != new:
        texts = ["any number of values" if n < 0 else f"{n} value{'s' * (n != 1)}" for n in (old, new)]
        yield Change("changed" if new < 0 else "breaking", f"{what} {texts[0]} became {texts[1]}")
