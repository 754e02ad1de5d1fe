"""A tiny book about tea, built in this process: nothing of the monograph is in it."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from jupyter_book.sphinx import build_sphinx
from small import fresh

HEADER = """\
---
jupytext: {text_representation: {extension: .md, format_name: myst}}
kernelspec: {display_name: Python 3, language: python, name: python3}
---
"""
FILES = {
    "_config.yml": """\
title: Tea
only_build_toc_files: true
exclude_patterns: [".*", "**/.*", _build]
execute: {execute_notebooks: cache, timeout: 60, raise_on_error: true, stderr_output: warn}
bibtex_bibfiles: [references.bib]
html: {use_repository_button: false, use_issues_button: false, use_edit_page_button: false}
sphinx:
  extra_extensions: [bookworks]
  config:
    bookworks_prefix: TEA_
    html_static_path: [static]
    html_css_files: [tea.css]
    bibtex_reference_style: author_year
""",
    "_toc.yml": """\
format: jb-book
root: intro
chapters:
  - file: harvest
  - file: taste
  - file: references
""",
    "intro.md": """\
(intro)=
# Tea

See {ref}`harvest` and {cite}`okakura1906`. The sum is {glue:text}`harvest.md::sum:d`.

```{literalinclude} recipe.txt
```
""",
    "references.md": "# References\n\n```{bibliography}\n```\n\n"
    "```{bookworks-replication} status\n```\n",
    "references.bib": """\
@book{okakura1906, author={Okakura, Kakuzo}, title={The Book of Tea}, year={1906}, publisher={Fox}}
@book{lu0760, author={Lu, Yu}, title={Classic}, year={760}, publisher={None}}
""",
    "recipe.txt": "boil\n",
    "static/tea.css": "p{color:#111}\n",
    "leaves.csv": "leaf,kg\ngreen,3\nblack,4\n",
    "shop/__init__.py": "",
    "shop/leaves.py": "def twice(x):\n    return 2 * x\n\ndef half(x):\n    return x / 2\n",
    "shop/unused.py": "x = 1\n",
    "harvest.md": HEADER
    + """\
(harvest)=
# Harvest

```{code-cell} ipython3
import csv, os, sys
sys.path.insert(0, ".")
from shop.leaves import twice
from myst_nb import glue
rows = list(csv.DictReader(open("leaves.csv")))
glue("sum", twice(sum(int(r["kg"]) for r in rows)), display=False)
print(os.environ.get("TEA_SUGAR", "none"))
```
""",
    "taste.md": HEADER + "# Taste\n\n```{code-cell} ipython3\n1 + 1\n```\n",
}


@dataclass(frozen=True)
class Built:
    """A build: its result (0 is good), what it said, which chapters it executed."""

    result: object
    log: str

    @property
    def executed(self) -> set[str]:
        return set(re.findall(r"^  (\S+): [\d.]+ s$", self.log, re.MULTILINE))

    @property
    def written(self) -> set[str]:
        plain = re.sub(r"\x1b\[[\d;]*m", "", self.log)
        return set(re.findall(r"writing output\.\.\. \[ *\d+%\] (\S+)", plain))


class Tea:
    """The book in a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name, text in FILES.items():
            self.write(name, text)

    @classmethod
    def at(cls, root: Path) -> Tea:
        """Return the book of a folder that holds one already."""
        tea = object.__new__(cls)
        tea.root = root
        return tea

    def write(self, name: str, text: str) -> None:
        (self.root / name).parent.mkdir(parents=True, exist_ok=True)
        (self.root / name).write_text(text, encoding="utf-8")

    def edit(self, name: str, old: str, new: str) -> None:
        text = (self.root / name).read_text(encoding="utf-8")
        assert old in text
        self.write(name, text.replace(old, new))

    @property
    def html(self) -> Path:
        return self.root / "_build" / "html"

    def page(self, name: str) -> str:
        return (self.html / f"{name}.html").read_text(encoding="utf-8")

    def build(self, strict: bool = True) -> Built:
        said, hook = io.StringIO(), sys.excepthook
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            result = build_sphinx(
                str(self.root),
                str(self.html),
                noconfig=True,
                path_config=str(self.root / "_config.yml"),
                warningiserror=strict,
                keep_going=True,
                confoverrides={"nitpicky": True, "latex_individualpages": False, **fresh()},
            )
        sys.excepthook = hook
        return Built(result, said.getvalue())

    def clean(self, where: Path) -> Path:
        """Build a copy of the sources from nothing, in a folder of its own; return its pages."""
        shutil.rmtree(where, ignore_errors=True)
        shutil.copytree(self.root, where, ignore=shutil.ignore_patterns("_build"))
        copy = Tea.at(where)
        # what kernels gave is taken over: it is the pages that are built from nothing
        os.environ["TEA_CACHE"] = str(self.root / "_build" / ".executed")
        try:
            built = copy.build()
        finally:
            del os.environ["TEA_CACHE"]
        assert built.result == 0, built.log
        return copy.html


def files(folder: Path) -> dict[str, bytes]:
    """Return the bytes of a folder's files."""
    return {
        path.relative_to(folder).as_posix(): re.sub(rb"\?v=[0-9a-f]+", b"", path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".buildinfo"
    }


def differing(one: Path, other: Path) -> list[str]:
    """Return the names of files that differ between two folders."""
    first, second = files(one), files(other)
    return sorted(n for n in {*first, *second} if first.get(n) != second.get(n))


@pytest.fixture
def tea(tmp_path: Path) -> Tea:
    return Tea(tmp_path / "tea")


@pytest.fixture(scope="session")
def sound_tea(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of a built book, from which others are made in the place of the original."""
    tea = Tea(tmp_path_factory.mktemp("built") / "tea")
    built = tea.build()
    assert built.result == 0 and built.executed == {"harvest", "taste"}, built.log
    return Path(shutil.copytree(tea.root, tea.root.with_name("sound")))


@pytest.fixture
def built_tea(sound_tea: Path) -> Tea:
    """Return a book that is built already."""
    place = sound_tea.with_name("tea")
    shutil.rmtree(place)
    return Tea.at(Path(shutil.copytree(sound_tea, place)))
