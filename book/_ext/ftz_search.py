"""Sphinx extension: a search that finds Chinese terms as well as English words.

Chinese is written without spaces, and dictionaries miss the field's compounds
(自由贸易试验区).  So both the index and the query are cut into overlapping
pairs of characters: 试验区 becomes 试验 and 验区.  A page is found when it
holds all pairs of the query.  Other words are stemmed as English.

Which page comes first?  Titles are English, so a Chinese query would find all pages that
hold it on a par.  The glossary is the dictionary between the two: its entry
*difference-in-differences* begins with 双重差分, and one chapter has that name.  So a
Chinese term leads first to the chapter whose title it fills most, and where no title
holds it, to its entry in the glossary.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.search.en import SearchEnglish

_HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_TOKEN = re.compile(rf"[{_HAN}]+|(?:(?![{_HAN}])\w)+")
_IS_HAN = re.compile(rf"[{_HAN}]")

#: The same cut for the query, in the reader's browser.
_SPLITTER = rf"""
function splitQuery(query) {{
  const runs = query.match(/[{_HAN}]+|(?:(?![{_HAN}])[\p{{Letter}}\p{{Number}}_])+/gu) || [];
  return runs.flatMap((run) =>
    /[{_HAN}]/.test(run) && run.length > 1
      ? Array.from({{ length: run.length - 1 }}, (_, i) => run.slice(i, i + 2))
      : [run]
  );
}}
"""


class SearchPairs(SearchEnglish):
    """English words and pairs of Chinese characters."""

    lang = "zh"
    language_name = "Chinese and English"
    js_splitter_code = _SPLITTER

    def split(self, input: str) -> list[str]:
        """Cut a text into words and pairs of characters."""
        words: list[str] = []
        for run in _TOKEN.findall(input):
            if _IS_HAN.match(run) and len(run) > 1:
                words.extend(run[i : i + 2] for i in range(len(run) - 1))
            else:
                words.append(run)
        return words


# -- the page that a term leads to --------------------------------------------------------


def chinese_terms(definition: str) -> list[str]:
    """Return the Chinese terms with which a definition of the glossary begins.

    >>> chinese_terms("开发区, in full 经济技术开发区: an area with land (土地) for investors.")
    ['开发区', '经济技术开发区']
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

    >>> title_share("free trade zone", "Free trade zones")
    1.0
    """
    term, title = _plain(term), _plain(title)
    return len(term) / len(title) if term in title else 0.0


def homes(
    terms: Mapping[str, list[tuple[str, str, str]]], titles: Mapping[str, str]
) -> dict[str, list[tuple[str, str]]]:
    """Say which Chinese terms lead to which page.

    Parameters
    ----------
    terms : mapping of page to list of (Chinese term, English term, anchor)
        The entries of each page with a glossary.
    titles : mapping of page to title

    Returns
    -------
    dict
        Page to pairs of Chinese term and anchor; an empty anchor is the page as a whole.
    """
    found: dict[str, list[tuple[str, str]]] = {}
    for glossary, entries in terms.items():
        for chinese, english, anchor in entries:
            share, page = max((title_share(english, titles[p]), p) for p in sorted(titles))
            place = (page, "") if share else (glossary, anchor)
            found.setdefault(place[0], []).append((chinese, place[1]))
    return found


def find_homes(app: Any, env: Any) -> list[str]:
    """Read the glossary when all pages are read; name the pages whose terms changed."""
    titles = {page: title.astext() for page, title in env.titles.items()}
    glossaries = sorted({entry[1] for entry in _terms_of(env)})
    terms = {page: list(glossary_terms(env.get_doctree(page))) for page in glossaries}
    before, env.ftz_homes = getattr(env, "ftz_homes", {}), homes(terms, titles)
    pages = {*before, *env.ftz_homes} & {*env.found_docs}
    return sorted(page for page in pages if before.get(page) != env.ftz_homes.get(page))


def _terms_of(env: Any) -> Iterator[tuple[str, str]]:
    """Yield name and page of all glossary entries that Sphinx knows."""
    for (kind, name), (page, _) in env.get_domain("std").objects.items():
        if kind == "term":
            yield name, page


def enter_terms(app: Any, doctree: nodes.document, docname: str) -> None:
    """Put the terms that lead to a page into its search entries, as main entries."""
    entries = [
        ("single", chinese, anchor, "main", None)
        for chinese, anchor in getattr(app.env, "ftz_homes", {}).get(docname, ())
    ]
    if entries:
        doctree += addnodes.index(entries=entries)


def setup(app: Any) -> dict[str, Any]:
    """Register the language; ``html_search_language: zh`` selects it."""
    app.add_search_language(SearchPairs)
    app.connect("env-updated", find_homes)
    app.connect("doctree-resolved", enter_terms)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
