"""Sphinx extension: the directive ``bookworks-status``, a table of the executed chapters.

How long each took is in ``_build/execution.json``, and on no page: two builds of one state give
the same bytes.
"""

from __future__ import annotations

from typing import Any

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

HEAD = ("Chapter", "Code cells", "Outputs", "Executed")


class execution_status(nodes.General, nodes.Element):  # noqa: N801
    """Stands where the table comes, until all pages are read."""


class Status(SphinxDirective):
    """``bookworks-status``: the table of executed chapters."""

    def run(self) -> list[nodes.Node]:
        """Put the placeholder."""
        self.env.metadata[self.env.docname]["bookworks-status"] = "yes"
        return [execution_status()]


def lines(app: Any) -> list[tuple[str, str, int, int]]:
    """Return page, title, code cells and outputs of each executed chapter, in reading order."""
    order = {page: place for place, page in enumerate(app.env.collect_relations())}
    found = []
    for page, done in app.bookworks.executions.items():
        title = app.env.titles[page].astext() if page in app.env.titles else page
        shown = sum(len(cell["outputs"]) for cell in done.outputs)
        found.append((page, title, len(done.outputs), shown))
    return sorted(found, key=lambda line: (order.get(line[0], len(order)), line[0]))


def page_inputs(app: Any, page: str) -> object:
    """Return what the table shows, for the key of its page."""
    shown = "bookworks-status" in app.env.metadata.get(page, {})
    return lines(app) if shown else None


def _row(*cells: nodes.Node | str) -> nodes.row:
    texts = (nodes.Text(cell) if isinstance(cell, str) else cell for cell in cells)
    return nodes.row("", *(nodes.entry("", nodes.paragraph("", "", text)) for text in texts))


def table(app: Any, here: str) -> nodes.table:
    """Return the table."""
    rows = []
    for page, title, cells, outputs in lines(app):
        address = app.builder.get_relative_uri(here, page)
        link = nodes.reference("", title, internal=True, refuri=address)
        rows.append(_row(link, str(cells), str(outputs), "without an error"))
    cells = sum(line[2] for line in lines(app))
    outputs = sum(line[3] for line in lines(app))
    rows.append(_row("All", str(cells), str(outputs), ""))
    group = nodes.tgroup("", *(nodes.colspec(colwidth=1) for _ in HEAD), cols=len(HEAD))
    group += nodes.thead("", _row(*HEAD))
    group += nodes.tbody("", *rows)
    return nodes.table("", group, classes=["bookworks-status"])


def fill(app: Any, doctree: nodes.document, docname: str) -> None:
    """Put the table where the directive stood."""
    for place in list(doctree.findall(execution_status)):
        place.replace_self(table(app, docname))


def setup(app: Any) -> dict[str, Any]:
    """Connect directive and hooks to Sphinx."""
    app.add_node(execution_status)
    app.add_directive("bookworks-status", Status)
    app.connect("doctree-resolved", fill)
    app.connect("bookworks-write", page_inputs)
    return {"version": "1", "parallel_read_safe": False, "parallel_write_safe": False}
