"""What the five papers argue: problems, proposals, rules, studies.

The files of ``data/policy`` hold the papers' arguments, each line with its place in the
paper.  Problems and proposals carry their Chinese words and are coded twice by the manual
``data/policy/CODING.md``; they are a reading, not a measurement.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from printproof.errors import RecordError
from study import published
from study._rows import one_of, read_rows, refuse

#: What pages say of these functions (see ``bookworks._lineage``).
__lineage__ = {"*": {"files": ["data/policy/*.csv"]}}

#: What the coding manual allows in its fields.
MECHANISMS = (
    *("opening", "administration", "management", "linkage", "industry"),
    *("innovation", "finance", "law", "talent", "green"),
)
PLACES = (
    *("Beijing-Tianjin-Hebei", "Beijing", "Tianjin", "Hebei"),
    *("Jiangsu", "China", "part of China"),
)
_LEVELS = ("central", "ministry", "province", "several", "city", "zone committee")
OUTCOMES = (
    *("industrial linkage", "zone linkage", "vitality", "merchantability"),
    *("innovation", "synergy", "none"),
)
#: Places inside the sample of the measuring paper.
SAMPLE = PLACES[:4]

KINDS = ("estimate", "case", "argument")
DIRECTIONS = ("positive", "negative", "open")

_PROBLEMS = ("id", "paper", "section", "quote", "problem")
_PROPOSALS = ("id", "paper", "section", "quote", "proposal")
#: The fields of a proposal, in the order of the files of codes; a problem has the first.
FIELDS = ("mechanism", "place", "level", "outcome", "answers", "overlaps")
_ALLOWED = {"mechanism": MECHANISMS, "place": PLACES, "level": _LEVELS, "outcome": OUTCOMES}
_LISTS = FIELDS[4:]
#: More problems than this has no proposal an answer to.
_MOST_ANSWERS = 2
_RESOLUTION = ("row", "field", "a", "b", "final", "why")
_RULES = ("area", "rule", "RCEP", "CPTPP", "USMCA")
_LITERATURE = ("paper", "strand", "study", "kind", "direction", "finding", "where")
_TRENDS = ("trend", "title", "unit", "label", "row", "column")
_TILES = ("province", "province_zh", "column", "row")


@dataclass(frozen=True)
class _Policy:
    """Problems and proposals of the five papers, with the codes that were agreed.

    Attributes
    ----------
    problems : pandas.DataFrame
        Indexed by ``id``: ``paper``, ``section``, ``quote`` (the paper's words),
        ``problem`` (ours) and ``mechanism``.
    proposals : pandas.DataFrame
        Indexed by ``id``: ``paper``, ``section``, ``quote``, ``proposal``, ``mechanism``,
        ``place``, ``level``, ``outcome``, ``answers`` and ``overlaps`` (tuples of
        identifiers).  A pair of overlapping proposals stands in the row of the first.
    codings : dict
        Coder ("a" and "b") to the codes before any resolution,
        in the shape of the files, lists in one order.
    resolved : pandas.DataFrame
        One row a difference between the coders: ``row``, ``field``, ``a``, ``b``,
        ``final``, ``why``.
    """

    problems: pd.DataFrame
    proposals: pd.DataFrame
    codings: dict[str, pd.DataFrame]
    resolved: pd.DataFrame

    def links(self) -> pd.DataFrame:
        """Return one row a proposal and a problem that it answers."""
        return self._pairs("answers", "problem")

    def overlaps(self) -> pd.DataFrame:
        """Return one row a pair of proposals of two papers that ask for the same."""
        return self._pairs("overlaps", "other")

    def _pairs(self, column: str, name: str) -> pd.DataFrame:
        pairs = self.proposals[column].explode().dropna().rename(name)
        return pairs.rename_axis("proposal").reset_index()


def _identifiers(text: str) -> tuple[str, ...]:
    """Return the identifiers of a list that is joined by semicolons."""
    return tuple(part for part in text.split(";") if part)


def load() -> _Policy:
    """Read problems, proposals, the codings of both coders and how they were resolved.

    Raises
    ------
    RecordError
        A file or column that is missing, an empty cell, an identifier that stands twice or
        belongs to another paper, an unknown paper or code, rows of a coding that are not
        those of the papers, a difference between the coders that is not resolved, or a
        resolution of a difference that there is not; file, row and column are named.
    """
    papers = tuple(published.papers())
    problems = read_rows("policy/problems.csv", _PROBLEMS)
    proposals = read_rows("policy/proposals.csv", _PROPOSALS)
    for file, frame in (("policy/problems.csv", problems), ("policy/proposals.csv", proposals)):
        refuse(file, frame, "id", frame["id"].duplicated(), "an identifier of its own")
        one_of(file, frame, "paper", papers)
    stated = dict(zip(problems["id"], problems["paper"], strict=True))
    proposed = dict(zip(proposals["id"], proposals["paper"], strict=True))
    codings = {
        coder: _coding(f"policy/coding_{coder}.csv", stated, proposed) for coder in ("a", "b")
    }
    resolved, final = _resolved(codings, stated, proposed)
    agreed = final.loc[list(proposed)].assign(
        **{column: final[column].map(_identifiers) for column in _LISTS}
    )
    return _Policy(
        problems.set_index("id").join(final["mechanism"]),
        proposals.set_index("id").join(agreed),
        codings,
        resolved,
    )


def _coding(file: str, stated: Mapping[str, str], proposed: Mapping[str, str]) -> pd.DataFrame:
    """Read one coder's codes, checked, with each list in one order."""
    frame = read_rows(file, ("id", *FIELDS), may_be_empty=FIELDS)
    if list(frame["id"]) != [*stated, *proposed]:
        raise RecordError(f"{file}: the rows must be those of problems.csv, then proposals.csv")
    asked = frame["id"].isin(proposed)
    for field, allowed in _ALLOWED.items():
        wrong = ~frame[field].isin(allowed) & (asked | (field == "mechanism"))
        refuse(file, frame, field, wrong, f"one of {', '.join(allowed)}")
    for field in FIELDS[1:]:
        refuse(file, frame, field, ~asked & (frame[field] != ""), "nothing for a problem")
    pairs = list(zip(frame["id"].map(proposed), frame["answers"].map(_identifiers), strict=True))
    stray = [any(stated.get(name) != paper for name in names) for paper, names in pairs]
    refuse(file, frame, "answers", stray, "problems of the same paper")
    many = [len(names) > _MOST_ANSWERS for _, names in pairs]
    refuse(file, frame, "answers", many, f"{_MOST_ANSWERS} problems at most")
    pairs = list(zip(frame["id"].map(proposed), frame["overlaps"].map(_identifiers), strict=True))
    stray = [any(proposed.get(name, paper) == paper for name in names) for paper, names in pairs]
    refuse(file, frame, "overlaps", stray, "proposals of another paper")
    return _in_one_order(frame.set_index("id"), [*stated, *proposed])


def _in_one_order(frame: pd.DataFrame, order: list[str]) -> pd.DataFrame:
    """Sort lists, and put each pair of overlapping proposals into the row of the first."""
    place = {name: i for i, name in enumerate(order)}
    partners: dict[str, set[str]] = {name: set() for name in order}
    for name, others in frame["overlaps"].map(_identifiers).items():
        for other in others:
            first, second = sorted((str(name), other), key=place.__getitem__)
            partners[first].add(second)
    answers = [sorted(_identifiers(text), key=place.__getitem__) for text in frame["answers"]]
    overlaps = [sorted(partners[str(name)], key=place.__getitem__) for name in frame.index]
    return frame.assign(
        answers=[";".join(names) for names in answers],
        overlaps=[";".join(names) for names in overlaps],
    )


def _differences(a: pd.DataFrame, b: pd.DataFrame) -> pd.DataFrame:
    """Return the cells in which two codings differ."""
    cells = [
        (name, field, one, other)
        for field in FIELDS
        for name, one, other in zip(a.index, a[field], b[field], strict=True)
        if one != other
    ]
    return pd.DataFrame(cells, columns=_RESOLUTION[:4])


def _resolved(
    codings: Mapping[str, pd.DataFrame], stated: Mapping[str, str], proposed: Mapping[str, str]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the log of resolutions and the codes that follow from it."""
    final = codings["a"].copy()
    file = "policy/resolution.csv"
    log = read_rows(file, _RESOLUTION, may_be_empty=("a", "b", "final"))
    there = _differences(codings["a"], codings["b"])
    differing = set(there.itertuples(index=False, name=None))
    logged = list(log[list(_RESOLUTION[:4])].itertuples(index=False, name=None))
    stray = [line not in differing for line in logged]
    refuse(file, log, "row", stray, "a difference between the two codings, as they have it")
    open_ones = [
        line for line in there.itertuples(index=False, name=None) if line not in set(logged)
    ]
    if open_ones:
        name, field, one, other = open_ones[0]
        raise RecordError(
            f"{file}: {len(open_ones)} differences between the codings are not resolved, the "
            f"first in {name}, {field}: {one!r} and {other!r}; add a line that decides"
        )
    for row, field, code in zip(log["row"], log["field"], log["final"], strict=True):
        final.at[row, field] = code
    for field, allowed in _ALLOWED.items():
        wrong = (log["field"] == field) & ~log["final"].isin(allowed)
        refuse(file, log, "final", wrong, f"one of {', '.join(allowed)}")
    for field, names in (("answers", set(stated)), ("overlaps", set(proposed))):
        lost = [
            line_field == field and not set(_identifiers(code)) <= names
            for line_field, code in zip(log["field"], log["final"], strict=True)
        ]
        refuse(file, log, "final", lost, "identifiers of the rows")
    return log, final


def rule_comparison() -> pd.DataFrame:
    """Return the comparison of three agreements (Qian and Wang 2023, Table 1).

    An empty cell says that the paper's table has nothing there.

    Raises
    ------
    RecordError
        A file or column that is missing, or a row without a name.
    """
    return read_rows("policy/rule_comparison.csv", _RULES, may_be_empty=("RCEP", "CPTPP", "USMCA"))


def literature() -> pd.DataFrame:
    """Return the studies that two of the papers survey, as these papers report them.

    Returns
    -------
    pandas.DataFrame
        ``paper`` (whose survey), ``strand``, ``study``, ``kind`` (one of :data:`KINDS`:
        what the survey reports of the study), ``direction`` (one of
        :data:`DIRECTIONS`), ``finding`` and ``where``.

    Raises
    ------
    RecordError
        A file or column that is missing, an empty cell, or an unknown paper, kind or
        direction.
    """
    file = "policy/literature.csv"
    frame = read_rows(file, _LITERATURE)
    one_of(file, frame, "paper", tuple(published.papers()))
    one_of(file, frame, "kind", KINDS)
    one_of(file, frame, "direction", DIRECTIONS)
    return frame


def trends() -> pd.DataFrame:
    """Return the pairs of printed numbers that show a trend (Qian and Wang 2023, part 1).

    Returns
    -------
    pandas.DataFrame
        Two rows a title: ``trend`` (its number in the paper), ``title``, ``unit``,
        ``label``, and ``printed`` (:class:`printproof.printed.Printed`), in reading order.

    Raises
    ------
    RecordError
        A file or column that is missing, an empty cell, a title without exactly two
        rows, or a number that is not in the record.
    """
    file, paper = "policy/trends.csv", "qian_wang_2023"
    frame = read_rows(file, _TRENDS)
    alone = frame.groupby("title")["title"].transform("size") != 2
    refuse(file, frame, "title", alone, "two rows of the same title")
    record = published.load(paper)
    printed = [
        record.cell(paper, "text", row, column, "value")
        for row, column in zip(frame["row"], frame["column"], strict=True)
    ]
    cells = pd.Series(printed, frame.index, dtype=object)
    return frame[["trend", "title", "unit", "label"]].assign(printed=cells)


def province_tiles() -> pd.DataFrame:
    """Return a grid with a square for each province-level division of the mainland.

    Returns
    -------
    pandas.DataFrame
        Indexed by ``province``: ``province_zh``, ``column`` and ``row`` (whole numbers,
        from the north-west).

    Raises
    ------
    RecordError
        A file or column that is missing, an empty cell, a province that stands twice,
        a place that is no whole number, or two provinces on one square.
    """
    file = "policy/tiles.csv"
    frame = read_rows(file, _TILES)
    refuse(file, frame, "province", frame["province"].duplicated(), "each province once")
    for axis in ("column", "row"):
        lost = ~frame[axis].str.fullmatch(r"\d+")
        refuse(file, frame, axis, lost, "a whole number")
    taken = frame.duplicated(["column", "row"])
    refuse(file, frame, "row", taken, "a square of its own")
    return frame.astype({"column": int, "row": int}).set_index("province")
