"""Anchored witnesses: official controls are data, only the proprietary outcomes are solved for.

Whoever holds yearbook figures writes them into a CSV, one row a matched city-year::

    city,year,fe,lnstru,urba,fdi,pgdp
    Baoding,2013,0.426,-0.545,0.437,-1.187,2.55
    ...

``city`` and ``year`` are required, and at least one of the five controls; what is left
out is constructed.  The rows are the sample: as many as the paper prints for N.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from ftz.errors import EstimationError, PanelError
from printproof.printed import Record
from printproof.witness import FittedPanel, Problem, Variable
from study import published, register, replication
from study.replication import CONTROLS, OUTCOME, PAPER, TREATMENT, VARIABLES
from study.witness import _problem
from study.witness import _stages as stages
from study.witness._sample import YEARS, Sample

#: Random starts tried before the covariates count as unreachable.
_STARTS = 8


def read(path: Path) -> pd.DataFrame:
    """Read covariates and check their form."""
    try:
        frame = pd.read_csv(path)
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise PanelError(f"{path}: cannot be read ({error})") from None
    missing = {"city", "year"} - set(frame.columns)
    if missing:
        raise PanelError(f"{path}: there is no column {', '.join(sorted(missing))}")
    given = [c for c in CONTROLS if c in frame.columns]
    unknown = set(frame.columns) - {"city", "year", *CONTROLS}
    if unknown:
        raise PanelError(
            f"{path}: unknown column {', '.join(sorted(unknown))}; "
            f"controls are {', '.join(CONTROLS)}"
        )
    if not given:
        raise PanelError(f"{path}: give at least one of {', '.join(CONTROLS)}")
    _rows(frame, path)
    for name in given:
        values = pd.to_numeric(frame[name], errors="coerce")
        wrong = ~np.isfinite(values)
        if wrong.any():
            raise PanelError(f"{path}, row {_line(wrong)}, column {name}: expected a number")
        frame[name] = values
    order = {c: i for i, c in enumerate(register.study_cities())}
    frame = frame.assign(_order=frame["city"].map(order)).sort_values(["_order", "year"])
    return frame[["city", "year", *given]].reset_index(drop=True)


def _line(wrong: pd.Series) -> int:
    """Return the line of the first wrong row: the header is line 1."""
    return int(np.argmax(wrong.to_numpy())) + 2


def _rows(frame: pd.DataFrame, path: Path) -> None:
    cities = register.study_cities()
    unknown = ~frame["city"].isin(cities)
    if unknown.any():
        name = frame.loc[unknown, "city"].iloc[0]
        raise PanelError(
            f"{path}, row {_line(unknown)}, column city: {name!r} is no study city; "
            f"they are {', '.join(cities)}"
        )
    outside = ~frame["year"].isin(YEARS)
    if outside.any():
        raise PanelError(
            f"{path}, row {_line(outside)}, column year: expected {YEARS[0]} to {YEARS[-1]}"
        )
    twice = frame.duplicated(["city", "year"])
    if twice.any():
        raise PanelError(f"{path}, row {_line(twice)}: this city-year stands twice")


def contradictions(covariates: pd.DataFrame, record: Record | None = None) -> pd.DataFrame:
    """Hold the covariates against every cell of Table 2 (and N) that they decide.

    Returns
    -------
    pandas.DataFrame
        One row a contradicted cell: ``cell``, ``printed``, ``covariates``.
    """
    record = published.load(PAPER) if record is None else record
    treated = register.PAPER.treatment(covariates)
    numbers = {replication.cell("table4", "N", "(5)", "value"): float(len(covariates))}
    columns = {n: covariates[n] for n in CONTROLS if n in covariates} | {TREATMENT: treated}
    for name, values in columns.items():
        for column, number in (
            ("mean", values.mean()),
            ("sd", values.std(ddof=1)),
            ("min", values.min()),
            ("max", values.max()),
        ):
            numbers[replication.cell("table2", name, column, "value")] = float(number)
    wrong = [
        (name, record.get(name).text, record.get(name).format(number))
        for name, number in numbers.items()
        if not record.get(name).reproduced_by(number)
    ]
    return pd.DataFrame(wrong, columns=["cell", "printed", "covariates"])


def plan(covariates: pd.DataFrame) -> Sample:
    """Return the sample whose matched rows are the covariates' city-years."""
    from study.witness._sample import Sample

    rows = Sample.printed().rows.copy()
    chosen = set(zip(covariates["city"], covariates["year"], strict=True))
    rows["matched"] = [int(p in chosen) for p in zip(rows["city"], rows["year"], strict=True)]
    return Sample(rows)


def problem(covariates: pd.DataFrame) -> Problem:
    """Return Tables 2 and 4 with the given controls known."""
    wrong = contradictions(covariates)
    if len(wrong):
        listed = "; ".join(
            f"{row.cell} prints {row.printed}, the covariates give {row.covariates}"
            for row in wrong.itertuples()
        )
        raise EstimationError(f"the covariates contradict the print: {listed}")
    base = _problem.problem(plan(covariates))
    variables: list[Variable] = []
    for variable in base.variables:
        if variable.name in covariates:
            variable = Variable.given(variable.name, covariates[variable.name].to_numpy(float))
        variables.append(variable)
    targets = tuple(
        t for t in base.targets if not (t.kind in {"mean", "sd"} and t.of in covariates.columns)
    )
    ends = {k: v for k, v in base.ends.items() if k not in covariates.columns}
    return Problem(tuple(variables), base.models, targets, ends)


def build(covariates: pd.DataFrame, *, seed: int = 0) -> pd.DataFrame:
    """Construct the outcomes of a panel whose controls and sample are given."""
    sample = plan(covariates)
    found = _outcome(problem(covariates), sample, seed)
    values = {n: found.values[n] for n in (OUTCOME, *CONTROLS)}
    targets = stages._Targets(published.load(PAPER))
    rng = np.random.default_rng([seed, 2])
    linkage = partial(stages._linkage, targets, sample, values, rng, 60)
    values |= stages._others(targets, sample, values, rng, linkage)[0]
    frame = sample.on[["city", "year", "matched", TREATMENT]].copy()
    for name in VARIABLES:
        if name != TREATMENT:
            given = name in covariates.columns
            frame[name] = values[name] if given else np.round(values[name], stages.DECIMALS)
    return frame


def _outcome(wanted: Problem, sample: Sample, seed: int) -> FittedPanel:
    best: FittedPanel | None = None
    for attempt in range(_STARTS):
        rng = np.random.default_rng([seed, attempt])
        start = _problem.start(wanted, sample, rng)
        found = wanted.find(rng, start=start, max_iterations=1500, patience=150)
        if found.feasible:
            return found
        if best is None or found.worst < best.worst:
            best = found
    assert best is not None, "at least one start is tried"
    raise EstimationError(
        f"no outcome meets Table 4 with these controls: from {_STARTS} starts the nearest panel "
        f"misses {best.where} by {best.worst:.1f} half units of its last digit"
    )
