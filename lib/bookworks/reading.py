"""Sphinx extension: a switch for folded code, a description in each page's head, how to cite.

The code of a cell that is tagged ``hide-input`` is folded (``<details>``, which needs no script).
A button in the header opens all of it, and a browser remembers that.  The description is the
paragraph that begins *In short.*, or else the page's first.  ``bookworks_cite`` names the place
that says how to cite, and each page's foot leads there.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

import yaml
from docutils import nodes

from bookworks._errors import BookError

#: Letters of a description, and of a paragraph that can be one.
_LONGEST, _LEAST = 200, 50


# -- the head and the foot of a page ------------------------------------------------------


def _description(doctree: nodes.document) -> str:
    """Return what a page says of itself in a sentence or two; empty where it has no prose."""
    texts = [
        " ".join(paragraph.astext().split())
        for paragraph in doctree.findall(nodes.paragraph)
        if not isinstance(paragraph.parent, nodes.Admonition | nodes.entry)
    ]
    short = [text.removeprefix("In short. ") for text in texts if text.startswith("In short.")]
    long = [text for text in texts if len(text) >= _LEAST]
    return textwrap.shorten((short or long or [""])[0], _LONGEST, placeholder=" ...")


def _head_and_foot(app: Any, page: str, template: str, context: Any, doctree: Any) -> None:
    """Put description, Open Graph, the switch and the way to the citation into a page."""
    cite, _, anchor = app.config.bookworks_cite.partition("#")
    if cite:
        address = f"{context['pathto'](cite).removesuffix('#')}#{anchor}".removesuffix("#")
        foot = f'<p><a href="{escape(address)}">Cite this book</a></p>'
        context["theme_extra_footer"] = foot
    if doctree is None:
        return
    # a page in another language than the book says so in its header
    context["language"] = app.env.metadata.get(page, {}).get("lang") or context.get("language")
    title = app.env.titles[page].astext()
    said = {"og:title": title, "og:type": "article", "og:site_name": app.config.html_title}
    if text := _description(doctree):
        said["og:description"] = text
        context["metatags"] += f'\n<meta name="description" content="{escape(text)}" />'
    context["metatags"] += "".join(
        f'\n<meta property="{name}" content="{escape(value)}" />' for name, value in said.items()
    )
    if any(cell.get("hide_mode") for cell in doctree.findall(nodes.container)):
        switch = {"type": "javascript", "javascript": "bookworksCode()", "text": ""}
        switch |= {"icon": "fas fa-code", "label": "code-switch-button"}
        switch |= {"tooltip": "Show or hide all code"}
        context.setdefault("header_buttons", []).insert(0, switch)


# -- citing -------------------------------------------------------------------------------


def bibtex(path: Path | str) -> str:
    """Return a citation file (CFF) as an entry for BibTeX.

    A version without ``date-released`` is not released: the entry has no year, and says so.

    Raises BookError if the file lacks title, version or authors.
    """
    path = Path(path)
    cff: Mapping[str, Any] = yaml.safe_load(path.read_text("utf-8")) or {}
    if lost := [name for name in ("title", "version", "authors") if not cff.get(name)]:
        raise BookError(f"{path.name} has no line {', '.join(lost)}: write it")
    authors = [
        f"{one['family-names']}, {one.get('given-names', '')}".strip(", ")
        if "family-names" in one
        else f"{{{one['name']}}}"
        for one in cff["authors"]
    ]
    released = cff.get("date-released")
    fields = {
        "author": " and ".join(authors),
        "title": f"{{{cff['title']}}}",
        **({"year": str(released)[:4]} if released else {}),
        "note": f"Version {cff['version']}, " + (str(released) if released else "not yet released"),
        **({"url": cff["url"]} if "url" in cff else {}),
    }
    wrap = textwrap.TextWrapper(64, break_long_words=False, break_on_hyphens=False)
    lines = ",\n".join(
        "\n    ".join(wrap.wrap(f"  {name} = {{{value}}}")) for name, value in fields.items()
    )
    key = re.sub(r"\W+", "_", re.split(r":| and ", cff["title"])[0]).lower()
    return f"@misc{{{key},\n{lines}\n}}"


def setup(app: Any) -> None:
    """Connect the hooks to Sphinx."""
    app.connect("html-page-context", _head_and_foot, priority=900)
    app.add_js_file("bookworks-code.js", priority=100)
