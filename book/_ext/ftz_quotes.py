"""Sphinx extension: the papers' own words beside the sentences that the book says of them.

The role ``{says}`` names rows of ``data/attributions``; it becomes a small number that shows
the Chinese words on hover and focus and leads to the list at the end of the page.  The
directive ``says-table`` lays rows out as a table, words beside English, and ``says-map``
says where each section of a paper stands in the book.  A row that does not exist, a sentence
about a paper without its words, and a row or section without a place are warnings, which
fail a build under ``-W``.  Nothing here needs a script.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from html import escape
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective, SphinxRole

from ftz.tables import caption_html
from study import attributions
from study.attributions import AUTHORS

logger = logging.getLogger(__name__)

#: How many rows a warning names.
_SHOWN = 8
#: Directives whose content is code, mathematics or a list of rows, and no sentence.
_NO_PROSE = ("code-cell", "code", "math", "eval-rst", "bibliography", "raw", "says-table")
_CITED = re.compile(r"\{cite(?::\w+)?\}`([^`]+)`")
_MARK = re.compile(r"\{says\}`([^`]+)`")
_FENCE = re.compile(r"\s*(`{3,}|~{3,}|:{3,})\s*(?:\{([\w:-]+)\})?\s*(\w*)")
_NAMED = {
    paper: re.compile(rf"(?<![\w-])(?:{names})(?!\w)")
    for paper, names in {
        "yan_ye_wang": "Yan, Ye and Wang|[Tt]he measuring paper",
        "qian_wang_2023": "Qian and Wang",
        "zhou_2024": "Zhou",
        "mi_2024": "Mi|the Blue Book|The Blue Book",
        "chen_jiangsu": "Chen",
    }.items()
}
#: Subjects that stand for a paper without naming it; the last two only before a verb of saying.
_SUBJECT = re.compile(
    r"\s*(?:[-*\d.]+\s+)?(?:The authors?|The paper|The report|"
    r"(?:They|He) (?:asks?|names?|calls?|reports?|finds?|found|wants?|answers?|sees?|writes?|"
    r"say|says|propose|proposes|draws?|takes?|follows?|develops?))\b"
)


class says_mark(nodes.Inline, nodes.Element):  # noqa: N801
    """A number that shows one row's words; ``row``, and later ``number`` and ``first``."""


class says_words(nodes.General, nodes.Element):  # noqa: N801
    """The list of a page's words, folded on a screen and open on paper."""


class says_caption(nodes.Part, nodes.TextElement):  # noqa: N801
    """A table's caption, which Sphinx does not number: no table of this book is numbered."""


class says_map(nodes.General, nodes.Element):  # noqa: N801
    """Stands where a paper's map comes, until all pages are read."""


def _rows(env: Any) -> dict[str, attributions.Attribution]:
    """Return the rows, which :func:`begin` reads once a build."""
    rows: dict[str, attributions.Attribution] = env.ftz_rows
    return rows


def begin(app: Any) -> None:
    """Read the rows; those of an earlier build are kept with the environment and may be old."""
    app.env.ftz_rows = attributions.load()


def _split(text: str) -> list[str]:
    return [key.strip() for key in text.replace(",", " ").split()]


def _zh(text: str) -> nodes.inline:
    return nodes.inline("", text, classes=["language-zh", "ftz-zh"])


# -- on a page ---------------------------------------------------------------------------


class Says(SphinxRole):
    """``{says}`id, id```: the words on which a sentence rests."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """Put one mark a row; name what is unknown."""
        marks: list[nodes.Node] = []
        for key in _split(self.text):
            if key in _rows(self.env):
                marks.append(says_mark(row=key))
            else:
                where = self.get_location()
                logger.warning("says: no row %r in data/attributions", key, location=where)
        return marks, []


class SaysTable(SphinxDirective):
    """``says-table``: rows as a table; the argument is its caption.

    Each line of the content is ``label | id id ...``, or only identifiers.
    """

    required_arguments = 1
    final_argument_whitespace = True
    has_content = True
    option_spec = {"head": directives.unchanged}  # noqa: RUF012

    def run(self) -> list[nodes.Node]:
        """Build the table; a line that names an unknown row is a warning."""
        lines = []
        for text in filter(str.strip, self.content):
            label, _, keys = text.rpartition("|")
            for place, key in enumerate(_split(keys)):
                if key not in _rows(self.env):
                    message = "says-table: no row %r in data/attributions"
                    logger.warning(message, key, location=self.get_location())
                    continue
                lines.append(("" if place else label.strip(), key))
        head = self.options.get("head", "")
        heads = [*([head] if head else []), "what the paper says", "in its words", "part"]
        table = _table(self.arguments[0], heads)
        one = len({_rows(self.env)[key].paper for _, key in lines}) == 1
        for label, key in lines:
            row = _rows(self.env)[key]
            cells: list[nodes.Node] = [nodes.Text(row.english), _zh(row.quote)]
            cells.append(nodes.Text(row.section if one else row.place))
            _line(table, [*([nodes.Text(label)] if head else []), *cells])
            table[-1][-1][-1]["says"] = key
        self.set_source_info(table)
        return [table]


def _table(caption: str, heads: list[str]) -> nodes.table:
    table = nodes.table("", says_caption("", caption), classes=["ftz-says-table"])
    group = nodes.tgroup("", cols=len(heads))
    group += [nodes.colspec(colwidth=1) for _ in heads]
    top = nodes.row("", *(nodes.entry("", nodes.paragraph("", head)) for head in heads))
    group += [nodes.thead("", top), nodes.tbody()]
    table += group
    return table


def _line(table: nodes.table, cells: Iterable[nodes.Node]) -> None:
    entries = (nodes.entry("", nodes.paragraph("", "", cell)) for cell in cells)
    table[-1][-1] += nodes.row("", *entries)


def number_marks(app: Any, document: nodes.document) -> None:
    """Count the marks of a page, note the rows that it uses, and append the list of words."""
    env, rows = app.env, _rows(app.env)
    numbers: dict[str, int] = {}
    for place, mark in enumerate(document.findall(says_mark), start=1):
        mark["place"] = place
        mark["first"] = mark["row"] not in numbers
        mark["number"] = numbers.setdefault(mark["row"], len(numbers) + 1)
    tabled = [(line, line["says"]) for line in document.findall(nodes.row) if "says" in line]
    for line, key in tabled:
        if key not in numbers:
            line["ids"] = [f"said-{key}"]
    used = list(dict.fromkeys([*numbers, *(key for _, key in tabled)]))
    if used:
        env.metadata[env.docname]["ftz-says"] = used
        for paper in {rows[key].paper for key in used}:
            env.note_dependency(str(_file(app, paper)))
    if numbers:
        whole = document.next_node(nodes.section) or document
        whole += _list_of_words([rows[key] for key in numbers])


def _file(app: Any, paper: str) -> Path:
    return Path(app.srcdir) / "data" / "attributions" / f"{paper}.csv"


def _list_of_words(rows: list[attributions.Attribution]) -> says_words:
    items = []
    for number, row in enumerate(rows, start=1):
        text = nodes.paragraph("", "", _zh(f"“{row.quote}”"))
        text += nodes.Text(f" ({row.place}). {row.english}. ")
        text += nodes.raw("", f'<a href="#said-{row.id}">Back</a>', format="html")
        items.append(nodes.list_item("", text, ids=[f"words-{number}"]))
    return says_words("", nodes.enumerated_list("", *items, enumtype="arabic"), count=len(items))


def visit_mark(self: Any, node: says_mark) -> None:
    """Write the number, a link to the list, with the words as its description."""
    row = self.builder.env.ftz_rows[node["row"]]
    number = node["number"]
    name = f' id="said-{row.id}"' if node["first"] else ""
    tip = f"tip-{node['place']}"
    self.body.append(
        f'<sup class="ftz-says"{name}><a href="#words-{number}" aria-describedby="{tip}" '
        f'aria-label="The paper\'s words, {number}">{number}</a>'
        f'<span role="tooltip" id="{tip}"><span lang="zh">{escape(row.quote)}</span> '
        f"({escape(row.place)})</span></sup>"
    )
    raise nodes.SkipNode


def visit_caption(self: Any, node: says_caption) -> None:
    """Write a caption like those of the computed tables, which stay in view."""
    self.body.append(caption_html(escape(node.astext())))
    raise nodes.SkipNode


def visit_words(self: Any, node: says_words) -> None:
    """Open the folded list."""
    title = f"Words of the papers on this page ({node['count']})"
    self.body.append(f'<details class="ftz-words"><summary>{title}</summary>')


def depart_words(self: Any, node: says_words) -> None:
    """Close the folded list."""
    self.body.append("</details>")


def prose_lines(text: str, apart: Collection[str]) -> Iterator[tuple[int, str]]:
    """Yield number and content of a page's lines but for its header, code and some directives.

    ``apart`` are the directives whose content is no prose; lines that open or close a directive
    are left out.
    """
    header = re.match(r"---\n.*?\n---\n", text, flags=re.S)
    skipped, closing = header[0].count("\n") if header else 0, ""
    for number, line in enumerate(text.splitlines(), start=1):
        fence = _FENCE.match(line)
        if number <= skipped:
            continue
        if closing:
            if fence and fence[1].startswith(closing) and not line.strip(" `~:"):
                closing = ""
        elif fence is None:
            yield number, line
        elif fence[2] in apart or (not fence[2] and fence[3]):
            closing = fence[1]


def problems(text: str, rows: Mapping[str, attributions.Attribution]) -> Iterator[tuple[int, str]]:
    """Yield line and fault of the attributing sentences of a page that lack the paper's words.

    A sentence (a line) is *attributing* if it cites one of the five papers, names its
    authors, or begins with "The author(s)", "The paper", "The report", or "They"
    or "He" and what authors do (ask, name, report ...).  It needs a mark
    ``{says}`` in the same line, of each paper that it cites or names, and of no other.
    Free is only the line "**Source.**" of an overview, which says what a chapter reads.
    """
    for number, line in prose_lines(text, _NO_PROSE):
        if re.match(r"#|%|\(ch-|\s*:[\w-]+:|\*\*Source\.\*\*", line):
            continue
        marks = [key.strip() for mark in _MARK.findall(line) for key in mark.split(",")]
        marked = {rows[key].paper for key in marks if key in rows}
        cited = {key.strip() for cite in _CITED.findall(line) for key in cite.split(",")}
        about = cited & set(attributions.PREFIXES)
        about |= {paper for paper, name in _NAMED.items() if name.search(line)}
        if lost := [key for key in marks if key not in rows]:
            yield number, f"no row {', '.join(lost)} in data/attributions"
        for paper in sorted(about - marked):
            yield number, f"a sentence about {AUTHORS[paper]} without words of the paper"
        for paper in sorted(marked - about if about else ()):
            yield number, f"words of {AUTHORS[paper]} under another paper's name"
        if not about and not marks and _SUBJECT.match(line):
            yield number, "a sentence about a paper without its words"


def check_sentences(app: Any, docname: str, source: list[str]) -> None:
    """Warn of each sentence about a paper that does not show the paper's words."""
    if docname not in app.config.ftz_quotes_pages:
        return
    for line, what in problems(source[0], _rows(app.env)):
        logger.warning("%s", what, location=(docname, line))


# -- over the pages ----------------------------------------------------------------------


class SaysMap(SphinxDirective):
    """``says-map`` paper: where each of its sections stands in the book."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Put the placeholder, and remember the page."""
        paper = self.arguments[0]
        if paper not in attributions.PREFIXES:
            message = "says-map: no paper %r: there are %s"
            known = ", ".join(attributions.PREFIXES)
            logger.warning(message, paper, known, location=self.get_location())
            return []
        self.env.metadata[self.env.docname]["ftz-says-map"] = True
        return [says_map(paper=paper)]


def _uses(env: Any) -> dict[str, list[str]]:
    """Return the rows that each page uses, in the order of the contents."""
    pages = dict.fromkeys([*env.collect_relations(), *sorted(env.found_docs)])
    return {page: said for page in pages if (said := env.metadata[page].get("ftz-says"))}


def check_rows(app: Any, env: Any) -> None:
    """Warn of rows that have no place."""
    if maps := sorted(page for page, said in env.metadata.items() if "ftz-says-map" in said):
        used = {key for keys in _uses(env).values() for key in keys}
        lost = [key for key in env.ftz_rows if key not in used]
        if lost:
            some = ", ".join(lost[:_SHOWN]) + (" ..." if len(lost) > _SHOWN else "")
            message = "says-map: %d rows stand on no page: %s"
            logger.warning(message, len(lost), some, location=maps[0])


def page_inputs(app: Any, page: str) -> object:
    """Return what a map shows, for the key of its page."""
    env = app.env
    if "ftz-says-map" not in env.metadata[page]:
        return None
    sections = attributions.sections().to_csv()
    return [list(_rows(env).values()), sections, list(_uses(env).items())]


def resolve_maps(app: Any, document: nodes.document, docname: str) -> None:
    """Put the table of sections and places where a map is asked for."""
    for place in list(document.findall(says_map)):
        place.replace_self(_map(app, docname, place["paper"]))


def _map(app: Any, docname: str, paper: str) -> nodes.table:
    env, known = app.env, attributions.sections()
    rows = [row for row in _rows(env).values() if row.paper == paper]
    title = f"{attributions.AUTHORS[paper]}: {len(rows)} statements, and where they stand"
    heads = ["part", "heading", "in English", "statements", "where in the book"]
    table = _table(title, heads)
    for section in known[known["paper"] == paper].itertuples():
        mine = {row.id for row in rows if row.section == section.section}
        links = [*_pages(app, docname, mine), *_labels(app, docname, section.also)]
        if not links or not mine:
            message = "says-map: part %s of %s has no place in the book"
            logger.warning(message, section.section, paper, location=docname)
        where = nodes.inline()
        for link in {link.astext(): link for link in reversed(links)}.values():
            where[:0] = [link, nodes.Text(", ")] if len(where) else [link]
        cells = (
            nodes.Text(section.section),
            _zh(section.title_zh),
            nodes.Text(section.title),
            nodes.Text(str(len(mine))),
            where,
        )
        _line(table, cells)
    return table


def _pages(app: Any, docname: str, mine: set[str]) -> list[nodes.reference]:
    """Return a link to the first use of a section on each page, in the order of the contents."""
    links = []
    for page, used in _uses(app.env).items():
        if here := [key for key in used if key in mine]:
            uri = f"{app.builder.get_relative_uri(docname, page)}#said-{here[0]}"
            links.append(_link(app.env.titles[page].astext(), uri))
    return links


def _labels(app: Any, docname: str, also: str) -> list[nodes.reference]:
    """Return links to the chapters that a section names besides; an unknown label is left out."""
    labels = app.env.get_domain("std").labels
    found = [labels[label] for label in also.split(";") if label in labels]
    return [
        _link(title, f"{app.builder.get_relative_uri(docname, page)}#{anchor}")
        for page, anchor, title in found
    ]


def _link(text: str, uri: str) -> nodes.reference:
    return nodes.reference("", text, internal=True, refuri=uri)


def _skip(self: Any, node: nodes.Node) -> None:
    raise nodes.SkipNode


def setup(app: Any) -> dict[str, Any]:
    """Connect role, directives and hooks to Sphinx."""
    others: dict[str, Any] = {name: (_skip, None) for name in ("latex", "text", "man", "texinfo")}
    app.add_node(says_mark, html=(visit_mark, None), **others)
    app.add_node(says_words, html=(visit_words, depart_words), **others)
    app.add_node(says_caption, html=(visit_caption, None), **others)
    app.add_node(says_map, html=(_skip, None), **others)
    app.add_role("says", Says())
    app.add_directive("says-table", SaysTable)
    app.add_directive("says-map", SaysMap)
    app.add_config_value("ftz_quotes_pages", [], "env", [list])
    app.add_css_file("ftz-quotes.css")
    app.connect("builder-inited", begin)
    app.connect("source-read", check_sentences)
    app.connect("doctree-read", number_marks)
    app.connect("env-updated", check_rows)
    app.connect("doctree-resolved", resolve_maps)
    app.connect("bookworks-write", page_inputs)
    return {"version": "1", "parallel_read_safe": False, "parallel_write_safe": False}
