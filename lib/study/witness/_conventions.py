r"""Which formula can have printed Table 4: a search for each convention of what is not said.

The table prints z beside "city fixed effects: yes" and does not say how the standard
errors were computed.  For each convention the search asks for a panel that meets every
cell of Tables 2 and 4 *under that convention*.  A panel found proves that the convention can
have printed the table.  None found proves nothing by itself: there the verdict is
*undecided*, with the best deviation from how many starts, unless the audit has a proof.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from printproof.printed import Record
from printproof.rules import classical_step
from printproof.witness import Array, Design, Problem, spread
from study import published
from study.panel import load_witness
from study.replication import CONTROLS, PAPER, TREATMENT, cell
from study.witness import _problem
from study.witness._sample import Sample

#: Smallest and largest ratio of the variance of city effects to that of the noise that a
#: search under random effects draws for a column.
RATIOS = (0.2, 50.0)
#: Readings that transform all columns alike and then use the homoskedastic formula.
FIXED = (
    "classical",
    "random effects, one ratio",
    "maximum likelihood, one ratio",
    "weighted, one vector",
)


@dataclass(frozen=True)
class Convention:
    """An unstated choice behind the printed statistics.

    Attributes
    ----------
    name, about : str
    errors : str
        As :class:`~printproof.witness.Model`.
    factor : float
        Multiple of the variance.
    design : Design or None
        The two-way within design by default.
    ratios : tuple of float or None
        For random effects: another ratio of variances for each column.
    """

    name: str
    about: str
    errors: str
    factor: float = 1.0
    design: Design | None = None
    ratios: tuple[float, ...] | None = None


def conventions() -> list[Convention]:
    """Return the conventions that are searched."""
    rows = Sample.printed().on
    cities, years = rows["city"].to_numpy(), rows["year"].to_numpy()
    n, clusters = len(rows), len(set(cities))
    base = Design.two_way(cities, years)
    k = 7  # the longest column: constant, treatment and five controls
    df = n - k - base.effects.shape[1]
    nested = n - k - (len(set(years)) - 1)  # city effects are nested in clusters: not counted
    found = [
        Convention("clustered, n/(n-k)", "linearmodels' default, effects counted", "clustered"),
        Convention(
            "clustered, Stata",
            "G/(G-1) (n-1)/(n-k), effects nested in clusters not counted",
            "clustered",
            clusters / (clusters - 1) * (n - 1) / nested * df / n,
        ),
        Convention("clustered, no factor", "the sandwich alone", "clustered", df / n),
        Convention("classical", "homoskedastic, degrees of freedom n-k", "classical"),
        Convention("HC1", "robust, n/(n-k)", "robust"),
        Convention("HC3", "robust, residuals over one less leverage", "jackknife"),
    ]
    common = random_effects(cities, years, 10.0)
    found += [
        Convention(
            "random effects, one ratio",
            "GLS with year dummies, the same ratio of variances in all columns",
            "classical",
            design=common,
        ),
        Convention(
            "random effects, own ratios",
            "GLS with year dummies, each column with a ratio of its own",
            "classical",
            ratios=RATIOS,
        ),
        Convention(
            "maximum likelihood, one ratio",
            "as random effects, residual variance divided by n",
            "likelihood",
            design=common,
        ),
        Convention(
            "maximum likelihood, own ratios",
            "as random effects, each column with a ratio of its own",
            "likelihood",
            ratios=RATIOS,
        ),
    ]
    found.append(
        Convention(
            "weighted, one vector",
            "each city weighted by the inverse of its own residual spread, alike in all columns",
            "classical",
            1.0,
            weighted(cities, years, _city_weights()),
        )
    )
    found.append(
        Convention(
            "matching weights",
            "rows weighted as caliper matching weights them in the witness",
            "clustered",
            1.0,
            weighted(cities, years, _matching_weights()),
        )
    )
    return found


def random_effects(cities: NDArray[Any], years: NDArray[Any], ratio: float) -> Design:
    r"""Return the quasi-demeaning design of random city effects with year dummies.

    City *i* with :math:`T_i` rows is demeaned by the share
    :math:`\theta_i = 1 - (1 + T_i \sigma_u^2/\sigma_e^2)^{-1/2}`.
    """
    codes = np.unique(cities, return_inverse=True)[1]
    same = (codes[:, None] == codes[None, :]).astype(float)
    size = same.sum(axis=1)
    theta = 1 - 1 / np.sqrt(1 + size * ratio)
    transform = np.eye(len(codes)) - (theta / size)[:, None] * same
    return _transformed(codes, years, transform)


def weighted(cities: NDArray[Any], years: NDArray[Any], weights: Array) -> Design:
    """Return the design of two-way fixed effects with rows weighted."""
    codes = np.unique(cities, return_inverse=True)[1]
    units = np.eye(codes.max() + 1)[codes]
    transform = np.diag(np.sqrt(weights / weights.mean()))
    centred = units - units.mean(axis=0)
    return _transformed(codes, years, transform, extra=centred)


def _transformed(
    codes: NDArray[Any], years: NDArray[Any], transform: Array, extra: Array | None = None
) -> Design:
    steps = np.unique(years, return_inverse=True)[1]
    dummies = np.eye(steps.max() + 1)[steps][:, 1:]
    if extra is not None:
        dummies = np.hstack([extra, dummies])
    left, singular, _ = np.linalg.svd(transform @ dummies, full_matrices=False)
    return Design(left[:, singular > 1e-9 * singular[0]], codes, 1.0, transform)


def _shipped() -> pd.DataFrame:
    return load_witness().frame


def _city_weights() -> Array:
    """Return the inverse residual variance of each row's city in the shipped witness."""
    from study.replication import CONTROLS, OUTCOME, TREATMENT

    matched = _shipped().query("matched == 1").reset_index(drop=True)
    design = Design.two_way(matched["city"].to_numpy(), matched["year"].to_numpy())
    x = design.within(
        np.column_stack([np.ones(len(matched)), matched[[TREATMENT, *CONTROLS]].to_numpy(float)])
    )
    y = design.within(matched[OUTCOME].to_numpy(float))
    e = y - x @ np.linalg.lstsq(x, y, rcond=None)[0]
    variance = pd.Series(e**2).groupby(matched["city"]).transform("mean")
    precision: Array = 1 / np.maximum(variance.to_numpy(), 1e-6)
    return precision


def _matching_weights() -> Array:
    """Return the matched rows' weights of caliper matching in the shipped witness."""
    from study import replication

    frame = _shipped()
    found = replication.MATCHING.matches(frame, replication.score(frame))["caliper"]
    labels = frame.index[frame["matched"] == 1]
    weights = found.sample_weights.reindex(labels).fillna(0.0).to_numpy()
    # a row without a match hardly counts
    floored: Array = np.maximum(weights, 1e-3 * weights.max())
    return floored


@dataclass(frozen=True)
class Searched:
    """What a search under a convention found.

    Attributes
    ----------
    convention : Convention
    starts : int
        Starts tried.
    met : bool
        Whether a panel met every cell.
    worst : float
        The best panel's largest deviation, in half units of the last printed digit.
    where : str
        The cell that deviates most in it.
    """

    convention: Convention
    starts: int
    met: bool
    worst: float
    where: str


def search(
    convention: Convention, *, starts: int = 6, seed: int = 0, steps: int = 1500
) -> Searched:
    """Look for a panel that meets Tables 2 and 4 under a convention.

    The first start is the shipped witness, the second near it, the others anywhere: city
    levels, a trend and the printed effect.
    """
    plan, values = Sample.printed(), _problem.values(_shipped())
    best = None
    for attempt in range(starts):
        rng = np.random.default_rng([seed, attempt])
        problem = _under(convention, rng)
        if attempt == 0:
            start = values
        elif attempt == 1:
            start = problem.near(values, rng, 0.3)
        else:
            start = _problem.start(problem, plan, rng)
        found = problem.find(rng, start=start, max_iterations=steps)
        if best is None or found.worst < best.worst:
            best = found
        if found.feasible:
            return Searched(convention, attempt + 1, True, found.worst, found.where)
    if best is None:
        raise ValueError(f"{starts} starts: at least one is needed")
    return Searched(convention, starts, False, best.worst, best.where)


def _under(convention: Convention, rng: np.random.Generator) -> Problem:
    problem = _problem.problem(
        errors=convention.errors, factor=convention.factor, design=convention.design
    )
    if convention.ratios is None:
        return problem
    rows = Sample.printed().on
    cities, years = rows["city"].to_numpy(), rows["year"].to_numpy()
    low, high = np.log(convention.ratios)
    models = tuple(
        replace(m, design=random_effects(cities, years, float(np.exp(rng.uniform(low, high)))))
        for m in problem.models
    )
    return replace(problem, models=models)


def excluded(convention: str, record: Record | None = None) -> bool:
    """Say whether the identity of nested columns rules a convention of one transformation out.

    The identity is tried with every count of residual degrees of freedom that absorbed
    effects could leave, and with none deducted at all.
    """
    if convention not in FIXED:
        return False
    record = published.load(PAPER) if record is None else record
    n, slopes = int(record.get(cell("table4", "N", "(2)", "value")).value), 3
    places = [
        {s: cell("table4", row, column, s) for s in ("coef", "statistic")}
        for row, column in ((TREATMENT, "(1)"), (TREATMENT, "(2)"), (CONTROLS[1], "(2)"))
    ]
    short, long, entering = places
    freedoms = [n] if convention.startswith("maximum") else range(n - 40 - slopes, n + 1)
    return not any(classical_step(short, long, entering, df).possible(record) for df in freedoms)


def _job(
    convention: Convention, starts: int, steps: int
) -> tuple[str, str, int, bool, float, str, str]:
    found = search(convention, starts=starts, steps=steps)
    proved = excluded(convention.name)
    verdict = "possible" if found.met else "impossible" if proved else "undecided"
    return (
        convention.name,
        convention.about,
        found.starts,
        found.met,
        found.worst,
        found.where,
        verdict,
    )


_COLUMNS = ["reading", "about", "starts", "met", "worst", "where", "verdict"]


def run(
    path: Path | None = None,
    *,
    starts: int = 8,
    steps: int = 1500,
    workers: int | None = None,
    progress: bool = True,
) -> pd.DataFrame:
    """Search under every convention and write what was found."""
    jobs = [(convention, starts, steps) for convention in conventions()]
    rows = spread(_job, jobs, workers=workers, what="readings", progress=progress)
    frame = pd.DataFrame(rows, columns=_COLUMNS)
    if path is not None:
        path.write_text(
            frame.to_csv(index=False, float_format="%.4g", lineterminator="\n"), "utf-8"
        )
    return frame
