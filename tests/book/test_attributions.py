"""What the book says of a paper stands beside the paper's words, and the words are exact."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from unittest import mock

import pytest
import yaml
from ftz_quotes import problems
from sphinx.events import core_events
from sphinx.testing.util import SphinxTestApp

import papers
from conftest import ROOT
from printproof.errors import RecordError
from study import attributions, evidence, policy
from study.figures import policy as figures

ROWS = attributions.load()
SECTIONS = attributions.sections()
CONFIG = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
PAGES = CONFIG["sphinx"]["config"]["ftz_quotes_pages"]
DIAGRAMS = ("mechanisms", "ecosystem", "framework", "strategies")

each_paper = pytest.mark.parametrize("paper", list(attributions.PREFIXES))


# -- the words are the paper's -----------------------------------------------------------


@pytest.fixture(scope="module")
def texts() -> dict[str, str]:
    """Return the papers' full texts, which are not ours to publish."""
    folder = papers.papers_folder()
    if folder is None:
        message = "NO FULL TEXTS: the words of the papers were NOT checked; set FTZ_PAPERS"
        warnings.warn(message, stacklevel=1)
        pytest.skip(message)
    return papers.full_texts(folder)


@each_paper
def test_each_quotation_stands_in_its_paper(paper, texts):
    mine = [row for row in ROWS.values() if row.paper == paper]
    assert mine
    assert not [row.id for row in mine if not papers.stands(row.quote, texts[paper])]


@each_paper
def test_each_heading_stands_in_its_paper(paper, texts):
    titles = SECTIONS.loc[SECTIONS["paper"] == paper, "title_zh"]
    assert not [t for t in titles if papers.normalised(t) not in texts[paper]]


def spans(text: str, paper: str) -> dict[str, tuple[int, int]]:
    """Return where each numbered part with a heading begins and ends."""
    begins: dict[str, int] = {}
    here = 0
    for part in SECTIONS[SECTIONS["paper"] == paper].itertuples():
        if not part.section[0].isdigit():
            continue
        title = re.escape(papers.normalised(part.title_zh))
        mark = r"(?:[一二三四五]、|\([一二三四五]\)|第[一二三四五六],|\d\.|##|)"
        numbered = re.compile(mark.replace("|)", ")") + title)
        found = numbered.search(text, here) or re.compile(title).search(text, here)
        assert found, (paper, part.section)
        begins[part.section] = here = found.start()
    ends = [*list(begins.values())[1:], len(text)]
    return {part: (begin, end) for (part, begin), end in zip(begins.items(), ends, strict=True)}


@each_paper
def test_each_quotation_stands_in_its_part(paper, texts):
    """Tables and figures float, and notes stand at the end: the numbered parts do not."""
    found = spans(texts[paper], paper)
    wrong = []
    for row in ROWS.values():
        if row.paper == paper and row.section in found:
            begin, end = found[row.section]
            if not papers.stands(row.quote, texts[paper][begin:end]):
                wrong.append((row.id, row.section))
    assert not wrong


def test_each_number_of_the_english_is_the_quotation_s():
    wrong = []
    for row in ROWS.values():
        quoted = papers.normalised(row.quote).replace(",", "")
        if row.kind == "number":
            said = re.findall(r"\d+\.\d+|\d{2,}", re.sub(r"\b20\d\d\b", "", row.english))
            wrong += [(row.id, number) for number in said if number not in quoted]
    assert not wrong


def test_quotations_are_short():
    """A clause to check by, and no copy of the paper."""
    assert max(len(row.quote) for row in ROWS.values()) <= 80
    for paper in attributions.PREFIXES:
        lengths = [len(row.quote) for row in ROWS.values() if row.paper == paper]
        assert sum(lengths) / len(lengths) <= 25


@each_paper
def test_about_a_quarter_of_a_paper_is_quoted_at_most(paper, texts):
    """All quotations together, those of problems, proposals and positions with them."""
    coded = policy.load()
    frames = (coded.problems, coded.proposals, evidence.positions())
    quotes = [row.quote for row in ROWS.values() if row.paper == paper]
    quotes += [q for frame in frames for q in frame.loc[frame["paper"] == paper, "quote"]]
    assert 0.1 < papers.quoted_share(quotes, texts[paper]) < 0.28


def test_a_letter_that_is_quoted_twice_counts_once():
    assert papers.quoted_share(["甲乙", "乙……丁"], "甲乙丙丁") == 0.75


def test_each_reference_has_an_address():
    """Without one are two of the five papers, as their entries say."""
    entries = re.split(r"^@", (ROOT / "book/references.bib").read_text("utf-8"), flags=re.M)[1:]
    bare = {e.split("{")[1].split(",")[0] for e in entries if not re.search(r"\b(doi|url) ?=", e)}
    assert bare == {"yan_ye_wang", "mi_2024"}


# -- each sentence about a paper shows them ------------------------------------------------


@pytest.mark.parametrize("page", PAGES)
def test_each_sentence_about_a_paper_carries_its_words(page):
    text = (ROOT / f"{page}.md").read_text(encoding="utf-8")
    found = [f"{page}.md, line {line}: {what}" for line, what in problems(text, ROWS)]
    assert not found, "\n".join(found)


def test_each_row_stands_on_a_page():
    used: set[str] = set()
    for page in PAGES:
        text = (ROOT / f"{page}.md").read_text(encoding="utf-8")
        used |= set(re.findall(r"[a-z][a-z0-9-]+", " ".join(re.findall(r"\{says\}`(.+?)`", text))))
        for block in re.findall(r"^```\{says-table\}.*?^```", text, re.S | re.M):
            lines = [line.rpartition("|")[2] for line in block.splitlines()[1:-1]]
            used |= {key for line in lines for key in line.split() if key in ROWS}
    assert set(ROWS) == used & set(ROWS)


@each_paper
def test_each_part_has_a_statement(paper):
    mine = SECTIONS[SECTIONS["paper"] == paper]
    assert set(mine["section"]) == {row.section for row in ROWS.values() if row.paper == paper}


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("Zones open, and Zhou says so.", "a sentence about Zhou without words"),
        ("Zones open {cite}`qian_wang_2023`.", "a sentence about Qian and Wang without words"),
        ("1. The authors count items.", "a sentence about a paper without its words"),
        ("They ask for a court.", "a sentence about a paper without its words"),
        ("Zhou says so.{says}`chen-freedom`", "words of Chen under another paper's name"),
        ("Zones open.{says}`zhou-nothing`", "no row zhou-nothing"),
        ("Note what the measuring paper counts.", "a sentence about Yan, Ye and Wang without"),
        ("| Chen | describes Jiangsu |", "a sentence about Chen without words"),
        ("As Mi and Zhou say.{says}`zhou-base`", "a sentence about Mi without words"),
    ],
)
def test_a_sentence_without_its_words_is_found(line, what):
    found = problems(f"# A page\n\n{line}\n", ROWS)
    assert any(what in said and number == 3 for number, said in found)


@pytest.mark.parametrize(
    "text",
    [
        "Zhou calls it a base.{says}`zhou-base`",
        "As Mi and Zhou say.{says}`zhou-base, mi-demo`",
        "Zones open, and nobody is named.",
        "## What Zhou says",
        "**Source.** Part 3 of Zhou {cite}`zhou_2024`.",
        "```{code-cell} ipython3\nprint('Zhou says so')\n```",
        "```{says-table} Zhou\nbase | zhou-base\n```",
        "The Miocene, Zhouzhuang and Chengdu are no authors.",
        "They lie on the coast, and nobody asks.",
    ],
)
def test_a_sentence_in_order_is_left_alone(text):
    assert not list(problems(f"# A page\n\n{text}\n", ROWS))


# -- rows that cannot be read ------------------------------------------------------------


def test_full_texts_that_lack_a_paper_are_refused(tmp_path, monkeypatch):
    (tmp_path / "README.md").write_text("| a.txt | one | mi_2024 |\n", encoding="utf-8")
    with pytest.raises(RecordError, match="no text of yan_ye_wang, qian_wang_2023"):
        papers.full_texts(tmp_path)
    monkeypatch.setenv("FTZ_PAPERS", str(tmp_path / "nowhere"))
    assert papers.papers_folder() is None


# -- diagrams ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", DIAGRAMS)
def test_each_diagram_hangs_together_and_breaks_our_own_arrows(name):
    nodes, edges = attributions.diagram(name)
    (root,) = set(nodes.index) - set(edges["to"])
    reached = {root}
    for _ in nodes.index:
        reached |= set(edges.loc[edges["from"].isin(reached), "to"])
    assert reached == set(nodes.index)
    assert not nodes.duplicated(["column", "row"]).any()
    (axes,) = figures.framework_diagram(nodes, edges).axes
    broken = [p for p in axes.patches if type(p).__name__ == "FancyArrowPatch"]
    styles = [patch.get_linestyle() in ("--", "dashed") for patch in broken]
    assert styles == edges["ours"].tolist()


def test_both_wings_carry_all_three_tasks_by_our_reading():
    nodes, edges = attributions.diagram("framework")
    tasks = set(nodes.index[nodes["column"] == 2])
    for wing in ("ftz", "fta"):
        mine = edges[(edges["from"] == wing) & edges["to"].isin(tasks)]
        assert set(mine["to"]) == tasks and mine["ours"].all()
    with pytest.raises(RecordError, match="no diagram 'wings'"):
        attributions.diagram("wings")


# -- on the page ---------------------------------------------------------------------------

PAGE = """# A page

Zhou calls it a base.{says}`zhou-base` Twice.{says}`zhou-base, zhou-wings`

```{says-table} Words of Mi
:head: about
share | mi-share mi-hebei
```
"""


def _build(folder: Path, text: str, pages: tuple[str, ...] = ()) -> tuple[str, str]:
    """Build one page; return its HTML and what was warned of."""
    (folder / "conf.py").write_text(
        "extensions = ['myst_parser', 'ftz_quotes']\n"
        f"suppress_warnings = ['image.not_readable']\nftz_quotes_pages = {list(pages)!r}\n"
    )
    (folder / "index.md").write_text(text, encoding="utf-8")
    with mock.patch.dict(core_events, {"bookworks-write": "page"}):
        app = SphinxTestApp("html", srcdir=folder)
    try:
        app.build()
        warned = re.sub(r"\x1b\[[\d;]*m", "", app.warning.getvalue())
        return (app.outdir / "index.html").read_text(encoding="utf-8"), warned
    finally:
        app.cleanup()


def test_a_page_shows_words_without_a_script(tmp_path):
    html, warned = _build(tmp_path, PAGE, ("index",))
    assert not warned
    described = re.findall(r'aria-describedby="([^"]+)"', html)
    assert len(described) == len(set(described)) == 3
    assert all(html.count(f'role="tooltip" id="{name}"') == 1 for name in described)
    assert re.findall(r'aria-label="The paper&#x27;s words, (\d)"', html) or re.findall(
        r"aria-label=\"The paper's words, (\d)\"", html
    ) == ["1", "1", "2"]
    assert html.count('id="said-zhou-base"') == 1
    words = html[html.index('<details class="ftz-words">') :]
    assert "(2)</summary>" in words and f"“{ROWS['zhou-base'].quote}”" in words
    assert 'lang="zh"' in words and 'href="#said-zhou-wings"' in words
    table = html[html.index("ftz-says-table") : html.index("ftz-words")]
    assert "Words of Mi" in table and ROWS["mi-hebei"].quote in table
    assert 'id="said-mi-share"' in table


def test_what_is_wrong_on_a_page_is_a_warning(tmp_path):
    text = "# A page\n\nChen says so.\n\nNo.{says}`zhou-bass`\n\n```{says-table} T\nmi-shore\n```\n"
    text += "\n```{says-map} mi_2025\n```\n"
    _, warned = _build(tmp_path, text, ("index",))
    for message in (
        "a sentence about Chen without words of the paper",
        "no row 'zhou-bass'",
        "no row 'mi-shore'",
        "no paper 'mi_2025'",
    ):
        assert message in warned


def test_a_map_leads_to_each_part_and_names_what_stands_nowhere(tmp_path):
    html, warned = _build(tmp_path, PAGE + "\n```{says-map} mi_2024\n```\n")
    assert "rows stand on no page: yan-ye-wang-" in warned
    assert "part 3 of mi_2024 has no place in the book" in warned
    assert "part Lead of mi_2024" not in warned
    assert 'href="#said-mi-share"' in html
    titles = SECTIONS.loc[SECTIONS["paper"] == "mi_2024", "title_zh"]
    assert all(title in html for title in titles)


def test_cells_are_said_in_words():
    said = attributions.in_words("yan_ye_wang/table5/IL/(8)/coef lies in table4/FTZ/(5)/coef")
    assert said == (
        "Table 5, linkage, column (8), coefficient lies in Table 4, zone, column (5), coefficient"
    )
    assert attributions.in_words("statistic (table1, k_nearest, ATT)") == (
        "statistic (Table 1, nearest neighbours, effect)"
    )
