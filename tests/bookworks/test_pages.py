"""No page is older than what it rests on, and a build that was cut off heals itself."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from tea_book import HEADER, Built, Tea, differing
from test_reruns_gallery import BREW, finish

from bookworks._execution import read_chapter
from bookworks._store import code_cells
from bookworks.book import Book
from bookworks.cli import main
from bookworks.reruns._records import Record, default_folder

HARVEST = {"harvest"}
EDITS = {
    "a digit of the data": (lambda t: t.edit("leaves.csv", "4", "9"), HARVEST),
    "the library": (lambda t: t.edit("shop/leaves.py", "2 * x", "3 * x"), HARVEST),
    "a module that nobody loads": (lambda t: t.write("shop/unused.py", "x = 2\n"), set()),
    "a comment in the library": (lambda t: t.edit("shop/leaves.py", "def", "# two\ndef"), set()),
    "prose": (lambda t: t.edit("taste.md", "# Taste\n", "# Taste\n\nBitter.\n"), set()),
    "a cell": (lambda t: t.edit("taste.md", "1 + 1", "1 + 2"), {"taste"}),
    "a reference that is cited": (lambda t: t.edit("references.bib", "1906}", "1907}"), set()),
    "a reference that is not": (lambda t: t.edit("references.bib", "={760", "={761"), set()),
    "a title": (lambda t: t.edit("harvest.md", "# Harvest", "# The harvest"), set()),
    "a style": (lambda t: t.edit("static/tea.css", "#111", "#222"), set()),
    "a style that goes": (lambda t: t.write("static/more.css", "i{}\n"), set()),
    "a file that a directive reads": (lambda t: t.edit("recipe.txt", "boil", "steep"), set()),
    "the title of the book": (lambda t: t.edit("_config.yml", "title: Tea", "title: Cha"), set()),
}


def add_chapter(tea: Tea) -> None:
    tea.write("cups.md", "# Cups\n\nOf clay.\n")
    tea.edit("_toc.yml", "  - file: taste", "  - file: cups\n  - file: taste")


def remove_chapter(tea: Tea) -> None:
    (tea.root / "cups.md").unlink()
    tea.edit("_toc.yml", "  - file: cups\n", "")


def older(tea: Tea) -> None:
    tea.edit("taste.md", "Bitter", "Sweet")
    os.utime(tea.root / "taste.md", (1, 1))


def touched(tea: Tea) -> None:
    for path in tea.root.glob("*.*"):
        os.utime(path)


EDITS |= {
    "a style that went": (lambda t: (t.root / "static/more.css").unlink(), set()),
    "a new chapter": (add_chapter, set()),
    "a chapter that goes": (remove_chapter, set()),
    "a file with an older time": (older, set()),
    "a variable": (lambda t: os.environ.update(TEA_SUGAR="two"), HARVEST),
    "times, and nothing else": (touched, set()),
    "the variable back": (lambda t: os.environ.pop("TEA_SUGAR"), set()),
    "the data back": (lambda t: t.edit("leaves.csv", "9", "4"), HARVEST),
    "a page that was deleted": (lambda t: (t.html / "taste.html").unlink(), set()),
    "a page that was cut": (lambda t: (t.html / "harvest.html").write_text("<html>"), set()),
    "a style of the site that was deleted": (
        lambda t: (t.html / "_static" / "tea.css").unlink(),
        set(),
    ),
}

POUR = """\
from docutils import nodes
from sphinx.util.docutils import SphinxDirective

class Pour(SphinxDirective):
    def run(self):
        return [nodes.paragraph("", "Poured once.")]

def setup(app):
    app.add_directive("pour", Pour)
"""
CUP = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><circle r="4"/></svg>'
MORE = """\

```{code-cell} ipython3
minutes: int = 3
glue("minutes", minutes, display=False)
for name in (os.environ.get("TEA_OWN", "leaves.csv"), "tests/known_answers/tea.txt", "honey.txt"):
    try:
        print(open(name).read())
    except FileNotFoundError:
        print("none")
```

## Sugar

```{code-cell} ipython3
:load: spoon.py
```
"""
SHOWN = """\

```{include} pasted.txt
```

{download}`recipe.txt`

![A cup that is seen from above](cup.svg)

```{pour}
```

{ref}`ex-long`: {glue:text}`harvest.md::minutes:d` minutes.

```{rerun-gallery}
```
"""
EXERCISE = "\n```{exercise} How long\n:label: ex-long\nTaste it.\n```\n\n[](harvest.md#sugar)\n"


def furnish(tea: Tea) -> None:
    """Give the book an extension, an image, an exercise, answers to compare with, and a run."""
    tea.edit("_config.yml", "[bookworks]", "[bookworks, sphinx_exercise]")
    tea.edit("_config.yml", "  config:\n", "  local_extensions: {tea_pour: _ext}\n  config:\n")
    tea.write("_ext/tea_pour.py", POUR)
    tea.edit("_config.yml", "  config:\n", "  config:\n    myst_heading_anchors: 2\n")
    tea.edit("_config.yml", "title: Tea\n", "title: Tea\nlogo: logo.svg\n")
    tea.write("logo.svg", CUP)
    tea.write("spoon.py", "print(1)\n")
    tea.write("pasted.txt", "All: {glue:text}`harvest.md::sum:d`.\n")
    tea.write("cup.svg", CUP)
    tea.write("tests/known_answers/tea.txt", "7\n")
    tea.write("honey.txt", "a spoon\n")
    tea.write("own.csv", "leaf,kg\nmint,2\n")
    tea.write("brew.md", BREW)
    tea.write("reruns/chapters.yml", "brew: {results: {strength: how strong}}\n")
    tea.write("harvest.md", (tea.root / "harvest.md").read_text("utf-8") + MORE)
    tea.write("taste.md", (tea.root / "taste.md").read_text("utf-8") + EXERCISE)
    tea.write("intro.md", (tea.root / "intro.md").read_text("utf-8") + SHOWN)
    rerun(tea, 3)


def rerun(tea: Tea, minutes: int) -> None:
    """Leave a run of a chapter, of which no page is kept."""
    folder = default_folder(Book.read(tea.root)) / "runs" / "steeped"
    shutil.rmtree(folder, ignore_errors=True)
    finish(tea, "steeped", minutes=minutes)
    replace(Record.read(folder), keep=[]).write(folder)


def teach(tea: Tea) -> None:
    tea.edit("_ext/tea_pour.py", "once", "twice")
    sys.modules.pop("tea_pour")  # as in the process of the next build


def own_file(tea: Tea) -> None:
    os.environ["TEA_OWN"] = str(tea.root / "own.csv")


def ahead(tea: Tea) -> None:
    for path in (tea.root / "_build").rglob("*"):
        os.utime(path, (2e9, 2e9))
    tea.edit("intro.md", "See ", "Look at ")


def rename(tea: Tea) -> None:
    (tea.root / "taste.md").rename(tea.root / "flavour.md")
    tea.edit("_toc.yml", "file: taste", "file: flavour")


def reorder(tea: Tea) -> None:
    tea.edit("_toc.yml", "file: harvest", "file: HERE")
    tea.edit("_toc.yml", "file: taste", "file: harvest")
    tea.edit("_toc.yml", "file: HERE", "file: taste")


EDITS |= {
    "a picture": (lambda t: t.edit("cup.svg", 'r="4"', 'r="3"'), set()),
    "a logo": (lambda t: t.edit("logo.svg", 'r="4"', 'r="2"'), set()),
    "a heading to which another page leads": (
        lambda t: t.edit("harvest.md", "## Sugar", "## SUGAR"),
        set(),
    ),
    "a title in the table of contents": (
        lambda t: t.edit("_toc.yml", "- file: references", "- file: references\n    title: Books"),
        set(),
    ),
    "numbers of chapters": (
        lambda t: t.edit("_toc.yml", "chapters:", "options: {numbered: 1}\nchapters:"),
        set(),
    ),
    "a download that goes": (lambda t: t.edit("intro.md", "{download}`recipe.txt`", ""), set()),
    "a remark in code that a cell loads": (
        lambda t: t.edit("spoon.py", "(1)", "(1)  # a spoon"),
        HARVEST,
    ),
    "chapters without numbers": (
        lambda t: t.edit("_toc.yml", "options: {numbered: 1}\n", ""),
        set(),
    ),
    "the look of a title": (lambda t: t.edit("taste.md", "# Taste", "# *Taste*"), set()),
    "an extension": (teach, set()),
    "an exercise": (lambda t: t.edit("taste.md", "How long", "How hot"), set()),
    "a parameter that is shown elsewhere": (
        lambda t: t.edit("harvest.md", "int = 3", "int = 4"),
        HARVEST,
    ),
    "known answers": (lambda t: t.edit("tests/known_answers/tea.txt", "7", "8"), HARVEST),
    "a file of the reader's own": (own_file, HARVEST),
    "a digit in it": (lambda t: t.edit("own.csv", "2", "3"), HARVEST),
    "a data file that goes": (lambda t: (t.root / "honey.txt").unlink(), HARVEST),
    "a parameter of a run": (lambda t: rerun(t, 5), set()),
    "prose, after a build under a clock that was ahead": (ahead, set()),
    "the order of the chapters": (reorder, set()),
    "a chapter with another name": (rename, {"flavour"}),
    "a function that nobody enters": (lambda t: t.edit("shop/leaves.py", "x / 2", "x / 3"), set()),
}


@pytest.mark.parametrize(
    "at_once",
    [pytest.param(3, marks=pytest.mark.slow), pytest.param(1, marks=pytest.mark.nightly)],
)
def test_after_every_edit_the_site_is_that_of_a_clean_build(tea, tmp_path, monkeypatch, at_once):
    monkeypatch.setenv("TEA_RERUNS", str(tmp_path / "reruns"))
    monkeypatch.setenv("TEA_OWN", "")  # an edit sets it: gone again at the end
    monkeypatch.delenv("TEA_OWN")
    furnish(tea)
    first = tea.build()
    assert first.result == 0 and first.executed == {"harvest", "taste"}, first.log
    assert "14" in tea.page("intro")
    for start in range(0, len(EDITS), at_once):
        names = [*EDITS][start : start + at_once]
        for name in names:
            EDITS[name][0](tea)
        built = tea.build()
        assert built.result == 0, (names, built.log)
        assert built.executed == set().union(*(EDITS[name][1] for name in names)), names
        assert not differing(tea.html, tea.clean(tmp_path / "clean")), names
    assert tea.build().written == set()


def test_only_pages_that_rest_on_an_edit_are_written(built_tea):
    tea = built_tea
    tea.edit("taste.md", "# Taste\n", "# Taste\n\nBitter.\n")
    assert tea.build().written == {"taste", "intro"}  # Sphinx always writes the first page
    tea.edit("leaves.csv", "4", "5")
    assert tea.build().written == {"harvest", "intro"}
    assert "16" in tea.page("intro")


def test_what_a_page_pastes_and_is_no_more_is_told(built_tea):
    tea = built_tea
    tea.edit("harvest.md", "glue(", "print(")
    tea.edit("harvest.md", ", display=False", "")
    built = tea.build()
    assert built.result != 0 and "'sum' not found in doc 'harvest'" in built.log


@pytest.mark.slow
def test_what_another_chapter_writes_is_read_in_its_new_state(tea):
    tea.write("sum.txt", "0")
    tea.edit(
        "harvest.md", "print(os", "print(open('sum.txt', 'w').write(str(len(rows))))\nprint(os"
    )
    tea.edit("taste.md", "1 + 1", "print('rows:', open('sum.txt').read())")
    assert tea.build().result == 0 and "rows: 2" in tea.page("taste")
    tea.edit("leaves.csv", "black,4", "black,4\nred,1")
    built = tea.build()
    assert built.executed == {"harvest", "taste"} and "rows: 3" in tea.page("taste")
    assert "executing 0" not in built.log
    assert tea.build().executed == set()


def test_a_mark_at_the_beginning_hides_no_code(tea):
    path = tea.root / "taste.md"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    book = Book.read(tea.root)
    assert "taste" in book.chapters() and code_cells(read_chapter(book, "taste").notebook)


@pytest.mark.slow
def test_what_is_broken_is_made_again(sound_tea, built_tea, tmp_path):
    tea = built_tea
    tea.edit("taste.md", "# Taste\n", "# Taste\n\nBitter.\n")
    clean = tea.clean(tmp_path / "clean")
    for what in (
        ".doctrees/environment.pickle",
        ".doctrees/taste.doctree",
        ".executed/harvest/*.json",
        ".keys/intro.json",
        ".keys/(site).json",
        "jupyter_execute/harvest.glue.json",
        "odd",
        "old",
    ):
        shutil.rmtree(tea.root / "_build")
        shutil.copytree(sound_tea / "_build", tea.root / "_build")
        if what == "odd":
            (tea.root / "_build" / ".keys" / "(site).json").write_text('{"whole": true}')
            (tea.root / "_build" / ".keys" / "taste.json").write_text("[" * 100_000)
        elif what == "old":  # of a machinery whose modules had other names
            (tea.root / "_build" / ".keys" / "taste.json").write_text('{"read": "old"}')
            for name in ("environment.pickle", "taste.doctree"):
                path = tea.root / "_build" / ".doctrees" / name
                path.write_bytes(b"cbookworks.notes\nlater\n.")
        else:
            (broken,) = (tea.root / "_build").glob(what)
            broken.write_bytes(broken.read_bytes()[:20])
        built = tea.build()
        assert built.result == 0, built.log
        assert built.executed == ({"harvest"} if "executed" in what else set()), what
        assert not differing(tea.html, clean), what


def test_a_warning_is_not_passed_over_by_building_twice(built_tea):
    tea = built_tea
    tea.edit("taste.md", "# Taste\n", "# Taste\n\n{ref}`nowhere`\n")
    assert tea.build().result != 0
    again = tea.build()
    assert again.result != 0 and "nowhere" in again.log


def build_in_a_process(tea: Tea) -> subprocess.Popen:
    code = "from pathlib import Path; from tea_book import Tea\n"
    code += f"b = Tea.at(Path({str(tea.root)!r})).build(); print(b.log); assert b.result == 0"
    paths = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    return subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": paths},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


@pytest.mark.nightly
def test_a_build_that_was_killed_at_any_moment_heals_itself(tea, tmp_path):
    start = time.perf_counter()
    assert build_in_a_process(tea).wait() == 0
    whole = time.perf_counter() - start
    chance = random.Random(2013)
    for number in range(20):
        tea.edit("leaves.csv", "4", "5") if number % 2 == 0 else tea.edit("leaves.csv", "5", "4")
        process = build_in_a_process(tea)
        time.sleep(chance.uniform(0.2, 1.1) * whole)
        sign = (signal.SIGTERM, signal.SIGKILL, signal.SIGINT)[number % 3]
        with contextlib.suppress(ProcessLookupError):  # it was faster
            os.killpg(process.pid, sign)
        process.wait()
        built = tea.build()
        assert built.result == 0, built.log
        assert not differing(tea.html, tea.clean(tmp_path / "clean")), (number, sign)


@pytest.mark.slow
def test_two_builds_at_once_wait_for_each_other(tea):
    one, other = build_in_a_process(tea), build_in_a_process(tea)
    said = [process.communicate()[0] for process in (one, other)]
    assert [one.returncode, other.returncode] == [0, 0], said
    assert sum("another command works in" in text for text in said) == 1


def test_a_failing_cell_says_where_and_keeps_nothing(tea):
    tea.edit("taste.md", "1 + 1", "1 / 0")
    built = tea.build()
    assert built.result != 0
    assert "taste.md:8: the cell" in built.log and "ZeroDivisionError" in built.log
    assert "bookworks chapter taste.md" in built.log
    assert not list((tea.root / "_build").glob(".executed/taste/*"))
    tea.edit("taste.md", "1 / 0", "1 + 1")
    assert tea.build().result == 0


@pytest.mark.parametrize(
    "flood",
    [
        "for i in range(40): print('x' * 1_000_000)",
        "print('x' * 100_000_000)",
        "'x' * 30_000_000",
    ],
)
def test_a_cell_that_floods_is_stopped(tea, monkeypatch, capfd, flood):
    tea.write("taste.md", HEADER + f"# Taste\n\n```{{code-cell}} ipython3\n{flood}\n```\n")
    monkeypatch.chdir(tea.root)
    done = CliRunner().invoke(main, ["chapter", "taste.md"])
    assert done.exit_code == 2 and "more than 20 MB" in done.output, done.output[:500]
    assert len(done.output) + len(capfd.readouterr().out) < 9999
    assert not (tea.root / "_build" / ".executed").exists()


def test_a_number_of_jobs_that_is_none_is_refused(tea, monkeypatch):
    monkeypatch.setenv("TEA_JOBS", "many")
    built = tea.build()
    assert built.result != 0 and "TEA_JOBS=many: write a whole number" in built.log


def test_it_builds_without_a_home_that_can_be_written(tea, monkeypatch):
    monkeypatch.setenv("HOME", "/proc/nobody")
    slow = "Matplotlib is building the font cache; this may take a moment."  # after five seconds
    cell = f"import logging; logging.getLogger('matplotlib.font_manager').warning('{slow}')\n"
    tea.edit("taste.md", "1 + 1", cell + "import matplotlib.pyplot as plt; plt.figure().number")
    built = tea.build()
    assert built.result == 0, built.log
    assert {"ipython", "matplotlib"} <= {p.name for p in (tea.root / "_build/home").iterdir()}


def test_it_builds_where_a_loop_runs_already(tea):
    async def inside() -> Built:  # as in a notebook, or beside a browser that is driven
        return tea.build()

    built = asyncio.run(inside())
    assert built.result == 0, built.log


def test_a_chapter_that_is_no_utf8_is_named(tea):
    (tea.root / "taste.md").write_bytes(b"# Taste \xff\n")
    built = tea.build()
    assert built.result != 0 and "taste.md" in built.log and "Traceback" not in built.log


def test_a_copy_of_the_built_book_elsewhere_is_current(sound_tea, tmp_path):
    built = Tea.at(Path(shutil.copytree(sound_tea, tmp_path / "茶 and more"))).build()
    assert built.result == 0 and built.executed == set(), built.log
