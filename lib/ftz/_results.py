"""The shape that every result of the library has, estimate or test.

The names follow linearmodels and statsmodels (``params``, ``std_errors``,
``tstats``, ``pvalues``, ``conf_int()``, ``nobs``, ``summary``), so that a reader
who knows either package knows these.  An interval is the inversion of the test beside it:
the mirrored outcome has the mirrored interval, and zero lies outside exactly where the p value
is below one minus the level.
"""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import Any, ClassVar

import pandas as pd
from scipy import stats

from ftz.errors import EstimationError


def stars(pvalue: float) -> str:
    """Return the significance stars of the papers: ``***`` 1%, ``**`` 5%, ``*`` 10%."""
    return "***" if pvalue < 0.01 else "**" if pvalue < 0.05 else "*" if pvalue < 0.10 else ""


def checked_level(level: float) -> float:
    """Return a confidence level, or refuse one that is none.

    Raises
    ------
    EstimationError
        If it does not lie between 0 and 1: 95 is not 0.95.
    """
    if not 0 < level < 1:
        hint = f": write {level / 100:g}" if 1 < level < 100 else ""
        raise EstimationError(f"level must lie between 0 and 1, not {level:g}{hint}")
    return level


class Result:
    """How every result prints itself: a headline, a table, remarks."""

    title: str
    notes: tuple[str, ...] = ()
    table: pd.DataFrame
    #: Why a class has no interval, where it has none.
    no_interval: ClassVar[str] = ""
    #: What stands where the table has no number; whether the headline stands alone.
    _blank: ClassVar[str] = "NaN"
    _brief: ClassVar[bool] = False

    def conf_int(self, level: float = 0.95) -> pd.DataFrame:
        """Return confidence intervals, columns ``lower`` and ``upper``.

        Raises
        ------
        EstimationError
            A level outside (0, 1); a class without intervals, which says why it has none.
        """
        checked_level(level)
        raise EstimationError(f"{type(self).__name__} has no interval: {self.no_interval}")

    @property
    def summary(self) -> pd.DataFrame:
        """The table that the result prints."""
        return self.table

    @property
    def _head(self) -> str:
        return self.title

    @property
    def _shown(self) -> pd.DataFrame:
        return self.summary.round(4)

    @property
    def _remarks(self) -> list[str]:
        return [f"Note: {note}." for note in self.notes]

    def __repr__(self) -> str:
        table = [] if self._brief else [self._shown.to_string(na_rep=self._blank)]
        return "\n".join([self._head, *table, *self._remarks])

    def _repr_html_(self) -> str:
        said = [f"<p>{html.escape(line, quote=False)}</p>" for line in (self._head, *self._remarks)]
        table = "" if self._brief else self._shown.to_html(border=0, na_rep=self._blank)
        return said[0] + table + "".join(said[1:])


@dataclass(frozen=True, kw_only=True, repr=False)
class CoefficientResult(Result):
    """Estimated coefficients with their standard errors.

    Attributes
    ----------
    params, std_errors : pandas.Series
        Indexed by coefficient name, in the units of the outcome.
    nobs : int
        Observations used.
    df : float or None
        Degrees of freedom of the t distribution behind p values and intervals;
        ``None`` means the normal distribution, as where a paper prints z.
    title : str
        What was estimated, for the summary's caption.
    notes : tuple of str
        What was done to the sample, and what the estimator remarks on it.
    """

    params: pd.Series
    std_errors: pd.Series
    nobs: int
    df: float | None = None
    title: str = ""
    notes: tuple[str, ...] = ()

    @property
    def _distribution(self) -> Any:
        return stats.norm if self.df is None else stats.t(self.df)

    @property
    def tstats(self) -> pd.Series:
        """Coefficient over standard error (the papers print it as z or t)."""
        return self.params / self.std_errors

    @property
    def pvalues(self) -> pd.Series:
        """Two-sided p values."""
        return pd.Series(2 * self._distribution.sf(self.tstats.abs()), index=self.params.index)

    def conf_int(self, level: float = 0.95) -> pd.DataFrame:
        """Return symmetric confidence intervals, columns ``lower`` and ``upper``."""
        half = self._distribution.ppf(0.5 + checked_level(level) / 2) * self.std_errors
        return pd.DataFrame({"lower": self.params - half, "upper": self.params + half})

    @property
    def summary(self) -> pd.DataFrame:
        """One row a coefficient; estimate, standard error, statistic, p value, interval, stars."""
        frame = pd.DataFrame(
            {
                "estimate": self.params,
                "std_error": self.std_errors,
                "statistic": self.tstats,
                "p_value": self.pvalues,
            }
        ).join(self.conf_int())
        return frame.assign(stars=[stars(p) for p in frame["p_value"]])

    @property
    def _head(self) -> str:
        return f"{self.title or type(self).__name__} (N = {self.nobs})"


class EffectResult(CoefficientResult):
    """A result whose first coefficient is an effect of the treatment."""

    @property
    def estimate(self) -> float:
        """The effect."""
        return float(self.params.iloc[0])

    @property
    def att(self) -> float:
        """The effect, under the name that it has for the treated."""
        return self.estimate

    @property
    def std_error(self) -> float:
        """Its standard error."""
        return float(self.std_errors.iloc[0])

    @property
    def tstat(self) -> float:
        """Effect over standard error."""
        return float(self.tstats.iloc[0])

    @property
    def p_value(self) -> float:
        """Its two-sided p value."""
        return float(self.pvalues.iloc[0])

    def _interval(self, lower: float, upper: float) -> pd.DataFrame:
        """Return one interval as :meth:`conf_int` gives it."""
        return pd.DataFrame({"lower": float(lower), "upper": float(upper)}, self.params.index)
