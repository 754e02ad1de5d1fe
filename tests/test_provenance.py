"""Where figures and tables come from: traces, notes, manifest, Binder."""

from __future__ import annotations

import ast
import fnmatch
import hashlib
import json
import re
import shutil
import subprocess
from pathlib import Path

import ftz_provenance
import jupytext
import pytest
import yaml
from bs4 import BeautifulSoup
from docutils import nodes

from conftest import ROOT, code_chapters
from ftz import provenance
from ftz.provenance import trace_cells
from test_toolchain import HEADER, SmallBook

# -- reading cells -----------------------------------------------------------------------

IMPORTS = """\
import numpy as np
import pandas as pd
from ftz import did, index, panel, published, tables
from ftz.figures import did as draw
from ftz.paths import data_dir
"""


def last(*cells: str) -> provenance.Trace:
    """Return the trace of the last cell after the usual imports."""
    return trace_cells([IMPORTS, *cells])[-1]


def test_a_figure_is_traced_through_cells_to_its_panel():
    trace = last(
        "matched = panel.load_witness().matched",
        "columns = did.stepwise(matched, 'lnHQD', 'FTZ', ['fe'])\ncolumns",
        "draw.column_path(columns)",
    )
    assert trace.drawing == ("ftz.figures.did.column_path",)
    assert trace.computing == ("ftz.did.stepwise", "ftz.panel.load_witness")
    assert trace.panels == ("witness",)
    assert trace.files == ("data/witness/panel.csv",)
    assert trace.feeding == (2, 3)


def test_a_name_given_anew_forgets_what_it_was():
    trace = last("x = panel.load_witness()", "x = published.load('mi_2024')", "tables.Table(x)")
    assert not trace.panels
    assert trace.files == ("data/published/mi_2024.csv",)


def test_a_name_that_is_changed_keeps_what_it_was():
    trace = last(
        "frame = panel.load_witness().frame\nrows = []",
        "frame['b'] = index.load_indicators().frame['a']\nrows.append(frame)",
        "rows",
    )
    assert trace.panels == ("simulated", "witness")


def test_a_module_s_name_can_be_taken_by_a_value():
    trace = last("panel = index.load_indicators(None)", "panel.read_panel")
    assert trace.panels == ("simulated",)
    assert trace.functions == ("ftz.index.load_indicators",)


@pytest.mark.parametrize(
    ("path", "panels", "files"),
    [
        ('""', ("witness",), ("data/witness/panel.csv",)),
        ('"mine.csv"', ("own",), ("own:mine.csv",)),
    ],
)
@pytest.mark.parametrize("kind", ["", ": str"])
def test_a_reader_s_own_panel_is_told_from_the_witness(path, panels, files, kind):
    trace = last(
        f"given{kind} = {path}",
        "study = panel.read_panel(given) if given else panel.load_witness()",
        "study",
    )
    assert (trace.panels, trace.files) == (panels, files)


def test_own_indicators_replace_the_simulated_ones():
    assert last("index.load_indicators('x.csv')").panels == ("own",)
    assert last("p = ''\nindex.load_indicators(p or None)").panels == ("simulated",)


@pytest.mark.parametrize(
    ("cell", "seeds"),
    [
        ("did.placebo(1, seed=7)", ("7",)),
        ("s = 2013\nnp.random.default_rng(s)", ("2013",)),
        ("def sim(seed, a=1):\n    return seed\n[sim(s) for s in range(40)]", ("range(40)",)),
        ("did.twfe(1)", ()),
    ],
)
def test_seeds_are_those_that_the_cells_write(cell, seeds):
    assert last(cell).seeds == seeds


def test_a_seed_that_is_not_given_is_the_function_s_own():
    assert last("from ftz.audit import trial", "trial.power(30)").seeds == ("0",)
    assert last("from ftz.audit import trial", "trial.power(30, seed=2)").seeds == ("2",)


def test_draws_make_a_simulated_panel_and_shuffles_do_not():
    drawn = "def sim(seed):\n    return np.random.default_rng(seed).normal(size=3)"
    assert last(drawn, "x = sim(1)", "x").panels == ("simulated",)
    shuffled = "x = np.random.default_rng(1).permutation(panel.load_witness().frame)"
    assert last(shuffled, "x").panels == ("witness",)


def test_files_are_read_from_paths():
    trace = last(
        'folder = data_dir() / "witness"',
        'a = pd.read_csv(folder / "ensemble.csv")\n'
        'known = data_dir().parent / "tests" / f"{1}.csv"\nb = pd.read_csv(known)',
        "a.join(b)",
    )
    assert trace.files == ("data/witness/ensemble.csv", "tests/*.csv")
    assert trace.panels == ("public", "witness")


def test_a_cell_that_is_no_python_has_an_empty_trace():
    assert last("%matplotlib inline").functions == ()
    assert last("this is ( not").functions == ()


# -- functions and files -----------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    ["ftz.did.twfe", "ftz.panel.load_witness", "ftz.tables.Table", "ftz.index.Recipe"],
)
def test_a_function_is_found_on_its_line(name):
    place = provenance.locate(name)
    line = (ROOT / place.file).read_text(encoding="utf-8").splitlines()[place.line - 1]
    # a decorator may stand above
    assert re.match(rf"(def|class) {name.split('.')[-1]}\b|@", line)


def test_what_is_no_function_is_nowhere():
    assert provenance.locate("ftz.replication.CONTROLS") is None
    assert provenance.locate("ftz.did.no_such_thing") is None


def test_hashes_are_those_of_the_files(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "b.csv").write_bytes(b"2")
    (tmp_path / "data" / "a.csv").write_bytes(b"1")
    found = provenance.hashes(tmp_path, ["data/*.csv", "data/none.csv"])
    assert found == {
        "data/a.csv": hashlib.sha256(b"1").hexdigest(),
        "data/b.csv": hashlib.sha256(b"2").hexdigest(),
    }
    assert list(found) == ["data/a.csv", "data/b.csv"]


def test_a_reader_s_own_file_is_named_without_its_place(tmp_path):
    (tmp_path / "mine.csv").write_bytes(b"1")
    page = tmp_path / "book" / "page.md"
    found = ftz_provenance.data_hashes(tmp_path, page, ["own:../mine.csv", "own:gone.csv"])
    assert found == {"mine.csv": hashlib.sha256(b"1").hexdigest()}


@pytest.mark.parametrize(
    "source", [s for s in provenance.SOURCES if "*" not in s.pattern], ids=lambda s: s.pattern
)
def test_every_source_names_a_function_of_the_library_and_files_that_exist(source):
    assert provenance.locate(source.pattern), f"{source.pattern} is gone: correct SOURCES"
    for name in source.files:
        assert list(ROOT.glob(name.replace("{}", "*"))), name


#: Reads no number that a page shows.
_NO_SOURCE = {"data_dir", "library_hash", "main", "path"}


def test_every_function_that_reads_data_is_a_source():
    missing = []
    for path in sorted((ROOT / "lib" / "ftz").rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        module = ".".join(path.relative_to(ROOT / "lib").with_suffix("").parts)
        module = module.removesuffix(".__init__")
        if module.endswith(".__main__"):  # a command, which no page calls
            continue
        for node in ast.walk(ast.parse(text)):
            if not isinstance(node, ast.FunctionDef) or node.name in _NO_SOURCE:
                continue
            if node.name.startswith("_") or "data_dir" not in ast.get_source_segment(text, node):
                continue
            names = (f"{module}.{node.name}", f"{module.rsplit('.', 1)[0]}.{node.name}")
            fits = (fnmatch.fnmatchcase(n, s.pattern) for n in names for s in provenance.SOURCES)
            if not any(fits):
                missing.append(names[0])
    assert not missing, "add these to ftz.provenance.SOURCES, or pages will not name their data"


def _code(chapter: Path) -> list[str]:
    cells = jupytext.read(chapter, fmt="md:myst").cells
    return [cell.source for cell in cells if cell.cell_type == "code"]


@pytest.mark.parametrize("chapter", code_chapters(), ids=lambda path: path.stem)
def test_every_drawing_cell_of_the_book_names_its_function(chapter):
    cells = _code(chapter)
    for source, trace in zip(cells, trace_cells(cells), strict=True):
        closing = source.strip().splitlines()[-1] if source.strip() else ""
        if closing.startswith(("draw.", "tables.", "figures.")):
            assert [name for name in trace.drawing if provenance.locate(name)], closing


def test_chapters_on_the_witness_panel_say_so():
    traces = trace_cells(_code(ROOT / "notebooks" / "difference-in-differences.md"))
    panels = {panel for trace in traces for panel in trace.panels if trace.drawing}
    assert "witness" in panels
    assert "own" not in panels


# -- commits -----------------------------------------------------------------------------


def _git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false")
    run = subprocess.run(
        ["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True
    )
    return run.stdout.strip()


def test_a_page_names_the_last_commit_that_changed_what_it_rests_on(tmp_path, monkeypatch):
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    _git(tmp_path, "init", "-q")
    commits = []
    for name in ("a.md", "b.md"):
        (tmp_path / name).write_text(name)
        _git(tmp_path, "add", name)
        _git(tmp_path, "commit", "-q", "-m", name)
        commits.append(_git(tmp_path, "rev-parse", "HEAD"))
    history = ftz_provenance.History(tmp_path)
    assert history.commit("a.md") == {"commit": commits[0], "changed": False}
    assert history.commit() == {"commit": commits[1], "changed": False}
    stamp = int(_git(tmp_path, "log", "-1", "--format=%ct"))
    assert history.moment().timestamp() == stamp

    (tmp_path / "b.md").write_text("changed")
    history = ftz_provenance.History(tmp_path)
    assert not history.commit("a.md")["changed"]
    assert history.commit("b.md")["changed"]
    assert not history.commit("b")["changed"], "a name is no folder"
    assert "not committed" in ftz_provenance.commit_in_words(history.commit("b.md"))


def test_a_folder_inside_another_repository_has_no_commit(tmp_path, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
    _git(tmp_path, "init", "-q")
    (tmp_path / "book").mkdir()
    history = ftz_provenance.History(tmp_path / "book")
    assert history.commit("a.md") == {"commit": "", "changed": False}
    assert history.moment().isoformat() == "1970-01-02T00:00:00+00:00"
    assert "not under version control" in ftz_provenance.commit_in_words(history.commit())


# -- outputs and the crate ---------------------------------------------------------------


def test_figures_and_tables_are_told_from_other_outputs():
    output = nodes.container()
    figure = nodes.figure("", nodes.image(alt="seen"), nodes.caption("", "What it shows"))
    figure["ids"] = ["fig-x"]
    output += figure
    output += nodes.raw("", "<table><caption>Rows &amp; <b>columns</b></caption></table>")
    output += nodes.raw("", "<p>no table</p>")
    output += nodes.literal_block("", "printed")
    assert list(ftz_provenance.shown(output)) == [
        {"kind": "figure", "name": "fig-x", "caption": "What it shows"},
        {"kind": "table", "name": "", "caption": "Rows & columns"},
    ]


ITEM = {
    "id": "notebooks/x#fig-x",
    "kind": "figure",
    "caption": "",
    "page": "notebooks/x.html",
    "anchor": "fig-x",
    "cell": 3,
    "fed_by": [1],
    "drawn_by": [{"name": "ftz.figures.did.a", "file": "lib/ftz/figures/did.py", "line": 1}],
    "computed_by": [],
    "panels": ["witness"],
    "data": {"data/witness/panel.csv": "0" * 64},
    "seeds": ["7"],
}
MANIFEST = {
    "book": "A book",
    "author": "Somebody",
    "commit": "",
    "changed": False,
    "date": "1970-01-02T00:00:00+00:00",
    "fingerprint": "x",
    "versions": {"Python": "3"},
    "chapters": {
        "notebooks/x": {
            "title": "X",
            "file": "notebooks/x.md",
            "page": "notebooks/x.html",
            "commit": "",
            "changed": False,
            "items": [ITEM],
        }
    },
}


def test_the_crate_says_what_made_what_and_never_the_time_of_the_clock():
    crate = ftz_provenance.crate(MANIFEST)
    assert json.dumps(crate) == json.dumps(ftz_provenance.crate(MANIFEST))
    entities = {entity["@id"]: entity for entity in crate["@graph"]}
    assert entities["./"]["datePublished"] == MANIFEST["date"]
    assert entities["./"]["hasPart"] == [{"@id": "notebooks/x.html"}]
    action = entities["#making:notebooks/x#fig-x"]
    assert action["@type"] == "CreateAction"
    assert {"@id": "#ftz.figures.did.a"} in action["instrument"]
    assert action["result"] == {"@id": "#notebooks/x#fig-x"}
    assert action["object"] in (
        {"@id": "#data/witness/panel.csv"},
        [{"@id": "#data/witness/panel.csv"}],
    )
    assert "witness" in action["description"] and "7" in action["description"]
    references = {
        part["@id"]
        for entity in crate["@graph"]
        for value in entity.values()
        for part in (value if isinstance(value, list) else [value])
        if isinstance(part, dict)
    }
    outside = {name for name in references if not name.startswith("https://")}
    assert outside <= set(entities), "every name in the crate is an entity of it"


# -- Binder ---------------------------------------------------------------------------------


def test_binder_finds_its_environment():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    assert environment["dependencies"] == ["python=3.11", "pip"]
    # beside it, or Binder would not run it; and no folder that would hide both
    script = ROOT / "postBuild"
    assert script.stat().st_mode & 0o111
    assert "setup_environment.py --here" in script.read_text(encoding="utf-8")
    assert not (ROOT / ".binder").exists() and not (ROOT / "binder").exists()


# -- a built book ------------------------------------------------------------------------

FIGURE = """# A chapter that draws

```{code-cell} ipython3
from ftz import did, panel, tables
from ftz.figures import did as draw

matched = panel.load_witness().matched
columns = did.stepwise(matched, "lnHQD", "FTZ", ["fe"])
```

```{code-cell} ipython3
---
mystnb:
  figure:
    name: fig-columns
    caption: A caption that says what is found.
  image:
    alt: Points with intervals, one a column of the table.
---
draw.column_path(columns)
```

```{code-cell} ipython3
tables.Table(matched[["city", "year"]].head(2), "Two rows & no more")
```
"""

REPLICATION = """# Replication

```{ftz-replication} data
```

```{ftz-replication} requirements
```

```{ftz-replication} map
```
"""


class TracedBook(SmallBook):
    """The small book with this extension, whatever the book's own settings say."""

    def __init__(self, root: Path):
        super().__init__(root)
        for name in ("pyproject.toml", "README.md"):
            (root / name).write_text((ROOT / name).read_text(encoding="utf-8"), encoding="utf-8")
        config = yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))
        config["sphinx"]["local_extensions"]["ftz_provenance"] = "book/_ext"
        self.write("_config.yml", yaml.safe_dump(config))
        self.write("book/computed.md", HEADER + FIGURE)
        self.write("book/plain.md", REPLICATION)
        self.write("book/intro.md", "# A first page\n\nIt pastes nothing.\n")
        self.write(".gitignore", "_build/\n__pycache__/\n")

    def commit(self) -> str:
        _git(self.root, "init", "-q")
        _git(self.root, "add", "-A")
        _git(self.root, "commit", "-q", "-m", "state")
        return _git(self.root, "rev-parse", "HEAD")

    def soup(self, name: str) -> BeautifulSoup:
        return BeautifulSoup(self.page(name), "lxml")


@pytest.mark.slow
def test_a_built_book_says_where_its_figures_come_from(tmp_path):
    book = TracedBook(tmp_path)
    commit = book.commit()
    html = book.built().html

    # under the figure and under the table
    page = book.soup("computed")
    notes = page.select(".cell_output details.ftz-provenance")
    assert [note["id"] for note in notes] == ["provenance-cell-2", "provenance-cell-3"]
    assert not any(note.has_attr("open") for note in notes)
    said = notes[0].get_text(" ")
    sha = hashlib.sha256((tmp_path / "data/witness/panel.csv").read_bytes()).hexdigest()
    for words in ("book/computed.md, code cell 2", "witness panel", sha[:12], commit[:10], "numpy"):
        assert words in said, words
    links = {a.get_text(): a["href"] for a in notes[0].select("a")}
    assert set(links) == {"figures.did.column_path", "did.stepwise", "panel.load_witness"}
    for name, link in links.items():
        file, _, anchor = link.partition("#")
        target = BeautifulSoup((html / "book" / file).resolve().read_text("utf-8"), "lxml")
        place = target.find(id=anchor)
        assert name.split(".")[-1] in place.find_parent("pre").get_text()

    # the manifest, the crate, the map
    manifest = json.loads((html / "provenance.json").read_text("utf-8"))
    assert manifest["commit"] == commit and not manifest["changed"]
    items = manifest["chapters"]["book/computed"]["items"]
    assert [item["kind"] for item in items] == ["figure", "table"]
    assert items[1]["caption"] == "Two rows & no more"
    crate = json.loads((html / "ro-crate-metadata.json").read_text("utf-8"))
    assert sum(entity["@type"] == "CreateAction" for entity in crate["@graph"]) == len(items)
    rows = book.soup("plain").select(".ftz-table")[-1].select("tbody tr")
    assert [row.select("td a")[0]["href"] for row in rows] == [
        "computed.html#fig-columns",
        "computed.html#provenance-cell-3",
    ]
    assert sha[:16] in book.page("plain")

    # not found by the search, no place of this machine on a page
    index = (html / "searchindex.js").read_text("utf-8")
    assert sha[:12] not in index
    written = {p for p in html.rglob("*") if p.suffix in (".html", ".json", ".ipynb")}
    assert not [p for p in written if str(tmp_path) in p.read_text("utf-8")]

    # nothing changed: nothing is written; a change that is not committed shows at once
    stamps = book.stamps()
    book.built()
    assert book.stamps() == stamps
    book.replace("book/computed.md", "head(2)", "head(3)")
    book.built()
    assert "with changes not committed" in book.page("computed")
    later = book.commit()
    book.built()
    assert later[:10] in book.page("computed") and "not committed" not in book.page("computed")
    assert later[:10] in book.page("plain")

    # from nothing, the same (pages as such differ where Sphinx marks style sheets by checksum)
    own = ("provenance.json", "ro-crate-metadata.json", "_notebooks/book/computed.ipynb")
    files = {name: (html / name).read_bytes() for name in own}
    articles = {name: book.soup(name).article.get_text() for name in ("computed", "plain")}
    shutil.rmtree(tmp_path / "_build")
    book.built()
    assert {name: (html / name).read_bytes() for name in own} == files
    assert {name: book.soup(name).article.get_text() for name in articles} == articles
