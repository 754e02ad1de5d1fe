"""Checks of the text: what a careful reader of the sources would mark, with file and line.

Each function takes the text of a file, so that a unit test can feed it a bad one, and
returns :class:`Problem` objects that say where it is and what to do.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass

import ftz_quotes
import yaml

#: Directives whose content is code or mathematics, not prose.
NOT_PROSE = ("code-cell", "code-block", "code", "math", "eval-rst", "bibliography", "raw")
HAN = re.compile(r"[\u3400-\u9fff]+")
FIVE_QUESTIONS = (
    "What did they claim?",
    "How did they get it?",
    "Do I believe it?",
    "What would change my mind?",
    "How do I run it on my data?",
)


@dataclass(frozen=True)
class Problem:
    """Something to mend: where it is, what is wrong, and what to do about it."""

    file: str
    line: int
    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.what}; {self.remedy}"


def prose_lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield number and content of the lines that are prose, as a text editor counts."""
    return ftz_quotes.prose_lines(text, NOT_PROSE)


# -- terms ------------------------------------------------------------------------------


def glossary_entries(text: str) -> dict[str, int]:
    """Return the terms of a glossary and the lines they stand on."""
    inside, found = False, {}
    for number, line in enumerate(text.splitlines(), start=1):
        if line.startswith("```"):
            inside = line.startswith("```{glossary}")
        elif inside and line.strip() and not line.startswith((" ", "\t", ":")):
            found[line.strip()] = number
    return found


def unknown_terms(file: str, text: str, entries: Collection[str]) -> list[Problem]:
    """Find ``{term}`` roles that point at no entry of the glossary."""
    known = {entry.casefold() for entry in entries}
    found = []
    for number, line in prose_lines(text):
        for role in re.findall(r"\{term\}`([^`]+)`", line):
            target = re.sub(r".*<(.+)>\s*$", r"\1", role).strip()
            if target.casefold() not in known:
                what = f"the term {target!r} has no entry"
                found.append(Problem(file, number, what, "add it to book/glossary.md"))
    return found


def unexplained_chinese(file: str, text: str, glossary: str, names: str) -> list[Problem]:
    """Find Chinese words that stand neither in the glossary nor among the names."""
    known = glossary + "\n" + names
    found = []
    for number, line in prose_lines(text):
        for word in HAN.findall(re.sub(r"\{[\w:-]+\}`[^`]*`|`[^`]*`", " ", line)):
            if word not in known:
                remedy = "give it an entry in book/glossary.md, or list it as a name"
                found.append(Problem(file, number, f"{word} is in no entry", remedy))
    return found


def glossary_chinese(text: str) -> dict[str, tuple[str, ...]]:
    """Return the Chinese forms that the glossary gives for each term."""
    lines = text.splitlines()
    return {
        entry: tuple(HAN.findall(lines[number]))
        for entry, number in glossary_entries(text).items()
        if number < len(lines) and HAN.search(lines[number])
    }


def hidden_chinese(file: str, text: str, forms: dict[str, tuple[str, ...]]) -> list[Problem]:
    """Find linked terms whose characters a chapter never shows."""
    prose = list(prose_lines(text))
    whole = "\n".join(line for _, line in prose)
    known = {entry.casefold(): (entry, chinese) for entry, chinese in forms.items()}
    found, seen = [], set()
    for number, line in prose:
        for role in re.findall(r"\{term\}`([^`]+)`", line):
            target = re.sub(r".*<(.+)>\s*$", r"\1", role).strip().casefold()
            if target in seen or target not in known:
                continue
            seen.add(target)
            entry, chinese = known[target]
            if not any(word in whole for word in chinese):
                what = f"{entry!r} is linked and {chinese[0]} never shown"
                found.append(Problem(file, number, what, "give the characters at first use"))
    return found


# -- figures ----------------------------------------------------------------------------


def weak_alternatives(file: str, text: str) -> list[Problem]:
    """Find figures whose alternative text is missing, repeats the caption or says little."""
    found = []
    for block in re.finditer(r"^```\{code-cell\}[^\n]*\n---\n(.*?)\n---\n", text, re.S | re.M):
        options = (yaml.safe_load(block.group(1)) or {}).get("mystnb", {})
        if "figure" not in options:
            continue
        line = text[: block.start()].count("\n") + 1
        alt = str(options.get("image", {}).get("alt", ""))
        caption = str(options["figure"].get("caption", ""))
        if len(alt.split()) < 8:
            found.append(Problem(file, line, f"alt text {alt!r}", "say what is seen"))
        elif re.match(r"(an? )?(image|picture|figure|plot) of\b", alt, re.I):
            found.append(
                Problem(file, line, f"alt text {alt[:30]!r}", "name the marks, not the medium")
            )
        elif alt.strip(". ") == caption.strip(". "):
            remedy = "let the caption state the finding and the alt text what is seen"
            found.append(Problem(file, line, "alt text and caption are the same", remedy))
    return found


# -- citations --------------------------------------------------------------------------


def citations(text: str) -> Iterator[tuple[int, str]]:
    """Yield line and key of each citation in prose."""
    for number, line in prose_lines(text):
        for role in re.findall(r"\{cite(?::\w+)?\}`([^`]+)`", line):
            for key in role.split(","):
                yield number, key.strip()


def unknown_citations(file: str, text: str, keys: Collection[str]) -> list[Problem]:
    """Find citations of works that the bibliography does not hold."""
    remedy = "add the work to book/references.bib or mend the key"
    return [
        Problem(file, number, f"no entry {key!r}", remedy)
        for number, key in citations(text)
        if key not in keys
    ]


def bibliography_entries(text: str) -> dict[str, tuple[int, str, dict[str, str]]]:
    """Return line, kind and fields of each entry of a BibTeX file."""
    found = {}
    for head in re.finditer(r"^@(\w+)\{([^,\s]+),", text, re.M):
        body = _balanced(text, head.end())
        fields = {}
        for field in re.finditer(r"(\w+)\s*=\s*\{", body):
            fields.setdefault(field.group(1).lower(), _balanced(body, field.end()))
        line = text[: head.start()].count("\n") + 1
        found[head.group(2)] = (line, head.group(1).lower(), fields)
    return found


def _balanced(text: str, start: int) -> str:
    """Return what stands between ``start`` and the brace that closes it."""
    depth = 1
    for place in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[place], 0)
        if depth == 0:
            return text[start:place]
    return text[start:]


def poor_entries(file: str, text: str) -> list[Problem]:
    """Find entries without what a reader needs to look the work up, and works listed twice."""
    found = []
    entries = bibliography_entries(text)
    heads = re.findall(r"^@\w+\{([^,\s]+),", text, re.M)
    for key, times in Counter(heads).items():
        if times > 1:
            found.append(Problem(file, entries[key][0], f"{key} stands {times} times", "keep one"))
    dois: dict[str, str] = {}
    for key, (line, kind, fields) in entries.items():
        note = fields.get("note", "")
        wanted = [name for name in ("author", "title", "year") if not fields.get(name)]
        if "year do not stand" in note:  # a source whose text does not print it
            wanted = [name for name in wanted if name != "year"]
        if kind == "article":
            if not fields.get("journal"):
                wanted.append("journal")
            if not (fields.get("volume") or fields.get("doi") or "Online first" in note):
                wanted.append("volume or doi")
        if kind == "book" and not fields.get("publisher"):
            wanted.append("publisher")
        if wanted:
            what = f"{key} lacks {', '.join(wanted)}"
            found.append(Problem(file, line, what, "complete it from the work itself"))
        doi = fields.get("doi", "").casefold()
        if doi and not re.fullmatch(r"10\.\d{4,9}/\S+", doi):
            found.append(Problem(file, line, f"{key}: {doi!r} is no DOI", "write it as 10.x/y"))
        if doi and doi in dois:
            found.append(Problem(file, line, f"{key} is {dois[doi]} again", "keep one"))
        dois.setdefault(doi, key)
    return found


# -- exercises --------------------------------------------------------------------------


def poor_exercises(file: str, text: str, least: int = 0) -> list[Problem]:
    """Find exercises without a solution, solutions that are not executed, and too few."""
    lines = text.splitlines()
    asked: dict[str, int] = {}
    solved: set[str] = set()
    found, gate = [], None
    for number, line in enumerate(lines, start=1):
        if re.match(r"`{3,}\{exercise(-start)?\}", line):
            label = next(
                (re.match(r":label:\s*(\S+)", x) for x in lines[number : number + 3]), None
            )
            if label is None:
                found.append(Problem(file, number, "an exercise without label", "add :label:"))
            else:
                asked[label.group(1)] = number
        elif start := re.match(r"(`{3,})\{solution-start\}\s*(\S+)", line):
            if gate:
                found.append(Problem(file, number, f"{gate} is still open", "add {solution-end}"))
            gate = start.group(2)
            solved.add(gate)
        elif re.match(r"`{3,}\{solution-end\}", line):
            if gate is None:
                remedy = "add {solution-start} before it"
                found.append(Problem(file, number, "an end without a start", remedy))
            gate = None
        elif shut := re.match(r"(`{3,})\{solution\}\s*(\S+)", line):
            solved.add(shut.group(2))
            found += _code_in_solution(file, lines, number, shut.group(1))
    if gate:
        found.append(Problem(file, len(lines), f"{gate} is still open", "add {solution-end}"))
    for label, number in asked.items():
        if label not in solved:
            what = f"the exercise {label} has no solution"
            found.append(Problem(file, number, what, "add one that runs with the book"))
    if len(asked) < least:
        what = f"{len(asked)} exercises, at least {least} are wanted"
        found.append(Problem(file, len(lines), what, "write more, with executed solutions"))
    return found


def _code_in_solution(file: str, lines: list[str], start: int, fence: str) -> list[Problem]:
    """Find code inside a closed solution: it is shown and never executed."""
    found = []
    for number, line in enumerate(lines[start:], start=start + 1):
        if line.startswith(fence) and not line.strip("`"):
            break
        if re.match(r"`{3,}(\{code-cell\}|\{code-block\}|python|ipython)", line):
            remedy = "use {solution-start} and {solution-end} around a code cell"
            found.append(Problem(file, number, "code of a solution is not executed", remedy))
    return found


# -- the papers' claims -----------------------------------------------------------------


def uncited_papers(file: str, text: str, papers: Collection[str]) -> list[Problem]:
    """Find papers whose printed numbers a chapter's code reads and whose text cites not."""
    cited = {key for _, key in citations(text)}
    found = []
    for number, line in enumerate(text.splitlines(), start=1):
        for paper in papers:
            if f'"{paper}"' in line and paper not in cited:
                cited.add(paper)  # once a chapter
                what = f"numbers of {paper} are read and the paper is not cited"
                found.append(Problem(file, number, what, f"add {{cite}}`{paper}`"))
    return found


def without_place(file: str, text: str) -> list[Problem]:
    """Find lines of a record whose number or claim has no place in its paper."""
    import csv
    import io

    place = re.compile(
        r"Part|Table|Figure|figure|Title|Abstract|Introduction|[Nn]otes?\b|Equation|equation"
        r"|paragraph|section|Key words|[Ff]ootnote"
    )
    return [
        Problem(file, number, f"no place: {row['where']!r}", "say part, table, figure or note")
        for number, row in enumerate(csv.DictReader(io.StringIO(text)), start=2)
        if not place.search(row["where"] or "")
    ]


# -- openings and the first page ----------------------------------------------------------


def overview(text: str) -> str:
    """Return the prose of a chapter's first section."""
    parts = re.split(r"^## ", text, flags=re.M)
    first = parts[1] if len(parts) > 1 else ""
    return "\n".join(line for _, line in prose_lines(first))


def poor_opening(file: str, text: str) -> list[Problem]:
    """Find chapters whose opening does not summarise them."""
    opening = overview(text)
    line = text[: text.find("\n## ") + 1].count("\n") + 1
    found = []
    if not opening.startswith("Overview"):
        found.append(Problem(file, line, "no Overview", "begin the chapter with one"))
    elif "**In short.**" not in opening:
        remedy = "add a paragraph that begins **In short.** and says what the chapter found"
        found.append(Problem(file, line, "the opening does not say what was found", remedy))
    return found


def unanswered_questions(file: str, text: str, labels: Collection[str]) -> list[Problem]:
    """Find questions of the first page whose line is missing or leads nowhere."""
    rows = {n: line for n, line in prose_lines(text) if line.startswith("|")}
    found = []
    for question in FIVE_QUESTIONS:
        mine = [(n, line) for n, line in rows.items() if question in line]
        if not mine:
            what = f"nobody answers {question!r}"
            found.append(Problem(file, 1, what, "give the question a line with links"))
            continue
        number, line = mine[0]
        targets = re.findall(r"\{ref\}`([\w-]+)`", line)
        lost = [name for name in targets if name not in labels]
        if not targets or lost:
            what = f"{question!r} leads to {', '.join(lost) or 'nothing'}"
            found.append(Problem(file, number, what, "link a chapter that exists"))
    return found
