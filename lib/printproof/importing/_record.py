"""Write what was read as a record that ``ftz audit FILE.yml`` reads and a person corrects."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from printproof.importing._layout import BRACKETS, Table
from printproof.reading import _heading_role as role

#: Words of a note, and what they say stands in brackets.
_KINDS = {
    "se": r"(standard|std\.?|robust|clustered)[ -]*(errors?|err\.?)|\bs\.?e\.?s?\b|标准误",
    "t": r"\bt[- ]?(statistics?|stats?\.?|values?|ratios?)\b|[tT] ?(值|统计量)",
    "z": r"\bz[- ]?(statistics?|stats?\.?|values?|scores?)\b|[zZ] ?(值|统计量)",
    "p": r"\bp[- ]?values?\b|[pP] ?值",
}
_WHERE = {
    "parentheses": r"par[ae]nthes[ei]s|(?<!方)(?<!花)括号|\((Std\. Error|t-stats|p-value)\)",
    "brackets": r"square brackets|\bbrackets|方括号",
    "braces": r"braces|花括号",
}
_LEVEL = re.compile(r"(?<![*\d])(\*{1,3})\s*(?:\(?p\)?|P)\s*[<≤]\s*=?\s*(0?\.\d+)")
_PERCENT = re.compile(r"(?<!\*)(\*{1,3})[^*%]{0,60}?(\d{1,2}(?:\.\d)? ?%)")
_ASKED = """\
    # Take the mark # off a line that the paper says, correct it, and note the sentence.
    # stars: {"*": .1, "**": .05, "***": .01}  # which levels do the stars stand for?
    # unmarked: tested        # were rows and columns without any star tested as well?
    # tails: two              # one or two?
    # df: residual            # of the t distribution: normal, residual or a number?
    # rounding: nearest       # or half_even, truncated
    # scale: linear           # is the statistic effect over error? (not for odds ratios)
    # statistic: signed       # or absolute, where t is printed without its sign
    # estimator: ols          # or wls, iv, logit, ...; a table or column may have its own
    # errors: classical       # or robust, clustered, bootstrap
    # weights: none           # do means and percentages count every row once?
    # moments: same rows      # are mean, sd, ends of the n rows beside, in one unit, none trimmed?
    # items: {stress: 4}      # which variables are means of so many whole-number answers?
    # percents: [female]      # which rows or columns are a count in percent of n?
    # variances: welch        # or pooled: behind the error of a difference of group means
    # counts: [N, n]          # exact whole numbers
    # sample: one             # a name for the sample that columns share
    # because: {stars: the note under Table 1}
"""


def said(notes: Sequence[str], key: str) -> tuple[str, str]:
    """Return what notes say stands in brackets of a kind, and the note; ``unknown`` if nothing.

    A note that names several kinds is read by clauses: "standard errors in parentheses,
    p-values in brackets".
    """
    for note in notes:
        sentences = re.split(r"[;；。]|(?<!Std)\. ", note)
        for clause in [*sentences, *(c for s in sentences for c in re.split(r"[,，]| and ", s))]:
            found = [k for k, words in _KINDS.items() if re.search(words, clause, re.I)]
            if len(found) == 1 and re.search(_WHERE[key], clause, re.I):
                return found[0], note
    return "unknown", ""


def levels(notes: Sequence[str]) -> tuple[dict[str, str], str]:
    """Return the levels that a note gives the stars, and the note."""
    for note in notes:
        plain = re.sub(r"(?<=\*) (?=\*)", "", note)
        found = dict(_LEVEL.findall(plain))
        run = re.search(r"\*{1,3}(?:(?:[\s,、;]|and|和)+\*{1,3})+", plain)
        if not found and run:
            marks = re.findall(r"\*+", run[0])
            shares = re.findall(r"\d{1,2}(?:\.\d)? ?%", plain[run.end() :])
            found = dict(zip(marks, shares, strict=False)) if len(marks) == len(shares) else {}
        elif not found:
            found = dict(_PERCENT.findall(plain))
        found = {mark: _share(level) for mark, level in sorted(found.items())}
        order = [float(level) for level in found.values()]
        whole = set(re.findall(r"\*+", plain)) == set(found)
        if found and whole and order == sorted(set(order), reverse=True) and order[-1] > 0:
            return found, note
    return {}, ""


def _share(level: str) -> str:
    """Return a level between zero and one as digits: of ``5%``, ``0.05``."""
    return format(float(level.strip(" %")) / 100, "g") if "%" in level else level


def record(
    name: str,
    tables: Mapping[str, Table],
    source: str,
    decimal: str | None,
    told: Mapping[str, str],
    left: Sequence[str] = (),
) -> str:
    """Write the YAML of one paper."""
    out = [
        f"# Read from {_line(source)}.  Compare it with the print; then `ftz audit` this file.",
        "# What nobody declares leads to *undecided*, never to *impossible*.",
        *(f"# Left out: {_line(reason)}" for reason in left),
        f"{_text(name)}:",
        "  declare:",
        *([f"    decimal: {_text(decimal)}"] if decimal else []),
        _ASKED.rstrip("\n"),
    ]
    for key, table in tables.items():
        out += [f"  {_text(key)}:", *("    " + line for line in _table(table, told, table.notes))]
    return "\n".join(out) + "\n"


def _table(table: Table, told: Mapping[str, str], notes: Sequence[str]) -> Iterator[str]:
    if table.title:
        yield f"title: {_text(table.title)}"
    if table.notes:
        yield "notes:"
        yield from (f"- {_text(note)}" for note in table.notes)
    yield from (f"# {_line(remark)}" for remark in table.remarks)
    for panel, inner in table.panels.items():
        yield f"{_text(panel)}:"
        yield from ("  " + line for line in _table(inner, told, notes))
    if table.rows:
        yield from _declared(table, notes)
        yield from _regression(table, told, notes) if table.regression else _grid(table)


def _declared(table: Table, notes: Sequence[str]) -> Iterator[str]:
    stars, note = levels(notes)
    strange = [h for h in table.headings if not role(h)] if any(map(role, table.headings)) else []
    lines = []
    if stars and (table.regression or "coef" in map(role, table.headings)):
        inner = ", ".join(f"{_text(k)}: {v}" for k, v in stars.items())
        lines += [f"  stars: {{{inner}}}", f"  because: {{stars: {_text(note)}}}"]
    if strange and not table.regression:
        names = ", ".join(map(_text, strange))
        lines += [f"  unused: [{names}]  # headings that no rule reads; correct them if one does"]
    if lines:
        yield from ["declare:", *lines]


def _regression(table: Table, told: Mapping[str, str], notes: Sequence[str]) -> Iterator[str]:
    for key in BRACKETS.values():
        if key in table.brackets:
            kind, note = (told[key], "the importer was told") if key in told else said(notes, key)
            why = _line(note) if note else "what stands there? se, t, z or p"
            yield f"{key}: {kind}  # {why}"
    for column in table.headings:
        yield f"{_text(column)}:"
        if column in table.outcomes:
            yield f"  outcome: {_text(table.outcomes[column])}"
        for row, entries in table.rows.items():
            if column in entries:
                yield f"  {_text(row)}: {_entry(entries[column])}"


def _grid(table: Table) -> Iterator[str]:
    yield f"columns: [{', '.join(map(_text, table.headings))}]"
    yield "rows:"
    for row, entries in table.rows.items():
        yield f"  {_text(row)}: [{', '.join(_text(str(e)) for e in entries.values())}]"


def _entry(entry: list[str] | str) -> str:
    return _text(entry) if isinstance(entry, str) else f"[{', '.join(map(_text, entry))}]"


def _text(value: Any) -> str:
    """Write a text so that YAML returns it: JSON's quotes are YAML's."""
    return (
        json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\x7f").replace("\x85", "\\x85")
    )


def _line(text: str) -> str:
    """Return a text fit for a comment: in one line, and printable."""
    return "".join(c if c.isprintable() else " " for c in text)
