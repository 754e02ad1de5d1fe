"""From problems to proposals to mechanisms to what was estimated, with computed verdicts.

The coding of the papers (:mod:`ftz.policy`) says which proposal answers which problem and
which printed outcome a proposal is meant to move.  This module adds what the book found
about that outcome: whether the printed estimate is reproduced, whether it can be true at
all, what its statistic allows one to say, and whether another study speaks of a like
outcome.  No verdict is written down here; each is computed from the record, a witness
and the list of other studies.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import pandas as pd

from ftz import mediation, policy, published, replication
from ftz.audit.statement import IMPOSSIBLE
from ftz.errors import RecordError
from ftz.other_studies import Estimate
from ftz.paths import data_dir
from ftz.policy import Policy
from ftz.published import Record

#: What pages say of these functions (see ``bookworks.lineage``).
__lineage__ = {"*": {"files": ["data/policy/*.csv"]}}

#: What a proposal can rest on, strongest first.
MOVED = "rise reproduced"
UNMOVED = "no effect told from zero"
UNSETTLED = "not reproduced"
BROKEN = "impossible as printed"
ELSEWHERE = "only other studies"
NOTHING = "no estimate"
STATUSES = (MOVED, UNMOVED, UNSETTLED, BROKEN, ELSEWHERE, NOTHING)

#: The chapter (label and file) that a reader should turn to for each status.
CHAPTERS = {
    MOVED: "Mechanisms",
    UNMOVED: "Mechanisms",
    UNSETTLED: "Mechanisms",
    BROKEN: "Mechanisms",
    ELSEWHERE: "What other studies found",
    NOTHING: "",
}

#: The outcomes behind the keys of ``ftz.policy.EVIDENCE``, in words.
OUTCOMES = {
    "none": "",
    "environment": "merchantability index",
    "innovation": "innovation index",
    "synergy": "synergy index",
    "linkage": "index, through industrial linkage",
}

#: Kinds of outcome of other studies that lie near a mechanism (our coding); the effect
#: of having a zone, as everywhere, and not of the proposal.
NEAR = {
    "opening": ("trade growth", "outward investment"),
    "linkage": ("coordination", "border effect"),
    "industry": ("output growth", "output level"),
    "innovation": (),
    "finance": (),
    "green": ("pollution", "productivity"),
}

DIRECTIONS = ("for", "against", "neither")
_POSITIONS = ("question", "instrument", "paper", "direction", "position", "where")


# ------------------------------------------------------------------------- estimates


def estimates(record: Record, matched: pd.DataFrame) -> pd.DataFrame:
    """Return what the measuring paper estimated near the proposals, with verdicts.

    Parameters
    ----------
    record : Record
        The published record.
    matched : pandas.DataFrame
        Matched rows of a witness panel, on which Table 5 is computed again.

    Returns
    -------
    pandas.DataFrame
        Indexed by the keys of ``ftz.policy.EVIDENCE`` without ``none``: ``outcome``,
        ``column`` of Table 5, ``printed`` (with stars), ``verdict`` (*reproduced*, *not
        reproduced* or *impossible*), ``significant`` (whether every value that rounding
        allows to the statistic carries a star) and ``status`` (one of ``STATUSES``).
    """
    compared = replication.compare(replication.table5(matched), record)["verdict"]
    rows = {}
    for key, identifier in policy.EVIDENCE.items():
        if key == "none":
            continue
        cell = record.get(identifier)
        statistic = record.get(identifier.removesuffix("coef") + "statistic")
        significant = "" not in mediation.stars_allowed(statistic.interval)
        verdict = str(compared[identifier])
        if key == "linkage" and linkage_verdict(record) == IMPOSSIBLE:
            verdict = IMPOSSIBLE
        rows[key] = {
            "outcome": OUTCOMES[key],
            "column": cell.column,
            "printed": cell.text + cell.stars,
            "verdict": verdict,
            "significant": significant,
            "status": _status(verdict, significant),
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def _status(verdict: str, significant: bool) -> str:
    if verdict == IMPOSSIBLE:
        return BROKEN
    if verdict != published.REPRODUCED:
        return UNSETTLED
    return MOVED if significant else UNMOVED


def linkage_verdict(record: Record) -> str:
    """Decide whether the printed parts of the effect through linkage can add up.

    Parameters
    ----------
    record : Record

    Returns
    -------
    str
        From :func:`ftz.mediation.identity_check` on column (5) of Table 4 and columns
        (7) and (8) of Table 5.
    """
    where = (
        ("table4", "FTZ", "(5)"),
        ("table5", "FTZ", "(8)"),
        ("table5", "FTZ", "(7)"),
        ("table5", "IL", "(8)"),
    )
    total, direct, a, b = (record.get(replication.cell(*w, "coef")).interval for w in where)
    return mediation.identity_check(total, direct, a, b).verdict


def regressors(record: Record) -> tuple[str, ...]:
    """Return the rows of every printed table of coefficients, in order.

    The list shows what was never tested: a proposal that is not in it has no estimate.
    Sentences that repeat a coefficient of a table are left out.
    """
    cells = (c for c in record if c.statistic == "coef" and c.table != "text")
    return tuple(dict.fromkeys(cell.row for cell in cells))


# ----------------------------------------------------------------------- the matrix


def statuses(
    proposals: pd.DataFrame, found: pd.DataFrame, others: Sequence[Estimate]
) -> pd.DataFrame:
    """Say of each proposal what it rests on.

    Parameters
    ----------
    proposals : pandas.DataFrame
        From :func:`ftz.policy.load`.
    found : pandas.DataFrame
        From :func:`estimates`.
    others : sequence of Estimate
        From :func:`ftz.other_studies.load`.

    Returns
    -------
    pandas.DataFrame
        Indexed as ``proposals``: ``status``, ``outcome`` (what was estimated nearest to
        it), ``printed``, ``verdict`` and ``chapter``; empty strings where there is none.
    """
    near = {mechanism: _near(kinds, others) for mechanism, kinds in NEAR.items()}
    rows: list[dict[str, str]] = []
    names = ["status", "outcome", "printed", "verdict"]
    lines = {str(key): dict(zip(names, line, strict=True)) for key, *line in _tuples(found, names)}
    for evidence, mechanism in zip(proposals["evidence"], proposals["mechanism"], strict=True):
        if evidence != "none":
            row = lines[evidence]
        elif near[mechanism]:
            outcome = ", ".join(near[mechanism])
            row = {"status": ELSEWHERE, "outcome": outcome, "printed": "", "verdict": ""}
        else:
            row = {"status": NOTHING, "outcome": "", "printed": "", "verdict": ""}
        rows.append({**row, "chapter": CHAPTERS[row["status"]]})
    return pd.DataFrame(rows, index=proposals.index)


def _tuples(frame: pd.DataFrame, columns: list[str]) -> Iterator[tuple[str, ...]]:
    return frame[columns].itertuples(name=None)


def _near(kinds: Sequence[str], others: Sequence[Estimate]) -> list[str]:
    return list(dict.fromkeys(e.kind for e in others if e.kind in kinds))


def matrix(coded: Policy, judged: pd.DataFrame) -> pd.DataFrame:
    """Join problems, proposals, mechanisms and evidence.

    Parameters
    ----------
    coded : Policy
        From :func:`ftz.policy.load`.
    judged : pandas.DataFrame
        From :func:`statuses`.

    Returns
    -------
    pandas.DataFrame
        One row a problem and a proposal that answers it, one a proposal that answers no
        stated problem, one a problem that no proposal answers: ``paper``, ``group``,
        ``problem``, ``proposal``, ``instrument``, ``level``, ``place``, ``mechanism``,
        ``status``, ``outcome``, ``printed``, ``verdict``, ``chapter``, ``where``; text
        that does not apply is empty.
    """
    asked = coded.proposals.drop(columns=["problems", "evidence", "overlaps"]).join(judged)
    links = coded.links().merge(asked, left_on="proposal", right_index=True)
    links = links.drop(columns="proposal").rename(columns={"proposal_y": "proposal"})
    stated = coded.problems.rename(columns={"where": "stated in"})
    links = links.merge(
        stated[["group", "problem"]].rename(columns={"problem": "text"}),
        left_on="problem",
        right_index=True,
    )
    links = links.assign(problem=links["text"]).drop(columns="text")
    loose = asked.loc[coded.unprompted().index].assign(problem="", group="no problem stated")
    open_ones = stated.loc[coded.unanswered().index, ["paper", "group", "problem"]]
    columns = [
        *("paper", "group", "problem", "proposal", "instrument", "level", "place"),
        *("mechanism", "status", "outcome", "printed", "verdict", "chapter", "where"),
    ]
    whole = pd.concat([links, loose, open_ones], ignore_index=True)
    return whole.reindex(columns=columns).fillna("")


def by_group(joined: pd.DataFrame) -> pd.DataFrame:
    """Count the proposals that answer each group of problems, by what they rest on.

    Parameters
    ----------
    joined : pandas.DataFrame
        From :func:`matrix`.

    Returns
    -------
    pandas.DataFrame
        One row a group, one column a status that occurs, in the order of
        ``STATUSES``; a proposal counts once in a group, and in each group that it
        answers.
    """
    once = joined[joined["proposal"] != ""].drop_duplicates(["group", "proposal"])
    counts = pd.crosstab(once["group"], once["status"])
    order = [status for status in STATUSES if status in counts.columns]
    return counts.loc[list(dict.fromkeys(once["group"])), order]


# --------------------------------------------------------- agreement and contradiction


def positions() -> pd.DataFrame:
    """Return what the papers hold on questions that were chosen after reading them.

    Returns
    -------
    pandas.DataFrame
        ``question``, ``instrument`` (as proposals have), ``paper``,
        ``direction`` (one of ``DIRECTIONS``), ``position`` (our words), ``where``.

    Raises
    ------
    RecordError
        A file or column that is missing, an empty cell, an unknown paper, instrument or
        direction, or a question with two instruments; row and column are named.
    """
    file = "policy/positions.csv"
    try:
        frame = pd.read_csv(data_dir() / file, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise RecordError(f"{file}: cannot be read ({error})") from None
    if tuple(frame.columns) != _POSITIONS:
        raise RecordError(f"{file}: the columns must be {', '.join(_POSITIONS)}")
    allowed = {
        "paper": tuple(published.papers()),
        "instrument": policy.INSTRUMENTS,
        "direction": DIRECTIONS,
    }
    for row, texts in enumerate(frame.itertuples(index=False, name=None), start=2):
        _check_position(dict(zip(_POSITIONS, texts, strict=True)), allowed, f"{file}, row {row}")
    mixed = frame.groupby("question")["instrument"].nunique()
    if (mixed > 1).any():
        raise RecordError(f"{file}: two instruments for {mixed.idxmax()!r}")
    return frame


def _check_position(
    line: Mapping[str, str], allowed: Mapping[str, Sequence[str]], place: str
) -> None:
    for name, text in line.items():
        if not text.strip():
            raise RecordError(f"{place}, column {name}: empty; expected some text")
        if name in allowed and text not in allowed[name]:
            raise RecordError(
                f"{place}, column {name}: {text!r}; expected one of {', '.join(allowed[name])}"
            )


def contradictions(held: pd.DataFrame) -> pd.DataFrame:
    """Find the pairs of positions on one question that point in opposite directions.

    Parameters
    ----------
    held : pandas.DataFrame
        From :func:`positions`.

    Returns
    -------
    pandas.DataFrame
        One row a pair: ``question``, ``instrument``, ``for``, ``position for``,
        ``against``, ``position against`` and ``within`` (whether one paper holds both).
    """
    rows = []
    for (question, instrument), part in held.groupby(["question", "instrument"], sort=False):
        for one, other in combinations(part.to_dict("records"), 2):
            pair = {one["direction"]: one, other["direction"]: other}
            if set(pair) != {"for", "against"}:
                continue
            rows.append(
                {
                    "question": question,
                    "instrument": instrument,
                    "for": pair["for"]["paper"],
                    "position for": pair["for"]["position"],
                    "against": pair["against"]["paper"],
                    "position against": pair["against"]["position"],
                    "within": one["paper"] == other["paper"],
                }
            )
    columns = ["question", "instrument", "for", "position for", "against", "position against"]
    return pd.DataFrame(rows, columns=[*columns, "within"])


def agreements(held: pd.DataFrame) -> pd.DataFrame:
    """Find the questions on which two papers or more agree and none differs.

    Parameters
    ----------
    held : pandas.DataFrame
        From :func:`positions`.

    Returns
    -------
    pandas.DataFrame
        ``question``, ``instrument``, ``direction``, ``papers`` (their number), most
        papers first.
    """
    groups = held.groupby(["question", "instrument"], sort=False)
    counts = groups.agg(directions=("direction", "nunique"), papers=("paper", "nunique"))
    direction = groups["direction"].first()
    kept = counts[(counts["directions"] == 1) & (counts["papers"] > 1)]
    found = kept.join(direction).reset_index().drop(columns="directions")
    found = found.sort_values("papers", ascending=False, kind="stable", ignore_index=True)
    return found[["question", "instrument", "direction", "papers"]]


@dataclass(frozen=True)
class SharedFields:
    """How far declared overlaps can be told from the coded fields.

    Attributes
    ----------
    pairs : int
        Pairs of proposals of different papers that were declared to ask for the same.
    same_instrument, same_mechanism, same_both : int
        How many of them share these fields.
    candidates : int
        Pairs of different papers that share instrument, mechanism and level, declared or
        not: what a search by fields alone would offer.
    """

    pairs: int
    same_instrument: int
    same_mechanism: int
    same_both: int
    candidates: int


def shared_fields(coded: Policy) -> SharedFields:
    """Hold the overlaps that a reader declared against the coded fields.

    Parameters
    ----------
    coded : Policy
        From :func:`ftz.policy.load`.
    """
    proposals, pairs = coded.proposals, coded.overlaps()

    def same(column: str) -> pd.Series:
        fields = proposals[column]
        return pairs["proposal"].map(fields) == pairs["other"].map(fields)

    instrument, mechanism = same("instrument"), same("mechanism")
    groups = proposals.groupby(["instrument", "mechanism", "level"])["paper"]
    candidates = sum(one != other for _, papers in groups for one, other in combinations(papers, 2))
    return SharedFields(
        len(pairs),
        int(instrument.sum()),
        int(mechanism.sum()),
        int((instrument & mechanism).sum()),
        candidates,
    )
