"""The note under a figure or table, the page on replication, manifest, crate, pages of source."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from bs4 import BeautifulSoup
from docutils import nodes
from tea_book import HEADER, Tea, differing

from bookworks import _lineage as lineage
from bookworks import _notes
from bookworks._errors import BookError
from bookworks.book import SETTINGS

# -- outputs -----------------------------------------------------------------------------


def test_figures_and_tables_are_told_from_other_outputs():
    output = nodes.container()
    figure = nodes.figure("", nodes.image(alt="seen"), nodes.caption("", "What it shows"))
    figure["ids"] = ["fig-x"]
    output += figure
    output += nodes.raw("", "<table><caption>Rows &amp; <b>columns</b></caption></table>")
    output += nodes.raw("", "<p>no table</p>")
    output += nodes.raw("", '<div class="tea-chart"></div>')
    output += nodes.literal_block("", "printed")
    assert list(_notes._shown(output, "tea-")) == [
        {"kind": "figure", "name": "fig-x", "caption": "What it shows"},
        {"kind": "table", "name": "", "caption": "Rows & columns"},
        {"kind": "figure", "name": "", "caption": ""},
    ]


# -- commits -----------------------------------------------------------------------------


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false")
    command = ["git", *identity, *arguments]
    run = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    return run.stdout.strip()


def test_a_page_names_the_last_commit_that_changed_what_it_rests_on(tmp_path, monkeypatch):
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    git(tmp_path, "init", "-q")
    commits = []
    for name in ("a.md", "b c.md"):
        (tmp_path / name).write_text(name)
        git(tmp_path, "add", name)
        git(tmp_path, "commit", "-q", "-m", name)
        commits.append(git(tmp_path, "rev-parse", "HEAD"))
    history = _notes.History(tmp_path)
    assert history.commit("a.md") == {"commit": commits[0], "changed": False}
    assert history.commit() == {"commit": commits[1], "changed": False}
    assert history.moment().timestamp() == int(git(tmp_path, "log", "-1", "--format=%ct"))
    (tmp_path / "b c.md").write_text("changed")
    assert not history.commit("a.md")["changed"]
    assert not history.commit("b")["changed"], "a name is no folder"
    assert "not committed" in _notes.commit_in_words(history.commit("b c.md"))

    # a shallow clone knows one commit, which then changed everything
    shallow = tmp_path / "shallow"
    git(tmp_path, "clone", "-q", "--depth", "1", tmp_path.as_uri(), str(shallow))
    assert _notes.History(shallow).commit("a.md") == {"commit": commits[1], "changed": False}


def test_a_folder_inside_another_repository_and_one_without_git_have_no_commit(
    tmp_path, monkeypatch
):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
    git(tmp_path, "init", "-q")
    (tmp_path / "book").mkdir()
    history = _notes.History(tmp_path / "book")
    assert history.commit("a.md") == {"commit": "", "changed": False}
    assert history.moment().isoformat() == "1970-01-02T00:00:00+00:00"
    assert "not under version control" in _notes.commit_in_words(history.commit())
    monkeypatch.setenv("PATH", "")
    assert _notes.History(tmp_path).commit() == {"commit": "", "changed": False}


# -- data --------------------------------------------------------------------------------


def app(root: Path, **inputs: object) -> SimpleNamespace:
    config = {f"bookworks_{name}": default for name, (default, _) in SETTINGS.items()}
    done = SimpleNamespace(inputs=SimpleNamespace(**inputs))
    book = SimpleNamespace(executions={"page": done})
    return SimpleNamespace(srcdir=str(root), config=SimpleNamespace(**config), bookworks=book)


def test_data_are_what_was_read_and_no_place_outside_is_named(tmp_path, monkeypatch):
    theirs, linked = tmp_path / "theirs", tmp_path / "linked"
    files = {f"{theirs}/a.csv": "3", "gone.csv": "missing", "page.md": "1", "shop.py": "1"}
    files |= {"data/b.csv": "2", f"{tmp_path}/mine.csv": "4"}
    record = app(tmp_path / "root", files=files, cells={"2": ["data/b.csv", "gone.csv"]})
    assert _notes.recorded_data(record, "prose") == ({}, {})
    opened, hashes = _notes.recorded_data(record, "page")
    outside = [f"{theirs}/a.csv", f"{tmp_path}/mine.csv"]
    assert opened == {0: [outside[0], "data/b.csv", outside[1]], 2: ["data/b.csv"]}
    trace = lineage.Trace(2, files=(outside[1], "data/b.csv"))
    assert _notes._traced(tmp_path, trace, hashes)["data"] == {"data/b.csv": "2", "mine.csv": "4"}

    # another data folder stands for data/, as does one that is linked into the book
    linked.mkdir()
    (linked / "data").symlink_to(theirs)
    monkeypatch.setenv("BOOKWORKS_DATA", str(theirs))
    for root in ("root", "linked"):
        record = app(tmp_path / root, files={f"{theirs}/a.csv": "3"}, cells={})
        assert _notes.recorded_data(record, "page") == ({0: ["data/a.csv"]}, {"data/a.csv": "3"})
        monkeypatch.delenv("BOOKWORKS_DATA", raising=False)


def test_kinds_of_data_are_lists_of_words_and_patterns():
    assert _notes._kinds({"own": ["mine"], "picked": ["picked", "a", "b"]}) == {
        "a": "picked",
        "b": "picked",
    }
    with pytest.raises(BookError, match="bookworks_panels: own is a list"):
        _notes._kinds({"own": "mine"})


# -- a built book ------------------------------------------------------------------------

PAGE = (
    HEADER
    + """\
(leaves)=
# Leaves & stems

```{code-cell} ipython3
import sys
sys.path.insert(0, ".")
from shop import draw, leaves, stems
kilos = leaves.load("green")
```

```{code-cell} ipython3
---
mystnb:
  figure:
    name: fig-bar
    caption: A caption that says what is found.
  image:
    alt: One bar.
---
draw.bar(stems.add(kilos, seed=3))
```

```{code-cell} ipython3
draw.Table("Rows & no more")
```
"""
)
FILES = {
    "kilos.md": PAGE,
    "papers.md": "# Papers\n\n"
    + "".join(f"```{{bookworks-replication}} {part}\n```\n\n" for part in _notes.PARTS),
    "data/green.csv": "4\n",
    "data/unread.csv": "5\n",
    "data/DATASHEET.md": "# Data\n\n## green.csv\n\n**Source.** Our `garden`.\nMore.\n\n"
    "**Terms.** Free.\n",
    "shop/__init__.py": "",
    "shop/leaves.py": """\
__lineage__ = {"load": {"files": ["data/*.csv"]}}


def load(name):
    with open(f"data/{name}.csv") as file:
        return int(file.read())
""",
    "shop/stems.py": "def add(kilos, seed=0):\n    return kilos + 1\n",
    "shop/draw.py": """\
from IPython.display import SVG

__lineage__ = {"*": {"role": "drawing"}}


def bar(kilos):
    box = f'<rect width="{kilos}" height="9"/>'
    return SVG(f'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9">{box}</svg>')


class Table:
    def __init__(self, caption):
        self.caption = caption

    def __repr__(self):
        return self.caption  # the same in each kernel

    def _repr_html_(self):
        caption = self.caption.replace("&", "&amp;")
        return f"<table><caption>{caption}</caption><tr><td>1</td></tr></table>"
""",
    "pyproject.toml": '[project]\nname = "tea"\ndependencies = ["kettle>=1", "unlocked"]\n',
    "requirements.lock": "kettle==2.0\nother==1\n",
    "README.md": "<!-- benchmark:start -->\n| cold | 9.5 | 1.00 |\n\nMeasured on a stove.\n"
    "<!-- benchmark:end -->\n",
}


@pytest.fixture
def traced(tea: Tea, monkeypatch) -> Tea:
    for name, text in FILES.items():
        tea.write(name, text)
    for name in ("harvest.md", "taste.md"):
        (tea.root / name).unlink()
    tea.edit(
        "_toc.yml", "  - file: harvest\n  - file: taste\n", "  - file: kilos\n  - file: papers\n"
    )
    tea.write("intro.md", "(intro)=\n# Tea\n\n{cite}`okakura1906`\n")
    panels = '{picked: [picked by hand, "data/green*"], none: [no data]}'
    more = f"    bookworks_packages: [shop]\n    bookworks_panels: {panels}\n"
    tea.edit("_config.yml", "    bookworks_prefix: TEA_\n", "    bookworks_prefix: TEA_\n" + more)
    monkeypatch.syspath_prepend(str(tea.root))
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
    yield tea
    forget_library()


def forget_library() -> None:
    """Let this process import the library anew, as the next build would."""
    for name in [name for name in sys.modules if name.split(".")[0] == "shop"]:
        del sys.modules[name]
    for cached in (lineage.declared, lineage.locate, lineage._find):
        cached.cache_clear()


def soup(book: Tea, name: str) -> BeautifulSoup:
    return BeautifulSoup(book.page(name), "lxml")


def test_a_built_book_says_where_its_figures_come_from(traced: Tea, tmp_path: Path):
    built = traced.build()
    assert built.result == 0, built.log

    # under the figure and under the table
    found = soup(traced, "kilos").select(".cell_output details.bookworks-provenance")
    assert [note["id"] for note in found] == ["provenance-cell-2", "provenance-cell-3"]
    said = [dt.get_text() + ": " + dt.find_next("dd").get_text() for dt in found[0].select("dt")]
    green = hashlib.sha256(b"4\n").hexdigest()
    assert said[:-1] == [
        "Program: kilos.md, code cell 2, on results of cell 1",
        "Drawn by: draw.bar",
        "Computed by: stems.add, leaves.load",
        "Panel: picked by hand",
        f"Data (SHA-256): data/green.csv {green[:12]}",
        "Seed: 3",
        "State: not under version control",
    ]
    for link in found[0].select("a"):
        file, _, anchor = link["href"].partition("#")
        place = BeautifulSoup((traced.html / file).read_text("utf-8"), "lxml").find(id=anchor)
        line = place.find_parent("pre").get_text().splitlines()[int(anchor[5:]) - 1]
        assert link.get_text().split(".")[-1] in line
    assert "no data" in found[1].get_text()

    # the page on replication
    tables = [
        [[cell.get_text() for cell in row.select("td")] for row in table.select("tbody tr")]
        for table in soup(traced, "papers").select(".bookworks-table")
    ]
    assert [row[:4] for row in tables[0]] == [
        ["Leaves & stems", "figure", "A caption that says what is found.", "kilos.md, cell 2"],
        ["Leaves & stems", "table", "Rows & no more", "kilos.md, cell 3"],
    ]
    assert tables[1] == [["data/green.csv", "Our garden.", "Free.", green[:16], "Leaves & stems"]]
    state = dict(tables[2])
    assert state["Figures and tables in this build"] == "1 and 1"
    assert state["Seconds for a build: cold"] == "9.5" and state["Measured on"] == "a stove"
    assert tables[3] == [["kettle", "2.0"]]
    assert tables[4] == [
        ["Leaves & stems", "3", "2", "without an error"],
        ["All", "3", "2", ""],
    ]
    links = [a["href"] for a in soup(traced, "papers").select("td:nth-child(3) a")]
    assert links == ["kilos.html#fig-bar", "kilos.html#provenance-cell-3"]

    # not found by the search, no place of this machine on a page
    assert green[:12] not in (traced.html / "searchindex.js").read_text("utf-8")
    written = (p for p in traced.html.rglob("*") if p.suffix in (".html", ".json"))
    assert not [p for p in written if str(tmp_path) in p.read_text("utf-8")]
    assert {p.stem for p in (traced.html / "code").rglob("*.html")} == {"leaves", "stems", "draw"}

    # a comment that moves no line of a function reaches the page of source alone
    traced.edit("shop/leaves.py", "read())\n", "read())\n\n\n# A comment.\n")
    forget_library()
    before = (traced.html / "code/shop/stems.html").stat().st_mtime_ns
    assert traced.build().result == 0
    assert "A comment." in (traced.html / "code/shop/leaves.html").read_text("utf-8")
    assert (traced.html / "code/shop/stems.html").stat().st_mtime_ns == before, "not made again"

    # lines move, a chapter is renamed, a module is used no more: as from nothing
    traced.edit("shop/draw.py", "from", "# Another.\nfrom")
    traced.edit("kilos.md", "# Leaves & stems", "# Leaves only")
    traced.edit("kilos.md", "stems.add(kilos, seed=3)", "kilos")
    forget_library()
    built = traced.build()
    assert built.result == 0, built.log
    assert "Another." in (traced.html / "code/shop/draw.html").read_text("utf-8")
    assert not (traced.html / "code/shop/stems.html").exists()
    forget_library()
    assert differing(traced.html, traced.clean(tmp_path / "copy")) == []


# -- the crate ---------------------------------------------------------------------------

ITEM = {
    "id": "kilos#fig-x",
    "kind": "figure",
    "caption": "",
    "page": "kilos.html",
    "anchor": "fig-x",
    "cell": 3,
    "fed_by": [1],
    "drawn_by": [{"name": "shop.draw.bar", "file": "shop/draw.py", "line": 1}],
    "computed_by": [],
    "panels": ["picked"],
    "data": {"data/green.csv": "0" * 64},
    "seeds": ["7"],
}
CHAPTER = {"title": "X", "file": "kilos.md", "page": "kilos.html", "commit": "", "changed": False}
MANIFEST = {
    "book": "A book",
    "author": "Somebody",
    "license": "https://example.org/licence",
    "commit": "",
    "changed": False,
    "date": "1970-01-02T00:00:00+00:00",
    "fingerprint": "x",
    "versions": {"Python": "3"},
    "chapters": {"kilos": {**CHAPTER, "items": [ITEM]}},
}


def test_the_crate_says_what_made_what_and_never_the_time_of_the_clock():
    crate = _notes.crate(MANIFEST)
    assert json.dumps(crate) == json.dumps(_notes.crate(MANIFEST))
    entities = {entity["@id"]: entity for entity in crate["@graph"]}
    assert entities["./"]["datePublished"] == MANIFEST["date"]
    assert entities["./"]["hasPart"] == [{"@id": "kilos.html"}]
    action = entities["#making:kilos#fig-x"]
    assert action["@type"] == "CreateAction"
    assert {"@id": "#shop.draw.bar"} in action["instrument"]
    assert action["result"] == {"@id": "#kilos#fig-x"}
    data = {"@id": "#data/green.csv"}
    assert action["object"] in (data, [data])
    assert "picked" in action["description"] and "7" in action["description"]
    references = {
        part["@id"]
        for entity in crate["@graph"]
        for value in entity.values()
        for part in (value if isinstance(value, list) else [value])
        if isinstance(part, dict)
    }
    outside = {name for name in references if not re.match("https://", name)}
    assert outside <= set(entities), "every name in the crate is an entity of it"
