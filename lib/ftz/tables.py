"""Typeset comparisons and results; compute nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

import pandas as pd

#: What pages say of these functions (see ``bookworks._lineage``).
__lineage__ = {"*": {"role": "drawing"}}


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
_SENTENCE = 40
#: A number as tables write it: sign, thousands, decimals; stars or a percent sign after it.
_NUMBER = re.compile(r"[<>]?\s?[-+\u2212]?\d[\d,\u202f ]*(\.\d+)?\s?(%|percent|\*{1,3})?")
#: Two numbers as the ends of an interval, which one line keeps together.
_INTERVAL = re.compile(
    r"\[[-+\u2212]?[\d.]+, [-+\u2212]?[\d.]+\]|[-+\u2212]?[\d.]+ to [-+\u2212]?[\d.]+"
)


def _mark(column: pd.Series) -> str:
    """Return the class of a column's cells: numbers stand under each other, sentences get room."""
    texts = ["" if pd.isna(value) else str(value).strip() for value in column]
    filled = [text for text in texts if text]
    if filled and all(_NUMBER.fullmatch(text) for text in filled):
        return ' class="number"'
    if filled and all(_INTERVAL.fullmatch(text) for text in filled):
        return ' class="interval"'
    if filled and sum(map(len, filled)) / len(filled) > _SENTENCE:
        return ' class="sentence"'
    return ""


def caption_html(text: str) -> str:
    """Return a caption that stays in view while the table under it is moved sideways."""
    return f'<caption><span class="ftz-caption">{text}</span></caption>'


def verdict_html(verdict: str, text: str = "") -> str:
    """Return a verdict in its colour; another ``text`` may stand for the word."""
    name = verdict.replace(" ", "-")
    return f'<span class="verdict verdict-{name}">{text or verdict}</span>'


def _cell(value: Any, mark: str = "") -> str:
    text = "" if pd.isna(value) else str(value)
    if text in VERDICTS:
        return f"<td>{verdict_html(text)}</td>"
    return f"<td{mark}>{escape(text)}</td>"


#: Signs of a cell that differs from the print, and of one that no panel can meet.
_DIFFERS, _IMPOSSIBLE = "\u2260", "\u2020"
#: Rows that journals set last.
_LAST = {"const": 1, "N": 2}


@dataclass(frozen=True)
class _Regression:
    """A regression table as journals set it; made by :func:`regression`.

    Attributes
    ----------
    frame : pandas.DataFrame
        One row a variable in each panel; ``panel``, ``row`` and a column of HTML for each
        column of the table.
    caption : str
    notes : tuple of str
        Sentences below the table.
    """

    frame: pd.DataFrame
    caption: str
    notes: tuple[str, ...]

    def __repr__(self) -> str:
        body = self.frame.replace(r"<[^>]+>", " ", regex=True).to_string(index=False)
        return "\n".join([self.caption, body, *self.notes])

    def _repr_html_(self) -> str:
        from great_tables import GT, html

        grouped = "panel" if self.frame["panel"].any() else None
        made = (
            GT(
                self.frame if grouped else self.frame.drop(columns="panel"),
                rowname_col="row",
                groupname_col=grouped,
            )
            .fmt(str)
            .tab_source_note(html(escape(" ".join(self.notes))))
        )
        body = made.as_raw_html()
        # the site's style sheet dresses it, in the dark too; two tables may share a page
        body = re.sub(r' (?:id|headers|style|data-quarto-[\w-]+)="[^"]*"', "", body)
        body = body[body.index("<thead>") : body.index("</table>")]
        body = body.replace('scope="col"></th>', 'scope="col">variable</th>', 1)
        caption = caption_html(escape(self.caption))
        return (
            '<div class="ftz-table"><table class="table ftz-regression">'
            f"{caption}{body}</table></div>"
        )


def regression(
    cells: pd.DataFrame,
    caption: str,
    *,
    here: str = "here, on the witness panel",
    names: Mapping[str, str] | None = None,
    heads: Mapping[str, str] | None = None,
    note: str = "z in parentheses.",
) -> _Regression:
    """Set printed estimates in columns, their statistics below, and ours under them.

    Parameters
    ----------
    cells : pandas.DataFrame
        One row a printed number: ``row``, ``column``, ``statistic`` and ``printed``, as a
        record holds them; with ``here`` and ``verdict`` (:func:`study.replication.compare`)
        a second panel follows, in which only what differs from the print stands out.
    caption : str
    here : str
        Heading of the second panel.
    names, heads : mapping, optional
        Rows and columns to the words of the page.
    note : str
        What stands below the estimates.
    """
    compared = "here" in cells
    panels = {"as printed": "printed", here: "here"} if compared else {"": "printed"}
    lines = []
    for panel, source in panels.items():
        rows = dict.fromkeys(cells["row"])
        for row in sorted(rows, key=lambda row: _LAST.get(row, 0)):
            part = cells[cells["row"] == row]
            line = {"panel": panel, "row": escape((names or {}).get(str(row), str(row)))}
            for column, stack in part.groupby("column", sort=False):
                head = (heads or {}).get(str(column), str(column))
                line[head] = _stack(stack, source)
            lines.append(line)
    notes = [note]
    if compared:
        met = int((cells["verdict"] == "reproduced").sum())
        notes.append(f"{met} of {len(cells)} numbers agree to the last printed digit.")
        if met < len(cells):
            notes.append(f"{_DIFFERS} marks those that do not.")
        if "impossible" in set(cells["verdict"]):
            notes.append(f"{_IMPOSSIBLE} cannot be met beside the other printed numbers.")
    frame = pd.DataFrame(lines).fillna("")
    return _Regression(frame, caption, tuple(notes))


def _stack(cells: pd.DataFrame, source: str) -> str:
    """Return an estimate over what belongs to it; what differs or is impossible is marked."""
    texts = []
    for cell in cells.to_dict("records"):
        text = escape(str(cell[source])) + (cell.get("stars", "") if source == "printed" else "")
        if cell["statistic"] == "statistic" and "se" in set(cells["statistic"]):
            text = f"[{text}]"
        elif cell["statistic"] in ("se", "statistic"):
            text = f"({text})"
        verdict = cell.get("verdict", "reproduced")
        if verdict == "impossible" and source == "printed":
            text = verdict_html(verdict, text + _IMPOSSIBLE)
        elif verdict != "reproduced" and source == "here":
            text = f"<strong>{text}{_DIFFERS}</strong>"
        texts.append(text)
    return "<br>".join(texts)


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
