"""Sphinx extension: a search that finds Chinese terms as well as English words and numbers.

Chinese is written without spaces, and dictionaries miss a field's compounds.  So both the
index and the query are cut into overlapping pairs of characters: 数据库 becomes 数据 and
据库.  A page is found when it holds all pairs of the query.  Other words are stemmed as
English; a number with decimals stays as it is printed.

Which page comes first?  Titles are English, so a Chinese query would find all pages that
hold it on a par.  A glossary is the dictionary between the two: the definition of
*database* begins with 数据库, and one chapter has that name.  So a Chinese term leads first
to the chapter whose title it fills most, and where no title holds it, to its entry in the
glossary.  Members of a library come after pages, but for one whose full name is asked.
A question ("how do I cite this?") is asked as the longest word of the book in it, or
without its small words.

``bookworks_search`` in ``_config.yml`` says what only the book knows: ``behind``, how the
names of pages begin that come after the others; ``words``, a word and what it stands for
(another word of the book, or the page that answers it, as ``/index`` or ``/index#cite``).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.errors import ConfigError
from sphinx.search import js_index
from sphinx.search.en import SearchEnglish

_HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_NUMBER = r"\d+(?:[.,]\d+)+"
_TOKEN = re.compile(rf"[{_HAN}]+|{_NUMBER}|(?:(?![{_HAN}])\w)+")
_IS_HAN = re.compile(rf"[{_HAN}]")

#: How a question begins or ends, and the words that it does not look for.
_ASKS = r"^(how|what|which|who|whose|where|when|why|is|are|does|do|did|can|may|run)\b|[?？吗呢]$"
_SMALL = (
    r"\b(how|what|which|who|whose|where|when|why|is|are|do|does|did|can|may|could|should|i|we|you"
    r"|it|my|our|your|this|that|the|a|an|of|on|in|for|to|about|book|say|says|use|used|uses|run)\b"
    r"|怎么样|怎么|怎样|如何|是否|什么|多少|多大|哪些|哪个|本书|[?？吗呢]"
)

#: The same cut for the query in the reader's browser, and the order of what is found; what is
#: shown of a page begins with its text, and not with the buttons and contents above it.
_SCRIPT = rf"""
const ASKS = /{_ASKS}|如何|怎|是否|什么|多少|多大|哪/i;
function meant(query) {{
  if (!ASKS.test(query.trim())) return query;
  const whole = (word) => new RegExp(`(?<![a-z0-9])${{word}}(?![a-z0-9])`, "i");
  const word = ASKED.find((known) => whole(known).test(query))?.replace(/\\(.)/g, "$1");
  return word || query.replace(/{_SMALL}/gi, " ").replace(/\s+/g, " ").trim() || query;
}}
if (typeof Search !== "undefined") {{
  const parse = Search._parseQuery, text = Search.htmlToText;
  Search._parseQuery = (query) => parse(meant(query));
  Search.htmlToText = (html, anchor) => {{
    const page = new DOMParser().parseFromString(html, "text/html");
    for (const e of page.querySelectorAll(".bd-header-article, #jb-print-docs-body, details"))
      e.remove();
    const whole = page.documentElement.outerHTML;
    return text(whole, anchor) || text(whole);  // a mere target has no text
  }};
}}
function splitQuery(query) {{
  for (const [word, meaning] of WORDS)
    query = query.replace(new RegExp(`(?<![a-z0-9])${{word}}(?![a-z0-9])`, "gi"), meaning);
  const runs = query.match(
    /[{_HAN}]+|{_NUMBER}|(?:(?![{_HAN}])[\p{{Letter}}\p{{Number}}_])+/gu) || [];
  return runs.filter((run) => !(run in {{}})).flatMap((run) =>  // Sphinx trips over "constructor"
    /[{_HAN}]/.test(run) && run.length > 1
      ? Array.from({{ length: run.length - 1 }}, (_, i) => run.slice(i, i + 2))
      : [run]
  );
}}
var Scorer = {{
  objNameMatch: 1000, objPartialMatch: 6, objPrio: {{0: 15, 1: 5, 2: -5}}, objPrioDefault: 0,
  title: 15, partialTitle: 7, term: 5, partialTerm: 2,
  score: ([page, title, anchor, description, score]) => {{
    if (description === null)
      return BEHIND.some((beginning) => page.startsWith(beginning)) ? score - 200 : score;
    const asked = score > 500;  // its whole name; with an underscore it is no word of prose
    return asked && /_[^.]*$/.test(title) ? 50 : score - (asked ? 1400 : 500);
  }},
}};
"""


class SearchPairs(SearchEnglish):
    """English words, numbers, and pairs of Chinese characters."""

    lang = "zh"
    language_name = "Chinese and English"

    def init(self, options: dict[str, Any]) -> None:
        """Write the script for the browser, with the book's own words in it."""
        super().init(options)
        words = options.get("words", {}).items()
        known = [[re.escape(word), meaning] for word, meaning in words if meaning[:1] != "/"]
        asked = sorted((re.escape(word) for word, _ in words), key=len, reverse=True)
        said = {"WORDS": known, "ASKED": asked, "BEHIND": options.get("behind", [])}
        lines = [f"const {name} = {json.dumps(value)};" for name, value in said.items()]
        self.js_splitter_code = "\n".join([*lines, _SCRIPT])

    def split(self, input: str) -> list[str]:
        words: list[str] = []
        for run in _TOKEN.findall(input):
            if _IS_HAN.match(run) and len(run) > 1:
                words.extend(run[i : i + 2] for i in range(len(run) - 1))
            else:
                words.append(run)
        return words


# -- the page that a term leads to --------------------------------------------------------

#: Under this name the terms of a page stand in what Sphinx knows of it.
_KEPT = "bookworks-glossary"
#: A page and a place on it; an empty place is the page as a whole.
Place = tuple[str, str]


def chinese_terms(definition: str) -> list[str]:
    """Return the Chinese terms with which a definition of a glossary begins.

    >>> chinese_terms("数据库, in full 关系数据库: tables (表格) that know one another.")
    ['数据库', '关系数据库']
    """
    before_colon = re.split("[:：]", definition, maxsplit=1)[0]
    return re.findall(f"[{_HAN}]{{2,}}", before_colon)


def glossary_terms(doctree: nodes.document) -> Iterator[tuple[str, str, str]]:
    """Yield Chinese term, English term and anchor of the glossaries of a page."""
    for glossary in doctree.findall(addnodes.glossary):
        for item in glossary.findall(nodes.definition_list_item):
            (definition,) = item.findall(nodes.definition)
            for term in item.findall(nodes.term):
                for chinese in chinese_terms(definition.astext()):
                    yield chinese, term.astext(), term["ids"][0]


def _plain(text: str) -> str:
    """Return a title or term as words in lower case, without hyphens and plurals."""
    words = re.findall(r"\w+", text.casefold())
    return f" {' '.join(word.removesuffix('s') for word in words)} "


def title_share(term: str, title: str) -> float:
    """Return the share of a title that a term fills; 0 where the title does not hold it.

    >>> title_share("search engine", "Search engines")
    1.0
    """
    term, title = _plain(term), _plain(title)
    return len(term) / len(title) if term in title else 0.0


def homes(
    terms: Mapping[str, list[tuple[str, str, str]]],
    titles: Mapping[str, str],
    words: Mapping[str, str],
) -> dict[str, list[tuple[str, str]]]:
    """Return of each page the terms that lead to it, and to which place."""
    places: dict[str, list[Place]] = {}
    for glossary, entries in terms.items():
        for chinese, english, anchor in entries:
            share, page = max((title_share(english, titles[p]), p) for p in sorted(titles))
            places.setdefault(chinese, []).append((page, "") if share else (glossary, anchor))
    for word, meaning in words.items():
        page, _, anchor = meaning.removeprefix("/").partition("#")
        if meaning.startswith("/") and page not in titles:
            raise ConfigError(f"bookworks_search: {word} stands for {meaning}, which is no page")
        own = [(page, anchor)] if meaning.startswith("/") else places.get(meaning, [])
        places.setdefault(word, []).extend(own)
    found: dict[str, list[tuple[str, str]]] = {}
    for term, leads in places.items():
        for page, anchor in leads:
            found.setdefault(page, []).append((term, anchor))
    return found


def remember_terms(app: Any, doctree: nodes.document) -> None:
    """Keep the terms of a page's glossaries with what is known of the page."""
    if terms := list(glossary_terms(doctree)):
        app.env.metadata[app.env.docname][_KEPT] = terms


def find_homes(app: Any, env: Any) -> list[str]:
    """Lead the terms to their pages when all are read; name the pages whose terms changed."""
    titles = {page: title.astext() for page, title in env.titles.items()}
    kept = sorted((page, said[_KEPT]) for page, said in env.metadata.items() if _KEPT in said)
    words = app.config.bookworks_search.get("words", {})
    before, now = getattr(env, "bookworks_homes", {}), homes(dict(kept), titles, words)
    env.bookworks_homes = now
    return sorted(page for page in env.found_docs if before.get(page) != now.get(page))


def enter_terms(app: Any, doctree: nodes.document, docname: str) -> None:
    """Put the terms that lead to a page into its search entries, and keep cells apart."""
    found = getattr(app.env, "bookworks_homes", {}).get(docname, ())
    if entries := [("single", term, anchor, "main", None) for term, anchor in found]:
        doctree += addnodes.index(entries=entries)
    # the index takes the tags out of raw HTML and would join the words of two cells
    for node in doctree.findall(nodes.raw):
        if "html" in node.get("format", "") and "</t" in node.astext():
            text = re.sub(r"(</t[dhr]>)(?=<)", r"\1\n", node.astext())
            node[:] = [nodes.Text(text)]


# -- an index that does not remember ------------------------------------------------------


def load_whole(app: Any, builder: Any) -> None:
    """Have Sphinx load the last index with its entries, which it forgets, of pages that stay."""
    load = builder.load_indexer

    def load_indexer(docnames: set[str]) -> None:
        load(docnames)
        try:
            last = js_index.loads((Path(app.outdir) / "searchindex.js").read_text("utf-8"))
        except (OSError, ValueError):  # none yet, or a broken one
            return
        kept = set(app.env.all_docs) - set(docnames)
        for entry, places in last["indexentries"].items():
            for number, anchor, main in places:
                page, kind = last["docnames"][number], "main" if main else ""
                if page in kept:
                    entries = builder.indexer._index_entries.setdefault(page, [])
                    entries.append((entry, anchor, kind))

    if builder.format == "html":
        builder.load_indexer = load_indexer


def order_index(app: Any) -> list[Any]:
    """Leave out of the index the words that no page holds any more, and sort its entries."""
    indexer = app.builder.indexer
    for words in (indexer._mapping, indexer._title_mapping):
        for word in [word for word, pages in words.items() if not pages]:
            del words[word]
    indexer._index_entries = dict(sorted(indexer._index_entries.items()))
    return []


def pass_words(app: Any, config: Any) -> None:
    config.html_search_options = {**config.html_search_options, **config.bookworks_search}


def setup(app: Any) -> None:
    app.add_search_language(SearchPairs)
    app.connect("config-inited", pass_words)
    app.connect("doctree-read", remember_terms)
    app.connect("env-updated", find_homes)
    app.connect("doctree-resolved", enter_terms)
    app.connect("write-started", load_whole)
    app.connect("html-collect-pages", order_index)
