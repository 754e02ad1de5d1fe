"""Sphinx extension: the gallery of reruns, and a page for each executed run.

``{rerun-gallery}`` shows what ``bookworks rerun`` left: for each declaration a table with a
run a row, parameters and key results, and a figure of the first result that moves.  After the
build every run whose notebook was kept is set as ``runs/NAME.html``; pages are kept under the
digest of all that they rest on, and copied, so that the site is that of a clean build.
"""

from __future__ import annotations

import io
import os
import shutil
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import groupby
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from bookworks import _execution, _keys
from bookworks._files import sha256, write_if_new
from bookworks._markdown import code, plain, table
from bookworks.book import Book
from bookworks.reruns._declared import FACTS, chapters
from bookworks.reruns._page import render
from bookworks.reruns._records import Record, default_folder, read_records

logger = logging.getLogger(__name__)

NOTHING = """\
```{admonition} No runs yet
:class: note
Nothing was executed beside this book.
`bookworks rerun` executes what the files in `reruns/` declare, and the next build shows it here.
```"""


def page_inputs(app: Any, page: str) -> object:
    """Return what a page with the gallery shows: its runs, and what changed since them."""
    if "rerun-gallery" not in app.env.metadata[page]:
        return None
    book = Book.read(app.srcdir)
    runs = {r.name: [r.changed(book), vars(r)] for r in read_records(default_folder(book))}
    return {"facts": _keys.state(book.root / FACTS), "runs": runs}


class Gallery(SphinxDirective):
    """``{rerun-gallery}``: tables and figures of the finished runs."""

    def run(self) -> list[nodes.Node]:
        self.env.metadata[self.env.docname]["rerun-gallery"] = "shown"
        self.book = Book.read(self.env.srcdir)
        records, known = read_records(default_folder(self.book)), chapters(self.book)
        lines = [] if records else NOTHING.splitlines()
        for (group, name), found in groupby(records, key=lambda r: (r.group, r.chapter)):
            labels = known[name].facts.results if name in known else {}
            lines += "\n".join(self._group(group, list(found), labels)).splitlines()
        made: Any = nodes.Element()
        self.state.nested_parse(StringList(lines, self.env.docname), self.content_offset, made)
        return list(made.children)

    def _group(self, group: str, records: list[Record], labels: Mapping[str, str]) -> Iterator[str]:
        first = records[0]
        file = "bookworks rerun" if group == "adhoc" else f"reruns/{group}.yml"
        yield f"**{plain(first.title)}** (chapter {plain(first.chapter)}, {code(file)})\n"
        changed = {record.name: record.changed(self.book) for record in records}
        old = [name for name, files in changed.items() if files]
        if old:
            files = list(dict.fromkeys(file for files in changed.values() for file in files))
            named = ", ".join(map(code, files[:5])) + " and others" * (len(files) > 5)
            which = "these runs" if len(old) == len(records) else f"{plain(', '.join(old))} ran"
            yield f"```{{warning}}\nSince {which}, this changed: {named}."
            yield "The numbers may be old; `bookworks rerun` renews them.\n```\n"
        names = list(dict.fromkeys(name for record in records for name in record.given))
        shared = {n: _text(first, n) for n in names if len({_text(r, n) for r in records}) == 1}
        if len(records) > 1 and shared:
            said = ", ".join(f"{plain(n)} = {plain(value)}" for n, value in shared.items())
            yield f"In all runs: {said}.\n"
            names = [name for name in names if name not in shared]
        rows = [
            [self._named(record) + " *stale*" * (record.name in old)]
            + [plain(_text(record, name)) for name in names]
            + [f"{record.results[key]:.6g}" if key in record.results else "" for key in labels]
            for record in records
        ]
        yield table(["run", *map(plain, names), *map(plain, labels.values())], rows)
        yield self._figure(group, records, labels, names)

    def _named(self, record: Record) -> str:
        up = "../" * self.env.docname.count("/")
        linked = "page" in record.keep and self.env.app.builder.format == "html"
        link = f'<a href="{up}runs/{record.name}.html">{record.name}</a>'
        return link if linked else record.name

    def _figure(
        self, group: str, records: list[Record], labels: Mapping[str, str], varied: list[str]
    ) -> str:
        """Draw the first key result that moves over a parameter, where one does."""
        records = [
            r for r in records if set(labels) <= set(r.results) and set(varied) <= set(r.given)
        ]
        moving = [key for key in labels if len({r.results[key] for r in records}) > 1]
        numbers = {
            n: {r.given[n] for r in records if type(r.given[n]) in (int, float)} for n in varied
        }
        x = max(varied, key=lambda name: (len(numbers[name]), name), default="")
        if not moving or not x or len(numbers[x]) < 2 or len(varied) > 2:
            return ""
        by = next((name for name in varied if name != x), "")
        points = defaultdict(list)
        for record in records:
            points[_text(record, by)].append((record.given[x], record.results[moving[0]]))
        label, ys = labels[moving[0]], [r.results[moving[0]] for r in records]
        name = f"{group}-{Path(records[0].chapter).name}.svg"
        path = Path(self.env.app.doctreedir, "reruns", name)
        write_if_new(path, draw(points, x, by, label))
        uri = Path(os.path.relpath(path, Path(self.env.srcdir, self.env.docname).parent)).as_posix()
        over = f"over {x}" + (f", one line for each value of {by}" if by else "")
        alt = (
            f"{len(records)} runs of {group}: {label} {over}, from {min(ys):.4g} to {max(ys):.4g}."
        )
        caption = f"The key result “{plain(label)}” {plain(over)}."
        return f"```{{figure}} {uri}\n:alt: {alt}\n\n{caption}\n```\n"


def _text(record: Record, name: str) -> str:
    value = record.given.get(name, "")
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def draw(points: Mapping[str, Sequence[tuple[Any, Any]]], x: str, by: str, label: str) -> bytes:
    """Draw a key result (``label``) over ``x``, one line for each value of ``by``, as SVG."""
    from matplotlib import style
    from matplotlib.figure import Figure

    fixed = {"svg.hashsalt": "bookworks", "svg.fonttype": "none", "axes.grid": True}
    drawn = io.BytesIO()
    with style.context(["default", "tableau-colorblind10", fixed]):
        figure = Figure(figsize=(6.2, 3.2), layout="tight")
        axes = figure.subplots()
        for marker, (value, line) in zip("osD^vP*X" * len(points), points.items(), strict=False):
            axes.plot(*zip(*sorted(line), strict=True), marker=marker, label=value)
        ticks = sorted({place for line in points.values() for place, _ in line})
        axes.set(xlabel=x, ylabel=label, xticks=ticks)
        if by:
            axes.legend(title=by)
        figure.savefig(drawn, format="svg", metadata={"Date": None, "Creator": None})
    return drawn.getvalue()


def write_pages(app: Any, exception: Exception | None) -> None:
    """Put the pages of the runs beside the book; set those that are not at hand."""
    if exception or app.builder.format != "html":
        return
    book, html = Book.read(app.srcdir), Path(app.outdir)
    folder, store = default_folder(book), Path(app.doctreedir, "reruns", "pages")
    shutil.rmtree(html / "runs", ignore_errors=True)
    wanted = _by_key(app, book, [r for r in read_records(folder) if "page" in r.keep])
    shown = next((p for p, said in app.env.metadata.items() if "rerun-gallery" in said), "")
    jobs = [
        (record, folder / "runs" / record.name, store / key, html, shown, book)
        for key, record in wanted.items()
        if not (store / key).is_dir()
    ]
    if jobs:
        logger.info("setting %d reruns as pages", len(jobs))
        with ProcessPoolExecutor(
            _execution.jobs(book), get_context("spawn"), max_tasks_per_child=1
        ) as pool:
            for said in pool.map(render, *zip(*jobs, strict=True)):
                if said:
                    logger.warning("a page of a rerun: %s", said)
    for path in store.glob("*"):
        if path.name in wanted:
            shutil.copytree(path, html / "runs", dirs_exist_ok=True)
        else:
            shutil.rmtree(path)


def _by_key(app: Any, book: Book, records: Sequence[Record]) -> dict[str, Record]:
    known = chapters(book) if records else {}
    cited = [sha256(book.root / name) for name in book.config.get("bibtex_bibfiles") or ()]
    shared = [app.bookworks.machine, app.bookworks.shared, cited]
    facts = {name: [one.digest, one.facts.results] for name, one in known.items()}
    return {_keys.digest([shared, vars(r), facts.get(r.chapter)]): r for r in records}


def setup(app: Any) -> None:
    app.setup_extension("bookworks._pages")
    app.add_directive("rerun-gallery", Gallery)
    app.connect("bookworks-read", page_inputs)
    # before anything looks at the pages of the site, or whether anything warned
    app.connect("build-finished", write_pages, priority=400)
