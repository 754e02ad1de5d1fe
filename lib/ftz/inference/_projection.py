"""One projection, many regressions: the algebra that all of :mod:`ftz.inference` shares.

The residual maker (see :mod:`ftz._kernel`) depends neither on the regressor nor on the outcome,
so that it is found once and any number of either costs one product of matrices.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ftz._kernel import DENSE, ColumnSpace, Slope, residual
from ftz._projection import check_size, span_of
from ftz.errors import EstimationError
from ftz.panel import Panel, on_panel


@dataclass(frozen=True)
class ProjectedPanel:
    """A panel made ready: checked, turned into arrays, projected; made by :func:`prepare`.

    Attributes
    ----------
    panel : ftz.panel.Panel
        Where all of this comes from, singletons left out.
    """

    panel: Panel

    @cached_property
    def y(self) -> np.ndarray:
        """Outcome, shape (n,); the treatment stands in where there is none."""
        return self.panel.y if self.panel.outcome else self.d

    @cached_property
    def d(self) -> np.ndarray:
        """Treatment, shape (n,)."""
        return self.panel.d

    @cached_property
    def span(self) -> ColumnSpace:
        """What effects and controls span."""
        return span_of(self.panel)

    @property
    def codes(self) -> np.ndarray:
        """Cluster of each row, numbered in the order of their sorted labels."""
        return self.panel.clusters[0]

    @property
    def clusters(self) -> np.ndarray:
        """Labels of the clusters, shape (G,)."""
        return self.panel.clusters[1]

    @property
    def units(self) -> np.ndarray:
        """Unit of each row, numbered likewise."""
        return self.panel.units[0]

    @property
    def names(self) -> np.ndarray:
        """Labels of the units, shape (N,)."""
        return self.panel.units[1]

    @cached_property
    def periods(self) -> np.ndarray:
        """Period of each row, one apart; years where none is left out, else from one."""
        return np.asarray(numbered_periods(self.panel.places)[self.panel.ranks - 1])

    @property
    def treatment(self) -> str:
        """What the treatment is called."""
        return self.panel.treatment or "treated"

    @property
    def title(self) -> str:
        """What is explained by what."""
        return f"{self.panel.outcome} on {self.treatment}"

    @cached_property
    def basis(self) -> np.ndarray:
        """Orthonormal basis of effects and controls, a column a unit, shape (n, r).

        Raises
        ------
        EstimationError
            If it would not fit into memory.
        """
        check_size(self.units)
        return self.span.dense()

    @property
    def projector(self) -> np.ndarray | ColumnSpace:
        """What :func:`residual` takes: the basis where it is small, else the span."""
        return self.basis if len(self.units) * len(self.names) <= DENSE else self.span

    @cached_property
    def fit(self) -> Slope:
        """The regression of the outcome on the treatment, ready for its variances.

        Raises
        ------
        EstimationError
            If effects and controls leave nothing of the treatment.
        """
        y, x = residual(np.column_stack([self.y, self.d]), self.projector).T
        if x @ x < 1e-12 * max(self.d @ self.d, 1e-300):
            raise EstimationError(
                f"{self.treatment} does not vary once effects and controls are removed, "
                "so its coefficient is not identified"
            )
        return Slope(y[:, None], x, self.span, self.codes, self.panel.ranks - 1)

    @property
    def estimate(self) -> float:
        """The two-way fixed-effects coefficient."""
        return float(self.fit.estimate[0])

    @property
    def n_clusters(self) -> int:
        """Number of clusters."""
        return len(self.clusters)

    @property
    def n_treated(self) -> int:
        """Clusters in which the treatment is not zero throughout."""
        return len(np.unique(self.codes[self.d != 0]))


def numbered_periods(places: np.ndarray) -> np.ndarray:
    """Return numbers of the observed periods, one apart: years that follow each other stay."""
    follow = (np.diff(places) == 1).all()
    return places if follow else np.arange(1.0, len(places) + 1)


@on_panel("outcome", "treatment", "controls")
def prepare(panel: Panel) -> ProjectedPanel:
    """Check a panel and turn it into arrays.

    Raises
    ------
    EstimationError
        As :class:`ftz.panel.Panel`; a constant treatment, a control without variation once
        effects are removed, collinear controls.
    """
    design = ProjectedPanel(panel.without_singletons())
    if np.ptp(design.d) == 0:
        raise EstimationError(f"{panel.treatment} is constant: there is nothing to reassign")
    _ = design.span  # refuses controls that the effects explain
    return design
