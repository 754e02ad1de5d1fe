"""One projection, many regressions: the algebra that all of :mod:`ftz.inference` shares.

The residual maker (see :mod:`ftz.kernel`) depends neither on the regressor nor on the outcome,
so that it is found once and any number of either costs one product of matrices.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ftz._projection import check_size, span_of
from ftz.errors import EstimationError
from ftz.kernel import ColumnSpace, residual, small_sample_factor
from ftz.panel import Panel, on_panel

#: Up to this many numbers a dense basis is faster than a span.
_DENSE = 1_000_000


@dataclass(frozen=True)
class ProjectedPanel:
    """A panel made ready: checked, turned into arrays, projected.

    Attributes
    ----------
    y, d : arrays, shape (n,)
        Outcome and treatment as they are.
    span : ColumnSpace
        Of effects and controls.
    codes : array of int, shape (n,)
        Cluster of each row, numbered in the order of their sorted labels.
    clusters : array, shape (G,)
        Labels of the clusters.
    units : array of int, shape (n,)
        Unit of each row, numbered likewise.
    names : array, shape (N,)
        Labels of the units.
    periods : array of float, shape (n,)
        Period of each row, one apart: the years themselves where none is left out, else
        numbered from one.
    places : array of float, shape (T,)
        When the periods are, as :func:`ftz.panel.moments` places them.
    panel : ftz.panel.Panel
        Where all of this comes from, singletons left out.
    """

    y: np.ndarray
    d: np.ndarray
    span: ColumnSpace
    codes: np.ndarray
    clusters: np.ndarray
    units: np.ndarray
    names: np.ndarray
    periods: np.ndarray
    places: np.ndarray
    panel: Panel

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
        small = len(self.units) * len(self.names) <= _DENSE
        return self.basis if small else self.span

    @property
    def y_within(self) -> np.ndarray:
        """Outcome after effects and controls."""
        return residual(self.y, self.projector)

    @property
    def d_within(self) -> np.ndarray:
        """Treatment after effects and controls.

        Raises
        ------
        EstimationError
            If nothing is left of it.
        """
        within = residual(self.d, self.projector)
        if within @ within < 1e-12 * max(self.d @ self.d, 1e-300):
            raise EstimationError(
                f"{self.treatment} does not vary once effects and controls are removed, "
                "so its coefficient is not identified"
            )
        return within

    @property
    def factor(self) -> float:
        """The small-sample factor n / (n - k) of one regressor's variance."""
        return small_sample_factor(len(self.d), self.span.rank + 1)

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
    panel = panel.without_singletons()
    units, names = panel.units
    if np.ptp(panel.d) == 0:
        raise EstimationError(f"{panel.treatment} is constant: there is nothing to reassign")
    codes, labels = panel.clusters
    return ProjectedPanel(
        y=panel.y if panel.outcome else panel.d,
        d=panel.d,
        span=span_of(panel),
        codes=codes,
        clusters=labels,
        units=units,
        names=names,
        periods=numbered_periods(panel.places)[panel.ranks - 1],
        places=panel.places,
        panel=panel,
    )
