"""The text holds what it promises: terms, figures, citations, exercises, places, openings."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

import prose
from conftest import ROOT, chapters

BOOK = ROOT / "book"
DATA = ROOT / "data"
GLOSSARY = (BOOK / "glossary.md").read_text(encoding="utf-8")
BIBLIOGRAPHY = (BOOK / "references.bib").read_text(encoding="utf-8")
ENTRIES = prose.glossary_entries(GLOSSARY)
PAPERS = yaml.safe_load((DATA / "published" / "papers.yml").read_text(encoding="utf-8"))

#: Chinese that stands on a page for its wording, or as half of a mixed word.
QUOTED = "比获批前多了 调研发现 调研了解到 可能的解释 基本变动不大 模型"
#: Where names of persons, papers, cities and indicators are given with their characters.
NAMES = "\n".join(
    path.read_text(encoding="utf-8")
    for path in (
        DATA / "published" / "papers.yml",
        DATA / "register" / "study_cities.csv",
        DATA / "index" / "tree.csv",
        BOOK / "references.bib",
    )
)

#: Every page of the book's two folders, whether in the contents or not yet.
PAGES = sorted(path for folder in ("book", "notebooks") for path in (ROOT / folder).glob("*.md"))
NOTEBOOKS = [path for path in PAGES if path.parent.name == "notebooks"]


def policy_chapters() -> list[Path]:
    """Return the chapters of the first part, which set out the papers' arguments."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    (part,) = [part for part in toc["parts"] if part["caption"] == "The policy"]
    return [(ROOT / page["file"]).with_suffix(".md") for page in part["chapters"]]


def read_for_their_text() -> list[Path]:
    """Return all chapters but the pages that are looked up."""
    looked_up = {"intro", "summary", "cities", "library", "papers", "status", "glossary"}
    looked_up |= {"references", "index", "summaries"}
    pages = [(ROOT / chapter).with_suffix(".md") for chapter in chapters()]
    return [page for page in pages if page.stem not in looked_up]


def name(path: Path) -> str:
    """Return a path as a person would type it from the root."""
    return path.relative_to(ROOT).as_posix()


def labels() -> set[str]:
    """Return the labels of all pages."""
    found: set[str] = set()
    for path in (*PAGES, *(ROOT / "notebooks" / "own").glob("*.md")):
        text = path.read_text(encoding="utf-8")
        found |= {line[1:-2] for line in text.splitlines() if line.startswith("(ch-")}
    return found


def none(problems: list[prose.Problem]) -> None:
    """Fail with one line a problem."""
    assert not problems, "\n" + "\n".join(map(str, problems))


each_page = pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
each_policy_chapter = pytest.mark.parametrize("path", policy_chapters(), ids=lambda path: path.stem)


@each_page
def test_each_linked_term_has_an_entry(path):
    none(prose.unknown_terms(name(path), path.read_text("utf-8"), ENTRIES))


@each_page
def test_each_chinese_word_is_in_the_glossary(path):
    names = NAMES + "\n" + QUOTED
    english = path.read_text("utf-8").split("\n## 中文\n")[0]  # a section for readers of Chinese
    none(prose.unexplained_chinese(name(path), english, GLOSSARY, names))


@each_policy_chapter
def test_each_term_stands_with_its_characters(path):
    forms = prose.glossary_chinese(GLOSSARY)
    none(prose.hidden_chinese(name(path), path.read_text("utf-8"), forms))


@each_page
def test_each_figure_has_an_alternative_text_that_says_something(path):
    none(prose.weak_alternatives(name(path), path.read_text("utf-8")))


@each_page
def test_each_citation_has_an_entry(path):
    keys = prose.bibliography_entries(BIBLIOGRAPHY)
    none(prose.unknown_citations(name(path), path.read_text("utf-8"), keys))


def test_each_entry_of_the_bibliography_can_be_looked_up():
    none(prose.poor_entries("book/references.bib", BIBLIOGRAPHY))
    assert set(PAPERS) <= set(prose.bibliography_entries(BIBLIOGRAPHY))


def test_the_parser_of_the_bibliography_agrees_with_the_one_that_builds_the_book():
    from pybtex.database import parse_string

    entries = prose.bibliography_entries(BIBLIOGRAPHY)
    known = parse_string(BIBLIOGRAPHY, "bibtex").entries
    assert set(known) == set(entries)
    for key, entry in known.items():
        fields = {field.lower() for field in entry.fields} | set(entry.persons)
        assert fields == set(entries[key][2]), key


@each_page
def test_each_exercise_has_a_solution_that_runs(path):
    appendix = path.stem.endswith("-appendix")
    least = 3 if (path in NOTEBOOKS and not appendix) or path in policy_chapters() else 0
    below = path.with_name(f"{path.stem}-appendix.md")  # the chapter's exercises, too
    least -= below.read_text("utf-8").count("```{exercise}") if below.exists() else 0
    none(prose.poor_exercises(name(path), path.read_text("utf-8"), least))


@each_page
def test_each_paper_whose_numbers_are_read_is_cited(path):
    none(prose.uncited_papers(name(path), path.read_text("utf-8"), PAPERS))


@pytest.mark.parametrize(
    "path", sorted((DATA / "published").glob("*.csv")), ids=lambda path: path.stem
)
def test_each_number_and_claim_of_the_papers_has_its_place(path):
    none(prose.without_place(name(path), path.read_text("utf-8")))


@pytest.mark.parametrize("path", read_for_their_text(), ids=lambda path: path.stem)
def test_each_opening_says_what_the_chapter_finds(path):
    none(prose.poor_opening(name(path), path.read_text("utf-8")))


def test_the_first_page_answers_five_questions():
    first = (ROOT / chapters()[0]).with_suffix(".md")
    none(prose.unanswered_questions(name(first), first.read_text("utf-8"), labels()))


def test_the_witnesses_of_the_example_return_what_it_says_is_printed():
    rows = re.findall(r"^\| [ABC] \| ([\d.]+) \| ([\d.]+) \|$", GLOSSARY, flags=re.M)
    one, other = ([float(value) for value in column] for column in zip(*rows, strict=True))
    printed = re.search(r"mean is ([\d.]+) and the largest value ([\d.]+)", GLOSSARY)
    for witness in (one, other):
        assert (sum(witness) / 3, max(witness)) == (float(printed[1]), float(printed[2]))
    assert min(one) != min(other)
    (refuted,) = re.findall(r"a smallest value of ([\d.]+)", GLOSSARY)
    assert 2 * float(refuted) + max(one) > sum(one)


# -- the two languages ------------------------------------------------------------------

ZH = BOOK / "zh"


def pasted(text: str, page: str = "") -> set[str]:
    """Return the keys that a text pastes, its own or those of another page."""
    keys = re.findall(r"\{glue:\w*\}`([^`]+)`", text)
    own = [key.rpartition("::")[2] for key in keys if key.rpartition("::")[0] == page]
    return {re.sub(r":[^:]*$", "", key).replace("-zh", "") for key in own}


def test_the_first_page_says_the_same_numbers_in_both_languages():
    first, other = ((BOOK / name).read_text("utf-8") for name in ("intro.md", "zh/index.md"))
    english, chinese = pasted(first), pasted(other, "../intro.md")
    for chapter in ("notebooks/who-printed-table-4.md", "notebooks/within-city-effect.md"):
        assert pasted(first, f"../{chapter}") == pasted(other, f"../../{chapter}") != set()
    words = {key for key in english if key.startswith(("intro-claim-", "intro-rests-"))}
    assert english - words == chinese


def summaries() -> dict[str, str]:
    """Return the Chinese summary of each chapter that has one, by its label."""
    text = (ZH / "summaries.md").read_text("utf-8")
    parts = re.split(r"^\(zh-[a-z]+\)=\n## ", text, flags=re.M)[1:]
    return {re.search(r"\{ref\}`(ch-[\w-]+)`", part)[1]: part for part in parts}


def labelled() -> dict[str, Path]:
    """Return the source of each chapter by its label."""
    found = {}
    for path in map(lambda chapter: (ROOT / chapter).with_suffix(".md"), chapters()):
        if label := re.search(r"^\((ch-[\w-]+)\)=", path.read_text("utf-8"), flags=re.M):
            found[label[1]] = path
    return found


@pytest.mark.parametrize("label", sorted(summaries()))
def test_a_chinese_summary_has_five_sentences_with_numbers_that_its_chapter_shows(label):
    part, source = summaries()[label], labelled()[label]
    assert [line[:2] for line in part.splitlines() if re.match(r"\d\.", line)] == [
        f"{number}." for number in range(1, 6)
    ]
    page = f"../../{source.relative_to(ROOT).as_posix()}"
    chinese = pasted(part, page)
    assert len(re.findall(r"\{glue:", part)) == len(re.findall(rf"`{re.escape(page)}::", part)) > 0
    assert chinese <= pasted(source.read_text("utf-8"))


def test_every_chapter_that_computes_and_argues_has_a_chinese_summary():
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    parts = ("The policy", "The record and the index", "The estimates", "What the print can bear")
    wanted = [
        p["file"] for part in toc["parts"] if part["caption"] in parts for p in part["chapters"]
    ]
    have = {labelled()[label].relative_to(ROOT).with_suffix("").as_posix() for label in summaries()}
    assert set(wanted) <= have


# -- each check finds what it is for ------------------------------------------------------

GLOSSARY_SAMPLE = (
    "# G\n\n```{glossary}\n:sorted:\n\n"
    "zone\n  区, also 试验区: a place.\n\nratio\n  one over another.\n```\n"
)
CELL = "```{code-cell} ipython3\n---\nmystnb:\n  figure:\n    name: f\n    caption: It rises.\n"
HEADED = "---\nkernelspec:\n  name: python3\n---\n"


def lines(problems: list[prose.Problem]) -> list[int]:
    """Return the lines of problems, and see to it that each names file and remedy."""
    assert all(str(p).startswith(f"f.md:{p.line}: ") and p.remedy for p in problems)
    return [problem.line for problem in problems]


def test_prose_is_told_from_code_and_header():
    text = HEADED + "one\n```{code-cell} ipython3\nx = '{term}`lost`'\n```\n:::{note}\ntwo\n:::\n"
    found = dict(prose.prose_lines(text))
    assert found[5] == "one" and found[10] == "two" and 7 not in found and 3 not in found


def test_a_glossary_is_read():
    assert prose.glossary_entries(GLOSSARY_SAMPLE) == {"zone": 6, "ratio": 9}
    assert prose.glossary_chinese(GLOSSARY_SAMPLE) == {"zone": ("区", "试验区")}


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("A {term}`zone` and {term}`zones <zone>`.\n", []),
        ("A {term}`Zone`.\n\nA {term}`wing`.\n", [3]),
        ("{term}`zone <zones>`\n", [1]),
    ],
)
def test_a_term_without_entry_is_found(text, wrong):
    assert lines(prose.unknown_terms("f.md", text, {"zone"})) == wrong


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("A zone (试验区), by 王备.\n", []),
        ("One.\nA pot (锅).\n", [2]),
        ("```{code-cell} ipython3\n'锅'\n```\n`锅`\n", []),
    ],
)
def test_an_unexplained_chinese_word_is_found(text, wrong):
    found = prose.unexplained_chinese("f.md", text, GLOSSARY_SAMPLE, "王备")
    assert lines(found) == wrong


def test_a_term_that_never_shows_its_characters_is_found():
    forms = prose.glossary_chinese(GLOSSARY_SAMPLE)
    assert not prose.hidden_chinese("f.md", "A {term}`zone` (试验区).\n", forms)
    assert not prose.hidden_chinese("f.md", "A {term}`ratio`.\n", forms)
    assert lines(prose.hidden_chinese("f.md", "A.\n{term}`zones <zone>`\n", forms)) == [2]


@pytest.mark.parametrize(
    ("alt", "good"),
    [
        ("Two rows of dots; the lower row lies further to the right.", True),
        ("Dots.", False),
        ("Figure of two rows of dots that lie beside each other.", False),
        ("It rises.", False),
    ],
)
def test_a_weak_alternative_text_is_found(alt, good):
    text = f'Text.\n\n{CELL}  image:\n    alt: "{alt}"\n---\ndraw()\n```\n'
    assert lines(prose.weak_alternatives("f.md", text)) == ([] if good else [3])


def test_a_missing_alternative_text_and_a_copied_caption_are_found():
    assert lines(prose.weak_alternatives("f.md", f"{CELL}---\ndraw()\n```\n")) == [1]
    caption = "The bars of the last three years are far taller than before."
    text = CELL.replace("It rises.", caption) + f"  image:\n    alt: {caption}\n---\ndraw()\n```\n"
    (problem,) = prose.weak_alternatives("f.md", text)
    assert "the same" in problem.what


def test_an_unknown_citation_is_found():
    text = "{cite}`a,b` and {cite:t}`c`.\n\n{cite:p}`d`\n"
    assert lines(prose.unknown_citations("f.md", text, {"a", "c"})) == [1, 3]


GOOD_ENTRY = (
    "@article{a, author={B, C}, title={A {D}: e}, journal={J}, year={2000}, volume={1},"
    " doi={10.1000/x}}\n"
)


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("", "", None),
        ("author={B, C}, ", "", "lacks author"),
        ("year={2000}, ", "", "lacks year"),
        ("journal={J}, ", "", "lacks journal"),
        ("volume={1}, doi={10.1000/x}", "number={2}", "lacks volume or doi"),
        ("10.1000/x", "https://doi.org/10.1000/x", "is no DOI"),
        ("@article{a, author={B, C}, ", "@book{a, author={B, C}, ", "lacks publisher"),
    ],
)
def test_a_poor_entry_is_found(old, new, what):
    found = prose.poor_entries("f.md", GOOD_ENTRY.replace(old, new, 1))
    assert (what is None and not found) or what in found[0].what
    assert lines(found) == [1] * len(found)


def test_a_work_listed_twice_is_found():
    again = GOOD_ENTRY.replace("{a,", "{b,")
    assert lines(prose.poor_entries("f.md", GOOD_ENTRY + again)) == [2]
    assert prose.poor_entries("f.md", GOOD_ENTRY * 2)


EXERCISE = "```{exercise}\n:label: ex-a\nWhy?\n```\n"
SOLUTION = "```{solution-start} ex-a\n:class: dropdown\n```\n\n```{code-cell} ipython3\n1\n```\n"
END = "\n```{solution-end}\n```\n"


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        (EXERCISE + SOLUTION + END, []),
        (EXERCISE + "```{solution} ex-a\nBecause.\n```\n", []),
        (EXERCISE, [1]),
        (EXERCISE.replace(":label: ex-a\n", ""), [1]),
        (EXERCISE + SOLUTION, [11]),
        (EXERCISE + SOLUTION + END + END, [16]),
        (EXERCISE + "````{solution} ex-a\n```{code-cell} ipython3\n1\n```\n````\n", [6]),
        (EXERCISE + "````{solution} ex-a\n```python\n1\n```\n````\n", [6]),
    ],
)
def test_a_poor_exercise_is_found(text, wrong):
    assert lines(prose.poor_exercises("f.md", text)) == wrong


def test_too_few_exercises_are_found():
    text = EXERCISE + SOLUTION + END
    assert not prose.poor_exercises("f.md", text, least=1)
    assert "1 exercises" in prose.poor_exercises("f.md", text, least=3)[0].what


def test_an_uncited_paper_is_found():
    code = '```{code-cell} ipython3\nrecord.cell("mi_2024", "text")\n```\n'
    assert lines(prose.uncited_papers("f.md", code, PAPERS)) == [2]
    assert not prose.uncited_papers("f.md", "{cite}`mi_2024`\n" + code, PAPERS)


def test_a_number_without_place_is_found():
    assert lines(prose.without_place("f.md", "paper,where\na,Table 2\na,\na,somewhere\n")) == [3, 4]


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("# T\n\n## Overview\n\n**In short.** It holds.\n\n## Next\n", []),
        ("# T\n\n## Overview\n\nIt holds.\n\n## Next\n\n**In short.** No.\n", [3]),
        ("# T\n\n## Theory\n\n**In short.** It holds.\n", [3]),
    ],
)
def test_a_poor_opening_is_found(text, wrong):
    assert lines(prose.poor_opening("f.md", text)) == wrong


def test_an_unanswered_question_is_found():
    rows = [f"| {question} | {{ref}}`ch-a` |" for question in prose.FIVE_QUESTIONS]
    assert not prose.unanswered_questions("f.md", "\n".join(rows), {"ch-a"})
    assert len(prose.unanswered_questions("f.md", "\n".join(rows), {"ch-b"})) == 5
    assert lines(prose.unanswered_questions("f.md", "\n".join(rows[:4]), {"ch-a"})) == [1]
    rows[2] = rows[2].replace("{ref}`ch-a`", "nothing")
    assert lines(prose.unanswered_questions("f.md", "\n".join(rows), {"ch-a"})) == [3]
