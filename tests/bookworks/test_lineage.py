"""What stands behind the output of a cell: cells that are read, files that were opened."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from bookworks import _lineage as lineage
from bookworks._errors import BookError
from bookworks._lineage import Trace, trace_cells

LIBRARY = {
    "teas/__init__.py": "",
    "teas/leaves.py": """\
import collections

__lineage__ = {
    "load": {"files": ["data/{}.csv"]},
    "default": {"files": ["data/default.csv"], "otherwise": "own"},
    "read": {"panel": "own"},
    "grow*": {"panel": "simulated"},
}
KINDS = ("green", "black")
Row = collections.namedtuple("Row", "leaf")


class Mouldy(ValueError):
    pass


def load(name): ...
def default(path=None): ...
def read(path): ...
def weigh(leaves, seed=7): ...
def grow_many(n): ...
""",
    "teas/draw.py": """\
__lineage__ = {"style": {"role": "helper"}, "*": {"role": "drawing"}}


def style(): ...
def curve(x): ...
""",
    "teas/blend/__init__.py": """\
from teas.blend.mixing import Blend, mix

__lineage__ = {"*": {"files": ["data/blend.csv"]}}
""",
    "teas/blend/mixing.py": """\
__lineage__ = {"mix": {"files": ["data/mix.csv"]}}


class Blend:
    @classmethod
    def of(cls): ...


def mix(): ...
""",
}
IMPORTS = "import numpy as np\nfrom teas import blend, draw, leaves"
KINDS = {"data/green.csv": "picked", "data/mix*": "mixed"}


@pytest.fixture(scope="module", autouse=True)
def library(tmp_path_factory):
    root = tmp_path_factory.mktemp("library")
    for name, text in LIBRARY.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    sys.path.insert(0, str(root))
    yield root
    sys.path.remove(str(root))
    for name in [name for name in sys.modules if name.split(".")[0] == "teas"]:
        del sys.modules[name]
    for cached in (lineage.declared, lineage.locate, lineage._find):
        cached.cache_clear()


RECORD = {0: ["data/green.csv", "data/red.csv"]}


def last(*cells: str, opened: dict[int, list[str]] = RECORD) -> Trace:
    """Return the trace of the last cell after the usual imports."""
    return trace_cells([IMPORTS, *cells], ["teas"], kinds=KINDS, opened=opened)[-1]


def test_an_output_is_traced_through_cells_to_its_file():
    trace = last(
        "green = leaves.load('green')",
        "w = leaves.weigh(green, seed=1)\nw",
        "draw.style()\ndraw.curve(w)",
    )
    assert trace == Trace(
        4,
        (2, 3),
        ("teas.draw.curve", "teas.leaves.weigh", "teas.leaves.load"),
        ("picked",),
        ("data/green.csv",),
        ("1",),
    )


def test_a_name_given_anew_forgets_what_it_was():
    assert last("x = leaves.load('green')", "x = leaves.load('red')", "x").panels == ()


def test_a_name_that_is_changed_keeps_what_it_was():
    trace = last(
        "x = leaves.load('green')\nrows = []",
        "x['a'] = leaves.grow_many(2)\nrows.append(x)",
        "rows",
    )
    assert trace.panels == ("picked", "simulated")


def test_a_module_s_name_can_be_taken_by_a_value():
    assert last("leaves = leaves.load('green')", "leaves.read").functions == ("teas.leaves.load",)


def test_what_is_no_python_or_no_library_has_an_empty_trace():
    for cell in ("%matplotlib inline", "this is ( not", "!ls", "np.ones(2)"):
        assert last(cell) == Trace(2)
    assert last("%time 1\nleaves.read(1)").functions == ("teas.leaves.read",)


def test_an_error_that_is_caught_computes_nothing():
    cell = "try:\n    leaves.read(1)\nexcept leaves.Mouldy:\n    pass"
    assert last(cell).functions == ("teas.leaves.read",)


@pytest.mark.parametrize(
    ("cell", "seeds"),
    [
        ("leaves.weigh(1, seed=8)", ("8",)),
        ("leaves.weigh(1)", ("7",)),
        ("leaves.read(1)", ()),
        ("s = 2013\nnp.random.default_rng(s)", ("2013",)),
        ("s: int = 2013\nleaves.weigh(1, seed=s)", ("2013",)),
        ("def sim(seed, a=1):\n    return seed\n[sim(s) for s in range(40)]", ("range(40)",)),
        ("for s in (1, 2):\n    leaves.weigh(1, seed=s)", ("(1, 2)",)),
    ],
)
def test_seeds_are_those_that_the_cells_write_or_the_function_s_own(cell, seeds):
    assert last(cell).seeds == seeds


def test_draws_make_simulated_data_and_shuffles_do_not():
    drawn = "def sim(seed):\n    return np.random.default_rng(seed).normal(size=3)"
    assert last(drawn, "x = sim(1)", "x").panels == ("simulated",)
    shuffled = "x = np.random.default_rng(1).permutation(leaves.load('green'))"
    assert last(shuffled, "x").panels == ("picked",)


def test_names_inside_a_function_are_its_own():
    trace = last("x = leaves.load('green')", "def f(x):\n    y = x\n    return y", "f(1)")
    assert trace.files == ()


# -- what was opened ---------------------------------------------------------------------


def test_of_the_files_that_may_be_read_those_count_that_the_chapter_opened():
    cells = ("a = leaves.load(name)", "b = blend.mix()", "a")
    record = {0: ["data/green.csv", "data/mix.csv", "book.cfg"], 2: ["data/green.csv"]}
    assert last(*cells, opened=record).files == ("data/green.csv", "data/mix.csv")
    assert last("leaves.load('red')", opened={0: ["data/green.csv"]}).files == ()


def test_a_file_that_a_cell_opened_by_itself_feeds_all_that_it_made():
    record = {0: ["data/mixed.csv"], 2: ["data/mixed.csv"]}
    trace = last("a = open('mixed')\nb = 1", "draw.curve(b)", opened=record)
    assert (trace.files, trace.panels, trace.feeding) == (("data/mixed.csv",), ("mixed",), (2,))
    assert last("a = open('mixed')", "draw.curve(1)", opened=record).files == ()


def test_a_reader_s_own_file_replaces_the_one_that_is_declared():
    asked = "leaves.default(path)"
    given = {0: ["data/default.csv"], 2: ["data/default.csv"]}
    assert last(asked, opened=given).panels == ()
    inside = last(asked, opened={0: ["mine.csv"], 2: ["mine.csv"]})
    assert (inside.panels, inside.files) == (("own",), ("mine.csv",))
    outside = last("open(path)", opened={0: ["/elsewhere/mine.csv"], 2: ["/elsewhere/mine.csv"]})
    assert (outside.panels, outside.files) == (("own",), ("/elsewhere/mine.csv",))


# -- the functions behind the names ------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("teas.blend.mix", ["data/blend.csv"]),  # as it is called, before as it is written
        ("teas.blend.mixing.mix", ["data/mix.csv"]),  # the nearest module
        ("teas.blend.mixing.Blend", ["data/blend.csv"]),  # a module around it
        ("teas.leaves.weigh", []),
    ],
)
def test_what_a_function_reads_is_said_in_its_module(name, files):
    assert lineage.declared(name).get("files", []) == files


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"file": ["a"]}, r"teas.leaves.__lineage__\['\*'\].*did you mean 'files'"),
        ({"files": "a.csv"}, "files is a list"),
    ],
)
def test_a_misspelt_declaration_is_refused_with_its_place(monkeypatch, said, message):
    lineage._find("teas.leaves")
    monkeypatch.setattr(sys.modules["teas.leaves"], "__lineage__", {"*": said})
    lineage.declared.cache_clear()
    with pytest.raises(BookError, match=message):
        last("leaves.read(1)")
    lineage.declared.cache_clear()


@pytest.mark.parametrize(
    "name",
    [
        "teas.leaves.load",
        "teas.leaves.Mouldy",
        "teas.blend.Blend",
        "teas.blend.Blend.of",
        "teas.blend.mix",
    ],
)
def test_a_function_is_found_on_its_line(library: Path, name):
    place = lineage.locate(name)
    assert place is not None and place.path == library / place.file
    line = (library / place.file).read_text().splitlines()[place.line - 1]
    # a decorator may stand above
    assert re.match(rf"\s*((def|class) {name.split('.')[-1]}\b|@)", line)


def test_what_is_no_function_is_nowhere():
    for name in ("KINDS", "Row", "no_such_thing", "load.part"):
        assert lineage.locate(f"teas.leaves.{name}") is None
    assert lineage.locate("teas.leaves") is None
