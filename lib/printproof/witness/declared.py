"""From another paper's printed tables to a problem: the declaration and the printing.

A record in the YAML shape of :mod:`printproof.reading` becomes a
:class:`~printproof.witness.Problem` when it also says, under ``witness``, how the rows
are indexed and how the columns were estimated::

    grunfeld:
      table1: {columns: [n, mean, sd, min, max], rows: {...}}
      table2: {"(1)": {outcome: invest, value: ["0.110", "***", "7.21"], N: "200"}}
      witness:
        sample: {units: 10, periods: 20}
        effects: [unit, period]
        errors: clustered
        known: {d: [0, 0, 1, ...]}        # cells that are public, row by row

:func:`print_tables` goes the other way: it estimates the declared columns on a data
frame and prints them, so that a study with known raw data can be forgotten and found.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from printproof import reading
from printproof._study import CONSTANTS, Study
from printproof.errors import RecordError
from printproof.printed import Printed
from printproof.witness._moments import Array, Design
from printproof.witness._problem import Kind, Model, Problem, Target, Variable

#: Name of the known variable of ones.
ONES = "one"


@dataclass(frozen=True)
class PanelIndex:
    """How the rows of a panel are indexed.

    Attributes
    ----------
    units, periods : ndarray, n
        Codes of each row; a cross-section has one period.
    effects : tuple
        Of "unit" and "period": what the columns absorb.
    errors : str
        "clustered" (by unit), "robust" or "classical".
    """

    units: Array
    periods: Array
    effects: tuple[str, ...] = ("unit", "period")
    errors: str = "clustered"

    @property
    def design(self) -> Design:
        """Absorbed effects (the constant left in) and clusters."""
        return _design(self.units, self.periods, self.effects)

    @classmethod
    def balanced(cls, units: int, periods: int, **options: Any) -> PanelIndex:
        """Return the index of a balanced panel, unit by unit."""
        unit, period = np.arange(units), np.arange(periods)
        return cls(np.repeat(unit, periods), np.tile(period, units), **options)


def _design(units: Array, periods: Array, effects: Sequence[str]) -> Design:
    """Return the design that absorbs the named effects and clusters by unit."""
    full = Design.two_way(units, periods)
    if tuple(effects) == ("unit", "period"):
        return full
    n = len(units)
    if not effects:
        return Design(np.zeros((n, 0)), full.clusters)
    codes = np.unique(units if effects[0] == "unit" else periods, return_inverse=True)[1]
    dummies = np.eye(codes.max() + 1)[codes]
    dummies = dummies - dummies.mean(axis=0) if effects[0] == "unit" else dummies[:, 1:]
    left, singular, _ = np.linalg.svd(dummies, full_matrices=False)
    return Design(left[:, singular > 1e-9 * singular[0]], full.clusters)


def read_declared(path: Path) -> dict[str, tuple[Study, Problem]]:
    """Read a YAML file and return, by paper, what can be audited and what can be searched.

    Raises
    ------
    RecordError
        If the file cannot be read, or a declaration is missing or wrong; it is named.
    """
    import yaml

    studies = {s.paper: s for s in reading.read_file(path)}
    content = yaml.safe_load(path.read_text("utf-8"))
    return {
        name: (study, _problem(study, content[name].get("witness") or {}))
        for name, study in studies.items()
    }


def _problem(study: Study, declared: Mapping[str, Any]) -> Problem:
    """Turn printed tables and a declaration into a problem."""
    sample = _sample(study, declared)
    n = len(sample.units)
    given = {str(k): np.asarray(v, dtype=float) for k, v in (declared.get("known") or {}).items()}
    for name, values in given.items():
        if len(values) != n:
            raise RecordError(
                f"{study.paper}: known variable {name!r} has {len(values)} values, "
                f"the sample has {n} rows"
            )
    moments = _moments(study)
    variables = [
        Variable.given(ONES, np.ones(n)),
        *(Variable.given(k, v) for k, v in given.items()),
    ]
    ends, targets = {}, []
    for name, line in moments.items():
        if name in given:
            continue
        variables.append(_variable(study, name, line, n))
        if {"min", "max"} <= line.keys():
            ends[name] = (_interval(line["min"]), _interval(line["max"]))
        for kind in ("mean", "sd"):
            if kind in line:
                targets.append(Target(line[kind].id, kind, name, "", *_number(line[kind])))
    models = _models(study, sample, {v.name for v in variables})
    for model in models:
        targets += _targets(study, model)
    return Problem(tuple(variables), tuple(models), tuple(targets), ends)


def _sample(study: Study, declared: Mapping[str, Any]) -> PanelIndex:
    told = declared.get("sample")
    if not isinstance(told, Mapping):
        raise RecordError(f"{study.paper}: witness.sample must say units and periods, or n")
    options: dict[str, Any] = {
        "effects": tuple(declared.get("effects", ())),
        "errors": str(declared.get("errors", "classical")),
    }
    if isinstance(told.get("units"), list):
        units, periods = np.asarray(told["units"]), np.asarray(told["periods"])
        if len(units) != len(periods):
            raise RecordError(f"{study.paper}: witness.sample has lists of different lengths")
        return PanelIndex(units, periods, **options)
    if "n" in told:
        return PanelIndex(np.arange(float(told["n"])), np.zeros(int(told["n"])), **options)
    return PanelIndex.balanced(int(told["units"]), int(told["periods"]), **options)


def _moments(study: Study) -> dict[str, dict[str, Printed]]:
    found: dict[str, dict[str, Printed]] = {}
    for p in study.record:
        if p.statistic == "value" and p.column in {"mean", "sd", "min", "max"}:
            found.setdefault(p.row, {})[p.column] = p
    return found


def _interval(printed: Printed) -> tuple[float, float]:
    return float(printed.interval.low), float(printed.interval.high)


def _number(printed: Printed) -> tuple[float, float]:
    return float(printed.value), float(printed.interval.width) / 2


def _variable(study: Study, name: str, line: Mapping[str, Printed], n: int) -> Variable:
    if {"min", "max"} <= line.keys():
        low, high = _interval(line["min"])[0], _interval(line["max"])[1]
    elif {"mean", "sd"} <= line.keys():
        # Samuelson's inequality: no value lies farther from the mean
        mean, sd = _number(line["mean"]), _number(line["sd"])
        reach = (sd[0] + sd[1]) * (n - 1) / np.sqrt(n) + mean[1]
        low, high = mean[0] - reach, mean[0] + reach
    else:
        raise RecordError(
            f"{study.paper}: {name} needs a printed minimum and maximum, or mean and sd"
        )
    return Variable(name, np.full(n, low), np.full(n, high))


def _models(study: Study, sample: PanelIndex, variables: set[str]) -> list[Model]:
    outcomes = study.get("outcomes", {})
    models = []
    for table, cells in study.tables.items():
        for column in dict.fromkeys(p.column for p in cells if p.statistic == "coef"):
            outcome = outcomes.get(f"{table}/{column}")
            rows = study.regressors(table, column)
            if outcome is None:
                raise RecordError(f"{study.paper}: {table}, column {column} names no outcome")
            missing = {outcome, *(r for r in rows if r not in CONSTANTS)} - variables
            if missing:
                raise RecordError(
                    f"{study.paper}: {table}, column {column} uses {', '.join(sorted(missing))}, "
                    "whose moments are not printed and which is not known"
                )
            slopes = tuple(r for r in rows if r not in CONSTANTS)
            models.append(
                Model(f"{table}/{column}", outcome, (ONES, *slopes), sample.design, sample.errors)
            )
    return models


def _targets(study: Study, model: Model) -> list[Target]:
    table, _, column = model.name.partition("/")
    kinds: dict[str, Kind] = {"coef": "coef", "se": "se", "statistic": "statistic"}
    found = []
    for row in study.regressors(table, column):
        regressor = ONES if row in CONSTANTS else row
        for name, identifier in study.where(table, row, column).items():
            if name in kinds:
                numbers = _number(study.record.get(identifier))
                found.append(Target(identifier, kinds[name], model.name, regressor, *numbers))
    return found


# --- printing -------------------------------------------------------------------------------------


def print_tables(
    frame: pd.DataFrame,
    sample: PanelIndex,
    models: Mapping[str, tuple[str, Sequence[str]]],
    *,
    decimals: int = 3,
    statistic_decimals: int = 2,
    known_variables: Sequence[str] = (),
    constant: bool = False,
) -> dict[str, Any]:
    """Estimate columns on a data frame and print its tables, in the shape of a record.

    Parameters
    ----------
    frame : pandas.DataFrame
        Rows in the order of ``sample``.
    sample : PanelIndex
    models : mapping
        Column label to outcome and regressors.
    decimals, statistic_decimals : int
        Printed digits of coefficients and moments, and of statistics.
    known_variables : sequence of str
        Columns that the reader knows row by row (a policy's dates, for instance).
    constant : bool
        Whether the constant is printed.

    Returns
    -------
    dict
        One paper's tables, with its ``witness`` declaration.
    """

    def text(value: float, places: int = decimals) -> str:
        shown = f"{value:.{places}f}"
        return shown.removeprefix("-") if float(shown) == 0 else shown

    used = dict.fromkeys(v for outcome, rows in models.values() for v in (outcome, *rows))
    moments = {
        v: [str(len(frame)), *(text(x) for x in _four(frame[v].to_numpy(float)))] for v in used
    }
    columns = {}
    for label, (outcome, rows) in models.items():
        x = np.column_stack([np.ones(len(frame)), *(frame[r].to_numpy(float) for r in rows)])
        fit = sample.design.regress(frame[outcome].to_numpy(float), x, sample.errors)
        entry: dict[str, Any] = {"outcome": outcome}
        names = ["const", *rows] if constant else list(rows)
        offset = 0 if constant else 1
        for j, name in enumerate(names, start=offset):
            z = float(fit.statistic[j])
            entry[name] = [text(fit.value[j]), _marks(z), text(z, statistic_decimals)]
        columns[label] = {**entry, "N": str(len(frame))}
    return {
        "table1": {"columns": ["n", "mean", "sd", "min", "max"], "rows": moments},
        "table2": columns,
        "witness": {
            "sample": {"units": sample.units.tolist(), "periods": sample.periods.tolist()},
            "effects": list(sample.effects),
            "errors": sample.errors,
            "known": {v: frame[v].astype(float).tolist() for v in known_variables},
        },
    }


def _four(x: Array) -> tuple[float, float, float, float]:
    return float(x.mean()), float(x.std(ddof=1)), float(x.min()), float(x.max())


def _marks(z: float) -> str:
    from scipy import stats

    p = float(2 * stats.norm.sf(abs(z)))
    return "".join("*" for level in (0.1, 0.05, 0.01) if p < level)


def forget(paper: str, tables: Mapping[str, Any]) -> tuple[Study, Problem]:
    """Return what is left of a study when its data are forgotten: tables and a problem."""
    study = reading.study(paper, tables)
    return study, _problem(study, tables["witness"])
