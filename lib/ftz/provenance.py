r"""Where a figure or a table comes from: what a chapter's cells say about it.

The chapters are read, not run.  From the syntax of the cells this module follows which
functions of the library, which data and which seeds stand behind the output of each
cell: ``draw.column_path(columns)`` is traced to the cell that made ``columns``, from
there to the estimator that was called, and from there to the panel that was loaded.
What is conservative stays so: a loop counts as using all names in it.

The build (``book/_ext/ftz_provenance.py``) writes the traces under the figures and into
one manifest, from which the replication chapter takes its map.

Examples
--------
>>> from ftz.provenance import trace_cells
>>> cells = ["from ftz import did, panel\nframe = panel.load_witness().matched",
...          "did.twfe(frame, 'lnHQD', 'FTZ')"]
>>> trace_cells(cells)[1].functions
('ftz.did.twfe', 'ftz.panel.load_witness')
>>> trace_cells(cells)[1].panels
('witness',)
"""

from __future__ import annotations

import ast
import contextlib
import fnmatch
import hashlib
import importlib
import inspect
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

#: Kinds of panel, in the words of the pages.
WITNESS, SIMULATED, OWN, PUBLIC, NONE = "witness", "simulated", "own", "public", "none"


@dataclass(frozen=True)
class Source:
    """What a function of the library brings into a chapter.

    Attributes
    ----------
    pattern : str
        Dotted name of the function, with ``*`` for any ending.
    panel : str
        The kind of panel that it returns or makes; *none* where it is no panel.
    files : tuple of str
        What it reads, relative to the repository; ``{}`` stands for its first argument,
        if that is written out, and for any name if it is not.
    optional_path : bool
        Its first argument may name a file of the reader's own, which replaces ``files``.
    """

    pattern: str
    panel: str = NONE
    files: tuple[str, ...] = ()
    optional_path: bool = False


#: The first entry that fits a name counts.
SOURCES = (
    Source("ftz.panel.load_witness", WITNESS, ("data/witness/panel.csv",)),
    Source("ftz.panel.read_panel", OWN, optional_path=True),
    Source("ftz.own.witness_study", WITNESS, ("data/witness/panel.csv",)),
    Source("ftz.own.read_study", OWN, optional_path=True),
    Source("ftz.own.simulate", SIMULATED),
    Source("ftz.index.load_indicators", SIMULATED, ("data/index/simulated.csv",), True),
    Source("ftz.index.read_indicators", OWN, optional_path=True),
    Source("ftz.index.load_tiles", SIMULATED, ("data/index/tiles.csv",)),
    Source("ftz.index.load_tree", NONE, ("data/index/tree.csv",)),
    Source("ftz.index.simulate_*", SIMULATED),
    Source("ftz.audit.trial.*", SIMULATED),
    Source("ftz.design_study.*", SIMULATED),
    Source("ftz.audit.rules.official.*", NONE, ("data/official/*.csv",)),
    Source("ftz.audit.audit", NONE, ("data/published/*",)),
    Source("ftz.audit.load_studies", NONE, ("data/published/*",)),
    Source("ftz.published.load", NONE, ("data/published/{}.csv",)),
    Source("ftz.published.papers", NONE, ("data/published/papers.yml",)),
    Source("ftz.replication.compare", NONE, ("data/published/yan_ye_wang.csv",)),
    Source("ftz.findings.*", NONE, ("data/published/yan_ye_wang.csv",)),
    Source("ftz.register.*", NONE, ("data/register/*.csv",)),
    Source("ftz.policy.*", NONE, ("data/policy/*.csv",)),
    Source("ftz.evidence.*", NONE, ("data/policy/*.csv",)),
    Source("ftz.other_studies.*", NONE, ("data/other_studies.csv",)),
    Source("ftz.witness.example.*", PUBLIC, ("data/examples/grunfeld.yml",)),
    Source("ftz.witness.*", WITNESS, ("data/published/yan_ye_wang.csv",)),
)

#: Kind of panel of a data file that a cell reads by its path.
_FOLDERS = {"data/witness/": WITNESS, "data/index/simulated": SIMULATED, "tests/": PUBLIC}

#: Before the path of a reader's own file, among a trace's files.
OWN_FILE = "own:"

#: Methods of a random generator that make data, as against shuffling or drawing rows.
_DRAWS = {"normal", "standard_normal", "uniform", "poisson", "lognormal", "multivariate_normal"}
_SEEDS = {"seed", "random_state"}


@dataclass(frozen=True)
class Trace:
    """What stands behind the output of one code cell.

    Attributes
    ----------
    cell : int
        Number of the code cell on its page, from 1.
    feeding : tuple of int
        Code cells whose results it uses.
    functions : tuple of str
        Dotted names of the library's functions and classes, those called in the cell
        itself first.
    panels : tuple of str
        *own*, *public*, *simulated*, *witness*, in this order; empty where only printed
        numbers, the register or the policy tables are used.
    files : tuple of str
        Data files, relative to the repository; a pattern where the cell builds the name.
        A reader's own file stands as the chapter names it, after :data:`OWN_FILE`.
    seeds : tuple of str
        As the cell writes them: ``2013``, ``range(40)``.
    """

    cell: int
    feeding: tuple[int, ...] = ()
    functions: tuple[str, ...] = ()
    panels: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    seeds: tuple[str, ...] = ()

    @property
    def drawing(self) -> tuple[str, ...]:
        """The functions that draw or typeset."""
        return tuple(name for name in self.functions if _draws(name))

    @property
    def computing(self) -> tuple[str, ...]:
        """The functions that read and compute."""
        return tuple(name for name in self.functions if not _draws(name))


def _draws(name: str) -> bool:
    return name.startswith(("ftz.figures.", "ftz.tables."))


def trace_cells(cells: Sequence[str]) -> tuple[Trace, ...]:
    """Trace the output of every code cell of a chapter.

    Parameters
    ----------
    cells : sequence of str
        The sources of the code cells, in order.  Lines of IPython (``%``, ``!``) are
        left out; a cell that is no Python otherwise has an empty trace.

    Returns
    -------
    tuple of Trace
        One a cell.
    """
    reader = _Chapter()
    return tuple(reader.read(number, source) for number, source in enumerate(cells, start=1))


# -- what flows into a name --------------------------------------------------------------


@dataclass
class _Flow:
    """Ordered sets of what a value rests on."""

    functions: dict[str, None] = field(default_factory=dict)
    panels: dict[str, None] = field(default_factory=dict)
    files: dict[str, None] = field(default_factory=dict)
    seeds: dict[str, None] = field(default_factory=dict)
    cells: dict[int, None] = field(default_factory=dict)

    def add(self, other: _Flow) -> _Flow:
        for name in ("functions", "panels", "files", "seeds", "cells"):
            getattr(self, name).update(getattr(other, name))
        return self

    def as_trace(self, cell: int) -> Trace:
        feeding = tuple(sorted(number for number in self.cells if number != cell))
        functions, files, seeds = map(tuple, (self.functions, self.files, self.seeds))
        return Trace(cell, feeding, functions, tuple(sorted(self.panels)), files, seeds)


def _parse(source: str) -> list[ast.stmt]:
    lines = ("" if line.lstrip().startswith(("%", "!")) else line for line in source.splitlines())
    try:
        return ast.parse("\n".join(lines)).body
    except SyntaxError:
        return []


class _Chapter:
    """The names of a chapter and what flows into them, cell after cell."""

    def __init__(self) -> None:
        self.modules: dict[str, str] = {}  # a name in the chapter -> what was imported as it
        self.flows: dict[str, _Flow] = {}
        self.constants: dict[str, object] = {}
        self.folders: dict[str, tuple[str, ...]] = {}
        self.parameters: dict[str, list[str]] = {}  # of functions that the chapter defines
        self.cell = 0

    def read(self, number: int, source: str) -> Trace:
        """Take in one cell and return the trace of its output."""
        self.cell, body = number, _parse(source)
        last = body[-1] if body else None
        total, shown = _Flow(), _Flow()
        for statement in body:
            flow = self.flow(statement)
            total.add(flow)
            if statement is last and isinstance(statement, ast.Expr):
                shown = flow
            self.assign(statement, flow)
        return (shown if isinstance(last, ast.Expr) else total).as_trace(number)

    def flow(self, node: ast.AST) -> _Flow:
        """Return what an expression or a statement rests on."""
        found = _Expression(self, node)
        total = found.direct
        for upstream in found.upstream:
            total.add(upstream)
        return total

    def assign(self, statement: ast.stmt, flow: _Flow) -> None:
        """Remember what the names that a statement defines or changes rest on."""
        if isinstance(statement, ast.Import | ast.ImportFrom):
            self._import(statement)
            return
        if isinstance(statement, ast.FunctionDef):
            self.parameters[statement.name] = [a.arg for a in statement.args.args]
        plain = isinstance(statement, ast.Assign | ast.AnnAssign | ast.FunctionDef | ast.ClassDef)
        for name in _defined(statement):
            kept = _Flow() if plain else self.flows.get(name, _Flow())
            self.flows[name] = _Flow(cells={self.cell: None}).add(kept).add(flow)
            self.modules.pop(name, None)
            self.constants.pop(name, None)
            self.folders.pop(name, None)
        for name in _changed(statement):
            if name in self.flows:
                self.flows[name].add(flow).cells[self.cell] = None
        if isinstance(statement, ast.Assign):
            self._remember_value(statement.targets, statement.value)
        elif isinstance(statement, ast.AnnAssign) and statement.value:
            self._remember_value([statement.target], statement.value)

    def _import(self, statement: ast.Import | ast.ImportFrom) -> None:
        for item in statement.names:
            if isinstance(statement, ast.ImportFrom):
                self.modules[item.asname or item.name] = f"{statement.module}.{item.name}"
            elif item.asname:
                self.modules[item.asname] = item.name
            else:
                self.modules[item.name.split(".")[0]] = item.name.split(".")[0]

    def _remember_value(self, targets: Iterable[ast.expr], value: ast.expr) -> None:
        folder = self.path(value)
        for target in targets:
            if isinstance(target, ast.Name):
                if folder:
                    self.folders[target.id] = folder
                with contextlib.suppress(ValueError):
                    self.constants[target.id] = ast.literal_eval(value)

    def dotted(self, node: ast.AST) -> str | None:
        """Return the dotted name behind ``did.twfe``, if it starts at an import."""
        ending: list[str] = []
        while isinstance(node, ast.Attribute):
            ending.append(node.attr)
            node = node.value
        if isinstance(node, ast.Name) and node.id in self.modules:
            return ".".join([self.modules[node.id], *reversed(ending)])
        return None

    def path(self, node: ast.AST) -> tuple[str, ...] | None:
        """Return the parts of ``data_dir() / "witness"``, relative to the repository."""
        if isinstance(node, ast.Call) and self.dotted(node.func) == "ftz.paths.data_dir":
            return ("data",)
        if isinstance(node, ast.Name):
            return self.folders.get(node.id)
        if isinstance(node, ast.Attribute) and node.attr == "parent":
            below = self.path(node.value)
            return None if below is None else below[:-1]
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
            start = self.path(node.left)
            return None if start is None else (*start, _text(node.right))
        return None

    def truth(self, node: ast.AST) -> bool | None:
        """Return whether a condition holds, where constants of the chapter decide it."""
        if isinstance(node, ast.Name) and node.id in self.constants:
            return bool(self.constants[node.id])
        if isinstance(node, ast.Constant):
            return bool(node.value)
        if isinstance(node, ast.BoolOp):
            parts = [self.truth(value) for value in node.values]
            decided = isinstance(node.op, ast.Or)  # the value of one part that settles it
            return decided if decided in parts else None if None in parts else not decided
        return None


def _text(node: ast.AST) -> str:
    """Return a written-out string; ``*`` stands for what is filled in."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part) for part in node.values)
    return "*"


def _defined(statement: ast.stmt) -> list[str]:
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


class _Expression(ast.NodeVisitor):
    """Collects what one expression uses: itself first, then what its names rest on."""

    def __init__(self, chapter: _Chapter, node: ast.AST) -> None:
        self.chapter = chapter
        self.direct = _Flow(cells={chapter.cell: None})
        self.upstream: list[_Flow] = []
        self.hidden: set[str] = set()  # names that mean something else inside a function
        self.loops: dict[str, str] = {}  # a loop's name -> what it runs over
        self.visit(node)

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Store) or node.id in self.hidden:
            return
        if node.id in self.chapter.flows:
            self.upstream.append(self.chapter.flows[node.id])
        elif name := self.chapter.dotted(node):
            self._function(name)
        self._file(node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if name := self.chapter.dotted(node):
            self._function(name)
        else:
            self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        name = self.chapter.dotted(node.func)
        if name:
            self._function(name, node)
        else:
            self.visit(node.func)
        if isinstance(node.func, ast.Attribute) and node.func.attr in _DRAWS:
            self.direct.panels[SIMULATED] = None
        self._seeds(node, name)
        for part in (*node.args, *node.keywords):
            self.visit(part)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        self._file(node)
        self.generic_visit(node)

    def visit_IfExp(self, node: ast.IfExp) -> None:
        holds = self.chapter.truth(node.test)
        for part, wanted in ((node.body, True), (node.orelse, False)):
            if holds in (None, wanted):
                self.visit(part)

    def visit_comprehension(self, node: ast.comprehension) -> None:
        self._loop(node.target, node.iter)
        self.generic_visit(node)

    def visit_For(self, node: ast.For) -> None:
        self._loop(node.target, node.iter)
        self.generic_visit(node)

    def generic_visit(self, node: ast.AST) -> None:
        """Visit a comprehension's loops before its element, which uses their names."""
        for loop in getattr(node, "generators", ()):
            self.visit(loop)
        super().generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        arguments = node.args
        every = (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)
        before, self.hidden = self.hidden, self.hidden | {a.arg for a in every}
        for statement in node.body:
            self.hidden = self.hidden | set(_defined(statement))
            self.visit(statement)
        self.hidden = before

    def _loop(self, target: ast.AST, over: ast.AST) -> None:
        for name in ast.walk(target):
            if isinstance(name, ast.Name):
                self.loops[name.id] = ast.unparse(over)

    def _function(self, name: str, call: ast.Call | None = None) -> None:
        if not name.startswith("ftz."):
            return
        if not name.startswith(("ftz.figures.style", "ftz.paths", "ftz.errors")):
            self.direct.functions[name] = None
        source = next((s for s in SOURCES if fnmatch.fnmatchcase(name, s.pattern)), None)
        if source:
            self._source(source, call)

    def _source(self, source: Source, call: ast.Call | None) -> None:
        first = call.args[0] if call and call.args else None
        if source.optional_path and first is not None and self.chapter.truth(first) is not False:
            self.direct.panels[OWN] = None
            if path := self._written_out(first):
                self.direct.files[OWN_FILE + path] = None
            return
        if source.panel != NONE:
            self.direct.panels[source.panel] = None
        for name in source.files:
            self.direct.files[name.replace("{}", _text(first) if first else "*")] = None

    def _written_out(self, node: ast.AST) -> str:
        if isinstance(node, ast.Name):
            value = self.chapter.constants.get(node.id, "")
            return value if isinstance(value, str) else ""
        return _text(node).replace("*", "")

    def _file(self, node: ast.AST) -> None:
        parts = self.chapter.path(node)
        if not parts or "." not in parts[-1]:
            return
        name = "/".join(parts)
        self.direct.files[name] = None
        for start, kind in _FOLDERS.items():
            if name.startswith(start):
                self.direct.panels[kind] = None

    def _seeds(self, call: ast.Call, name: str | None) -> None:
        given = [k.value for k in call.keywords if k.arg in _SEEDS]
        if name and name.endswith("random.default_rng"):
            given += call.args[:1]
        if isinstance(call.func, ast.Name):
            names = self.chapter.parameters.get(call.func.id, [])
            given += [a for n, a in zip(names, call.args, strict=False) if n in _SEEDS]
        for value in given:
            if text := self._seed(value):
                self.direct.seeds[text] = None
        if name and name.startswith("ftz.") and not given and (text := _default_seed(name)):
            self.direct.seeds[text] = None

    def _seed(self, node: ast.AST) -> str:
        if isinstance(node, ast.Name):
            if node.id in self.loops:
                return self.loops[node.id]
            if node.id in self.chapter.constants:
                return str(self.chapter.constants[node.id])
            return ""  # a generator or a parameter: its own cell names the seed
        return ast.unparse(node)


# -- the functions and the files behind the names ----------------------------------------


@cache
def _find(name: str) -> object | None:
    """Return the object behind a dotted name of the library, or None."""
    parts = name.split(".")
    found: object = importlib.import_module(parts[0])
    for length, part in enumerate(parts[1:], start=2):
        if not hasattr(found, part):  # a room that nobody has imported yet
            with contextlib.suppress(ImportError):
                importlib.import_module(".".join(parts[:length]))
        found = getattr(found, part, None)
    return found


def _default_seed(name: str) -> str:
    found = _find(name)
    if not callable(found) or inspect.isclass(found):
        return ""
    try:
        default = inspect.signature(found).parameters["seed"].default
    except (KeyError, TypeError, ValueError):
        return ""
    return "" if default in (inspect.Parameter.empty, None) else f"{default}"


@dataclass(frozen=True)
class Place:
    """Where a function or class of the library is written.

    Attributes
    ----------
    name : str
        The name under which a chapter called it.
    module : str
        The module that defines it.
    file : str
        Its file, relative to the repository.
    line : int
        The line on which it begins.
    """

    name: str
    module: str
    file: str
    line: int


@cache
def locate(name: str) -> Place | None:
    """Return where a dotted name of the library is defined.

    Parameters
    ----------
    name : str
        For example ``"ftz.did.twfe"``.

    Returns
    -------
    Place or None
        ``None`` for constants and modules, which nothing calls.
    """
    found = _find(name)
    if not (inspect.isroutine(found) or inspect.isclass(found)):
        found = getattr(found, "__wrapped__", None)  # functools.cache
    found = getattr(found, "__func__", found)  # a class method
    if found is None or not str(getattr(found, "__module__", "")).startswith("ftz"):
        return None
    path, line = _written(found)
    if path is None:
        return None
    start = len(path.parts) - 1 - path.parts[::-1].index("ftz")
    inside = path.parts[start:]
    module = ".".join(inside).removesuffix(".py").removesuffix(".__init__")
    return Place(name, module, "/".join(("lib", *inside)), line)


def _written(found: object) -> tuple[Path | None, int]:
    """Return the file and the line where a function or class begins."""
    try:
        return Path(str(inspect.getsourcefile(found))), inspect.getsourcelines(found)[1]  # type: ignore[arg-type]
    except (OSError, TypeError):
        pass  # a class that says it lives in its package: look for it there
    package = Path(str(importlib.import_module(found.__module__).__file__)).parent
    start = re.compile(rf"^(?:class|def) {getattr(found, '__name__', '')}\b", re.MULTILINE)
    for path in sorted(package.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        if match := start.search(text):
            return path, text.count("\n", 0, match.start()) + 1
    return None, 0


def hashes(root: Path, patterns: Iterable[str]) -> dict[str, str]:
    """Return SHA-256 by file for the files that the patterns name.

    Parameters
    ----------
    root : pathlib.Path
        The repository.
    patterns : iterable of str
        Names relative to it, ``*`` for any.

    Returns
    -------
    dict
        File to hexadecimal digest, in alphabetical order.
    """
    files = {path for pattern in patterns for path in root.glob(pattern) if path.is_file()}
    return {path.relative_to(root).as_posix(): _sha256(path) for path in sorted(files)}


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
