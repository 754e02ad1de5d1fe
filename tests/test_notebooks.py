"""Every text notebook runs from top to bottom, through nbmake; the book takes the outputs."""

from __future__ import annotations

import pytest

from bookworks.book import Book
from conftest import ROOT, code_chapters, execute_once

PAGES = Book.read(ROOT).chapters()


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_notebook_runs(page, shared):
    failed = execute_once(page, shared)
    assert not failed, failed


def test_every_text_notebook_is_in_the_book():
    """An empty parametrisation is skipped in silence; this is not."""
    assert {f"{page}.md" for page in PAGES} == {
        path.relative_to(ROOT).as_posix() for path in code_chapters()
    }
