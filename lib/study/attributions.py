"""What the book says that a paper says, with the paper's own words.

A row of ``data/attributions/<paper>.csv`` is one claim of a paper: its section, a clause of
the Chinese text, the book's English, and what kind of claim it is.  Pages point at rows by
the role ``{says}``.  The papers are not ours to publish, so the words are held against the
full texts only where a reader has them (``tests/papers.py``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import pandas as pd

from printproof.errors import RecordError
from study._rows import one_of, read_rows, refuse

__lineage__ = {"*": {"files": ["data/attributions/*.csv"]}}

#: Paper to the beginning of its rows' identifiers.
PREFIXES = {
    "yan_ye_wang": "yan-ye-wang",
    "qian_wang_2023": "qian-wang",
    "zhou_2024": "zhou",
    "mi_2024": "mi",
    "chen_jiangsu": "chen",
}
#: Paper to its authors, as the book's sentences name them.
AUTHORS = {
    "yan_ye_wang": "Yan, Ye and Wang",
    "qian_wang_2023": "Qian and Wang",
    "zhou_2024": "Zhou",
    "mi_2024": "Mi",
    "chen_jiangsu": "Chen",
}
#: What the records call rows, columns and statistics, as a reader would say it.
_WORDS = {
    **{"FTZ": "zone", "IL": "linkage", "const": "constant", "ATT": "effect"},
    **{"coef": "coefficient", "se": "standard error", "k_nearest": "nearest neighbours"},
    "k_nearest_in_caliper": "nearest neighbours in the caliper",
}
KINDS = (
    *("claim", "number", "example", "proposal", "problem"),
    *("position", "method", "definition"),
)

_COLUMNS = ("id", "paper", "section", "quote", "english", "kind", "review")
_SECTIONS = ("paper", "section", "title_zh", "title", "also")
_DIAGRAMS = (
    *("diagram", "kind", "id", "label", "label_zh", "column", "row"),
    *("from", "to", "says"),
)


@dataclass(frozen=True)
class Attribution:
    """One claim of a paper.

    Attributes
    ----------
    id : str
        Beginning with the paper's prefix (:data:`PREFIXES`).
    paper, section : str
        Where it stands, as the paper numbers its sections.
    quote : str
        The clauses that carry the claim, exact but for white space and width of letters,
        with ``……`` where something between two of them is left out; the sentences around
        them may hold more of the claim.
    english : str
        What the book says of it.
    kind : str
        One of :data:`KINDS`.
    review : str
        What the English says more or less than the passage; empty if nothing.
    """

    id: str
    paper: str
    section: str
    quote: str
    english: str
    kind: str
    review: str

    @property
    def place(self) -> str:
        """Authors and section, as a page prints them."""
        numbered = self.section[0].isdigit()
        return f"{AUTHORS[self.paper]}, {'part ' if numbered else ''}{self.section}"


# -- the rows ----------------------------------------------------------------------------


def load() -> dict[str, Attribution]:
    """Return all rows by identifier, paper by paper, in the order of the text.

    Raises
    ------
    RecordError
        A file or column that is missing, an empty cell, an identifier that stands twice or
        has not its paper's prefix, an unknown paper, section or kind; file, row and column
        are named.
    """
    known = sections()
    rows: dict[str, Attribution] = {}
    for paper, prefix in PREFIXES.items():
        name = f"attributions/{paper}.csv"
        frame = read_rows(name, _COLUMNS, may_be_empty=("review",))
        mine = set(known.loc[known["paper"] == paper, "section"])
        shape = frame["id"].str.fullmatch(rf"{prefix}-[a-z0-9-]+")
        refuse(name, frame, "id", ~shape, f"{prefix}- and small letters, digits or hyphens")
        refuse(name, frame, "id", frame["id"].duplicated(), "an identifier of its own")
        refuse(name, frame, "paper", frame["paper"] != paper, paper)
        refuse(name, frame, "section", ~frame["section"].isin(mine), "a section of sections.csv")
        one_of(name, frame, "kind", KINDS)
        for row in frame.to_dict("records"):
            rows[row["id"]] = Attribution(**{str(key): value for key, value in row.items()})
    return rows


def in_words(text: str) -> str:
    """Return a sentence of the audit with printed cells as a reader would say them.

    Examples
    --------
    >>> in_words("yan_ye_wang/table5/IL/(8)/coef")
    'Table 5, linkage, column (8), coefficient'
    """

    def place(match: re.Match[str]) -> str:
        parts = [part for part in re.split(r"/|, ", match[0]) if part]
        named = [_WORDS.get(part, part.replace("_", " ")) for part in parts]
        return ", ".join(f"column {part}" if part[0] == "(" else part for part in named)

    text = re.sub(rf"\b({'|'.join(AUTHORS)})/", "", text)
    cells = r"\b(table\d|figure\d|text)/[\w/() ]+?(?=[:;]| lies| is|$)"
    text = re.sub(rf"{cells}|\btable\d, \w+(, (\(\d+\)|\w+))?", place, text)
    return re.sub(r"\b(table|figure)(\d)", lambda m: f"{m[1].title()} {m[2]}", text)


def sections() -> pd.DataFrame:
    """Return the sections of all papers in the order of their texts.

    Returns
    -------
    pandas.DataFrame
        ``paper``, ``section``, ``title_zh`` (empty where the paper has no heading),
        ``title``, and ``also``: labels, joined by semicolons, of chapters that treat the
        section at length and carry no marks.

    Raises
    ------
    RecordError
        A file or column that is missing, an empty cell, an unknown paper, or a section
        that stands twice.
    """
    name = "attributions/sections.csv"
    frame = read_rows(name, _SECTIONS, may_be_empty=("title_zh", "also"))
    refuse(name, frame, "paper", ~frame["paper"].isin(list(PREFIXES)), "a known paper")
    twice = frame.duplicated(["paper", "section"])
    refuse(name, frame, "section", twice, "each section of a paper once")
    return frame


def diagram(name: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return nodes and arrows of a diagram that is drawn from a paper's sentences.

    Parameters
    ----------
    name : str
        As in the column ``diagram`` of ``diagrams.csv``.

    Returns
    -------
    nodes : pandas.DataFrame
        Indexed by ``id``: ``label``, ``label_zh``, ``column`` (layer), ``row``, ``ours``.
    edges : pandas.DataFrame
        ``from``, ``to``, ``ours``: whether no sentence of the paper says it.

    Raises
    ------
    RecordError
        An unknown diagram or kind, a node that stands twice, an arrow to a node that is
        not there, a place that is no number, or a row of no known attribution.
    """
    file = "attributions/diagrams.csv"
    whole = read_rows(file, _DIAGRAMS, may_be_empty=_DIAGRAMS[2:])
    one_of(file, whole, "kind", ("node", "edge"))
    node = whole["kind"] == "node"
    for axis in ("column", "row"):
        lost = node & pd.to_numeric(whole[axis], errors="coerce").isna()
        refuse(file, whole, axis, lost, "a number")
    twice = node & whole[["diagram", "kind", "id"]].duplicated()
    refuse(file, whole, "id", twice, "an identifier of its own in its diagram")
    known = set(zip(whole.loc[node, "diagram"], whole.loc[node, "id"], strict=True))
    for end in ("from", "to"):
        named = pd.Series(list(zip(whole["diagram"], whole[end], strict=True)), whole.index)
        refuse(file, whole, end, ~node & ~named.isin(known), "a node of the same diagram")
    rows = load()
    lost = whole["says"].map(lambda text: any(key not in rows for key in text.split()))
    refuse(file, whole, "says", lost, "identifiers of attributions")
    mine = whole[whole["diagram"] == name].assign(ours=lambda frame: frame["says"] == "")
    if mine.empty:
        there = ", ".join(dict.fromkeys(whole["diagram"]))
        raise RecordError(f"{file}: no diagram {name!r}: there are {there}")
    nodes = mine[mine["kind"] == "node"].set_index("id")
    nodes = nodes.astype({"column": float, "row": float})
    edges = mine[mine["kind"] == "edge"]
    return nodes[["label", "label_zh", "column", "row", "ours"]], edges[["from", "to", "ours"]]
