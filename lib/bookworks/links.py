"""Check that every link inside a built book leads to a page and to a place on it.

Each broken link is told with the source file and line where it is written (or the page and
line, where a tool made it), and with what may have been meant.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from urllib.parse import unquote, urlsplit

import click
from bs4 import BeautifulSoup, Tag

from bookworks.accessible import pages
from bookworks.book import Book
from bookworks.errors import BookError, near

#: Attributes that name another file or a place on the page.
LINKS = {"a": "href", "link": "href", "img": "src", "script": "src", "use": "href"}


@dataclass(frozen=True)
class Broken:
    """A link that leads nowhere: where it stands, what it says, and what to try."""

    file: str
    line: int
    link: str
    remedy: str

    def __str__(self) -> str:
        """Return the line that is printed."""
        return f"{self.file}:{self.line}: {self.link}: {self.remedy}"


@dataclass(frozen=True)
class Page:
    """A page: its name, the first tag of each link on it, and the names of its places."""

    name: str
    links: dict[str, Tag]
    places: frozenset[str]


def read_page(path: Path, name: str) -> Page:
    """Parse a page; the tags keep their lines."""
    soup = BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")
    links: dict[str, Tag] = {}
    for tag in soup.find_all(list(LINKS)):
        links.setdefault(str(tag.get(LINKS[tag.name]) or ""), tag)
    places = {str(tag.get("id") or tag.get("name")) for tag in soup.select("[id], a[name]")}
    return Page(name, links, frozenset(places))


@dataclass(frozen=True)
class Site:
    """A built book: the folder of its pages, and the folder of their sources."""

    folder: Path
    root: Path = field(default=Path())

    @cached_property
    def pages(self) -> dict[Path, Page]:
        """The pages by their files."""
        found = pages(self.folder)
        return {path: read_page(path, path.relative_to(self.folder).as_posix()) for path in found}

    def problem(self, path: Path, link: str) -> str | None:
        """Say why a link on a page leads nowhere and what to do; ``None`` where it does not."""
        address = urlsplit(link)
        if address.scheme or address.netloc:
            return None
        target = (path.parent / unquote(address.path)).resolve() if address.path else path
        if self.folder not in (target, *target.parents):
            return "it leaves the book: link to a page of _toc.yml, or name the file in words"
        if not target.is_file():
            names = [page.name for page in self.pages.values()]
            hint = near(unquote(address.path).lstrip("./"), names)
            return f"there is no such file in the book{hint}"
        place = unquote(address.fragment)
        page = self.pages.get(target)
        if place and page and place not in page.places:
            return f"{page.name} has no place #{place}{near(place, sorted(page.places))}"
        return None

    def origin(self, path: Path, tag: Tag, link: str) -> tuple[str, int]:
        """Return file and line where a link was written, as nearly as can be told."""
        name = self.pages[path].name
        source = (self.root / name).with_suffix(".md")
        if source.is_file():
            address = urlsplit(link)
            lines = source.read_text(encoding="utf-8").splitlines()
            stem = Path(unquote(address.path)).stem
            for word in (address.fragment, stem, tag.get_text().strip()):
                for number, line in enumerate(lines, start=1):
                    if word and word in line:
                        return source.relative_to(self.root).as_posix(), number
        return name, tag.sourceline or 0

    def broken(self) -> Iterator[Broken]:
        """Yield the links that lead nowhere, each once a page."""
        for path, page in self.pages.items():
            for link, tag in page.links.items():
                remedy = self.problem(path, link) if link else None
                if remedy:
                    yield Broken(*self.origin(path, tag, link), link, remedy)


def site_of(folder: Path, root: Path) -> Site:
    """Return a built book.

    Raises
    ------
    BookError
        If there is none in the folder.
    """
    if not (folder / "index.html").is_file():
        raise BookError(f"There is no book in {folder}: run make book first")
    return Site(folder.resolve(), root.resolve())


@click.command("links")
@click.argument("folder", required=False, type=click.Path(path_type=Path))
@click.pass_context
def command(context: click.Context, folder: Path | None) -> None:
    """Check every link inside the built book (in FOLDER, or in _build/html)."""
    book = Book.find()
    site = site_of(folder or book.build / "html", book.root)
    found = list(site.broken())
    for one in found:
        click.echo(str(one))
    click.echo(f"{len(site.pages)} pages, {len(found)} broken links")
    context.exit(1 if found else 0)
