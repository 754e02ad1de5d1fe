"""What the tests of a whole multiverse return."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from ftz._results import Result
from ftz.inference._assignments import rank_p

Floats = npt.NDArray[np.float64]
_WORDS = {
    "median": "median estimate",
    "share": "share significant in the dominant direction",
    "stouffer": "Stouffer's combined z",
}
#: Ties must count as ties; the observed curve is as large as itself.
SLACK = 1e-10
#: What the summary calls the variance inside cells that the choices do not tell apart.
UNEXPLAINED = "(not explained)"


@dataclass(frozen=True, kw_only=True, repr=False)
class JointTest(Result):
    """A specification curve ranked among the curves of reassigned adoption paths.

    Attributes
    ----------
    observed : pandas.Series
        ``median`` (units of the outcome), ``share`` (0 to 1), ``stouffer`` (a z).
    null : pandas.DataFrame, one row a reassignment
        The same three under reassigned treatment.  Reassignments under which no
        specification can be estimated are left out.
    curve : pandas.DataFrame, one row a rank
        The estimates in order: ``observed``, and ``lower``, ``middle``, ``upper``, the
        2.5%, 50% and 97.5% quantile of the estimate at this rank over the reassignments.
    estimates, tstats : numpy.ndarray, shape (S,)
        The observed curve in the order of the specifications.
    exact : bool
        Whether all reassignments were taken (the observed one is among them).
    n_assignments : int
        Distinct reassignments.
    n_degenerate : int
        Reassignments left out.
    n_specifications : int
    level : float
        At which a specification counts as significant, two-sided.
    scheme : str
        ``units`` or, for comparison only, ``observations``.
    """

    no_interval = "a curve has many coefficients; it is one test of all of them"

    observed: pd.Series
    null: pd.DataFrame
    curve: pd.DataFrame
    estimates: Floats
    tstats: Floats
    exact: bool
    n_assignments: int
    n_degenerate: int
    n_specifications: int
    level: float
    scheme: str
    seed: int | None

    @property
    def pvalues(self) -> pd.Series:
        """P value of each statistic; two-sided for median and Stouffer, upper for the share."""
        as_large = (self.null.abs() >= self.observed.abs() * (1 - SLACK)).sum()
        ranked: pd.Series = rank_p(as_large, len(self.null), self.exact)
        return ranked.rename("p_value")

    @property
    def smallest_p(self) -> float:
        """The smallest p value that this many reassignments can give."""
        return float(rank_p(int(self.exact), len(self.null), self.exact))

    @property
    def summary(self) -> pd.DataFrame:
        """One row a statistic; observed, its null distribution, p value."""
        quantiles = self.null.quantile([0.025, 0.5, 0.975]).T
        frame = pd.DataFrame(
            {
                "observed": self.observed,
                "null 2.5%": quantiles[0.025],
                "null median": quantiles[0.5],
                "null 97.5%": quantiles[0.975],
                "p_value": self.pvalues,
            }
        )
        return frame.rename(index=_WORDS)

    @property
    def _head(self) -> str:
        how = "all" if self.exact else f"{len(self.null):,} draws of"
        return (
            f"{self.n_specifications:,} specifications jointly, {how} "
            f"{self.n_assignments:,} reassigned {self.scheme}"
        )


@dataclass(frozen=True, kw_only=True, repr=False)
class ShapleyDecomposition(Result):
    r"""The variance of a column over the specifications, divided among the choices.

    Attributes
    ----------
    effects : pandas.Series
        Shapley value of each choice, in squared units of the column.
    alone : pandas.Series
        Variance of the mean given this choice alone: :math:`v(\{j\})`.
    last : pandas.Series
        What the choice adds when all others are known.
    unexplained : float
        Variance among specifications that agree in every choice named.
    variance : float
        Variance of the column over the specifications (divided by their number).
    levels : pandas.Series
        How many levels each choice has.
    n : int
        Specifications counted.
    value : str
        The column.
    """

    no_interval = "it divides the variance over an enumerated grid, from which nothing was sampled"
    _blank = ""

    effects: pd.Series
    alone: pd.Series
    last: pd.Series
    unexplained: float
    variance: float
    levels: pd.Series
    n: int
    value: str

    @property
    def shares(self) -> pd.Series:
        """Shares of the variance; with what is not explained they sum to one."""
        named = self.effects / self.variance
        if self.unexplained > 0:
            named[UNEXPLAINED] = self.unexplained / self.variance
        return named.rename("share")

    @property
    def summary(self) -> pd.DataFrame:
        """One row a choice, the largest share first; levels, share, share alone, share last."""
        frame = pd.DataFrame(
            {
                "levels": self.levels,
                "share": self.effects / self.variance,
                "alone": self.alone / self.variance,
                "last": self.last / self.variance,
            }
        ).sort_values("share", ascending=False, kind="stable")
        if self.unexplained > 0:
            frame.loc[UNEXPLAINED, "share"] = self.unexplained / self.variance
        return frame

    @property
    def _head(self) -> str:
        return f"variance of {self.value} over {self.n:,} specifications: {self.variance:.4g}"
