"""The book's own exercises: solutions pass, in any form; what a student gets wrong fails."""

from __future__ import annotations

import ast
import random
import re
from decimal import Decimal
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest

from bookworks import _checker as checker
from bookworks import _students as students
from bookworks._checker import KEY, numbers, read, same
from bookworks.book import NOTEBOOKS
from conftest import ROOT

TOC = (ROOT / "_toc.yml").read_text("utf-8")


def _chapters(folder: Path) -> dict[str, nbformat.NotebookNode]:
    paths = sorted(folder.rglob("*.ipynb"))
    return {path.stem: nbformat.read(path, as_version=4) for path in paths}


def _right(reading: list[checker.Part]) -> list[object]:
    """Return right answers in other forms than the book's."""
    shown = [(names, number) for names, text in reading for number in numbers(text)]
    values = [float(number) for _, number in shown]
    units = [10.0 ** int(number.as_tuple().exponent) for _, number in shown]
    unrounded = [
        v + 0.4 * u * (-1) ** i for i, (v, u) in enumerate(zip(values, units, strict=True))
    ]
    forms: list[object] = [values, tuple(map(Decimal, map(str, values))), np.array(unrounded)]
    names = [" ".join(names) for names, _ in shown]
    if len(shown) == 1:
        forms += [unrounded[0], {"my own name": values[0]}]
    elif len(set(names)) == len(names):
        named = list(zip(shown, unrounded, strict=True))
        random.Random(0).shuffle(named)
        labels = pd.MultiIndex.from_tuples([one[0] for one, _ in named])
        forms += [
            dict(zip(names, unrounded, strict=True)),
            pd.Series([v for _, v in named], labels),
        ]
    return forms


def _wrong(reading: list[checker.Part]) -> list[object]:
    """Return wrong answers that a student would give: a guess, a sign, a unit, too few."""
    shown = [number for _, text in reading for number in numbers(text)]
    values = [float(number) for number in shown]
    units = [10.0 ** int(number.as_tuple().exponent) for number in shown]
    forms: list[object] = [True, [True] * len(shown)]
    forms.append([v + 2 * u for v, u in zip(values, units, strict=True)])
    if any(abs(v) > u for v, u in zip(values, units, strict=True)):
        forms.append([-v for v in values])
    if len(values) > 1:
        forms.append(values[0])
    return forms


def _asked() -> dict[str, tuple[str, str]]:
    """Return the label of each exercise to its title and the text of its solution."""
    found = {}
    for path in sorted([*ROOT.glob("book/*.md"), *ROOT.glob("notebooks/*.md")]):
        text = path.read_text("utf-8")
        for title, label in re.findall(r"^`{3,}\{exercise\}(.*)\n:label: (\S+)", text, re.M):
            start = re.search(rf"^(`{{3,}})\{{solution(-start)?\}} {label}\n", text, re.M)
            assert start, f"{path.name}: {label} has no solution"
            end = rf"^{start[1]}" + (r"\{solution-end\}" if start[2] else "$")
            rest = text[start.end() :]
            found[label] = title.strip(), rest[: re.search(end, rest, re.M).start()]
    return found


def _cells(text: str) -> str:
    cells = re.findall(
        r"^```\{code-cell\}[^\n]*\n(?:---\n.*?\n---\n|(?::.*\n)*)(.*?)^```$", text, re.M | re.S
    )
    return "\n".join(cells)


def _names(source: str, kind: type) -> set[str]:
    found = (n for n in ast.walk(ast.parse(source)) if isinstance(n, ast.Name))
    return {n.id for n in found if isinstance(n.ctx, kind)}


@pytest.mark.parametrize(
    "chapter", [p.stem for p in sorted(ROOT.glob("notebooks/*.md")) if "-appendix" not in p.stem]
)
def test_a_chapter_has_two_exercises_that_a_student_can_vary(chapter):
    """Their answers are worked out anew from what stands in names that begin with ``my_``."""
    files = [ROOT / "notebooks" / f"{chapter}.md"]
    appendix = re.search(rf"file: notebooks/{chapter}\n +sections:\n +- file: (notebooks/\S+)", TOC)
    files += [ROOT / f"{appendix[1]}.md"] if appendix else []
    varied = 0
    for path in files:
        text = path.read_text("utf-8")
        solutions = {k: _cells(s) for k, (_, s) in _asked().items() if f" {k}\n" in text}
        chapter_s = _cells(text)
        for source in solutions.values():
            chapter_s = chapter_s.replace(source, "")
        assert not re.search(r"\bmy_", chapter_s), f"{path.name}: a student may set these"
        for label, source in solutions.items():
            given = checker.choices(source)
            varied += bool(given)
            question = re.search(rf":label: {label}\n(.*?)^```+$", text, re.M | re.S)[1]
            for name, line in given.items():
                assert f"`{name}`" in question, f"{label} does not name {name}"
                own = _names(source, ast.Store) - given.keys()
                assert not _names(line, ast.Load) & own, f"{label}: {name} rests on the solution"
            others = "\n".join(s for k, s in solutions.items() if k != label)
            only_there = _names(others, ast.Store) - _names(chapter_s + source, ast.Store)
            assert not _names(source, ast.Load) & only_there, f"{label} rests on another solution"
    assert varied >= 2


@pytest.mark.parametrize("label", _asked())
def test_an_exercise_has_a_level_and_a_value_or_a_rubric_of_three_lines(label):
    title, solution = _asked()[label]
    assert title in ("Reading", "Computing", "Thinking")
    source = _cells(solution)
    last = ast.parse(source).body[-1] if source else None
    if isinstance(last, ast.Expr) and not ast.unparse(last).startswith("print("):
        return
    rubric = solution.split("A full answer:")[-1]
    assert len(re.findall(r"^- \S.*\.$", rubric, re.M)) == 3, "no value to compare, no rubric"


@pytest.mark.slow
def test_every_exercise_takes_right_answers_in_any_form_and_no_wrong_one(html):
    checked = 0
    for chapter, notebook in _chapters(html / NOTEBOOKS).items():
        _, tasks = students.student_notebook(notebook)
        for label, task in tasks.items():
            if "answer" not in task:
                continue
            checked += 1
            expected = checker.decode(task["answer"])
            where = f"{chapter}, {label}"
            assert same(expected, expected), where
            assert not same(expected, read(True)), where
            if any(numbers(text) for _, text in expected[0]):
                for value in _right(expected[0]):
                    assert same(expected, read(value)), (where, value)
                for value in _wrong(expected[0]):
                    assert not same(expected, read(value)), (where, value)
            else:
                words = [text for _, text in expected[0]]
                assert same(expected, read(np.array(words))), where
                assert not same(expected, read(words[:-1])), where
                assert not same(expected, read([*words[:-1], "something else"])), where
    assert checked >= 30


@pytest.mark.slow
def test_no_solution_reaches_a_student_and_no_name_is_left_for_a_number(html):
    exercises = 0
    for chapter, notebook in _chapters(html / NOTEBOOKS).items():
        text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
        assert "⟨" not in text and "{glue" not in text and "```{" not in text, chapter
        shown, tasks = students.student_notebook(notebook)
        exercises += len(tasks)
        left = "\n".join(cell.source for cell in shown.cells)
        for cell in notebook.cells:
            if "solution" in cell.metadata.get(KEY, {}):
                assert cell.source not in left, chapter
        page = next(html.glob(f"*/{chapter}.html")).read_text("utf-8") if tasks else ""
        for label, task in tasks.items():
            block = page[page.index(f'id="{label}"') :]
            number = re.search(r'class="caption-number">(Exercise \d+)', block)
            assert number and task["name"] == number[1], f"{chapter}: {label}"
    sources = [*ROOT.glob("book/*.md"), *ROOT.glob("notebooks/*.md")]
    asked = r"^`{3,}\{exercise\}"
    assert exercises == sum(len(re.findall(asked, p.read_text("utf-8"), re.M)) for p in sources)


@pytest.mark.slow
def test_official_solutions_pass_and_an_empty_notebook_fails(html, tmp_path):
    """One cheap chapter from end to end: a student's notebook with the book's solutions in it."""
    students.write(html / NOTEBOOKS, tmp_path, ["mechanisms"])
    book = _chapters(html / NOTEBOOKS)["mechanisms"]
    notebook = nbformat.read(tmp_path / "mechanisms.ipynb", as_version=4)
    asked = students.student_notebook(book)[1]
    compared = {task["name"] for task in asked.values() if "answer" in task}
    assert len(compared) >= 3
    marks = checker.mark(asked, notebook, tmp_path)
    assert {mark.exercise for mark in marks if mark.verdict == checker.FAIL} == compared
    for cell in notebook.cells:
        if label := cell.metadata.get(KEY, {}).get("exercise"):
            own = [c for c in book.cells if c.metadata.get(KEY, {}).get("solution") == label]
            cell.source = "\n".join(c.source for c in own if c.cell_type == "code")
    marks = checker.mark(asked, notebook, tmp_path)
    assert {mark.exercise for mark in marks if mark.verdict == checker.PASS} == compared
