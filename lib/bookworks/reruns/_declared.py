"""The chapters that can be run anew, and the runs that files in ``reruns/`` declare."""

from __future__ import annotations

import hashlib
import importlib.util
import itertools
import math
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from bookworks import _keys
from bookworks._errors import BookError, near
from bookworks._files import holds_code, read_declared, read_text
from bookworks.book import Book
from bookworks.reruns._parameters import Parameter, Value, parse_cell

#: Where the facts of the chapters are.
FACTS = "reruns/chapters.yml"
#: Runs that one file may declare.
MOST_RUNS = 10_000
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Facts(_Strict):
    """What is known of a chapter: its key results, by glue key, and what they are called.

    ``prepare``, as ``package.module:function``, takes the chapter's text, its parameters and
    its folder, and returns the text that fits them.
    """

    results: dict[str, str] = {}
    prepare: str = ""


class Declaration(_Strict):
    """What a file declares."""

    chapter: str
    name: str
    title: str = ""
    parameters: dict[str, Any] = {}
    grid: dict[str, list[Any]] = {}
    runs: list[dict[str, Any]] = []
    timeout: float = Field(600.0, gt=0, allow_inf_nan=False)
    keep: list[Literal["results", "notebook", "page"]] = ["results", "notebook", "page"]

    @field_validator("grid")
    @classmethod
    def _different(cls, grid: dict[str, list[Any]]) -> dict[str, list[Any]]:
        for name, values in grid.items():
            if not values or len(set(map(repr, values))) < len(values):
                raise ValueError(f"{name} needs a list of values, each once")
        if math.prod(map(len, grid.values())) > MOST_RUNS:
            raise ValueError(f"more than {MOST_RUNS:,} runs")
        return grid

    @model_validator(mode="after")
    def _whole(self) -> Declaration:
        if not (self.grid or self.runs):
            raise ValueError("nothing to run; give a grid or a list of runs")
        if "page" in self.keep and "notebook" not in self.keep:
            raise ValueError("keep: a page is made from the notebook; keep the notebook as well")
        return self

    def points(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield where a run stands in the file, and the parameters that it sets."""
        for point in itertools.product(*self.grid.values()) if self.grid else ():
            yield "grid", {**self.parameters, **dict(zip(self.grid, point, strict=True))}
        for number, one in enumerate(self.runs, 1):
            yield f"run {number}", {**self.parameters, **one}


@dataclass(frozen=True)
class Chapter:
    """A text notebook: its name below the chapters' folder, its file, and what is said of it."""

    book: Book
    name: str
    path: Path
    facts: Facts

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """The declared parameters; empty where the chapter has no such cell."""
        cells = _notebook(read_text(self.path)).cells
        tagged = [cell for cell in cells if "parameters" in cell.metadata.tags]
        if len(tagged) > 1:
            raise BookError(f"{self.path}: {len(tagged)} cells are tagged parameters; one may be")
        return parse_cell(tagged[0].source, self.path.name) if tagged else ()

    def given(self, values: Mapping[str, object], folder: Path) -> dict[str, Value]:
        """Return parameters in their types; the names of files start in ``folder``.

        Raises BookError with all that is wrong, line by line.
        """
        known = {parameter.name: parameter for parameter in self.parameters}
        if not known:
            raise BookError(f"{self.name}: no cell is tagged parameters, so nothing can be turned")
        typed: dict[str, Value] = {}
        problems = []
        for name, value in values.items():
            try:
                if name not in known:
                    there = ", ".join(known)
                    raise BookError(f"no parameter {name!r}{near(name, known)}; there are {there}")
                typed[name] = known[name].check(value)
                if value and known[name].constraint == "file":
                    path, here = (folder / str(value)).resolve(), self.path.resolve().parent
                    if not path.is_file():
                        raise BookError(f"{name}: names a file that does not exist ({path})")
                    below = path.is_relative_to(self.book.root)  # no path of the machine
                    typed[name] = os.path.relpath(path, here) if below else str(path)
            except BookError as error:
                problems.append(str(error))
        if problems:
            raise BookError("\n".join(problems))
        return typed

    def values(self, given: Mapping[str, Value]) -> dict[str, Value]:
        """Return all parameters, defaults included."""
        return {p.name: given.get(p.name, p.default) for p in self.parameters}

    @property
    def digest(self) -> str:
        """Hash of the chapter's text, and of the package that prepares it."""
        found = importlib.util.find_spec(self.facts.prepare.partition(":")[0] or "bookworks")
        package = Path(found.origin if found and found.origin else "").parent
        return _keys.digest(
            [read_text(self.path), self.facts.prepare and _keys.tree(package, ["."])]
        )

    def notebook(self, given: Mapping[str, Value]) -> Any:
        """Return the chapter as a notebook into which papermill has put the parameters."""
        from papermill.parameterize import parameterize_notebook

        text = read_text(self.path)
        if self.facts.prepare:
            module, _, name = self.facts.prepare.partition(":")
            try:
                prepare: Any = getattr(importlib.import_module(module), name)
                text = prepare(text, self.values(given), self.path.parent)
            except (ImportError, AttributeError, ValueError) as error:
                raise BookError(f"{self.name}: {self.facts.prepare}: {error}") from None
        made = _notebook(text)
        if given:
            lines = made.metadata["source_map"]
            made = parameterize_notebook(made, dict(given))
            place = [cell.metadata.tags for cell in made.cells].index(["injected-parameters"])
            lines.insert(place, lines[place - 1])
        return made


def _notebook(text: str) -> Any:
    from myst_nb.core.read import read_myst_markdown_notebook

    made = read_myst_markdown_notebook(text, add_source_map=True)
    made.metadata["papermill"] = type(made.metadata)()
    for cell in made.cells:
        cell.metadata.setdefault("tags", [])
    return made


def _facts(book: Book) -> dict[str, Facts]:
    path = book.root / FACTS
    return read_declared(path, dict[str, Facts], Facts.model_fields) if path.exists() else {}


def chapters(book: Book) -> dict[str, Chapter]:
    """Return the book's text notebooks by their names below the chapters' folder."""
    folder, facts = book.root / book.setting("chapters"), _facts(book)
    found = {}
    for path in sorted(folder.rglob("*.md")):
        parts = path.relative_to(folder).with_suffix("").parts
        if not any(part.startswith((".", "_")) for part in parts) and holds_code(path):
            name = "/".join(parts)
            found[name] = Chapter(book, name, path, facts.pop(name, Facts()))
    for name in facts:
        raise BookError(f"{FACTS}: {name}: no such chapter{near(name, found)}")
    return found


def find(book: Book, name: str) -> Chapter:
    """Return the chapter of this name; raise BookError with a did-you-mean if there is none."""
    wanted = name.removesuffix(".md").removeprefix(f"{book.setting('chapters')}/")
    path = book.root / book.setting("chapters") / f"{wanted}.md"
    if ".." not in wanted and path.is_file() and holds_code(path):  # no other chapter is read
        return Chapter(book, wanted, path, _facts(book).get(wanted, Facts()))
    known = chapters(book)
    raise BookError(f"no chapter {name!r}{near(wanted, known)}; there are {', '.join(known)}")


@dataclass(frozen=True)
class Run:
    """One run of a chapter, checked; ``given`` are the parameters that are set.

    ``name`` is that of its folder and its page, ``group`` the declaration's file without
    suffix (``adhoc`` without a file), ``keep`` what is kept: results, notebook, page.
    """

    name: str
    chapter: Chapter
    given: dict[str, Value]
    group: str = "adhoc"
    title: str = "From the command line"
    timeout: float = 600
    keep: Sequence[str] = ("results", "notebook", "page")

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise BookError(
                f"name: {self.name!r} cannot name a folder and a page; use up to 100 small "
                "letters, digits, full stops, hyphens and underscores"
            )


def declarations(book: Book) -> list[Path]:
    """Return the files of ``reruns/`` that declare runs, in order."""
    return sorted(set((book.root / "reruns").glob("*.yml")) - {book.root / FACTS})


def read(book: Book, files: Sequence[Path]) -> list[Run]:
    """Read declarations and check every run, before anything is executed.

    Raises BookError with everything that is wrong in all files: place, problem, remedy.
    """
    runs: dict[str, Run] = {}
    problems: dict[str, None] = {}

    def note(place: str, error: BookError) -> None:
        problems.update(dict.fromkeys(place + line for line in str(error).splitlines()))

    for file in files:
        place = ""
        try:
            declared = read_declared(file, Declaration, Declaration.model_fields)
            place = f"{file.name}: "
            chapter = find(book, declared.chapter)
            _ = chapter.parameters
        except BookError as error:
            note(place, error)
            continue
        for place, point in declared.points():
            try:
                run = _run(chapter, declared, point, file)
                if runs.setdefault(run.name, run) is not run:
                    where = " and ".join(sorted({f"{runs[run.name].group}.yml", file.name}))
                    raise BookError(
                        f"two runs are called {run.name} ({where}); "
                        "put every parameter that varies into the name"
                    )
            except BookError as error:
                note(f"{file.name}: {place}: ", error)
    if problems:
        head = [f"{len(problems)} problems, nothing was run:"] * (len(problems) > 1)
        raise BookError("\n  ".join([*head, *problems]))
    return list(runs.values())


def _run(chapter: Chapter, declared: Declaration, point: Mapping[str, object], file: Path) -> Run:
    given = chapter.given(point, file.parent)
    values = {name: _short(value) for name, value in chapter.values(given).items()}

    def fill(field: re.Match[str]) -> str:
        if field[1] not in values:
            raise BookError(f"name: no parameter {field[1]!r}{near(field[1], values)}")
        return values[field[1]]

    name, title = re.sub(r"\{([^{}]*)\}", fill, declared.name), declared.title or file.stem
    return Run(name, chapter, given, file.stem, title, declared.timeout, declared.keep)


def _short(value: Value) -> str:
    if isinstance(value, list):
        return "-".join(map(_short, value)) or "none"
    return str(value).lower()


def adhoc(
    book: Book, chapter: str, values: Mapping[str, object], name: str = "", timeout: float = 600
) -> Run:
    """Return a run that no file declares; names of files start in the working folder."""
    found = find(book, chapter)
    given = found.given(values, Path.cwd())
    words = "-".join([found.name, *(f"{key}-{_short(value)}" for key, value in given.items())])
    plain = re.sub(r"[^a-z0-9._-]+", "-", words.lower())
    if len(plain) > 80:
        plain = f"{plain[:70]}-{hashlib.sha256(words.encode()).hexdigest()[:8]}"
    return Run(name or plain, found, given, timeout=timeout)
