"""What stands behind the output of a cell: functions, data, seeds, and the cells before it.

The cells are read, not run: ``draw.curve(fits)`` is traced to the cell that made ``fits``, and
from there to the functions that were called.  What is conservative stays so: a loop counts as
using all names in it.  Which files a function read is a fact of the run: the kernel's record
says which each cell opened, and the cells say for what.

What a function of a library brings to a page is said in its module, under ``__lineage__``: a
dictionary from names (``*`` for any ending) to some of

* ``files``: patterns of what it may read; ``{}`` stands for its first argument;
* ``panel``: the kind of data that it makes, where no file tells it;
* ``otherwise``: the kind of data if none of the files was read, but one of the reader's own;
* ``role``: *drawing* if it draws or typesets, *helper* if notes need not name it.

The name under which a chapter calls it counts before the one under which it is written, the
nearest module before those around it, the first entry that fits before the later ones.
"""

from __future__ import annotations

import ast
import inspect
import pkgutil
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from bookworks._errors import BookError, near

#: Kinds of data that the machinery tells by itself; a book may name others.
SIMULATED, OWN, NONE = "simulated", "own", "none"
#: Methods of a random generator that make data, as against shuffling or drawing rows.
_DRAWS = {"normal", "standard_normal", "uniform", "poisson", "lognormal", "multivariate_normal"}
_SEEDS = {"seed", "random_state"}
#: What a module may say of a function.
_SAID = ("files", "panel", "otherwise", "role")

#: What a value rests on, in the order of finding: pairs of a field of a trace and what is in it.
_Flow = dict[tuple[str, Any], None]


@dataclass(frozen=True)
class Trace:
    """What stands behind the output of one code cell."""

    cell: int  #: number of the code cell on its page, from 1
    feeding: tuple[int, ...] = ()  #: code cells whose results it uses
    #: dotted names of the libraries' functions and classes, those of the cell itself first
    functions: tuple[str, ...] = ()
    panels: tuple[str, ...] = ()  #: kinds of data, in alphabetical order
    #: what was read, relative to the repository; a whole path for what lies outside
    files: tuple[str, ...] = ()
    seeds: tuple[str, ...] = ()  #: as the cell writes them: ``2013``, ``range(40)``


def trace_cells(
    cells: Sequence[str],
    packages: Iterable[str],
    *,
    kinds: Mapping[str, str] = MappingProxyType({}),
    opened: Mapping[int, Sequence[str]] = MappingProxyType({}),
) -> tuple[Trace, ...]:
    """Trace the output of every code cell of a chapter; what is no Python has an empty trace.

    ``packages`` are the libraries whose functions count, ``kinds`` patterns of data files with
    the kind of data that they hold, ``opened`` the files that each cell opened when it ran; other
    files are behind no output.  Raises BookError if a module declares what cannot be read.
    """
    chapter = _Chapter(tuple(packages), kinds, opened)
    return tuple(chapter.read(number, text) for number, text in enumerate(cells, start=1))


# -- what flows into a name ------------------------------------------------------------------


class _Chapter:
    """The names of a chapter and what flows into them, cell after cell."""

    def __init__(
        self,
        packages: tuple[str, ...],
        kinds: Mapping[str, str],
        opened: Mapping[int, Sequence[str]],
    ) -> None:
        self.packages, self.kinds, self.opened, self.cell = packages, kinds, opened, 0
        self.imports: dict[str, str] = {}  # a name in the chapter -> what was imported as it
        self.flows: dict[str, _Flow] = {}
        self.constants: dict[str, str] = {}
        self.parameters: dict[str, list[str]] = {}  # of functions that the chapter defines

    def read(self, number: int, source: str) -> Trace:
        """Take in one cell and return the trace of its output."""
        self.cell, body = number, _parse(source)
        total, shown = _Flow(), _Flow()
        for statement in body:
            shown = _Uses(self, statement).flow
            total |= shown
            self._assign(statement, shown)
        if not body or not isinstance(body[-1], ast.Expr):
            shown = total
        # what the cell opened by itself feeds all that it made
        stray = dict.fromkeys(("files", name) for name in self.opened.get(number, ()))
        stray = {key: None for key in stray if key not in total}
        for name in {n for s in body for n in (*_defined(s), *_changed(s))} & self.flows.keys():
            self.flows[name] |= stray
        return self._trace(shown | stray)

    def _trace(self, flow: _Flow) -> Trace:
        found: dict[str, list[Any]] = {field.name: [] for field in fields(Trace)}
        for what, name in flow:
            found[what].append(name)
        files, panels = found["files"], set(found["panels"])
        panels |= {k for p, k in self.kinds.items() if any(fnmatchcase(f, p) for f in files)}
        panels |= {OWN for file in files if Path(file).is_absolute()}
        feeding = tuple(sorted(n for n in found["feeding"] if n != self.cell))
        functions, seeds = tuple(found["functions"]), tuple(found["seeds"])
        return Trace(self.cell, feeding, functions, tuple(sorted(panels)), tuple(files), seeds)

    def read_by(self, pattern: str) -> list[str]:
        """Return the files of a pattern that the chapter opened."""
        every = sorted({name for names in self.opened.values() for name in names})
        return [name for name in every if fnmatchcase(name, pattern)]

    def _assign(self, statement: ast.stmt, flow: _Flow) -> None:
        """Remember what the names that a statement defines or changes rest on."""
        match statement:
            case ast.Import(names=names):
                for item in names:
                    name = item.name if item.asname else item.name.split(".")[0]
                    self.imports[item.asname or name] = name
            case ast.ImportFrom(module=module, names=names):
                self.imports |= {i.asname or i.name: f"{module}.{i.name}" for i in names}
            case ast.FunctionDef(name=name, args=arguments):
                self.parameters[name] = [a.arg for a in arguments.args]
        plain = isinstance(statement, ast.Assign | ast.AnnAssign | ast.FunctionDef | ast.ClassDef)
        for name in _defined(statement):
            self.flows[name] = flow if plain else self.flows.get(name, {}) | flow
            self.imports.pop(name, None)
            self.constants.pop(name, None)
        for name in _changed(statement):
            if name in self.flows:
                self.flows[name] = self.flows[name] | flow
        match statement:
            case (
                ast.Assign(targets=[ast.Name(id=name)], value=value)
                | ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value)
            ):
                with suppress(ValueError, TypeError):
                    self.constants[name] = str(ast.literal_eval(value))

    def dotted(self, node: ast.AST) -> str:
        """Return the dotted name behind ``did.twfe``, if it starts at an import."""
        ending: list[str] = []
        while isinstance(node, ast.Attribute):
            ending.insert(0, node.attr)
            node = node.value
        start = self.imports.get(node.id, "") if isinstance(node, ast.Name) else ""
        return ".".join([start, *ending]) if start else ""

    def known(self, name: str) -> bool:
        """Tell whether a dotted name is one of a library."""
        return "." in name and name.split(".")[0] in self.packages


def _parse(source: str) -> list[ast.stmt]:
    """Return the statements of a cell without lines of IPython (``%``, ``!``)."""
    with suppress(SyntaxError, ValueError):
        return ast.parse(re.sub(r"^\s*[%!].*", "", source, flags=re.MULTILINE)).body
    return []


def _defined(statement: ast.AST) -> list[str]:
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        return [statement.name]
    stored = (n for n in ast.walk(statement) if isinstance(n, ast.Name))
    return [n.id for n in stored if isinstance(n.ctx, ast.Store)]


def _changed(statement: ast.stmt) -> Iterator[str]:
    """Yield names whose content a statement changes: ``x["a"] = ..``, ``x.append(..)``."""
    for node in ast.walk(statement):
        base: ast.AST | None = None
        if isinstance(node, ast.Subscript | ast.Attribute) and isinstance(node.ctx, ast.Store):
            base = node.value
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            base = node.value.func
        while isinstance(base, ast.Attribute | ast.Subscript):
            base = base.value
        if isinstance(base, ast.Name):
            yield base.id


class _Uses:
    """Collects what one statement uses: itself first, then what its names rest on."""

    def __init__(self, chapter: _Chapter, node: ast.AST) -> None:
        self.chapter = chapter
        self.direct: _Flow = {("feeding", chapter.cell): None}
        self.upstream: _Flow = {}
        self.loops: dict[str, str] = {}  # a loop's name -> what it runs over
        self.visit(node, frozenset())
        self.flow = self.direct | self.upstream

    def note(self, what: str, *names: str) -> None:
        """Enter what the statement uses."""
        self.direct |= {(what, name): None for name in names if name}

    def visit(self, node: ast.AST, hidden: frozenset[str]) -> None:
        """Take in a node; ``hidden`` are names that mean something else inside a function."""
        children: Iterable[ast.AST] = ast.iter_child_nodes(node)
        match node:
            case ast.Name(id=name, ctx=ast.Load()) if name not in hidden:
                self.upstream |= self.chapter.flows.get(name, {})
                self._function(self.chapter.dotted(node))
            case ast.Attribute() if name := self.chapter.dotted(node):
                self._function(name)
                return
            case ast.Call(func=func, args=arguments, keywords=keywords):
                name = self.chapter.dotted(func)
                self._function(name, node)
                self._seeds(node, name)
                children = (*(() if name else (func,)), *arguments, *keywords)
            case ast.IfExp(body=body, orelse=otherwise):  # the condition chooses, it makes nothing
                children = (body, otherwise)
            case ast.FunctionDef(args=given, body=statements):
                every = (*given.posonlyargs, *given.args, *given.kwonlyargs)
                hidden |= {a.arg for a in every} | {n for s in statements for n in _defined(s)}
                children = statements
            case ast.For(target=target, iter=over) | ast.comprehension(target=target, iter=over):
                self.loops |= dict.fromkeys(_defined(target), ast.unparse(over))
        # a comprehension's loops come before its element, which uses their names
        for child in (*getattr(node, "generators", ()), *children):
            self.visit(child, hidden)

    def _function(self, name: str, call: ast.Call | None = None) -> None:
        """Note a function of a library with what its module declares of it."""
        if call and isinstance(call.func, ast.Attribute) and call.func.attr in _DRAWS:
            self.note("panels", SIMULATED)
        if not self.chapter.known(name):
            return
        said = declared(name)
        if said.get("role") != "helper":
            self.note("functions", name)
        first = call.args[0] if call and call.args else None
        text = str(first.value) if isinstance(first, ast.Constant) else "*"
        patterns = [pattern.replace("{}", text) for pattern in said.get("files", ())]
        files = [name for pattern in patterns for name in self.chapter.read_by(pattern)]
        self.note("files", *files)
        self.note("panels", said.get("panel", ""), "" if files else said.get("otherwise", ""))

    def _seeds(self, call: ast.Call, name: str) -> None:
        given = [k.value for k in call.keywords if k.arg in _SEEDS]
        given += call.args[:1] if name.endswith("random.default_rng") else []
        names = self.chapter.parameters.get(getattr(call.func, "id", ""), [])
        given += [a for n, a in zip(names, call.args, strict=False) if n in _SEEDS]
        self.note("seeds", *map(self._seed, given))
        if not given and self.chapter.known(name):
            self.note("seeds", _default_seed(name))

    def _seed(self, node: ast.expr) -> str:
        if isinstance(node, ast.Name):  # of a generator or a parameter, its own cell names the seed
            return self.loops.get(node.id) or self.chapter.constants.get(node.id, "")
        return ast.unparse(node)


# -- the functions behind the names ----------------------------------------------------------


@cache
def declared(name: str) -> Mapping[str, Any]:
    """Return what the module of a dotted name, or one around it, declares of it.

    Raises BookError if the declaration is misspelt.
    """
    found = _find(name)
    if inspect.isclass(found) and issubclass(found, BaseException):
        return {"role": "helper"}  # raised, not computed with
    home = getattr(inspect.unwrap(found), "__globals__", {}).get("__name__", "")
    for spelled in (name, f"{home}.{getattr(found, '__name__', '')}"):
        parts = spelled.split(".")
        for length in range(len(parts) - 1, 0, -1):
            module, ending = ".".join(parts[:length]), ".".join(parts[length:])
            for pattern, said in getattr(sys.modules.get(module), "__lineage__", {}).items():
                if fnmatchcase(ending, pattern):
                    return _checked(f"{module}.__lineage__[{pattern!r}]", said)
    return {}


def _checked(place: str, said: Mapping[str, Any]) -> Mapping[str, Any]:
    for key in said:
        if key not in _SAID:
            raise BookError(f"{place}: there is no {key!r}{near(key, _SAID)}")
    if isinstance(said.get("files"), str):
        raise BookError(f"{place}: files is a list of names, not one name")
    return said


@cache
def _find(name: str) -> Any:
    """Return the object behind a dotted name of a library, or None."""
    with suppress(ImportError, AttributeError):
        return pkgutil.resolve_name(name)
    return None


def _default_seed(name: str) -> str:
    found = _find(name)
    if callable(found) and not inspect.isclass(found):
        with suppress(KeyError, TypeError, ValueError):
            default = inspect.signature(found).parameters["seed"].default
            # by its text: where autodoc has been, defaults are objects that only show it
            return (
                "" if default is inspect.Parameter.empty or str(default) == "None" else f"{default}"
            )
    return ""


class Place(NamedTuple):
    """Where a function is written; ``file`` is named from the folder above its package."""

    name: str
    file: str
    line: int
    path: Path


@cache
def locate(name: str) -> Place | None:
    """Return where a dotted name is defined; ``None`` for what is no function or class of it."""
    found, package = inspect.unwrap(_find(name)), name.split(".")[0]
    module = str(getattr(found, "__module__", ""))
    if not (inspect.isroutine(found) or inspect.isclass(found)) or module.split(".")[0] != package:
        return None
    above = Path(str(sys.modules[package].__file__)).parents[1]
    with suppress(OSError, TypeError):  # what a program made while it ran stands on no line
        path, line = Path(str(inspect.getsourcefile(found))), inspect.getsourcelines(found)[1]
        return Place(name, path.relative_to(above).as_posix(), line, path)
    return None
