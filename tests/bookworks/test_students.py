"""The notebooks of students and their checker: right answers pass in any form, wrong ones fail."""

from __future__ import annotations

import itertools
import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest
import xarray
from click.testing import CliRunner

from bookworks import _checker as checker
from bookworks import _students as students
from bookworks._checker import FAIL, KEY, PASS, PERSON, judge, read
from bookworks._downloads import new_cell, new_notebook
from bookworks._errors import BookError
from bookworks.book import NOTEBOOKS
from bookworks.cli import main

# -- what the book shows -----------------------------------------------------------------


def _value(value: object) -> list[dict]:
    data = {"text/plain": repr(value)}
    return [{"output_type": "execute_result", "data": data, "metadata": {}, "execution_count": 1}]


def show(value: object) -> checker.Answer:
    """Return the answer of a solution that ends in a value, from what a kernel shows of it."""
    data = {"text/plain": repr(value)}
    if hasattr(value, "_repr_html_"):
        data["text/html"] = value._repr_html_()
    return checker.shown([{"output_type": "execute_result", "data": data}])


@dataclass(frozen=True)
class Tabled:
    """A table of words and printed numbers, as books set their results."""

    frame: pd.DataFrame

    def _repr_html_(self) -> str:
        return self.frame.to_html(index=False)


ONE = show(0.145)
SERIES = show(pd.Series({"green": 0.1912, "black tea": 0.1407}).round(3))
PERCENT = show(Tabled(pd.DataFrame({"tea": ["green", "black"], "share": ["12.3%", "4.0%"]})))
LONE = show(Tabled(pd.DataFrame([("rise", "0.0212")], columns=["what", "value"])))
YEARS = show(Tabled(pd.DataFrame({"end of": [2013, 2014, 2015], "fields": [30, 28, 7]})))
BY_YEAR = show(pd.Series({2013: 30, 2014: 28}))
GRID = show(pd.DataFrame({"kg": [1.5, 2.25], "price": [3.0, 4.5]}, index=["green", "black"]))
WORDS = show(["Assam", "Keemun"])
IN_PERCENT = show(2.4)
RULES = show(pd.Series({"boil": "hot", "stir": "cold"}))
TOLD = show(Tabled(pd.DataFrame({"what": ["boil", "stir"], "how": ["hot", "cold"]})))
INTERVALS = show(Tabled(pd.DataFrame({"what": ["a", "b"], "in": ["[0.1, 0.2]", "[1,234, 1,235]"]})))

RIGHT = [
    (ONE, 0.145),
    (ONE, 0.14461),
    (ONE, np.float64(0.1454)),
    (ONE, [0.145]),
    (ONE, {"my name": Decimal("0.145")}),
    (ONE, np.array([[0.145]])),
    (ONE, "0.145"),
    (ONE, "The mean of x2 is 0.1446."),
    (ONE, "均值为0.145"),
    (ONE, 0.14461 + 0j),
    (SERIES, np.array([0.1912, 0.1407]) + 0j),
    (SERIES, xarray.DataArray([0.1912, 0.1407])),
    (SERIES, [("black tea", 0.1407), ("green", 0.1912)]),
    (SERIES, "0.1912 and 0.1407 kg"),
    (SERIES, [0.19123456, 0.1407]),
    (SERIES, (Fraction(191, 1000), 0.141)),
    (SERIES, {"black tea": 0.1407, "green": 0.1912}),
    (SERIES, pd.Series([0.1407, 0.1912, 9.0], index=["Black  Tea", "green", "white"])),
    (SERIES, pd.DataFrame({"tea": ["black tea", "green"], "kg": [0.1407, 0.1912]})),
    (SERIES, pd.DataFrame([{"green": 0.1912, "black tea": 0.1407}])),
    (SERIES, {"another name": 0.1912, "and another": 0.1407}),
    (PERCENT, [0.1234, 0.04]),
    (PERCENT, [12.34, 4]),
    (PERCENT, {"black": "4%", "green": "12.3%"}),
    (LONE, 0.02117),
    (LONE, [0.0212]),
    (YEARS, [30, 28, 7]),
    (YEARS, pd.Series({2013: 30, 2014: 28, 2015: 7})),
    (YEARS, {2015: 7, 2014: 28, 2013: 30}),
    (BY_YEAR, pd.DataFrame({"year": [2014, 2013], "fields": [28, 30]})),
    (YEARS, [(2013, 30), (2014, 28), (2015, 7)]),
    (YEARS, [[2013, 2014, 2015], [30, 28, 7]]),
    (GRID, [[1.5, 3.0], [2.25, 4.5]]),
    (GRID, {"kg": [1.5, 2.25], "price": [3.0, 4.5]}),
    (GRID, pd.DataFrame({"black": [4.5, 2.25], "green": [3.0, 1.5]}, index=["price", "kg"])),
    (WORDS, ["keemun", "Assam"]),
    (WORDS, np.array(["Assam", "Keemun"])),
    (RULES, {"boil": "hot", "stir": "cold"}),
    (RULES, [("boil", "hot"), ("stir", "cold")]),
    (RULES, ["Hot", "cold"]),
    (RULES, {"stir": "cold", "boil": "hot"}),
    (TOLD, {"stir": "cold", "boil": "hot"}),
    (TOLD, ("hot", "cold")),
    (TOLD, pd.DataFrame({"what": ["boil", "stir"], "how": ["hot", "cold"]})),
    (INTERVALS, [pd.Interval(0.1, 0.2), pd.Interval(1234, 1235)]),
    (INTERVALS, "0.1-0.2, 1234-1235"),
    (INTERVALS, [(0.1, 0.2), (1234, 1235)]),
    (INTERVALS, [(0.19, 0.11), (1234.9, 1234.1)]),
    (IN_PERCENT, "2.4 %"),
    (IN_PERCENT, 2.43),
]
WRONG = [
    (ONE, True, "True or False"),
    (ONE, np.True_, "True or False"),
    (ONE, [True], "True or False"),
    (ONE, 0.146, "not this one"),
    (ONE, -0.145, "not this one"),
    (ONE, 0.1, "rounded too far"),
    (ONE, None, "no value"),
    (ONE, len, "no value"),
    (ONE, float("nan"), "no number"),
    (ONE, "a cup", "no number"),
    (ONE, [0.145, 0.145], "2 numbers"),
    (ONE, "1e999999999", "not this one"),
    (ONE, "0.145 or 0.2", "2 numbers"),
    (SERIES, 0.1912, "a number"),
    (SERIES, [0.1407, 0.1912], "not this one"),
    (SERIES, {"green": 0.1407, "black tea": 0.1912}, "not this one"),
    (SERIES, [0.191, 0.2], "1 of 2"),
    (SERIES, pd.Series({"green": True, "black tea": True}), "True or False"),
    (PERCENT, [0.123, 0.4], "1 of 2"),
    (PERCENT, [0.123, 4], "1 of 2"),
    (YEARS, [30, 28, 8], "2 of 3"),
    (GRID, [[1.5, 2.25], [4.5, 3.0]], "1 of 4"),
    (WORDS, ["Assam"], "not this one"),
    (RULES, ["cold", "hot"], "not this one"),
    (RULES, {"stir": "hot", "boil": "cold"}, "not this one"),
    (INTERVALS, [0.1, 1234], "2 numbers"),
    (INTERVALS, [(0.1, 0.2), (1233, 1237)], "2 of 4"),
    (IN_PERCENT, 0.024, "off by a factor of 100"),
    (IN_PERCENT, "24%", "not this one"),
]


@pytest.mark.parametrize(("expected", "value"), RIGHT, ids=itertools.count())
def test_a_right_answer_passes_in_any_form(expected, value):
    assert judge(expected, read(value)) == ""
    through_a_file = json.loads(json.dumps(read(value)))
    assert judge(checker.decode(checker.encode(expected)), through_a_file) == ""


@pytest.mark.parametrize(("expected", "value", "said"), WRONG, ids=itertools.count())
def test_a_wrong_answer_fails_and_hears_the_kind(expected, value, said):
    told = judge(expected, read(value))
    assert said in told
    for _, text in expected[0]:
        assert text not in told, "not the answer"


def test_names_weigh_more_than_order_and_extra_names_do_no_harm():
    swapped = {"black tea": 0.1912, "green": 0.1407}
    assert judge(SERIES, read(swapped)) and not judge(SERIES, read([0.1912, 0.1407]))
    assert not judge(SERIES, read({"white": 1.0, "green": 0.1912, "black tea": 0.1407}))


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (ONE, "a number with up to 3 decimals"),
        (SERIES, "2 numbers with up to 3 decimals: 'green', 'black tea'"),
        (PERCENT, "2 numbers with up to 3 decimals (percents as shares): 'green', 'black'"),
        (YEARS, "6 numbers: 'end of', 'fields'"),
        (WORDS, "2 texts"),
    ],
)
def test_the_kind_is_said_without_the_answer(answer, said):
    assert checker.kind(answer) == said


def test_what_a_kernel_shows_is_read():
    nested = pd.Series(
        [0.5, 1.25], index=pd.MultiIndex.from_tuples([("a", "x"), ("a", "y")]), name="n"
    )
    assert show(nested)[0] == [(("a", "x", ""), "0.50"), (("a", "y", ""), "1.25")]
    assert not judge(show(nested), read({"a": {"y": 1.25, "x": 0.5}}))
    assert judge(show(nested), read({"a": {"y": 0.5, "x": 1.25}}))
    assert show((np.float64(1.5), {"a": 2}))[0] == [((), "1.5"), (("a",), "2")]
    assert show(object()) == show("12 leaves and a sentence")[1:] == []
    spans = pd.DataFrame({("a", "x"): [1], ("a", "y"): [2]}, index=["row"])
    assert show(spans)[0] == [(("row", "a x"), "1"), (("row", "a y"), "2")]
    assert checker.shown([{"text": "mean 1.5 kg\n"}]) == []


def _html(text: str) -> dict:
    return {"data": {"text/html": text, "text/plain": "<IPython.core.display.HTML object>"}}


@pytest.mark.parametrize(
    ("expected", "outputs"),
    [
        (ONE, [{"text": "mean 0.1446 kg\n"}]),
        (ONE, [{"text": "n = 13\n"}, {"text": "mean 0.1446 kg\n"}]),
        (ONE, [{"text": "file.py:12: Warning\n", "name": "stderr"}, {"text": "0.145"}]),
        (ONE, [_html("<b>0.145</b>")]),
        (ONE, [*_value(0.145), {"data": {"text/plain": "[<Line2D at 0x7f12>]"}}]),
        (SERIES, [*_value(0.1912), *_value(0.1407)]),
    ],
)
def test_what_a_cell_puts_out_counts_where_its_last_line_has_no_value(expected, outputs):
    assert judge(expected, checker.shown(outputs, printed=True)) == ""


# -- notebooks ---------------------------------------------------------------------------


def _solved(label: str, *cells: dict, **about: str) -> list[dict]:
    said = {"solution": label, "name": f"Exercise {label[-1]}", **about}
    return [{**cell, "metadata": {KEY: said}} for cell in cells]


MINE = "my_price = 3\nmy_stock = [1, 4]\nkilos = 'spoilt'\n15"
VARIES = "my_price = 2  # of a kilo\nmy_stock = [\n    kilos[0], 5]\nmy_price * sum(my_stock)"


@pytest.fixture
def book(tmp_path, monkeypatch) -> Path:
    """Return the folder of a book that was built: one notebook with five exercises."""
    for name in ("_config.yml", "_toc.yml"):
        (tmp_path / name).write_text("root: a\n", encoding="utf-8")
    weigh = new_cell("code", "total = sum(kilos)\ntotal, total / 4", outputs=_value((6, 1.5)))
    say = new_cell("code", "print(total)")
    cells = [
        new_cell("markdown", "# Tea"),
        new_cell("code", "kilos = [1, 2, 3]"),
        *_solved("ex-1", new_cell("markdown", "Add them."), weigh, hint="Add."),
        new_cell("markdown", "Between."),
        *_solved("ex-2", say),
        *_solved("ex-3", new_cell("markdown", "Because addition says so.")),
        *_solved("ex-4", new_cell("code", "1 / 3", outputs=_value(0.333))),
        *_solved("ex-5", new_cell("code", VARIES, outputs=_value(12)), hint="Sell them."),
    ]
    notebooks = tmp_path / "_build" / "html" / NOTEBOOKS / "part"
    notebooks.mkdir(parents=True)
    nbformat.write(new_notebook(cells), notebooks / "tea.ipynb")
    nbformat.write(new_notebook(cells[:2]), notebooks / "plain.ipynb")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _students(*chapters: str):
    return CliRunner().invoke(main, ["students", "--out", "out", *chapters])


def _answer(book: Path, **sources: str) -> nbformat.NotebookNode:
    notebook = nbformat.read(book / "out" / "tea.ipynb", as_version=4)
    for cell in notebook.cells:
        label = cell.metadata.get(KEY, {}).get("exercise", "").replace("-", "_")
        cell.source = sources.get(label, cell.source)
    nbformat.write(notebook, book / "out" / "tea.ipynb")
    return notebook


def test_the_command_writes_notebooks_without_solutions(book):
    done = _students()
    assert done.exit_code == 0, done.output
    assert "1 notebooks with 5 exercises in out, 2 of them read by a person" in done.output
    assert {p.name for p in (book / "out").iterdir()} == {"tea.ipynb", "answers.json", "check.py"}
    notebook = nbformat.read(book / "out" / "tea.ipynb", as_version=4)
    nbformat.validate(notebook)
    text = "\n".join(cell.source for cell in notebook.cells)
    assert "Between." in text and "kilos = [1, 2, 3]" in text
    assert (
        "the answer out anew\nmy_price = 2  # of a kilo\nmy_stock = [\n    kilos[0], 5]\n#" in text
    )
    for secret in ("total", "Add them", "Because", "1 / 3", "sum(my_stock)"):
        assert secret not in text
    assert "# your answer; its last line: 2 numbers with up to 1 decimals" in text
    assert "a person reads it" in text and "*Your answer to Exercise 3, in words.*" in text
    written = (book / "out" / "answers.json").read_text("utf-8")
    for secret in ("1.5", "0.333", "sum(my"):
        assert secret not in written, "answers are not in clear"
    assert '"name": "Exercise 1"' in written


def test_writing_again_gives_the_same_bytes_and_keeps_what_was_answered(book):
    _students()
    first = {p.name: p.read_bytes() for p in (book / "out").iterdir()}
    _students()
    assert {p.name: p.read_bytes() for p in (book / "out").iterdir()} == first
    notebook = _answer(book, ex_1="6, 1.5", ex_3="Because.")
    (place,) = (n for n, cell in enumerate(notebook.cells) if cell.source == "6, 1.5")
    split = {**notebook.cells[place], "source": "# its other half"}
    notebook.cells[place : place + 1] = [
        nbformat.v4.new_code_cell("half = 2"),
        notebook.cells[place],
        nbformat.from_dict({**split, "id": "other"}),
    ]
    nbformat.write(notebook, book / "out" / "tea.ipynb")
    for _ in range(2):
        _students()
        cells = nbformat.read(book / "out" / "tea.ipynb", as_version=4).cells
        assert [cell.source for cell in cells[place : place + 2]] == ["half = 2", "6, 1.5"]
        assert len(cells) == len(notebook.cells) - 1 and "Because." in [c.source for c in cells]


def test_what_cannot_be_written_is_said(book):
    assert "no chapter tee (did you mean 'tea'?)" in _students("tee").output
    (book / "out").mkdir()
    (book / "out" / "tea.ipynb").write_text("broken", encoding="utf-8")
    assert "out/tea.ipynb is no notebook: move it away" in _students().output
    (book / "out" / "tea.ipynb").write_text("[]", encoding="utf-8")
    assert "out/tea.ipynb is no notebook: move it away" in _students().output
    into_a_file = CliRunner().invoke(main, ["students", "--out", "_toc.yml"])
    assert "_toc.yml/tea.ipynb cannot be written" in into_a_file.output
    place = book / "_build" / "html" / NOTEBOOKS
    shutil.copy(place / "part" / "tea.ipynb", place / "broken.ipynb")
    (place / "broken.ipynb").write_text("{}", encoding="utf-8")
    assert "broken.ipynb is no notebook: build the book again" in _students("broken").output
    (place / "broken.ipynb").unlink()
    shutil.copytree(place / "part", place / "other")
    assert "two chapters of one name" in _students().output
    shutil.rmtree(place)
    done = _students()
    assert done.exit_code == 2 and "build the book first" in done.output


@pytest.mark.parametrize("guess", [True, np.True_, [False, True]])
def test_no_exercise_asks_for_what_a_guess_meets(guess):
    cells = new_notebook(_solved("ex-1", new_cell("code", "x", outputs=_value(guess)))).cells
    with pytest.raises(BookError, match="ex-1 asks for True or False"):
        students.task(cells)


@pytest.mark.parametrize("value", ["a sentence that a person reads", object()])
def test_a_person_reads_sentences_and_what_has_no_value(value):
    cells = new_notebook(_solved("ex-1", new_cell("code", "x", outputs=_value(value)))).cells
    assert students.task(cells) == {"name": "Exercise 1"}


@pytest.mark.slow
def test_the_checker_runs_beside_the_notebooks_without_the_book(book):
    _students()
    _answer(
        book,
        ex_1="import math\n{'kg': 6, 'each': math.fsum(kilos) / 4}",
        ex_4="print(1 / 3)",
        ex_5=MINE,
    )

    def check(*chapters: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-I", str(book / "out" / "check.py"), *chapters]
        return subprocess.run(command, capture_output=True, text=True)

    done = check()
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{PASS:16}  Exercise 1\n" in done.stdout
    assert f"{PERSON:16}  Exercise 2\n" in done.stdout
    assert "3 pass, 0 fail, 2 read by a person" in done.stdout
    _answer(book, ex_1="kilos, no_such_name", ex_4="# nothing yet", ex_5="check = 15\n" + MINE)
    done = check("tea")
    assert done.returncode == 1
    assert "Exercise 1: the cell ends in NameError: name 'no_such_name'" in done.stdout
    assert "(Hint: Add.)" in done.stdout
    assert f"{PASS:16}  Exercise 5\n" in done.stdout
    assert "Exercise 4: no answer yet; asked for is a number with up to 3 decimals" in done.stdout


@pytest.mark.slow
def test_a_cell_that_harms_the_kernel_harms_no_answer_above_it(book, capsys, monkeypatch):
    monkeypatch.setattr(checker, "SECONDS", 2)
    _students()
    notebook = _answer(book, ex_1="check = 6, 1.5\ncheck;", ex_4="while True: pass", ex_5=MINE)
    notebook.cells += [nbformat.v4.new_code_cell("check[0]")]
    notebook.metadata.kernelspec.name, notebook.nbformat_minor = "another", 4
    for cell in notebook.cells:
        del cell["id"]
    nbformat.write(notebook, book / "out" / "tea.ipynb")
    asked = json.loads((book / "out" / "answers.json").read_text("utf-8"))
    (book / "out" / "answers.json").write_text(json.dumps({"gone": asked["tea"], **asked}))
    assert checker.check(book / "out") == 2
    said = capsys.readouterr()
    assert "gone.ipynb" in said.err and "2 pass, 1 fail, 2 read by a person" in said.out
    assert "Exercise 4: the cell ends in KeyboardInterrupt" in said.out
    _answer(book, ex_4="import os\nos._exit(1)")
    assert checker.check(book / "out", ["tea"]) == 1
    said = capsys.readouterr()
    assert f"{PASS:16}  Exercise 1" in said.out
    assert "Exercise 4: the cell ends in DeadKernel: it ended the kernel" in said.out
    assert "Exercise 5: the cell ends in DeadKernel: not run: a cell above" in said.out


NO_ANSWER = "the book has no answer for your my_price, my_stock "
ANSWERS = {
    "my_price = 3\nmy_stock = [1, 4]\n{'all': 15.0}": "",
    "my_price = 3\nmy_stock = [1, 4]\n12": "not this one; asked for is a number (Hint: Sell them.)",
    "my_price = 0.005\nmy_stock = [1]\n0.01": "rounded too far; asked for is a number with up to 3",
    "my_price = None\nmy_stock = [1]\n12": NO_ANSWER + "(TypeError: ",
    "my_stock = [1]\n12": NO_ANSWER + "(KeyError: 'my_price')",
    "my_price = 1\nmy_stock = kg\nmy_price": "the cell ends in NameError: name 'kg' is not defined",
}


@pytest.mark.parametrize("source", ANSWERS)
def test_the_answer_to_what_a_student_chose_is_worked_out_anew(book, source):
    """What the kernel would do is done here; the next test has the kernel."""
    _students()
    task = json.loads((book / "out" / "answers.json").read_text("utf-8"))["tea"]["ex-5"]
    now: dict = {"kilos": [1, 2, 3]}
    cells = [nbformat.v4.new_code_cell(source), nbformat.v4.new_code_cell("again")]

    def run(cell, value):
        try:
            cell.outputs = [nbformat.from_dict(one) for one in _value(value())]
        except Exception as error:
            said = {"ename": type(error).__name__, "evalue": str(error), "traceback": []}
            cell.outputs = [nbformat.v4.new_output("error", **said)]

    def answered():
        *_, last = source.splitlines()
        exec(source, now)
        return eval(last, now)

    run(cells[0], answered)
    run(
        cells[1], lambda: checker.again(checker.decode(task["solution"]), {"kilos": [1, 2, 3]}, now)
    )
    own, given = {"ex-5": cells[0]}, {}
    got = checker._mark("ex-5", task, own, own, given, {"ex-5": cells[1]})
    assert ANSWERS[source] in got.reason and got.verdict == (FAIL if ANSWERS[source] else PASS)


def test_a_solution_runs_with_the_student_s_values_among_the_book_s_names():
    before, now = {"kilos": [7]}, {"kilos": "spoilt", "my_price": 3, "my_stock": [1, 4]}
    assert checker.again(VARIES, before, now) == 15
    assert before == {"kilos": [7]}
    assert checker.choices("%pip install tea") == {}
    assert not checker.begun("my_price = 2\n# 12") and checker.begun("my_price = 2\nmy_price")


def test_what_cannot_be_checked_is_said(book, capsys):
    assert checker.check(book) == 2
    assert "answers.json" in capsys.readouterr().err
    _students()
    assert checker.check(book / "out", ["tee"]) == 2
    assert "there are tea" in capsys.readouterr().err
    notebook = _answer(book)
    notebook.cells = [cell for cell in notebook.cells if KEY not in cell.metadata]
    nbformat.write(notebook, book / "out" / "tea.ipynb")
    assert checker.check(book / "out") == 1
    assert capsys.readouterr().out.count(f"{FAIL:16}  Exercise") == 3
    (book / "out" / "tea.ipynb").unlink()
    assert checker.check(book / "out") == 2
    assert "tea.ipynb" in capsys.readouterr().err
