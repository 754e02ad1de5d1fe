"""A search that finds Chinese terms, numbers as printed, and the page that answers first."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from playwright._impl._driver import compute_driver_executable
from small import build, write, write_book
from sphinx.errors import ConfigError

from bookworks._release import differences
from bookworks._search import SearchPairs, chinese_terms, homes, title_share

GLOSSARY = """# Glossary

```{glossary}
sourdough
  酸面团, also 老面: a dough (面团) that was kept.

oven spring
  入炉膨胀: the last rise.
```
"""

PAGES = {
    "index.md": "# Bread\n\nOf wheat. See {term}`sourdough`.\n\n(cite)=\n## Citing\n\nBy title.\n",
    "sourdough.md": "# Sourdough\n\nIt is fed with 0.191 parts; 用酸面团做的面包.\n\n"
    "<table><tr><td>Rye</td><td>0.75</td><td>1,250.5</td></tr></table>\n",
    "glossary.md": GLOSSARY,
    "library.md": "# The tools\n\n```{py:function} _tools.rye()\nRye flour.\n```\n\n"
    "```{py:function} tools.bake_rye()\nBakes.\n```\n",
}

SEARCH = {
    "words": {"黑麦": "Rye", "老酵": "老面", "cite": "/index#cite"},
    "behind": ["library"],
}

#: What a browser gives to Sphinx's own script, in as few words as it needs.
SCRIPT = """
const fs = require("fs"), vm = require("vm"), [static, index, ...queries] = process.argv.slice(2);
const room = vm.createContext({
  document: { getElementById: () => null }, window: {}, localStorage: { setItem() {} },
  _ready: () => {}, _: (text) => text, SPHINX_HIGHLIGHT_ENABLED: false, console,
});
const read = (name) => fs.readFileSync(name, "utf-8");
vm.runInContext([read(`${static}/searchtools.js`), read(`${static}/language_data.js`),
  read(index), "globalThis.find = (q) => Search._performSearch(...Search._parseQuery(q))",
].join("\\n"), room);
const found = (q) => room.find(q).reverse().map(([page, title, anchor]) => page + anchor);
console.log(JSON.stringify(Object.fromEntries(queries.map((q) => [q, found(q)]))));
"""


def search(html: Path, *queries: str) -> dict[str, list[str]]:
    """Return what Sphinx's own search gives in a reader's browser, here in node."""
    node, _ = compute_driver_executable()  # the one that playwright brings
    script = write(html.parent, "search.js", SCRIPT)
    command = [node, script, html / "_static", html / "searchindex.js", *queries]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def test_words_numbers_and_pairs_of_chinese_characters():
    words = SearchPairs({}).split("2015年起,自由贸易区 (free-trade zones): −0.191*, 1,250.5.")
    assert words == [
        *("2015", "年起", "自由", "由贸", "贸易", "易区"),
        *("free", "trade", "zones", "0.191", "1,250.5"),
    ]
    assert SearchPairs({}).split("区") == ["区"]


def test_a_chinese_term_leads_to_the_page_whose_title_it_fills_most():
    titles = {"first": "Sourdough and rye", "second": "The sourdoughs", "terms": "Glossary"}
    terms = {"terms": [("酸面团", "sourdough", "term-1"), ("入炉膨胀", "oven spring", "term-2")]}
    words = {"老面": "酸面团", "cite": "/first#x", "黑麦": "rye"}
    assert homes(terms, titles, words) == {
        "second": [("酸面团", ""), ("老面", "")],
        "terms": [("入炉膨胀", "term-2")],
        "first": [("cite", "x")],
    }
    with pytest.raises(ConfigError, match="cite stands for /gone, which is no page"):
        homes(terms, titles, {"cite": "/gone"})


def test_titles_are_compared_by_whole_words():
    assert title_share("difference-in-differences", "Difference-in-differences") == 1
    assert title_share("rye", "Ryegrass") == 0


def test_only_the_beginning_of_a_definition_names_the_term():
    assert chinese_terms("酸面团: a dough (面团) that was kept.") == ["酸面团"]


def test_the_page_that_answers_comes_first(tmp_path):
    settings = {"bookworks_search": SEARCH, "nitpicky": False}
    html = build(write_book(tmp_path, PAGES, **settings))
    english = ("rye", "bake_rye", "0.191", "1,250.5", "cite", "constructor", "__proto__")
    found = search(html, *english, "酸面团", "老面", "老酵", "入炉膨胀", "黑麦")
    # cells of a table are words of their own, and a page comes before members of the library
    assert found["rye"][0] == "sourdough" and "library#tools.rye" in found["rye"]
    assert found["bake_rye"][0] == "library#tools.bake_rye"
    assert found["0.191"] == found["1,250.5"] == ["sourdough"]
    for query in ("酸面团", "老面", "老酵"):
        assert found[query][0] == "sourdough", query
    assert found["入炉膨胀"][0].startswith("glossary#term-")
    assert found["黑麦"][0] == "sourdough"
    assert found["cite"][0] == "index#cite"
    assert found["constructor"] == found["__proto__"] == []

    # a question is asked as the book's own word in it, or without its small words
    asked = ["how do I cite this?", "what does the book say about wheat", "如何用黑麦"]
    found |= search(html, *asked, "rye cite", "how")
    assert [found[question][0] for question in asked] == ["index#cite", "index", "sourdough"]
    assert "index#cite" not in found["rye cite"]

    # an index that was mended is the index that is made anew, its entries included
    write(tmp_path, "index.md", PAGES["index.md"].replace("wheat", "spelt"))
    upon = Path(shutil.copytree(build(tmp_path), tmp_path / "elsewhere" / "upon"))
    assert "wheat" not in re.findall(r'"(\w+)":', (upon / "searchindex.js").read_text("utf-8"))
    shutil.rmtree(tmp_path / "_build")
    assert differences(build(tmp_path), upon) == []
