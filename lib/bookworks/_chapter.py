"""Execute chapters on their own, as the build does: where one fails, and how long it takes."""

from __future__ import annotations

import os
from pathlib import Path

import click

from bookworks import _execution, _kernel
from bookworks._store import Store
from bookworks.book import Book
from bookworks.errors import BookError, near


def page_of(book: Book, name: Path) -> str:
    """Return the page that a path names, seen from here or from the book's folder."""
    for path in (name.resolve(), book.root / name):
        if path.is_file() and path.is_relative_to(book.root):
            return path.relative_to(book.root).with_suffix("").as_posix()
    known = [book.source(page).relative_to(book.root).as_posix() for page in book.chapters()]
    raise BookError(f"there is no chapter {name}{near(name, known)}")


@click.command("chapter")
@click.argument("chapters", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--timeout", default=300, show_default=True, help="seconds a cell may take")
def command(chapters: tuple[Path, ...], timeout: int) -> None:
    """Execute chapters; what ran is kept for the next build."""
    book = Book.find()
    os.environ.update(_kernel.private_folders(book))
    store = Store.of(book)
    read = [_execution.read_chapter(book, page_of(book, name)) for name in chapters]
    kept = {chapter.page for chapter in read if store.get(chapter.page, chapter.code)}
    for page, done in _execution.execute(book, store, read, timeout).items():
        when = ", when it was executed: nothing that it reads has changed" if page in kept else ""
        click.echo(f"{page}: {done.seconds:.1f} s{when}")
