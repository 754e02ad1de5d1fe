"""Sphinx extension: the directive ``city-places``, which lists the pages that name a city.

Its arguments are the names of the city, in any script.  The pages are searched when all are
read, prose and tables and not the code, so that the list is never older than the book.  Their
texts stay with what Sphinx knows of a page, so that a page which stays is not read for it.
"""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

#: Pages that name everything, or nothing of their own.
_LEFT_OUT = re.compile(r"book/(cities|glossary|references|papers|status|library.*|zh/.*)$")


class city_places(nodes.General, nodes.Element):  # noqa: N801
    """Stands where the list comes, until all pages are read."""


class CityPlaces(SphinxDirective):
    """``city-places``: the pages that name a city."""

    required_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        """Put the placeholder."""
        names = self.arguments[0].split()
        self.env.metadata[self.env.docname].setdefault("ftz-cities", []).append(names)
        return [city_places(names=names)]


def _sections(doctree: nodes.document) -> list[tuple[str, str]]:
    """Return anchor and text of each section of a page, without its code."""
    found = []
    for section in doctree.findall(nodes.section):
        parts = [part for part in section.children if not isinstance(part, nodes.section)]
        texts = (
            text.astext()
            for part in parts
            for text in part.findall(nodes.Text)
            if not isinstance(text.parent, nodes.literal_block)
        )
        found.append((section["ids"][0], " ".join(texts)))
    return found


def remember(app: Any, doctree: nodes.document) -> None:
    """Keep the texts of a page that was read."""
    if not _LEFT_OUT.match(app.env.docname):
        app.env.metadata[app.env.docname]["ftz-sections"] = _sections(doctree)


def places(env: Any, names: list[str]) -> list[tuple[str, str]]:
    """Return page and anchor of the first section of each page that names a city."""
    named = re.compile("|".join(rf"\b{n}\b" if n.isascii() else re.escape(n) for n in names))
    found = []
    for page in env.collect_relations():
        sections = env.metadata[page].get("ftz-sections", ())
        anchor = next((anchor for anchor, text in sections if named.search(text)), None)
        if anchor is not None:
            found.append((page, anchor))
    return found


def fill(app: Any, doctree: nodes.document, docname: str) -> None:
    """Put the list where the directive stood."""
    for place in list(doctree.findall(city_places)):
        text = nodes.paragraph("", "Where it stands: ")
        for number, (page, anchor) in enumerate(places(app.env, place["names"])):
            uri = f"{app.builder.get_relative_uri(docname, page)}#{anchor}"
            title = app.env.titles[page].astext()
            text += [nodes.Text(", " if number else "")]
            text += nodes.reference("", title, internal=True, refuri=uri)
        place.replace_self(text)


def page_inputs(app: Any, page: str) -> object:
    """Return what the lists rest on, for the key of their page."""
    return [places(app.env, names) for names in app.env.metadata[page].get("ftz-cities", ())]


def setup(app: Any) -> dict[str, Any]:
    """Connect directive and hooks to Sphinx."""
    app.add_node(city_places)
    app.add_directive("city-places", CityPlaces)
    app.connect("doctree-read", remember, priority=800)
    app.connect("doctree-resolved", fill)
    app.connect("bookworks-write", page_inputs)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
