"""Notebooks for students: the downloaded ones without solutions, and a checker beside them.

The build writes each page with its outputs as a notebook (:mod:`bookworks._downloads`).  Here the
cells of a solution become one empty cell, and what the solution showed becomes the answer that
``check.py``, a copy of :mod:`bookworks._checker`, holds the student's against.  Nothing is
executed.  An exercise whose solution shows no value is read by a person.  One whose solution sets
names that begin with ``my_`` has as many answers as there are values of these: the lines that set
them stay in the student's cell, to be changed, and the solution goes along, encoded.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import click
import nbformat

from bookworks import _checker as checker
from bookworks._checker import KEY
from bookworks._downloads import new_cell, new_notebook
from bookworks._errors import BookError, near
from bookworks._execution import MOST_OUTPUT
from bookworks._files import read_text, write_if_new
from bookworks.book import NOTEBOOKS, Book

EMPTY, _IN_WORDS = "# your answer", "*Your answer"
#: A lone text of more words is a sentence, which a person reads.
MOST_WORDS = 3


def task(cells: Iterable[Any]) -> dict[str, str]:
    """Return name, hint and encoded answer of an exercise from the cells of its solution.

    Raises BookError if it asks for True or False, which a guess meets.
    """
    cells = list(cells)
    about = cells[0].metadata[KEY]
    found = {key: about[key] for key in ("name", "hint") if key in about}
    code = [cell for cell in cells if cell.cell_type == "code"]
    answer = checker.shown(code[-1].outputs) if code else []
    texts = [text for _, text in answer[0]] if answer else []
    if texts and set(texts) <= {"True", "False"}:
        raise BookError(
            f"{about['solution']} asks for True or False, which a guess meets: "
            "let its solution end in the number that decides"
        )
    if not texts or (len(texts) == 1 and len(texts[0].split()) > MOST_WORDS):
        return found
    source = "\n".join(cell.source for cell in code)
    if given := "\n".join(checker.choices(source).values()):
        found |= {"given": given, "solution": checker.encode(source)}
    return found | {"answer": checker.encode(answer)}


def student_notebook(notebook: Any, before: Any = None) -> tuple[Any, dict[str, dict[str, str]]]:
    """Return a notebook with an empty cell in the place of each solution, and what is asked.

    ``notebook`` is as :mod:`bookworks._downloads` writes it, ``before`` the student's, from an
    earlier call, whose answers are kept, with the cells that the student put above them.
    """
    solutions: dict[str, list[Any]] = {}
    for cell in notebook.cells:
        if label := cell.metadata.get(KEY, {}).get("solution"):
            solutions.setdefault(label, []).append(cell)
    tasks = {label: task(cells) for label, cells in solutions.items()}
    answered, helpers = dict[str, str](), dict[str, list[Any]]()
    known, added = {cell.source for cell in notebook.cells}, list[Any]()
    for cell in before.cells if before else ():
        about = cell.metadata.get(KEY, {})
        if label := about.get("exercise"):
            helpers[label], added = helpers.get(label, []) + added, []
            if label not in answered or checker.begun(cell.source):  # a split cell has two halves
                answered[label] = cell.source
        elif about or not (cell.source in known or re.match("cell-", cell.get("id", ""))):
            added.append(new_cell(cell.cell_type, cell.source, {KEY: {"added": True}}))
    cells: list[Any] = []
    for cell in notebook.cells:
        label = cell.metadata.get(KEY, {}).get("solution")
        if label is None:
            cells.append(cell)
        elif cell is solutions[label][0]:
            kind = "code" if any(c.cell_type == "code" for c in solutions[label]) else "markdown"
            cells += helpers.get(label, ())
            source = answered.get(label) or ""
            if not (checker.begun(source) and not source.startswith(_IN_WORDS)):
                source = _empty(kind, tasks[label])
            cells.append(new_cell(kind, source, {KEY: {"exercise": label}}))
    return new_notebook(cells + added), tasks


def _empty(kind: str, asked: Mapping[str, str]) -> str:
    if kind == "markdown":
        return f"{_IN_WORDS} to {asked['name']}, in words.*"
    if "answer" not in asked:
        return f"{EMPTY}; a person reads it"
    wanted = f"{EMPTY}; its last line: {checker.kind(checker.decode(asked['answer']))}"
    if "given" not in asked:
        return wanted
    return f"# yours to change: the check works the answer out anew\n{asked['given']}\n{wanted}"


def write(source: Path, out: Path, chapters: Iterable[str] = ()) -> dict[str, dict[str, Any]]:
    """Write notebooks without solutions, what is asked in them, ``check.py`` and the library.

    ``source`` holds the downloadable notebooks; those of the named ``chapters`` (all with
    exercises, if none is named) go to ``out``, where what was answered already is kept.  Raises
    BookError if the book is not built, two chapters have one name, there is no such chapter, or
    what stands in the place of a student's notebook is none.
    """
    paths = sorted(source.rglob("*.ipynb"))
    known = {path.stem: path for path in paths}
    names = [Path(name).stem for name in chapters] or list(known)
    for name in names:
        if name not in known:
            raise BookError(f"{source} has no chapter {name}{near(name, known)}")
    if len(known) != len(paths) or not known:
        why = "two chapters of one name" if known else "no notebooks: build the book first"
        raise BookError(f"{source} has {why}")
    asked = {}
    for name in names:
        target = out / f"{name}.ipynb"
        before = _read(target, "move it away, and write again") if target.exists() else None
        notebook, tasks = student_notebook(_read(known[name], "build the book again"), before)
        if tasks:
            asked[name] = tasks
            write_if_new(target, nbformat.writes(notebook) + "\n")
    listed = json.dumps(asked, indent=1, ensure_ascii=False)  # in the order of the book
    write_if_new(out / "answers.json", listed + "\n")
    write_if_new(out / "check.py", Path(checker.__file__).read_bytes())
    for packed in source.glob("*.whl"):
        write_if_new(out / packed.name, packed.read_bytes())
    return asked


def _read(path: Path, remedy: str) -> Any:
    try:
        return nbformat.reads(read_text(path, MOST_OUTPUT), as_version=4)
    except (ValueError, AttributeError, nbformat.ValidationError):
        raise BookError(f"{path} is no notebook: {remedy}") from None


@click.command("students")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="folder to write to")
@click.argument("chapters", nargs=-1)
def command(out: Path, chapters: tuple[str, ...]) -> None:
    """Write the built book's notebooks without solutions, and a checker."""
    asked = write(Book.find().build / "html" / NOTEBOOKS, out, chapters)
    tasks = [task for chapter in asked.values() for task in chapter.values()]
    person = sum("answer" not in task for task in tasks)
    click.echo(f"{len(asked)} notebooks with {len(tasks)} exercises in {out}, ", nl=False)
    click.echo(f"{person} of them read by a person\npython {out / 'check.py'} says which pass")
