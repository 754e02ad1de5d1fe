"""Sentences of a page that speak of one of the five papers, and whether they show its words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from study import attributions
from study.attributions import AUTHORS

#: Directives whose content is code, mathematics or a list of rows, and no sentence.
_NO_PROSE = ("code-cell", "code", "math", "eval-rst", "bibliography", "raw", "says-table")
_FENCE = re.compile(r"\s*(`{3,}|:{3,})\s*(?:\{([\w:-]+)\})?")
_CITED = re.compile(r"\{cite(?::\w+)?\}`([^`]+)`")
_MARK = re.compile(r"\{says\}`([^`]+)`")
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


@dataclass(frozen=True)
class Fault:
    """A sentence to mend: the line as a text editor counts, and what is wrong."""

    line: int
    what: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.what}"


def sentences(text: str) -> Iterator[tuple[int, str]]:
    """Yield number and content of a page's lines of prose; a line is a sentence.

    Headings, comments, code and lines that only open or close a directive are left out.

    Parameters
    ----------
    text : str
        A page's source, one sentence a line.
    """
    header = re.match(r"\A---\n.*?\n---\n", text, flags=re.S)
    skipped = header.group(0).count("\n") if header else 0
    closing = None
    for number, line in enumerate(text.splitlines(), start=1):
        if number <= skipped:
            continue
        fence = _FENCE.match(line)
        if closing is not None:
            if fence and fence[1].startswith(closing) and not line.strip(" `:"):
                closing = None
        elif fence:
            closing = fence[1] if fence[2] in _NO_PROSE else None
        elif line.strip() and not re.match(r"#|%|\(ch-|\s*:[\w-]+:", line):
            yield number, line


def problems(text: str, rows: Mapping[str, attributions.Attribution]) -> list[Fault]:
    """Return the attributing sentences of a page that do not show the paper's words.

    A sentence (a line) is *attributing* if it cites one of the five papers, names its
    authors, or begins with "The author(s)", "The paper", "The report", or "They"
    or "He" and what authors do (ask, name, report ...).  It needs a mark
    ``{says}`` in the same line, of each paper that it cites or names, and of no other.
    Free is only the line "**Source.**" of an overview, which says what a chapter reads.

    Parameters
    ----------
    text : str
        A page's source, one sentence a line.
    rows : mapping
        From :func:`study.attributions.load`.
    """
    found = []
    for number, line in sentences(text):
        if line.startswith("**Source.**"):
            continue
        marks = [key.strip() for mark in _MARK.findall(line) for key in mark.split(",")]
        marked = {rows[key].paper for key in marks if key in rows}
        cited = {key.strip() for cite in _CITED.findall(line) for key in cite.split(",")}
        about = cited & set(attributions.PREFIXES)
        about |= {paper for paper, name in _NAMED.items() if name.search(line)}
        lost = [key for key in marks if key not in rows]
        if lost:
            found.append(Fault(number, f"no row {', '.join(lost)} in data/attributions"))
        for paper in sorted(about - marked):
            found.append(
                Fault(
                    number,
                    f"a sentence about {AUTHORS[paper]} without words of the paper",
                )
            )
        for paper in sorted(marked - about if about else ()):
            found.append(Fault(number, f"words of {AUTHORS[paper]} under another paper's name"))
        if not about and not marks and _SUBJECT.match(line):
            found.append(Fault(number, "a sentence about a paper without its words"))
    return found
