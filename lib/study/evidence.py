"""What was estimated near each proposal, with computed verdicts; and where papers differ.

The coding of the papers (:mod:`study.policy`) says which outcome a proposal is meant to move
and where it would hold.  This module adds what the book found about that outcome: which
column of Table 5 estimates it, whether the printed number is reproduced, whether it can be
true at all, what its statistic allows one to say, and whether it speaks for the place.  No
verdict is written down here; each is computed from the record, a witness and the list of
other studies.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import pandas as pd

from printproof import IMPOSSIBLE
from printproof.printed import Record
from study import printed_parts, published, replication
from study._rows import one_of, read_rows
from study.other_studies import _Estimate
from study.policy import MECHANISMS, SAMPLE, _Policy

#: What pages say of these functions (see ``bookworks._lineage``).
__lineage__ = {"*": {"files": ["data/policy/*.csv"]}}

#: What a proposal can rest on, strongest first.
MOVED = "rise reproduced"
UNMOVED = "no effect told from zero"
UNSETTLED = "not reproduced"
BROKEN = "impossible as printed"
OUTSIDE = "only the capital region"
ELSEWHERE = "only other studies"
NOTHING = "no estimate"
STATUSES = (MOVED, UNMOVED, UNSETTLED, BROKEN, OUTSIDE, ELSEWHERE, NOTHING)

#: The columns of Table 5, with the row of the coefficient, and what it is an effect on.
COLUMNS = {
    "(7)": ("FTZ", "industrial linkage"),
    "(8)": ("IL", "index, through industrial linkage"),
    "(9)": ("FTZ", "vitality index"),
    "(10)": ("FTZ", "merchantability index"),
    "(11)": ("FTZ", "innovation index"),
    "(12)": ("FTZ", "synergy index"),
}

#: Outcome of a proposal to the columns that speak of it; the first is the effect of having
#: a zone, a second the way from there to the city's index.  The paper measures no linkage of
#: zones: it declares industrial linkage the proxy (part 3.2).
NEAREST = {
    "industrial linkage": ("(7)", "(8)"),
    "zone linkage": ("(7)", "(8)"),
    "vitality": ("(9)",),
    "merchantability": ("(10)",),
    "innovation": ("(11)",),
    "synergy": ("(12)",),
}
BY_PROXY = "zone linkage"

#: Kinds of outcome of other studies that lie near a mechanism (our coding); the effect
#: of having a zone, as everywhere, and not of the proposal.
NEAR = {
    "opening": ("trade growth", "outward investment"),
    "administration": (),
    "management": (),
    "linkage": ("coordination", "border effect"),
    "industry": ("output growth", "output level"),
    "innovation": (),
    "finance": (),
    "law": (),
    "talent": (),
    "green": ("pollution", "productivity"),
}

_DIRECTIONS = ("for", "against", "neither")
_POSITIONS = ("question", "paper", "direction", "position", "quote", "section")


# ------------------------------------------------------------------------- estimates


def estimates(record: Record, matched: pd.DataFrame) -> pd.DataFrame:
    """Return the six columns of Table 5 with their verdicts.

    Parameters
    ----------
    record : Record
        The published record.
    matched : pandas.DataFrame
        Matched rows of a witness panel, on which Table 5 is computed again.

    Returns
    -------
    pandas.DataFrame
        Indexed by column: ``outcome``, ``printed`` (with stars), ``verdict`` (*reproduced*,
        *not reproduced* or *impossible*), ``significant`` (whether every value that rounding
        allows to the statistic carries a star) and ``status`` (one of ``STATUSES``).
    """
    compared = replication.compare(replication.table("table5", matched), record)["verdict"]
    rows = {}
    for column, (row, outcome) in COLUMNS.items():
        cell = record.get(replication.cell("table5", row, column, "coef"))
        statistic = record.get(replication.cell("table5", row, column, "statistic"))
        significant = "" not in printed_parts.stars_allowed(statistic.interval)
        verdict = str(compared[cell.id])
        if row == "IL" and linkage_verdict(record) == IMPOSSIBLE:
            verdict = IMPOSSIBLE
        rows[column] = {
            "outcome": outcome,
            "printed": cell.text + cell.stars,
            "verdict": verdict,
            "significant": significant,
            "status": _status(verdict, significant),
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("column")


def _status(verdict: str, significant: bool) -> str:
    if verdict == IMPOSSIBLE:
        return BROKEN
    if verdict != published.REPRODUCED:
        return UNSETTLED
    return MOVED if significant else UNMOVED


def linkage_verdict(record: Record) -> str:
    """Decide whether the printed parts of the effect through linkage can add up.

    Returns
    -------
    str
        From :func:`study.printed_parts.identity_check` on column (5) of Table 4 and columns
        (7) and (8) of Table 5.
    """
    where = (
        ("table4", "FTZ", "(5)"),
        ("table5", "FTZ", "(8)"),
        ("table5", "FTZ", "(7)"),
        ("table5", "IL", "(8)"),
    )
    total, direct, a, b = (record.get(replication.cell(*w, "coef")).interval for w in where)
    return printed_parts.identity_check(total, direct, a, b).verdict


# ----------------------------------------------------------------------- the matrix


def statuses(
    proposals: pd.DataFrame, effects: pd.DataFrame, others: Sequence[_Estimate]
) -> pd.DataFrame:
    """Say of each proposal what it rests on.

    ``proposals`` is from :func:`study.policy.load`, ``effects`` from :func:`estimates` and
    ``others`` is from :func:`study.other_studies.load`.

    Returns
    -------
    pandas.DataFrame
        Indexed as ``proposals``: ``status`` and ``nearest`` (the outcome that was estimated
        nearest to it with its columns and numbers, or the kinds of outcome of other studies;
        empty where there is none).
    """
    near = {
        mechanism: list(dict.fromkeys(e.kind for e in others if e.kind in kinds))
        for mechanism, kinds in NEAR.items()
    }
    said = {outcome: _said(outcome, effects) for outcome in NEAREST}
    rows = []
    for outcome, place, mechanism in zip(
        proposals["outcome"], proposals["place"], proposals["mechanism"], strict=True
    ):
        if outcome in NEAREST:
            inside = str(effects.at[NEAREST[outcome][0], "status"])
            rows.append((inside if place in SAMPLE else OUTSIDE, said[outcome]))
        elif near[mechanism]:
            rows.append((ELSEWHERE, ", ".join(near[mechanism])))
        else:
            rows.append((NOTHING, ""))
    return pd.DataFrame(rows, index=proposals.index, columns=["status", "nearest"])


def _said(outcome: str, effects: pd.DataFrame) -> str:
    """Return an outcome's columns with their numbers, and what cannot be true of them."""
    parts = []
    for column in NEAREST[outcome]:
        line = effects.loc[column]
        broken = f" ({BROKEN})" if line["status"] == BROKEN else ""
        parts.append(f"{line['outcome']} {column} {line['printed']}{broken}")
    proxy = "by declared proxy: " if outcome == BY_PROXY else ""
    return proxy + "; ".join(parts)


def matrix(coded: _Policy, judged: pd.DataFrame) -> pd.DataFrame:
    """Join proposals with the problems that they answer and with what they rest on.

    ``coded`` is from :func:`study.policy.load` and ``judged`` from :func:`statuses`.

    Returns
    -------
    pandas.DataFrame
        Indexed as ``coded.proposals``, with all its columns but the lists, ``problem`` (the
        problems of the same paper that it answers, in our words) and those of ``judged``.
    """
    texts = coded.problems["problem"].to_dict()
    answered = coded.proposals["answers"].map(lambda names: "; ".join(texts[n] for n in names))
    shown = coded.proposals.drop(columns=["answers", "overlaps"])
    return shown.assign(problem=answered).join(judged)


def fields_of_papers(coded: _Policy) -> pd.DataFrame:
    """Say in which fields each paper names problems and makes proposals.

    ``coded`` is from :func:`study.policy.load`.

    Returns
    -------
    pandas.DataFrame
        ``mechanism``, ``paper``, ``problems`` and ``proposals`` (whether there is at least
        one); no counts, because how finely a text was cut is no property of the text.
    """
    every = pd.MultiIndex.from_product(
        [MECHANISMS, list(published.papers())], names=["mechanism", "paper"]
    )
    named = {
        what: every.isin(list(zip(frame["mechanism"], frame["paper"], strict=True)))
        for what, frame in (("problems", coded.problems), ("proposals", coded.proposals))
    }
    return pd.DataFrame(named, index=every).reset_index()


# ------------------------------------------------------------------- contradictions


def positions() -> pd.DataFrame:
    """Return what the papers hold on questions that were chosen after reading them.

    Returns
    -------
    pandas.DataFrame
        ``question``, ``paper``, ``direction`` (*for*, *against* or *neither*), ``position``
        (our words), ``quote`` (the paper's) and ``section``.

    Raises
    ------
    RecordError
        A file or column that is missing, an empty cell, or an unknown paper or direction; row
        and column are named.
    """
    file = "policy/positions.csv"
    frame = read_rows(file, _POSITIONS)
    one_of(file, frame, "paper", tuple(published.papers()))
    one_of(file, frame, "direction", _DIRECTIONS)
    return frame


def contradictions(held: pd.DataFrame) -> pd.DataFrame:
    """Find the pairs of positions on one question that point in opposite directions.

    ``held`` is from :func:`positions`.

    Returns
    -------
    pandas.DataFrame
        One row a pair: ``question``, ``for``, ``position for``,
        ``against``, ``position against`` and ``within`` (whether one paper holds both).
    """
    rows = []
    for question, part in held.groupby("question", sort=False):
        for one, other in combinations(part.to_dict("records"), 2):
            pair = {one["direction"]: one, other["direction"]: other}
            if set(pair) != {"for", "against"}:
                continue
            rows.append(
                {
                    "question": question,
                    "for": pair["for"]["paper"],
                    "position for": pair["for"]["position"],
                    "against": pair["against"]["paper"],
                    "position against": pair["against"]["position"],
                    "within": one["paper"] == other["paper"],
                }
            )
    columns = ["question", "for", "position for", "against", "position against"]
    return pd.DataFrame(rows, columns=[*columns, "within"])
