"""The jackknife by cluster: on which of them an estimate hangs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ftz._kernel import members
from ftz._results import EffectResult
from ftz.errors import EstimationError
from ftz.inference._projection import ProjectedPanel, prepare
from ftz.panel import Panel, on_panel


@dataclass(frozen=True, kw_only=True, repr=False)
class LeaveOneOutResult(EffectResult):
    """An estimate without each of its clusters in turn.

    ``std_errors`` holds the jackknife's, CV3J of MacKinnon, Nielsen and Webb (2023): the root of
    ``(G - 1) / G`` times the sum of squared deviations from the estimate with all clusters, over
    the G clusters that can be left out; tests take t with G - 1 degrees of freedom.

    Attributes
    ----------
    table : pandas.DataFrame
        One row a cluster: ``without`` (the estimate without it, NaN where the treatment
        is not identified any more), ``change``, ``rows``, ``treated_rows``, and
        ``leverage``, the cluster's share of the treatment's variation.
    """

    table: pd.DataFrame

    @property
    def n_effective(self) -> float:
        """Clusters that would carry as much, were leverage shared equally; 1 / sum of squares."""
        return float(1 / np.square(self.table["leverage"]).sum())

    @property
    def summary(self) -> pd.DataFrame:
        """The table, the most influential cluster first."""
        order = self.table["change"].abs().sort_values(ascending=False, kind="stable").index
        return self.table.loc[order]

    @property
    def _head(self) -> str:
        return f"{self.title}: {self.estimate:.4f}, jackknife standard error {self.std_error:.4f}"


@on_panel("outcome", "treatment", "controls")
def leave_one_cluster_out(panel: Panel) -> LeaveOneOutResult:
    """Estimate again without each cluster in turn.

    Parameters
    ----------
    panel : Panel
        As in :func:`ftz.did.twfe`.

    Raises
    ------
    EstimationError
        As :func:`ftz.inference.placebo`; fewer than two clusters can be left out.

    Notes
    -----
    MacKinnon, Nielsen and Webb (2023), "Leverage, influence, and the jackknife in
    clustered regression models".  A cluster whose own effects are nuisance terms is left
    out with them.
    """
    design = prepare(panel)
    whole = design.panel.cluster or design.panel.unit
    x, y, estimate = design.fit.x, design.fit.y[:, 0], design.estimate
    without = np.array([_without(design, x, y, g) for g in range(design.n_clusters)])
    if np.isfinite(without).sum() < 2:
        raise EstimationError(
            f"{design.treatment} is identified without at most one of the clusters: there "
            "is nothing to compare"
        )
    member = members(design.codes)
    table = pd.DataFrame(
        {
            "without": without,
            "change": without - estimate,
            "rows": member.sum(axis=1).astype(int),
            "treated_rows": (member @ (design.d != 0)).astype(int),
            "leverage": member @ (x * x) / (x @ x),
        },
        index=pd.Index(design.clusters, name=whole),
    )
    changes = table["change"].dropna().to_numpy()
    error = np.sqrt((len(changes) - 1) / len(changes) * (changes @ changes))
    return LeaveOneOutResult(
        params=pd.Series({design.treatment: estimate}),
        std_errors=pd.Series({design.treatment: float(error)}),
        df=len(changes) - 1,
        table=table,
        nobs=len(design.y),
        title=f"{design.title}, without one {whole} at a time",
        notes=design.panel.dropped,
    )


def _without(design: ProjectedPanel, x: np.ndarray, y: np.ndarray, cluster: int) -> float:
    """Return the slope on the rows outside a cluster.

    Leaving rows out is adding a dummy for each: with *M* the residual maker of the other
    nuisance terms, the sum of products of *x* and *y* falls by ``x_g' (M_gg)^+ y_g``.
    """
    rows = np.flatnonzero(design.codes == cluster)
    block = np.eye(len(rows)) - design.span.block(rows)
    values, vectors = np.linalg.eigh(block)
    positive = values > 1e-10
    left, right = (vectors[:, positive].T @ v[rows] for v in (x, y))
    power = x @ x - left @ (left / values[positive])
    product = x @ y - left @ (right / values[positive])
    return float(product / power) if power > 1e-12 * (design.d @ design.d) else float("nan")
