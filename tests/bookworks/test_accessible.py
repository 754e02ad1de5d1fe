"""What the theme and docutils leave closed to some readers is mended, once."""

from __future__ import annotations

import pytest
from small import write

from bookworks._accessible import mend, pages


@pytest.mark.parametrize(
    ("faulty", "mended"),
    [
        ('<div class="citation" role="doc-biblioentry">', '<div class="citation" role="listitem">'),
        ('<th class="head"><p></p></th>', "<td></td>"),
        ("<th></th>", "<td></td>"),
        (
            '<summary><span class="toctree-toggle" role="presentation"></span></summary>',
            '<summary aria-label="Show or hide the pages of this part">'
            '<span class="toctree-toggle" role="presentation"></span></summary>',
        ),
        ('<div class="loaves"><table>', '<div class="loaves" tabindex="0"><table>'),
        ('<div class="loaves wide"><table>', '<div class="loaves wide" tabindex="0"><table>'),
        (
            '<div class="pst-scrollable-table-container">',
            '<div class="pst-scrollable-table-container" tabindex="0">',
        ),
        (
            '<button class="a" title="Search">',
            '<button class="a" title="Search" aria-label="Search">',
        ),
    ],
)
def test_a_fault_of_the_theme_is_mended_once(faulty, mended):
    assert mend(faulty, ["loaves"]) == mended
    assert mend(mended, ["loaves"]) == mended


def test_what_is_well_is_left_alone():
    page = (
        '<th scope="col">flour</th><button aria-label="M" title="M"></button><summary>a</summary>'
    )
    page += '<div class="loaves-of-bread"></div>'
    assert mend(page, ["loaves"]) == page


def test_templates_among_static_files_are_no_pages(tmp_path):
    for name in ("b.html", "a/c.html", "_static/webpack.html", "a.txt"):
        write(tmp_path, name, "x")
    assert [path.relative_to(tmp_path).as_posix() for path in pages(tmp_path)] == [
        *("a/c.html", "b.html"),
    ]
