"""Placebo tests and randomisation inference: the same equation under reassigned treatment."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import special

from ftz._kernel import regress_each
from ftz._results import EffectResult, checked_level
from ftz.errors import EstimationError
from ftz.inference._assignments import counted, rank_p, scheme_of
from ftz.inference._projection import prepare
from ftz.panel import Panel, on_panel

#: With no more distinct assignments than this, all of them are estimated.
ENUMERATE_UP_TO = 20_000
#: Numbers in the treatment columns that are estimated at a time.
_CELLS = 20_000_000


@dataclass(frozen=True, kw_only=True, repr=False)
class PlaceboResult(EffectResult):
    """Estimates under reassigned treatment beside the one that was observed.

    ``params`` and ``std_errors`` are those of the treatment as it was; ``pvalues`` and
    ``conf_int`` rank its coefficient among the placebos.

    Attributes
    ----------
    placebos : pandas.DataFrame
        One row an assignment, in units of the outcome; NaN where the reassigned treatment
        does not vary once effects and controls are removed.  ``estimate``, ``std_error``
        (clustered), ``carried``: slope of the observed treatment on the reassigned one,
        by how much an estimate moves when the true effect does, which makes the interval exact.
    scheme : str
        ``observations``, ``units`` or ``dates``.
    exact : bool
        Whether the assignments are all there are (then the observed one is among
        them) or random draws.
    n_assignments : int
        Distinct assignments that the scheme allows.
    seed : int or None
        What the draws started from; ``None`` if a Generator was passed, or none used.
    """

    placebos: pd.DataFrame
    scheme: str
    exact: bool
    n_assignments: int
    seed: int | None

    @property
    def estimates(self) -> np.ndarray:
        """The placebo coefficients, shape (B,)."""
        return self.placebos["estimate"].to_numpy()

    @property
    def valid(self) -> np.ndarray:
        """Which assignments have an estimate."""
        finite: np.ndarray = np.isfinite(self.estimates)
        return finite

    @property
    def n_degenerate(self) -> int:
        """Assignments without an estimate; they enter no p value."""
        return int((~self.valid).sum())

    @property
    def placebo_tstats(self) -> np.ndarray:
        """Coefficient over clustered standard error, by assignment."""
        ratios: np.ndarray = self.estimates / self.placebos["std_error"].to_numpy()
        return ratios

    @property
    def placebo_pvalues(self) -> np.ndarray:
        """Two-sided normal p value of each assignment, as the paper prints z."""
        tails: np.ndarray = 2 * special.ndtr(-np.abs(self.placebo_tstats))
        return tails

    @property
    def p_value_normal(self) -> float:
        """Two-sided normal p value of the observed z, which ranks nothing."""
        return float(2 * special.ndtr(-abs(self.tstat)))

    @property
    def pvalues(self) -> pd.Series:
        """Randomisation p value of the coefficient, two-sided."""
        return pd.Series(self._rank(self.estimates, self.estimate), self.params.index)

    @property
    def p_value_t(self) -> float:
        """Randomisation p value of the studentised coefficient, two-sided."""
        return self._rank(self.placebo_tstats, self.tstat)

    @property
    def smallest_p(self) -> float:
        """The smallest p value that this many assignments can give."""
        return float(self._share(int(self.exact)))

    def share_above(self, level: float = 0.1) -> float:
        """Return the share of the assignments' normal p values above ``level``."""
        return float(np.mean(self.placebo_pvalues[self.valid] > checked_level(level)))

    def conf_int(self, level: float = 0.95) -> pd.DataFrame:
        """Return the constant effects that the test of the coefficient does not reject.

        The test of an effect *t* ranks the observed coefficient of ``y - t d`` among its
        placebos.  All are linear in *t*, so that the set of effects whose p value exceeds
        ``1 - level`` is found exactly; its hull is returned.  An end is infinite where no
        effect on that side is rejected, as when ``1 - level < smallest_p``.
        """
        low, high = self._stretches()
        bounds = np.unique(np.r_[low, high, self.estimate])
        bounds = bounds[np.isfinite(bounds)]
        covered = np.searchsorted(np.sort(low), bounds, side="right")
        covered -= np.searchsorted(np.sort(high), bounds, side="left")
        alpha = 1 - checked_level(level) + 1e-12
        inside = bounds[self._share(covered) > alpha]
        lower = -np.inf if self._share(np.isneginf(low).sum()) > alpha else inside.min()
        upper = np.inf if self._share(np.isposinf(high).sum()) > alpha else inside.max()
        return self._interval(lower, upper)

    def _stretches(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the closed stretches of effects *t* at which a placebo is large enough.

        With coefficient *b* and carried share *c*: ``|b - c t| >= |b0 - t|``.  The two
        sides meet at two roots; the observed *b0* itself is always in the set, which is
        therefore what lies between the roots or what lies outside them.
        """
        b, c = self.placebos.loc[self.valid, ["estimate", "carried"]].to_numpy().T
        b0 = self.estimate
        for sign in (1, -1):  # the observed assignment and its mirror, up to rounding
            c = np.where(np.isclose(c, sign, rtol=0, atol=1e-9), sign, c)
            b = np.where((c == sign) & np.isclose(b, sign * b0), sign * b0, b)
        with np.errstate(divide="ignore", invalid="ignore"):
            roots = np.sort([(b0 - b) / (1 - c), (b0 + b) / (1 + c)], axis=0)
        always = np.isnan(roots).any(axis=0)
        between = (roots[0] <= b0) & (b0 <= roots[1])
        low, high = np.where(always, -np.inf, roots[0]), np.where(always, np.inf, roots[1])
        outside = ~between & ~always
        below, above = low[outside], high[outside]
        open_end = np.full(outside.sum(), np.inf)
        return (np.r_[low[~outside], -open_end, above], np.r_[high[~outside], below, open_end])

    def _share(self, as_large: int | np.ndarray) -> Any:
        return rank_p(as_large, int(self.valid.sum()), self.exact)

    def _rank(self, placebos: np.ndarray, observed: float) -> float:
        values = np.abs(placebos[self.valid])
        # The observed assignment must count as being as large as itself.
        as_large = int(np.sum(values >= abs(observed) * (1 - 1e-10)))
        return float(self._share(as_large))

    @property
    def summary(self) -> pd.DataFrame:
        """Observed estimate and placebo distribution side by side, one column."""
        placebos = self.estimates[self.valid]
        low, high = np.quantile(placebos, [0.025, 0.975])
        entries = {
            "observed coefficient": self.estimate,
            "observed z": self.tstat,
            "mean of the placebo coefficients": placebos.mean(),
            "their 2.5% quantile": low,
            "their 97.5% quantile": high,
            "share of placebo p values above 0.1": self.share_above(0.1),
            "randomisation p value, coefficient": self.p_value,
            "randomisation p value, z": self.p_value_t,
            "smallest p value possible": self.smallest_p,
        }
        return pd.Series(entries, name=self.scheme).to_frame()

    @property
    def _head(self) -> str:
        how = "all" if self.exact else f"{len(self.estimates)} draws of"
        return f"{self.title}: {how} {counted(self.n_assignments)} assignments"


@on_panel("outcome", "treatment", "controls")
def placebo(
    panel: Panel,
    *,
    seed: int | np.random.Generator,
    draws: int = 500,
    scheme: str = "observations",
    adoption: Mapping[Hashable, float | None] | None = None,
    dates: Sequence[float] | None = None,
    enumerate_up_to: int = ENUMERATE_UP_TO,
) -> PlaceboResult:
    """Estimate the equation again under reassigned treatment.

    Parameters
    ----------
    panel : Panel
        As in :func:`ftz.did.twfe`; controls keep their values.
    seed : int or numpy.random.Generator
        The same seed gives the same draws.
    draws : int
        Random assignments, where they are too many to enumerate.
    scheme : {"observations", "units", "dates"}
        ``observations`` shuffles the treatment column over all rows, as the paper shuffles
        its interaction term; ``units`` hands whole adoption paths to other units;
        ``dates`` keeps who is treated and draws anew, for each of them, from when.
    adoption : mapping, optional
        For ``units`` and ``dates``: first treated period by unit, ``None`` or NaN for
        never.  Read off the treatment if not given; needed where the first treated
        period of a unit is not among the rows.
    dates : sequence of float, optional
        For ``dates``: the periods that can be drawn.  All but the first, if not given;
        dates that were observed are always among them.
    enumerate_up_to : int
        Enumerate all assignments, instead of drawing, if there are no more.

    Raises
    ------
    EstimationError
        As :func:`ftz.did.twfe`; also unknown scheme, fewer than one draw, constant
        treatment, or, for ``units`` and ``dates``, treatment that is not 0/1 or
        switches off.

    Notes
    -----
    Yan, Ye and Wang, figure 3 (500 draws).  Shuffled cells have no persistence
    within a city while outcomes do, so ``observations`` understates how far a null
    coefficient strays; ``units`` is the randomisation test of Bertrand, Duflo and
    Mullainathan's (2004) placebo laws and of MacKinnon and Webb (2020), and is
    valid if the paths could have fallen to any unit with equal chance.  ``dates``
    is valid if the timing was random among the treated (Roth and Sant'Anna 2023).
    """
    if draws < 1:
        raise EstimationError(f"draws must be at least 1, not {draws}")
    design = prepare(panel)
    chosen = scheme_of(scheme, design, adoption, dates)
    observed = design.fit.x  # refuses a treatment that the effects explain
    exact = chosen.count <= enumerate_up_to
    assigned = chosen.enumerate() if exact else chosen.draw(draws, np.random.default_rng(seed))
    # A few assignments at a time, so that memory does not grow with their number.
    outcomes, most = np.column_stack([design.y, observed]), max(1, _CELLS // len(design.y))
    fits = [regress_each(outcomes, design.d[:, None], design.projector, design.codes)]
    for start in range(0, len(assigned), most):
        designs = chosen.treatment(assigned[start : start + most])
        fits.append(regress_each(outcomes, designs, design.projector, design.codes))
    table = pd.DataFrame(np.hstack(fits).T, columns=["estimate", "std_error", "carried"])
    return PlaceboResult(
        params=pd.Series({design.treatment: table["estimate"][0]}),
        std_errors=pd.Series({design.treatment: table["std_error"][0]}),
        placebos=table[1:].reset_index(drop=True),
        scheme=scheme,
        exact=exact,
        n_assignments=chosen.count,
        seed=int(seed) if isinstance(seed, int | np.integer) and not exact else None,
        nobs=len(design.y),
        title=f"placebo over {scheme}: {design.title}",
        notes=design.panel.dropped,
    )
