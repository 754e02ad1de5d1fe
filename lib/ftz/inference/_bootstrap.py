r"""The wild cluster bootstrap: the t statistic under residuals whose signs are redrawn.

Write :math:`\tilde x` for the treatment after effects and controls, *u* for the residuals
and :math:`v_h` for the weight of cluster *h*.  The bootstrap outcome is linear in the
weights, and so are its slope and its scores:

.. math:: \beta^*_v - \beta_0 = \frac{\sum_h v_h c_h}{\tilde x'\tilde x},
          \qquad
          s^*_g = \sum_h A_{gh} v_h - (\beta^*_v - \beta_0)\, \tilde x_g'\tilde x_g,

with :math:`c_h = \tilde x_h' u_h` and :math:`A_{gh} = \tilde x_g' (M u^{(h)})_g`, where
:math:`u^{(h)}` is *u* on cluster *h* and zero elsewhere.  *A* is a matrix of clusters by
clusters, so that all weights together cost one product of matrices that do not grow with
the panel (the idea of Roodman, MacKinnon, Nielsen and Webb 2019 and of MacKinnon 2023,
here with the fixed effects in *M*).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
import pandas as pd

from ftz._kernel import membership, small_sample_factor, variance
from ftz._refusals import no_column, one_of
from ftz._results import EffectResult, checked_level
from ftz.errors import EstimationError
from ftz.inference._assignments import rank_p
from ftz.inference._few_treated import caution
from ftz.inference._projection import ProjectedPanel, prepare
from ftz.inference._randomisation import ENUMERATE_UP_TO
from ftz.panel import Panel, on_panel

#: Distributions of the weights; mean zero, variance one.
WEIGHTS = {
    "rademacher": np.array([-1.0, 1.0]),
    "webb": np.sqrt([1.5, 1.0, 0.5, 0.5, 1.0, 1.5]) * [-1, -1, -1, 1, 1, 1],
}

#: Rows of the summary that are counts.
_COUNTS = ("clusters", "treated clusters")


@dataclass(frozen=True)
class Scores:
    """What the bootstrap needs of a panel, found once for all outcomes and all nulls.

    Attributes
    ----------
    x : array, shape (n,)
        The treatment after projection.
    basis : array, shape (n, r)
        Of effects and controls.
    member, groups : arrays
        Clusters of the variance, and of the weights, by rows: (G, n) and (S, n).
    factor : float
        Small-sample factor of the variance.
    """

    x: np.ndarray
    basis: np.ndarray
    member: np.ndarray
    groups: np.ndarray
    factor: float

    @classmethod
    def of(cls, design: ProjectedPanel, subclusters: np.ndarray | None = None) -> Scores:
        """Return them for a panel; ``subclusters`` number the weights' clusters."""
        member = membership(design.codes)
        groups = member if subclusters is None else membership(subclusters)
        x, n = design.fit.x, len(design.d)
        return cls(x, design.basis, member, groups, small_sample_factor(n, n - design.fit.dof))

    @cached_property
    def power(self) -> np.ndarray:
        """Sum of squares of the treatment by cluster, shape (G,)."""
        return np.asarray(self.member @ self.x**2)

    @cached_property
    def by_cluster(self) -> np.ndarray:
        """Products of the treatment and the basis by cluster, shape (G, r)."""
        return np.asarray((self.member * self.x) @ self.basis)

    def parts(self, outcome: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return *c*, shape (S,), and *A*, shape (G, S), of a projected outcome; both linear."""
        own = (self.member * (self.x * outcome)) @ self.groups.T
        crossed = self.by_cluster @ ((self.groups * outcome) @ self.basis).T
        return self.groups @ (self.x * outcome), own - crossed

    def tstats(self, parts: tuple[np.ndarray, np.ndarray], weights: np.ndarray) -> np.ndarray:
        """Return the t statistics for weights of shape (B, S)."""
        slope, matrix = parts
        shift = weights @ slope / self.power.sum()
        scores = weights @ matrix.T - np.outer(shift, self.power)
        meat = np.einsum("bg,bg->b", scores, scores)
        error = np.sqrt(self.factor * meat) / self.power.sum()
        # No variance at all: the statistic is as large as can be (or zero, if nothing moved).
        flat = error <= 1e-12 * np.abs(shift)
        out = np.where(shift == 0, 0.0, np.copysign(np.inf, shift))
        return np.asarray(np.divide(shift, error, out=out, where=~flat))


@dataclass(frozen=True, kw_only=True, repr=False)
class WildBootstrapResult(EffectResult):
    """A t statistic beside its wild cluster bootstrap distribution.

    ``params`` and ``std_errors`` are coefficient and clustered error, as :func:`ftz.did.twfe`
    gives them; ``tstats`` and ``pvalues`` test ``null``.

    Attributes
    ----------
    null : float
        The coefficient under test.
    draws : numpy.ndarray, shape (B,)
        Bootstrap t statistics.
    weights : str
        ``rademacher`` or ``webb``, or ``given``.
    impose_null : bool
        Residuals from the equation with the null imposed (WCR), or without (WCU).
    exact : bool
        Whether the draws are all 2^G sign vectors.
    n_clusters, n_treated, n_bootstrap_clusters : int
        Clusters of the variance, how many of them are treated, clusters of the weights.
    caution : str
        In words, where the number of treated clusters makes the method unreliable; else
        empty.
    at : callable
        Another null to its bootstrap t statistics, from the same weights.
    """

    null: float
    draws: np.ndarray
    weights: str
    impose_null: bool
    exact: bool
    n_clusters: int
    n_treated: int
    n_bootstrap_clusters: int
    seed: int | None
    caution: str
    at: Callable[[float], np.ndarray]

    @property
    def tstats(self) -> pd.Series:
        """The observed t statistic of the null."""
        return (self.params - self.null) / self.std_errors

    @property
    def pvalues(self) -> pd.Series:
        """Symmetric p value; how many t statistics are as large in absolute value.

        A statistic of the same size counts as as large.  With the null imposed the observed
        statistic is among the enumerated ones; else it is counted as a further draw, so
        that no p value is zero.
        """
        return pd.Series(self._p(self.draws, self.tstat), self.params.index)

    @property
    def p_value_strict(self) -> float:
        """Share of strictly larger ones, ties left out; what ``boottest`` and its kin print."""
        return float(np.mean(np.abs(self.draws) > abs(self.tstat) * (1 + 1e-10)))

    @property
    def p_value_equal_tailed(self) -> float:
        """Twice the smaller tail, at most one."""
        close = 1e-10 * abs(self.tstat)
        tails = [
            int(np.sum(self.draws <= self.tstat + close)),
            int(np.sum(self.draws >= self.tstat - close)),
        ]
        return float(min(1.0, 2 * self._share(min(tails))))

    def _share(self, count: float) -> float:
        # With the null imposed, the identity among the signs gives the observed statistic.
        return float(rank_p(count, len(self.draws), self.exact and self.impose_null))

    def _p(self, tstats: np.ndarray, tstat: float) -> float:
        return self._share(np.sum(np.abs(tstats) >= abs(tstat) * (1 - 1e-10)))

    def p_value_at(self, null: float) -> float:
        """Return the symmetric p value of another null, from the same weights."""
        draws = self.at(null) if self.impose_null else self.draws
        return self._p(draws, (self.estimate - null) / self.std_error)

    def conf_int(self, level: float = 0.95) -> pd.DataFrame:
        """Return the nulls that are not rejected at ``1 - level``, by inversion of the test.

        With the null imposed each null has its own bootstrap distribution, and the ends
        are found by bisection, to a millionth of the standard error; an end that lies
        more than a thousand standard errors away is infinite.  Without it, the interval
        is the percentile-t interval.
        """
        alpha = 1 - checked_level(level)
        if self.impose_null:
            return self._interval(self._end(-1, alpha), self._end(1, alpha))
        ordered = np.sort(np.abs(self.draws))[::-1]
        # The largest number of draws as large that still means p <= alpha.
        most = int(np.floor(alpha * (len(ordered) + 1) + 1e-9)) - 1
        half = ordered[most] * self.std_error if most >= 0 else np.inf
        return self._interval(self.estimate - half, self.estimate + half)

    def _end(self, side: int, alpha: float) -> float:
        inner, step = 0.0, 1.0
        while self.p_value_at(self.estimate + side * step * self.std_error) > alpha:
            inner, step = step, 2 * step
            if step > 1024:
                return side * float("inf")
        outer = step
        while outer - inner > 1e-6:
            middle = (inner + outer) / 2
            if self.p_value_at(self.estimate + side * middle * self.std_error) > alpha:
                inner = middle
            else:
                outer = middle
        return float(self.estimate + side * outer * self.std_error)

    @property
    def summary(self) -> pd.DataFrame:
        """Estimate, statistic, p values and interval in one column."""
        lower, upper = self.conf_int().iloc[0]
        entries = {
            "coefficient": self.estimate,
            "clustered standard error": self.std_error,
            f"t statistic of {self.null:g}": self.tstat,
            "bootstrap p value": self.p_value,
            "equal-tailed p value": self.p_value_equal_tailed,
            "95% interval, lower": lower,
            "95% interval, upper": upper,
            "clusters": self.n_clusters,
            "treated clusters": self.n_treated,
        }
        return pd.Series(entries, name="WCR" if self.impose_null else "WCU").to_frame()

    @property
    def _head(self) -> str:
        name = self.weights if self.weights == "given" else self.weights.capitalize()
        head = f"{self.title}: {'all ' if self.exact else ''}{len(self.draws):,}"
        return f"{head} {name} weights"

    @property
    def _shown(self) -> pd.DataFrame:
        """The summary as text; counts are whole, and the column says what is imposed."""
        texts = {
            name: f"{value:.0f}" if name in _COUNTS else f"{value:.4f}"
            for name, value in self.summary.iloc[:, 0].items()
        }
        header = "null imposed" if self.impose_null else "null not imposed"
        return pd.Series(texts, name=header, dtype=str).to_frame()

    @property
    def _remarks(self) -> list[str]:
        return [*([self.caution] if self.caution else []), *super()._remarks]


@on_panel("outcome", "treatment", "controls")
def wild_cluster_bootstrap(
    panel: Panel,
    *,
    null: float = 0.0,
    weights: str | np.ndarray = "rademacher",
    impose_null: bool = True,
    draws: int = 9_999,
    seed: int | np.random.Generator | None = None,
    subclusters: str | Sequence[str] | None = None,
    enumerate_up_to: int = ENUMERATE_UP_TO,
) -> WildBootstrapResult:
    """Test a coefficient by the wild cluster bootstrap of its t statistic.

    Parameters
    ----------
    panel : Panel
        As in :func:`ftz.did.twfe`.
    null : float
        The coefficient under test, in units of the outcome.
    weights : {"rademacher", "webb"} or array, shape (B, S)
        Signs; Webb's six points, for fewer than about ten clusters; or weights of your
        own, a bootstrap cluster a column in the sorted order of its labels.
    impose_null : bool
        Take residuals from the equation with the null imposed (WCR, the default) or
        without it (WCU).
    draws : int
        Random weights, where they are not enumerated.
    seed : int or numpy.random.Generator, optional
        Needed where weights are drawn.
    subclusters : str or sequence of str, optional
        Column or columns whose values, within each cluster, share a weight; ``time`` gives
        each row its own (the ordinary wild bootstrap).  The variance stays clustered.
    enumerate_up_to : int
        Take all 2^S sign vectors if there are no more.

    Raises
    ------
    EstimationError
        As :func:`ftz.inference.placebo`; unknown weights or weights of another shape;
        weights to be drawn without a seed; one treated cluster only or one untreated,
        where the clustered t statistic cannot be bootstrapped.

    Notes
    -----
    Cameron, Gelbach and Miller (2008); Webb (2023) for the six points; MacKinnon and Webb
    (2018) for few treated clusters, where WCR hardly ever rejects, WCU far too often, and
    subclusters can help.
    """
    design = prepare(panel)
    groups = _subclusters(design, subclusters)
    n_groups = int(groups.max()) + 1
    vectors, exact, name = _weights(weights, n_groups, draws, seed, enumerate_up_to)
    fit, estimate = design.fit, design.estimate
    squared = variance(fit, "CR1")[0][0]
    if squared * fit.power < 1e-24 * (fit.y[:, 0] @ fit.y[:, 0]):
        raise EstimationError(
            f"the clustered variance of {design.treatment} is zero: its residuals cancel in "
            "every cluster, and there is no t statistic to bootstrap"
        )
    scores = Scores.of(design, groups)
    at = partial(_draws, scores, scores.parts(fit.y[:, 0]), scores.parts(fit.x), vectors)
    return WildBootstrapResult(
        params=pd.Series({design.treatment: estimate}),
        std_errors=pd.Series({design.treatment: float(np.sqrt(squared))}),
        null=null,
        # Without the null, the residuals are those at the estimate.
        draws=at(null if impose_null else estimate),
        weights=name,
        impose_null=impose_null,
        exact=exact,
        n_clusters=design.n_clusters,
        n_treated=design.n_treated,
        n_bootstrap_clusters=n_groups,
        seed=int(seed) if isinstance(seed, int | np.integer) and not exact else None,
        nobs=len(design.y),
        title=f"wild cluster bootstrap: {design.title}",
        caution=caution(design.n_clusters, design.n_treated),
        at=at,
        notes=design.panel.dropped,
    )


def _draws(
    scores: Scores,
    of_y: tuple[np.ndarray, np.ndarray],
    of_d: tuple[np.ndarray, np.ndarray],
    vectors: np.ndarray,
    null: float,
) -> np.ndarray:
    """Return t statistics: restricted residuals of y - b0 d are y~ - b0 d~, linear in b0."""
    return scores.tstats((of_y[0] - null * of_d[0], of_y[1] - null * of_d[1]), vectors)


def _subclusters(design: ProjectedPanel, columns: str | Sequence[str] | None) -> np.ndarray:
    if columns is None:
        return design.codes
    frame = design.panel.frame
    names = [columns] if isinstance(columns, str) else list(columns)
    missing = [c for c in names if c not in frame.columns]
    if missing:
        raise no_column(missing, frame.columns)
    parts = [pd.Series(design.codes, index=frame.index), *(frame[c] for c in names)]
    # Combinations of labels are numbered in their sorted order.
    table = np.column_stack([pd.factorize(part, sort=True)[0] for part in parts])
    return np.unique(table, axis=0, return_inverse=True)[1].ravel()


def _weights(
    weights: str | np.ndarray,
    groups: int,
    draws: int,
    seed: int | np.random.Generator | None,
    enumerate_up_to: int,
) -> tuple[np.ndarray, bool, str]:
    if not isinstance(weights, str):
        given = np.asarray(weights, dtype=float)
        if given.ndim != 2 or given.shape[1] != groups or not np.isfinite(given).all():
            raise EstimationError(
                f"weights must be numbers in the shape (draws, {groups}), not {given.shape}"
            )
        return given, False, "given"
    one_of("weights", weights, WEIGHTS)
    if weights == "rademacher" and groups < 63 and 2**groups <= enumerate_up_to:
        return sign_vectors(groups), True, weights
    if draws < 1:
        raise EstimationError(f"draws must be at least 1, not {draws}")
    if seed is None:
        raise EstimationError(f"weights for {groups} clusters have to be drawn: pass a seed")
    return (
        np.random.default_rng(seed).choice(WEIGHTS[weights], size=(draws, groups)),
        False,
        weights,
    )


def sign_vectors(groups: int) -> np.ndarray:
    """Return all vectors of signs, shape (2^groups, groups)."""
    return 1.0 - 2.0 * ((np.arange(2**groups)[:, None] >> np.arange(groups)) & 1)
