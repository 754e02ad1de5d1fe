"""What the library declares of its functions, for the notes under figures and tables."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

import jupytext
import pytest
import yaml

from bookworks import _lineage as lineage
from conftest import ROOT, code_chapters

_CONFIG = yaml.safe_load((ROOT / "_config.yml").read_text("utf-8"))["sphinx"]["config"]
PANELS, PACKAGES = _CONFIG["bookworks_panels"], _CONFIG["bookworks_packages"]


def _modules() -> Iterator[tuple[str, Path]]:
    for path in sorted(p for package in PACKAGES for p in (ROOT / "lib" / package).rglob("*.py")):
        name = ".".join(path.relative_to(ROOT / "lib").with_suffix("").parts)
        if not name.endswith(".__main__"):  # a command, which no page calls
            yield name.removesuffix(".__init__"), path


DECLARING = [name for name, path in _modules() if "\n__lineage__" in path.read_text("utf-8")]


@pytest.mark.parametrize("module", DECLARING)
def test_what_is_declared_is_of_the_module_and_there(module):
    found = importlib.import_module(module)
    for pattern, said in found.__lineage__.items():
        assert [name for name in dir(found) if fnmatchcase(name, pattern)], pattern
        assert {said.get("panel", "own"), said.get("otherwise", "own")} <= set(PANELS)
        for name in said.get("files", ()):
            assert list(ROOT.glob(name.replace("{}", "*"))), name


#: Reads no number that a page shows.
_NO_SOURCE = {"read_rows", "data_dir", "library_hash", "main", "path", "run"}


def test_every_function_that_reads_data_declares_its_files():
    missing = []
    for module, path in _modules():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.FunctionDef) or node.name in _NO_SOURCE:
                continue
            called = {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
            if node.name.startswith("_") or "data_dir" not in called:
                continue
            if not lineage.declared(f"{module}.{node.name}").get("files"):
                missing.append(f"{module}.{node.name}")
    assert not missing, "declare what these read under __lineage__, as bookworks._lineage says"


def _code(chapter: Path) -> list[str]:
    cells = jupytext.read(chapter, fmt="md:myst").cells
    return [cell.source for cell in cells if cell.cell_type == "code"]


@pytest.mark.parametrize("chapter", code_chapters(), ids=lambda path: path.stem)
def test_every_drawing_cell_of_the_book_names_its_function(chapter):
    cells = _code(chapter)
    for source, trace in zip(cells, lineage.trace_cells(cells, PACKAGES), strict=True):
        closing = source.strip().splitlines()[-1] if source.strip() else ""
        if closing.startswith(("draw.", "tables.", "figures.")):
            drawing = [f for f in trace.functions if lineage.declared(f).get("role") == "drawing"]
            assert any(map(lineage.locate, drawing)), closing


def test_chapters_on_the_witness_panel_say_so():
    kinds = {pattern: kind for kind, said in PANELS.items() for pattern in said[1:]}
    cells = _code(ROOT / "notebooks" / "difference-in-differences.md")
    every = [p.relative_to(ROOT).as_posix() for p in (ROOT / "data").rglob("*.*")]
    traces = lineage.trace_cells(cells, PACKAGES, kinds=kinds, opened={0: every})
    panels = {panel for trace in traces for panel in trace.panels}
    assert "witness" in panels
    assert "own" not in panels
