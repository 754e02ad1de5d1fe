"""Notebooks for students: chapters without their solutions, and a checker.

``python -m ftz.students --out FOLDER`` writes one notebook a chapter in which each
solution is an empty cell, the answers that the book's own solutions give, and
``check.py``, which runs a student's notebooks and says which exercises pass.

What the checker can see is the value of the last line of an answer.  It compares it with
the value of the book's solution, number by number within a tolerance, and knows nothing of
how the value was reached.  An exercise whose solution ends in words, a figure or a print
is listed as read by a person; it neither passes nor fails.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import json
import math
import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ftz.commands import run_command
from ftz.errors import FtzError

if TYPE_CHECKING:
    import pandas as pd

#: Two numbers agree within this share of the larger one, or within this absolute distance.
RELATIVE, ABSOLUTE = 1e-6, 1e-9
#: What an empty answer holds.
EMPTY = "# your answer"
#: Words of the checker.
PASS, FAIL, PERSON = "pass", "fail", "read by a person"

_MARK = "ftz-answer:"
_MOST_NUMBERS = 5000

Notebook = Any  # nbformat.NotebookNode, which has no stubs
Answer = Any  # what json can hold


# -- chapters ----------------------------------------------------------------------------

_FENCE = r"^(?P<fence>`{3,}|:{3,})"
_START = re.compile(
    _FENCE + r"\{solution-start\}\s+(?P<label>\S+)[^\n]*\n.*?^(?P=fence)[ \t]*$", re.M | re.S
)
_END = re.compile(_FENCE + r"\{solution-end\}[^\n]*\n(?::[^\n]*\n)*(?P=fence)[ \t]*$", re.M)
_WORDS = re.compile(
    _FENCE + r"\{solution\}\s+(?P<label>\S+)[^\n]*\n.*?^(?P=fence)[ \t]*$", re.M | re.S
)


def read_chapter(path: str | Path) -> Notebook:
    """Read a chapter, a text notebook in MyST, as a notebook.

    Parameters
    ----------
    path : str or pathlib.Path
        For example ``notebooks/robustness.md``.

    Returns
    -------
    nbformat.NotebookNode
        Without outputs.

    Raises
    ------
    FtzError
        If there is no such file, or it holds no code.
    """
    jupytext: Any = importlib.import_module("jupytext")  # without stubs, like nbformat
    path = Path(path)
    if not path.is_file():
        raise FtzError(f"{path}: there is no such chapter; name a text notebook of notebooks/")
    text = path.read_text(encoding="utf-8")
    if "\nkernelspec:" not in text.split("\n---", 1)[0]:
        raise FtzError(f"{path}: its header names no kernel, so it holds no code to run")
    return jupytext.reads(text, fmt="md:myst")


def _nbformat() -> Any:
    return importlib.import_module("nbformat")


def _cell(kind: str, source: str, **metadata: object) -> Notebook:
    nbformat = _nbformat()
    make = nbformat.v4.new_code_cell if kind == "code" else nbformat.v4.new_markdown_cell
    return make(source.strip("\n"), metadata=metadata)


def _notebook(cells: Iterable[Notebook]) -> Notebook:
    """Return a notebook of the cells; names of cells are numbers, never random."""
    nbformat = _nbformat()
    kept = [c for c in cells if c.cell_type == "code" or c.source.strip()]
    for number, cell in enumerate(kept):
        cell["id"] = f"cell-{number}"
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return nbformat.v4.new_notebook(cells=kept, metadata={"kernelspec": kernel})


def _pieces(notebook: Notebook) -> Iterable[tuple[str, str, Notebook | str]]:
    """Yield what a chapter holds: (where, label, cell or text).

    *Where* is ``outside`` a solution, at the ``start`` of one, ``inside`` or at its
    ``end``, or ``words`` for a solution without code.
    """
    label = ""
    for cell in notebook.cells:
        if cell.cell_type == "code":
            yield ("inside" if label else "outside"), label, cell
            continue
        text = cell.source
        while text:
            found = min(
                (m for p in (_START, _END, _WORDS) if (m := p.search(text))),
                key=lambda match: match.start(),
                default=None,
            )
            before = text[: found.start()] if found else text
            yield ("inside" if label else "outside"), label, before
            if found is None:
                break
            text = text[found.end() :]
            if found.re is _END:
                yield "end", label, ""
                label = ""
            elif found.re is _START:
                label = found["label"]
                yield "start", label, ""
            else:
                yield "words", found["label"], found[0]


def student_notebook(chapter: Notebook, answers: Mapping[str, Answer] | None = None) -> Notebook:
    """Return a chapter with an empty cell in the place of each solution.

    Parameters
    ----------
    chapter : nbformat.NotebookNode
        From :func:`read_chapter`.
    answers : mapping, optional
        From :func:`book_answers`; each empty cell then says what kind of value its last
        line should have.

    Returns
    -------
    nbformat.NotebookNode
        The answers carry the exercise's label in their metadata, where the checker
        looks for them.
    """
    cells = []
    for where, label, piece in _pieces(chapter):
        if where == "outside":
            cells.append(_copied(piece))
        elif where == "start":
            cells.append(_cell("code", _empty(label, answers), ftz_exercise=label))
        elif where == "words":
            cells.append(_cell("markdown", f"*Your answer to {label}, in words.*"))
    return _notebook(cells)


def _empty(label: str, answers: Mapping[str, Answer] | None) -> str:
    if answers is None:
        return EMPTY
    wanted = answers.get(label)
    if wanted is None:
        return f"{EMPTY}; a person reads it"
    return f"{EMPTY}; its last line: {shape(wanted)}"


def _is_empty(source: str) -> bool:
    return all(not line.strip() or line.strip().startswith("#") for line in source.splitlines())


def full_notebook(chapter: Notebook, *, before: Sequence[Notebook] = ()) -> Notebook:
    """Return a chapter with its solutions, in Markdown that any Jupyter shows.

    Parameters
    ----------
    chapter : nbformat.NotebookNode
        From :func:`read_chapter`.
    before : sequence of cells
        Put in front, such as how to run it.

    Returns
    -------
    nbformat.NotebookNode
        The code cells are those of the chapter, unchanged and in order.
    """
    cells = list(before)
    for where, label, piece in _pieces(chapter):
        if where in ("outside", "inside"):
            cells.append(_copied(piece))
        elif where == "start":
            cells.append(_cell("markdown", f"**Solution** of {label}."))
        elif where == "words":
            inside = "\n".join(str(piece).splitlines()[1:-1])
            body = re.sub(r"^:\w[^\n]*$", "", inside, flags=re.M)
            cells.append(_cell("markdown", f"**Solution** of {label}.\n\n{plain(body.strip())}"))
    return _notebook(cells)


def _copied(piece: Notebook | str) -> Notebook:
    if isinstance(piece, str):
        return _cell("markdown", plain(piece))
    tags = piece.metadata.get("tags")
    return _cell("code", piece.source, **({"tags": list(tags)} if tags else {}))


# -- MyST in the Markdown of any Jupyter -------------------------------------------------

_DIRECTIVE = re.compile(
    _FENCE + r"\{(?P<name>[\w:-]+)\}[ \t]*(?P<title>[^\n]*)\n(?P<body>.*?)^(?P=fence)[ \t]*$",
    re.M | re.S,
)
_ROLE = re.compile(r"\{(?P<role>[\w:-]+)\}`(?P<text>[^`]*)`")
_OPTION = re.compile(r"\A(?::[\w-]+:[^\n]*\n)+")


def plain(text: str) -> str:
    """Return MyST text as Markdown that reads well without MyST.

    Directives become quotations with their title, labelled equations plain ones, roles
    their text; a pasted number becomes the name under which its cell glued it.
    """
    text = re.sub(r"^\([\w:-]+\)=[ \t]*\n", "", text, flags=re.M)
    return _ROLE.sub(_plain_role, _DIRECTIVE.sub(_plain_directive, text))


def _plain_directive(found: re.Match[str]) -> str:
    body = _OPTION.sub("", found["body"]).strip("\n")
    if found["name"] == "math":
        return f"$$\n{body}\n$$"
    title = found["title"].strip() or found["name"].capitalize()
    quoted = "\n".join(f"> {line}".rstrip() for line in body.splitlines())
    return f"> **{title}**\n>\n{quoted}"


def _plain_role(found: re.Match[str]) -> str:
    role, text = found["role"], found["text"]
    said = re.sub(r"\s*<[^>]*>$", "", text)
    if role.startswith("glue"):
        return f"⟨{text.split('::')[-1].rsplit(':', 1)[0]}⟩"
    if role.startswith("cite"):
        return f"[{said}]"
    if role in ("func", "class", "meth", "mod"):
        return f"`{said.lstrip('~!')}`"
    return f"*{said}*" if role in ("ref", "doc", "numref") else said


# -- answers -----------------------------------------------------------------------------


def answer(value: object) -> Answer:
    """Return a value as plain numbers and words that can be compared.

    Parameters
    ----------
    value : object
        Number, text, list, mapping, array, Series, DataFrame, table or a frozen result.

    Returns
    -------
    list, dict, float, str or None
        ``None`` for what cannot be compared: a figure, a function, nothing at all.
    """
    try:
        found = _answer(value)
    except _NotComparableError:
        return None
    return found if _size(found) <= _MOST_NUMBERS else None


class _NotComparableError(Exception):
    pass


def _answer(value: object) -> Answer:
    import numpy as np
    import pandas as pd

    from ftz.tables import Table

    if isinstance(value, Table):
        return _shown(value.frame)
    if isinstance(value, str):
        return value
    if isinstance(value, bool | np.bool_):
        return float(value)
    if isinstance(value, Real | Decimal | Fraction):
        return float(value)
    if isinstance(value, pd.DataFrame):
        return {str(name): _answer(column) for name, column in value.items()}
    if isinstance(value, pd.Series):
        return {str(name): _answer(item) for name, item in value.items()}
    if isinstance(value, Mapping):
        return {str(name): _answer(item) for name, item in value.items()}
    if isinstance(value, np.ndarray | pd.Index):
        return [_answer(item) for item in value.tolist()]
    if isinstance(value, list | tuple | range):
        return [_answer(item) for item in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        parts = {f.name: answer(getattr(value, f.name)) for f in dataclasses.fields(value)}
        kept = {name: part for name, part in parts.items() if part is not None}
        if kept:
            return kept
    raise _NotComparableError


def _shown(frame: pd.DataFrame) -> Answer:
    """Return the numbers that a table prints, by columns; its caption and labels are no answer."""
    columns = [[str(cell) for cell in frame.iloc[:, i]] for i in range(frame.shape[1])]
    numbers = [c for c in columns if c and all(_number(cell) is not None for cell in c)]
    if not numbers:
        raise _NotComparableError
    return numbers[0] if len(numbers) == 1 else list(numbers)


def _number(text: str) -> Decimal | None:
    """Return the number that a text prints, stars and thousands aside; percents as shares."""
    shown = text.strip().rstrip("*").replace(",", "")
    try:
        printed = Decimal(shown.removesuffix("%").rstrip())
    except InvalidOperation:
        return None
    if not printed.is_finite():
        return None
    return printed.scaleb(-2) if shown.endswith("%") else printed


def _size(found: Answer) -> int:
    if isinstance(found, dict):
        return sum(map(_size, found.values()))
    return sum(map(_size, found)) if isinstance(found, list) else 1


def same(expected: Answer, found: Answer) -> bool:
    """Tell whether two answers agree.

    Numbers agree within :data:`RELATIVE` or :data:`ABSOLUTE`, words exactly; a number agrees
    with a text that prints it, to half a unit of the last digit.  A mapping agrees with a
    list of the same values in the same order.
    """
    if isinstance(expected, float | int) and isinstance(found, float | int):
        if math.isnan(expected) or math.isnan(found):
            return math.isnan(expected) and math.isnan(found)
        return math.isclose(expected, found, rel_tol=RELATIVE, abs_tol=ABSOLUTE)
    if isinstance(expected, str) and isinstance(found, str):
        return expected.split() == found.split()
    if isinstance(expected, str) and isinstance(found, float | int):
        return _prints(expected, found)
    if isinstance(found, str) and isinstance(expected, float | int):
        return _prints(found, expected)
    if isinstance(expected, dict) and isinstance(found, dict):
        return set(expected) == set(found) and all(same(expected[k], found[k]) for k in expected)
    first, second = _values(expected), _values(found)
    if first is None or second is None or len(first) != len(second):
        return False
    return all(map(same, first, second))


def _prints(text: str, number: float) -> bool:
    """Tell whether a text is a number's print, rounded at its last digit."""
    printed = _number(text)
    if printed is None:
        return False
    half = 0.5 * 10.0 ** int(printed.as_tuple().exponent)
    return abs(number - float(printed)) <= half * (1 + 1e-9)


def _values(found: Answer) -> list[Answer] | None:
    if isinstance(found, dict):
        return list(found.values())
    return found if isinstance(found, list) else None


def shape(found: Answer) -> str:
    """Say in words what kind of value an answer is, without saying which."""
    if found is None:
        return "nothing that can be compared"
    if isinstance(found, float | int):
        return "a number (or True or False)"
    if isinstance(found, str):
        return "a text"
    if isinstance(found, dict):
        return f"a table or mapping with {', '.join(map(repr, list(found)[:8]))}"
    return f"{len(found)} values"


# -- running -----------------------------------------------------------------------------


def run(notebook: Notebook, answers: Mapping[str, int], folder: Path) -> dict[str, Answer]:
    """Execute a notebook and return the value at the end of some of its cells.

    Parameters
    ----------
    notebook : nbformat.NotebookNode
        Executed from the first cell to the last; a cell that fails is passed over.
    answers : mapping of str to int
        Label to the index of the cell whose value is wanted.
    folder : pathlib.Path
        Where the kernel runs.

    Returns
    -------
    dict
        Label to answer; ``None`` where the cell failed or ends in no value.
    """
    import tempfile

    from nbclient import NotebookClient
    from traitlets.config import Config

    nbformat = _nbformat()
    labels = {index: label for label, index in answers.items()}
    cells = []
    for index, cell in enumerate(notebook.cells):
        cells.append(cell)
        if index in labels:
            cells.append(_cell("code", _RECORD.format(label=labels[index])))
    recording = nbformat.v4.new_notebook(cells=cells, metadata=notebook.metadata)
    with tempfile.TemporaryDirectory(prefix="ftz-") as sockets:
        transport = {"transport": "ipc", "connection_file": str(Path(sockets, "kernel.json"))}
        NotebookClient(
            recording,
            timeout=600,
            allow_errors=True,
            resources={"metadata": {"path": str(folder)}},
            config=Config({"KernelManager": transport}),
        ).execute()
    return {label: None for label in answers} | _recorded(recording)


#: Runs after an answer: ``Out`` has the value that the cell before displayed, if it did.
_RECORD = (
    "import json as _json; from ftz.students import answer as _answer; "
    f"print('{_MARK}' + _json.dumps(['{{label}}', _answer(Out.get(len(In) - 2))]))"
)


def _recorded(notebook: Notebook) -> dict[str, Answer]:
    found = {}
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            for line in str(output.get("text", "")).splitlines():
                if line.startswith(_MARK):
                    label, value = json.loads(line.removeprefix(_MARK))
                    found[label] = value
    return found


def book_answers(chapter: Notebook, folder: Path) -> dict[str, Answer]:
    """Execute a chapter with its solutions and return what they answer.

    Parameters
    ----------
    chapter : nbformat.NotebookNode
        From :func:`read_chapter`.
    folder : pathlib.Path
        Where the chapter stands.

    Returns
    -------
    dict
        Exercise to answer; ``None`` for those that a person reads.
    """
    cells: list[Notebook] = []
    labels: dict[str, int | None] = {}
    for where, label, piece in _pieces(chapter):
        if where in ("start", "words"):
            labels[label] = None
        elif not isinstance(piece, str):
            cells.append(_cell("code", piece.source))
            if where == "inside":
                labels[label] = len(cells) - 1
    wanted = {label: index for label, index in labels.items() if index is not None}
    found = run(_notebook(cells), wanted, folder) if wanted else {}
    return {label: found.get(label) for label in labels}


@dataclass(frozen=True)
class Mark:
    """The verdict on one exercise: *pass*, *fail* or *read by a person*, and why."""

    chapter: str
    exercise: str
    verdict: str
    reason: str = ""

    def __str__(self) -> str:
        start = f"{self.verdict:16}  {self.exercise}"
        return f"{start}: {self.reason}" if self.reason else start


def mark(
    chapter: str, expected: Mapping[str, Answer], notebook: Notebook, folder: Path
) -> list[Mark]:
    """Execute a student's notebook and hold its answers against the book's.

    Parameters
    ----------
    chapter : str
        The chapter's name, for the report.
    expected : mapping
        From :func:`book_answers`.
    notebook : nbformat.NotebookNode
        A student's, made from :func:`student_notebook`.
    folder : pathlib.Path
        Where it stands.

    Returns
    -------
    list of Mark
        One an exercise, in the order of the book.
    """
    places = {
        cell.metadata["ftz_exercise"]: index
        for index, cell in enumerate(notebook.cells)
        if cell.cell_type == "code" and "ftz_exercise" in cell.metadata
    }
    asked = {label: places[label] for label in expected if label in places}
    started = {k: i for k, i in asked.items() if not _is_empty(notebook.cells[i].source)}
    found = run(notebook, started, folder) if started else {}
    return [
        _judge(chapter, label, wanted, places, started, found) for label, wanted in expected.items()
    ]


def _judge(
    chapter: str,
    label: str,
    wanted: Answer,
    places: Mapping[str, int],
    started: Mapping[str, int],
    found: Mapping[str, Answer],
) -> Mark:
    if wanted is None:
        return Mark(chapter, label, PERSON)
    if label not in places:
        return Mark(chapter, label, FAIL, "its cell is gone: write the notebooks again")
    if label not in started:
        return Mark(chapter, label, FAIL, f"no answer yet; asked for is {shape(wanted)}")
    given = found.get(label)
    if same(wanted, given):
        return Mark(chapter, label, PASS)
    if given is None:
        return Mark(
            chapter,
            label,
            FAIL,
            f"no value in the last line (or an error); asked for is {shape(wanted)}",
        )
    if shape(given) != shape(wanted):
        return Mark(chapter, label, FAIL, f"{shape(given)}; asked for is {shape(wanted)}")
    return Mark(chapter, label, FAIL, "the right kind of value, but not this one")


# -- the command -------------------------------------------------------------------------

_CHECK = '''"""Say which exercises pass: python check.py [CHAPTER ...]."""

import sys
from pathlib import Path

from ftz.students import check

if __name__ == "__main__":
    raise SystemExit(check(Path(__file__).parent, sys.argv[1:]))
'''


def write(chapters: Sequence[Path], out: Path) -> dict[str, dict[str, Answer]]:
    """Write notebooks without solutions, the book's answers and ``check.py``.

    Parameters
    ----------
    chapters : sequence of pathlib.Path
        Text notebooks; those without exercises are left out.
    out : pathlib.Path
        The folder, made if it is not there.  A student's notebooks of the same name are
        written over.

    Returns
    -------
    dict
        Chapter to exercise to answer, as in ``answers.json``.
    """
    nbformat = _nbformat()
    read = {path: read_chapter(path) for path in chapters}
    read = {
        path: nb
        for path, nb in read.items()
        if any(w in ("start", "words") for w, _, _ in _pieces(nb))
    }
    with ThreadPoolExecutor(_jobs()) as pool:
        found = pool.map(lambda item: book_answers(item[1], item[0].parent), read.items())
        answers = {path.stem: labels for path, labels in zip(read, found, strict=True)}
    out.mkdir(parents=True, exist_ok=True)
    for path, chapter in read.items():
        empty = student_notebook(chapter, answers[path.stem])
        nbformat.write(empty, out / f"{path.stem}.ipynb")
    text = json.dumps(answers, indent=1, ensure_ascii=False)
    (out / "answers.json").write_text(text + "\n", encoding="utf-8")
    (out / "check.py").write_text(_CHECK, encoding="utf-8")
    return answers


def _jobs() -> int:
    return max(1, int(os.environ.get("FTZ_JOBS") or os.cpu_count() or 1))


def check(folder: Path, chapters: Sequence[str] = ()) -> int:
    """Mark the notebooks of a folder and print the marks.

    Parameters
    ----------
    folder : pathlib.Path
        Written by :func:`write`.
    chapters : sequence of str
        Names of chapters, with or without ``.ipynb``; all, if none is named.

    Returns
    -------
    int
        The exit code: 0 if nothing failed, 1 otherwise, 2 for a folder or a chapter that
        is not there.
    """
    try:
        marks = _marks(folder, [Path(name).stem for name in chapters])
    except FtzError as error:
        print(f"check: {error}", file=sys.stderr)
        return 2
    for name in dict.fromkeys(m.chapter for m in marks):
        print(name)
        for one in marks:
            if one.chapter == name:
                print(f"  {one}")
    counts = {word: sum(m.verdict == word for m in marks) for word in (PASS, FAIL, PERSON)}
    print(", ".join(f"{number} {word}" for word, number in counts.items()))
    return 1 if counts[FAIL] else 0


def _marks(folder: Path, chapters: Sequence[str]) -> list[Mark]:
    nbformat = _nbformat()
    try:
        answers = json.loads((folder / "answers.json").read_text("utf-8"))
    except (OSError, ValueError):
        raise FtzError(f"{folder / 'answers.json'} cannot be read: run make students") from None
    unknown = [name for name in chapters if name not in answers]
    if unknown:
        raise FtzError(f"no chapter {unknown[0]!r}: there are {', '.join(answers)}")
    marks = []
    for name in chapters or answers:
        path = folder / f"{name}.ipynb"
        if not path.is_file():
            raise FtzError(f"{path} is not there: run make students, or name other chapters")
        notebook = nbformat.read(path, as_version=4)
        marks += mark(name, answers[name], notebook, folder)
    return marks


def main(arguments: list[str] | None = None) -> int:
    """Run ``python -m ftz.students``; return the exit code."""
    description = "Write the chapters as notebooks without solutions, and a checker."
    return run_command("ftz.students", description, _add_arguments, _run, arguments)


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    parser.add_argument(
        "chapters", nargs="*", type=Path, metavar="CHAPTER.md", help="all computed ones, if none"
    )


def _run(options: argparse.Namespace) -> int:
    from ftz.paths import data_dir

    chapters = options.chapters or sorted((data_dir().parent / "notebooks").glob("*.md"))
    answers = write(chapters, options.out)
    labels = [found for part in answers.values() for found in part.values()]
    by_person = sum(found is None for found in labels)
    print(
        f"{len(answers)} notebooks with {len(labels)} exercises in {options.out}, "
        f"{by_person} of them read by a person"
    )
    print(f"python {options.out / 'check.py'} says which pass")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
