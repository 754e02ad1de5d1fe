"""The parameters cell of a chapter, read as a declaration.

A line of the cell declares one parameter::

    width: float = 0.5  # > 0 and <= 9: how wide the window is

name, type, default, constraint, and after the colon what it means.  Without a type it is the
default's, and a comment of words alone, or none, constrains nothing.  Types are ``bool``,
``int``, ``float``, ``str`` and lists of the last three.  A constraint is ``any``, or bounds
joined by ``and``, or ``2..9`` (both allowed), or ``in {one, other}``, or ``file`` (one that
exists, or the empty text); ``each`` before it speaks of the items of a list, which
``2 or more,`` counts.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError
from pydantic_core import SchemaError

from bookworks._errors import BookError, near

#: What a parameter can be.
Value = bool | int | float | str | list[int] | list[float] | list[str]

_ITEMS: dict[str, type] = {"bool": bool, "int": int, "float": float, "str": str}
TYPES = (*_ITEMS, "list[int]", "list[float]", "list[str]")

_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_COUNT = re.compile(r"(?:(\d+) or more,\s*)?(?:each\s+)?(.*)")
_RANGE = re.compile(rf"(?:in\s+)?({_NUMBER})\.\.({_NUMBER})")
_BOUND = re.compile(rf"(>=|<=|>|<)\s*({_NUMBER})")
_WORDS = re.compile(r"in\s*\{([^{}]+)\}")
_SIGNS = {">": "gt", ">=": "ge", "<": "lt", "<=": "le"}


def adapter(kind: str, constraint: str) -> TypeAdapter[Any]:
    """Return what checks a value; raise BookError if type and constraint make no sense."""
    name = kind.removeprefix("list[").removesuffix("]")
    count, body = _COUNT.fullmatch(constraint).groups()  # type: ignore[union-attr]
    body = _RANGE.sub(r">= \1 and <= \2", body)
    made: Any = _ITEMS[name]
    limits: dict[str, Any] = {"allow_inf_nan": False} if name == "float" else {}
    if words := _WORDS.fullmatch(body):
        made = Literal[tuple(word.strip() for word in words[1].split(","))]
    elif body not in ("any", "file"):
        bounds = [_BOUND.fullmatch(part.strip()) for part in body.split(" and ")]
        if not all(bounds):
            raise BookError(
                f"{constraint!r} is no constraint; write any, file, > 0, >= 0 and < 1, 2..9 or in "
                "{one, other}; for the items of a list, with each or 2 or more, each before it"
            )
        limits |= {_SIGNS[b[1]]: float(b[2]) for b in bounds if b}
    if not words:
        made = Annotated[made, Field(strict=True, **limits)]
    if name != kind:
        made = Annotated[list[made], Field(strict=True, min_length=int(count or 0))]
    try:
        return TypeAdapter(made)
    except (SchemaError, TypeError):
        raise BookError(f"{constraint!r} does not fit the type {kind}") from None


@dataclass(frozen=True)
class Parameter:
    """One parameter: name and type, the book's value, what is allowed, what it means."""

    name: str
    type: str
    default: Value
    constraint: str
    help: str

    def check(self, value: object) -> Value:
        """Return ``value`` in the parameter's type; raise BookError with what is wrong in it."""
        try:
            checked: Value = adapter(self.type, self.constraint).validate_python(value)
            return checked
        except ValidationError as error:
            first = error.errors()[0]
        item = f"item {int(first['loc'][0]) + 1}: " if first["loc"] else ""
        hint = near(first["input"], re.findall("'(.*?)'", first.get("ctx", {}).get("expected", "")))
        if isinstance(value, str) and re.fullmatch(_NUMBER, value):
            hint = "; write it without quotation marks, and 1.0e-3 for 1e-3"
        said = re.sub("(Input|List) should", "must", first["msg"]).partition(" after validation")[0]
        raise BookError(f"{self.name} = {value!r}: {item}{said}{hint} ({self.help})")

    def __str__(self) -> str:
        return f"{self.name}: {self.type} = {self.default!r}  [{self.constraint}]  {self.help}"


def parse_cell(source: str, place: str) -> tuple[Parameter, ...]:
    """Read the Python of a parameters cell; ``place`` names it in messages.

    Raises BookError with every line that declares no parameter, and why.
    """
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(source).readline))
        statements = ast.parse(source).body
    except (SyntaxError, tokenize.TokenError) as error:
        raise BookError(f"{place}, parameters cell: no Python ({error.args[0]})") from None
    comments = {t.start[0]: t.string.lstrip("# ") for t in tokens if t.type == tokenize.COMMENT}
    parameters, problems = [], []
    for statement in statements:
        try:
            comment = comments.get(statement.end_lineno or statement.lineno, "")
            parameters.append(_parameter(statement, comment))
        except BookError as error:
            problems.append(f"{place}, parameters cell, line {statement.lineno}: {error}")
    if problems:
        raise BookError("\n".join(problems))
    return tuple(parameters)


def _parameter(statement: ast.stmt, comment: str) -> Parameter:
    match statement:
        case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
            kind = ast.unparse(statement.annotation)
        case ast.Assign(targets=[ast.Name(id=name)], value=value):
            kind = ""
        case _:
            raise BookError("write name: type = default  # constraint: meaning")
    try:
        default = ast.literal_eval(value)
    except (ValueError, TypeError):
        raise BookError(f"{name}: the default must be written out, not computed") from None
    said, colon, meaning = (part.strip() for part in comment.partition(":"))
    if not kind and not re.search(r"[<>{}]|\.\.", said):  # words only: nothing is constrained
        said, colon, meaning = "", ":", comment or "the chapter does not say what it means"
    kind = kind or type(default).__name__
    if kind not in TYPES:
        raise BookError(f"{name}: the type {kind!r} is not one of {', '.join(TYPES)}")
    if not (colon and meaning):
        raise BookError(f"{name}: end the line with  # constraint: meaning")
    parameter = Parameter(name, kind, default, said or "any", meaning)
    try:
        parameter.check(default)
    except BookError as error:
        raise BookError(f"the default {error}") from None
    return parameter
