"""The gallery of reruns: what was run is shown as it is, and what changed since is said."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import replace

import nbformat
import pytest
from bs4 import BeautifulSoup
from tea_book import Tea, differing

from bookworks import _keys
from bookworks.book import Book
from bookworks.reruns import _declared as declared
from bookworks.reruns import _gallery, _runner
from bookworks.reruns._records import NOTEBOOK, Record, default_folder

BREW = """\
---
jupytext: {text_representation: {extension: .md, format_name: myst}}
kernelspec: {display_name: Python 3, language: python, name: python3}
---
# Brewing

```{code-cell} ipython3
:tags: [parameters]

minutes: int = 3  # 1..9: how long
words: list[str] = []  # any: shown
```

```{code-cell} ipython3
glue("strength", minutes / 8, display=False)
```

The strength is {glue:text}`strength:.4f`, see {ref}`intro` and {cite}`lu0760`.
"""


@pytest.fixture
def tea(tmp_path) -> Tea:
    """Return a book of one page that shows the gallery; its chapter is not among the pages."""
    tea = Tea(tmp_path / "tea")
    tea.edit("_config.yml", "execute_notebooks: cache", "execute_notebooks: 'off'")
    tea.write("_toc.yml", "format: jb-book\nroot: intro\n")
    tea.write("intro.md", "(intro)=\n# Tea\n\n```{rerun-gallery}\n```\n")
    tea.write("brew.md", BREW)
    tea.write("reruns/chapters.yml", "brew: {results: {strength: how strong}}\n")
    return tea


def finish(tea: Tea, name: str, **given) -> None:
    """Leave a finished run as a kernel would have: of one that read the leaves."""
    book = Book.read(tea.root)
    run = declared.adhoc(book, "brew", given, name)
    notebook, number = run.chapter.notebook(run.given), given["minutes"] / 8
    glued = nbformat.v4.new_output(
        "display_data",
        data={"application/papermill.record/text/plain": repr(number)},
        metadata={
            "scrapbook": {"name": "strength", "mime_prefix": "application/papermill.record/"}
        },
    )
    next(cell for cell in notebook.cells if "glue(" in cell.source).outputs = [glued]
    assert _runner.key_results(notebook, ["strength"]) == {"strength": number}
    whole, folder = _runner.canonical(notebook), default_folder(book) / "runs" / name
    folder.mkdir(parents=True)
    (folder / NOTEBOOK).write_text(whole)
    inputs = _keys.Inputs(files={"leaves.csv": _keys.state(tea.root / "leaves.csv")})
    Record(
        name, "brew", "adhoc", "By hand", run.given, list(run.keep), {"strength": number},
        run.chapter.digest, _keys.environment(tea.root), vars(inputs),
        hashlib.sha256(whole.encode()).hexdigest(),
    ).write(folder)  # fmt: skip


def shown(tea: Tea, page: str = "intro") -> BeautifulSoup:
    built = tea.build()
    assert built.result == 0, built.log
    return BeautifulSoup(tea.page(page), "lxml")


def test_the_gallery_follows_its_runs_and_what_they_read(tea, tmp_path, monkeypatch):
    assert "No runs yet" in shown(tea).get_text()
    assert not (tea.html / "runs").exists()

    finish(tea, "n4", minutes=4, words=["<b>", "`x`", "a|b"])
    finish(tea, "n2", minutes=2, words=["<b>", "`x`", "a|b"])
    runs = tea.root / "_build" / "reruns" / "runs"
    replace(Record.read(runs / "n2"), keep=["results"]).write(runs / "n2")
    page = shown(tea)
    assert "In all runs: words = <b>, `x`, a|b." in page.get_text()
    cells = [[cell.get_text() for cell in row.select("td")] for row in page.select("tbody tr")]
    assert cells == [["n2", "2", "0.25"], ["n4", "4", "0.5"]]
    assert [link["href"] for link in page.select("td a")] == ["runs/n4.html"]
    (figure,) = page.select("article figure")
    assert figure.img["alt"] == "2 runs of adhoc: how strong over minutes, from 0.25 to 0.5."
    assert (tea.html / figure.img["src"]).is_file()

    # a page for each run that keeps one, with its numbers; nothing of a value became markup
    run = BeautifulSoup(tea.page("runs/n4"), "lxml")
    assert "Brewing: n4" in run.h1.get_text()
    assert "The strength is 0.5000, see Tea and" in run.get_text()
    assert "['<b>', '`x`', 'a|b']" in [code.get_text() for code in run.select("td code")]
    assert "Classic" in run.get_text()  # the references below
    assert (tea.html / "runs" / "n4.ipynb").is_file()

    # stale where something that it read changed
    tea.edit("leaves.csv", "4", "5")
    page = shown(tea)
    assert "Since these runs, this changed: leaves.csv." in page.get_text().replace("\n", " ")
    assert [cell.get_text() for cell in page.select("td em")] == ["stale", "stale"]

    # the site is that of a clean build; a run that is gone takes its page along
    shutil.rmtree(runs / "n2")
    assert "In all runs" not in shown(tea).get_text()
    monkeypatch.setenv("TEA_RERUNS", str(tea.root / "_build" / "reruns"))
    assert differing(tea.html, tea.clean(tmp_path / "clean")) == []
    shutil.rmtree(runs / "n4")
    assert "No runs yet" in shown(tea).get_text() and not (tea.html / "runs").exists()


def test_the_drawing_is_the_same_for_the_same_points():
    points = {"low": [(2, 0.5), (1, 0.25)], "high": [(1, 0.5)]}
    drawn = _gallery.draw(points, "minutes", "heat", "how strong")
    assert drawn == _gallery.draw(points, "minutes", "heat", "how strong")
    text = drawn.decode()
    assert "minutes" in text and "how strong" in text and "heat" in text
