"""The built book: it builds clean, and its pages hold what a reader relies on."""

from __future__ import annotations

import gzip
import re
from collections import Counter
from functools import cache
from pathlib import Path

import lxml.html
import pytest
from bs4 import BeautifulSoup, Tag

from bookworks._links import broken
from conftest import ROOT, chapters

pytestmark = pytest.mark.slow

COMPUTED = [name for name in chapters() if name.startswith("notebooks/")]


@cache
def page(path: Path) -> BeautifulSoup:
    """Parse a built page."""
    return BeautifulSoup(path.read_text(encoding="utf-8"), "lxml")


def article(html: Path, chapter: str) -> Tag:
    """Return the chapter's own part of its page."""
    (found,) = page(html / f"{chapter}.html").select("article.bd-article")
    return found


def prose(element: Tag) -> str:
    """Return the text of an element without its code."""
    copy = BeautifulSoup(str(element), "lxml")
    for code in copy.select("pre, code, script, style"):
        code.decompose()
    return copy.get_text()


def test_the_book_builds_without_a_warning(built):
    assert built.code == 0, built.log
    assert "WARNING" not in built.log, built.log
    assert "build succeeded." in built.log


def test_the_first_page_leads_to_the_landing_page(html):
    assert chapters()[0] in (html / "index.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("chapter", chapters())
def test_chapter_has_its_page(html, chapter):
    (title,) = article(html, chapter).select("h1")
    assert title.get_text().strip("# \n")


@pytest.mark.parametrize("chapter", chapters())
def test_no_cell_failed_or_complained(html, chapter):
    body = article(html, chapter)
    assert "Traceback (most recent call last)" not in prose(body)
    assert not body.select(".output.traceback, .output.stderr")
    # matplotlib's words for a character the font does not have
    assert not re.search(r"Glyph \d+ .* missing", body.get_text())


@pytest.mark.parametrize("chapter", chapters())
def test_no_reference_is_left_unresolved(html, chapter):
    text = prose(article(html, chapter))
    for sign in ("glue:", "Key `", "{cite", "{ref}", "{numref}", "{eq}", "[?]"):
        assert sign not in text, f"{sign!r} stands in the prose of {chapter}"


@pytest.mark.parametrize("chapter", COMPUTED)
def test_computed_page_says_what_its_numbers_rest_on(html, chapter):
    said = article(html, chapter).select_one("#overview").get_text().lower()
    rests = r"\bwitness|\bsimulat|\bprinted digits"
    assert re.search(rests, said), f"the overview of {chapter} does not say so"


def test_images_have_an_alternative_text_of_their_own(html):
    images = [image for name in chapters() for image in article(html, name).select("img")]
    texts = [image.get("alt", "") for image in images]
    for image, text in zip(images, texts, strict=True):
        chinese = re.findall(r"[\u4e00-\u9fff]", text)  # is written without spaces
        assert len(text.split()) >= 4 or len(chinese) >= 8, f"{image.get('src')}: alt text {text!r}"
        assert not re.search(r"\.(png|svg|jpe?g)\b|_images/", text), text
    # one picture may be shown twice, and says the same each time
    pictures = {(image["src"], text) for image, text in zip(images, texts, strict=True)}
    repeated = [text for text, count in Counter(t for _, t in pictures).items() if count > 1]
    assert not repeated


def test_a_chapter_that_draws_shows_a_figure(html):
    for name in COMPUTED:
        assert article(html, name).select("figure img, .cell_output table"), name


def test_pages_ask_no_other_host_for_anything(html):
    foreign, utf8 = [], lxml.html.HTMLParser(encoding="utf-8")
    for path in html.rglob("*.html"):
        root = lxml.html.document_fromstring(path.read_bytes(), utf8)
        for element in root.iter("script", "link", "img", "iframe", "source", "object"):
            if element.get("rel") == "canonical":
                continue
            for name in ("src", "href", "srcset", "data"):
                if re.match(r"(https?:)?//", element.get(name) or ""):
                    foreign.append((path.name, element.get(name)))
        for element in root.iter("script", "style"):
            if re.search(r"https?://", element.text or ""):
                foreign.append((path.name, element.text[:200]))
    for path in (html / "_static").rglob("*.css"):
        text = path.read_text(encoding="utf-8")
        foreign += [
            (path.name, url)
            for url in re.findall(r"""(?:url\(|@import)\s*["']?((?:https?:)?//[^"')\s]+)""", text)
        ]
    assert not foreign


def test_mathematics_is_set_from_the_book_itself(html):
    scripts = [
        script.get("src").split("?")[0]
        for name in chapters()
        for script in page(html / f"{name}.html").select("script[src*=mathjax]")
    ]
    assert scripts
    assert all(script.endswith("_static/mathjax/tex-mml-chtml.js") for script in scripts)
    fonts = html / "_static" / "mathjax" / "output" / "chtml" / "fonts" / "woff-v2"
    assert (html / "_static" / "mathjax" / "tex-mml-chtml.js").is_file()
    assert len(list(fonts.glob("*.woff"))) > 20


def test_every_internal_link_leads_somewhere(html):
    assert not list(broken(html, ROOT))


def test_chinese_terms_are_in_the_search_index(html):
    index = (html / "searchindex.js").read_text(encoding="utf-8").encode().decode("unicode_escape")
    # the pairs of 自由贸易试验区
    for pair in ("自由", "由贸", "贸易", "易试", "试验", "验区"):
        assert f'"{pair}":' in index
    assert "splitQuery" in (html / "_static" / "language_data.js").read_text(encoding="utf-8")


def test_nothing_hidden_is_published(html):
    assert not [path for path in html.rglob("*") if ".venv" in path.parts or ".git" in path.parts]


def held_up_by(path: Path) -> list[Path]:
    """Return a page and what a browser waits for before it paints: styles and early scripts."""
    waits = "head link[rel=stylesheet], head script[src]:not([defer]):not([async])"
    names = [e.get("href") or e.get("src") for e in page(path).select(waits)]
    return [path, *(path.parent / name.split("?")[0] for name in names)]


@pytest.mark.parametrize("chapter", chapters())
def test_the_first_paint_comes_soon_on_a_slow_line(html, chapter):
    """Two seconds for the landing page and four for others, half of one for the ways there."""
    parts = held_up_by(html / f"{chapter}.html")
    compressed = sum(len(gzip.compress(part.read_bytes())) for part in parts)
    line = 1_600_000 / 8
    assert compressed / line < (1.5 if chapter == chapters()[0] else 3.5)
