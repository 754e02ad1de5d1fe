r"""Mechanisms: the part of an effect that passes through a mediator.

With the mediator *M* and one set of further regressors, least squares gives three
columns on one sample,

.. math:: y = c D + \dots, \qquad M = a D + \dots, \qquad y = c' D + b M + \dots,

and by the algebra of omitted variables :math:`c = c' + ab` holds exactly, whatever the
data.  The product *ab* is called the indirect effect.  It does not change when the
mediator is measured in other units, since *a* and *b* change in opposite ways.

The identity is algebra.  That *ab* is the part of a causal effect that passes through
the mediator needs more: no confounder of mediator and outcome, given treatment and
controls (Imai, Keele and Yamamoto 2010).  The mediator was not assigned by anyone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
import pandas as pd
from scipy import stats

from ftz import did
from ftz.errors import EstimationError
from ftz.published import Interval

#: |z| beyond which the normal distribution is significant, ten digits, by level.
_CRITICAL = {
    "***": Decimal("2.5758293035"),
    "**": Decimal("1.9599639845"),
    "*": Decimal("1.6448536270"),
}


@dataclass(frozen=True)
class MediationResult:
    """The three columns and the product of coefficients.

    Attributes
    ----------
    total_column, mediator_column, joint_column : DidResult
        Outcome on treatment; mediator on treatment; outcome on both.
    treatment, mediator : str
    """

    total_column: did.DidResult
    mediator_column: did.DidResult
    joint_column: did.DidResult
    treatment: str
    mediator: str

    @property
    def total(self) -> float:
        """Effect of the treatment on the outcome, *c*."""
        return float(self.total_column.params[self.treatment])

    @property
    def a(self) -> float:
        """Effect of the treatment on the mediator."""
        return float(self.mediator_column.params[self.treatment])

    @property
    def b(self) -> float:
        """Coefficient of the mediator beside the treatment."""
        return float(self.joint_column.params[self.mediator])

    @property
    def direct(self) -> float:
        """Coefficient of the treatment beside the mediator, *c'*."""
        return float(self.joint_column.params[self.treatment])

    @property
    def indirect(self) -> float:
        """The product *ab*."""
        return self.a * self.b

    @property
    def identity_gap(self) -> float:
        """``total - direct - a*b``: zero up to rounding errors of the computer."""
        return self.total - self.direct - self.indirect

    @property
    def sobel_std_error(self) -> float:
        """Standard error of the product by the delta method (Sobel 1982).

        It treats the product as normal and the two estimates as independent, which in
        small samples they are not; read it as a first look.
        """
        error_a = self.mediator_column.std_errors[self.treatment]
        error_b = self.joint_column.std_errors[self.mediator]
        return float(np.hypot(self.b * error_a, self.a * error_b))

    @property
    def sobel_pvalue(self) -> float:
        """Two-sided normal p value of the product."""
        return float(2 * stats.norm.sf(abs(self.indirect / self.sobel_std_error)))

    @property
    def summary(self) -> pd.DataFrame:
        """The decomposition, one row a part."""
        return pd.DataFrame(
            {
                "estimate": [self.total, self.direct, self.a, self.b, self.indirect],
                "std_error": [
                    self.total_column.std_errors[self.treatment],
                    self.joint_column.std_errors[self.treatment],
                    self.mediator_column.std_errors[self.treatment],
                    self.joint_column.std_errors[self.mediator],
                    self.sobel_std_error,
                ],
            },
            index=["total", "direct", "a", "b", "indirect a*b"],
        )

    def __repr__(self) -> str:
        head = f"mediation of {self.treatment} through {self.mediator}"
        return f"{head} (N = {self.total_column.nobs})\n{self.summary.round(4).to_string()}"


def mediate(
    frame: pd.DataFrame,
    outcome: str,
    treatment: str,
    mediator: str,
    controls: Sequence[str] = (),
    *,
    unit: str = "city",
    time: str = "year",
) -> MediationResult:
    """Estimate the three columns with unit and period effects.

    Parameters
    ----------
    frame : pandas.DataFrame
        One row a unit and period.
    outcome, treatment, mediator : str
        Numeric columns.
    controls : sequence of str
        In all three columns.

    Raises
    ------
    EstimationError
        As :func:`ftz.did.twfe`; also if the mediator is the outcome or the treatment.

    Notes
    -----
    Yan, Ye and Wang, Table 5, columns (7) and (8), beside Table 4, column (5).
    """
    if mediator in {outcome, treatment, *controls}:
        raise EstimationError(f"the mediator {mediator} stands elsewhere in the regression already")
    keys = {"unit": unit, "time": time}
    return MediationResult(
        did.twfe(frame, outcome, treatment, controls, **keys),
        did.twfe(frame, mediator, treatment, controls, **keys),
        did.twfe(frame, outcome, treatment, [mediator, *controls], **keys),
        treatment,
        mediator,
    )


@dataclass(frozen=True)
class IdentityCheck:
    """Whether printed columns can satisfy ``total = direct + a*b``.

    Attributes
    ----------
    total, implied : Interval
        What is printed as total, and what the other three imply.
    verdict : str
        ``"consistent"`` or ``"impossible"``.
    reasoning : str
        The arithmetic, to be followed with a pencil.
    """

    total: Interval
    implied: Interval
    verdict: str
    reasoning: str


def identity_check(total: Interval, direct: Interval, a: Interval, b: Interval) -> IdentityCheck:
    """Decide whether four rounded coefficients can come from one least-squares sample.

    Parameters
    ----------
    total, direct, a, b : Interval
        Rounding intervals of the four printed coefficients.

    Notes
    -----
    The verdict *impossible* is exact: decimal arithmetic, no floats.  It does not
    depend on the standard error, on the fixed effects or on the units of the mediator;
    it does assume that all columns use the same rows, controls and weights.
    """
    product = a * b
    implied = direct + product
    meet = implied.overlaps(total)
    reasoning = (
        f"a*b lies in {product}; with the direct effect in {direct}, the total must lie in "
        f"{implied}; it is printed in {total}. The two intervals "
        + ("share a point." if meet else "do not meet.")
    )
    return IdentityCheck(total, implied, "consistent" if meet else "impossible", reasoning)


def implied_mediator_coefficient(total: Interval, direct: Interval, a: Interval) -> Interval:
    """Return the *b* that the other three coefficients force: ``(total - direct) / a``."""
    return (total - direct) / a


def stars_allowed(statistic: Interval) -> tuple[str, ...]:
    """Return the stars that a printed z allows under the normal distribution.

    Parameters
    ----------
    statistic : Interval
        Rounding interval of the printed statistic.

    Returns
    -------
    tuple of str
        One entry where the interval lies between two critical values, more where it
        straddles one.  Under a t distribution critical values are larger, so fewer
        stars are allowed and never more.
    """
    if statistic.low <= 0 <= statistic.high:
        ends = (Decimal(0), max(-statistic.low, statistic.high))
    else:
        ends = tuple(sorted((abs(statistic.low), abs(statistic.high))))
    words = ("", "*", "**", "***")

    def rank(size: Decimal) -> int:
        return sum(size > critical for critical in _CRITICAL.values())

    return words[rank(ends[0]) : rank(ends[1]) + 1]
