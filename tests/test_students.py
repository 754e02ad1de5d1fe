"""Notebooks for students and their checker: solutions pass, empty notebooks fail."""

from __future__ import annotations

import json
from decimal import Decimal
from fractions import Fraction

import nbformat
import numpy as np
import pandas as pd
import pytest

from conftest import ROOT, code_chapters
from ftz import students, tables
from ftz.errors import FtzError

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

CHAPTER = """(ch-small)=
# A small chapter

See {ref}`ch-other`, {cite:t}`somebody_2000`; the sum is {glue:text}`small-sum:d`.

```{code-cell} ipython3
numbers = [1, 2, 3]
```

```{exercise}
:label: ex-small-sum

What is their sum?
```

```{solution-start} ex-small-sum
:class: dropdown
```

Add them.

```{code-cell} ipython3
total = sum(numbers)
```

```{code-cell} ipython3
total, total / 4
```

```{solution-end}
```

```{exercise}
:label: ex-small-print

Say it.
```

```{solution-start} ex-small-print
```

```{code-cell} ipython3
print(total)
```

```{solution-end}
```

````{exercise}
:label: ex-small-why
Why?
````

````{solution} ex-small-why
:class: dropdown

Because addition says so.
````

## After the exercises
"""


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """Return the folder of a small chapter and of the student's notebooks made from it."""
    folder = tmp_path_factory.mktemp("small")
    chapter = folder / "small.md"
    chapter.write_text(HEADER + CHAPTER, encoding="utf-8")
    answers = students.write([chapter], folder / "students")
    return folder, answers


def _read(folder):
    return nbformat.read(folder / "students" / "small.ipynb", as_version=4)


def _answered(notebook, **sources):
    for cell in notebook.cells:
        label = cell.metadata.get("ftz_exercise", "").replace("-", "_")
        if label in sources:
            cell.source = sources[label]
    return notebook


def _verdicts(small, notebook):
    folder, answers = small
    marks = students.mark("small", answers["small"], notebook, folder)
    return {m.exercise: m.verdict for m in marks}, marks


def test_the_book_s_answers_are_the_last_values_of_its_solutions(small):
    assert small[1] == {
        "small": {"ex-small-sum": [6.0, 1.5], "ex-small-print": None, "ex-small-why": None}
    }


def test_a_student_s_notebook_holds_the_exercises_and_no_solution(small):
    notebook = _read(small[0])
    nbformat.validate(notebook)
    text = "\n".join(cell.source for cell in notebook.cells)
    assert "What is their sum?" in text and "After the exercises" in text
    for secret in ("total", "Add them", "Because addition"):
        assert secret not in text
    labels = [c.metadata["ftz_exercise"] for c in notebook.cells if "ftz_exercise" in c.metadata]
    assert labels == ["ex-small-sum", "ex-small-print"]


def test_text_reads_well_without_myst(small):
    text = _read(small[0]).cells[0].source
    assert text.startswith("# A small chapter")
    assert "See *ch-other*, [somebody_2000]; the sum is ⟨small-sum⟩." in text
    assert "{" not in text


def test_writing_twice_gives_the_same_bytes(small, tmp_path):
    folder, _ = small
    first = nbformat.writes(students.student_notebook(students.read_chapter(folder / "small.md")))
    again = nbformat.writes(students.student_notebook(students.read_chapter(folder / "small.md")))
    assert first == again


def test_an_empty_notebook_fails(small):
    verdicts, marks = _verdicts(small, _read(small[0]))
    assert verdicts == {
        "ex-small-sum": students.FAIL,
        "ex-small-print": students.PERSON,
        "ex-small-why": students.PERSON,
    }
    assert "no answer yet" in marks[0].reason


def test_another_way_to_the_same_values_passes(small):
    notebook = _answered(_read(small[0]), ex_small_sum="import math\n[6, math.fsum(numbers) / 4]")
    assert _verdicts(small, notebook)[0]["ex-small-sum"] == students.PASS


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("sum(numbers), 1.6", "not this one"),
        ("sum(numbers)", "a number"),
        ("total = sum(numbers)", "no value in the last line"),
        ("undefined_name", "no value in the last line"),
    ],
)
def test_a_wrong_answer_fails_and_says_why(small, source, reason):
    verdicts, marks = _verdicts(small, _answered(_read(small[0]), ex_small_sum=source))
    assert verdicts["ex-small-sum"] == students.FAIL
    assert reason in marks[0].reason
    assert "1.5" not in marks[0].reason, "a report does not give the answer away"


def test_a_lost_cell_is_named(small):
    notebook = _read(small[0])
    notebook.cells = [c for c in notebook.cells if "ftz_exercise" not in c.metadata]
    assert "cell is gone" in _verdicts(small, notebook)[1][0].reason


def test_the_command_says_which_pass(small, capsys):
    folder = small[0] / "students"
    assert students.check(folder) == 1
    assert "ex-small-sum: no answer yet" in capsys.readouterr().out
    assert students.check(folder, ["other"]) == 2
    assert "there are small" in capsys.readouterr().err
    assert students.check(small[0]) == 2
    assert "make students" in capsys.readouterr().err
    assert "ftz.students" in (folder / "check.py").read_text(encoding="utf-8")


def test_make_students_says_what_it_wrote(small, tmp_path, capsys):
    chapter = str(small[0] / "small.md")
    assert students.main(["--out", str(tmp_path), chapter]) == 0
    said = capsys.readouterr().out
    assert "1 notebooks with 3 exercises" in said and "2 of them read by a person" in said
    assert {p.name for p in tmp_path.iterdir()} == {"small.ipynb", "answers.json", "check.py"}
    assert students.main(["--out", str(tmp_path), "nothing.md"]) == 2
    assert "no such chapter" in capsys.readouterr().err


def test_a_notebook_that_is_gone_is_named(tmp_path, capsys):
    (tmp_path / "answers.json").write_text('{"small": {"ex-a": 1.0}}')
    assert students.check(tmp_path) == 2
    assert "small.ipynb is not there" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("myst", "markdown"),
    [
        ("(ch-x)=\n# X", "# X"),
        ("```{math}\n:label: eq-x\ny = x\n```", "$$\ny = x\n$$"),
        ("```{admonition} Mind\n:class: note\nthis\n```", "> **Mind**\n>\n> this"),
        ("````{exercise}\n:label: ex-x\nWhy?\n````", "> **Exercise**\n>\n> Why?"),
        ("{func}`~ftz.did.twfe` and {term}`words <entry>`", "`ftz.did.twfe` and words"),
        ("{glue:text}`page.md::key:.3f`", "⟨key⟩"),
        ("{cite:t}`a,b` in {numref}`fig-x`", "[a,b] in *fig-x*"),
        ("{eq}`eq-x`", "eq-x"),
    ],
)
def test_myst_becomes_markdown(myst, markdown):
    assert students.plain(myst).strip() == markdown


def test_a_full_notebook_keeps_the_solutions(small):
    notebook = students.full_notebook(students.read_chapter(small[0] / "small.md"))
    text = "\n".join(cell.source for cell in notebook.cells)
    assert "**Solution** of ex-small-sum." in text and "total = sum(numbers)" in text
    assert "**Solution** of ex-small-why.\n\nBecause addition says so." in text


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "nothing"),
        (1.0, "a number"),
        ("a", "a text"),
        ({"a": 1.0}, "with 'a'"),
        ([1.0, 2.0], "2 values"),
    ],
)
def test_the_kind_of_an_answer_is_said_in_words(value, said):
    assert said in students.shape(value)


def test_a_result_is_compared_by_its_parts():
    from ftz.published import Interval

    assert students.answer(Interval(Decimal(1), Decimal(2))) == {"low": 1.0, "high": 2.0}


def test_a_chapter_that_is_none_is_refused(tmp_path):
    with pytest.raises(FtzError, match="no such chapter"):
        students.read_chapter(tmp_path / "nothing.md")
    (tmp_path / "prose.md").write_text("# Prose\n", encoding="utf-8")
    with pytest.raises(FtzError, match="names no kernel"):
        students.read_chapter(tmp_path / "prose.md")


# -- comparing values --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (True, 1.0),
        (np.float64(0.5), 0.5),
        (Decimal("0.25"), 0.25),
        (Fraction(1, 4), 0.25),
        ("words", "words"),
        ((1, "a"), [1.0, "a"]),
        (np.array([[1, 2]]), [[1.0, 2.0]]),
        (pd.Series({"a": 1.0}), {"a": 1.0}),
        (pd.DataFrame({"x": [1]}, index=["a"]), {"x": {"a": 1.0}}),
        (None, None),
        (len, None),
        ([len], None),
        (list(range(10_000)), None),
    ],
)
def test_values_become_numbers_and_words(value, found):
    assert students.answer(value) == found


def test_of_a_table_its_numbers_count_and_nothing_else():
    frame = pd.DataFrame([("zone", "0.191***"), ("linkage", "0")], columns=["row", "estimate"])
    assert students.answer(tables.Table(frame, "a caption")) == ["0.191***", "0"]
    two = tables.Table(frame.assign(error=["0.01", "0.02"]))
    assert students.answer(two) == [["0.191***", "0"], ["0.01", "0.02"]]
    assert students.answer(tables.Table(frame[["row"]])) is None


@pytest.mark.parametrize(
    ("first", "second", "agree"),
    [
        (1.0, 1.0 + 1e-8, True),
        (1.0, 1.0 + 1e-4, False),
        (float("nan"), float("nan"), True),
        (float("nan"), 0.0, False),
        ("a  b", "a b", True),
        ("a", 1.0, False),
        ("0.10", 0.1049, True),
        ("0.10", 0.106, False),
        ("1,234***", 1234.4, True),
        ("12.3%", 0.1234, True),
        ("12.3%", 12.3, False),
        (["0.10", "0.21"], {"first": 0.1, "second": 0.2096}, True),
        ({"a": 1.0}, {"b": 1.0}, False),
        ({"a": 1.0, "b": 2.0}, [1.0, 2.0], True),
        ([1.0], [1.0, 2.0], False),
        ([1.0], None, False),
    ],
)
def test_answers_agree_within_the_tolerance(first, second, agree):
    assert students.same(first, second) is agree
    assert students.same(second, first) is agree


# -- the book's own chapters -------------------------------------------------------------

COMPUTED = [path for path in code_chapters() if path.parent == ROOT / "notebooks"]


@pytest.mark.parametrize("chapter", COMPUTED, ids=lambda path: path.stem)
def test_no_solution_reaches_a_student(chapter):
    book = students.read_chapter(chapter)
    shown = students.student_notebook(book)
    source = "\n".join(cell.source for cell in shown.cells)
    pieces = list(students._pieces(book))
    hidden = [p.source for where, _, p in pieces if where == "inside" and not isinstance(p, str)]
    labels = [label for where, label, _ in pieces if where == "start"]
    assert labels or not hidden
    for code in hidden:
        assert code not in source
    answers = [c.metadata.get("ftz_exercise") for c in shown.cells if c.cell_type == "code"]
    assert [label for label in answers if label] == labels
    assert "{solution" not in source


@pytest.mark.slow
def test_official_solutions_pass_and_an_empty_notebook_fails(tmp_path):
    chapter = ROOT / "notebooks" / "mechanisms.md"
    book = students.read_chapter(chapter)
    expected = students.book_answers(book, chapter.parent)
    comparable = {label for label, value in expected.items() if value is not None}
    assert len(comparable) >= 3

    notebook = students.student_notebook(book, expected)
    solutions: dict[str, list[str]] = {}
    for where, label, piece in students._pieces(book):
        if where == "inside" and not isinstance(piece, str):
            solutions.setdefault(label, []).append(piece.source)
    for cell in notebook.cells:
        if "ftz_exercise" in cell.metadata:
            cell.source = "\n".join(solutions[cell.metadata["ftz_exercise"]])
    marks = students.mark("mechanisms", expected, notebook, tmp_path)
    assert {m.exercise for m in marks if m.verdict == students.PASS} == comparable
    assert not [str(m) for m in marks if m.verdict == students.FAIL]

    empty = students.student_notebook(book, expected)
    marks = students.mark("mechanisms", expected, empty, tmp_path)
    assert {m.exercise for m in marks if m.verdict == students.FAIL} == comparable
    json.dumps(expected)
