"""List what the library defines and nobody uses: no page, no command, no other part of it.

Reached is what a chapter's code names, what prose names in a role or as a dotted name, what
the book's extensions and the modules' own statements use, what has an example that a test
runs, and what any of these uses in turn.  Uses are matched by name alone, so a name that two
things share keeps both: the list is short of dead code, never of living.  Tests do not count.

Also counted are public names: functions and classes without an underscore, in modules without
one, and what a package imports from its private modules to offer it.  Public is what a page, a
command or the library's pages name; all else carries an underscore.  The numbers of
:data:`MOST` may fall, with the names, and never rise.
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
    "bookworks": 46,
    "ftz": 201,
    "printproof": 65,
    "specgrid": 20,
    "study": 208,
    "userpanel": 45,
}
#: Names that something outside calls: Sphinx, pytest's and Python's protocols.
CALLED = {"main", "setup"}
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


def public() -> list[str]:
    """Return the dotted names that the library offers; constants do not count."""
    found: list[str] = []
    for path in sorted((ROOT / "lib").rglob("*.py")):
        parts = path.relative_to(ROOT / "lib").with_suffix("").parts
        home = parts[:-1] if parts[-1] == "__init__" else parts
        if any(part[0] == "_" for part in home):
            continue
        names: list[str] = []
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                names.append(node.name)
            elif home != parts and isinstance(node, ast.ImportFrom) and "._" in str(node.module):
                names += [alias.asname or alias.name for alias in node.names]
        found += [".".join((*home, n)) for n in names if n[0] != "_" and not n.isupper()]
    return found


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
    """Print the dead and the counts; return the exit code."""
    dead, counts = unreached(), Counter(name.split(".")[0] for name in public())
    for one in dead:
        print(f"{one.place}: {one.name} ({one.lines} lines): no page, command or module uses it")
    grown = [name for name, count in counts.items() if count > MOST.get(name, 0)]
    for name in grown:
        print(f"{name}: {counts[name]} public names, {MOST.get(name, 0)} at the most: see MOST")
    told = ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
    print(f"{counts.total()} public names: {told}")
    return int(bool(dead or grown))


if __name__ == "__main__":
    sys.exit(main())
