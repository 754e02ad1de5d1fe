"""The editor's tools: chapters that fail at once, the status page, links, releases."""

from __future__ import annotations

import asyncio
import datetime
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
import zipfile
from pathlib import Path
from types import SimpleNamespace

import ftz_execution
import ftz_status
import pytest

import test_repository
from conftest import ROOT
from ftz import cli, did
from test_toolchain import CHAPTER, HEADER, SmallBook

sys.path.insert(0, str(ROOT / "tools"))

import chapter
import links
import release

# -- a chapter on its own ---------------------------------------------------------------

FAILING = """# A chapter

```{code-cell} ipython3
print("this one ran")
```

Words between the cells.

```{code-cell} ipython3
---
tags: [hide-input]
---
share = 1 / 0
```
"""


def _write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_a_failing_cell_is_told_with_line_cell_traceback_and_command(tmp_path, monkeypatch, capsys):
    _write(tmp_path / "notebooks/sums.md", HEADER + FAILING)
    monkeypatch.chdir(tmp_path)
    assert chapter.main(["notebooks/sums.md"]) == 1
    said = capsys.readouterr().out
    lines = (HEADER + FAILING).splitlines()
    fence = [n for n, line in enumerate(lines, start=1) if line.startswith("```{code-cell")][1]
    line = int(re.match(r"notebooks/sums\.md:(\d+): the cell", said)[1])
    assert fence <= line <= lines.index("share = 1 / 0") + 1
    assert "    share = 1 / 0" in said
    assert "ZeroDivisionError: division by zero" in said
    assert "make chapter CHAPTER=notebooks/sums.md" in said
    assert "\x1b" not in said, "colours of the terminal are taken out"


def test_a_chapter_that_runs_says_how_long(tmp_path, monkeypatch, capsys):
    _write(tmp_path / "sums.md", HEADER + FAILING.replace("1 / 0", "1 / 2"))
    monkeypatch.chdir(tmp_path)
    assert chapter.main(["sums.md"]) == 0
    assert re.fullmatch(r"sums\.md: \d+\.\d s\n", capsys.readouterr().out)


@pytest.mark.parametrize(
    ("name", "words"), [("no-such.md", "There is no chapter"), ("prose.md", "holds no code")]
)
def test_what_cannot_be_executed_is_said(tmp_path, monkeypatch, capsys, name, words):
    _write(tmp_path / "prose.md", "# Prose\n")
    monkeypatch.chdir(tmp_path)
    assert chapter.main([name]) == 2
    assert words in capsys.readouterr().out


def test_the_first_failure_stops_the_chapters_beside_it(tmp_path):
    waiting = FAILING.replace("share = 1 / 0", "import time; time.sleep(600)")
    told = [
        ftz_execution.read_chapter(_write(tmp_path / f"{name}.md", HEADER + text), f"{name}.md")
        for name, text in (("fails", FAILING), ("waits", waiting))
    ]
    kept = []
    run = ftz_execution.execute_all(
        told, lambda *found: kept.append(found), at_a_time=2, timeout=900
    )
    with pytest.raises(ftz_execution.ChapterError, match=r"fails\.md:\d+"):
        asyncio.run(asyncio.wait_for(run, 120))
    assert not kept


def test_a_cell_that_takes_too_long_is_named(tmp_path):
    text = HEADER + FAILING.replace("share = 1 / 0", "import time; time.sleep(600)")
    slow = ftz_execution.read_chapter(_write(tmp_path / "slow.md", text), "slow.md")
    run = ftz_execution.execute_all([slow], lambda *_: None, at_a_time=1, timeout=2)
    with pytest.raises(ftz_execution.ChapterError, match=r"time\.sleep") as caught:
        asyncio.run(run)
    assert "CellTimeoutError: A cell timed out" in str(caught.value)


@pytest.mark.parametrize(("given", "count"), [("3", 3), ("0", 0), ("-2", 0)])
def test_the_number_of_kernels_is_the_reader_s(monkeypatch, given, count):
    monkeypatch.setenv("FTZ_JOBS", given)
    assert ftz_execution.jobs() == count


@pytest.mark.slow
def test_a_failing_build_ends_with_the_report_and_keeps_what_was_done(tmp_path, monkeypatch):
    monkeypatch.setenv("FTZ_JOBS", "1")
    book = SmallBook(tmp_path)
    book.write("book/another.md", HEADER + CHAPTER.replace('"version"', '"edition"'))
    book.replace("_toc.yml", "- file: book/computed", "- file: book/another\n- file: book/computed")
    book.replace("book/computed.md", "total = sum(", "total = no_such_name + sum(")
    failed = book.build()
    assert failed.code != 0
    assert "A chapter failed" in failed.log and "NameError: name 'no_such_name'" in failed.log
    assert failed.log.rstrip().endswith("make chapter CHAPTER=book/computed.md")
    book.replace("book/computed.md", "no_such_name + ", "")
    assert "executing 1 chapter," in book.built().log


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
    table = links.BeautifulSoup(book.page("plain"), "lxml").select_one("table.ftz-status")
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
    told = release.differences(*sites)
    assert not [line for line in told if line.partition(":")[0].endswith(".html")], told


# -- links ------------------------------------------------------------------------------


@pytest.fixture
def site(tmp_path) -> Path:
    """Return a built site of two pages, one of them written in ``book/one.md``."""
    _write(tmp_path / "book/one.md", "# One\n\nA link to [a place](two.md#plaec).\n")
    _write(
        tmp_path / "site/book/one.html",
        '<h1 id="one">One</h1>\n<p><a href="two.html#plaec">a place</a>\n'
        '<a href="#one">here</a> <a href="https://example.org/x">away</a>\n'
        '<a href="tow.html">gone</a> <img src="../../book/one.md"/></p>\n',
    )
    _write(tmp_path / "site/book/two.html", '<h1 id="two">Two</h1><p id="place">x</p>\n')
    return tmp_path / "site"


def test_a_broken_link_is_told_with_file_line_and_remedy(site):
    found = {one.link: one for one in links.broken(site, site.parent)}
    assert set(found) == {"two.html#plaec", "tow.html", "../../book/one.md"}
    place = found["two.html#plaec"]
    assert (place.file, place.line) == ("book/one.md", 3)
    assert "has no place #plaec; did you mean place?" in place.remedy
    assert "no such file in the book; did you mean book/two.html?" in found["tow.html"].remedy
    assert (found["tow.html"].file, found["tow.html"].line) == ("book/one.html", 4)
    assert "it leaves the book" in found["../../book/one.md"].remedy


def test_the_command_needs_a_book(tmp_path, capsys):
    assert links.main([str(tmp_path)]) == 2
    assert "make book" in capsys.readouterr().out


@pytest.mark.slow
def test_no_link_of_the_book_is_broken(html):
    found = [str(one) for one in links.broken(html)]
    assert not found, "\n".join(found)


# -- releases ---------------------------------------------------------------------------

CHANGES = """# Changelog

## [Unreleased]

- Not yet.

## [1.2.0] - 2026-03-04

### Added

- A chapter.

## [1.1.0]: first light

- Everything.

## [1.0.0] - 2026-01-01

"""


def test_notes_are_the_version_s_own_section():
    date, text = release.notes(CHANGES, "1.2.0")
    assert date == datetime.date(2026, 3, 4)
    assert text == "### Added\n\n- A chapter.\n"


@pytest.mark.parametrize(
    ("version", "words"),
    [
        ("1.2", "no semantic version"),
        ("v1.2.0", "no semantic version"),
        ("01.2.0", "no semantic version"),
        ("1.3.0", r"has no section '## \[1.3.0\] - YYYY-MM-DD'"),
        ("1.1.0", "write the date"),
        ("1.0.0", "say what changed"),
    ],
)
def test_a_version_that_cannot_be_released_is_told_why(version, words):
    with pytest.raises(release.ReleaseError, match=words):
        release.notes(CHANGES, version)


def test_the_version_is_written_where_the_project_keeps_it(tmp_path):
    for name in release.VERSIONED:
        _write(tmp_path / name, (ROOT / name).read_text(encoding="utf-8"))
    date = datetime.date(2031, 2, 3)
    assert release.write_version(tmp_path, "7.8.9-rc.1", date) == list(release.VERSIONED)
    assert release.write_version(tmp_path, "7.8.9-rc.1", date) == []
    citation = (tmp_path / "CITATION.cff").read_text(encoding="utf-8")
    assert "\nversion: 7.8.9-rc.1\ndate-released: 2031-02-03\n" in citation
    assert '\n__version__ = "7.8.9-rc.1"\n' in (tmp_path / "lib/ftz/__init__.py").read_text("utf-8")
    assert '\nversion = "7.8.9-rc.1"\n' in (tmp_path / "pyproject.toml").read_text("utf-8")


def test_a_file_without_a_version_is_named():
    with pytest.raises(release.ReleaseError, match=r"CITATION\.cff has no line"):
        release.versioned("CITATION.cff", "title: x\n", "1.0.0", datetime.date(2026, 1, 1))


@pytest.fixture
def checkout(tmp_path) -> Path:
    """Return a small checkout with a built site."""
    root = tmp_path / "checkout"
    _write(root / "notebooks/sums.md", HEADER + FAILING)
    _write(root / "book/intro.md", "# Prose\n")
    _write(root / "data/witness/panel.csv", "city,year\nTianjin,2015\n")
    _write(root / "CITATION.cff", "version: 1.2.0\n")
    _write(root / "requirements.lock", "numpy==2.4.6\n")
    _write(root / "_build/html/index.html", "<p>自由贸易试验区</p>\n")
    _write(root / "_build/html/_static/a.css", "p {}\n")
    return root


ABOUT = {
    "version": "1.2.0",
    "date": "2026-03-04",
    "commit": "0" * 40,
    "epoch": 1772582400,
    "notes": "- A chapter.\n",
}


def test_a_release_depends_on_the_commit_only(checkout, tmp_path):
    release.write_release(checkout, checkout / "_build/html", tmp_path / "one", ABOUT)
    # another folder, other times and permissions, files written in another order
    again = tmp_path / "again"
    for path in sorted((p for p in checkout.rglob("*") if p.is_file()), reverse=True):
        copy = again / path.relative_to(checkout)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
        os.utime(copy, (1_000_000_000, 1_000_000_000))
        copy.chmod(0o600)
    release.write_release(again, again / "_build/html", tmp_path / "two", ABOUT)
    assert release.differences(tmp_path / "one", tmp_path / "two") == []


def test_a_release_holds_what_its_checksums_say(checkout, tmp_path):
    target = tmp_path / "release"
    release.write_release(checkout, checkout / "_build/html", target, ABOUT)
    names = {path.name for path in target.iterdir()}
    archives = {f"ftz-monograph-1.2.0-{part}.zip" for part in ("site", "notebooks", "witness")}
    assert names == {*archives, "NOTES.md", "CITATION.cff", "manifest.json", "SHA256SUMS"}
    for line in (target / "SHA256SUMS").read_text(encoding="utf-8").splitlines():
        digest, name = line.split("  ")
        assert hashlib.sha256((target / name).read_bytes()).hexdigest() == digest
    manifest = json.loads((target / "manifest.json").read_text(encoding="utf-8"))
    assert set(manifest["archives"]) == archives
    for archive, inside in manifest["archives"].items():
        with zipfile.ZipFile(target / archive) as opened:
            assert opened.namelist() == sorted(inside)
            assert {entry.date_time for entry in opened.infolist()} == {(2026, 3, 4, 0, 0, 0)}
            for name, digest in inside.items():
                assert hashlib.sha256(opened.read(name)).hexdigest() == digest


def test_released_notebooks_hold_no_output(checkout):
    (found,) = release.notebook_bytes(checkout, "x").items()
    assert found[0] == "x/notebooks/sums.ipynb"
    cells = json.loads(found[1])["cells"]
    assert [cell["id"] for cell in cells] == [f"cell-{n}" for n in range(len(cells))]
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in cells)


def test_sites_that_differ_are_told_apart(checkout, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(checkout / "_build/html", other)
    _write(other / "index.html", "<p>自由贸易区</p>\n")
    _write(other / "new.html", "")
    (other / "_static/a.css").unlink()
    told = release.differences(checkout / "_build/html", other)
    assert [line.partition(":")[0].partition(",")[0] for line in told] == [
        *("_static/a.css", "index.html", "new.html"),
    ]
    assert "only in the first build" in told[0] and "only in the second build" in told[2]


def test_only_a_commit_is_released(tmp_path):
    for command in (
        ["init", "-q"],
        ["config", "user.name", "x"],
        ["config", "user.email", "x@y.z"],
    ):
        release.git(tmp_path, *command)
    _write(tmp_path / "a.txt", "1\n")
    release.git(tmp_path, "add", "a.txt")
    release.git(tmp_path, "commit", "-q", "-m", "one", "--date", "2026-01-01T00:00:00Z")
    identity, epoch = release.commit(tmp_path)
    assert re.fullmatch("[0-9a-f]{40}", identity) and epoch > 0
    release.check_out(tmp_path, tmp_path / "copy")
    assert (tmp_path / "copy" / "a.txt").read_text() == "1\n"
    assert release.git(tmp_path / "copy", "rev-parse", "HEAD") == identity
    _write(tmp_path / "a.txt", "2\n")
    with pytest.raises(release.ReleaseError, match=r"commit these first(.|\n)*a\.txt"):
        release.commit(tmp_path)


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


@pytest.fixture
def repository(tmp_path) -> Path:
    """Return a small git repository that could be released."""
    root = tmp_path / "repository"
    for name in (*release.VERSIONED, "requirements.lock"):
        _write(root / name, (ROOT / name).read_text(encoding="utf-8"))
    _write(root / "CHANGELOG.md", CHANGES)
    _write(root / ".gitignore", "_build/\n")
    _write(root / "notebooks/sums.md", HEADER + FAILING)
    _write(root / "data/witness/panel.csv", "city,year\nTianjin,2015\n")
    release.git(root, "init", "-q")
    for name, value in (("name", "x"), ("email", "x@y.z")):
        release.git(root, "config", f"user.{name}", value)
    release.git(root, "add", ".")
    release.git(root, "commit", "-q", "-m", "one")
    return root


def _fake_build(pages: list[str]):
    def build(source: Path, epoch: int) -> Path:
        _write(source / "_build/html/index.html", pages.pop(0))
        return source / "_build/html"

    return build


def test_a_release_asks_for_a_commit_then_packs_it(repository, monkeypatch):
    with pytest.raises(release.ReleaseError, match=r"1\.2\.0 now stands in CITATION\.cff"):
        release.release(repository, "1.2.0")
    release.git(repository, "commit", "-q", "-a", "-m", "1.2.0")
    monkeypatch.setattr(release, "build", _fake_build(["<p>a</p>", "<p>a</p>"]))
    target = release.release(repository, "1.2.0")
    assert target == repository / "_build/release/1.2.0"
    manifest = json.loads((target / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["commit"] == release.git(repository, "rev-parse", "HEAD")
    assert manifest["date"] == "2026-03-04"
    assert [path.name for path in target.parent.iterdir()] == ["1.2.0"], "checkouts are gone"


def test_builds_that_differ_are_no_release(repository, monkeypatch):
    release.write_version(repository, "1.2.0", datetime.date(2026, 3, 4))
    release.git(repository, "commit", "-q", "-a", "-m", "1.2.0")
    monkeypatch.setattr(release, "build", _fake_build(["<p>a</p>", "<p>b</p>"]))
    with pytest.raises(release.ReleaseError, match=r"differ in 1 files:\nindex\.html, byte 3"):
        release.release(repository, "1.2.0")
    assert not (repository / "_build/release/1.2.0").exists()
