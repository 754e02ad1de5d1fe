"""One chapter executed on its own."""

from __future__ import annotations

import re

import pytest
from click.testing import CliRunner
from tea_book import HEADER, Tea

from bookworks.cli import main

FAILING = """# Tea

```{code-cell} ipython3
print("this one ran")
```

Words between the cells.

```{code-cell} ipython3
share = 1 / 0
```
"""


def _run(tea: Tea, monkeypatch, name: str):
    monkeypatch.chdir(tea.root)
    return CliRunner().invoke(main, ["chapter", name])


def test_a_failing_cell_is_told_with_line_cell_traceback_and_command(tea, monkeypatch):
    tea.write("taste.md", HEADER + FAILING)
    done = _run(tea, monkeypatch, "taste.md")
    assert done.exit_code != 0
    lines = (HEADER + FAILING).splitlines()
    fence = [n for n, line in enumerate(lines, start=1) if line.startswith("```{code-cell")][1]
    line = int(re.search(r"taste\.md:(\d+): the cell", done.output)[1])
    assert fence <= line <= lines.index("share = 1 / 0") + 1
    assert "    share = 1 / 0" in done.output
    assert "ZeroDivisionError: division by zero" in done.output
    assert "\x1b" not in done.output, "colours of the terminal are taken out"


def test_a_chapter_that_runs_says_how_long_and_is_kept(tea, monkeypatch):
    tea.write("taste.md", HEADER + FAILING.replace("1 / 0", "1 / 2"))
    first = _run(tea, monkeypatch, "taste.md")
    assert re.fullmatch(r"taste: \d+\.\d s\n", first.output), first.output
    assert "nothing that it reads has changed" in _run(tea, monkeypatch, "taste.md").output


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("tast.md", "there is no chapter tast.md (did you mean 'taste.md'?)"),
        ("intro.md", "holds no code"),
        ("../elsewhere.md", "there is no chapter"),
    ],
)
def test_what_cannot_be_executed_is_said(tea, monkeypatch, name, words):
    done = _run(tea, monkeypatch, name)
    assert done.exit_code == 2
    assert words in done.output


def test_a_cell_that_takes_too_long_is_named(tea, monkeypatch):
    tea.write("taste.md", HEADER + FAILING.replace("1 / 0", "0; import time; time.sleep(600)"))
    monkeypatch.chdir(tea.root)
    done = CliRunner().invoke(main, ["chapter", "taste.md", "--timeout", "2"])
    assert "CellTimeoutError: A cell timed out" in done.output and "time.sleep" in done.output


def test_the_first_failure_stops_the_chapters_beside_it(tea, monkeypatch):
    tea.write("taste.md", HEADER + FAILING)
    tea.write("harvest.md", HEADER + FAILING.replace("1 / 0", "0; import time; time.sleep(600)"))
    monkeypatch.chdir(tea.root)
    monkeypatch.setenv("TEA_JOBS", "2")
    done = CliRunner().invoke(main, ["chapter", "harvest.md", "taste.md"])
    assert "taste.md:" in done.output and "ZeroDivisionError" in done.output


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("import os; os._exit(3)", "DeadKernelError: Kernel died"),
        ("1 +", "SyntaxError: invalid syntax"),
        ("import os; os.rename('taste.md', 'flavour.md'); 1 / 0", "ZeroDivisionError"),
    ],
)
def test_what_ends_a_kernel_is_told_and_nothing_is_kept(tea, monkeypatch, cell, said):
    tea.edit("taste.md", "1 + 1", cell)
    done = _run(tea, monkeypatch, "taste.md")
    assert done.exit_code == 2 and said in done.output and "Traceback" not in done.output[:60]
    assert "taste.md:8: the cell" in done.output and "bookworks chapter taste.md" in done.output
    assert not list((tea.root / "_build").glob(".executed/*/*"))


def test_a_kernel_that_does_not_start_is_told_with_its_last_words(tea, monkeypatch):
    tea.write("ipykernel_launcher.py", "raise SystemExit('no kernel today')\n")
    done = _run(tea, monkeypatch, "taste.md")
    assert done.exit_code == 2 and "no kernel today" in done.output


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ("- 1", "_config.yml must hold keys and values"),
        ("sphinx: 3", "sphinx must hold keys and values"),
        ("sphinx: {config: [1]}", "sphinx: config must hold keys and values"),
        ("sphinx: {config: {bookworks_prefix: 7}}", "bookworks_prefix: 7 must be as 'BOOKWORKS_'"),
        ("title: Tea", "0 is not in the range x>=1"),
    ],
)
def test_a_setting_of_another_kind_is_told(tea, monkeypatch, settings, said):
    tea.write("_config.yml", settings)
    monkeypatch.chdir(tea.root)
    time = ["--timeout", "0"] * settings.startswith("title")
    done = CliRunner().invoke(main, ["chapter", "taste.md", *time])
    assert done.exit_code == 2 and said in done.output
