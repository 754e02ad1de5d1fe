"""Sphinx extension: the sidebar of a large book, without copying every section for every page.

A sidebar shows titles of pages only.  To make one, Sphinx copies the contents of all pages with
all their sections (and, on pages of a library, all members), and then drops these: half of the
time that writing takes.  Here they are dropped once a build, before anything is copied.
"""

from __future__ import annotations

from typing import Any

from docutils import nodes
from sphinx import addnodes


def titles(contents: nodes.Element) -> nodes.Element:
    """Return the contents of a page with its title and what its toctrees name, nothing else."""
    short = contents.copy()
    for item in contents.children:
        if not isinstance(item, nodes.list_item) or len(item) < 2:
            short += item.deepcopy()
            continue
        entry = item.copy()
        entry += item[0].deepcopy()
        if trees := list(item.findall(addnodes.toctree)):
            entry += nodes.bullet_list("", *(tree.copy() for tree in trees))
        short += entry
    return short


def shorten(app: Any, builder: Any) -> None:
    """Have the builder take titles where titles are all that is asked for."""
    if builder.format != "html":
        return
    env, whole = app.env, builder._get_local_toctree
    short = {page: titles(contents) for page, contents in env.tocs.items()}

    def local(docname: str, collapse: bool = True, **options: Any) -> str:
        tocs = env.tocs
        if options.get("titles_only"):
            env.tocs = short
        try:
            made: str = whole(docname, collapse, **options)
            return made
        finally:
            env.tocs = tocs

    builder._get_local_toctree = local


def setup(app: Any) -> None:
    app.connect("write-started", shorten)
