"""The chapters that can be run anew: text notebooks with a parameters cell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ftz.errors import FtzError
from ftz.reruns.grammar import Parameter, Value, _near, check_values, parse_cell

#: Where the chapters are, below the checkout.
FOLDER = "notebooks"


def checkout() -> Path:
    """Return the folder of the checkout, in which the library is installed in place."""
    return Path(__file__).resolve().parents[3]


def read_notebook(path: Path) -> Any:
    """Return a notebook from its file."""
    import nbformat

    read: Any = nbformat.read  # a package without types
    return read(path, as_version=4)


def notebook_text(notebook: Any) -> str:
    """Return a notebook as the text of its file."""
    import nbformat

    package: Any = nbformat
    return str(package.writes(package.from_dict(notebook), version=4)) + "\n"


def to_notebook(text: str) -> Any:
    """Return a text notebook as a notebook; the ids of its cells do not vary."""
    import jupytext

    notebook = jupytext.reads(text, fmt="md:myst")
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{number:04d}"
    return notebook


@dataclass(frozen=True)
class Chapter:
    """A chapter of the book.

    Attributes
    ----------
    name : str
        Its path below ``notebooks/``, without suffix: ``robustness``, ``own/matching``.
    path : pathlib.Path
        The file.
    """

    name: str
    path: Path

    @cached_property
    def text(self) -> str:
        """The chapter as it is in the file."""
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """The declared parameters; empty where the chapter has no such cell."""
        cells = [c for c in self.notebook().cells if "parameters" in c.metadata.get("tags", ())]
        if len(cells) > 1:
            raise FtzError(f"{self.path}: {len(cells)} cells are tagged parameters; one may be")
        return parse_cell(cells[0].source, self.path.name) if cells else ()

    @cached_property
    def title(self) -> str:
        """The first heading."""
        heads = (line for line in self.text.splitlines() if line.startswith("# "))
        return next(heads, f"# {self.name}").removeprefix("# ").strip()

    def notebook(self) -> Any:
        """Return the chapter as a notebook, with the same cell ids every time."""
        return to_notebook(self.text)

    def values(self, given: Mapping[str, object], folder: Path | None = None) -> dict[str, Value]:
        """Return a value for each parameter: the given ones, checked, and the defaults."""
        typed = check_values(self.parameters, given, folder)
        return {p.name: typed.get(p.name, p.default) for p in self.parameters}

    def files(self, given: Mapping[str, object], folder: Path | None = None) -> dict[str, Path]:
        """Return the files that parameters name, by parameter.

        A given name starts in ``folder``, a default in the folder of the chapter.
        """
        found = {}
        for parameter in self.parameters:
            known = parameter.name in given
            name = given[parameter.name] if known else parameter.default
            base = (folder or Path()) if known else self.path.parent
            if parameter.constraint.file and name:
                found[parameter.name] = (base / str(name)).resolve()
        return found


def all_chapters(root: Path | None = None) -> dict[str, Chapter]:
    """Return the text notebooks below ``notebooks/``, by name."""
    folder = (root or checkout()) / FOLDER
    found = {}
    for path in sorted(folder.rglob("*.md")):
        name = path.relative_to(folder).with_suffix("").as_posix()
        head = path.read_text(encoding="utf-8").split("\n---", 1)[0]
        if "\nkernelspec:" in head and not any(p.startswith(".") for p in name.split("/")):
            found[name] = Chapter(name, path)
    return found


def find(name: object, root: Path | None = None) -> Chapter:
    """Return the chapter of this name; raise FtzError with a did-you-mean if there is none."""
    known = all_chapters(root)
    wanted = str(name).removeprefix(f"{FOLDER}/").removesuffix(".md")
    if wanted not in known:
        near = _near(wanted, list(known))
        raise FtzError(f"no chapter {name!r}{near}; there are {', '.join(known)}")
    return known[wanted]
