r"""Thousands of two-way fixed-effects regressions from one projection.

Let *W* hold treatment, controls and outcomes of a cell after unit and period effects are
removed, and let :math:`W = QR`.  For a set of controls *S* the residuals of treatment and
outcome are combinations :math:`W\gamma_x` and :math:`W\gamma_e` of its columns, and

.. math:: \hat\beta = \frac{(R\gamma_x)'(R\gamma_y)}{|R\gamma_x|^2},
          \qquad
          \widehat V = \frac{n}{n - k}
          \frac{\sum_g \big( \gamma_x' W_g'W_g \gamma_e \big)^2}{|R\gamma_x|^4},

so that beside the :math:`W_g'W_g` of the clusters, found once, no regression touches the
rows again.  Least squares run on *R*, not on a matrix of cross products, and lose no digits.

Every product here has a shape that depends on the cell and on *S* alone, never on which
specifications happen to be asked for together: that is why a row of the table has the same
bits in every batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ftz.did.projection import effect_basis
from ftz.errors import EstimationError
from ftz.own.study import Study
from specgrid.cells import TREATMENT, Cell
from specgrid.grid import outcome_levels

Floats = NDArray[np.float64]
#: Below this a regressor counts as explained by the others, and the reference decides.
_FLAT = 1e-6


@dataclass(frozen=True)
class Regressions:
    """One set of controls, all m outcomes: slopes of the treatment, and their standard errors.

    Where a regression is not ``sound``, :func:`ftz.did.twfe` must decide; ``residual_df`` are
    observations less parameters.
    """

    estimates: Floats
    clustered: Floats
    classical: Floats
    robust: Floats
    sound: NDArray[np.bool_]
    residual_df: int


@dataclass(frozen=True)
class Projected:
    """A cell after its effects: what every regression in it needs.

    ``within`` (n, v) has columns of norm one, zero where nothing is left (not ``sound``), and
    ``norms`` those before; ``triangle`` is *R*, ``groups`` (G, v, v) the cross products by
    cluster, ``rank`` that of the effects, ``columns`` the place of each name.
    """

    within: Floats
    triangle: Floats
    groups: Floats
    norms: Floats
    sound: NDArray[np.bool_]
    rank: int
    columns: dict[str, int]
    outcomes: tuple[str, ...]

    def regressions(self, controls: Sequence[str]) -> Regressions | None:
        """Regress every outcome on the treatment beside ``controls``; None if ill posed."""
        chosen = [self.columns[c] for c in controls]
        outcomes = [self.columns[c] for c in self.outcomes]
        n, k = len(self.within), self.rank + len(chosen) + 1
        if n <= k or not self.sound[[0, *chosen]].all():
            return None
        # The last diagonal entry is what the controls leave of the treatment.
        q, r = np.linalg.qr(self.triangle[:, [*chosen, 0]])
        if np.abs(np.diagonal(r)).min() < _FLAT:
            return None
        wanted = [0, *outcomes]
        gamma = np.zeros((len(self.norms), len(wanted)))
        gamma[wanted, np.arange(len(wanted))] = 1.0
        if chosen:
            across = q[:, : len(chosen)].T @ self.triangle[:, wanted]
            gamma[chosen] -= np.linalg.solve(r[: len(chosen), : len(chosen)], across)
        gamma_x, gamma_y = gamma[:, 0], gamma[:, 1:]
        x, y = self.triangle @ gamma_x, self.triangle @ gamma_y
        power = float(x @ x)
        beta = (x @ y) / power
        gamma_e = gamma_y - gamma_x[:, None] * beta
        return self._errors(gamma_x, gamma_e, beta, power, n, k)

    def _errors(
        self, gamma_x: Floats, gamma_e: Floats, beta: Floats, power: float, n: int, k: int
    ) -> Regressions:
        residuals = self.triangle @ gamma_e
        squares = np.square(residuals).sum(axis=0)
        scores = (gamma_x @ self.groups) @ gamma_e
        clustered = n / (n - k) * np.square(scores).sum(axis=0)
        classical = squares / (n - k) * power
        rows = np.square((self.within @ gamma_x)[:, None] * (self.within @ gamma_e))
        robust = n / (n - k) * rows.sum(axis=0)
        outcomes = [self.columns[c] for c in self.outcomes]
        scale = self.norms[outcomes] / self.norms[0]
        clustered, classical, robust = (
            np.sqrt(v) / power * scale for v in (clustered, classical, robust)
        )
        # A residual of rounding errors alone has no variance to speak of.
        sound = self.sound[outcomes] & (squares > 1e-18)
        return Regressions(beta * scale, clustered, classical, robust, sound, n - k)


def projected(study: Study, cell: Cell) -> Projected | None:
    """Remove the effects from all columns of a cell; None where that cannot be done."""
    frame = cell.frame
    names = [TREATMENT, *dict.fromkeys((*study.controls, *study.match_on))]
    names += [c for c in outcome_levels(study) if c in frame.columns]
    values = frame[names].to_numpy(float)
    usable = np.isfinite(values).all(axis=0)
    units, periods = (pd.factorize(frame[c], sort=True)[0] for c in (study.unit, study.time))
    if len(frame) < 3 or units.max() < 1 or frame.duplicated([study.unit, study.time]).any():
        return None
    try:
        basis = effect_basis(units, periods)
    except EstimationError:
        return None
    values = np.where(usable, values, 0.0)
    within = values - basis @ (basis.T @ values)
    norms = np.sqrt(np.square(within).sum(axis=0))
    spread = values.std(axis=0) * np.sqrt(len(values))
    level = np.sqrt(np.square(values).sum(axis=0))
    sound = usable & (norms > 1e-8 * spread) & (norms > 1e-12 * level)
    within = np.where(sound, within / np.where(sound, norms, 1.0), 0.0)
    codes = pd.factorize(frame[study.cluster or study.unit], sort=True)[0]
    if codes.max() < 1 or len(within) < within.shape[1]:
        return None
    parts = [within[codes == g] for g in range(int(codes.max()) + 1)]
    outcomes = tuple(c for c in outcome_levels(study) if c in frame.columns)
    return Projected(
        within=within,
        triangle=np.asarray(np.linalg.qr(within, mode="r"), dtype=np.float64),
        groups=np.stack([part.T @ part for part in parts]),
        norms=norms,
        sound=sound,
        rank=basis.shape[1],
        columns={name: place for place, name in enumerate(names)},
        outcomes=outcomes,
    )
