"""A page asks no other host, is light, and names its style sheets by what they hold."""

from __future__ import annotations

import shutil
import zlib

import pytest
from sphinx.util.fileutil import copy_asset_file

from bookworks.offline import MATHJAX_PARTS, marked, mathjax_folder
from bookworks.release import differences
from small import build, write

LATE = "late.css"


@pytest.fixture
def book(tmp_path):
    """Return the folder of two pages, one with a formula, and a style sheet."""
    write(tmp_path, "book/index.md", "# Bread\n\nFlour.\n\n```{toctree}\nmass\n```\n")
    write(tmp_path, "book/mass.md", "# Mass\n\n$E = mc^2$\n")
    write(tmp_path, "book/_static/bread.css", "p { color: brown }\n")
    return tmp_path


SETTINGS = {
    "html_css_files": ["bread.css", LATE],
    "myst_enable_extensions": ["dollarmath"],
    "mathjax_path": "mathjax/tex-mml-chtml.js",
}


def _build(root, **settings):
    return build(root, **{**SETTINGS, **settings})


@pytest.fixture
def late(monkeypatch, tmp_path):
    """Have a style sheet copied when all pages are written, as several extensions do it."""
    source = write(tmp_path, LATE, "p { margin: 0 }\n")

    def copy(app, exception):
        copy_asset_file(source, app.outdir / "_static")

    from bookworks import offline

    setup = offline.setup
    monkeypatch.setattr(
        offline, "setup", lambda app: (app.connect("build-finished", copy), setup(app))[1]
    )
    return source


def test_a_changed_style_sheet_gives_the_pages_of_a_clean_build(book, late, tmp_path):
    first = (_build(book) / "mass.html").read_text("utf-8")
    write(book, "book/_static/bread.css", "p { color: black }\n")
    late.write_text("p { margin: 1em }\n", encoding="utf-8")
    upon = shutil.move(_build(book), tmp_path / "upon")
    shutil.rmtree(book / "doctrees")
    clean = _build(book)
    assert differences(clean, upon) == []
    page = (clean / "mass.html").read_text("utf-8")
    for name in ("bread.css", LATE):
        mark = f"{zlib.crc32((clean / '_static' / name).read_bytes()):08x}"
        assert f'_static/{name}?v={mark}"' in page
        assert mark not in first
    # and what stands on a page agrees with itself: marking again changes nothing
    assert marked(page, clean) == page


def test_marks_are_put_on_files_of_the_site_only(tmp_path):
    write(tmp_path, "_static/empty.css", "")
    for link in (
        '<link href="https://example.org/a.css">',
        '<script src="gone.js"></script>',
        '<a href="page.html">x</a>',
        '<link href="_static/empty.css">',
    ):
        assert marked(link, tmp_path) == link
    assert marked('<link href="gone.css?v=12ab">', tmp_path) == '<link href="gone.css">'


def test_only_a_page_with_a_formula_loads_mathjax_and_an_interrupted_build_heals(book):
    html = _build(book)
    assert "mathjax/" not in (html / "index.html").read_text("utf-8")
    assert "mathjax/" in (html / "mass.html").read_text("utf-8")
    whole = shutil.copytree(html, book / "whole")

    # killed while files are copied
    def killed(*_):
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shutil, "copytree", killed)
        write(book, "book/index.md", "# Bread\n\nRye.\n\n```{toctree}\nmass\n```\n")
        with pytest.raises(KeyboardInterrupt):
            _build(book)
    write(book, "book/index.md", "# Bread\n\nFlour.\n\n```{toctree}\nmass\n```\n")
    assert differences(_build(book), whole) == []


def test_a_style_sheet_that_is_gone_is_gone_from_the_site(book):
    _build(book)
    (book / "book" / "_static" / "bread.css").unlink()
    html = _build(book, html_css_files=[])
    assert not (html / "_static" / "bread.css").exists()
    before = {path: path.stat().st_mtime_ns for path in html.rglob("*")}
    _build(book, html_css_files=[])
    assert before == {path: path.stat().st_mtime_ns for path in html.rglob("*")}, "nothing to do"


def test_mathjax_is_installed_with_all_parts_that_pages_load():
    assert all((mathjax_folder() / part).exists() for part in MATHJAX_PARTS)


def test_nothing_of_thebe_is_left(book):
    html = _build(book, extensions=["myst_parser", "sphinx_thebe", "bookworks"])
    assert "thebe" not in (html / "mass.html").read_text("utf-8")
