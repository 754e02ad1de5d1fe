"""A module in units: every function and method apart, and its skeleton, which is all else.

What a program computes follows from the skeletons of the modules that it imports and from the
functions that it enters: what stands in a function that was never entered cannot matter, nor
can comments, layout and docstrings.  That holds for a program that does not look at its own
code; of one that does, :func:`meanings` tells nothing, and its text counts.  (A program that
reads its source has opened a file, which is seen as such.)

Only the standard library is used: kernels load this file by itself.
"""

from __future__ import annotations

import ast
import hashlib
import re
from collections import Counter
from collections.abc import Iterator

#: By these a program sees docstrings, code or lines; commands of click show docstrings as help.
_LOOKS = {"__doc__", "__code__", "__closure__", "getdoc", "getcomments", "help", "dis", "command"}
_LOOKS |= {"_getframe", "currentframe", "f_lineno", "tb_lineno", "co_firstlineno", "extract_stack"}
_LOOKS |= {"doctest", "pydoc", "getmembers", "lineno"}
#: Compiles what it finds in functions, and knows no marks.
_LOOKS |= {"numba"}
#: What looks by names in strings: ``getattr(f, "__doc__")``, ``"%(lineno)d"`` of logging.
_SAID = re.compile(r"__doc__|__code__|lineno")
_Function = ast.FunctionDef | ast.AsyncFunctionDef


def units(node: ast.AST, above: str = "") -> Iterator[tuple[str, _Function]]:
    """Yield the functions of a module and of its classes; what is inside one belongs to it."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, _Function):
            yield above + child.name, child
        elif isinstance(child, ast.stmt | ast.excepthandler | ast.match_case):
            inside = f"{above}{child.name}." if isinstance(child, ast.ClassDef) else above
            yield from units(child, inside)


def numbered(tree: ast.Module) -> Iterator[tuple[str, _Function]]:
    """Yield units by names of which each is one: of equal ones the second is ``name 2``."""
    seen: Counter[str] = Counter()
    for name, function in units(tree):
        seen[name] += 1
        yield f"{name} {seen[name]}" if seen[name] > 1 else name, function


def marked(source: bytes, module: str) -> ast.Module:
    """Return a module whose functions call ``__entering__("module:unit")`` when first entered.

    Those of a module that looks at code do not: its text counts, and marks would be seen.
    """
    tree = ast.parse(source)
    if not meanings(source):
        return tree
    for name, function in numbered(tree):
        key = ast.Constant(f"{module}:{name}")
        known = ast.Compare(key, [ast.In()], [ast.Name("__entered__", ast.Load())])
        call = ast.Call(ast.Name("__entering__", ast.Load()), [key], [])
        mark = ast.Expr(ast.BoolOp(ast.Or(), [known, call]))
        place = int(_documented(function))
        ast.copy_location(mark, function.body[min(place, len(function.body) - 1)])
        function.body.insert(place, ast.fix_missing_locations(mark))
    return tree


def meanings(source: str | bytes) -> dict[str, str]:
    """Return a hash of each unit of a module and, under the empty name, of its skeleton.

    Empty for a module that looks at code or documentation, and for what does not compile.
    """
    try:
        tree = ast.parse(source)
        compile(tree, "", "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError):
        return {}
    for node in ast.walk(tree):
        names = {getattr(node, "id", ""), getattr(node, "attr", "").replace("help", "")} - {""}
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            names = set(_SAID.findall(node.value))
        if isinstance(node, ast.Import | ast.ImportFrom):
            module = getattr(node, "module", None) or node.names[0].name
            names = {module, module.partition(".")[0], *(alias.name for alias in node.names)}
        if names & _LOOKS and not isinstance(getattr(node, "ctx", None), ast.Store):
            return {}
        if _documented(node):
            del node.body[0]  # type: ignore[attr-defined]
    found = {}
    for name, function in numbered(tree):
        found[name] = _hash(ast.Module(function.body, []))
        # a generator that was made and never begun was not entered
        yields = ast.Constant(any(isinstance(n, ast.Yield | ast.YieldFrom) for n in _own(function)))
        function.body = [ast.Expr(yields)]
    return {**found, "": _hash(tree)}


def _documented(node: ast.AST) -> bool:
    body = getattr(node, "body", None)
    holds = isinstance(node, ast.Module | ast.ClassDef | _Function) and bool(body)
    return holds and ast.get_docstring(node, clean=False) is not None  # type: ignore[arg-type]


def _own(function: ast.AST) -> Iterator[ast.AST]:
    """Yield what stands in a function and not in one inside it."""
    for child in ast.iter_child_nodes(function):
        yield child
        if not isinstance(child, _Function | ast.Lambda | ast.ClassDef):
            yield from _own(child)


def _hash(node: ast.AST) -> str:
    return hashlib.sha256(ast.dump(node).encode("utf-8", "surrogatepass")).hexdigest()[:16]
