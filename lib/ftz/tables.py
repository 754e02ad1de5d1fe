"""Typeset comparisons and results; compute nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

import pandas as pd

#: What pages say of these functions (see ``bookworks.lineage``).
__lineage__ = {"*": {"role": "drawing"}}

#: Words for the statistics of a cell, in the order of columns.
_STATISTICS = {"coef": "estimate", "se": "standard error", "statistic": "statistic", "value": ""}


@dataclass(frozen=True)
class Table:
    """A table for a page: a frame of strings with a caption.

    Attributes
    ----------
    frame : pandas.DataFrame
        What is shown; the index is not.
    caption : str
        One sentence above the table.
    filters : tuple of str
        Columns by which a reader can filter the lines; ``ftz-filter.js`` adds a choice
        for each and a field for words.  Without scripts, and in print, all lines show.
    """

    frame: pd.DataFrame
    caption: str = ""
    filters: tuple[str, ...] = ()

    def __repr__(self) -> str:
        body = self.frame.to_string(index=False)
        return f"{self.caption}\n{body}" if self.caption else body

    def _repr_html_(self) -> str:
        marks = [_mark(self.frame.iloc[:, i]) for i in range(self.frame.shape[1])]
        head = "".join(
            f'<th scope="col"{mark}>{escape(str(name))}</th>'
            for name, mark in zip(self.frame.columns, marks, strict=True)
        )
        rows = "".join(
            "<tr>" + "".join(map(_cell, row, marks)) + "</tr>"
            for row in self.frame.itertuples(index=False)
        )
        caption = caption_html(escape(self.caption)) if self.caption else ""
        places = ",".join(str(list(self.frame.columns).index(name)) for name in self.filters)
        filtered = f' data-ftz-filter="{places}"' if places else ""
        return (
            f'<div class="ftz-table"{filtered}><table class="table">{caption}'
            f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
        )


#: Verdict words, which the style sheet colours.
VERDICTS = ("reproduced", "not reproduced", "consistent", "impossible", "undecided")


#: Letters from which a column's average text counts as a sentence.
_SENTENCE = 60
#: A number as tables write it: sign, thousands, decimals; stars or a percent sign after it.
_NUMBER = re.compile(r"[<>]?\s?[-+\u2212]?\d[\d,\u202f ]*(\.\d+)?\s?(%|percent|\*{1,3})?")


def _mark(column: pd.Series) -> str:
    """Return the class of a column's cells: numbers stand under each other, sentences get room."""
    texts = ["" if pd.isna(value) else str(value).strip() for value in column]
    filled = [text for text in texts if text]
    if filled and all(_NUMBER.fullmatch(text) for text in filled):
        return ' class="number"'
    if filled and sum(map(len, filled)) / len(filled) > _SENTENCE:
        return ' class="sentence"'
    return ""


def caption_html(text: str) -> str:
    """Return a caption that stays in view while the table under it is moved sideways."""
    return f'<caption><span class="ftz-caption">{text}</span></caption>'


def _cell(value: Any, mark: str = "") -> str:
    text = "" if pd.isna(value) else str(value)
    if text in VERDICTS:
        name = text.replace(" ", "-")
        return f'<td><span class="verdict verdict-{name}">{text}</span></td>'
    return f"<td{mark}>{escape(text)}</td>"


def as_printed(
    compared: pd.DataFrame,
    *,
    caption: str = "",
    verdicts: Mapping[str, str] | None = None,
    row_name: str = "row",
) -> Table:
    """Set the printed numbers beside the ones computed here.

    Parameters
    ----------
    compared : pandas.DataFrame
        From :func:`ftz.replication.compare`.
    caption : str
        What the table shows and on which panel.
    verdicts : mapping, optional
        Cell identifier to a verdict that replaces the computed one, for cells that a
        proof elsewhere has decided (*impossible*, *undecided*).
    row_name : str
        Heading of the first column.

    Returns
    -------
    Table
        One line a row and column of the printed table (where it has one column, that is not
        repeated); printed and computed numbers by statistic; the verdict of the line, which
        is *reproduced* only if all its numbers are.
    """
    lines, kinds = [], set(compared["statistic"])
    for (row, column), part in compared.groupby(["row", "column"], sort=False):
        line: dict[str, object] = {row_name: row, "column": column}
        for _, item in part.iterrows():
            word = _STATISTICS[item["statistic"]]
            if not word and "coef" in kinds:  # a count of rows in a table of estimates
                word = _STATISTICS["coef"]
            line[f"{word} printed".strip()] = item["printed"]
            line[f"{word} here".strip()] = item["here"]
        line["verdict"] = _line_verdict(part, verdicts or {})
        lines.append(line)
    frame = pd.DataFrame(lines)
    numbers = [c for c in frame.columns if c not in {row_name, "column", "verdict"}]
    places = [row_name, "column"] if frame["column"].nunique() > 1 else [row_name]
    return Table(frame[[*places, *numbers, "verdict"]], caption)


def _line_verdict(part: pd.DataFrame, verdicts: Mapping[str, str]) -> str:
    found = zip(part.index, part["verdict"], strict=True)
    words = [verdicts.get(cell, word) for cell, word in found]
    for word in ("impossible", "not reproduced", "undecided"):
        if word in words:
            return word
    return "reproduced"


def coefficients(result: object, *, caption: str = "", decimals: int = 3) -> Table:
    """Typeset the summary of a coefficient result."""
    summary = result.summary  # type: ignore[attr-defined]
    frame = summary[["estimate", "std_error", "statistic", "p_value"]].map(
        lambda x: "" if pd.isna(x) else f"{x:.{decimals}f}"
    )
    frame["estimate"] = frame["estimate"] + summary["stars"]
    tiny = summary["p_value"] < 0.5 * 10**-decimals
    frame.loc[tiny, "p_value"] = f"<{10**-decimals:.{decimals}f}"
    frame.columns = ["estimate", "standard error", "statistic", "p value"]
    frame.insert(0, "", [str(name) for name in summary.index])
    title = caption or getattr(result, "title", "")
    return Table(frame, title)
