"""What CONTRIBUTING says can be done as it says."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import test_repository
from bookworks._execution import execute, read_chapter
from bookworks._store import Store
from bookworks.book import Book
from conftest import ROOT
from ftz import did
from study import cli
from userpanel import _template as template


def _write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def _examples(language: str) -> list[str]:
    """Return the examples in a language from CONTRIBUTING.md, without their indentation."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    found = re.findall(rf"^   (`{{3,}}){language}\n(.*?)^   \1$", text, re.MULTILINE | re.DOTALL)
    return [textwrap.dedent(body) for _, body in found]


def test_the_chapter_of_contributing_runs_and_meets_the_rules(tmp_path):
    text, _ = _examples("markdown")
    path = _write(tmp_path / "my-chapter.md", text)
    test_repository.test_every_cell_that_draws_has_alt_text_caption_and_name(path)
    test_repository.test_no_result_is_typed_into_prose(path)
    for name in ("_config.yml", "_toc.yml"):
        shutil.copy(ROOT / name, tmp_path)
    book = Book.read(tmp_path)
    chapter = read_chapter(book, "my-chapter")
    done = execute(book, Store.of(book), [chapter], 120)["my-chapter"]
    outputs = [output for cell in done.outputs for output in cell["outputs"]]
    assert any("image/svg+xml" in output.get("data", {}) for output in outputs)
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


def test_the_place_of_the_estimator_on_a_page_runs_and_meets_the_rules(tmp_path, monkeypatch):
    (estimator, _), (_, text) = _examples("python"), _examples("markdown")
    path = _write(tmp_path / "did-appendix.md", text)
    test_repository.test_every_cell_that_draws_has_alt_text_caption_and_name(path)
    test_repository.test_no_result_is_typed_into_prose(path)
    room, page = {}, {}
    exec(compile(estimator, "two_by_two.py", "exec", dont_inherit=True), room)
    monkeypatch.setattr(did, "two_by_two", room["two_by_two"], raising=False)
    for cell in re.findall(r"^```\{code-cell\}.*?\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        exec(compile(cell, path.name, "exec", dont_inherit=True), page)
    low, high = page["simple"].conf_int().loc["effect"]
    assert low < template.EFFECT < high


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
