"""What the five papers argue, coded by us: problems, proposals, rules, a framework.

The files of ``data/policy`` hold the papers' arguments in this book's words, each line
with its place in the paper.  They are a reading, not a measurement.
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from ftz import published
from ftz.errors import RecordError
from ftz.paths import data_dir

INSTRUMENTS = ("rule", "organisation", "platform", "finance", "law", "place")
LEVELS = ("central", "joint", "provincial", "zone")
MECHANISMS = ("opening", "linkage", "industry", "innovation", "finance", "green")
#: What in this book bears on a proposal: nothing, or the linkage columns of Table 5.
EVIDENCE = {"none": "no estimate", "linkage": "linkage columns of Table 5: impossible as printed"}


@dataclass(frozen=True)
class Policy:
    """Problems and proposals of the five papers.

    Attributes
    ----------
    problems : pandas.DataFrame
        Indexed by ``id``: ``paper``, ``group``, ``problem``, ``where``.
    proposals : pandas.DataFrame
        Indexed by ``id``: ``paper``, ``proposal``, ``instrument``, ``level``, ``place``,
        ``mechanism``, ``problems`` (a tuple of identifiers), ``evidence``, ``where``.
    """

    problems: pd.DataFrame
    proposals: pd.DataFrame

    def links(self) -> pd.DataFrame:
        """Return one row a proposal and the problem that it answers."""
        pairs = self.proposals["problems"].explode().dropna().rename("problem")
        return pairs.rename_axis("proposal").reset_index()

    def unanswered(self) -> pd.DataFrame:
        """Return the problems that no proposal answers."""
        return self.problems[~self.problems.index.isin(self.links()["problem"])]


def _read(name: str) -> pd.DataFrame:
    return pd.read_csv(data_dir() / "policy" / name, dtype=str, keep_default_na=False)


def _refuse(file: str, frame: pd.DataFrame, column: str, wrong: pd.Series, expected: str) -> None:
    if wrong.any():
        row = int(wrong.to_numpy().argmax())
        raise RecordError(
            f"{file}, row {row + 2}, column {column}: {frame[column].iloc[row]!r}; "
            f"expected {expected}"
        )


def load() -> Policy:
    """Read problems and proposals.

    Raises
    ------
    RecordError
        An identifier that stands twice, an unknown paper, instrument, level, mechanism
        or evidence, or a proposal that answers a problem nobody listed; file, row and
        column are named.
    """
    papers = list(published.papers())
    problems, proposals = _read("problems.csv"), _read("proposals.csv")
    for file, frame in (("problems.csv", problems), ("proposals.csv", proposals)):
        _refuse(file, frame, "id", frame["id"].duplicated(), "an identifier of its own")
        _refuse(file, frame, "paper", ~frame["paper"].isin(papers), f"one of {', '.join(papers)}")
    for column, allowed in (
        ("instrument", INSTRUMENTS),
        ("level", LEVELS),
        ("mechanism", MECHANISMS),
        ("evidence", tuple(EVIDENCE)),
    ):
        wrong = ~proposals[column].isin(allowed)
        _refuse("proposals.csv", proposals, column, wrong, f"one of {', '.join(allowed)}")
    known = set(problems["id"])
    answers = proposals["problems"].map(lambda text: tuple(p for p in text.split(";") if p))
    stray = answers.map(lambda ids: not set(ids) <= known)
    _refuse("proposals.csv", proposals, "problems", stray, "identifiers of problems.csv")
    proposals = proposals.assign(problems=answers)
    return Policy(problems.set_index("id"), proposals.set_index("id"))


def rule_comparison() -> pd.DataFrame:
    """Return the comparison of three agreements (Qian and Wang 2023, Table 1)."""
    return _read("rule_comparison.csv")


def six_freedoms() -> pd.DataFrame:
    """Return the six freedoms and one flow of free ports (Qian and Wang 2023, Table 2)."""
    return _read("six_freedoms.csv")


def framework() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return nodes and edges of "one base, two wings, three priorities" (Zhou 2024, figure 3).

    Raises
    ------
    RecordError
        If an edge names a node that is not there.
    """
    graph = _read("nqpf_graph.csv")
    nodes = graph[graph["kind"] == "node"].set_index("id")
    nodes = nodes.astype({"column": float, "row": float})
    edges = graph[graph["kind"] == "edge"]
    for end in ("from", "to"):
        _refuse("nqpf_graph.csv", graph, end, ~graph[end].isin(["", *nodes.index]), "a node")
    return nodes, edges[["from", "to", "where"]]
