r"""Printed tables as a problem for search: panels that meet them, and their bounds.

A :class:`Problem` is declared by its variables (with bounds, or known), its models and
its printed numbers.  It knows nothing of any paper.  :meth:`Problem.find` looks for a
panel inside every rounding interval from a random start, and :meth:`Problem.bound`
moves a panel as far as it goes in the direction of an unprinted estimand while it stays
inside them.

With :math:`c_i` the deviation of printed number *i* in half units of its last digit, a
panel is feasible if all :math:`|c_i| \le 1`.  A step of the search for a bound follows
the gradient of the estimand, projected on the directions in which the deviations near
their limits do not grow,

.. math:: d = g - J_A' (J_A J_A')^{-1} J_A g,

and is followed by Gauss-Newton steps of least norm back inside.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from printproof.errors import SearchError
from printproof.witness._moments import Array, Column, Design
from printproof.witness._solver import FAR, GRID, unit_step

Values = dict[str, Array]
Gradient = dict[str, Array]

#: Deviations, in half units, at which a search is content.  The margin of the first
#: keeps a number inside its interval when the panel is written with six decimals; a
#: way to a bound goes nearer to the edge.
FOUND, INSIDE = 0.8, 0.98
#: How often a search for a bound may move off the edges and go on.
_RECENTRE = 3
#: No unknown moves farther than this in one step (on the sigmoid's scale).
_LONGEST_STEP = 1.5
#: Deviations beyond which a printed number acts on the direction of a step.
_ACTIVE = 0.7
#: Half units from its aim at which a Newton search is content.
_AIMED = 1e-2


@dataclass(frozen=True)
class Variable:
    """A column of the panel.

    Attributes
    ----------
    name : str
    lower, upper : ndarray, n
        Bounds of each cell; equal where the cell is known.

    Examples
    --------
    >>> Variable.given("one", np.ones(3)).known
    True
    """

    name: str
    lower: Array
    upper: Array

    @property
    def known(self) -> bool:
        """Whether every cell is known."""
        return bool((self.lower == self.upper).all())

    @classmethod
    def given(cls, name: str, values: Array) -> Variable:
        """Return a variable whose cells are all known."""
        values = np.asarray(values, dtype=float)
        return cls(name, values, values)


@dataclass(frozen=True)
class Model:
    """A least-squares column.

    Attributes
    ----------
    name, outcome : str
    regressors : tuple of str
        Variables; a constant is a known variable of ones.
    design : Design
        Absorbed effects and clusters, for the rows that the model uses.
    errors : {"clustered", "robust", "classical"}
    rows : ndarray of int, optional
        Rows used; all by default.
    """

    name: str
    outcome: str
    regressors: tuple[str, ...]
    design: Design
    errors: str = "clustered"
    rows: NDArray[np.int64] | None = None

    def fit(self, values: Values, asked: Sequence[int] | None = None) -> Column:
        """Estimate the column, with gradients."""
        take = slice(None) if self.rows is None else self.rows
        x = np.column_stack([values[name][take] for name in self.regressors])
        return self.design.regress(values[self.outcome][take], x, self.errors, asked)

    def spread(self, gradient: Array, n: int) -> Array:
        """Put a gradient in the model's rows into all rows of the panel."""
        if self.rows is None:
            return gradient
        full = np.zeros(n)
        full[self.rows] = gradient
        return full


Kind = Literal["mean", "sd", "coef", "se", "statistic"]


@dataclass(frozen=True)
class Target:
    """A printed number.

    Attributes
    ----------
    name : str
        For messages: the cell's identifier.
    kind : {"mean", "sd", "coef", "se", "statistic"}
    of : str
        The variable, or the model.
    row : str
        The regressor, for numbers of a model.
    value, half : float
        The printed number and half a unit of its last digit.

    Examples
    --------
    >>> Target("p/table2/x/mean/value", "mean", "x", "", value=0.51, half=0.005).kind
    'mean'
    """

    name: str
    kind: Kind
    of: str
    row: str
    value: float
    half: float


class Estimand(Protocol):
    """A smooth number of a panel, with its gradient.

    >>> def first(values):
    ...     return float(values["x"][0]), {"x": np.eye(len(values["x"]))[0]}
    >>> first({"x": np.array([0.3, 0.7])})[0]  # what ``evaluate`` returns of the first cell
    0.3
    """

    @property
    def name(self) -> str:
        """What the number is called."""
        ...

    def evaluate(self, values: Values) -> tuple[float, Gradient]:
        """Return the number and its gradient in each variable."""
        ...


@dataclass(frozen=True)
class Coefficient:
    """A coefficient, its standard error or its statistic in any model."""

    name: str
    model: Model
    row: str
    which: Literal["coef", "se", "statistic"] = "coef"

    def evaluate(self, values: Values) -> tuple[float, Gradient]:
        """Return the number and its gradient."""
        j = self.model.regressors.index(self.row)
        fit = self.model.fit(values, [j])
        n = len(values[self.model.outcome])
        value, by_y, by_x = _parts(fit, self.which)
        gradient = {
            name: self.model.spread(by_x[0][:, i], n)
            for i, name in enumerate(self.model.regressors)
        }
        gradient[self.model.outcome] = self.model.spread(by_y[0], n)
        return float(value[0]), gradient


@dataclass(frozen=True)
class RSquared:
    """Share of the outcome's variation, within the absorbed effects, that a model explains.

    >>> values = {"y": np.array([1.0, 2.0, 3.0]), "x": np.array([2.0, 4.0, 6.0])}
    >>> model = Model("(1)", "y", ("x",), Design(np.zeros((3, 0)), np.arange(3)))
    >>> round(RSquared("fit", model).evaluate(values)[0], 6)
    1.0
    """

    name: str
    model: Model

    def evaluate(self, values: Values) -> tuple[float, Gradient]:
        """Return the share and its gradient."""
        model = self.model
        n = len(values[model.outcome])
        take = slice(None) if model.rows is None else model.rows
        ones = model.design.within(np.ones(len(values[model.outcome][take])))
        ones = ones / np.sqrt(ones @ ones)

        def within(x: Array) -> Array:
            x = model.design.within(x)
            return x - ones * (ones @ x)

        y = within(values[model.outcome][take])
        columns_ = {r: within(values[r][take]) for r in model.regressors}
        names = [r for r, x in columns_.items() if x @ x > 1e-12 * len(x)]
        x = np.column_stack([columns_[r] for r in names])
        b = np.linalg.solve(x.T @ x, x.T @ y)
        e, total = y - x @ b, float(y @ y)
        value = 1 - float(e @ e) / total
        by_y = -2 * e / total + 2 * y * float(e @ e) / total**2
        gradient = {model.outcome: model.spread(within(by_y), n)}
        for i, name in enumerate(names):
            gradient[name] = model.spread(within(2 * e * b[i] / total), n)
        return value, gradient


@dataclass(frozen=True)
class Correlation:
    """Pearson's correlation of two variables."""

    name: str
    a: str
    b: str

    def evaluate(self, values: Values) -> tuple[float, Gradient]:
        """Return the correlation and its gradient."""
        x, y = (values[v] - values[v].mean() for v in (self.a, self.b))
        sx, sy = np.sqrt(x @ x), np.sqrt(y @ y)
        r = float(x @ y / (sx * sy))
        return r, {self.a: (y / sy - r * x / sx) / sx, self.b: (x / sx - r * y / sy) / sy}


def _parts(fit: Column, which: str) -> tuple[Array, Array, Array]:
    if which == "coef":
        return fit.value, fit.value_by_outcome, fit.value_by_regressors
    if which == "se":
        return fit.error, fit.error_by_outcome, fit.error_by_regressors
    return fit.statistic, fit.statistic_by_outcome, fit.statistic_by_regressors


@dataclass(frozen=True)
class FittedPanel:
    """A panel and how well it meets the printed numbers.

    Attributes
    ----------
    values : dict of ndarray
    worst : float
        The largest deviation in half units: at most 1 is inside every interval.
    where : str
        The printed number that deviates most.
    steps : int

    Examples
    --------
    >>> FittedPanel({}, worst=0.8, where="p/table2/x/mean/value", steps=3).feasible
    True
    """

    values: Values
    worst: float
    where: str
    steps: int

    @property
    def feasible(self) -> bool:
        """Whether every printed number is met."""
        return self.worst <= 1.0


@dataclass(frozen=True)
class Limit:
    """An interval for an unprinted estimand, kept like that of a printed number.

    >>> r = Correlation("r", "x", "y")
    >>> values = {"x": np.array([1.0, 2.0, 3.0]), "y": np.array([1.0, 2.0, 3.0])}
    >>> round(Limit(r, 0.0, 1.0).evaluate(values)[0], 6)
    1.0
    """

    estimand: Estimand
    low: float
    high: float

    def evaluate(self, values: Values) -> tuple[float, Gradient]:
        """Return the deviation from the middle, in half widths, and its gradient."""
        middle, half = (self.low + self.high) / 2, (self.high - self.low) / 2
        value, by = self.estimand.evaluate(values)
        return (value - middle) / half, {k: g / half for k, g in by.items()}


@dataclass(frozen=True)
class Range:
    """How far an unprinted estimand can move.

    Attributes
    ----------
    name : str
    low, high : float
        The ends that were reached, each by a panel that meets every printed number.
    starts : int
        Panels from which the search set out.
    agreement : float
        Share of the starts that came within two percent of the range of the same end,
        averaged over both ends: near one, the ends are sharp as far as search can tell.

    Examples
    --------
    >>> Range("effect", 0.1, 0.3, starts=4, agreement=1.0).contains(0.2)
    True
    """

    name: str
    low: float
    high: float
    starts: int
    agreement: float

    def contains(self, value: float) -> bool:
        """Say whether a number lies inside."""
        return self.low <= value <= self.high


@dataclass(frozen=True)
class Problem:
    """Printed numbers, and everything that is known of the panel behind them.

    Attributes
    ----------
    variables : tuple of Variable
    models : tuple of Model
    targets : tuple of Target
    ends : mapping
        Variable to its printed minimum and maximum as intervals ``(low, high)`` each:
        some row lies in either.
    limits : tuple of Limit
        What else a panel has to keep.

    Examples
    --------
    >>> share = Variable("x", np.zeros(5), np.ones(5))
    >>> printed = Target("p/table2/x/mean/value", "mean", "x", "", value=0.5, half=0.05)
    >>> Problem((share,), (), (printed,)).find(np.random.default_rng(1)).feasible
    True
    """

    variables: tuple[Variable, ...]
    models: tuple[Model, ...]
    targets: tuple[Target, ...]
    ends: Mapping[str, tuple[tuple[float, float], tuple[float, float]]] = field(
        default_factory=dict
    )
    limits: tuple[Limit, ...] = ()

    def __post_init__(self) -> None:
        names = {v.name for v in self.variables}
        for model in self.models:
            missing = {model.outcome, *model.regressors} - names
            if missing:
                raise SearchError(
                    f"model {model.name!r} uses {', '.join(sorted(missing))}, "
                    "which the problem does not have"
                )
        for variable in self.variables:
            if (variable.lower > variable.upper).any():
                row = int(np.argmax(variable.lower > variable.upper))
                raise SearchError(
                    f"{variable.name}, row {row}: the lower bound is above the upper one"
                )

    @property
    def n(self) -> int:
        """Rows of the panel."""
        return len(self.variables[0].lower)

    # --- starts ---------------------------------------------------------------------------------

    def with_ends(self, rng: np.random.Generator) -> Problem:
        """Choose which rows hold the printed minima and maxima, and narrow their bounds."""
        chosen = []
        for variable in self.variables:
            if variable.name in self.ends and not variable.known:
                lower, upper = variable.lower.copy(), variable.upper.copy()
                low, high = self.ends[variable.name]
                first = _row_for(lower, upper, low, rng, taken=None)
                second = _row_for(lower, upper, high, rng, taken=first)
                for row, end in ((first, low), (second, high)):
                    lower[row] = max(lower[row], end[0])
                    upper[row] = min(upper[row], end[1])
                variable = Variable(variable.name, lower, upper)
            chosen.append(variable)
        return replace(self, variables=tuple(chosen), ends={})

    def start(self, rng: np.random.Generator) -> Values:
        """Draw a panel inside the bounds, with the printed means and spreads where known."""
        moments = {(t.of, t.kind): t.value for t in self.targets if t.kind in {"mean", "sd"}}
        values: Values = {}
        for v in self.variables:
            width = v.upper - v.lower
            if v.known:
                values[v.name] = v.lower.copy()
                continue
            mean = moments.get((v.name, "mean"), float(np.mean((v.lower + v.upper) / 2)))
            sd = moments.get((v.name, "sd"), float(np.mean(width)) / 4)
            draw = mean + sd * rng.standard_normal(self.n)
            values[v.name] = np.clip(draw, v.lower + 0.02 * width, v.upper - 0.02 * width)
        return values

    def near(
        self, values: Values, rng: np.random.Generator, distance: float, *, edge: float = 0.01
    ) -> Values:
        """Return a panel at random around another one, inside the bounds by ``edge`` widths."""
        moved: Values = {}
        for v in self.variables:
            x = values[v.name]
            if not v.known:
                width = v.upper - v.lower
                x = x + distance * x.std() * rng.standard_normal(self.n)
                x = np.clip(x, v.lower + edge * width, v.upper - edge * width)
            moved[v.name] = x
        return moved

    # --- search ---------------------------------------------------------------------------------

    def find(
        self,
        rng: np.random.Generator,
        *,
        start: Values | None = None,
        aim: Mapping[str, float] | None = None,
        max_iterations: int = 1500,
        patience: int = 150,
    ) -> FittedPanel:
        """Look for a panel that meets every printed number, from a random start.

        Parameters
        ----------
        rng : numpy.random.Generator
        start : dict of ndarray, optional
            Where to set out; drawn by default.
        aim : mapping, optional
            Target's name to the deviation wanted, in half units.  Targets left out do not
            pull: they follow from the others.  Newton steps are then taken, which a joint
            aim that can be met makes converge where damped steps are caught.
        max_iterations, patience : int
            Steps before giving up, and steps without progress.

        Returns
        -------
        FittedPanel
            Ask :attr:`FittedPanel.feasible` whether the search succeeded.
        """
        problem = self.with_ends(rng) if start is None else self._around(start)
        packed = _Packed(problem)
        u = packed.pack(problem.start(rng) if start is None else start)
        if aim is not None:
            return packed.found(*packed.newton(u, aim, max_iterations))
        u, steps, _ = packed.restore(
            u, target=0.0, max_iterations=max_iterations, patience=patience, until=FOUND
        )
        return packed.found(u, steps)

    def bound(
        self,
        estimand: Estimand,
        found: FittedPanel,
        sign: int,
        *,
        max_iterations: int = 150,
    ) -> tuple[float, FittedPanel]:
        """Move a panel as far as it goes in the direction of a estimand.

        Parameters
        ----------
        estimand : Quantity
        found : FittedPanel
            A feasible panel.
        sign : {1, -1}
            Up or down.
        max_iterations : int

        Returns
        -------
        float
            The value reached.
        FittedPanel
            The panel that attains it; it meets every printed number.
        """
        packed = _Packed(self._around(found.values))
        u = packed.pack(found.values)
        u, steps = packed.maximise(u, estimand, sign, max_iterations)
        reached = packed.found(u, steps)
        return estimand.evaluate(reached.values)[0], reached

    def deviations(self, values: Values) -> dict[str, float]:
        """Return a panel's deviation from each printed number, in half units."""
        packed = _Packed(self)
        c, *_ = packed.deviations_at(values, {})
        return dict(zip(packed.names, map(float, c), strict=True))

    def _around(self, values: Values) -> Problem:
        """Keep the printed ends where a panel has its smallest and largest values."""
        chosen = []
        for v in self.variables:
            if v.name in self.ends and not v.known:
                x, (low, high) = values[v.name], self.ends[v.name]
                lower, upper = v.lower.copy(), v.upper.copy()
                for end, order in ((low, np.argsort(x)), (high, np.argsort(-x))):
                    fits = (lower <= end[1]) & (upper >= end[0])
                    row = int(order[np.argmax(fits[order])])
                    lower[row], upper[row] = max(lower[row], end[0]), min(upper[row], end[1])
                v = Variable(v.name, lower, upper)
            chosen.append(v)
        return replace(self, variables=tuple(chosen), ends={})

    def ranges(
        self,
        estimands: Sequence[Estimand],
        starts: Sequence[FittedPanel],
        *,
        max_iterations: int = 150,
    ) -> list[Range]:
        """Return how far each estimand can move, from several panels.

        Parameters
        ----------
        estimands : sequence of Quantity
        starts : sequence of FittedPanel
            Feasible panels, dispersed.
        max_iterations : int
            Steps towards each bound.

        Raises
        ------
        SearchError
            If no start is feasible.
        """
        feasible = [s for s in starts if s.feasible]
        if not feasible:
            raise SearchError("no start meets the printed numbers: there is nothing to move")
        found = []
        for estimand in estimands:
            ends: dict[int, list[float]] = {1: [], -1: []}
            for start in feasible:
                for sign in (1, -1):
                    value, reached = self.bound(
                        estimand, start, sign, max_iterations=max_iterations
                    )
                    if reached.feasible:
                        ends[sign].append(value)
                value = estimand.evaluate(start.values)[0]
                ends[1].append(value)
                ends[-1].append(value)
            low, high = min(ends[-1]), max(ends[1])
            near = 0.02 * (high - low)
            agree = [
                sum(abs(v - end) <= near for v in ends[sign]) / len(feasible)
                for sign, end in ((1, high), (-1, low))
            ]
            found.append(Range(estimand.name, low, high, len(feasible), min(1.0, sum(agree) / 2)))
        return found


def _row_for(
    lower: Array,
    upper: Array,
    end: tuple[float, float],
    rng: np.random.Generator,
    taken: int | None,
) -> int:
    """Draw a row whose bounds meet a printed end."""
    fits = np.flatnonzero((lower <= end[1]) & (upper >= end[0]))
    fits = fits[fits != taken] if taken is not None else fits
    if len(fits) == 0:
        raise SearchError(
            f"no row can hold a printed end in [{end[0]:g}, {end[1]:g}]: the bounds exclude it"
        )
    return int(fits[int(rng.integers(len(fits)))])


#: Deviations, their Jacobian, the panel, and its slopes in the unknowns.
State = tuple[Array, Array, Values, dict[str, Array]]


class _Packed:
    """The unknown cells of a problem as one vector without bounds."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.free = {
            v.name: np.flatnonzero(v.lower < v.upper) for v in problem.variables if not v.known
        }
        ends = np.cumsum([len(f) for f in self.free.values()])
        self.slices = {
            name: slice(end - len(f), end)
            for (name, f), end in zip(self.free.items(), ends, strict=True)
        }
        self.size = int(ends[-1]) if len(ends) else 0
        self.bounds = {v.name: (v.lower, v.upper) for v in problem.variables}
        self.by_model: dict[str, list[Target]] = {}
        for t in problem.targets:
            if t.kind not in {"mean", "sd"}:
                self.by_model.setdefault(t.of, []).append(t)
        self.moments = [t for t in problem.targets if t.kind in {"mean", "sd"}]
        self.names = [t.name for t in self.moments] + [
            t.name for part in self.by_model.values() for t in part
        ]
        self.names += [limit.estimand.name for limit in problem.limits]
        self.models = {m.name: m for m in problem.models}

    def pack(self, values: Values) -> Array:
        u = np.zeros(self.size)
        for name, part in self.slices.items():
            lower, upper = (b[self.free[name]] for b in self.bounds[name])
            share = (values[name][self.free[name]] - lower) / (upper - lower)
            share = np.clip(share, 1e-4, 1 - 1e-4)
            u[part] = np.log(share / (1 - share))
        return u

    def unpack(self, u: Array) -> tuple[Values, dict[str, Array]]:
        values, slopes = {}, {}
        for v in self.problem.variables:
            x = v.lower.copy()
            if v.name in self.slices:
                free = self.free[v.name]
                share = 1 / (1 + np.exp(-np.clip(u[self.slices[v.name]], -30, 30)))
                width = v.upper[free] - v.lower[free]
                x[free] = v.lower[free] + width * share
                slopes[v.name] = width * share * (1 - share)
            values[v.name] = x
        return values, slopes

    def gradient(self, by_variable: Gradient, slopes: dict[str, Array]) -> Array:
        g = np.zeros(self.size)
        for name, part in by_variable.items():
            if name in slopes:
                g[self.slices[name]] += part[self.free[name]] * slopes[name]
        return g

    def deviations(self, u: Array) -> State:
        """Return c and J: deviations of all printed numbers, in half units."""
        return self.deviations_at(*self.unpack(u))

    def deviations_at(self, values: Values, slopes: dict[str, Array]) -> State:
        """Return the same at a panel; variables without slopes have no gradient."""
        c, rows = [], []
        for t in self.moments:
            x = values[t.of]
            n, mean = len(x), x.mean()
            if t.kind == "mean":
                value, by = mean, np.full(n, 1 / n)
            else:
                value = x.std(ddof=1)
                by = (x - mean) / ((n - 1) * value)
            c.append((value - t.value) / t.half)
            rows.append(self.gradient({t.of: by / t.half}, slopes))
        blocks = [np.array(rows).reshape(len(rows), self.size)]
        for name, targets in self.by_model.items():
            deviations, jacobian = self._model(self.models[name], targets, values, slopes)
            c.extend(deviations)
            blocks.append(jacobian)
        for limit in self.problem.limits:
            deviation, by_variable = limit.evaluate(values)
            c.append(deviation)
            blocks.append(self.gradient(by_variable, slopes)[None])
        return np.array(c), np.concatenate(blocks), values, slopes

    def _model(
        self, model: Model, targets: list[Target], values: Values, slopes: dict[str, Array]
    ) -> tuple[Array, Array]:
        """Return the deviations of a model's targets and their Jacobian."""
        asked = sorted({model.regressors.index(t.row) for t in targets})
        fit = model.fit(values, asked)
        parts = {kind: _parts(fit, kind) for kind in {t.kind for t in targets}}
        place = [asked.index(model.regressors.index(t.row)) for t in targets]
        half = np.array([t.half for t in targets])
        pairs = list(zip(targets, place, strict=True))
        c = np.array([parts[t.kind][0][j] - t.value for t, j in pairs]) / half
        by_y = np.array([parts[t.kind][1][j] for t, j in pairs]) / half[:, None]
        by_x = np.array([parts[t.kind][2][j] for t, j in pairs]) / half[:, None, None]
        take = np.arange(self.problem.n) if model.rows is None else model.rows
        jacobian = np.zeros((len(targets), self.size))
        columns_ = [(model.outcome, by_y)]
        columns_ += [(name, by_x[:, :, i]) for i, name in enumerate(model.regressors)]
        for name, by in columns_:
            if name in slopes:
                full = np.zeros((len(targets), self.problem.n))
                full[:, take] = by
                jacobian[:, self.slices[name]] += full[:, self.free[name]] * slopes[name]
        return c, jacobian

    def newton(self, u: Array, aim: Mapping[str, float], max_iterations: int) -> tuple[Array, int]:
        """Take Newton steps of least norm towards deviations that can be had jointly.

        Equations are scaled to unit gradients, so that a z printed to two decimals does
        not outweigh a coefficient printed to three; steps may go uphill.
        """
        pull = np.array([name in aim for name in self.names])
        wanted = np.array([aim[name] for name in self.names if name in aim])
        for steps in range(max_iterations):
            c, jacobian, *_ = self.deviations(u)
            r = c[pull] - wanted
            largest = np.abs(r).max()
            if largest < _AIMED or not np.isfinite(largest):
                return u, steps
            step = unit_step(jacobian[pull], r, 1e-4 if largest > FAR else 1e-10)
            u = np.clip(u + step * min(1.0, 1.0 / np.abs(step).max()), -6.0, 6.0)
            u = np.round(u * GRID) / GRID
        return u, max_iterations

    def restore(
        self,
        u: Array,
        *,
        target: float,
        max_iterations: int,
        patience: int = 60,
        damping: float = 10.0,
        until: float = INSIDE,
    ) -> tuple[Array, int, State]:
        """Take damped Gauss-Newton steps of least norm until all deviations are inside.

        Only the part of a deviation beyond ``target`` pulls: zero for a search from afar,
        where pulling on everything converges in fewer steps, and near one for a panel
        that a step has moved a little.
        """
        state = self.deviations(u)
        c, jacobian, *_ = state
        steps, best, since = 0, np.inf, 0
        while np.abs(c).max(initial=0.0) > until and steps < max_iterations and since <= patience:
            steps += 1
            r = _beyond(c, target)
            active = r != 0
            part = jacobian[active]
            gram = part @ part.T
            gram[np.diag_indices_from(gram)] += damping
            step = -part.T @ np.linalg.solve(gram, r[active])
            longest = np.abs(step).max()
            if longest > _LONGEST_STEP:
                step *= _LONGEST_STEP / longest
            moved = self.deviations(u + step)
            after = _beyond(moved[0], target)
            since += 1
            if np.isfinite(after).all() and after @ after < r @ r:
                u, state = u + step, moved
                c, jacobian, *_ = state
                damping = max(damping / 5, 1e-6)
                if after @ after < 0.9 * best:
                    best, since = float(after @ after), 0
            else:
                damping *= 8
                if damping > 1e12:
                    break
        return u, steps, state

    def maximise(
        self, u: Array, estimand: Estimand, sign: int, max_iterations: int
    ) -> tuple[Array, int]:
        """Follow the projected gradient of a estimand and restore feasibility after each step.

        Where the steps become too short, the panel is first moved off the edges of the
        rounding intervals, a few times, and the search goes on from there.
        """
        c, jacobian, values, slopes = self.deviations(u)
        q, by = estimand.evaluate(values)
        best, reached = u, q
        length, stalled, steps, recentred, first = 0.5, 0, 0, 0, q
        while steps < max_iterations and stalled < 8:
            steps += 1
            g = sign * self.gradient(by, slopes)
            d = _project(g, jacobian, c)
            norm = np.abs(d).max()
            if norm < 1e-12 * (1 + abs(q)):
                break
            trial, _, state = self.restore(
                u + length * d / norm, target=0.85, max_iterations=12, patience=4, damping=1e-3
            )
            gain = -np.inf
            if np.abs(state[0]).max(initial=0.0) <= INSIDE:
                q_trial, by_trial = estimand.evaluate(state[2])
                gain = sign * (q_trial - q)
            if gain > 0:
                u, (c, jacobian, _, slopes) = trial, state
                q, by = q_trial, by_trial
                stalled = stalled + 1 if gain < 3e-4 * abs(q - first) else 0
                length = min(length * 1.6, 4.0)
                if sign * (q - reached) > 0:
                    best, reached = u, q
                continue
            length *= 0.4
            if length < 1e-3:
                if recentred == _RECENTRE:
                    break
                recentred += 1
                u, _, state = self.restore(
                    u, target=0.2, max_iterations=15, patience=6, damping=1e-3, until=0.5
                )
                c, jacobian, values, slopes = state
                q, by = estimand.evaluate(values)
                length = 0.2
        return best, steps

    def found(self, u: Array, steps: int) -> FittedPanel:
        c, _, values, _ = self.deviations(u)
        worst = int(np.argmax(np.abs(c))) if len(c) else 0
        name = self.names[worst] if self.names else ""
        return FittedPanel(values, float(np.abs(c).max(initial=0.0)), name, steps)


def _beyond(c: Array, target: float) -> Array:
    """Return what of each deviation lies beyond the target."""
    return np.sign(c) * np.maximum(np.abs(c) - target, 0.0)


def _project(g: Array, jacobian: Array, c: Array) -> Array:
    """Remove from a direction what would push printed numbers out of their intervals."""
    if len(c) == 0:
        return g
    active = np.abs(c) > _ACTIVE
    for _ in range(3):
        part = jacobian[active]
        if len(part) == 0:
            return g
        gram = part @ part.T
        gram[np.diag_indices_from(gram)] *= 1 + 1e-9
        d = g - part.T @ np.linalg.lstsq(gram, part @ g, rcond=None)[0]
        # numbers not yet at their limit join if the step would carry them far beyond it
        scale = np.abs(d).max() + 1e-300
        moving = np.abs(c + 0.5 * jacobian @ d / scale) > 3.0
        joined = active | moving
        if (joined == active).all():
            return d
        active = joined
    return d
