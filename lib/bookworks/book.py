"""A book: its folder, its pages, and what ``_config.yml`` says of it.

Settings of the machinery stand in ``_config.yml`` under ``sphinx: config:`` with names that
begin with ``bookworks_``; they are Sphinx's settings, too.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bookworks._errors import BookError
from bookworks._files import holds_code, read_yaml

#: Where a built book keeps its chapters as notebooks, beside the pages.
NOTEBOOKS = "_notebooks"

#: Setting (without ``bookworks_``), its default, and what it says.
SETTINGS: Mapping[str, tuple[Any, str]] = {
    "prefix": ("BOOKWORKS_", "how environment variables that steer the book begin"),
    "packages": ([], "packages of the repository that notes and pages of source speak of"),
    "inputs": (["lib", "data", "requirements.lock"], "what every chapter rests on"),
    "panels": (
        {"simulated": ["simulated"], "own": ["the reader's own"], "none": ["no panel"]},
        "kinds of data: the words of the pages, then patterns of the files that hold the kind",
    ),
    "versions": ([], "installed packages whose version can change a number or a picture"),
    "classes": ("bookworks-", "how the classes of HTML begin, for the book's style sheets"),
    "license": ("", "address of the licence of text and figures"),
    "chapters": ("", "folder of the chapters that can be run anew"),
    "repository": ("", "address of the book's repository, for launch buttons"),
    "scrolls": ([], "classes of the book's own frames that scroll sideways"),
    "cite": ("", "the page, and after # the place on it, that says how to cite the book"),
    "search": ({}, "see bookworks._search"),
    "release": ({}, "see bookworks._release"),
    "notebooks_branch": ("notebooks", "branch of the repository that holds the notebooks"),
}


@dataclass(frozen=True)
class Book:
    """A Jupyter Book: its folder, and what ``_config.yml`` and ``_toc.yml`` in it hold."""

    root: Path
    config: dict[str, Any] = field(repr=False)
    toc: dict[str, Any] = field(repr=False)

    @classmethod
    def read(cls, root: Path | str) -> Book:
        """Read the settings of a book's folder.

        Raises BookError if a file is missing or malformed.
        """
        root = Path(root).resolve()
        config, toc = (read_yaml(root / name) or {} for name in ("_config.yml", "_toc.yml"))
        return cls(root, _keyed(root / "_config.yml", config), _keyed(root / "_toc.yml", toc))

    @classmethod
    def find(cls, start: Path | None = None) -> Book:
        """Read the book of the nearest folder at or above ``start`` (the working folder)."""
        here = (start or Path.cwd()).resolve()
        for folder in (here, *here.parents):
            if (folder / "_config.yml").is_file() and (folder / "_toc.yml").is_file():
                return cls.read(folder)
        raise BookError(f"no book at {here}: a book's folder has _config.yml and _toc.yml")

    @property
    def build(self) -> Path:
        """Where ``jb build`` writes."""
        return self.root / "_build"

    @property
    def sphinx(self) -> dict[str, Any]:
        """What ``_config.yml`` says under ``sphinx``."""
        return _keyed("_config.yml: sphinx", self.config.get("sphinx") or {})

    @property
    def extensions(self) -> dict[str, str]:
        """The book's own extensions, with the folder of each."""
        return self.sphinx.get("local_extensions") or {}

    def setting(self, name: str) -> Any:
        """Return a setting of :data:`SETTINGS`; raise BookError if it is of another type."""
        stated = _keyed("_config.yml: sphinx: config", self.sphinx.get("config") or {})
        value, default = stated.get(f"bookworks_{name}", SETTINGS[name][0]), SETTINGS[name][0]
        if not isinstance(value, type(default)):
            raise BookError(f"_config.yml: bookworks_{name}: {value} must be as {default!r} is")
        return value

    def variable(self, name: str, default: str = "") -> str:
        """Return a variable of the machinery, as ``JOBS``; the shell writes it with the prefix."""
        return os.environ.get(self.setting("prefix") + name) or default

    def pages(self) -> list[str]:
        """Return the pages of ``_toc.yml`` in reading order, without suffix."""
        return list(_files(self.toc))

    def source(self, page: str) -> Path:
        """Return the file of a page; raise BookError if there is none."""
        for suffix in (".md", ".ipynb", ".rst"):
            path = self.root / f"{page}{suffix}"
            if path.is_file():
                return path
        raise BookError(f"_toc.yml names {page}, and {self.root / page}.md is not there")

    def chapters(self) -> list[str]:
        """Return the pages that hold code, in reading order."""
        return [page for page in self.pages() if holds_code(self.source(page))]


def _keyed(place: Path | str, content: Any) -> dict[str, Any]:
    if not isinstance(content, dict):
        raise BookError(f"{place} must hold keys and values")
    return content


def _files(toc: Any) -> Iterator[str]:
    if isinstance(toc, list):
        for item in toc:
            yield from _files(item)
    elif isinstance(toc, dict):
        for key, value in toc.items():
            if key in ("root", "file"):
                yield str(value).removesuffix(".md")
            elif key in ("parts", "chapters", "sections", "subtrees", "entries"):
                yield from _files(value)
