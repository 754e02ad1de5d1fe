"""Check that every link inside a built book leads to a page and to a place on it.

Each broken link is told with the source file and line where it is written (or the page and
line, where a tool made it), and with what may have been meant.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from os.path import normpath
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

import click
from lxml import html  # type: ignore[import-untyped]

from bookworks._accessible import pages
from bookworks._errors import BookError, near
from bookworks.book import Book

#: Attributes that name another file or a place on the page.
LINKS = {"a": "href", "link": "href", "img": "src", "script": "src", "use": "href"}


class Page(NamedTuple):
    """A page: its name, the first element of each link on it, and the names of its places."""

    name: str
    links: Mapping[str, Any]
    places: frozenset[str]


class Broken(NamedTuple):
    """A link that leads nowhere: where it stands, what it says, and what to try."""

    file: str
    line: int
    link: str
    remedy: str


def read_page(path: Path, name: str) -> Page:
    text = path.read_bytes().rstrip() or b"<html/>"
    root = html.document_fromstring(text, html.HTMLParser(encoding="utf-8"))
    links: dict[str, Any] = {}
    for element in root.iter(*LINKS):
        links.setdefault(element.get(LINKS[element.tag], ""), element)
    return Page(name, links, frozenset(map(str, root.xpath("//@id | //a/@name"))))


def problem(site: Path, known: Mapping[Path, Page], path: Path, link: str) -> str | None:
    """Say why a link on a page leads nowhere and what to do; ``None`` where it does not."""
    address = urlsplit(link)
    if not link or address.scheme or address.netloc:
        return None
    target = Path(normpath(path.parent / unquote(address.path))) if address.path else path
    if not target.is_relative_to(site):
        return "it leaves the book: link to a page of _toc.yml, or name the file in words"
    if not target.is_file():
        hint = near(unquote(address.path).lstrip("./"), [page.name for page in known.values()])
        return f"there is no such file in the book{hint}"
    page, place = known.get(target), unquote(address.fragment)
    if page and place and place not in page.places:
        return f"{page.name} has no place #{place}{near(place, sorted(page.places))}"
    return None


def origin(root: Path, page: Page, link: str) -> tuple[str, int]:
    """Return file and line where a link was written, as nearly as can be told."""
    source, address = (root / page.name).with_suffix(".md"), urlsplit(link)
    element = page.links[link]
    if source.is_file():
        lines = source.read_text(encoding="utf-8").splitlines()
        words = address.fragment, Path(unquote(address.path)).stem, element.text_content().strip()
        for word in words:
            for number, line in enumerate(lines, start=1):
                if word and word in line:
                    return source.relative_to(root).as_posix(), number
    return page.name, element.sourceline or 0


def broken(site: Path, root: Path) -> Iterator[Broken]:
    """Yield the links of a built site that lead nowhere, each once a page."""
    if not (site / "index.html").is_file():
        raise BookError(f"There is no book in {site}: run make book first")
    site = site.resolve()
    known = {path: read_page(path, path.relative_to(site).as_posix()) for path in pages(site)}
    for path, page in known.items():
        for link in page.links:
            if remedy := problem(site, known, path, link):
                yield Broken(*origin(root, page, link), link, remedy)


@click.command("links")
@click.argument("folder", required=False, type=click.Path(path_type=Path))
@click.pass_context
def command(context: click.Context, folder: Path | None) -> None:
    """Check every link inside the built book (in FOLDER, or in _build/html)."""
    book = Book.find()
    found = list(broken(folder or book.build / "html", book.root))
    for one in found:
        click.echo(f"{one.file}:{one.line}: {one.link}: {one.remedy}")
    click.echo(f"{len(found)} broken links")
    context.exit(1 if found else 0)
