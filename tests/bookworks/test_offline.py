"""A page asks no other host, is light, and names its style sheets by what they hold."""

from __future__ import annotations

import re
import shutil
import zlib
from pathlib import Path

import pytest
from small import build, write, write_book

from bookworks import _offline
from bookworks._offline import MATHJAX_PARTS, mathjax_folder
from bookworks._release import differences


@pytest.fixture
def book(tmp_path) -> Path:
    """Return a book of two pages, one with a formula, and a style sheet."""
    write(tmp_path, "_static/bread.css", "p { color: brown }\n")
    return write_book(tmp_path, html_css_files=["bread.css", "late.css"])


@pytest.fixture
def late(monkeypatch, tmp_path) -> Path:
    """Have a style sheet copied when all pages are written, as several extensions do it."""
    source = write(tmp_path, "elsewhere/late.css", "p { margin: 0 }\n")
    copy = _offline.copy_mathjax

    def copy_more(app, exception):
        copy(app, exception)
        shutil.copy(source, app.outdir / "_static")

    monkeypatch.setattr(_offline, "copy_mathjax", copy_more)
    return source


def test_a_changed_style_sheet_gives_the_pages_of_a_clean_build(book, late, tmp_path):
    first = (build(book) / "loaf.html").read_text("utf-8")
    assert "mathjax/" in first and "thebe" not in first
    assert "mathjax/" not in (book / "_build" / "html" / "index.html").read_text("utf-8")
    assert re.search(r"<script[^>]*defer[^>]*doctools.js", first), "scripts wait for the text"
    assert re.search(r'<script src="[^"]*documentation_options.js', first)
    search = (book / "_build" / "html" / "search.html").read_text("utf-8")
    assert not re.search(r"<script[^>]*defer[^>]*doctools.js", search), "searchtools.js needs it"
    write(book, "_static/bread.css", "p { color: black }\n")
    late.write_text("p { margin: 1em }\n", encoding="utf-8")
    upon = Path(shutil.copytree(build(book), tmp_path / "elsewhere" / "upon"))
    shutil.rmtree(book / "_build")
    clean = build(book)
    assert differences(clean, upon) == []
    page = (clean / "loaf.html").read_text("utf-8")
    mark = f"{zlib.crc32((clean / '_static' / 'bread.css').read_bytes()):08x}"
    assert f'_static/bread.css?v={mark}"' in page and mark not in first
    assert "_static/late.css" in page and (clean / "_static" / "late.css").is_file()


def test_a_style_sheet_that_is_gone_is_gone_from_the_site(book):
    build(book)
    (book / "_static" / "bread.css").rename(book / "_static" / "toast.css")
    html = build(book)
    assert {path.name for path in (html / "_static").glob("*oast.css")} == {"toast.css"}
    assert not (html / "_static" / "bread.css").exists()
    before = {path: path.stat().st_mtime_ns for path in html.rglob("*.html")}
    build(book)
    assert before == {path: path.stat().st_mtime_ns for path in before}, "nothing to do"


def test_a_build_that_was_killed_while_it_copied_heals(book, monkeypatch, tmp_path):
    whole = Path(shutil.copytree(build(book), tmp_path / "elsewhere" / "whole"))

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copytree", killed)
        text = (book / "index.md").read_text("utf-8")
        write(book, "index.md", text + "\nAnd rye.\n")
        with pytest.raises(KeyboardInterrupt):
            build(book)
    write(book, "index.md", text)
    assert differences(build(book), whole) == []


def test_mathjax_is_installed_with_all_parts_that_pages_load():
    assert all((mathjax_folder() / part).exists() for part in MATHJAX_PARTS)
