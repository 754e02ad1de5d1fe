"""Whether the method is right: studies with known raw data, forgotten and found again.

Each study draws a small panel, prints its tables at three decimals, forgets the data and
recovers witnesses from the print alone.  The true value of each unprinted quantity must
lie inside the range that the search reports.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from printproof.errors import SearchError
from printproof.witness._problem import (
    Coefficient,
    Correlation,
    Estimand,
    FittedPanel,
    Model,
    Problem,
    RSquared,
    Values,
)
from printproof.witness._workers import spread
from printproof.witness.declared import ONES, PanelIndex, _design, forget, print_tables

#: Columns that each study prints.
COLUMNS = {"(1)": ("y", ["d"]), "(2)": ("y", ["d", "x"])}


def _draw(rng: np.random.Generator, units: int = 6, periods: int = 5) -> pd.DataFrame:
    """Draw a small panel: half of the units adopt a policy, a control, unit and period effects."""
    sample = PanelIndex.balanced(units, periods)
    n = units * periods
    start = rng.integers(2, periods - 1, units)
    start[rng.permutation(units)[: units // 2]] = 99
    level = rng.standard_normal(units)[sample.units]
    d = (sample.periods >= start[sample.units]).astype(float)
    x = level + rng.standard_normal(n)
    noise = np.exp(rng.normal(-0.7, 0.3)) * rng.standard_normal(n)
    y = 0.3 * d + rng.normal(0.4, 0.2) * x + level + 0.1 * sample.periods + noise
    return pd.DataFrame({"unit": sample.units, "period": sample.periods, "y": y, "d": d, "x": x})


def _estimands(sample: PanelIndex) -> list[Estimand]:
    """Declare what the studies do not print."""
    full = (ONES, "d", "x")
    within = sample.design
    keep = np.flatnonzero(sample.units != 0)
    rest = _design(sample.units[keep], sample.periods[keep], sample.effects)
    pooled = _design(sample.units, sample.periods, ())
    return [
        Coefficient("classical error of d", Model("", "y", full, within, "classical"), "d", "se"),
        Coefficient("robust error of d", Model("", "y", full, within, "robust"), "d", "se"),
        Coefficient("d without the first unit", Model("", "y", full, rest, rows=keep), "d"),
        Coefficient("pooled slope of x", Model("", "y", (ONES, "x"), pooled, "classical"), "x"),
        Correlation("correlation of x and y", "x", "y"),
        RSquared("within R2 of column (2)", Model("", "y", full, within)),
    ]


def _feasible(
    problem: Problem, rng: np.random.Generator, wanted: int, attempts: int = 30
) -> list[FittedPanel]:
    """Return panels that meet the print, from random starts."""
    found = []
    for _ in range(attempts):
        panel = problem.find(rng)
        if panel.feasible:
            found.append(panel)
        if len(found) == wanted:
            return found
    if not found:
        raise SearchError(f"no panel meets the print after {attempts} starts")
    return found


def _truth(problem: Problem, frame: pd.DataFrame) -> Values:
    """Return the raw data as values of the problem's variables."""
    ones = np.ones(len(frame))
    return {
        v.name: ones if v.name == ONES else frame[v.name].to_numpy(float) for v in problem.variables
    }


def _one(number: int, *, seed: int = 0, starts: int = 2, steps: int = 400) -> pd.DataFrame:
    """Run one study."""
    rng = np.random.default_rng([seed, number])
    frame = _draw(rng)
    sample = PanelIndex(frame["unit"].to_numpy(), frame["period"].to_numpy())
    tables = print_tables(frame, sample, COLUMNS, known_variables=["d"])
    _, problem = forget(f"simulated {number}", tables)
    panels = _feasible(problem, rng, starts)
    asked = _estimands(sample)
    ranges = problem.ranges(asked, panels, max_iterations=steps)
    values = _truth(problem, frame)
    rows = []
    for quantity, found in zip(asked, ranges, strict=True):
        true = quantity.evaluate(values)[0]
        rows.append((number, found.name, true, found.low, found.high, found.contains(true)))
    return pd.DataFrame(rows, columns=["study", "quantity", "truth", "low", "high", "inside"])


def run(
    studies: int | Sequence[int],
    *,
    seed: int = 0,
    path: Path | None = None,
    workers: int | None = None,
    progress: bool = True,
) -> pd.DataFrame:
    """Run many studies; the result does not depend on the number of workers."""
    numbers = range(studies) if isinstance(studies, int) else studies
    job = partial(_one, seed=seed)
    jobs = [(number,) for number in numbers]
    found = spread(job, jobs, workers=workers, what="studies", progress=progress)
    frame: pd.DataFrame = pd.concat(found, ignore_index=True)
    if path is not None:
        text = frame.to_csv(index=False, float_format="%.6g", lineterminator="\n")
        path.write_text(text, "utf-8")
    return frame
