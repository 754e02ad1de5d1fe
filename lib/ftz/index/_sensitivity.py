"""How much do unpublished choices move a result?  Every combination, Sobol, PAWN, Monte Carlo.

The result is any number that follows from a specification; in this book it is the estimated effect
of a zone, not a rank.  The choices are discrete, so all combinations can be computed and the
variance decomposed without any sampling error; sampling then shows that the usual estimators
agree, and gives the intervals that a reader expects.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd

from ftz._results import Result, checked_level
from ftz.errors import EstimationError
from ftz.index._effects import linear_functional
from ftz.index._pipeline import IndexSpec, Pipeline

Model = Callable[[IndexSpec], float]


@dataclass(frozen=True)
class Factor:
    """A choice that is not published, with its options.

    Attributes
    ----------
    name : str
    options : mapping
        Label to the changes of the specification that the option stands for.
    """

    name: str
    options: Mapping[str, Mapping[str, object]]

    @classmethod
    def of(cls, choice: str, *options: object) -> Factor:
        """Return the factor that is one choice of a specification, by its name."""
        return cls(choice, {str(option): {choice: option} for option in options})


@dataclass(frozen=True)
class AttModel:
    """From a specification to the estimated effect; made by :func:`ftz.index.att_model`.

    Attributes
    ----------
    pipeline : Pipeline
    functional : numpy.ndarray
        What turns an outcome into its coefficient (``linear_functional``).
    rows : numpy.ndarray
        Places of the regression's rows in the panel of indicators.
    log : bool
        The outcome is the logarithm of the index; else 100 times the index.
    """

    pipeline: Pipeline
    functional: np.ndarray
    rows: np.ndarray
    log: bool

    def __call__(self, spec: IndexSpec) -> float:
        """Build the index by a specification and return the effect on it."""
        return self.effect(self.pipeline.node_values(spec)[0][""])

    def effect(self, index: np.ndarray) -> float:
        """Return the effect on an index that is already there, on its scale from zero to one."""
        outcome = index[self.rows]
        if not self.log:
            return float(self.functional @ (100 * outcome))
        if not outcome.min() > 0:
            raise EstimationError("the index is not positive in every row: it has no logarithm")
        return float(self.functional @ np.log(outcome))


def att_model(
    pipeline: Pipeline,
    frame: pd.DataFrame,
    treatment: str,
    controls: Sequence[str] = (),
    *,
    log: bool = True,
    unit: str = "city",
    time: str = "year",
) -> AttModel:
    """Return the function that takes a specification and gives the estimated effect.

    Parameters
    ----------
    pipeline : Pipeline
    frame : pandas.DataFrame
        Rows of the regression with treatment and controls.
    log : bool
        The outcome is the logarithm of the index, as in the paper; else 100 times the index.

    Raises
    ------
    EstimationError
        A row that the indicators lack, or a design that no regression answers; and from the
        function, if the index is not positive in a row and ``log`` is set.
    """
    functional, _, _ = linear_functional(frame, treatment, controls, unit=unit, time=time)
    rows = pipeline.indicators.index.get_indexer(pd.MultiIndex.from_frame(frame[[unit, time]]))
    if (rows < 0).any():
        raise EstimationError("the indicators lack a row of the frame")
    return AttModel(pipeline, functional, rows, log)


def combinations(
    factors: Sequence[Factor], base: IndexSpec | None = None
) -> Iterator[tuple[tuple[str, ...], IndexSpec]]:
    """Yield the labels and the specification of every combination of options."""
    base = base or IndexSpec()
    for labels in product(*(f.options for f in factors)):
        changes: dict[str, object] = {}
        for factor, label in zip(factors, labels, strict=True):
            changes |= factor.options[label]
        yield labels, base.but(**changes)


# --- every combination --------------------------------------------------------------------------


@dataclass(frozen=True, repr=False)
class FactorialResult(Result):
    """A result for every combination of choices.

    Attributes
    ----------
    values : pandas.Series
        Indexed by the options, one level a factor.
    """

    no_interval = "all combinations are computed: there is no sampling error"
    _brief = True

    values: pd.Series

    @property
    def summary(self) -> pd.DataFrame:
        """The Sobol indices."""
        return self.sobol

    @property
    def _head(self) -> str:
        size = " x ".join(str(k) for k in self._shape)
        return (
            f"{len(self.values)} combinations ({size}): "
            f"results from {self.values.min():.4g} to {self.values.max():.4g}"
        )

    @property
    def _shape(self) -> tuple[int, ...]:
        assert isinstance(self.values.index, pd.MultiIndex), "one level for each choice"
        return tuple(len(options) for options in self.values.index.levels)

    def _cube(self) -> np.ndarray:
        return self.values.to_numpy().reshape(self._shape)

    @property
    def sobol(self) -> pd.DataFrame:
        """First-order and total Sobol indices, all combinations equally likely; exact.

        A factor whose options are identical has exactly zero in both columns.
        """
        cube, rows = self._cube(), {}
        variance = cube.var()
        if variance == 0:
            raise EstimationError("no choice moves the result: it has no variance to share out")
        for axis, name in enumerate(self.values.index.names):
            others = tuple(k for k in range(cube.ndim) if k != axis)
            means = cube.mean(axis=others)
            # about the first option, so that identical options differ by exactly nothing
            apart = cube - cube.take([0], axis=axis)
            rows[name] = {
                "first": (means - means[0]).var() / variance,
                "total": apart.var(axis=axis).mean() / variance,
            }
        return pd.DataFrame.from_dict(rows, orient="index")

    @property
    def pawn(self) -> pd.DataFrame:
        """Largest and median Kolmogorov-Smirnov distance when a factor is held at an option.

        Pianosi and Wagener (2015): no variance is involved, so a few far results do not
        dominate.  All combinations are used, so a factor without influence has exactly zero.
        """
        cube, rows = self._cube(), {}
        points = np.unique(cube)
        whole = _distribution(cube.ravel(), points)
        for axis, name in enumerate(self.values.index.names):
            held = [
                np.abs(_distribution(part.ravel(), points) - whole).max()
                for part in np.moveaxis(cube, axis, 0)
            ]
            rows[name] = {"median": float(np.median(held)), "largest": float(max(held))}
        return pd.DataFrame.from_dict(rows, orient="index")

    def means(self, factor: str) -> pd.Series:
        """Return the average result at each option of a factor."""
        return self.values.groupby(level=factor, sort=False).mean()


def _distribution(sample: np.ndarray, points: np.ndarray) -> np.ndarray:
    return np.searchsorted(np.sort(sample), points, side="right") / sample.size


def factorial(
    model: Model, factors: Sequence[Factor], base: IndexSpec | None = None
) -> FactorialResult:
    """Compute a result for every combination of choices.

    Parameters
    ----------
    model : callable
        IndexSpec to number, as from :func:`ftz.index.att_model`.
    factors : sequence of Factor
        At least one option each.
    base : IndexSpec, optional
        What the factors do not name.
    """
    results, same = {}, {}
    for labels, spec in combinations(factors, base):
        key = repr(spec.log)
        if key not in same:  # options may differ in name only
            same[key] = model(spec)
        results[labels] = same[key]
    index = pd.MultiIndex.from_product(
        [list(f.options) for f in factors], names=[f.name for f in factors]
    )
    return FactorialResult(pd.Series([results[k] for k in index], index=index, name="result"))


# --- sampled Sobol indices ----------------------------------------------------------------------


@dataclass(frozen=True, repr=False)
class SobolResult(Result):
    """Sobol indices from a sample.

    Attributes
    ----------
    table : pandas.DataFrame
        One row an input: ``first``, ``total`` and the ends of their bootstrap intervals.
    evaluations : int
        How often the function was called for.
    """

    no_interval = "its bootstrap intervals, at the level asked for, stand in the table"

    table: pd.DataFrame
    evaluations: int

    @property
    def _head(self) -> str:
        return f"Sobol indices from {self.evaluations} evaluations"


def sobol_indices(
    function: Callable[[np.ndarray], np.ndarray],
    bounds: Mapping[str, tuple[float, float]],
    n: int = 1024,
    *,
    seed: int,
    level: float = 0.95,
    resamples: int = 200,
) -> SobolResult:
    """Estimate first-order and total Sobol indices of a function, with SALib.

    Parameters
    ----------
    function : callable
        (N, d) points to N results.
    bounds : mapping
        Input to its interval; inputs are independent and uniform.
    n : int
        A power of two; the function is called at n * (d + 2) points.
    seed : int
        Of the scrambled sequence and of the bootstrap.
    level, resamples : float, int
        Of the bootstrap intervals.

    Notes
    -----
    Sobol (2001); estimators of Saltelli et al. (2010) as in SALib.

    Examples
    --------
    Of 3a + b, both uniform, nine tenths of the variance are those of a.

    >>> unit = {"a": (0, 1), "b": (0, 1)}
    >>> result = sobol_indices(lambda x: 3 * x[:, 0] + x[:, 1], unit, 256, seed=1)
    >>> result.table["first"].round(3).tolist()
    [0.9, 0.1]
    """
    from SALib.analyze import sobol as analysis
    from SALib.sample import sobol as sampling

    problem = {
        "num_vars": len(bounds),
        "names": list(bounds),
        "bounds": [list(pair) for pair in bounds.values()],
    }
    points = sampling.sample(problem, n, calc_second_order=False, seed=seed)
    results = np.asarray(function(points), dtype=float)
    if results.std() == 0:
        raise EstimationError("the function does not vary: it has no variance to share out")
    indices = analysis.analyze(
        problem,
        results,
        calc_second_order=False,
        conf_level=checked_level(level),
        num_resamples=resamples,
        seed=seed,
    )
    summary = pd.DataFrame(index=list(bounds))
    for ours, theirs in (("first", "S1"), ("total", "ST")):
        summary[ours] = indices[theirs]
        summary[f"{ours}_low"] = indices[theirs] - indices[f"{theirs}_conf"]
        summary[f"{ours}_high"] = indices[theirs] + indices[f"{theirs}_conf"]
    return SobolResult(summary, len(points))


def sobol_of_choices(
    table: FactorialResult, n: int = 1024, *, seed: int, resamples: int = 200
) -> SobolResult:
    """Estimate Sobol indices by sampling from a table of all combinations.

    Each factor becomes a number in [0, 1) that picks one of its options.  The exact indices
    are :attr:`FactorialResult.sobol`; this is what a study that cannot compute every
    combination would see.
    """
    cube = table._cube()

    def look_up(points: np.ndarray) -> np.ndarray:
        picks = [
            np.minimum((u * k).astype(int), k - 1)
            for u, k in zip(points.T, cube.shape, strict=True)
        ]
        values: np.ndarray = cube[tuple(picks)]
        return values

    bounds = {str(name): (0.0, 1.0) for name in table.values.index.names}
    return sobol_indices(look_up, bounds, n, seed=seed, resamples=resamples)


# --- Monte Carlo --------------------------------------------------------------------------------


@dataclass(frozen=True, repr=False)
class UncertaintyResult(Result):
    """What the index and the effect could have been.

    Attributes
    ----------
    effects : pandas.Series
        One estimated effect a replication.
    ranks : pandas.DataFrame
        Replications by units: rank in the chosen period, 1 is best.
    choices : pandas.DataFrame
        Replications by factors: the option that was drawn.
    """

    no_interval = "its spread is over choices, none of which was sampled from nature: quantiles()"
    _brief = True

    effects: pd.Series
    ranks: pd.DataFrame
    choices: pd.DataFrame

    @property
    def summary(self) -> pd.DataFrame:
        """Quantiles of the effect."""
        return self.quantiles().to_frame()

    @property
    def _head(self) -> str:
        low, middle, high = self.quantiles()
        return f"{len(self.effects)} replications: {middle:.4g} ({low:.4g} to {high:.4g})"

    def share_of_sign(self) -> float:
        """Return the share of replications with a positive effect."""
        return float((self.effects > 0).mean())

    def quantiles(self, levels: Sequence[float] = (0.025, 0.5, 0.975)) -> pd.Series:
        """Return quantiles of the effect."""
        return self.effects.quantile(list(levels))


def uncertainty(
    model: AttModel,
    factors: Sequence[Factor],
    base: IndexSpec | None = None,
    *,
    draws: int = 10_000,
    spread: float = 0.25,
    period: object = None,
    seed: int,
    progress: bool = False,
) -> UncertaintyResult:
    """Build the index again and again with drawn choices and disturbed weights.

    In each replication every factor takes one of its options at random and every node's
    share among its siblings is multiplied by a number drawn from [1 - spread, 1 + spread]
    and scaled back to one; index, ranks and effect follow.

    Parameters
    ----------
    model : AttModel
        From :func:`ftz.index.att_model`; its pipeline has rows indexed by (unit, period).
    factors : sequence of Factor
    base : IndexSpec, optional
        What the factors do not name.
    draws : int
    spread : float
        In [0, 1).  Levels under ``level_weights`` are not disturbed.
    period : optional
        Where units are ranked; the last by default.
    seed : int
        Same seed, same numbers.
    progress : bool
        Show a bar.

    Notes
    -----
    Saisana, Saltelli and Tarantola (2005), with the effect in place of the rank.
    """
    if not 0 <= spread < 1:
        raise EstimationError(f"the spread must lie in [0, 1), and is {spread}")
    from tqdm import tqdm

    pipeline, rng = model.pipeline, np.random.default_rng(seed)
    prepared = {k: (r, pipeline.base_shares(r)) for k, r in combinations(factors, base)}
    labels = list(prepared)
    picked = rng.integers(len(labels), size=draws)
    last = pipeline.periods.max() if period is None else period
    rows = pipeline.periods == last
    units = pipeline.indicators.index.get_level_values(0)[rows]
    siblings = [pipeline.tree.children(p) for p in ("", *pipeline.tree.nodes.index)]
    siblings = [names for names in siblings if len(names) > 1]
    effects, places = np.empty(draws), np.empty((draws, int(rows.sum())))
    for draw in tqdm(range(draws), disable=not progress):
        spec, shares = prepared[labels[picked[draw]]]
        whole = pipeline.node_values(spec, _disturbed(shares, siblings, spread, rng))[0][""]
        effects[draw] = model.effect(whole)
        places[draw] = whole[rows]
    ranks = pd.DataFrame(-places, columns=units).rank(axis=1, method="min").astype(int)
    chosen = pd.DataFrame([labels[k] for k in picked], columns=[f.name for f in factors])
    return UncertaintyResult(pd.Series(effects, name="effect"), ranks, chosen)


def _disturbed(
    shares: Mapping[str, float | np.ndarray],
    siblings: Sequence[Sequence[str]],
    spread: float,
    rng: np.random.Generator,
) -> dict[str, float | np.ndarray]:
    new = dict(shares)
    for names in siblings:
        noise = rng.uniform(1 - spread, 1 + spread, len(names))
        raw = [shares[n] * u for n, u in zip(names, noise, strict=True)]
        total = sum(raw)
        new.update((n, r / total) for n, r in zip(names, raw, strict=True))
    return new
