"""Reruns: parameters are checked before anything runs, and no run harms another."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
import zlib
from dataclasses import replace
from pathlib import Path

import nbformat
import pytest
import yaml
from bs4 import BeautifulSoup

from conftest import ROOT
from ftz import matching, published, replication, reruns
from ftz.errors import FtzError
from ftz.reruns import chapters, declared, headlines, pages, records, runner, worker
from ftz.reruns.__main__ import main
from ftz.reruns.chapters import all_chapters, find
from ftz.reruns.grammar import Constraint, parse_cell

TINY = """\
---
kernelspec:
  display_name: Python 3
  language: python
  name: python3
---

(ch-tiny)=
# Tiny

```{code-cell} ipython3
:tags: [parameters]

number: int = 2  # 1..9: what is divided by; 3 raises
pause: float = 0.0  # >= 0: seconds
words: list[str] = []  # any: shown
source: str = ""  # file: read
```

```{code-cell} ipython3
import time

from myst_nb import glue

print("before")
time.sleep(pause)
if number == 3:
    raise ValueError("three is not liked")
glue("tiny-inverse", 1 / number, display=False)
print("after", words, open(source).read() if source else "")
```

One over the number is {glue:text}`tiny-inverse:.4f`.
"""


@pytest.fixture
def root(tmp_path) -> Path:
    """Return a checkout that holds one tiny chapter."""
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "tiny.md").write_text(TINY, encoding="utf-8")
    return tmp_path


def declare(root: Path, text: str, name: str = "tiny") -> Path:
    path = root / f"{name}.yml"
    path.write_text(text, encoding="utf-8")
    return path


# --- the grammar ------------------------------------------------------------------------------


def test_a_line_declares_a_parameter():
    (caliper,) = parse_cell("caliper: float = 0.66  # > 0 and <= 9: widest distance\n", "x.md")
    assert (caliper.name, caliper.type, caliper.default) == ("caliper", "float", 0.66)
    assert caliper.constraint.bounds == ((">", 0.0), ("<=", 9.0))
    assert caliper.help == "widest distance"


def test_the_type_may_stand_in_the_comment():
    (k,) = parse_cell("k = 4  # int in 1..50: neighbours\n", "x.md")
    assert (k.type, k.default, k.constraint.bounds) == ("int", 4, ((">=", 1.0), ("<=", 50.0)))


def test_words_alone_constrain_nothing():
    (k,) = parse_cell("k = 4  # neighbours: how many\n", "x.md")
    assert (k.type, k.constraint.text, k.help) == ("int", "any", "neighbours: how many")


@pytest.mark.parametrize(
    ("constraint", "value", "said"),
    [
        ("any", -1, ""),
        ("> 0", 0.0, "must be above 0"),
        ("> 0", 1e-9, ""),
        ("2..9", 2, ""),
        ("2..9", 10, "must be at least 2 and at most 9"),
        (">= 0 and < 1", 1.0, "must be at least 0 and below 1"),
        ("in {minmax, none}", "minmx", "must be one of minmax, none (did you mean minmax?)"),
        ("each > -1 and < 1", [0.0, -1.0], "must be above -1 and below 1"),
        ("3 or more, each > 0", [1.0, 2.0], "must have 3 items or more"),
        ("file", "", ""),
        ("file", "no-such-file.csv", "names a file that does not exist (no-such-file.csv)"),
    ],
)
def test_constraints(constraint, value, said):
    assert Constraint.parse(constraint).complaint(value) == said


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("k = 4  # itn in 1..9: neighbours", "the type '' is not one of"),
        ("k: int = 4  # neighbours", "end the line with  # constraint: meaning"),
        ("k: int = 4  # about 4: neighbours", "'about 4' is no constraint"),
        ("k: dict = {}  # any: neighbours", "the type 'dict' is not one of"),
        ("k: int = 2 + 2  # any: neighbours", "must be written out, not computed"),
        ("k: int = 0  # 1..9: neighbours", "the default 0 must be at least 1"),
        ("k: int = 'a'  # any: neighbours", "must be a whole number"),
        ("print(4)", "write name: type = default"),
    ],
)
def test_a_cell_that_declares_badly_is_refused_with_its_place(line, said):
    with pytest.raises(FtzError) as error:
        parse_cell(f"ok: int = 1  # any: fine\n{line}\n", "x.md")
    assert said in str(error.value)
    assert str(error.value).startswith("x.md, parameters cell, line 2: ")


@pytest.mark.parametrize("name", all_chapters())
def test_every_chapter_of_the_book_declares_what_it_takes(name):
    """Reads each parameters cell; defaults are held against their own constraints."""
    chapter = all_chapters()[name]
    tagged = "tags: [parameters" in chapter.text
    assert bool(chapter.parameters) == tagged
    if name in headlines.HEADLINES:  # these are turned by declarations
        assert chapter.parameters
        assert "does not say" not in " ".join(p.help for p in chapter.parameters)


def test_the_defaults_of_the_matching_chapter_are_those_of_table_1():
    known = {p.name: p.default for p in find("propensity-score-matching").parameters}
    assert {k: known[k] for k in ("neighbours", "caliper", "support")} == {
        k: getattr(replication.MATCHING, k) for k in ("neighbours", "caliper", "support")
    }


# --- what a caller can get wrong --------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("--chapter robustnes", "did you mean robustness?"),
        ("--chapter propensity-score-matching -p caliper=-1", "caliper = -1: must be above 0"),
        ("--chapter propensity-score-matching -p calliper=1", "did you mean caliper?"),
        ("--chapter propensity-score-matching -p neighbours=2.5", "must be a whole number"),
        ("--chapter propensity-score-matching -p neighbours=true", "must be a whole number"),
        ("--chapter propensity-score-matching -p support=max", "must be one of minmax"),
        ('--chapter propensity-score-matching -p caliper="0.5"', "must be a number; write it"),
        ("--chapter propensity-score-matching -p caliper=.nan", "must be a number"),
        ("--chapter robustness -p leads=1", "one besides -1 is needed"),
        ("--chapter do-the-tools-work -p persistence=[0.1]", "must have 3 items or more"),
        ("--chapter hqd-index -p indicator_path=nowhere.csv", "names a file that does not exist"),
        ("--chapter robustness -p draws", "write -p name=value"),
        ("--chapter robustness -p draws=1 -p draws=2", "draws is given twice"),
        ("--chapter robustness --name ../x", "use small letters"),
        ("--chapter robustness --timeout 0", "above zero"),
        ("--chapter robustness some.yml", "leave out FILE.yml"),
        ("--only psm-k9", "no run 'psm-k9'"),
        ("-p draws=2", "belong to --chapter"),
        ("nowhere.yml", "cannot be read"),
        ("--chapter robustness --workers 0", "one at least"),
    ],
)
def test_a_mistake_is_one_message_and_nothing_runs(arguments, said, tmp_path, capsys):
    out = tmp_path / "out"
    assert main([*arguments.split(), "--out", str(out), "--quiet"]) == 2
    message = capsys.readouterr().err
    assert message.startswith("ftz.reruns: ")
    assert said in message
    assert "Traceback" not in message
    assert not out.exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "chaptr: tiny\nname: a\nruns: [{}]",
            "line 1: unknown key 'chaptr' (did you mean chapter?)",
        ),
        ("chapter: tiny\nname: a", "nothing to run; give a grid or a list of runs"),
        ("chapter: tiny\nruns: [{number: 1}]", "the key name is missing"),
        ("chapter: tinny\nname: a\nruns: [{number: 1}]", "line 1: no chapter 'tinny' (did you"),
        ("chapter: tiny\nname: a\ngrid: {number: [1, 2]}", "line 2: two runs are called a"),
        ("chapter: tiny\nname: a\ngrid: {number: 1}", "line 3: grid: number needs a list"),
        ("chapter: tiny\nname: a\ngrid: {number: [1, 1]}", "grid: number names a value twice"),
        ("chapter: tiny\nname: a\nruns: [3]", "runs must be a list of mappings"),
        ("chapter: tiny\nname: a-{numbr}\nruns: [{number: 1}]", "did you mean number?"),
        ("chapter: tiny\nname: 'a/{number}'\nruns: [{number: 1}]", "cannot name a folder"),
        ("chapter: tiny\nname: 'a{'\nruns: [{number: 1}]", "is no template"),
        ("chapter: tiny\nname: a\ntimeout: 0\nruns: [{number: 1}]", "line 3: timeout must be"),
        ("chapter: tiny\nname: a\ntimeout: soon\nruns: [{number: 1}]", "line 3: timeout must be"),
        ("chapter: tiny\nname: a\nkeep: [pdf]\nruns: [{}]", "keep: pdf is none of headlines"),
        ("chapter: tiny\nname: a\nkeep: [page]\nruns: [{}]", "keep the notebook as well"),
        ("chapter: tiny\nname: a\nname: b\nruns: [{}]", "line 3: 'name' stands there twice"),
        ("chapter: tiny\nname: a\nruns: [{number: 1, number: 2}]", "'number' stands there twice"),
        ("- 1\n", "must be a mapping with the keys"),
        ("chapter: [", "no YAML"),
        ("", "must be a mapping"),
    ],
)
def test_a_declaration_is_read_strictly(root, text, said):
    with pytest.raises(FtzError) as error:
        declared.read_declarations([declare(root, text)], root)
    assert said in str(error.value)
    assert "tiny.yml" in str(error.value)


def test_all_problems_of_all_files_are_told_at_once(root):
    one = declare(root, "chapter: tiny\nname: a{number}\ngrid: {number: [0, 1, x]}", "one")
    two = declare(root, "chapter: tiny\nname: b\nkeeps: []\ntimeout: -1\nruns: [{}]", "two")
    with pytest.raises(FtzError) as error:
        declared.read_declarations([one, two], root)
    lines = str(error.value).splitlines()
    assert lines[0] == "4 problems, nothing was run:"
    assert [line.split(":")[0].strip() for line in lines[1:]] == [
        "one.yml, line 3",
        "one.yml, line 3",
        "two.yml, line 3",
        "two.yml, line 4",
    ]


def test_the_same_name_in_two_files_is_refused(root):
    text = "chapter: tiny\nname: a\nruns: [{number: 1}]"
    with pytest.raises(FtzError, match=r"one\.yml and two\.yml: two runs are called a"):
        declared.read_declarations([declare(root, text, "one"), declare(root, text, "two")], root)


def test_grid_runs_and_shared_parameters_make_the_runs(root):
    text = """
chapter: tiny
name: n{number}-{words}
parameters: {pause: 1}
grid: {number: [1, 2], words: [[], [x, y]]}
runs: [{number: 4, pause: 0.5}]
keep: [headlines]
"""
    runs = declared.read_declarations([declare(root, text)], root)
    assert [run.name for run in runs] == ["n1-none", "n1-x-y", "n2-none", "n2-x-y", "n4-none"]
    assert [run.values["pause"] for run in runs] == [1.0, 1.0, 1.0, 1.0, 0.5]
    assert runs[0].keep == ("headlines",)
    assert runs[0].given == {"pause": 1.0, "number": 1, "words": []}


def test_files_are_read_from_the_folder_of_the_declaration(root):
    (root / "below").mkdir()
    (root / "below" / "a.csv").write_text("x")
    text = "chapter: tiny\nname: a\nruns: [{source: a.csv}]"
    (run,) = declared.read_declarations([declare(root / "below", text)], root)
    assert run.files == {"source": (root / "below" / "a.csv").resolve()}


def test_the_declarations_of_the_book_are_in_order():
    runs = reruns.read_declarations(declared.declarations())
    assert len(runs) >= 10
    assert {run.chapter.name for run in runs} <= set(headlines.HEADLINES)


def test_list_names_parameters_and_runs(capsys):
    assert main(["--list"]) == 0
    said = capsys.readouterr().out
    assert "caliper: float = 0.66  [> 0]" in said
    assert "matching.yml: psm-k1-c0.33: " in said


# --- digests and records ----------------------------------------------------------------------


def test_a_digest_follows_chapter_parameters_files_and_library(root):
    path = root / "a.csv"
    path.write_text("1")
    made = {}

    def note(name, now="s", **given):
        run = reruns.adhoc("tiny", given, name="a", root=root, folder=root)
        made[name] = records.digest(run, now)

    note("as it is", source="a.csv")
    note("the same", source="a.csv")
    note("parameter", source="a.csv", number=5)
    note("library", "t", source="a.csv")
    path.write_text("2")
    note("file", source="a.csv")
    chapter = root / "notebooks" / "tiny.md"
    chapter.write_text(TINY + "\nMore.\n")
    note("chapter", source="a.csv")
    assert made.pop("the same") == made["as it is"]
    assert len(set(made.values())) == len(made) == 5


@pytest.mark.parametrize("text", ["0.1", "3", "1e-300", "-0.0", "inf", "0.30000000000000004"])
def test_a_number_is_read_as_it_was_written(text):
    assert repr(headlines.exact(text, "here")) == text


@pytest.mark.parametrize(
    "text", ["0.10", "np.float64(0.1)", "'0.1'", "1/3", "03", "0.1000000000000000055"]
)
def test_a_number_that_lost_digits_is_refused(text):
    with pytest.raises(FtzError, match=r"here is .*glue float"):
        headlines.exact(text, "here")


def test_a_headline_that_was_not_glued_is_named():
    with pytest.raises(FtzError, match="mechanisms: the headline mech-indirect was not glued"):
        headlines.rendered_numbers("mechanisms", nbformat.v4.new_notebook())


def test_the_notebook_keeps_no_clock_and_no_chance():
    cell = nbformat.v4.new_code_cell("1", metadata={"papermill": {"duration": 3}, "tags": ["a"]})
    streams = [nbformat.v4.new_output("stream", name="stdout", text=t) for t in ("a", "b")]
    cell["outputs"] = [*streams, nbformat.v4.new_output("stream", name="stderr", text="c")]
    notebook = nbformat.v4.new_notebook(cells=[cell], metadata={"papermill": {"start_time": 1}})
    text = worker.canonical(notebook)
    assert "papermill" not in text
    (kept,) = nbformat.reads(text, as_version=4).cells
    assert (kept["id"], kept.metadata) == ("cell-0000", {"tags": ["a"]})
    assert [output["text"] for output in kept.outputs] == ["ab", "c"]


# --- kernels ----------------------------------------------------------------------------------


def tree(folder: Path) -> dict[str, bytes]:
    """Return the bytes of all files below a folder."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_a_worker_returns_the_notebook_and_its_numbers_or_the_error(root, tmp_path, capsys):
    """In this process: what the workers do in theirs."""

    def work(name, **given):
        text = chapters.notebook_text(find("tiny", root).notebook())
        (tmp_path / f"{name}.ipynb").write_text(text, encoding="utf-8")
        return {
            "notebook": str(tmp_path / f"{name}.ipynb"),
            "chapter": "tiny",
            "folder": str(root / "notebooks"),
            "parameters": given,
            "outcome": str(tmp_path / name / "outcome.json"),
            "parent": os.getppid(),
        }

    (tmp_path / "good").mkdir()
    (tmp_path / "bad").mkdir()
    job = tmp_path / "job.json"
    job.write_text(json.dumps(work("good", number=8)))
    assert worker.main([str(job)]) == 0
    good = json.loads((tmp_path / "good" / "outcome.json").read_text())
    assert good["headlines"] == {}  # the tiny chapter has none
    notebook = nbformat.reads(good["notebook"], as_version=4)
    assert headlines.glued(notebook) == {"tiny-inverse": "0.125"}
    bad = worker.run(work("bad", number=3))
    assert bad["error"] == "cell 3 raised ValueError: three is not liked"
    assert "before" in bad["notebook"]
    assert "three is not liked" in capsys.readouterr().err
    # the chapter that lacks its headline is refused with the notebook in hand
    lacking = worker.run(work("good", number=8) | {"chapter": "mechanisms"})
    assert "mech-indirect was not glued" in lacking["error"] and lacking["notebook"]


def test_a_failed_run_harms_no_other_and_nothing_is_done_twice(root, tmp_path, monkeypatch):
    monkeypatch.setattr(runner, "state", lambda: "the library as it is")

    def run(name, **given):
        timeout = given.pop("timeout", 120)
        return reruns.adhoc("tiny", given, name=name, timeout=timeout, root=root)

    runs = [
        run("raises", number=3),
        run("hangs", pause=600.0, timeout=6),
        run("good", number=7, words=['a "b"', "{c}"]),
    ]
    out = tmp_path / "out"
    outcomes = {o.run.name: o for o in reruns.execute(runs, out, workers=3, progress=False)}
    assert outcomes["raises"].problem == "cell 3 raised ValueError: three is not liked"
    assert "three is not liked" in outcomes["raises"].log.read_text()
    assert "before" in (out / "logs" / "raises.ipynb").read_text()
    assert outcomes["hangs"].problem == "stopped after 6 s (timeout)"
    assert outcomes["good"].status == runner.DONE
    assert [record.name for record in reruns.read_records(out)] == ["good"]
    kept = tree(out / "runs")
    assert set(kept) == {"good/notebook.ipynb", "good/run.json"}
    assert b"{c}" in kept["good/notebook.ipynb"]

    (again,) = reruns.execute(runs[2:], out, progress=False)
    assert again.status == runner.KEPT
    renamed = replace(runs[2], title="Another title")
    assert reruns.execute([renamed], out, progress=False)[0].status == runner.KEPT
    assert reruns.read_records(out)[0].title == "Another title"
    (forced,) = reruns.execute(runs[2:], out, force=True, progress=False)
    assert forced.status == runner.DONE
    assert tree(out / "runs") == kept
    # a notebook that is not the one of the record is made again
    (out / "runs" / "good" / "notebook.ipynb").write_text("{}")
    assert reruns.read_records(out) == []
    (mended,) = reruns.execute(runs[2:], out, progress=False)
    assert mended.status == runner.DONE
    assert tree(out / "runs") == kept


DRIVER = """
import sys
from pathlib import Path
from ftz import reruns
from ftz.reruns import runner
runner.state = lambda: "the library as it is"  # who edits it meanwhile, tests something else
root, out = Path(sys.argv[1]), Path(sys.argv[2])
given = [{"number": n, "pause": 1.0} for n in (1, 2, 4)]
runs = [reruns.adhoc("tiny", g, name=f"n{g['number']}", timeout=90, root=root) for g in given]
for outcome in reruns.execute(runs, out, workers=2, progress=False):
    print(outcome)
"""


def drive(root: Path, out: Path) -> subprocess.Popen:
    command = [sys.executable, "-c", DRIVER, str(root), str(out)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)


@pytest.mark.slow
def test_killed_half_way_it_goes_on_and_ends_with_the_same_bytes(root, tmp_path):
    undisturbed, killed = tmp_path / "a", tmp_path / "b"
    assert drive(root, undisturbed).wait(300) == 0
    if len(reruns.read_records(undisturbed)) < 3:
        assert drive(root, undisturbed).wait(300) == 0
    process = drive(root, killed)
    deadline = time.monotonic() + 120
    while not list(killed.glob("runs/*/run.json")) and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    finished = len(reruns.read_records(killed))
    assert 1 <= finished < 3
    second = drive(root, killed)
    said, _ = second.communicate(timeout=300)
    assert second.returncode == 0
    assert said.count("up to date") >= finished
    if "failed" in said:  # a kernel that did not answer was stopped at the timeout: once more
        assert drive(root, killed).wait(300) == 0
    assert tree(killed / "runs") == tree(undisturbed / "runs")


PSM, TOOLS = "propensity-score-matching", "do-the-tools-work"

#: Real chapters, with knobs that make them quick.
REAL = [
    ("propensity-score-matching", {"neighbours": 1, "caliper": 0.33}),
    ("difference-in-differences", {"simulated_panels": 3, "simulated_trend": 0.1, "seed": 7}),
    ("robustness", {"simulated_panels": 2, "draws": 99, "leads": 2, "lags": 2}),
    ("mechanisms", {"simulated_panels": 2, "draws": 60, "level": 0.9, "seed": 3}),
]


def values(chapter: str, **given) -> dict:
    """Return all parameters of a chapter, some of them other than the book's."""
    return find(chapter).values(given)


def test_headlines_of_the_witness_are_the_printed_numbers():
    record = published.load(replication.PAPER)
    matched = headlines.library_numbers(PSM, values(PSM))
    for method in matching.METHODS:
        printed = record.get(replication.cell("table1", method, "ATT", "coef"))
        assert printed.reproduced_by(matched[f"psm-att-{method}"])
    did = values("difference-in-differences", simulated_panels=4)
    found = headlines.library_numbers("difference-in-differences", did)
    printed = record.get(replication.cell("table4", "FTZ", "(5)", "coef"))
    assert printed.reproduced_by(found["did-att"])
    assert found["did-sim-mean"] == pytest.approx(did["simulated_effect"], abs=0.05)
    assert found["did-sim-drift"] > did["simulated_trend"]  # a trend, taken for an effect


def test_headlines_of_the_other_chapters_keep_their_order():
    found = headlines.library_numbers("robustness", values("robustness", draws=49))
    assert all(0 < p <= 1 for key, p in found.items() if key != "robustness-detectable")
    assert found["robustness-detectable"] > 0
    found = headlines.library_numbers("mechanisms", values("mechanisms", draws=40))
    assert found["mech-boot-low"] < found["mech-boot-high"]
    found = headlines.library_numbers("hqd-index", values("hqd-index"))
    assert 0 < found["index-gap-line"] < found["index-gap-mean"]
    found = headlines.library_numbers("index-and-estimate", values("index-and-estimate"))
    assert found["estimate-low"] < found["estimate-here"] < found["estimate-high"]
    found = headlines.library_numbers(TOOLS, values(TOOLS, panels=20))
    assert set(found) == set(headlines.labels(TOOLS))
    assert all(0 <= size <= 1 for size in found.values())
    assert found["tools-classical"] >= found["tools-cr2"]


@pytest.mark.slow
def test_a_rendered_headline_is_the_number_of_the_library_bit_for_bit(tmp_path):
    runs = [reruns.adhoc(chapter, given, name=chapter) for chapter, given in REAL]
    outcomes = reruns.execute(runs, tmp_path, workers=2, progress=False)
    assert [o.status for o in outcomes] == [runner.DONE] * len(REAL), list(map(str, outcomes))
    for run, record in zip(
        runs,
        sorted(
            reruns.read_records(tmp_path), key=lambda r: [name for name, _ in REAL].index(r.chapter)
        ),
        strict=True,
    ):
        computed = reruns.library_numbers(run.chapter.name, run.values)
        notebook = nbformat.read(tmp_path / "runs" / run.name / "notebook.ipynb", as_version=4)
        rendered = reruns.rendered_numbers(run.chapter.name, notebook)
        assert rendered == record.headlines == computed
        assert all(map(repr, rendered.values()))
        # the other parameters are not the book's: the numbers must have moved
        assert computed != reruns.library_numbers(run.chapter.name, run.chapter.values({}))


# --- the gallery ------------------------------------------------------------------------------


def small_book(root: Path) -> Path:
    """Write a book of one page that shows the gallery, and what pages of runs are set from."""
    (root / "conf.py").write_text(
        "import sys\n"
        f"sys.path.insert(0, {str(ROOT / 'book' / '_ext')!r})\n"
        "extensions = ['myst_parser', 'ftz_reruns']\n"
        "exclude_patterns = ['notebooks', '_build', 'lib']\n"
    )
    (root / "index.md").write_text("# Gallery\n\n```{rerun-gallery}\n```\n")
    settings = {"title": "x", "author": "x", "execute": {"execute_notebooks": "off"}}
    (root / "_config.yml").write_text(yaml.safe_dump(settings))
    (root / "book").mkdir()
    (root / "book" / "references.bib").write_text("")
    (root / "lib" / "ftz" / "reruns").mkdir(parents=True)
    (root / "lib" / "ftz" / "reruns" / "pages.py").write_text("")
    return root / "_build" / "html"


def build(root: Path) -> str:
    command = [sys.executable, "-m", "sphinx", "-n", "-W", "-b", "html", ".", "_build/html"]
    environment = {k: v for k, v in os.environ.items() if k != "FTZ_RERUNS"}
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return (root / "_build" / "html" / "index.html").read_text(encoding="utf-8")


def test_a_page_says_what_was_run_and_shows_words_as_words(root, tmp_path):
    """In this process: what the build of the book does in another."""
    html = small_book(root)
    html.mkdir(parents=True)
    with (html / "objects.inv").open("wb") as stream:
        head = "# Sphinx inventory version 2\n# Project: x\n# Version: \n# zlib\n"
        stream.write(head.encode() + zlib.compress(b""))
    source = chapters.notebook_text(find("tiny", root).notebook())
    notebook = nbformat.reads(source, as_version=4)
    glue = {"scrapbook": {"name": "tiny-inverse", "mime_prefix": "application/papermill.record/"}}
    data = {"application/papermill.record/text/plain": "0.25"}
    output = nbformat.v4.new_output("display_data", data=data, metadata=glue)
    notebook.cells[2].outputs = [nbformat.v4.new_output("stream", text="said"), output]
    text = worker.canonical(notebook)
    given = {"number": 4, "words": ["<b>", "`x`", "a|b", "``"]}
    record = records.Record(
        "n4", "tiny", "adhoc", "n4", given, given, {}, {}, ("headlines", "notebook", "page"), "d",
        hashlib.sha256(text.encode()).hexdigest(),
    )  # fmt: skip
    folder = tmp_path / "made" / "n4"
    records.save(folder, record, text)
    assert records.Record.read(folder) == record
    job = {"folders": [str(folder), str(tmp_path)], "html": str(html), "root": str(root)}
    (tmp_path / "jobs.json").write_text(json.dumps(job))
    assert pages.main([str(tmp_path / "jobs.json")]) == 0
    page = BeautifulSoup((html / "runs" / "n4.html").read_text(encoding="utf-8"), "lxml")
    shown = page.get_text()
    assert "Tiny: n4" in shown and "One over the number is 0.2500." in shown
    # nothing of it became markup, and the quotes can be copied into a declaration
    assert repr(given["words"]) in [code.get_text() for code in page.select("td code")]
    assert (html / "runs" / "n4.ipynb").read_text(encoding="utf-8") == text


@pytest.mark.slow
def test_the_gallery_follows_the_runs(root):
    html = small_book(root)
    assert "No runs yet" in build(root)
    assert not (html / "runs").exists()

    given = {"number": 4, "words": ["<b>", "`x`"]}
    run = reruns.adhoc("tiny", given, name="n4", root=root)
    now = records.state(root)
    out = root / "_build" / "reruns"
    reruns.execute([run], out, progress=False)
    # executed beside the real library; the library of this book is empty
    path = out / "runs" / "n4" / "run.json"
    table = json.loads(path.read_text()) | {"digest": records.digest(run, now)}
    path.write_text(json.dumps(table))

    shown = build(root)
    assert "No runs yet" not in shown
    assert "&lt;b&gt;" in shown and "<b>," not in shown
    assert 'href="runs/n4.html"' in shown
    assert "stale" not in shown
    page = (html / "runs" / "n4.html").read_text(encoding="utf-8")
    assert "One over the number is 0.2500." in BeautifulSoup(page, "lxml").get_text()
    assert "A rerun" in page and "&lt;b&gt;" in page

    chapter = root / "notebooks" / "tiny.md"
    chapter.write_text(TINY + "\nMore.\n")
    shown = build(root)
    assert "changed since these runs." in shown and "stale" in shown
