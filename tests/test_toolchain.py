"""The house around the chapters: fresh pages, pinned packages, commands that explain themselves."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
from ftz_execution import pasted_from

import ftz
from conftest import ROOT, Build, build_book
from ftz.fingerprint import digest, state

# -- the cache's key --------------------------------------------------------------------


@pytest.fixture
def inputs(tmp_path) -> Path:
    """Return a folder with one file of each kind that the pages depend on."""
    for name in ("lib/ftz/did.py", "data/witness/panel.csv", "requirements.lock"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("1\n")
    return tmp_path


@pytest.mark.parametrize("name", ["lib/ftz/did.py", "data/witness/panel.csv", "requirements.lock"])
def test_digest_changes_with_every_input(inputs, name):
    before = digest(inputs)
    (inputs / name).write_text("2\n")
    assert digest(inputs) != before


def test_digest_sees_a_file_that_moved(inputs):
    before = digest(inputs)
    (inputs / "lib/ftz/did.py").rename(inputs / "lib/ftz/twfe.py")
    assert digest(inputs) != before


def test_digest_sees_a_reader_s_own_data_folder(inputs, tmp_path_factory, monkeypatch):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "panel.csv").write_text("1\n")
    monkeypatch.delenv("FTZ_DATA", raising=False)
    without = state(inputs)
    monkeypatch.setenv("FTZ_DATA", str(elsewhere))
    before = state(inputs)
    (elsewhere / "panel.csv").write_text("2\n")
    assert len({without, before, state(inputs)}) == 3


@pytest.mark.parametrize(
    "name",
    ["lib/ftz/__pycache__/did.pyc", "lib/ftz.egg-info/PKG-INFO", "data/.DS_Store", "notes.md"],
)
def test_digest_overlooks_by_products(inputs, name):
    before = digest(inputs)
    path = inputs / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("written by a tool\n")
    assert digest(inputs) == before


@pytest.mark.parametrize(
    ("text", "files"),
    [
        ("{glue:text}`../notebooks/did.md::did-coef:.3f`", {"../notebooks/did.md"}),
        ("```{glue:figure} ../notebooks/did.md::did-fig\n", {"../notebooks/did.md"}),
        ("{glue:text}`did-coef:.3f` stands on the page itself", set()),
    ],
)
def test_pages_that_paste_are_known(text, files):
    assert pasted_from(text) == files


# -- packages and commands --------------------------------------------------------------


def _project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_title_and_version_are_the_same_everywhere():
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert config["title"] == citation["title"]
    assert config["title"].lower() in readme.lower()
    assert config["author"] == citation["authors"][0]["name"]
    assert citation["version"] == _project()["version"] == ftz.__version__
    assert f"## [{citation['version']}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def _make(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        ["make", "--no-print-directory", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_make_lists_every_target():
    targets = re.findall(
        r"^\.PHONY: ([\w-]+)$", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE
    )
    listing = _make().stdout
    assert {"book", "test", "serve", "help", "witness", "lock", "lint", "check"} <= set(targets)
    for target in targets:
        assert re.search(rf"^  {target} +\S", listing, re.MULTILINE), target


def test_ci_runs_commands_that_the_readme_gives():
    """Each step stands in the README, and the last one ends with pytest's summary."""
    steps = re.findall(r"^make (.*)$", (ROOT / ".ci" / "run").read_text("utf-8"), re.MULTILINE)
    readme = (ROOT / "README.md").read_text("utf-8")
    assert steps == ["setup", "lint", "spelling", "types", "book", "links", "cover", "slow"]
    assert [step for step in steps if f"make {step}" not in readme] == []


# -- no stale page ----------------------------------------------------------------------

HEADER = """---
jupytext:
  text_representation:
    extension: .md
    format_name: myst
kernelspec:
  display_name: Python 3
  language: python
  name: python3
---

"""

CHAPTER = """# A computed chapter

```{code-cell} ipython3
import csv
import ftz
from ftz import paths
from myst_nb import glue

with open(paths.data_dir() / "witness" / "panel.csv") as file:
    total = sum(float(row["lnHQD"]) for row in csv.DictReader(file))
glue("total", float(total), display=False)
print("version", ftz.__version__)
```

The total is {glue:text}`total:.6f`.
"""

PASTING = """# A page that pastes

Elsewhere the total is {glue:text}`computed.md::total:.6f`.
"""

FOREIGN_KERNEL = '{"argv": ["no-such-python", "-f", "{connection_file}"], "display_name": "other"}'


class SmallBook:
    """A book of three pages with the project's own library, data and settings."""

    def __init__(self, root: Path):
        self.root = root
        for name in ("lib", "data", "book/_ext", "book/_static"):
            ignore = shutil.ignore_patterns("__pycache__", "*.egg-info")
            shutil.copytree(ROOT / name, root / name, ignore=ignore)
        for name in ("_config.yml", "requirements.lock"):
            shutil.copy(ROOT / name, root)
        self.write("book/references.bib", "")
        self.write("book/intro.md", PASTING)
        self.write("book/plain.md", "# A page of prose\n\nNothing is computed here.\n")
        self.write("book/computed.md", HEADER + CHAPTER)
        # another project's kernel of the same name, which must not be taken
        self.write("foreign/kernels/python3/kernel.json", FOREIGN_KERNEL)
        toc = "format: jb-book\nroot: book/intro\nchapters:\n"
        self.write("_toc.yml", toc + "- file: book/computed\n- file: book/plain\n")

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def replace(self, name: str, old: str, new: str) -> None:
        text = (self.root / name).read_text(encoding="utf-8")
        assert old in text
        self.write(name, text.replace(old, new, 1))

    def build(self) -> Build:
        environment = {
            "PYTHONPATH": str(self.root / "lib"),
            "JUPYTER_PATH": str(self.root / "foreign"),
        }
        return build_book(self.root, self.root, **environment)

    def built(self) -> Build:
        """Build, and insist that it went well."""
        build = self.build()
        assert build.code == 0, build.log
        return build

    def page(self, name: str) -> str:
        return (self.root / "_build" / "html" / "book" / f"{name}.html").read_text("utf-8")

    def totals(self) -> tuple[str, str]:
        """Return the total as the computing page and as the pasting page show it."""
        shown = [
            re.search(r'total is <span class="pasted-text">([\d.]+)', self.page(name))
            for name in ("computed", "intro")
        ]
        return tuple(found.group(1) for found in shown)

    def stamps(self) -> dict[Path, int]:
        pages = (self.root / "_build" / "html").rglob("*.html")
        return {path: path.stat().st_mtime_ns for path in pages}


@pytest.mark.slow
def test_pages_follow_data_library_and_one_another(tmp_path):
    book = SmallBook(tmp_path)
    book.built()
    first = book.totals()
    assert first[0] == first[1]

    # nothing changed: no page is written again, and quickly
    stamps = book.stamps()
    again = book.built()
    assert book.stamps() == stamps
    assert again.seconds < 20

    # one number in the witness panel
    panel = tmp_path / "data" / "witness" / "panel.csv"
    header, row, *rest = panel.read_text(encoding="utf-8").splitlines()
    place = header.split(",").index("lnHQD")
    cells = row.split(",")
    cells[place] = str(float(cells[place]) + 0.5)
    panel.write_text("\n".join([header, ",".join(cells), *rest]) + "\n", encoding="utf-8")
    book.built()
    second = book.totals()
    assert second[0] == second[1]
    assert float(second[0]) == pytest.approx(float(first[0]) + 0.5, abs=2e-6)
    caches = list((tmp_path / "_build" / ".jupyter_cache").iterdir())
    assert len(caches) == 1, "the cache of the former state is gone"

    # one line of the library
    source = (tmp_path / "lib" / "ftz" / "__init__.py").read_text("utf-8")
    version = re.search(r'__version__ = "([^"]+)"', source).group(1)
    assert f"version {version}" in book.page("computed")
    book.replace("lib/ftz/__init__.py", f'"{version}"', '"9.8.7"')
    book.built()
    assert "version 9.8.7" in book.page("computed")

    # a cell of one chapter: the page that pastes its value follows, no other is touched
    stamp = book.stamps()[tmp_path / "_build" / "html" / "book" / "plain.html"]
    book.replace("book/computed.md", "float(total)", "float(total + 1)")
    book.built()
    third = book.totals()
    assert third[0] == third[1]
    assert float(third[0]) == pytest.approx(float(second[0]) + 1, abs=2e-6)
    assert book.stamps()[tmp_path / "_build" / "html" / "book" / "plain.html"] == stamp


@pytest.mark.slow
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_failing_cell_fails_the_build(tmp_path, monkeypatch, jobs):
    monkeypatch.setenv("FTZ_JOBS", jobs)
    book = SmallBook(tmp_path)
    # a second chapter with code: two or more are executed side by side
    book.write("book/plain.md", HEADER + CHAPTER.replace('"version"', '"edition"'))
    book.replace("book/computed.md", "total = sum(", "total = no_such_name + sum(")
    build = book.build()
    assert build.code != 0
    assert "computed.md" in build.log and "no_such_name" in build.log


@pytest.mark.slow
def test_side_by_side_and_one_by_one_give_the_same_pages(tmp_path, monkeypatch):
    book = SmallBook(tmp_path)
    book.write("book/plain.md", HEADER + CHAPTER.replace('"version"', '"edition"'))
    pages = []
    for jobs in ("1", "2"):
        monkeypatch.setenv("FTZ_JOBS", jobs)
        build = book.built()
        assert ("executing 2 chapters, 2 at a time" in build.log) is (jobs == "2")
        pages.append({path.name: path.read_bytes() for path in build.html.rglob("*.html")})
        shutil.rmtree(tmp_path / "_build")
    assert pages[0] == pages[1]


@pytest.mark.slow
def test_a_warning_fails_the_second_build_too(tmp_path):
    book = SmallBook(tmp_path)
    book.replace("book/plain.md", "Nothing", "See {ref}`no-such-label`.  Nothing")
    assert book.build().code != 0
    assert book.build().code != 0
    book.replace("book/plain.md", "See {ref}`no-such-label`.  ", "")
    book.built()
