r"""Aims inside printed intervals that nested least-squares columns can meet jointly.

Under one transformation and the homoskedastic formula, the longest column and the
coefficients of the shorter ones fix every shorter statistic: for a column *S* and the column
*L* that adds regressor *k*,

.. math::

    v^S_j = \rho \left(v^L_j - \Bigl(\tfrac{b^S_j - b^L_j}{b^L_k}\Bigr)^2 v^L_k\right),
    \qquad \rho = \frac{d_L + t_k^2}{d_L + 1},

with :math:`v` squared standard errors and :math:`d_L` the residual degrees of freedom
(:mod:`printproof.rules` proves it).  The middles of the intervals break these relations, so
that a search which pulls on all of them stalls.  :func:`nested` finds a point that keeps them.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from printproof.errors import SearchError
from printproof.witness._moments import Array
from printproof.witness._problem import Model, Target

#: Share of the half unit that an aim may use, what steps head for, and how many there are.
_ROOM, _HEAD, _STEPS = 0.9, 0.85, 500


def nested(
    targets: Sequence[Target], models: Sequence[Model], rng: np.random.Generator
) -> dict[str, float]:
    """Draw deviations for the independent printed numbers of nested classical columns.

    Parameters
    ----------
    targets : sequence of Target
        All coefficients and statistics of the columns.
    models : sequence of Model
        From the shortest; each adds its last regressor to the one before.
    rng : numpy.random.Generator
        Where the draw sets out.

    Returns
    -------
    dict
        Target's name to deviation in half units, for the coefficients of all columns and the
        statistics of the longest; the other statistics then lie inside their intervals.

    Raises
    ------
    SearchError
        If no such point was found.

    Examples
    --------
    >>> from printproof.witness import Design
    >>> design = Design(np.zeros((30, 0)), np.arange(30))
    >>> models = [Model("(1)", "y", ("x",), design), Model("(2)", "y", ("x", "z"), design)]
    >>> printed = {("(1)", "x"): (0.20, 2.0), ("(2)", "x"): (0.19, 1.9), ("(2)", "z"): (0.1, 1.0)}
    >>> targets = [
    ...     Target(f"{of} {row} {kind}", kind, of, row, value, half)
    ...     for (of, row), pair in printed.items()
    ...     for kind, value, half in zip(("coef", "statistic"), pair, (0.05, 0.5))
    ... ]
    >>> max(abs(x) for x in nested(targets, models, np.random.default_rng(0)).values()) < 1
    True
    """
    printed = {(t.of, t.row, t.kind): t for t in targets}
    free = [printed[m.name, r, "coef"] for m in models for r in m.regressors]
    free += [printed[models[-1].name, r, "statistic"] for r in models[-1].regressors]
    follows = [printed[m.name, r, "statistic"] for m in models[:-1] for r in m.regressors]

    def deviations(points: Array) -> Array:
        values: dict[tuple[str, str, str], Any] = {
            (t.of, t.row, t.kind): t.value + x * t.half for t, x in zip(free, points, strict=True)
        }
        _complete(values, models)
        implied = [(values[t.of, t.row, t.kind] - t.value) / t.half for t in follows]
        return np.array([*points, *implied])

    point = rng.uniform(-0.5, 0.5, len(free))
    for _ in range(_STEPS):
        r = deviations(point)
        if np.abs(r).max() < _ROOM:
            return {t.name: float(x) for t, x in zip(free, point, strict=True)}
        outside = np.abs(r) > _HEAD
        around = point[:, None] + 1e-6 * np.eye(len(point))
        jacobian = ((deviations(around) - r[:, None]) / 1e-6)[outside]
        beyond = 1.05 * (r - np.sign(r) * _HEAD)[outside]
        gram = jacobian @ jacobian.T
        gram[np.diag_indices_from(gram)] += 1e-9 + 1e-6 * np.diag(gram)
        step = jacobian.T @ np.linalg.solve(gram, beyond)
        point = np.round((point - step / max(1.0, np.abs(step).max())) * 2**30) / 2**30
    raise SearchError("no point in the printed intervals keeps the relations of the columns")


def _complete(values: dict[tuple[str, str, str], Any], models: Sequence[Model]) -> None:
    """Add the statistics of the shorter columns, from the longest down."""
    for long, short in pairwise(reversed(models)):
        b, t = (
            {r: values[long.name, r, k] for r in long.regressors} for k in ("coef", "statistic")
        )
        enters = long.regressors[-1]
        n, absorbed = long.design.effects.shape
        left = n - absorbed - len(long.regressors)
        rho = (left + t[enters] ** 2) / (left + 1)
        for r in short.regressors:
            ours = values[short.name, r, "coef"]
            v = rho * ((b[r] / t[r]) ** 2 - ((ours - b[r]) / t[enters]) ** 2)
            values[short.name, r, "statistic"] = ours / np.sqrt(np.maximum(v, 1e-12))
