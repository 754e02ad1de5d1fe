"""Several outcomes, one question: p values that count how often it was asked."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ftz._refusals import one_of
from ftz._results import CoefficientResult, Result
from ftz.errors import EstimationError
from ftz.inference._assignments import rank_p
from ftz.inference._bootstrap import WildBootstrapResult, wild_cluster_bootstrap
from ftz.inference._randomisation import PlaceboResult, placebo
from ftz.panel import Panel, on_panel


@dataclass(frozen=True, kw_only=True, repr=False)
class MultipleTestingResult(CoefficientResult):
    """P values of several outcomes, alone and adjusted.

    Attributes
    ----------
    table : pandas.DataFrame
        One row an outcome: ``estimate``, ``statistic``, ``p_value`` (alone),
        ``p_romano_wolf``, ``p_holm``, ``p_bonferroni``.
    method : str
        ``units`` or ``bootstrap``.
    n_draws : int
        Draws of the joint distribution.
    """

    no_interval = "the step-down adjusts p values for each other; ask for one outcome's interval"

    table: pd.DataFrame
    method: str
    n_draws: int

    @property
    def pvalues(self) -> pd.Series:
        """The p values of Romano and Wolf."""
        return self.table["p_romano_wolf"]

    # a table of its own, and no interval: as every result, not as one of coefficients
    conf_int = Result.conf_int
    summary = Result.summary
    _head = Result._head


def _step_down(observed: np.ndarray, draws: np.ndarray, *, exact: bool = False) -> np.ndarray:
    """Return p values, shape (S,), adjusted by the step-down of Romano and Wolf (2016).

    The largest statistic is held against the largest of all in each of the draws, shape
    (B, S), the second against the largest of the rest, and so on; p values may not fall.  Where
    the draws are all there are (``exact``) the observed statistic is one of them, else a
    further one.
    """
    size = np.abs(np.asarray(observed, dtype=float))
    draws = np.abs(np.asarray(draws, dtype=float))
    if draws.ndim != 2 or draws.shape[1] != len(size):
        raise EstimationError(f"draws must have {len(size)} columns, one a statistic")
    order = np.argsort(-size, kind="stable")
    # The largest among this and all smaller ones, from the smallest up.
    largest = np.maximum.accumulate(draws[:, order[::-1]], axis=1)[:, ::-1]
    count = (largest >= size[order] * (1 - 1e-10)).sum(axis=0)
    adjusted = np.empty(len(size))
    adjusted[order] = np.maximum.accumulate(rank_p(count, len(draws), exact))
    return adjusted


def holm(pvalues: np.ndarray) -> np.ndarray:
    """Return p values adjusted by Holm's (1979) step-down, valid under any dependence."""
    pvalues = np.asarray(pvalues, dtype=float)
    order = np.argsort(pvalues, kind="stable")
    steps = pvalues[order] * np.arange(len(pvalues), 0, -1)
    adjusted = np.empty(len(pvalues))
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(steps))
    return adjusted


@on_panel("outcomes", "treatment", "controls")
def romano_wolf(
    panel: Panel,
    *,
    outcomes: Sequence[str],
    seed: int | np.random.Generator,
    method: str = "bootstrap",
    draws: int = 9_999,
    adoption: Mapping[Hashable, float | None] | None = None,
) -> MultipleTestingResult:
    """Test the effect on several outcomes at once.

    Parameters
    ----------
    panel : Panel
        Or a frame, outcomes, treatment and controls: see :func:`ftz.panel.on_panel`.
    outcomes : sequence of str
        Numeric columns, two or more.
    seed : int or numpy.random.Generator
        All outcomes share the draws, so that their dependence is kept.
    method : {"bootstrap", "units"}
        The joint null distribution of the t statistics: the wild cluster bootstrap with
        the null imposed, or reassigned adoption paths.
    draws : int
        Where they are not enumerated.
    adoption : mapping, optional
        As in :func:`ftz.inference.placebo`.

    Returns
    -------
    MultipleTestingResult
        With Holm's and Bonferroni's p values beside; they ignore the dependence.

    Raises
    ------
    EstimationError
        As :func:`ftz.inference.placebo`; an unknown method, fewer than two outcomes, or
        one that is named twice.
    """
    outcomes = list(outcomes)
    if len(outcomes) < 2 or len(set(outcomes)) < len(outcomes):
        raise EstimationError("multiple testing needs two outcomes or more, each named once")
    one_of("method", method, ("bootstrap", "units"))
    start = seed if isinstance(seed, int | np.integer) else int(seed.integers(2**32))
    keys: dict[str, Any] = {"seed": start, "draws": draws}
    results: list[WildBootstrapResult] | list[PlaceboResult]
    if method == "bootstrap":
        results = wild = [wild_cluster_bootstrap(panel, o, **keys) for o in outcomes]
        alone, drawn = [r.p_value for r in wild], np.column_stack([r.draws for r in wild])
    else:
        keys |= {"scheme": "units", "adoption": adoption}
        results = paths = [placebo(panel, o, **keys) for o in outcomes]
        alone = [r.p_value_t for r in paths]
        drawn = np.column_stack([r.placebo_tstats[r.valid] for r in paths])
    observed, one = np.array([r.tstat for r in results]), results[0]
    table = pd.DataFrame(
        {
            "estimate": [r.estimate for r in results],
            "statistic": observed,
            "p_value": alone,
            "p_romano_wolf": _step_down(observed, drawn, exact=one.exact),
            "p_holm": holm(np.array(alone)),
            "p_bonferroni": np.minimum(1.0, len(outcomes) * np.array(alone)),
        },
        index=pd.Index(outcomes, name="outcome"),
    )
    return MultipleTestingResult(
        params=table["estimate"],
        std_errors=table["estimate"] / table["statistic"],
        nobs=one.nobs,
        notes=one.notes,
        table=table,
        method=method,
        n_draws=len(drawn),
        title=f"{len(outcomes)} outcomes on {panel.treatment}, by {method}",
    )
