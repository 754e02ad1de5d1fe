"""Every link of a built book leads somewhere, and a broken one is told with its remedy."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from click.testing import CliRunner
from small import write

from bookworks import _links
from bookworks.cli import main


@pytest.fixture
def root(tmp_path) -> Path:
    """Return a book with a built site of two pages, one of them written in ``book/one.md``."""
    write(tmp_path, "_config.yml", "title: Bread\n")
    write(tmp_path, "_toc.yml", "format: jb-book\nroot: book/one\n")
    write(tmp_path, "book/one.md", "# One\n\nA link to [a place](two.md#plaec).\n")
    site = tmp_path / "_build" / "html"
    write(site, "index.html", '<a href="book/one.html#one">x</a> <a href="mailto:a@b.c">y</a>')
    write(
        site,
        "book/one.html",
        '<h1 id="one">One</h1>\n<p><a href="two.html#plaec">a place</a>\n'
        '<a href="#one">here</a> <a href="https://example.org/x">away</a>\n'
        '<a href="tow.html">gone</a> <img src="../../book/one.md"/></p>\n',
    )
    write(site, "book/two.html", '<h1 id="two">Two</h1><p id="place">x</p>\n')
    write(site, "_static/webpack.html", '<a href="no-such-file">a template</a>')
    write(site, "nothing-in-it.html", "")
    (site / "folder.html").mkdir()
    os.mkfifo(site / "pipe.html")
    return tmp_path


def test_a_broken_link_is_told_with_file_line_and_remedy(root):
    found = {one.link: one for one in _links.broken(root / "_build" / "html", root)}
    assert set(found) == {"two.html#plaec", "tow.html", "../../book/one.md"}
    place = found["two.html#plaec"]
    assert (place.file, place.line) == ("book/one.md", 3)
    assert "has no place #plaec (did you mean 'place'?)" in place.remedy
    assert "no such file in the book (did you mean 'book/two.html'?)" in found["tow.html"].remedy
    assert (found["tow.html"].file, found["tow.html"].line) == ("book/one.html", 4)
    assert "it leaves the book" in found["../../book/one.md"].remedy


def test_the_command_tells_all_and_its_code_says_so(root, monkeypatch):
    monkeypatch.chdir(root)
    run = CliRunner().invoke(_links.command)
    assert run.exit_code == 1
    assert run.output.splitlines()[-1] == "3 broken links"
    assert "book/one.md:3: two.html#plaec: " in run.output
    write(root, "_build/html/book/one.html", '<h1 id="one">One</h1>')
    again = CliRunner().invoke(_links.command, ["_build/html"])
    assert (again.exit_code, again.output) == (0, "0 broken links\n")


def test_what_the_system_refuses_is_one_line(root, monkeypatch):
    gone = root / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    run = CliRunner().invoke(main, ["links"])
    assert run.exit_code == 2 and run.output == "Error: here: No such file or directory\n"


def test_the_command_needs_a_book(root, monkeypatch):
    monkeypatch.chdir(root)
    run = CliRunner().invoke(_links.command, ["book"])
    assert run.exit_code == 2 and "run make book first" in run.output
