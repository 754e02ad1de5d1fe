"""Sphinx extension: a search that finds Chinese terms as well as English words.

Chinese is written without spaces, and dictionaries miss the field's compounds
(自由贸易试验区).  So both the index and the query are cut into overlapping
pairs of characters: 试验区 becomes 试验 and 验区.  A page is found when it
holds all pairs of the query.  Other words are stemmed as English.
"""

from __future__ import annotations

import re

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


def setup(app) -> dict:
    """Register the language; ``html_search_language: zh`` selects it."""
    app.add_search_language(SearchPairs)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
