"""One coefficient, many standard errors: the table of :mod:`ftz._kernel` side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd
from scipy import stats

from ftz._kernel import variance
from ftz._projection import slope_of
from ftz._results import EffectResult, checked_level, stars
from ftz.panel import Panel, on_panel

#: What each standard error allows for, in the order of the table.
FAMILY = {
    "classical": "independent errors of one variance",
    "HC1": "any variance in each row",
    "HC2": "any variance in each row, leverage corrected",
    "HC3": "any variance in each row, jackknife",
    "CR0": "any correlation within a cluster, no correction",
    "CR1": "the same, factor n/(n - k): linearmodels, and the book's tables",
    "CR1N": "the same, factor G/(G - 1) (n - 1)/(n - k'), k' without effects nested in clusters: "
    "xtreg, reghdfe, fixest, pyfixest",
    "CR1S": "the same, factor G/(G - 1) (n - 1)/(n - k): regress with dummies",
    "CR2": "the same, bias-reduced, degrees of freedom of Satterthwaite",
    "CR3": "the same, jackknife",
    "Driscoll-Kraay": "any correlation across units, fading over time",
    "two-way": "any correlation within a unit and within a period",
}


@dataclass(frozen=True, kw_only=True, repr=False)
class StandardErrors(EffectResult):
    """One coefficient under each of :data:`FAMILY`, by whose names all series are indexed.

    Attributes
    ----------
    dfs : pandas.Series
        Degrees of freedom of the t distribution; infinite for the normal.
    bandwidth : int
        Lags of the Driscoll-Kraay estimator.
    level : float
        Of the intervals in the table.
    """

    dfs: pd.Series
    n_clusters: int
    bandwidth: int
    level: float

    @property
    def _distribution(self) -> Any:
        return stats.t(self.dfs)

    @property
    def table(self) -> pd.DataFrame:  # type: ignore[override]  # computed, not stored
        """Columns ``std_error``, ``df``, ``statistic``, ``p_value``, ends, ``allows`` in words."""
        columns = {
            "std_error": self.std_errors,
            "df": self.dfs,
            "statistic": self.tstats,
            "p_value": self.pvalues,
        }
        table = pd.DataFrame(columns).join(self.conf_int(self.level))
        return table.assign(allows=pd.Series(FAMILY)).rename_axis("standard error")

    @property
    def summary(self) -> pd.DataFrame:
        """The table with stars."""
        return self.table.assign(stars=[stars(p) for p in self.pvalues])

    @property
    def _head(self) -> str:
        return f"{self.title}: {self.estimate:.4f} (N = {self.nobs})"


@on_panel("outcome", "treatment", "controls")
def standard_errors(
    panel: Panel, *, bandwidth: int | None = None, level: float = 0.95
) -> StandardErrors:
    """Estimate the effect once and its standard error in every way of :data:`FAMILY`.

    Parameters
    ----------
    panel : Panel
        As in :func:`ftz.did.twfe`.
    bandwidth : int, optional
        Lags of Driscoll-Kraay; ``floor(4 (T / 100)^(2/9))`` if not given.
    level : float
        Of the intervals.

    Raises
    ------
    EstimationError
        As :func:`ftz.did.twfe`; one cluster, or no degree of freedom.

    Notes
    -----
    HC: MacKinnon and White (1985).  CR2 with its degrees of freedom: Bell and McCaffrey
    (2002), with fixed effects as in Pustejovsky and Tipton (2018), working model the
    identity.  Two-way: Cameron, Gelbach and Miller (2011); a negative variance, which that
    difference of matrices allows, gives NaN.  Driscoll and Kraay (1998), Bartlett kernel.
    With few treated clusters CR2's degrees of freedom fall to one or two, which is a
    warning: the normal distribution behind CR1 is far off then.  With a single one there
    is no warning: unit effects and treatment fit its residuals so well that no clustered
    variance sees them, and every one of them is far too small.
    """
    level = checked_level(level)
    panel.need("outcome", "treatment")
    panel = panel.without_singletons()
    fit = slope_of(panel, bandwidth)
    family = {name: variance(fit, name) for name in FAMILY}
    squared = pd.Series({name: float(value[0]) for name, (value, _) in family.items()})
    return StandardErrors(
        params=pd.Series(float(fit.estimate[0]), squared.index),
        std_errors=squared.where(squared >= 0) ** 0.5,
        dfs=pd.Series({name: float(df) for name, (_, df) in family.items()}),
        nobs=len(fit.x),
        n_clusters=fit.groups,
        bandwidth=fit.lags,
        level=level,
        title=f"{panel.outcome} on {panel.treatment}",
        notes=panel.dropped,
    )
