"""A table that scrolls on the screen wraps on paper, where nobody can scroll."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pandas as pd
import pytest

from browser import opened, page_of
from conftest import ROOT
from ftz.tables import Table

CELLS = "[...document.querySelectorAll('td')]"
RIGHT = f"Math.max(...{CELLS}.map(cell => cell.getBoundingClientRect().right))"
CUT = f"{CELLS}.filter(cell => cell.scrollWidth > cell.clientWidth + 1).length"

#: The width of a sheet of A4 between its margins, in pixels of a browser.
SHEET = 718

THEME = ("pydata_sphinx_theme", "pydata-sphinx-theme"), ("sphinx_book_theme", "sphinx-book-theme")


def _styles() -> str:
    """Return the styles of the theme and of the book, as a page loads them."""
    folders = [(Path(importlib.util.find_spec(name).origin).parent, css) for name, css in THEME]
    sheets = [f / "theme" / f.name / "static" / "styles" / f"{css}.css" for f, css in folders]
    sheets.append(ROOT / "book" / "_static" / "ftz.css")
    return "".join(f"<style>{path.read_text('utf-8')}</style>" for path in sheets)


@pytest.mark.slow
def test_the_deciding_arithmetic_is_not_cut_from_the_sheet():
    words = "3 x 0.1234 = 0.3702, which is 0.370 with three decimals, and the table prints 0.371: "
    line = {
        "paper": "yan_ye_wang",
        "rule": "statistic",
        "verdict": "impossible",
        "what is asked": "Is the t value the coefficient over its error, as the header says?",
        "the deciding arithmetic": words * 3 + "a_name_of_code_that_is_one_very_long_word_" * 3,
    }
    table = Table(pd.DataFrame([line] * 3), "The ledger", filters=("paper",))._repr_html_()
    frame = (
        "<main class='bd-main'><div class='bd-content'><div class='bd-article-container'>"
        f"<article class='bd-article'><div class='cell_output'>{table}</div></article>"
        "</div></div></main>"
    )
    with opened() as browser, page_of(browser, width=SHEET, height=1000) as page:
        page.set_content(f"<html data-theme='light'><head>{_styles()}</head><body>{frame}</body>")
        assert page.evaluate(RIGHT) > SHEET, "on the screen the table scrolls"
        page.emulate_media(media="print")
        assert page.evaluate(RIGHT) <= SHEET
        assert page.evaluate(CUT) == 0
