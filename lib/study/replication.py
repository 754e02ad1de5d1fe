"""The measuring paper's tables, computed by the book's estimators on a panel.

Each function takes a panel with the study's columns and returns ``{cell: number}``
under the identifiers of the published record, so that a table here and a table
there can be laid side by side, a test can count the digits that agree, and a
witness can be held against everything at once.

Conventions that the paper does not print, and the book's choices:

* clusters are cities, with linearmodels' default factor (see :mod:`ftz.did`);
* the constant is that of ``xtreg, fe`` with year dummies (:func:`ftz.did.constant`);
* matching is on the linear index of a logit, with ``k = 4`` neighbours, and the
  caliper 0.66 is read in units of that index (:data:`MATCHING`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ftz import did, matching
from ftz._results import CoefficientResult
from ftz.errors import EstimationError
from ftz.matching._matches import Matches
from ftz.matching._score import ScoreResult
from ftz.random_effects import random_effects
from printproof.printed import Record
from study import published, register
from study.panel import load_witness
from userpanel import UserPanel

#: What pages say of these functions (see ``bookworks._lineage``).
__lineage__ = {
    "compare": {"files": ["data/published/yan_ye_wang.csv"]},
    "witness_study": {"files": ["data/witness/panel.csv"]},
}

PAPER = "yan_ye_wang"
#: How Tables 4 and 5 can be read, with both effects and clustered errors or as ``xtreg, re``
#: with year dummies (:mod:`ftz.random_effects`).
READINGS = ("two-way", "one command")
OUTCOME = "lnHQD"
TREATMENT = "FTZ"
MEDIATOR = "IL"
#: Controls in the order in which Table 4 adds them.
CONTROLS = ("fe", "lnstru", "urba", "fdi", "pgdp")
#: Cities that stand apart, two municipalities, and the one whose counties became Xiong'an.
QUESTIONED = ("Baoding", "Beijing", "Tianjin")
#: Variables in the order of Table 2.
VARIABLES = (
    "lnHQD",
    "FTZ",
    "IL",
    "vitality",
    "merchantable",
    "innovation",
    "synergism",
    "fe",
    "pgdp",
    "lnstru",
    "fdi",
    "urba",
)
#: Columns of Table 5 that regress a sub-index on the treatment.
SUB_INDICES = {
    "(9)": "vitality",
    "(10)": "merchantable",
    "(11)": "innovation",
    "(12)": "synergism",
}

_Numbers = dict[str, float]


@dataclass(frozen=True)
class MatchingSetup:
    """The choices behind Table 1; only the caliper's number is printed."""

    neighbours: int = 4
    caliper: float = 0.66
    support: str = "minmax"

    def on_support(self, frame: pd.DataFrame, fitted: ScoreResult) -> pd.Series:
        """Return which rows lie on the common support."""
        return matching.common_support(fitted.score, frame[TREATMENT], rule=self.support)

    def matches(self, frame: pd.DataFrame, fitted: ScoreResult) -> dict[str, Matches]:
        """Match the rows on the common support by the three methods of Table 1."""
        on = self.on_support(frame, fitted)
        return self.match_each(fitted.linear_index[on], frame.loc[on, TREATMENT])

    def match_each(self, index: pd.Series, treated: pd.Series) -> dict[str, Matches]:
        """Match rows by an index that is given, by the three methods of Table 1."""
        settings: dict[str, dict[str, Any]] = {
            "k_nearest": {"k": self.neighbours},
            "caliper": {"caliper": self.caliper},
            "k_nearest_in_caliper": {"k": self.neighbours, "caliper": self.caliper},
        }
        return {
            method: matching.match(index, treated, method=method, **chosen)
            for method, chosen in settings.items()
        }


MATCHING = MatchingSetup()
#: The methods of Table 1, as :func:`ftz.matching.match` calls them.
METHODS = ("k_nearest", "caliper", "k_nearest_in_caliper")


def cell(table: str, row: str, column: str, statistic: str) -> str:
    """Return the identifier of a printed cell of the measuring paper."""
    return f"{PAPER}/{table}/{row}/{column}/{statistic}"


def score(frame: pd.DataFrame) -> ScoreResult:
    """Fit the logit of treatment on the five controls over all rows of ``frame``."""
    return matching.propensity_score(frame, TREATMENT, CONTROLS)


def adoption(frame: pd.DataFrame) -> dict[str, int | None]:
    """Return the year from which each city is treated; ``None`` where no row of it is.

    A city whose treated rows are not in the frame has no "after" in it.
    """
    treated = set(frame.loc[frame[TREATMENT] == 1, "city"])
    start = register.PAPER.cohorts(list(frame["city"].unique()))
    return {city: year if city in treated else None for city, year in start.items()}


def _table1(frame: pd.DataFrame, setup: MatchingSetup = MATCHING) -> _Numbers:
    """Table 1: the effect on the treated by three kinds of matching, all rows of the panel."""
    numbers: _Numbers = {}
    for method, pairs in setup.matches(frame, score(frame)).items():
        result = matching.att(frame[OUTCOME], pairs)
        numbers[cell("table1", method, "ATT", "coef")] = result.att
        numbers[cell("table1", method, "ATT", "se")] = result.std_error
        numbers[cell("table1", method, "ATT", "statistic")] = result.att / result.std_error
    return numbers


def _table2(matched: pd.DataFrame) -> _Numbers:
    """Table 2: n, mean, sd (ddof 1), min and max of the twelve variables, matched rows."""
    numbers: _Numbers = {}
    for variable in VARIABLES:
        values = matched[variable]
        for column, number in (
            ("n", values.count()),
            ("mean", values.mean()),
            ("sd", values.std(ddof=1)),
            ("min", values.min()),
            ("max", values.max()),
        ):
            numbers[cell("table2", variable, column, "value")] = float(number)
    return numbers


def _column(
    numbers: _Numbers, table: str, column: str, result: CoefficientResult, rows: Sequence[str]
) -> None:
    for row in rows:
        numbers[cell(table, row, column, "coef")] = float(result.params[row])
        numbers[cell(table, row, column, "statistic")] = float(result.tstats[row])


def _fits(
    matched: pd.DataFrame, outcome: str, controls: Sequence[str], reading: str
) -> tuple[CoefficientResult, CoefficientResult]:
    """Return the fit with the slopes and the one with the constant, under a reading."""
    if reading not in READINGS:
        raise EstimationError(f"no reading {reading!r} of the tables: {', '.join(READINGS)}")
    if reading == "one command":
        fit = random_effects(matched, outcome, TREATMENT, controls)
        return fit, fit
    arguments = (matched, outcome, TREATMENT, controls)
    return did.twfe(*arguments), did.constant(*arguments)


def _table4(matched: pd.DataFrame, reading: str = "two-way") -> _Numbers:
    """Table 4: five nested columns, constants included, under one of :data:`READINGS`."""
    numbers: _Numbers = {}
    for step in range(1, len(CONTROLS) + 1):
        controls, column = CONTROLS[:step], f"({step})"
        slopes, constant = _fits(matched, OUTCOME, controls, reading)
        _column(numbers, "table4", column, slopes, [TREATMENT, *controls])
        _column(numbers, "table4", column, constant, ["const"])
        numbers[cell("table4", "N", column, "value")] = float(slopes.nobs)
    return numbers


def _table5(matched: pd.DataFrame, reading: str = "two-way") -> _Numbers:
    """Table 5: mediation by linkage, columns (7) and (8), and the sub-indices (9)-(12)."""
    numbers: _Numbers = {}
    columns = {
        "(7)": (MEDIATOR, CONTROLS, [TREATMENT]),
        "(8)": (OUTCOME, (MEDIATOR, *CONTROLS), [TREATMENT, MEDIATOR]),
    }
    columns |= {c: (outcome, CONTROLS, [TREATMENT]) for c, outcome in SUB_INDICES.items()}
    for column, (outcome, controls, printed) in columns.items():
        result = _fits(matched, outcome, controls, reading)[0]
        _column(numbers, "table5", column, result, printed)
        numbers[cell("table5", "N", column, "value")] = float(result.nobs)
    return numbers


def table(name: str, rows: pd.DataFrame, **choices: Any) -> _Numbers:
    """Return the numbers of a printed table, by the identifiers of their cells.

    Parameters
    ----------
    name : {"table1", "table2", "table4", "table5"}
    rows : pandas.DataFrame
        All rows of the panel for Table 1, the matched ones for the others.
    **choices
        ``setup`` (a :class:`MatchingSetup`) of Table 1; ``reading`` (one of :data:`READINGS`) of
        Tables 4 and 5.
    """
    made: dict[str, Callable[..., _Numbers]] = {
        "table1": _table1,
        "table2": _table2,
        "table4": _table4,
        "table5": _table5,
    }
    return made[name](rows, **choices)


def _tables(frame: pd.DataFrame, reading: str = "two-way") -> _Numbers:
    """Return all four tables from a panel that marks its matched rows in ``matched``."""
    matched = frame[frame["matched"] == 1]
    later = _table4(matched, reading) | _table5(matched, reading)
    return _table1(frame) | _table2(matched) | later


def compare(numbers: Mapping[str, float], record: Record | None = None) -> pd.DataFrame:
    """Lay numbers beside the printed cells.

    Returns
    -------
    pandas.DataFrame
        One row a number, indexed by cell: ``table``, ``row``, ``column``,
        ``statistic``, ``printed`` (the string with its stars), ``here`` (rounded to
        the printed digits) and ``verdict``.
    """
    record = published.load(PAPER) if record is None else record
    rows = []
    for name, number in numbers.items():
        printed = record.get(name)
        rows.append(
            {
                "cell": name,
                "table": printed.table,
                "row": printed.row,
                "column": printed.column,
                "statistic": printed.statistic,
                "printed": printed.text + printed.stars,
                "here": printed.format(number),
                "verdict": printed.verdict(number),
            }
        )
    return pd.DataFrame(rows).set_index("cell")


def witness_study(*, matched: bool = False) -> UserPanel:
    """Return the book's witness panel as a study: constructed, not data.

    Parameters
    ----------
    matched : bool
        Only the rows on which Tables 2, 4 and 5 stand.
    """
    panel = load_witness()
    frame = panel.matched if matched else panel.frame
    start = register.PAPER.cohorts(sorted(frame["city"].unique()))
    frame = frame.assign(cohort=frame["city"].map(start).astype(float))
    frame = frame.sort_values(["city", "year"]).reset_index(drop=True)
    study = UserPanel(
        frame=frame,
        unit="city",
        time="year",
        outcome=OUTCOME,
        treatment=TREATMENT,
        cohort="cohort",
        controls=tuple(CONTROLS),
        match_on=tuple(CONTROLS),
        sub_outcomes=tuple(SUB_INDICES.values()),
        mediator=MEDIATOR,
        cluster="city",
        title="The witness panel",
        source="constructed so that the printed tables return; not data",
        kind="witness",
        questioned=QUESTIONED,
    )
    return register.with_codings(study)
