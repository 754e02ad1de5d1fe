"""The bootstrap of an estimator that fits, matches and compares; with its caveat."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ftz.errors import EstimationError
from ftz.results import CoefficientResult, checked_level

CAVEAT = (
    "The bootstrap is not valid for nearest-neighbour matching with replacement, not even "
    "in large samples (Abadie and Imbens 2008): a resampled control is matched as often as "
    "it is drawn.  Use abadie_imbens there.  For kernel matching, strata and weights it is."
)


@dataclass(frozen=True, kw_only=True, repr=False)
class BootstrapResult(CoefficientResult):
    """An estimate with its bootstrap distribution.

    Attributes
    ----------
    params, std_errors : pandas.Series
        One entry, ``ATT``; the standard deviation of the draws.
    draws : numpy.ndarray
        Estimates on the resampled data.
    n_failed : int
        Resamples in which the estimator had no answer; they are left out.
    caveat : str
        Where the bootstrap does not hold.
    """

    draws: np.ndarray
    n_failed: int
    caveat: str = CAVEAT

    def percentile_interval(self, level: float = 0.95) -> tuple[float, float]:
        """Return the interval between two quantiles of the draws."""
        level = checked_level(level)
        low, high = np.quantile(self.draws, [(1 - level) / 2, (1 + level) / 2])
        return float(low), float(high)

    def __repr__(self) -> str:
        return f"{super().__repr__()}\n{self.caveat}"


def bootstrap(
    frame: pd.DataFrame,
    estimate: Callable[[pd.DataFrame], float],
    *,
    draws: int = 999,
    seed: int | np.random.Generator,
    cluster: str | None = None,
    most_failures: float = 0.1,
) -> BootstrapResult:
    """Draw rows (or whole clusters) again and again, and estimate from the beginning.

    Parameters
    ----------
    frame : pandas.DataFrame
    estimate : callable
        From a frame to the effect; it must fit the score itself, or the score's own
        uncertainty is left out.
    draws : int
    seed : int or numpy.random.Generator
    cluster : str, optional
        Column of clusters: these are drawn, with all their rows.
    most_failures : float
        Share of resamples without an answer beyond which the result is refused.

    Returns
    -------
    BootstrapResult
        The same seed gives the same draws.

    Raises
    ------
    EstimationError
        Fewer than two draws or clusters; too many resamples in which the estimator has
        no answer (without overlap, say): leaving them out would hide the reason.

    Notes
    -----
    Read the caveat of the result first: Abadie and Imbens (2008) show that the bootstrap
    fails for nearest-neighbour matching with replacement.
    """
    if draws < 2 or draws != int(draws):
        raise EstimationError(f"draws must be a whole number from 2, not {draws}")
    rng = np.random.default_rng(seed)
    labels = np.arange(len(frame)) if cluster is None else frame[cluster].to_numpy()
    names, codes = np.unique(labels, return_inverse=True)
    if len(names) < 2:
        raise EstimationError("a bootstrap needs two clusters at least")
    members = np.split(np.argsort(codes, kind="stable"), np.cumsum(np.bincount(codes))[:-1])
    values = []
    for _ in range(int(draws)):
        chosen = np.concatenate([members[i] for i in rng.integers(len(names), size=len(names))])
        try:
            values.append(float(estimate(frame.iloc[chosen].reset_index(drop=True))))
        except EstimationError:
            continue
    failed = int(draws) - len(values)
    if failed > most_failures * draws or len(values) < 2:
        raise EstimationError(
            f"{failed} of {draws} resamples have no estimate: the sample is too small, or its "
            "overlap too thin, to be resampled"
        )
    return BootstrapResult(
        params=pd.Series({"ATT": float(estimate(frame))}),
        std_errors=pd.Series({"ATT": float(np.std(values, ddof=1))}),
        nobs=len(frame),
        title=f"bootstrap, {len(values)} draws of {'rows' if cluster is None else cluster}",
        draws=np.array(values),
        n_failed=failed,
    )
