"""What the five papers argue, coded by us: problems, proposals, rules, studies, graphs.

The files of ``data/policy`` hold the papers' arguments in this book's words, each line
with its place in the paper.  They are a reading, not a measurement.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from ftz import published
from ftz.errors import RecordError
from ftz.paths import data_dir

#: What pages say of these functions (see ``bookworks.lineage``).
__lineage__ = {"*": {"files": ["data/policy/*.csv"]}}

INSTRUMENTS = ("rule", "organisation", "platform", "finance", "law", "place")
LEVELS = ("central", "joint", "provincial", "zone")
MECHANISMS = ("opening", "linkage", "industry", "innovation", "finance", "green")
GRAPHS = ("mechanisms", "ecosystem", "framework", "strategies")
KINDS = ("estimate", "case", "argument")
DIRECTIONS = ("positive", "negative", "open")
STEPS = ("research", "conversion", "manufacture", "digital")

#: The nearest thing to a proposal that the measuring paper estimated; the printed cell
#: for the effect of *having a zone* on an outcome that the proposal is meant to move.
#: No paper estimates the effect of a proposal itself.
EVIDENCE = {
    "none": "",
    "linkage": "yan_ye_wang/table5/IL/(8)/coef",
    "environment": "yan_ye_wang/table5/FTZ/(10)/coef",
    "innovation": "yan_ye_wang/table5/FTZ/(11)/coef",
    "synergy": "yan_ye_wang/table5/FTZ/(12)/coef",
}

_PROBLEMS = ("id", "paper", "group", "problem", "where")
_PROPOSALS = (
    *("id", "paper", "proposal", "instrument", "level", "place", "mechanism"),
    *("problems", "evidence", "overlaps", "where"),
)
_RULES = ("area", "rule", "RCEP", "CPTPP", "USMCA")
_FREEDOMS = ("name", "name_zh", "kind", "what_it_takes")
_LITERATURE = ("paper", "strand", "study", "kind", "direction", "finding", "where")
_TRENDS = ("trend", "title", "unit", "label", "row", "column")
_CHAIN = ("paper", "place", "step", "part", "where")
_TILES = ("province", "province_zh", "column", "row")
_GRAPH = ("graph", "kind", "id", "label", "label_zh", "column", "row", "from", "to", "where")


@dataclass(frozen=True)
class Policy:
    """Problems and proposals of the five papers.

    Attributes
    ----------
    problems : pandas.DataFrame
        Indexed by ``id``: ``paper``, ``group``, ``problem``, ``where``.
    proposals : pandas.DataFrame
        Indexed by ``id``: ``paper``, ``proposal``, ``instrument``, ``level``, ``place``,
        ``mechanism``, ``problems`` and ``overlaps`` (tuples of identifiers),
        ``evidence`` (a key of :data:`EVIDENCE`), ``where``.
    """

    problems: pd.DataFrame
    proposals: pd.DataFrame

    def links(self) -> pd.DataFrame:
        """Return one row a proposal and a problem that it answers."""
        return self._pairs("problems", "problem")

    def overlaps(self) -> pd.DataFrame:
        """Return one row a proposal and a proposal of another paper that asks for the same."""
        return self._pairs("overlaps", "other")

    def _pairs(self, column: str, name: str) -> pd.DataFrame:
        pairs = self.proposals[column].explode().dropna().rename(name)
        return pairs.rename_axis("proposal").reset_index()

    def unanswered(self) -> pd.DataFrame:
        """Return the problems that no proposal answers."""
        return self.problems[~self.problems.index.isin(self.links()["problem"])]

    def unprompted(self) -> pd.DataFrame:
        """Return the proposals that answer no problem the papers state."""
        return self.proposals[self.proposals["problems"].map(len) == 0]


def _read(name: str, columns: tuple[str, ...], may_be_empty: tuple[str, ...] = ()) -> pd.DataFrame:
    """Read a file of ``data/policy`` as text; only named columns may hold empty cells."""
    try:
        frame = pd.read_csv(data_dir() / "policy" / name, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:  # pandas' parser errors are ValueErrors
        raise RecordError(f"{name}: cannot be read ({error})") from None
    if tuple(frame.columns) != columns:
        raise RecordError(f"{name}: the columns must be {', '.join(columns)}")
    for column in columns:
        if column not in may_be_empty:
            _refuse(name, frame, column, frame[column].str.strip() == "", "some text")
    return frame


def _refuse(file: str, frame: pd.DataFrame, column: str, wrong: pd.Series, expected: str) -> None:
    """Raise an error that names the first wrong row as a text editor counts."""
    if wrong.any():
        row = int(wrong.to_numpy().argmax())
        raise RecordError(
            f"{file}, row {row + 2}, column {column}: {frame[column].iloc[row]!r}; "
            f"expected {expected}"
        )


def _one_of(file: str, frame: pd.DataFrame, column: str, allowed: tuple[str, ...]) -> None:
    wrong = ~frame[column].isin(allowed)
    _refuse(file, frame, column, wrong, f"one of {', '.join(allowed)}")


def _identifiers(text: str) -> tuple[str, ...]:
    return tuple(part for part in text.split(";") if part)


def _refuse_lists(
    frame: pd.DataFrame, column: str, wrong: Callable[[str, str], bool], expected: str
) -> None:
    """Refuse the first row whose list names an identifier that is ``wrong`` for its paper."""
    bad = pd.Series(
        [
            any(wrong(paper, name) for name in _identifiers(text))
            for paper, text in zip(frame["paper"], frame[column], strict=True)
        ],
        dtype=bool,
    )
    _refuse("proposals.csv", frame, column, bad, expected)


def load() -> Policy:
    """Read problems and proposals.

    Raises
    ------
    RecordError
        A file or column that is missing, an empty cell, an identifier that stands twice,
        an unknown paper, instrument, level, mechanism or evidence, a proposal that answers
        a problem its paper does not list, or one that overlaps with its own paper; file,
        row and column are named.
    """
    papers = tuple(published.papers())
    problems = _read("problems.csv", _PROBLEMS)
    proposals = _read("proposals.csv", _PROPOSALS, may_be_empty=("problems", "overlaps"))
    for file, frame in (("problems.csv", problems), ("proposals.csv", proposals)):
        _refuse(file, frame, "id", frame["id"].duplicated(), "an identifier of its own")
        _one_of(file, frame, "paper", papers)
    _one_of("proposals.csv", proposals, "instrument", INSTRUMENTS)
    _one_of("proposals.csv", proposals, "level", LEVELS)
    _one_of("proposals.csv", proposals, "mechanism", MECHANISMS)
    _one_of("proposals.csv", proposals, "evidence", tuple(EVIDENCE))
    stated = dict(zip(problems["id"], problems["paper"], strict=True))
    proposed = dict(zip(proposals["id"], proposals["paper"], strict=True))
    _refuse_lists(
        proposals,
        "problems",
        lambda paper, name: stated.get(name) != paper,
        "identifiers of the same paper in problems.csv",
    )
    _refuse_lists(
        proposals,
        "overlaps",
        lambda paper, name: proposed.get(name, paper) == paper,
        "identifiers of another paper's proposals",
    )
    lists = {column: proposals[column].map(_identifiers) for column in ("problems", "overlaps")}
    return Policy(problems.set_index("id"), proposals.assign(**lists).set_index("id"))


def rule_comparison() -> pd.DataFrame:
    """Return the comparison of three agreements (Qian and Wang 2023, Table 1).

    An empty cell says that the paper's table has nothing there.

    Raises
    ------
    RecordError
        A file or column that is missing, or a row without a name.
    """
    return _read("rule_comparison.csv", _RULES, may_be_empty=("RCEP", "CPTPP", "USMCA"))


def six_freedoms() -> pd.DataFrame:
    """Return the six freedoms and one flow of free ports (Qian and Wang 2023, Table 2).

    Raises
    ------
    RecordError
        A file or column that is missing, an empty cell, or an unknown kind.
    """
    frame = _read("six_freedoms.csv", _FREEDOMS)
    _one_of("six_freedoms.csv", frame, "kind", ("freedom", "flow"))
    return frame


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
    file = "literature.csv"
    frame = _read(file, _LITERATURE)
    _one_of(file, frame, "paper", tuple(published.papers()))
    _one_of(file, frame, "kind", KINDS)
    _one_of(file, frame, "direction", DIRECTIONS)
    return frame


def trends() -> pd.DataFrame:
    """Return the pairs of printed numbers that show a trend (Qian and Wang 2023, part 1).

    Returns
    -------
    pandas.DataFrame
        Two rows a title: ``trend`` (its number in the paper), ``title``, ``unit``,
        ``label``, and ``printed`` (:class:`ftz.published.Printed`), in reading order.

    Raises
    ------
    RecordError
        A file or column that is missing, an empty cell, a title without exactly two
        rows, or a number that is not in the record.
    """
    file, paper = "trends.csv", "qian_wang_2023"
    frame = _read(file, _TRENDS)
    alone = frame.groupby("title")["title"].transform("size") != 2
    _refuse(file, frame, "title", alone, "two rows of the same title")
    record = published.load(paper)
    printed = [
        record.cell(paper, "text", row, column, "value")
        for row, column in zip(frame["row"], frame["column"], strict=True)
    ]
    cells = pd.Series(printed, frame.index, dtype=object)
    return frame[["trend", "title", "unit", "label"]].assign(printed=cells)


def industrial_chain() -> pd.DataFrame:
    """Return what Mi (2024) asks of three places at each step of the chain.

    Returns
    -------
    pandas.DataFrame
        One row a step of :data:`STEPS`, one column a place.

    Raises
    ------
    RecordError
        A file or column that is missing, an empty cell, an unknown step, or a place
        that has a step twice or not at all.
    """
    file = "industrial_chain.csv"
    frame = _read(file, _CHAIN)
    _one_of(file, frame, "step", STEPS)
    _refuse(file, frame, "step", frame.duplicated(["place", "step"]), "each step of a place once")
    wide = frame.pivot(index="step", columns="place", values="part")
    if wide.isna().any(axis=None):
        raise RecordError(f"{file}: each place needs the steps {', '.join(STEPS)}")
    return wide.loc[list(STEPS), list(dict.fromkeys(frame["place"]))]


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
    file = "tiles.csv"
    frame = _read(file, _TILES)
    _refuse(file, frame, "province", frame["province"].duplicated(), "each province once")
    for axis in ("column", "row"):
        lost = ~frame[axis].str.fullmatch(r"\d+")
        _refuse(file, frame, axis, lost, "a whole number")
    taken = frame.duplicated(["column", "row"])
    _refuse(file, frame, "row", taken, "a square of its own")
    return frame.astype({"column": int, "row": int}).set_index("province")


def framework(graph: str = "framework") -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return nodes and edges of one of Zhou's figures, or of his strategies.

    Parameters
    ----------
    graph : {"mechanisms", "ecosystem", "framework", "strategies"}
        Figure 1 (four mechanisms), figure 2 (ecosystem of innovation) or figure 3 ("one
        base, two wings, three priorities") of Zhou (2024), or part 4 (strategies at three
        distances), which the paper does not draw.  The text at hand holds the captions
        and not the drawings: nodes and arrows are read from the text around them.

    Returns
    -------
    nodes : pandas.DataFrame
        Indexed by ``id``: ``label``, ``label_zh``, ``column`` (layer), ``row`` (place in
        the layer), ``where``.
    edges : pandas.DataFrame
        ``from``, ``to``, ``where``.

    Raises
    ------
    RecordError
        An unknown graph or kind, a place that is no number, a node that stands twice, or
        an edge to a node that is not there.
    """
    if graph not in GRAPHS:
        raise RecordError(f"no graph {graph!r}: there are {', '.join(GRAPHS)}")
    file = "nqpf_graph.csv"
    whole = _read(file, _GRAPH, may_be_empty=_GRAPH[2:-1])
    _one_of(file, whole, "graph", GRAPHS)
    _one_of(file, whole, "kind", ("node", "edge"))
    node = whole["kind"] == "node"
    twice = node & whole[["graph", "kind", "id"]].duplicated()
    _refuse(file, whole, "id", twice, "an identifier of its own in its graph")
    for axis in ("column", "row"):
        lost = node & pd.to_numeric(whole[axis], errors="coerce").isna()
        _refuse(file, whole, axis, lost, "a number")
    known = set(zip(whole.loc[node, "graph"], whole.loc[node, "id"], strict=True))
    for end in ("from", "to"):
        named = pd.Series(zip(whole["graph"], whole[end], strict=True), index=whole.index)
        _refuse(file, whole, end, ~node & ~named.isin(known), "a node of the same graph")
    mine = whole[whole["graph"] == graph]
    nodes = mine[mine["kind"] == "node"].set_index("id")
    nodes = nodes.astype({"column": float, "row": float})
    edges = mine[mine["kind"] == "edge"]
    return nodes[["label", "label_zh", "column", "row", "where"]], edges[["from", "to", "where"]]
