"""Reruns of a small book about tides: parameters are checked first, and no run harms another."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import nbformat
import pytest
from click.testing import CliRunner

from bookworks._errors import BookError
from bookworks.book import Book
from bookworks.reruns import _declared as declared
from bookworks.reruns import _runner
from bookworks.reruns._command import command
from bookworks.reruns._parameters import parse_cell
from bookworks.reruns._records import Record, read_records

LIBRARY = Path(_runner.__file__).parents[2]

HEAD = """\
---
jupytext: {text_representation: {format_name: myst}}
kernelspec: {display_name: Python 3, language: python, name: python3}
---

"""

TIDE = f"""{HEAD}(ch-tide)=
# The tide

```{{code-cell}} ipython3
:tags: [parameters]

hours: int = 6  # 1..24: after high water; 3 raises, 13 dies, 23 is loud
pause: float = 0.0  # >= 0: seconds
moon: str = "full"  # in {{full, new}}: its phase
words: list[str] = []  # any: shown
source: str = ""  # file: read
```

```{{code-cell}} ipython3
import os, sys, time

from myst_nb import glue

sys.path.insert(0, "harbour")
import gauge

print("before")
time.sleep(pause)
if hours == 3:
    raise ValueError("three is not liked")
if hours == 13:
    os._exit(1)
if hours == 23:
    print("loud " * 10_000_000)
glue("height", gauge.height(hours), display=False)
print("after", words, open(source).read() if source else "")
```

The height is {{glue:text}}`height:.4f`.
"""


@pytest.fixture
def book(tmp_path, monkeypatch) -> Book:
    """Return a book of one chapter, which reads one of two modules."""
    files = {
        "_config.yml": "title: Tides\nsphinx: {config: {bookworks_prefix: TIDES_}}\n",
        "_toc.yml": "format: jb-book\nroot: tide\n",
        "tide.md": TIDE,
        "harbour/gauge.py": "def height(hours):\n    return 1 / hours\n",
        "harbour/boats.py": "boats = 3\n",
        "reruns/chapters.yml": "tide: {results: {height: height of the water}}\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(LIBRARY))
    return Book.read(tmp_path)


def declare(book: Book, text: str, name: str = "hours") -> Path:
    path = book.root / "reruns" / f"{name}.yml"
    path.write_text(text, encoding="utf-8")
    return path


def call(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(command, arguments)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.output


def tree(folder: Path) -> dict[str, bytes]:
    """Return the bytes of all files below a folder."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


# --- the parameters cell ----------------------------------------------------------------------


def test_a_line_declares_a_parameter():
    (width,) = parse_cell("width: float = 0.5  # > 0 and <= 9: how wide\n", "x.md")
    assert (width.name, width.type, width.default, width.help) == (
        "width",
        "float",
        0.5,
        "how wide",
    )
    assert width.check(9) == 9.0 and isinstance(width.check(9), float)


def test_words_alone_constrain_nothing():
    (k,) = parse_cell("k = 4  # neighbours: how many\n", "x.md")
    assert (k.type, k.constraint, k.help) == ("int", "any", "neighbours: how many")


@pytest.mark.parametrize(
    ("line", "value", "said"),
    [
        ("x: int = 1  # any: m", -1, ""),
        ("x: float = 1.0  # > 0: m", 0.0, "must be greater than 0"),
        ("x: float = 1.0  # > 0: m", 1e-9, ""),
        ("x: int = 2  # 2..9: m", 9, ""),
        ("x: int = 2  # 2..9: m", 10, "must be less than or equal to 9"),
        ("x: int = 2  # 2..9: m", True, "must be a valid integer"),
        ("x: int = 2  # 2..9: m", 2.5, "must be a valid integer"),
        ("x: float = 0.0  # >= 0 and < 1: m", 1, "must be less than 1"),
        ("x: float = 0.0  # any: m", float("nan"), "must be a finite number"),
        ("x: float = 0.0  # any: m", float("inf"), "must be a finite number"),
        ("x: float = 0.0  # any: m", "1e-3", "must be a valid number; write it without quotation"),
        ("x: str = 'full'  # in {full, new}: m", "ful", "(did you mean 'full'?)"),
        ("x: list[float] = [0.0]  # each > -1: m", [0.0, -1.0], "item 2: must be greater than -1"),
        ("x: list[int] = [1, 2]  # 2 or more, each > 0: m", [1], "must have at least 2 items"),
        ("x: list[str] = []  # any: m", "a", "must be a valid list"),
    ],
)
def test_values_are_checked(line, value, said):
    (parameter,) = parse_cell(line, "x.md")
    if not said:
        assert parameter.check(value) == value
        return
    with pytest.raises(BookError) as error:
        parameter.check(value)
    assert said in str(error.value) and str(error.value).endswith("(m)")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("k: int = 4  # neighbours", "end the line with  # constraint: meaning"),
        ("k: int = 4  # about 4: neighbours", "'about 4' is no constraint"),
        ("k: dict = {}  # any: neighbours", "the type 'dict' is not one of"),
        ("k: int = 2 + 2  # any: neighbours", "must be written out, not computed"),
        ("k: int = 0  # 1..9: neighbours", "the default k = 0: must be greater than or equal to 1"),
        ("k: int = 'a'  # any: neighbours", "must be a valid integer"),
        ("k: int = 1  # > 0.5: neighbours", "does not fit the type int"),
        ("print(4)", "write name: type = default"),
    ],
)
def test_a_cell_that_declares_badly_is_refused_with_its_place(line, said):
    with pytest.raises(BookError) as error:
        parse_cell(f"ok: int = 1  # any: fine\n{line}\n", "x.md")
    assert said in str(error.value)
    assert str(error.value).startswith("x.md, parameters cell, line 2: ")


# --- what a caller can get wrong --------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("--chapter tied", "did you mean 'tide'?"),
        ("--chapter tide -p hours=0", "hours = 0: must be greater than or equal to 1"),
        ("--chapter tide -p hour=1", "did you mean 'hours'?"),
        ("--chapter tide -p pause=.nan", "must be a finite number"),
        ("--chapter tide -p source=nowhere.csv", "names a file that does not exist"),
        ("--chapter tide -p hours", "write -p name=value"),
        ("--chapter tide -p hours=1 -p hours=2", "hours is given twice"),
        ("--chapter tide --name ../x", "use up to 100 small letters"),
        ("--chapter tide --timeout 0", "0.0 is not in the range x>0"),
        ("--chapter tide some.yml", "leave out FILE.yml"),
        ("--chapter plain -p x=1", "no cell is tagged parameters"),
        ("--only h9", "no run 'h9'"),
        ("-p hours=2", "belong to --chapter"),
        ("nowhere.yml", "nowhere.yml cannot be read: No such file"),
        ("pipe.yml", "pipe.yml is not a regular file"),
        ("huge.yml", "more than 1,000,000"),
        ("--chapter tide --workers 0", "0 is not in the range x>=1"),
        ("--chapter tide --out tide.md", "cannot be written"),
    ],
)
def test_a_mistake_is_one_message_and_nothing_is_written(book, arguments, said):
    declare(book, "chapter: tide\nname: h{hours}\ngrid: {hours: [2, 4]}")
    (book.root / "plain.md").write_text(f"{HEAD}# Plain\n")
    (book.root / "huge.yml").write_text("#" * 1_000_001)
    for name in ("pipe.yml", "pipe.md"):
        os.mkfifo(book.root / name)
    code, output = call(*arguments.split(), "--quiet")
    assert code == 2 and said in output, output
    assert not (book.root / "_build").exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("chaptr: tide\nname: a\nruns: [{}]", "no such key (did you mean 'chapter'?)"),
        ("chapter: tide\nname: a", "nothing to run; give a grid or a list of runs"),
        ("chapter: tide\nruns: [{hours: 1}]", "name: Field required"),
        ("chapter: tiide\nname: a\nruns: [{hours: 1}]", "no chapter 'tiide' (did you mean 'tide'"),
        ("chapter: tide\nname: a\ngrid: {hours: [1, 2]}", "two runs are called a"),
        ("chapter: tide\nname: a\ngrid: {hours: 1}", "grid.hours: Input should be a valid list"),
        ("chapter: tide\nname: a\ngrid: {hours: [1, 1]}", "hours needs a list of values"),
        ("chapter: tide\nname: a\nruns: [3]", "runs.0: Input should be a valid dictionary"),
        ("chapter: tide\nname: a-{hour}\nruns: [{hours: 1}]", "did you mean 'hours'?"),
        ("chapter: tide\nname: 'a/{hours}'\nruns: [{hours: 1}]", "cannot name a folder"),
        ("chapter: tide\nname: 'a{'\nruns: [{hours: 1}]", "cannot name a folder"),
        ("chapter: tide\nname: a\ntimeout: .inf\nruns: [{hours: 1}]", "timeout: Input should be"),
        ("chapter: tide\nname: a\nkeep: [pdf]\nruns: [{}]", "keep.0: Input should be 'results'"),
        ("chapter: tide\nname: a\nkeep: [page]\nruns: [{}]", "keep the notebook as well"),
        ("chapter: tide\nname: a\nname: b\nruns: [{}]", "the key 'name' stands twice"),
        ("chapter: tide\nname: a\nruns: [&x {hours: 1}, *x]", "aliases (*name) are not read"),
        ("chapter: tide\nname: a\nruns: " + "[" * 9000, "line 3: more than 50 levels"),
        ("chapter: tide\n? [name, title]\n: a", "unhashable"),
        ("chapter: tide\nname: a\nruns: [{hours: .nan}]", "run 1: hours = nan: must be"),
        (f"chapter: tide\nname: a\ngrid: {{hours: {list(range(200))}, pause: {list(range(200))}}}",
         "more than 10,000 runs"),
        ("- 1\n", "Input should be a valid dictionary"),
        ("chapter: [", "is not valid YAML"),
        ("", "hours.yml: Input should be a valid dictionary"),
    ],
)  # fmt: skip
def test_a_declaration_is_read_strictly(book, text, said):
    with pytest.raises(BookError) as error:
        declared.read(book, [declare(book, text)])
    assert said in str(error.value)
    assert "hours.yml" in str(error.value)


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ("tide: {result: {}}", "tide.result: no such key (did you mean 'results'?)"),
        ("tyde: {results: {}}", "tyde: no such chapter (did you mean 'tide'?)"),
        ("tide: {prepare: 'bookworks.tea:brew'}", "No module named 'bookworks.tea'"),
    ],
)
def test_what_is_said_of_chapters_is_read_strictly(book, facts, said):
    (book.root / "reruns" / "chapters.yml").write_text(facts)
    with pytest.raises(BookError) as error:
        declared.chapters(book)["tide"].notebook({})
    assert said in str(error.value) and "tide" in str(error.value)


def test_all_problems_of_all_files_are_told_at_once(book):
    one = declare(book, "chapter: tide\nname: a{hours}\ngrid: {hours: [0, 1, x]}", "one")
    two = declare(book, "chapter: tide\nname: b\nkeeps: []\ntimeout: -1\nruns: [{}]", "two")
    with pytest.raises(BookError) as error:
        declared.read(book, [one, two])
    lines = str(error.value).splitlines()
    assert lines[0] == "4 problems, nothing was run:"
    assert [line.split(":")[0].strip() for line in lines[1:]] == ["one.yml"] * 2 + ["two.yml"] * 2


def test_grid_runs_and_shared_parameters_make_the_runs(book):
    text = """
chapter: tide
name: n{hours}-{words}
parameters: {pause: 1}
grid: {hours: [1, 2], words: [[], [x, y]]}
runs: [{hours: 4, pause: 0.5}]
keep: [results]
"""
    runs = declared.read(book, [declare(book, text)])
    assert [run.name for run in runs] == ["n1-none", "n1-x-y", "n2-none", "n2-x-y", "n4-none"]
    assert [run.given["pause"] for run in runs] == [1.0, 1.0, 1.0, 1.0, 0.5]
    assert runs[0].chapter.values(runs[0].given)["moon"] == "full"


def test_files_are_read_from_the_folder_of_the_declaration(book, tmp_path_factory):
    (book.root / "reruns" / "a.csv").write_text("x")
    far = tmp_path_factory.mktemp("far") / "b.csv"
    far.write_text("y")
    text = (
        f"chapter: tide\nname: a{{hours}}\nruns: [{{source: a.csv}}, {{hours: 2, source: {far}}}]"
    )
    near, elsewhere = declared.read(book, [declare(book, text)])
    assert near.given["source"] == "reruns/a.csv"  # no path of the machine
    assert elsewhere.given["source"] == str(far)


def test_long_runs_of_the_command_line_keep_their_names_apart(book):
    first, second = (
        declared.adhoc(book, "tide", {"words": ["low"] * 30 + [last]}) for last in ("a", "b")
    )
    assert len(first.name) < 90 and first.name != second.name


def test_list_names_parameters_and_runs(book):
    declare(book, "chapter: tide\nname: h{hours}\ngrid: {hours: [2, 4]}")
    code, said = call("--list")
    assert code == 0
    assert "  hours: int = 6  [1..24]" in said
    assert "hours.yml: h2: to be run" in said


# --- key results ------------------------------------------------------------------------------


def executed(**glued: str):
    """Return a notebook with glued texts."""
    outputs = [
        nbformat.v4.new_output(
            "display_data",
            data={"application/papermill.record/text/plain": text},
            metadata={"scrapbook": {"name": name}},
        )
        for name, text in glued.items()
    ]
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1", outputs=outputs)])


@pytest.mark.parametrize("text", ["0.1", "3", "1e-300", "-0.0", "0.30000000000000004"])
def test_a_number_is_read_as_it_was_written(text):
    assert repr(_runner.key_results(executed(height=text), ["height"])["height"]) == text


@pytest.mark.parametrize("text", ["0.10", "np.float64(0.1)", "'0.1'", "1/3", "03", "inf", "True"])
def test_a_number_that_lost_digits_is_refused(text):
    with pytest.raises(BookError, match=r"height is .*glue float"):
        _runner.key_results(executed(height=text), ["height"])


def test_a_key_result_that_was_not_glued_is_named():
    with pytest.raises(BookError, match=r"height was not glued \(did you mean 'heigth'\?\)"):
        _runner.key_results(executed(heigth="1"), ["height"])


def test_the_notebook_keeps_no_clock_and_no_chance():
    streams = [nbformat.v4.new_output("stream", name="stdout", text=t) for t in ("a", "b")]
    streams.append(nbformat.v4.new_output("stream", name="stderr", text="c"))
    cell = nbformat.v4.new_code_cell("1", outputs=streams, metadata={"x": 3, "tags": ["a"]})
    kernel = {"name": "python3", "display_name": "Python 3"}
    notebook = nbformat.v4.new_notebook(
        cells=[cell], metadata={"kernelspec": kernel, "papermill": {"start_time": 1}}
    )
    text = _runner.canonical(notebook)
    assert "papermill" not in text
    (kept,) = nbformat.reads(text, as_version=4).cells
    assert (kept["id"], kept.metadata) == ("cell-0000", {"tags": ["a"]})
    assert [output["text"] for output in kept.outputs] == ["ab", "c"]


# --- kernels ----------------------------------------------------------------------------------


def test_a_failed_run_harms_no_other_and_a_run_follows_what_it_read(book):
    """One pass with all kinds of runs, so that few kernels are started."""
    (book.root / "level.txt").write_text("one metre")

    def run(name, **given):
        timeout = given.pop("timeout", 120)
        return declared.adhoc(book, "tide", given, name=name, timeout=timeout)

    good = run("good", hours=8, words=['a "b"', "{c}"], source="level.txt")
    runs = [run("raises", hours=3), run("dies", hours=13), run("hangs", pause=600, timeout=8), good]
    out = book.build / "reruns"
    outcomes = {o.run.name: str(o) for o in _runner.execute(runs, out, 4, progress=False)}
    assert "raises: failed: tide.md:20: ValueError: three is not liked (log:" in outcomes["raises"]
    assert "three is not liked" in (out / "logs" / "raises.log").read_text()
    assert "before" in (out / "logs" / "raises.ipynb").read_text()
    assert "Kernel died" in outcomes["dies"]
    assert "stopped after 8 s (timeout)" in outcomes["hangs"]
    assert outcomes["good"] == "good: executed"
    (record,) = read_records(out)
    assert (record.name, record.results) == ("good", {"height": 0.125})
    kept = tree(out / "runs")
    assert set(kept) == {"good/notebook.ipynb", "good/run.json"}
    assert b"{c}" in kept["good/notebook.ipynb"] and b"one metre" in kept["good/notebook.ipynb"]
    assert str(book.root).encode() not in b"".join(kept.values())

    # not done twice; words of the declaration are taken over
    renamed = replace(good, title="Another title")
    assert _runner.execute([renamed], out, progress=False)[0].status == _runner.KEPT
    assert read_records(out)[0].title == "Another title"

    # stale where something that it read changed, and only there
    (book.root / "harbour" / "boats.py").write_text("boats = 4\n")
    assert record.changed(book) == []
    for name in ("harbour/gauge.py", "level.txt", "tide.md"):
        before = (book.root / name).read_text()
        (book.root / name).write_text(before + "\nmore = 1\n")
        assert record.changed(book) == [name.removesuffix(".md")]
        (book.root / name).write_text(before)
    (book.root / "level.txt").unlink()
    assert record.changed(book) == ["level.txt"]
    (book.root / "level.txt").write_text("one metre")
    assert record.fits(good)
    assert not record.fits(replace(good, keep=("results",)))

    # a notebook that is not the one of the record is made again, to the same bytes
    (out / "runs" / "good" / "notebook.ipynb").write_text("{}")
    assert read_records(out) == []
    assert _runner.execute([good], out, progress=False)[0].status == _runner.DONE
    assert tree(out / "runs") == kept


def test_a_full_disk_fails_the_run_in_a_line_and_leaves_nothing(book, monkeypatch):
    async def made(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(_runner, "_make", made)
    (outcome,) = _runner.execute(
        [declared.adhoc(book, "tide", {"hours": 2})], book.build / "reruns", progress=False
    )
    assert str(outcome) == "tide-hours-2: failed: [Errno 28] No space left on device"
    assert Record.read(book.build / "reruns" / "runs" / "tide-hours-2") is None


@pytest.mark.slow
def test_a_chapter_that_prints_without_end_is_stopped(book):
    run = declared.adhoc(book, "tide", {"hours": 23})
    (outcome,) = _runner.execute([run], book.build / "reruns", progress=False)
    assert "put out more than 20 MB: print less" in str(outcome)
    assert read_records(book.build / "reruns") == []


def start(book: Book, *arguments: str) -> subprocess.Popen:
    command = [str(Path(sys.executable).with_name("bookworks")), "rerun", "--quiet", *arguments]
    return subprocess.Popen(
        command, cwd=book.root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.mark.nightly
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_killed_half_way_it_goes_on_and_ends_with_the_same_bytes(book, how):
    declare(book, "chapter: tide\nname: h{hours}\nparameters: {pause: 1}\ngrid: {hours: [1, 2, 4]}")
    whole, killed = str(book.root / "whole"), book.root / "killed"
    assert start(book, "--out", whole).wait(300) == 0
    first = start(book, "--out", str(killed), "--workers", "1")
    deadline = time.monotonic() + 120
    while not list(killed.glob("runs/*/run.json")) and time.monotonic() < deadline:
        time.sleep(0.05)
    waiting = start(book, "--out", str(killed))  # the lock holds it back until the first is gone
    assert "another command works" in waiting.stderr.readline()
    first.send_signal(how)
    _, said = first.communicate(timeout=60)
    if how == signal.SIGINT:
        assert first.returncode == 130 and "finished runs are kept" in said
    words, _ = waiting.communicate(timeout=300)
    assert waiting.returncode == 0
    assert 1 <= words.count("up to date") <= 3 and "0 failed" in words
    assert tree(killed / "runs") == tree(Path(whole) / "runs")
