"""What the book found, in one table: each line computed, each with what it rests on."""

from __future__ import annotations

import pandas as pd

from ftz import mediation, published, replication
from ftz.paths import data_dir
from ftz.published import Record

IMPOSSIBLE, CONSISTENT, UNDECIDED = "impossible", "consistent", "undecided"

#: Official income per head may differ from the authors' by this share, for instance
#: where they divided by registered instead of resident population.
_INCOME_SLACK = 0.15


def _cell(record: Record, *where: str) -> published.Printed:
    return record.get(replication.cell(*where))


def _all_reproduced(checked: pd.DataFrame, wanted: pd.Series) -> str:
    met = (checked.loc[wanted, "verdict"] == published.REPRODUCED).all()
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


def _linkage(record: Record) -> str:
    total, direct, a, b = (
        _cell(record, table, row, column, "coef").interval
        for table, row, column in (
            ("table4", "FTZ", "(5)"),
            ("table5", "FTZ", "(8)"),
            ("table5", "FTZ", "(7)"),
            ("table5", "IL", "(8)"),
        )
    )
    return mediation.identity_check(total, direct, a, b).verdict


def _beijing(record: Record) -> str:
    """Decide whether any year of Beijing fits under the printed maximum of income per head."""
    ranges = pd.read_csv(data_dir() / "official" / "ranges.csv")
    beijing = ranges[(ranges["city"] == "Beijing") & (ranges["variable"] == "pgdp")]
    least = float(beijing["low"].iloc[0]) * (1 - _INCOME_SLACK)
    most = float(_cell(record, "table2", "pgdp", "max", "value").interval.high)
    return IMPOSSIBLE if least > most else UNDECIDED


def findings(record: Record, checked: pd.DataFrame) -> pd.DataFrame:
    """Return the book's main findings.

    Parameters
    ----------
    record : Record
        The published record.
    checked : pandas.DataFrame
        From :func:`ftz.witness.check`, on the witness panel.

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
            "Linkage carries part of the effect, as columns (7) and (8) of Table 5 print it",
            _linkage(record),
            "the printed digits and an identity of least squares",
        ),
        (
            "Some year of Beijing is in the matched sample",
            _beijing(record),
            "the printed maximum of income per head and official statistics",
        ),
        (
            "A zone causes a city's index to rise",
            UNDECIDED,
            "parallel trends in three treated cities, which no printed number can establish",
        ),
    ]
    return pd.DataFrame(lines, columns=["claim", "verdict", "rests on"])
