"""Sphinx extension: which chapters were executed, how long each took, and what warned.

The directive ``ftz-status`` becomes a table with one line a computed chapter.  The times
are those of the run that filled the cache, so a page whose chapter did not change keeps
its time.  With ``FTZ_RELEASE=1`` the page leaves the times out, because two builds of one
state must give the same bytes; they are then only in ``execution.json``, which every
build writes beside the folder of the pages and which is no part of the site.
"""

from __future__ import annotations

import json
import logging as python_logging
import os
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

_CELL = re.compile(r"^`{3,}\{code-cell\}", re.MULTILINE)


class execution_status(nodes.General, nodes.Element):  # noqa: N801
    """Stands where the table comes, until all pages are read."""


class StatusDirective(SphinxDirective):
    """``ftz-status``: the table of executed chapters."""

    def run(self) -> list[nodes.Node]:
        """Put the placeholder, and remember the page."""
        self.env.ftz_status_pages = {*_pages(self.env), self.env.docname}
        return [execution_status()]


@dataclass(frozen=True)
class Line:
    """What the page says of one chapter.

    Attributes
    ----------
    page : str
        Its name for Sphinx.
    cells : int
        Code cells.
    succeeded : bool
    seconds : float or None
        What its execution took; ``None`` where that is not known or not to be said.
    warnings : int
        Warnings while Sphinx read it.
    """

    page: str
    cells: int
    succeeded: bool
    seconds: float | None
    warnings: int


class WarningCounter(python_logging.Handler):
    """Counts Sphinx's warnings by the page that they name."""

    def __init__(self) -> None:
        super().__init__(level=python_logging.WARNING)
        self.places: Counter[str] = Counter()

    def emit(self, record: python_logging.LogRecord) -> None:
        """Note where a warning points: a page, a file with a line, a node, or nowhere."""
        place = getattr(record, "location", None)
        if isinstance(place, tuple):
            place = place[0]
        elif isinstance(place, nodes.Node):
            place = place.source
        self.places[re.sub(r"(:\d+)+$", "", str(place or ""))] += 1

    def of(self, names: Iterable[str]) -> int:
        """Return how many warnings name one of these."""
        return sum(self.places[name] for name in names)


def is_release() -> bool:
    """Say whether the pages must not depend on the clock."""
    return os.environ.get("FTZ_RELEASE", "") not in ("", "0")


def _pages(env) -> set[str]:
    return getattr(env, "ftz_status_pages", set())


def collect(env, counter: WarningCounter) -> list[Line]:
    """Return a line for each executed chapter, in the order of the book."""
    lines = []
    order = {page: place for place, page in enumerate(env.collect_relations())}
    for page in sorted(env.nb_metadata, key=lambda page: (order.get(page, len(order)), page)):
        data = env.nb_metadata[page].get("exec_data")
        if not data:
            continue
        path = Path(env.doc2path(page))
        lines.append(
            Line(
                page=page,
                cells=len(_CELL.findall(path.read_text(encoding="utf-8"))),
                succeeded=bool(data["succeeded"]),
                seconds=data["runtime"],
                warnings=counter.of((page, str(path))),
            )
        )
    return lines


def renew(app, env) -> list[str]:
    """Have the page written again where the table has changed."""
    lines = collect(env, app.ftz_warning_counter)
    shown = [asdict(line) for line in lines]
    if is_release():
        shown = [{**line, "seconds": None} for line in shown]
    env.ftz_execution_times = {line.page: line.seconds for line in lines}
    if getattr(env, "ftz_status_lines", None) == shown:
        return []
    env.ftz_status_lines = shown
    return sorted(_pages(env) & env.found_docs)


def _row(*cells: nodes.Node | str) -> nodes.row:
    return nodes.row(
        "",
        *(
            nodes.entry("", nodes.paragraph("", "", nodes.Text(c) if isinstance(c, str) else c))
            for c in cells
        ),
    )


def _link(app, page: str, here: str) -> nodes.Node:
    title = app.env.titles[page].astext() if page in app.env.titles else page
    address = app.builder.get_relative_uri(here, page)
    return nodes.reference("", title, internal=True, refuri=address)


def table(app, here: str) -> nodes.table:
    """Return the table of the executed chapters."""
    lines = [Line(**line) for line in app.env.ftz_status_lines]
    timed = any(line.seconds is not None for line in lines)
    head = ["Chapter", "Code cells", "Executed", *(["Seconds"] if timed else []), "Warnings"]
    rows = []
    for line in lines:
        seconds = [] if not timed else [f"{line.seconds or 0:.1f}"]
        executed = "without an error" if line.succeeded else "with an error"
        link = _link(app, line.page, here)
        rows.append(_row(link, str(line.cells), executed, *seconds, str(line.warnings)))
    cells, warnings = sum(line.cells for line in lines), sum(line.warnings for line in lines)
    seconds = [] if not timed else [f"{sum(line.seconds or 0 for line in lines):.1f}"]
    rows.append(_row("All", str(cells), "", *seconds, str(warnings)))
    group = nodes.tgroup("", *(nodes.colspec(colwidth=1) for _ in head), cols=len(head))
    group += nodes.thead("", _row(*head))
    group += nodes.tbody("", *rows)
    return nodes.table("", group, classes=["ftz-status"])


def fill(app, doctree: nodes.document, docname: str) -> None:
    """Put the table where the directive stood."""
    for place in list(doctree.findall(execution_status)):
        place.replace_self(table(app, docname))


def write_times(app, exception: Exception | None) -> None:
    """Write the times beside the pages, for whoever asks where a build spends its time."""
    times = getattr(getattr(app, "env", None), "ftz_execution_times", None)
    if exception or times is None:
        return
    path = Path(app.outdir).parent / "execution.json"
    path.write_text(json.dumps(times, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def forget(app, env, docname: str) -> None:
    """Forget a page that is read again or gone."""
    env.ftz_status_pages = _pages(env) - {docname}


def start(app) -> None:
    """Begin to count warnings."""
    app.ftz_warning_counter = WarningCounter()
    python_logging.getLogger("sphinx").addHandler(app.ftz_warning_counter)


def stop(app, exception: Exception | None) -> None:
    """Stop counting."""
    python_logging.getLogger("sphinx").removeHandler(app.ftz_warning_counter)


def setup(app) -> dict:
    """Connect directive and hooks to Sphinx."""
    app.add_node(execution_status)
    app.add_directive("ftz-status", StatusDirective)
    # a release page differs from a daily one, so the switch belongs to the configuration
    app.add_config_value("ftz_release", is_release(), "env")
    app.connect("builder-inited", start)
    app.connect("env-purge-doc", forget)
    app.connect("env-updated", renew)
    app.connect("doctree-resolved", fill)
    app.connect("build-finished", write_times)
    app.connect("build-finished", stop)
    return {"version": "1", "parallel_read_safe": False, "parallel_write_safe": True}


__all__ = ["Line", "WarningCounter", "collect", "setup", "table"]
