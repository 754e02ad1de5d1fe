"""The editor's tools: chapters that fail at once, the status page, CONTRIBUTING's examples."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from types import SimpleNamespace

import ftz_execution
import ftz_status
import pytest
from bs4 import BeautifulSoup

import test_repository
from bookworks.release import differences
from conftest import ROOT
from ftz import cli, did
from test_toolchain import CHAPTER, HEADER, SmallBook


def _write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


# -- the status page --------------------------------------------------------------------


def _environment(**seconds: float) -> SimpleNamespace:
    """Return what the extension reads of Sphinx's environment."""
    folder = ROOT / "notebooks"
    return SimpleNamespace(
        nb_metadata={
            f"notebooks/{page}": {"exec_data": {"succeeded": True, "runtime": time}}
            for page, time in seconds.items()
        },
        found_docs={"book/status", *(f"notebooks/{page}" for page in seconds)},
        ftz_status_pages={"book/status"},
        doc2path=lambda page: str(folder / f"{page.partition('/')[2]}.md"),
        collect_relations=lambda: {f"notebooks/{page}": [] for page in seconds},
    )


def test_the_status_counts_cells_and_warnings(monkeypatch):
    environment = _environment(robustness=2.5)
    counter = ftz_status.WarningCounter()
    for place in ("notebooks/robustness", ("notebooks/robustness", 3), "elsewhere:12", None):
        counter.emit(SimpleNamespace(location=place))
    (line,) = ftz_status.collect(environment, counter)
    text = (ROOT / "notebooks" / "robustness.md").read_text(encoding="utf-8")
    assert line.cells == text.count("\n```{code-cell}") + text.count("\n````{code-cell}")
    assert (line.page, line.seconds, line.warnings) == ("notebooks/robustness", 2.5, 2)


def test_the_status_follows_the_order_of_the_book():
    environment = _environment(robustness=1.0, mechanisms=2.0, audit=3.0)
    lines = ftz_status.collect(environment, ftz_status.WarningCounter())
    assert [line.seconds for line in lines] == [1.0, 2.0, 3.0]


def test_the_status_page_is_written_again_only_where_it_changes(monkeypatch):
    monkeypatch.delenv("FTZ_RELEASE", raising=False)
    app = SimpleNamespace(ftz_warning_counter=ftz_status.WarningCounter())
    environment = _environment(robustness=2.5)
    assert ftz_status.renew(app, environment) == ["book/status"]
    assert ftz_status.renew(app, environment) == []
    environment.nb_metadata["notebooks/robustness"]["exec_data"]["runtime"] = 3.5
    assert ftz_status.renew(app, environment) == ["book/status"]
    # a release knows the times and does not show them
    monkeypatch.setenv("FTZ_RELEASE", "1")
    ftz_status.renew(app, environment)
    assert [line["seconds"] for line in environment.ftz_status_lines] == [None]
    assert environment.ftz_execution_times == {"notebooks/robustness": 3.5}


@pytest.mark.slow
def test_a_small_book_shows_its_status_and_a_release_hides_the_clock(tmp_path, monkeypatch):
    book = SmallBook(tmp_path)
    book.write("book/plain.md", "# Status\n\n```{ftz-status}\n```\n")
    if "ftz_status" not in (tmp_path / "_config.yml").read_text(encoding="utf-8"):
        book.replace(
            "_config.yml",
            "  local_extensions:\n",
            "  local_extensions:\n    ftz_status: book/_ext\n",
        )
    book.built()
    table = BeautifulSoup(book.page("plain"), "lxml").select_one("table.ftz-status")
    cells = [[cell.get_text() for cell in row.select("th, td")] for row in table.select("tr")]
    assert cells[0] == ["Chapter", "Code cells", "Executed", "Seconds", "Warnings"]
    assert cells[1][:3] == ["A computed chapter", "1", "without an error"]
    assert float(cells[1][3]) > 0 and cells[1][4] == "0"
    times = json.loads((tmp_path / "_build" / "execution.json").read_text(encoding="utf-8"))
    assert times["book/computed"] == pytest.approx(float(cells[1][3]), abs=0.051)

    monkeypatch.setenv("FTZ_RELEASE", "1")
    book.built()
    assert "Seconds" not in book.page("plain")


@pytest.mark.slow
def test_a_plain_build_gives_the_same_pages(tmp_path, monkeypatch):
    book = SmallBook(tmp_path)
    book.write("book/plain.md", HEADER + CHAPTER.replace('"version"', '"edition"'))
    monkeypatch.setenv("FTZ_RELEASE", "1")
    sites = []
    for jobs in ("0", "1"):
        monkeypatch.setenv("FTZ_JOBS", jobs)
        build = book.built()
        assert ("executing 2 chapters" in build.log) is (jobs == "1")
        sites.append(tmp_path / f"site-{jobs}")
        shutil.copytree(build.html, sites[-1])
        shutil.rmtree(tmp_path / "_build")
    told = differences(*sites)
    assert not [line for line in told if line.partition(":")[0].endswith(".html")], told


# -- what CONTRIBUTING says, done -------------------------------------------------------


def _examples(language: str) -> list[str]:
    """Return the examples in a language from CONTRIBUTING.md, without their indentation."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    found = re.findall(rf"^   (`{{3,}}){language}\n(.*?)^   \1$", text, re.MULTILINE | re.DOTALL)
    return [textwrap.dedent(body) for _, body in found]


def test_the_chapter_of_contributing_runs_and_meets_the_rules(tmp_path):
    (text,) = _examples("markdown")
    path = _write(tmp_path / "my-chapter.md", text)
    test_repository.test_every_cell_that_draws_has_alt_text_caption_and_name(path)
    test_repository.test_no_result_is_typed_into_prose(path)
    told = ftz_execution.read_chapter(path, "notebooks/my-chapter.md")
    kept = []
    asyncio.run(
        ftz_execution.execute_all(
            [told], lambda done, _: kept.append(done), at_a_time=1, timeout=120
        )
    )
    (done,) = kept
    outputs = [output for cell in done.notebook.cells for output in cell.get("outputs", ())]
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert not any(output.get("name") == "stderr" for output in outputs)


def test_the_estimator_of_contributing_passes_its_own_tests(monkeypatch):
    estimator, tests = _examples("python")
    room, checks = {}, {}
    exec(compile(estimator, "two_by_two.py", "exec", dont_inherit=True), room)
    monkeypatch.setattr(did, "two_by_two", room["two_by_two"], raising=False)
    exec(compile(tests, "test_two_by_two.py", "exec", dont_inherit=True), checks)
    done = [name for name in checks if name.startswith("test_")]
    assert len(done) == 2
    for name in done:
        checks[name]()


def test_the_estimator_of_contributing_is_clean(tmp_path):
    for number, example in enumerate(_examples("python")):
        path = _write(tmp_path / ("tests" if number else "lib") / "example.py", example)
        rules = ["--ignore", "D"] if number else []
        command = [
            Path(sys.executable).with_name("ruff"),
            "check",
            "--config",
            ROOT / "pyproject.toml",
        ]
        run = subprocess.run([*command, *rules, path], capture_output=True, text=True)
        assert run.returncode == 0, run.stdout


def test_the_tables_of_contributing_are_audited(tmp_path, capsys):
    (text,) = _examples("yaml")
    path = _write(tmp_path / "my-paper.yml", text)
    code = cli.main(["audit", str(path)])
    said = capsys.readouterr().out
    assert code in (0, 1) and "my_paper" in said
