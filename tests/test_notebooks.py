"""Every text notebook runs from top to bottom, outside the book, through nbmake."""

from __future__ import annotations

import os
import subprocess
import sys

import jupytext
import pytest

from conftest import ROOT, code_chapters
from ftz.fingerprint import KERNEL_ENVIRONMENT


@pytest.mark.slow
@pytest.mark.parametrize("chapter", code_chapters(), ids=lambda path: path.stem)
def test_notebook_runs(chapter, tmp_path):
    # nbmake reads .ipynb only and refuses a path that contains _build
    notebook = tmp_path / chapter.with_suffix(".ipynb").relative_to(ROOT)
    notebook.parent.mkdir()
    jupytext.write(jupytext.read(chapter, fmt="md:myst"), notebook)

    command = [sys.executable, "-m", "pytest", "--nbmake", "--nbmake-timeout=300"]
    command += ["-p", "no:cacheprovider", "-c", os.devnull, f"--rootdir={tmp_path}", str(notebook)]
    run = subprocess.run(
        command,
        cwd=tmp_path,
        env={**os.environ, **KERNEL_ENVIRONMENT},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
    )
    assert run.returncode == 0, run.stdout
    assert "1 passed" in run.stdout


def test_there_are_notebooks():
    """An empty parametrisation is skipped in silence; this is not."""
    assert len(code_chapters()) >= 6
