"""What Tables 2 and 4 force of the numbers that they do not print.

:func:`run` moves each smooth quantity as far as it goes while every printed cell of the
two tables is met, on the shipped witness's sample, and writes the ends.  Each end is
attained by a panel, so that a range is never too wide; whether it is as wide as it can
be, search cannot prove: the column ``agreement`` says how many starts came to the same
end.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from ftz.errors import EstimationError
from printproof.witness import Estimand, FittedPanel, Problem, Range, spread
from study.panel import load_witness
from study.witness import _estimands, _problem
from study.witness._sample import Sample

#: Steps towards each bound.
_STEPS = 200


def starts(problem: Problem, frame: pd.DataFrame, n: int, seed: int = 0) -> list[FittedPanel]:
    """Return ``n`` feasible panels: the given witness, and others found around it."""
    values = _problem.values(frame)
    first = problem.find(np.random.default_rng(seed), start=values)
    if not first.feasible:
        raise EstimationError(
            f"the panel misses {first.where} by {first.worst:.2f} half units of its last digit"
        )
    found = [first]
    for attempt in range(10 * n):
        if len(found) == n:
            break
        rng = np.random.default_rng([seed, attempt])
        moved = problem.find(rng, start=problem.near(values, rng, 0.25))
        if moved.feasible:
            found.append(moved)
    return found


def _declared() -> tuple[Problem, list[Estimand]]:
    """Return Tables 2 and 4 on the shipped sample, and the smooth quantities there."""
    problem, rows = _problem.problem(), Sample.printed().on
    cities, years = rows["city"].to_numpy(), rows["year"].to_numpy()
    return problem, _estimands.smooth(problem, cities, years)


@cache
def _prepared(n_starts: int) -> tuple[Problem, list[Estimand], list[FittedPanel]]:
    """Find the panels to set out from, once in each process."""
    problem, smooth = _declared()
    return problem, smooth, starts(problem, load_witness().frame, n_starts)


def _one(index: int, n_starts: int, steps: int) -> Range:
    problem, smooth, panels = _prepared(n_starts)
    return problem.ranges([smooth[index]], panels, max_iterations=steps)[0]


def run(
    path: Path | None = None,
    *,
    n_starts: int = 2,
    steps: int = _STEPS,
    workers: int | None = None,
    progress: bool = True,
    only: Sequence[int] | None = None,
) -> pd.DataFrame:
    """Compute the range of every smooth quantity and write it."""
    wanted = range(len(_declared()[1])) if only is None else only
    jobs = [(index, n_starts, steps) for index in wanted]
    found = spread(_one, jobs, workers=workers, what="ranges", progress=progress)
    frame = pd.DataFrame(
        [(r.name, r.low, r.high, r.starts, r.agreement) for r in found],
        columns=["quantity", "low", "high", "starts", "agreement"],
    )
    if path is not None:
        path.write_text(
            frame.to_csv(index=False, float_format="%.6g", lineterminator="\n"), "utf-8"
        )
    return frame
