"""List what the library defines and nobody uses: no page, no command, no other part of it.

Reached is what a chapter's code names, what prose names in a role or as a dotted name, what
the book's extensions and the modules' own statements use, what has an example that a test
runs, and what any of these uses in turn.  Uses are matched by name alone, so a name that two
things share keeps both: the list is short of dead code, never of living.  Tests do not count.

Also counted are public names: functions and classes without an underscore, in modules without
one, and what a module imports from private modules to offer it.  Each is used on a page or in a
command, or shows an example that a test runs; all else carries an underscore.  The numbers of
:data:`MOST` may fall, with the names; a new name raises its package's by one.
"""

from __future__ import annotations

import ast
import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import jupytext

ROOT = Path(__file__).resolve().parents[1]
#: Public names that a package may have: lower a number when names go, and raise none.
MOST = {
    "bookworks": 3,
    "ftz": 132,
    "printproof": 60,
    "specgrid": 12,
    "study": 110,
    "userpanel": 32,
}
#: Names that something outside calls: Sphinx, pytest's and Python's protocols.
CALLED = {"main", "setup"}
_ROLE = re.compile(r"\{\w+\}`~?((?:\w+\.)+\w+)`")
_PROSE = re.compile(r"\{\w+\}`~?(?:\w+\.)*(\w+)`|`(?:\w+\.)+(\w+)(?:\(\))?`")


@dataclass(frozen=True)
class Definition:
    """A function, class or method, and the names that it uses."""

    name: str
    place: str
    lines: int
    uses: frozenset[str]
    living: bool


def used(node: ast.AST) -> set[str]:
    """Return the names that code uses; imports and ``__all__`` use nothing."""
    names: set[str] = set()
    for part in ast.walk(node):
        match part:
            case ast.Name(id=name, ctx=ast.Load()) | ast.Attribute(attr=name):
                names.add(name)
            case ast.Constant(value=str(text)) if text.isidentifier():
                names.add(text)  # getattr, tables of methods
    return names


def definitions(path: Path) -> tuple[list[Definition], set[str]]:
    """Return what a module defines, and the names that its own statements use."""
    found: list[Definition] = []
    loose: set[str] = set()
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found += _definition(node, path.relative_to(ROOT).as_posix())
        elif isinstance(node, ast.ImportFrom):  # under another name, it is looked for there
            loose |= {alias.name for alias in node.names if alias.asname}
        elif not isinstance(node, ast.Import) and not _listing(node):
            loose |= used(node)
    return found, loose


def _listing(node: ast.stmt) -> bool:
    targets = node.targets if isinstance(node, ast.Assign) else []
    return any(isinstance(t, ast.Name) and t.id in {"__all__", "_ROOMS"} for t in targets)


def _definition(node: ast.FunctionDef | ast.ClassDef, file: str) -> Iterator[Definition]:
    """Yield a definition, and of a class its public methods apart."""
    apart: list[ast.FunctionDef] = []
    if isinstance(node, ast.ClassDef) and not node.bases:
        apart = [n for n in node.body if isinstance(n, ast.FunctionDef) and n.name[0] != "_"]
    body = used(node)
    if apart:
        rest = [n for n in ast.iter_child_nodes(node) if n not in apart]
        body = set().union(*map(used, rest))
    for part, uses in [(node, body), *((n, used(n)) for n in apart)]:
        doc = ast.get_docstring(part) or ""
        lines = (part.end_lineno or 0) - part.lineno + 1
        place = f"{file}:{part.lineno}"
        yield Definition(part.name, place, lines, frozenset(uses - {part.name}), ">>>" in doc)


def chapters() -> set[str]:
    """Return the names in the code of all chapters, and those that prose writes as code."""
    names: set[str] = set()
    texts = [ROOT / "CONTRIBUTING.md"]
    for pattern in ("book/*.md", "book/zh/*.md", "notebooks/**/*.md"):
        texts += ROOT.glob(pattern)
    for path in texts:
        for cell in jupytext.read(path, fmt="md:myst").cells:
            if cell.cell_type == "code":
                names |= used(ast.parse(re.sub(r"^\s*[%!].*", "", cell.source, flags=re.M)))
            else:
                names |= {a or b for a, b in _PROSE.findall(cell.source)}
    return names


def public() -> dict[str, bool]:
    """Return the dotted names that the library offers, and whether each shows an example.

    Constants and aliases do not count.
    """
    offered: dict[str, str] = {}  # to where the name is written
    written: dict[str, bool] = {}
    assigned: set[str] = set()
    for path in sorted((ROOT / "lib").rglob("*.py")):
        parts = path.relative_to(ROOT / "lib").with_suffix("").parts
        home = parts[:-1] if parts[-1] == "__init__" else parts
        body = ast.parse(path.read_text("utf-8")).body
        own = [n for n in body if isinstance(n, ast.FunctionDef | ast.ClassDef)]
        here = {n.name: ".".join((*home, n.name)) for n in own}
        written |= {here[n.name]: ">>>" in ast.unparse(n) for n in own}
        targets = [t for n in body if isinstance(n, ast.Assign) for t in n.targets]
        assigned |= {".".join((*home, t.id)) for t in targets if isinstance(t, ast.Name)}
        if not any(part[0] == "_" for part in home):
            names = here | _brought(body, package=home != parts)
            offered |= {".".join((*home, n)): at for n, at in names.items() if _open(n)}
    return {n: written.get(at, False) for n, at in offered.items() if at not in assigned}


def _brought(body: list[ast.stmt], *, package: bool) -> dict[str, str]:
    """Return what a module offers from private ones: by its ``__all__``, or all of a package's."""
    lists = [node for node in body if isinstance(node, ast.Assign) and _listing(node)]
    # what is imported for types alone, where names are imported when they are first used
    inner = [n for node in body if isinstance(node, ast.If) for n in node.body]
    names: dict[str, str] = {}
    for node in body + inner:
        if isinstance(node, ast.ImportFrom) and "._" in str(node.module):
            names |= {a.asname or a.name: f"{node.module}.{a.name}" for a in node.names}
    if lists:
        return {n: at for n, at in names.items() if n in _strings(lists[0])}
    return names if package else {}


def _open(name: str) -> bool:
    return name[0] != "_" and not name.isupper() and name not in CALLED


def _strings(node: ast.AST) -> set[str]:
    return {part.value for part in ast.walk(node) if isinstance(part, ast.Constant)}


def shown() -> set[str]:
    """Return the dotted names that chapters and commands use, each as it was imported."""
    names: set[str] = set()
    for path in (*ROOT.glob("book/**/*.md"), *ROOT.glob("notebooks/**/*.md")):
        cells = jupytext.read(path, fmt="md:myst").cells
        code = [
            re.sub(r"^\s*[%!].*", "", c.source, flags=re.M) for c in cells if c.cell_type == "code"
        ]
        names |= _dotted(ast.parse("\n".join(code)))
        names |= {n for c in cells if c.cell_type != "code" for n in _ROLE.findall(c.source)}
    for path in (*(ROOT / "lib").rglob("*.py"), *(ROOT / "book" / "_ext").glob("*.py")):
        text = path.read_text("utf-8")
        if path.parent.name == "_ext" or "argparse" in text or "\nif __name__ ==" in text:
            names |= _dotted(ast.parse(text))
    return names | {name.rpartition(".")[0] for name in names}  # a method shows its class


def _dotted(tree: ast.AST) -> set[str]:
    """Return what code imports by name, and what it takes from the modules that it imports."""
    imports: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imports |= {a.asname: a.name for a in node.names if a.asname}
            imports |= {f: f for a in node.names if not a.asname and (f := a.name.split(".")[0])}
        elif isinstance(node, ast.ImportFrom):
            imports |= {a.asname or a.name: f"{node.module}.{a.name}" for a in node.names}
    names = set(imports.values())
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and re.fullmatch(r"[\w.]+", text := ast.unparse(node)):
            first, _, rest = text.partition(".")
            if first in imports:
                names.add(f"{imports[first]}.{rest}")
    return names


def unreached() -> list[Definition]:
    """Return the public definitions that nothing reaches."""
    found: list[Definition] = []
    names = CALLED | chapters()
    for path in sorted((ROOT / "lib").rglob("*.py")):
        inside, loose = definitions(path)
        found += inside
        names |= loose
    for path in (ROOT / "book" / "_ext").glob("*.py"):
        names |= used(ast.parse(path.read_text("utf-8")))
    waiting = found
    while True:
        reached = [d for d in waiting if d.living or d.name in names or d.name.startswith("__")]
        if not reached:
            return [d for d in waiting if not d.name.startswith("_")]
        waiting = [d for d in waiting if d not in reached]
        names = names.union(*(d.uses for d in reached))


def main() -> int:
    """Print the dead, the names that nothing shows and the counts; return the exit code."""
    dead, names, known = unreached(), public(), shown()
    for one in dead:
        print(f"{one.place}: {one.name} ({one.lines} lines): no page, command or module uses it")
    hidden = [name for name, example in names.items() if not example and name not in known]
    for name in hidden:
        print(f"{name}: on no page, in no command and without an example")
    counted = Counter(name.split(".")[0] for name in names)
    counts = ", ".join(f"{name} {count}" for name, count in sorted(counted.items()))
    print(f"{counted.total()} public names: {counts}")
    more = [package for package, count in counted.items() if count > MOST[package]]
    for package in more:
        print(f"{package}: more public names than {MOST[package]}:")
        print("\n".join(f"  {n}" for n in names if n.startswith(f"{package}.")))
    return int(bool(dead or hidden or more))


if __name__ == "__main__":
    sys.exit(main())
