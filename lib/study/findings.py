"""What the book found, in one table: each line computed, each with what it rests on."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pandas as pd

from printproof.printed import Record
from printproof.rules import column_groups
from study import nested_columns, official, published, replication
from study.evidence import linkage_verdict
from study.paths import data_dir

#: What pages say of these functions (see ``bookworks._lineage``).
__lineage__ = {"*": {"files": ["data/published/yan_ye_wang.csv"]}}

IMPOSSIBLE, CONSISTENT, UNDECIDED = "impossible", "consistent", "undecided"

#: By how much an official share may differ from the authors', before it speaks against a row.
_SHARE_SLACK = 0.05
#: First year of most treated rows, and the two-sided ten percent value of z.
_FIRST_YEAR, _TEN_PERCENT = 2019, 1.6449


def _cell(record: Record, *where: str) -> published.Printed:
    return record.get(replication.cell(*where))


def _all_reproduced(checked: pd.DataFrame, rows: pd.Series) -> str:
    met = (checked.loc[rows, "verdict"] == published.REPRODUCED).all()
    return published.REPRODUCED if met else published.NOT_REPRODUCED


def table1_ratio(record: Record) -> pd.DataFrame:
    """Hold Table 1's printed t against effect over standard error, by rounding intervals.

    Returns
    -------
    pandas.DataFrame
        Indexed by method: ``ratio`` and ``printed`` (intervals) and ``verdict``.
    """
    rows = {}
    for method in replication.METHODS:
        effect, error, t = (
            _cell(record, "table1", method, "ATT", statistic).interval
            for statistic in ("coef", "se", "statistic")
        )
        ratio = effect / error
        word = CONSISTENT if ratio.overlaps(t) else IMPOSSIBLE
        rows[method] = {"ratio": ratio, "printed": t, "verdict": word}
    return pd.DataFrame(rows).T


def _table1(record: Record) -> str:
    verdicts = set(table1_ratio(record)["verdict"])
    return IMPOSSIBLE if IMPOSSIBLE in verdicts else CONSISTENT


def _classical(record: Record) -> str:
    """Decide the classical reading for every number of absorbed effects that is plausible."""
    study = replace(
        published.study(replication.PAPER), record=record.select(paper=replication.PAPER)
    )
    held = pd.concat(nested_columns.relations(study, group) for group in column_groups(study))
    zone = held[held["coefficient"] == replication.TREATMENT]
    return CONSISTENT if zone.groupby("absorbed")["holds"].all().any() else IMPOSSIBLE


def _beijing(record: Record) -> str:
    """Decide whether any year of Beijing fits under the printed maxima of two controls.

    Both have to speak against it: the share of residents who live in cities, and the log
    ratio of sectors, whose official low is taken with its stated slack.
    """
    shares = pd.read_csv(data_dir() / "official" / "urban_share.csv")
    ranges = {r.variable: r for r in official.ranges("Beijing", _FIRST_YEAR)}
    least = {
        "urba": float(shares.loc[shares["place"] == "Beijing", "share"].min()) - _SHARE_SLACK,
        "lnstru": float(ranges["lnstru"].widened(Fraction(1))[0]),
    }
    out = all(
        low > float(_cell(record, "table2", name, "max", "value").interval.high)
        for name, low in least.items()
    )
    return IMPOSSIBLE if out else UNDECIDED


def _parallel_trends() -> tuple[str, str]:
    """Ask the ensemble whether figure 2's flat early coefficients follow from the tables."""
    ensemble = pd.read_csv(data_dir() / "witness" / "ensemble.csv")
    early = [
        name
        for name in ensemble.filter(like="event statistic: ").columns
        if int(name.split(": ")[1]) < _FIRST_YEAR
    ]
    flat = (ensemble[early].abs() < _TEN_PERCENT).all(axis=1)
    word = CONSISTENT if flat.all() else UNDECIDED
    shown = f"{int(flat.sum())} of {len(flat)} witnesses"
    return word, f"{shown} that meet every cell that can be met show it"


def findings(record: Record, checked: pd.DataFrame) -> pd.DataFrame:
    """Return the book's main findings.

    Parameters
    ----------
    record : Record
        The published record.
    checked : pandas.DataFrame
        From :func:`study.witness.check`, on the witness panel.

    Returns
    -------
    pandas.DataFrame
        ``claim``, ``verdict``, ``rests on``.
    """
    subs = checked["column"].isin(list(replication.SUB_INDICES))
    together = checked["table"].isin(["table2", "table4"]) | ((checked["table"] == "table5") & subs)
    effects = (checked["table"] == "table1") & (checked["statistic"] == "coef")
    lines = [
        (
            "Tables 2 and 4 and columns (9)-(12) of Table 5 can all be true together",
            _all_reproduced(checked, together),
            "a witness panel that returns every cell",
        ),
        (
            "The three matching effects of Table 1 fit the same panel",
            _all_reproduced(checked, effects),
            "the same witness, with k and the caliper's unit chosen by us",
        ),
        (
            "The t values of Table 1 are effect over standard error",
            _table1(record),
            "the printed digits alone",
        ),
        (
            "All five columns of Table 4 print classical standard errors on the same footing",
            _classical(record),
            "the printed digits and the algebra of nested columns; the last four columns do fit",
        ),
        (
            "Linkage carries part of the effect, as columns (7) and (8) of Table 5 print it",
            linkage_verdict(record),
            "the printed digits and an identity of least squares",
        ),
        (
            "Some year of Beijing is in the matched sample",
            _beijing(record),
            "the printed maxima of urban share and sectors, and official figures for both",
        ),
        (
            "No early coefficient of the event study is significant, as figure 2 is said to show",
            *_parallel_trends(),
        ),
        (
            "A zone causes a city's index to rise",
            UNDECIDED,
            "parallel trends in three cities of Hebei, if official figures hold; "
            "no printed number can establish them",
        ),
    ]
    return pd.DataFrame(lines, columns=["claim", "verdict", "rests on"])
