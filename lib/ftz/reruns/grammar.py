"""The parameters cell of a chapter, read as a declaration.

A line of the cell declares one parameter::

    caliper: float = 0.66  # > 0: widest distance on the linear index

name, type, default, constraint, and after the colon what it means.  The type may also
stand in the comment, ``caliper = 0.66  # float > 0: ...``; a comment of words alone, or none,
constrains nothing, and the type is the default's.  Types are ``bool``, ``int``,
``float``, ``str`` and lists of the last three.  A constraint is

=======================  ====================================================
``any``, or nothing      every value of the type
``> 0``, ``<= 1``        a bound; several are joined by ``and``
``2..9``                 from 2 to 9, both allowed
``in {minmax, none}``    one of these words
``file``                 a file that exists, or the empty string for none
=======================  ====================================================

and ``each`` before it speaks of the items of a list, which ``2 or more,`` counts.  Error
messages repeat the meaning, so it is the place to say why a bound is there.  Parameters
called ``panel`` or ``spec`` (or ``panel_path``, ``spec_path``) are files in any case.
"""

from __future__ import annotations

import ast
import io
import math
import re
import tokenize
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path

from ftz.errors import FtzError

#: What a parameter can be.
Value = bool | int | float | str | list[int] | list[float] | list[str]

_SCALARS: dict[str, type] = {"bool": bool, "int": int, "float": float, "str": str}
TYPES = (*_SCALARS, *(f"list[{name}]" for name in ("int", "float", "str")))

#: Parameters that name files, whatever their comment says.
FILES = ("panel", "spec")

#: How messages call a type.
_WORDS = {
    "bool": "true or false",
    "int": "a whole number",
    "float": "a number",
    "str": "text",
    "list[int]": "a list of whole numbers",
    "list[float]": "a list of numbers",
    "list[str]": "a list of texts",
}
_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_RANGE = re.compile(rf"(?:in\s+)?({_NUMBER})\.\.({_NUMBER})")
_COUNT = re.compile(r"(\d+) or more,\s*")
_BOUND = re.compile(rf"(>=|<=|>|<)\s*({_NUMBER})")
_LEVELS = re.compile(r"in\s*\{([^{}]+)\}")
_COMPARE = {
    ">": lambda x, y: x > y,
    ">=": lambda x, y: x >= y,
    "<": lambda x, y: x < y,
    "<=": lambda x, y: x <= y,
}


@dataclass(frozen=True)
class Constraint:
    """Which values of its type a parameter may take.

    Attributes
    ----------
    text : str
        As it stands in the chapter.
    bounds : tuple of (str, float)
        Comparison and number; all must hold.
    levels : tuple of str
        The allowed words; empty where every word is.
    file : bool
        The value names a file that must exist, or is empty.
    each : bool
        The items of a list are constrained.
    count : int
        How many items a list must have at least.
    """

    text: str = "any"
    bounds: tuple[tuple[str, float], ...] = ()
    levels: tuple[str, ...] = ()
    file: bool = False
    each: bool = False
    count: int = 0

    @classmethod
    def parse(cls, text: str) -> Constraint:
        """Read a constraint; raise FtzError with the grammar if it is none."""
        counted = _COUNT.match(text)
        count = int(counted[1]) if counted else 0
        rest = text[counted.end() :] if counted else text
        each = rest.startswith("each ")
        body = rest.removeprefix("each ").strip()
        if body in ("any", "file"):
            return cls(text, file=body == "file", each=each, count=count)
        if found := _LEVELS.fullmatch(body):
            words = tuple(word.strip() for word in found[1].split(","))
            return cls(text, levels=words, each=each, count=count)
        if found := _RANGE.fullmatch(body):
            low, high = float(found[1]), float(found[2])
            return cls(text, ((">=", low), ("<=", high)), each=each, count=count)
        parts = [_BOUND.fullmatch(part.strip()) for part in body.split(" and ")]
        if all(parts):
            pairs = tuple((part[1], float(part[2])) for part in parts if part)
            return cls(text, pairs, each=each, count=count)
        raise FtzError(
            f"{text!r} is no constraint; write any, file, > 0, >= 0 and < 1, 2..9 or "
            "in {one, other}; for the items of a list, with each or 2 or more, each before it"
        )

    def complaint(self, value: Value, folder: Path | None = None) -> str:
        """Return what is wrong with ``value``, or the empty string."""
        if isinstance(value, list) and len(value) < self.count:
            return f"must have {self.count} items or more"
        items: Sequence[object] = value if isinstance(value, list) else [value]
        for item in items:
            if said := self._complaint_of(item, folder):
                return said
        return ""

    def _complaint_of(self, item: object, folder: Path | None) -> str:
        if self.levels and str(item) not in self.levels:
            return f"must be one of {', '.join(self.levels)}{_near(str(item), self.levels)}"
        if self.file and item and not ((folder or Path()) / str(item)).is_file():
            return f"names a file that does not exist ({(folder or Path()) / str(item)})"
        numbers = isinstance(item, int | float) and not isinstance(item, bool)
        for sign, number in self.bounds if numbers else ():
            if not _COMPARE[sign](item, number):
                return f"must be {self._limits()}"
        return ""

    def _limits(self) -> str:
        """Return the bounds in words."""
        signs = {">": "above", ">=": "at least", "<": "below", "<=": "at most"}
        return " and ".join(f"{signs[sign]} {number:g}" for sign, number in self.bounds)


def _near(word: str, known: Sequence[str]) -> str:
    """Return a did-you-mean, or nothing."""
    found = get_close_matches(word, known, n=1)
    return f" (did you mean {found[0]}?)" if found else ""


@dataclass(frozen=True)
class Parameter:
    """One parameter of a chapter.

    Attributes
    ----------
    name, type : str
        As in the cell.
    default : bool, int, float, str or list
        The value the book uses.
    constraint : Constraint
        Which values are allowed.
    help : str
        What it means, in words.
    """

    name: str
    type: str
    default: Value
    constraint: Constraint
    help: str

    def coerce(self, value: object) -> Value:
        """Return ``value`` in the parameter's type; raise FtzError if it is of another.

        A whole number serves as a number; nothing else is turned into anything.
        """
        item_type = self.type.removeprefix("list[").removesuffix("]")
        if self.type.startswith("list["):
            if not isinstance(value, list | tuple):
                raise FtzError(self._wrong_type(value))
            return [self._item(item, item_type, value) for item in value]  # type: ignore[return-value]
        return self._item(value, item_type, value)

    def _item(self, item: object, name: str, whole: object) -> bool | int | float | str:
        wanted = _SCALARS[name]
        if wanted is float and type(item) is int:
            item = float(item)
        if type(item) is not wanted or (isinstance(item, float) and not math.isfinite(item)):
            raise FtzError(self._wrong_type(whole))
        return item  # type: ignore[return-value]

    def _wrong_type(self, value: object) -> str:
        hint = ""
        if isinstance(value, str) and re.fullmatch(_NUMBER, value):
            hint = "; write it without quotation marks, and 1.0e-3 for 1e-3"
        return f"{self.name} = {value!r}: must be {_WORDS[self.type]}{hint}"

    def check(self, value: object, folder: Path | None = None) -> Value:
        """Return ``value`` in the parameter's type, or raise FtzError that says what is wrong.

        Parameters
        ----------
        value : object
            From a YAML file or a command line.
        folder : pathlib.Path, optional
            Where relative names of files start.
        """
        typed = self.coerce(value)
        if said := self.constraint.complaint(typed, folder):
            raise FtzError(f"{self.name} = {value!r}: {said} ({self.help})")
        return typed

    def __str__(self) -> str:
        return f"{self.name}: {self.type} = {self.default!r}  [{self.constraint.text}]  {self.help}"


def parse_cell(source: str, place: str) -> tuple[Parameter, ...]:
    """Read a parameters cell.

    Parameters
    ----------
    source : str
        The Python of the cell.
    place : str
        The chapter's file, for messages.

    Raises
    ------
    FtzError
        With every line that declares no parameter, and why.
    """
    comments = _comments(source)
    parameters, problems = [], []
    for statement in ast.parse(source).body:
        try:
            parameters.append(_parameter(statement, comments))
        except FtzError as error:
            problems.append(f"{place}, parameters cell, line {statement.lineno}: {error}")
    if problems:
        raise FtzError("\n".join(problems))
    return tuple(parameters)


def _comments(source: str) -> dict[int, str]:
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {t.start[0]: t.string.lstrip("# ") for t in tokens if t.type == tokenize.COMMENT}


def _parameter(statement: ast.stmt, comments: Mapping[int, str]) -> Parameter:
    comment = comments.get(statement.end_lineno or statement.lineno, "")
    match statement:
        case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
            kind: str = ast.unparse(statement.annotation)
        case ast.Assign(targets=[ast.Name(id=name)], value=value):
            kind = ""
        case _:
            raise FtzError("write name: type = default  # constraint: meaning")
    try:
        default = ast.literal_eval(value)
    except ValueError:
        raise FtzError(f"{name}: the default must be written out, not computed") from None
    kind, limits, meaning = _described(name, kind, comment, default)
    parameter = Parameter(name, kind, default, limits, meaning)
    if wrong := replace(limits, file=False).complaint(parameter.coerce(default)):
        raise FtzError(f"{name}: the default {default!r} {wrong}")
    return parameter


def _described(name: str, kind: str, comment: str, default: object) -> tuple[str, Constraint, str]:
    """Return type, constraint and meaning, from annotation and comment."""
    said, colon, meaning = (part.strip() for part in comment.partition(":"))
    if not kind:
        first, _, rest = said.partition(" ")
        if first in TYPES:
            kind, said = first, rest
        elif not re.search(r"[<>{}]|\.\.", said):  # words only: nothing is constrained
            kind, said, colon = type(default).__name__, "any", ":"
            meaning = comment or "the chapter does not say what it means"
    if kind not in TYPES:
        raise FtzError(f"{name}: the type {kind!r} is not one of {', '.join(TYPES)}")
    if not (colon and meaning):
        raise FtzError(f"{name}: end the line with  # constraint: meaning")
    limits = Constraint.parse(said.strip() or "any")
    if name in FILES and limits.text == "any":
        limits = Constraint.parse("file")
    return kind, limits, meaning


def check_values(
    parameters: Sequence[Parameter], values: Mapping[str, object], folder: Path | None = None
) -> dict[str, Value]:
    """Return the values in their types; raise FtzError with all that is wrong, line by line."""
    known = {parameter.name: parameter for parameter in parameters}
    typed: dict[str, Value] = {}
    problems = list(_unknown(values, known))
    for name in (name for name in values if name in known):
        try:
            typed[name] = known[name].check(values[name], folder)
        except FtzError as error:
            problems.append(str(error))
    if problems:
        raise FtzError("\n".join(problems))
    return typed


def _unknown(values: Mapping[str, object], known: Mapping[str, Parameter]) -> Iterator[str]:
    for name in values:
        if name not in known:
            near = _near(str(name), list(known))
            have = f"there are {', '.join(known)}" if known else "the chapter has none"
            yield f"no parameter {name!r}{near}; {have}"
