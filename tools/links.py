"""Check that every link inside the built book leads to a page and to a place on it: ``make links``.

Each broken link is told with the source file and line where it is written (or the page and
line, where a tool made it), and with what may have been meant.
"""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

from bs4 import BeautifulSoup, Tag

ROOT = Path(__file__).resolve().parents[1]

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
        return f"{self.file}:{self.line}: {self.link}: {self.remedy}"


@cache
def page(path: Path) -> BeautifulSoup:
    """Parse a page; the tags keep their lines."""
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


@cache
def anchors(path: Path) -> frozenset[str]:
    """Return the names of the places on a page."""
    named = page(path).select("[id], a[name]")
    return frozenset(str(tag.get("id") or tag.get("name")) for tag in named)


def pages(site: Path) -> list[Path]:
    """Return the pages of a site without the templates among its static files."""
    return sorted(p for p in site.rglob("*.html") if "_static" not in p.relative_to(site).parts)


def _near(word: str, known: list[str]) -> str:
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f"; did you mean {near[0]}?" if near else ""


def problem(site: Path, path: Path, link: str) -> str | None:
    """Say why a link on a page leads nowhere and what to do; ``None`` where it does not."""
    address = urlsplit(link)
    if address.scheme or address.netloc:
        return None
    target = (path.parent / unquote(address.path)).resolve() if address.path else path.resolve()
    if site.resolve() not in (target, *target.parents):
        return "it leaves the book: link to a page of _toc.yml, or name the file in words"
    if not target.is_file():
        named = [p.relative_to(site).as_posix() for p in pages(site)]
        near = _near(unquote(address.path).lstrip("./"), named)
        return f"there is no such file in the book{near}"
    place = unquote(address.fragment)
    if place and target.suffix == ".html" and place not in anchors(target):
        name = target.relative_to(site.resolve()).as_posix()
        return f"{name} has no place #{place}{_near(place, sorted(anchors(target)))}"
    return None


def origin(site: Path, path: Path, tag: Tag, link: str, root: Path = ROOT) -> tuple[str, int]:
    """Return file and line where a link was written, as nearly as can be told."""
    source = root / path.relative_to(site).with_suffix(".md")
    if source.is_file():
        address = urlsplit(link)
        wanted = [w for w in (address.fragment, Path(unquote(address.path)).stem) if w]
        lines = source.read_text(encoding="utf-8").splitlines()
        for word in (*wanted, tag.get_text().strip()):
            for number, line in enumerate(lines, start=1):
                if word and word in line:
                    return source.relative_to(root).as_posix(), number
    return path.relative_to(site).as_posix(), tag.sourceline or 0


def broken(site: Path, root: Path = ROOT) -> Iterator[Broken]:
    """Yield the links of a built site that lead nowhere."""
    for path in pages(site):
        seen = set()
        for tag in page(path).find_all(list(LINKS)):
            link = str(tag.get(LINKS[tag.name]) or "")
            if not link or link in seen:
                continue
            seen.add(link)
            remedy = problem(site, path, link)
            if remedy:
                yield Broken(*origin(site, path, tag, link, root), link, remedy)


def main(arguments: list[str] | None = None) -> int:
    """Check a site; 1 where a link is broken."""
    parser = argparse.ArgumentParser(prog="make links", description=__doc__.splitlines()[0])
    parser.add_argument("site", nargs="?", type=Path, default=ROOT / "_build" / "html")
    site = parser.parse_args(arguments).site.resolve()
    if not (site / "index.html").is_file():
        print(f"There is no book in {site}: run make book first")
        return 2
    found = list(broken(site))
    for one in found:
        print(one)
    print(f"{len(pages(site))} pages, {len(found)} broken links")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
