r"""Minimum-norm Gauss-Newton for a few dozen equations in hundreds of bounded unknowns.

A witness problem is strongly under-determined: hundreds of cells of a panel, some
seventy printed numbers.  The damped step of least norm,

.. math:: \delta = -J'(JJ' + \mu I)^{-1} r,

stays close to where it starts, so that different starts give different witnesses,
and needs only a matrix of the size of the equations.  Bounds are met by writing
each cell as ``lower + (upper - lower) * sigmoid(u)``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Values = dict[str, Array]

#: Unknowns are kept on this grid after each step, so that the last bits of a
#: linear-algebra library do not grow into other digits of the witness.
GRID = 2.0**20
#: No unknown moves farther than this in one step (on the sigmoid's scale).
LONGEST_STEP = 1.5
#: Half units from which on a Newton search is far.
FAR = 100.0


@dataclass(frozen=True)
class Equation:
    """``value = 0``, scaled so that 1 is half a unit of the last printed digit.

    >>> Equation(0.25, {"x": np.ones(2)}).value
    0.25
    """

    value: float
    gradient: Mapping[str, Array]


@dataclass(frozen=True)
class Block:
    """A named vector of unknowns between bounds, some cells pinned.

    Attributes
    ----------
    lower, upper : ndarray, n
        Bounds of each cell; ``None`` for a block that is free.
    pins : dict
        Position to the value it is held at.

    Examples
    --------
    >>> Block(np.array([0.2, 0.4, 0.6]), np.zeros(3), np.ones(3), pins={1: 0.4}).free
    array([0, 2])
    """

    start: Array
    lower: Array | None = None
    upper: Array | None = None
    pins: Mapping[int, float] = field(default_factory=dict)

    @property
    def free(self) -> NDArray[np.int64]:
        """Positions that may move."""
        return np.array([i for i in range(len(self.start)) if i not in self.pins], dtype=np.int64)

    def unknowns(self) -> Array:
        """Return the start on the unbounded scale."""
        if self.lower is None or self.upper is None:
            return _snap(self.start.astype(float))
        free = self.free
        share = (self.start[free] - self.lower[free]) / (self.upper[free] - self.lower[free])
        share = np.clip(share, 0.03, 0.97)
        return _snap(np.log(share / (1 - share)))

    def values(self, unknowns: Array) -> tuple[Array, Array]:
        """Return the cells and their derivatives with respect to the unknowns."""
        if self.lower is None or self.upper is None:
            return unknowns, np.ones_like(unknowns)
        free = self.free
        share = 1 / (1 + np.exp(-unknowns))
        span = self.upper[free] - self.lower[free]
        cells = np.zeros(len(self.start))
        cells[free] = self.lower[free] + span * share
        for position, value in self.pins.items():
            cells[position] = value
        return cells, span * share * (1 - share)


@dataclass(frozen=True)
class Solution:
    """Where the search ended.

    Attributes
    ----------
    values : dict of ndarray
        The cells of each block.
    iterations : int
        Steps tried.
    worst : float
        The largest deviation, in half units of the last printed digit.
    converged : bool
        Whether ``worst`` is below the tolerance.

    Examples
    --------
    >>> Solution({}, iterations=4, worst=0.1, converged=True).worst
    0.1
    """

    values: Values
    iterations: int
    worst: float
    converged: bool


def _snap(unknowns: Array) -> Array:
    return np.round(unknowns * GRID) / GRID


class _System:
    """Packs blocks into one vector and equations into residuals and a Jacobian."""

    def __init__(
        self, blocks: Mapping[str, Block], equations: Callable[[Values], Iterable[Equation]]
    ) -> None:
        self.blocks, self.equations = blocks, equations
        self.free = {name: block.free for name, block in blocks.items()}
        ends = np.cumsum([len(f) for f in self.free.values()])
        self.slices = {
            name: slice(end - len(f), end)
            for (name, f), end in zip(self.free.items(), ends, strict=True)
        }
        self.size = int(ends[-1])

    def start(self) -> Array:
        return np.concatenate([block.unknowns() for block in self.blocks.values()])

    def evaluate(self, unknowns: Array) -> tuple[Array, Array, Values]:
        values, slopes = {}, {}
        for name, block in self.blocks.items():
            values[name], slopes[name] = block.values(unknowns[self.slices[name]])
        system = list(self.equations(values))
        jacobian = np.zeros((len(system), self.size))
        for row, equation in enumerate(system):
            for name, gradient in equation.gradient.items():
                if name in self.slices:  # what is held fixed has no unknowns
                    jacobian[row, self.slices[name]] = gradient[self.free[name]] * slopes[name]
        return np.array([equation.value for equation in system]), jacobian, values


def solve(
    blocks: Mapping[str, Block],
    equations: Callable[[Values], Iterable[Equation]],
    *,
    tolerance: float = 0.4,
    max_iterations: int = 3000,
    patience: int | None = None,
) -> Solution:
    """Find cells that meet all equations, near the start.

    Parameters
    ----------
    blocks : mapping
        Name to :class:`Block`.
    equations : callable
        From the cells of all blocks to the equations; inequalities may enter as
        equations that are present only while they are violated.
    tolerance : float
        Largest deviation accepted, in half units of the last printed digit: at 0.4
        a number stays inside its rounding interval when the panel is written with
        six decimals.
    max_iterations : int
        Steps tried before giving up; the solution then says ``converged=False``.
    patience : int, optional
        Give up after so many steps in which the sum of squares has not fallen by a
        tenth; by default only ``max_iterations`` counts.

    Examples
    --------
    >>> found = solve(
    ...     {"x": Block(np.zeros(2))},
    ...     lambda values: [Equation(values["x"].sum() - 1, {"x": np.ones(2)})],
    ...     tolerance=0.01,
    ... )
    >>> found.converged
    True
    """
    system = _System(blocks, equations)
    unknowns = system.start()
    residuals, jacobian, values = system.evaluate(unknowns)
    damping, iteration = 10.0, 0
    best, since = float(residuals @ residuals), 0
    while (worst := float(np.abs(residuals).max())) >= tolerance and iteration < max_iterations:
        iteration += 1
        gram = jacobian @ jacobian.T + damping * np.eye(len(residuals))
        step = -jacobian.T @ np.linalg.solve(gram, residuals)
        longest = np.abs(step).max()
        if longest > LONGEST_STEP:
            step *= LONGEST_STEP / longest
        trial = _snap(unknowns + step)
        trial_residuals, trial_jacobian, trial_values = system.evaluate(trial)
        since += 1
        if trial_residuals @ trial_residuals < 0.9 * best:
            best, since = float(trial_residuals @ trial_residuals), 0
        if patience is not None and since > patience:
            break
        if trial_residuals @ trial_residuals < residuals @ residuals:
            unknowns, residuals = trial, trial_residuals
            jacobian, values = trial_jacobian, trial_values
            damping = max(damping / 5, 1e-6)
        else:
            damping *= 8
            if damping > 1e12:
                break
    return Solution(values, iteration, worst, worst < tolerance)


def unit_step(jacobian: Array, residuals: Array, ridge: float) -> Array:
    """Return the step of least norm, every equation scaled to a gradient of length one.

    A z printed to two decimals then does not outweigh a coefficient printed to three.
    """
    size = np.sqrt((jacobian**2).sum(axis=1)) + 1e-300
    part = jacobian / size[:, None]
    gram = part @ part.T
    gram[np.diag_indices_from(gram)] += ridge
    step: Array = -part.T @ np.linalg.solve(gram, residuals / size)
    return step


def newton(
    blocks: Mapping[str, Block],
    equations: Callable[[Values], Iterable[Equation]],
    *,
    tolerance: float = 0.05,
    max_iterations: int = 120,
    longest: float = 1.0,
) -> Solution:
    """Take Newton steps towards equations that can be met jointly; steps may go uphill.

    Converges where the damped steps of :func:`solve` are caught: equations that hold each other
    up, such as nested columns with classical errors.

    >>> found = newton(
    ...     {"x": Block(np.zeros(2))},
    ...     lambda values: [Equation(values["x"].sum() - 1, {"x": np.ones(2)})],
    ... )
    >>> found.values["x"].round(3)
    array([0.5, 0.5])
    """
    system = _System(blocks, equations)
    unknowns = system.start()
    for iteration in range(max_iterations + 1):
        residuals, jacobian, values = system.evaluate(unknowns)
        worst = float(np.abs(residuals).max())
        if worst < tolerance or not np.isfinite(worst) or iteration == max_iterations:
            break
        step = unit_step(jacobian, residuals, 1e-4 if worst > FAR else 1e-10)
        unknowns = _snap(unknowns + step * min(1.0, longest / np.abs(step).max()))
        for name, block in blocks.items():
            if block.lower is not None:
                part = system.slices[name]
                unknowns[part] = np.clip(unknowns[part], -6.0, 6.0)
    return Solution(values, iteration, worst, worst < tolerance)
