"""Sphinx extension: mend what the theme and docutils leave closed, or heavy, to some readers.

A page is mended when it is written, by a handful of replacements; each says which rule of
axe-core it answers, or what it saves.  They put plain text for plain text, so that the same
page always gives the same bytes, and a second pass changes nothing.  Colours are no matter
of HTML: they are in the book's style sheet.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

#: What is replaced, in this order.
MENDS: tuple[tuple[re.Pattern[str], str], ...] = (
    # a link begins with its first word, not with the space before it
    (re.compile(r'(Solution to)(<a class="reference internal" href="#[^"]*">) '), r"\1 \2"),
    # region: the logo and the search button stand outside every landmark
    (
        re.compile(r'<div id="pst-primary-sidebar" class="([^"]*)">'),
        r'<div id="pst-primary-sidebar" class="\1" role="region" aria-label="The book">',
    ),
    (
        re.compile(r'<div id="pst-skip-link" class="([^"]*)">'),
        r'<div id="pst-skip-link" class="\1" role="navigation" aria-label="Shortcut">',
    ),
    # button-name: a title alone is not read everywhere
    (
        re.compile(r'<button(?![^>]*aria-label)([^>]*?) title="([^"]+)"'),
        r'<button\1 title="\2" aria-label="\2"',
    ),
    # aria-required-children, aria-deprecated-role: docutils' list of references
    (re.compile(r'role="doc-biblioentry"'), 'role="listitem"'),
    # empty-table-header: the corner of a table is no heading
    (re.compile(r"<th(?: class=\"head\")?>\s*(?:<p>\s*</p>)?\s*</th>"), "<td></td>"),
    # summary-name: the arrow that unfolds a part of the table of contents
    (
        re.compile(r'<summary>(<span class="toctree-toggle")'),
        r'<summary aria-label="Show or hide the pages of this part">\1',
    ),
    # 1.5 MB of all icons as drawings, where the style sheet's font shows the few in use
    (re.compile(r'\s*<script[^>]*src="[^"]*scripts/fontawesome\.js[^"]*"></script>'), ""),
    # 0.3 MB of index, which only the search page asks
    (
        re.compile(
            r'(<meta name="docsearch:version"[^>]*>\s*)(?:<script src="[^"]*'
            r'(?:searchtools|language_data|searchindex)\.js[^"]*"></script>\s*)+'
        ),
        r"\1",
    ),
    # the theme says it three times
    (
        re.compile(
            r'(<meta name="viewport"[^>]*>)((?:(?!</head>).)*)<meta name="viewport"[^>]*>', re.S
        ),
        r"\1\2",
    ),
)


def mend(page: str, scrolls: Collection[str] = ()) -> str:
    """Return a page mended; frames of the classes ``scrolls`` are moved by keyboard, too."""
    frames = "|".join(map(re.escape, ("pst-scrollable-table-container", *scrolls)))
    frame = re.compile(rf'<div class="(?:{frames})(?![\w-])[^"]*"(?![^>]*tabindex)')
    for pattern, replacement in (*MENDS, (frame, r'\g<0> tabindex="0"')):
        while (mended := pattern.sub(replacement, page)) != page:
            page = mended
    return page


def pages(site: Path) -> Iterator[Path]:
    """Yield the pages of a built book, not the templates among its static files."""
    for path in sorted(site.rglob("*.html")):
        if "_static" not in path.relative_to(site).parts and path.is_file():
            yield path


def mend_output(app: Any) -> None:
    """Mend each page between its template and its file."""
    if app.builder.format == "html":
        templates, scrolls = app.builder.templates, app.config.bookworks_scrolls
        render = templates.render
        templates.render = lambda name, context: mend(render(name, context), scrolls)


def setup(app: Any) -> None:
    app.connect("builder-inited", mend_output)
