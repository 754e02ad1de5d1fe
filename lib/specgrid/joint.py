r"""One test for a whole specification curve: whether anything happened at all.

Whole adoption paths are handed to other units, the same reassignment for all
specifications, and every specification is estimated again.  Under the null of no effect
on any unit the outcomes stay what they are, so the curve as observed is one of the
curves that the reassignments give.  It is ranked among them by three statistics of
Simonsohn, Simmons and Nelson (2020):

* the median estimate;
* the share of specifications that are significant in the dominant direction;
* Stouffer's combination of the p values, :math:`\sum_s z_s / \sqrt K`.

Specifications share data and are anything but independent; the ranking needs no
independence, because the dependence is the same in each reassigned curve.  The share takes
few values, and ties make its test careful: it rejects a true null at most as often as its
level says.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import special, stats

from ftz._refusals import one_of
from ftz._results import checked_level
from ftz.errors import EstimationError
from ftz.inference._assignments import count_assignments, enumerate_assignments
from specgrid._estimate import estimate_many, is_reassignable
from specgrid._results import JointTest

if TYPE_CHECKING:
    from specgrid._grid import Specification
    from userpanel import UserPanel

Floats = npt.NDArray[np.float64]
#: With no more distinct reassignments than this, all of them are estimated.
ENUMERATE_UP_TO = 2_000
#: How treatment is reassigned; ``observations`` is there to be compared with.
SCHEMES = ("units", "observations")

#: The three statistics, in the order of the paper.
STATISTICS = ("median", "share", "stouffer")


def joint_test(
    study: UserPanel,
    specifications: Sequence[Specification],
    *,
    seed: int | np.random.Generator,
    draws: int = 500,
    level: float = 0.05,
    df: float | None = None,
    scheme: str = "units",
    enumerate_up_to: int = ENUMERATE_UP_TO,
) -> JointTest:
    """Rank the specification curve among those of reassigned adoption paths.

    Parameters
    ----------
    study : userpanel.UserPanel
    specifications : sequence of Specification
        Two-way fixed effects with clustered standard errors (CR1) on rows that do not
        depend on who is treated: ``matching`` is ``none``.  :func:`eligible` picks them
        from a grid.
    seed : int or numpy.random.Generator
        The same seed gives the same draws.
    draws : int
        Random reassignments, where they are too many to enumerate.
    level : float
        At which a specification counts as significant, two-sided.
    df : float, optional
        Degrees of freedom of the t distribution; the normal if not given.
    scheme : {"units", "observations"}
        ``units`` hands whole adoption paths to other units: a unit that gets another's
        path gets it under every coding of the adoption year.  ``observations`` shuffles the rows
        of the treatment; it is no valid test where outcomes persist, and there to be
        compared with.
    enumerate_up_to : int
        Enumerate all reassignments of paths, instead of drawing, if there are no more.

    Raises
    ------
    EstimationError
        No specification, one that is not eligible, unknown scheme, fewer than one draw,
        no curve that can be estimated.

    Notes
    -----
    Simonsohn, Simmons and Nelson (2020), inference under the null by shuffling the
    treatment, with whole paths in the place of single observations, since a treatment that
    switches on and stays on must be compared with others that do (Bertrand, Duflo and
    Mullainathan 2004).  Exact if the paths could have fallen to any unit with equal chance.
    """
    specifications = list(specifications)
    if not specifications:
        raise EstimationError("no specification to test")
    one_of("scheme", scheme, SCHEMES)
    codings = list(dict.fromkeys(s.adoption for s in specifications))
    treatments, count, exact = _treatments(study, codings, scheme, draws, seed, enumerate_up_to)
    estimates, tstats = _estimates(study, specifications, treatments)
    return _rank_curves(
        estimates,
        tstats,
        exact=exact,
        n_assignments=count,
        scheme=scheme,
        level=level,
        df=df,
        seed=int(seed) if isinstance(seed, int | np.integer) and not exact else None,
    )


def eligible(specifications: Iterable[Specification]) -> list[Specification]:
    """Return the specifications that :func:`joint_test` takes."""
    return [s for s in specifications if is_reassignable(s)]


def _estimates(
    study: UserPanel, specifications: Sequence[Specification], treatments: dict[str, Floats]
) -> tuple[Floats, Floats]:
    """Estimate each specification under the treatments of its own coding."""
    shape = len(specifications), next(iter(treatments.values())).shape[1]
    estimates, tstats = np.empty(shape), np.empty(shape)
    for coding, columns in treatments.items():
        rows = [i for i, s in enumerate(specifications) if s.adoption == coding]
        mine = [specifications[i] for i in rows]
        estimates[rows], tstats[rows] = estimate_many(study, mine, columns)
    return estimates, tstats


def _observed(study: UserPanel, coding: str, starts: Floats) -> Floats:
    """Return the treatment as it was, one entry a row of the study's frame."""
    if coding == "launch":
        return study.frame[study.treatment].to_numpy(float)
    return _switched_on(study, starts[None, :])[:, 0]


def _switched_on(study: UserPanel, starts: Floats) -> Floats:
    """Return treatment columns, shape (n, B), from first treated periods, shape (B, N)."""
    units = pd.Categorical(study.frame[study.unit], categories=study.units).codes
    periods = study.frame[study.time].to_numpy(float)
    on: Floats = (periods >= starts[:, units]).T.astype(float)
    return on


def _starts(study: UserPanel, codings: Sequence[str]) -> dict[str, Floats]:
    """Return the first treated period of each unit under each coding, infinite for never."""
    from specgrid._samples import adoption

    last = study.periods[-1]
    starts = {}
    for coding in codings:
        first = adoption(study, coding)
        start = np.array([first[unit] for unit in study.units], dtype=float)
        starts[coding] = np.where(start <= last, start, np.inf)  # NaN is never, too
    return starts


def _treatments(
    study: UserPanel,
    codings: Sequence[str],
    scheme: str,
    draws: int,
    seed: int | np.random.Generator,
    enumerate_up_to: int,
) -> tuple[dict[str, Floats], int, bool]:
    """Return the observed and reassigned treatments by coding; their number; if all are there."""
    if draws < 1:
        raise EstimationError(f"draws must be at least 1, not {draws}")
    starts = _starts(study, codings)
    observed = {coding: _observed(study, coding, start) for coding, start in starts.items()}
    if scheme == "units":
        paths = list(zip(*(start.tolist() for start in starts.values()), strict=True))
        givers, count, exact = _reassigned_paths(paths, draws, seed, enumerate_up_to)
        others = {coding: _switched_on(study, start[givers]) for coding, start in starts.items()}
    else:  # shuffle rows, the same shuffle for every coding; always by drawing
        rows = np.tile(np.arange(len(study.frame)), (draws, 1))
        orders, exact = np.random.default_rng(seed).permuted(rows, axis=1).T, False
        others = {coding: column[orders] for coding, column in observed.items()}
        seen = np.column_stack(list(observed.values()))
        count = count_assignments(np.unique(seen, axis=0, return_inverse=True)[1].ravel())
    both = {c: np.column_stack([observed[c], others[c]]) for c in codings}
    return both, count, exact


def _curve_statistics(
    estimates: Floats, tstats: Floats, *, level: float = 0.05, df: float | None = None
) -> pd.DataFrame:
    """Return ``median``, ``share`` and ``stouffer`` of each curve, a column of shape (S, B) each.

    A specification without an estimate (NaN) is left out of its curve; a curve without any has
    NaN.  Levels are two-sided; ``df`` are those of the t distribution, the normal if not given.
    """
    estimates, tstats = (np.asarray(a, dtype=float) for a in (estimates, tstats))
    if estimates.shape != tstats.shape or estimates.ndim != 2:
        raise EstimationError("estimates and t statistics must have one shape (S, B)")
    checked_level(level)
    there = np.isfinite(estimates) & np.isfinite(tstats)
    count = there.sum(axis=0)
    known = np.where(there, estimates, np.nan)
    median = np.full(known.shape[1], np.nan)
    median[count > 0] = np.nanmedian(known[:, count > 0], axis=0)
    z = np.where(there, tstats if df is None else _as_normal(tstats, df), 0.0)
    critical = special.ndtri(1 - level / 2)
    counts = np.maximum(count, 1)
    above, below = (((side * z) > critical).sum(axis=0) / counts for side in (1, -1))
    share = np.where(median > 0, above, np.where(median < 0, below, np.maximum(above, below)))
    table = {"median": median, "share": share, "stouffer": z.sum(axis=0) / np.sqrt(counts)}
    return pd.DataFrame(table).where(pd.Series(count > 0), np.nan)


def _as_normal(tstats: Floats, df: float) -> Floats:
    """Return the normal deviates with the p values of t statistics, far tails included."""
    size = -special.ndtri(stats.t(df).sf(np.abs(tstats)))
    z: Floats = np.sign(tstats) * np.minimum(size, 38.0)
    return z


def normal_p(tstat: float) -> float:
    """Return the two-sided normal p value of a t statistic."""
    return float(2 * special.ndtr(-abs(tstat)))


def _rank_curves(
    estimates: Floats,
    tstats: Floats,
    *,
    exact: bool,
    n_assignments: int,
    scheme: str = "units",
    level: float = 0.05,
    df: float | None = None,
    seed: int | None = None,
) -> JointTest:
    """Rank the first curve, the observed one, among the others, columns of shape (S, 1 + B).

    ``exact`` says whether the others are all reassignments that there are.
    """
    table = _curve_statistics(estimates, tstats, level=level, df=df)
    observed, null = table.iloc[0], table.iloc[1:]
    valid = null["median"].notna()
    if observed.isna().any() or not valid.any():
        raise EstimationError(
            "no curve to rank: the specifications cannot be estimated on this study"
        )
    columns = np.flatnonzero(valid.to_numpy()) + 1
    return JointTest(
        observed=observed.rename("observed"),
        null=null[valid].reset_index(drop=True),
        curve=_ranked(estimates[:, 0], estimates[:, columns]),
        estimates=estimates[:, 0].copy(),
        tstats=tstats[:, 0].copy(),
        exact=exact,
        n_assignments=n_assignments,
        n_degenerate=int((~valid).sum()),
        n_specifications=int(np.isfinite(estimates[:, 0]).sum()),
        level=level,
        scheme=scheme,
        seed=seed,
    )


def _ranked(observed: Floats, null: Floats) -> pd.DataFrame:
    """Return the observed estimates in order beside quantiles of the reassigned ones."""
    curve = np.sort(observed[np.isfinite(observed)])
    places = (np.arange(len(curve)) + 0.5) / len(curve)
    whole = np.isfinite(null).all(axis=0)
    if whole.any() and len(null) == len(curve):
        ordered = np.sort(null[:, whole], axis=0)
    else:  # curves of unequal length are read at the same relative ranks
        parts = [np.quantile(c[np.isfinite(c)], places) for c in null.T]
        ordered = np.column_stack(parts)
    lower, middle, upper = np.quantile(ordered, [0.025, 0.5, 0.975], axis=1)
    return pd.DataFrame({"observed": curve, "lower": lower, "middle": middle, "upper": upper})


def _reassigned_paths(
    paths: Sequence[Any], draws: int, seed: int | np.random.Generator, enumerate_up_to: int
) -> tuple[npt.NDArray[np.int64], int, bool]:
    """Return whose path each unit gets, a reassignment a row; their number; if all are there.

    Units with equal (hashable) paths are interchangeable.
    """
    numbers: dict[Any, int] = {}
    labels = np.array([numbers.setdefault(path, len(numbers)) for path in paths])
    count = count_assignments(labels)
    first = np.array([int(np.argmax(labels == number)) for number in range(len(numbers))])
    if count <= enumerate_up_to:
        return first[enumerate_assignments(labels)], count, True
    rng = np.random.default_rng(seed)
    return first[rng.permuted(np.tile(labels, (draws, 1)), axis=1)], count, False
