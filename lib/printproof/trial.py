"""How often does the audit err?  Honest tables of many shapes, and single altered digits.

An honest study draws data, estimates its tables and prints them in one of the shapes in
which papers print: with missing values, other stars, sizes of t, odds ratios, weights,
truncated digits ...  No rule may call any of them impossible, neither with nothing declared
nor with everything declared truly.  Then one digit of one cell is altered, and the trial
counts how often a rule notices.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from printproof.ledger import audit
from printproof.printed import Printed
from printproof.reading import study as read_study
from printproof.rules import RULES
from printproof.statement import IMPOSSIBLE, UNDECIDED
from printproof.study import Study

#: What pages say of these functions (see ``bookworks.lineage``).
__lineage__ = {"*": {"panel": "simulated"}}

Array = NDArray[np.float64]
Tables = dict[str, Any]
_MODES = {"nearest": ROUND_HALF_UP, "half_even": ROUND_HALF_EVEN, "truncated": ROUND_DOWN}
_STARS = {"*": 0.1, "**": 0.05, "***": 0.01}


@dataclass
class _Paper:
    """Data of one honest study, and how it prints."""

    rng: np.random.Generator
    rounding: str = "nearest"
    stars: Mapping[str, float] = field(default_factory=lambda: _STARS)
    df: int | None = None
    sides: int = 2

    def __post_init__(self) -> None:
        rng = self.rng
        self.n = n = int(rng.integers(40, 160))
        self.digits = int(rng.integers(2, 5))
        level = rng.standard_normal(n)
        d = (level + rng.standard_normal(n) > 0.3).astype(float)
        d[:2] = 0.0, 1.0
        self.data = {"treat": d, "m": 2 + d + 0.3 * level + rng.standard_normal(n)}
        for name in ("x1", "x2", "x3"):
            scale = np.exp(rng.normal(0, 1))
            self.data[name] = scale * (0.5 * level + rng.standard_normal(n) + 0.3 * d)
        self.data["y"] = (
            3
            + 0.2 * d
            + 0.1 * self.data["m"]
            + 0.1 * self.data["x1"]
            + 0.3 * rng.standard_normal(n)
        )
        self.data["visits"] = rng.poisson(4, n).astype(float)
        self.weights = rng.uniform(0.2, 3, n)
        self.groups = rng.integers(0, 12, n)

    def show(self, value: float, places: int | None = None) -> str:
        """Print a number by the study's rule of rounding."""
        step = Decimal(1).scaleb(-(self.digits if places is None else places))
        text = str(Decimal(repr(float(value))).quantize(step, rounding=_MODES[self.rounding]))
        return text.removeprefix("-") if float(text) == 0 else text

    def marks(self, t: float) -> str:
        """Return the stars of a statistic."""
        tail = stats.norm.sf if self.df is None else lambda x: stats.t.sf(x, self.df)
        p = 2 * float(tail(abs(t))) if self.sides == 2 else float(tail(t))
        return max((mark for mark, level in self.stars.items() if p < level), key=len, default="")

    def moments(self, names: Sequence[str], rows: Array | None = None) -> dict[str, list[str]]:
        """Return one line of moments a variable, of the rows that are not missing."""
        found = {}
        for name in names:
            x = self.data[name] if rows is None else self.data[name][rows.astype(bool)]
            x = x[~np.isnan(x)]
            moments = (x.mean(), x.std(ddof=1), x.min(), x.max())
            found[name] = [str(len(x)), *(self.show(v) for v in moments)]
        return found

    def fit(
        self,
        outcome: str,
        names: Sequence[str],
        *,
        keep: Array | None = None,
        weights: Array | None = None,
        errors: str = "classical",
        absorb: bool = False,
    ) -> tuple[Array, Array, float, int]:
        """Least squares with a constant: coefficients, errors, R2 and the rows."""
        rows = np.ones(self.n, bool) if keep is None else keep.astype(bool)
        x = np.column_stack([np.ones(self.n), *(self.data[k] for k in names)])
        if absorb:
            dummies = np.eye(12)[self.groups][rows]
            x = np.column_stack([x, np.eye(12)[self.groups][:, np.flatnonzero(dummies.any(0))[1:]]])
        x, y = x[rows], self.data[outcome][rows]
        w = np.ones(len(y)) if weights is None else weights[rows]
        inverse = np.linalg.inv((x * w[:, None]).T @ x)
        b = inverse @ (x.T @ (w * y))
        e, df = y - x @ b, len(y) - x.shape[1]
        variance = inverse * (w * e @ e) / df
        if errors != "classical":
            codes = np.arange(len(y)) if errors == "robust" else self.groups[rows]
            score = x * (w * e)[:, None]
            sums = np.array([score[codes == g].sum(0) for g in np.unique(codes)])
            variance = inverse @ (sums.T @ sums) @ inverse * len(y) / df
        centred = y - np.average(y, weights=w)
        r2 = 1 - float(w * e @ e) / float(w * centred @ centred)
        k = 1 + len(names)
        return b[:k], np.sqrt(np.diag(variance)[:k]), r2, len(y)

    def column(self, outcome: str, names: Sequence[str], **options: Any) -> dict[str, Any]:
        """Print one regression: coefficient, stars and t, N and R2."""
        b, se, r2, n = self.fit(outcome, names, **options)
        rows: dict[str, Any] = {"outcome": outcome}
        for name, value, error in zip(["const", *names], b, se, strict=True):
            t = value / error
            rows[name] = [self.show(value), self.marks(t), self.show(t, 2)]
        return {**rows, "N": str(n), "R2": self.show(r2)}

    def steps(self, **options: Any) -> dict[str, Any]:
        """Print columns in which one control after the other enters."""
        lists = [["treat", *("x1", "x2", "x3")[:k]] for k in range(1, 4)]
        return {f"({i})": self.column("y", r, **options) for i, r in enumerate(lists, start=1)}

    def header(self, **more: Any) -> dict[str, Any]:
        """Declare truly how the study prints."""
        lines = {
            "stars": dict(self.stars),
            "tails": "two" if self.sides == 2 else "one",
            "df": "normal" if self.df is None else self.df,
            "rounding": self.rounding,
            "statistic": "signed",
            "scale": "linear",
            "estimator": "ols",
            "counts": ["n", "N"],
            "moments": "same rows",
            "p_column": "p values",
        }
        return {k: v for k, v in {**lines, **more}.items() if v is not None}


_COLUMNS = ["n", "mean", "sd", "min", "max"]
_ALL = ("treat", "x1", "x2", "m", "y", "visits")
Shape = Callable[[np.random.Generator], tuple[Tables, dict[str, Any]]]
SHAPES: dict[str, Shape] = {}


def _shape(name: str) -> Callable[[Shape], Shape]:
    def keep(function: Shape) -> Shape:
        SHAPES[name] = function
        return function

    return keep


def _grid(rows: Mapping[str, Any], columns: Sequence[str] = _COLUMNS) -> Tables:
    return {"columns": list(columns), "rows": dict(rows)}


def _nested(columns: Mapping[str, Any], table: str = "table4") -> list[dict[str, Any]]:
    return [{"table": table, "columns": list(columns)}]


def _batches(rng: np.random.Generator) -> Tables:
    counts = rng.integers(1, 40, (5, 2))
    lines = [
        {
            "batch": str(i),
            "direct": str(a),
            "indirect": str(b),
            "pct": [f"{100 * v / (a + b):.0f}" for v in (a, b)],
        }
        for i, (a, b) in enumerate(counts, start=1)
    ]
    totals = {"direct": str(counts[:, 0].sum()), "direct_and_indirect": str(counts.sum())}
    return {"batches": lines, "text_totals": totals}


def _whole(rng: np.random.Generator, errors: str) -> tuple[Tables, dict[str, Any]]:
    """All tables of one paper on one sample: effects, moments, steps, a mediator, parts."""
    paper = _Paper(rng)
    paper.df = None if rng.random() < 0.5 else paper.n - 12
    options = {"errors": errors, "absorb": True}
    effects = {}
    for method in ("nearest", "radius"):
        effect, error = rng.normal(0.2, 0.1), float(rng.uniform(0.02, 0.2))
        t = effect / error
        effects[method] = [paper.show(effect), paper.marks(t), paper.show(error), paper.show(t, 2)]
    steps = paper.steps(**options)
    tables = {
        "table1": _grid(effects, ["att", "stars", "se", "t"]),
        "table2": _grid(paper.moments(_ALL)),
        "table4": steps,
        "table5": {
            "(4)": paper.column("m", ["treat", "x1", "x2", "x3"], **options),
            "(5)": paper.column("y", ["treat", "m", "x1", "x2", "x3"], **options),
        },
        **_batches(rng),
    }
    places = {"total": "table4/treat/(3)", "mediator": "table5/treat/(4)"}
    places |= {"direct": "table5/treat/(5)", "path": "table5/m/(5)"}
    counts = ["n", "N", "visits", "direct", "indirect", "direct_and_indirect"]
    return tables, paper.header(
        counts=counts,
        dummies=["treat"],
        weights="none",
        sample="one",
        errors=errors,
        nested=_nested(steps),
        mediation=[places],
        parts=["batches"],
        totals=["batches"],
    )


@_shape("one sample, classical errors")
def _classical(rng: np.random.Generator) -> tuple[Tables, dict[str, Any]]:
    return _whole(rng, "classical")


@_shape("one sample, clustered errors")
def _clustered(rng: np.random.Generator) -> tuple[Tables, dict[str, Any]]:
    return _whole(rng, "clustered")


def _moments(
    rng: np.random.Generator, change: Callable[[_Paper], None], rounding: str = "nearest"
) -> tuple[Tables, dict[str, Any]]:
    paper = _Paper(rng, rounding)
    change(paper)
    header = paper.header(weights="none", dummies=["treat"], counts=["n", "visits"])
    return {"table2": _grid(paper.moments(_ALL))}, header


def _holes(paper: _Paper, share: float = 0.2) -> None:
    for name in ("x1", "x2", "m", "visits"):
        paper.data[name][2:][paper.rng.random(paper.n - 2) < share] = np.nan


SHAPES["moments, truncated"] = lambda rng: _moments(rng, lambda p: None, "truncated")
SHAPES["moments, half to even"] = lambda rng: _moments(rng, lambda p: None, "half_even")
SHAPES["moments, missing values"] = lambda rng: _moments(rng, _holes)


@_shape("moments by group")
def _by_group(rng: np.random.Generator) -> tuple[Tables, dict[str, Any]]:
    paper = _Paper(rng)
    d = paper.data["treat"]
    rows = {
        f"{name}, {word}": line
        for word, keep in (("treated", d), ("others", 1 - d))
        for name, line in paper.moments(["x1", "m", "y"], keep).items()
    }
    return {"table1": _grid(rows)}, paper.header(weights="none")


@_shape("moments in panels")
def _panels(rng: np.random.Generator) -> tuple[Tables, dict[str, Any]]:
    paper = _Paper(rng)
    d = paper.data["treat"]
    panels = {k: _grid(paper.moments(["x1", "y"], v)) for k, v in (("A", d), ("B", 1 - d))}
    return {"table1": panels}, paper.header(weights="none")


@_shape("an intensity named treatment")
def _intensity(rng: np.random.Generator) -> tuple[Tables, dict[str, Any]]:
    paper = _Paper(rng)
    share = rng.beta(1, 2, paper.n)
    share[:2] = 0, 1
    paper.data["treatment"] = paper.data["policy"] = share
    return {"table2": _grid(paper.moments(["treatment", "policy"]))}, paper.header(
        weights="none", shares=["treatment", "policy"]
    )


@_shape("weighted means")
def _weighted(rng: np.random.Generator) -> tuple[Tables, dict[str, Any]]:
    paper = _Paper(rng)
    w = paper.weights
    rows = {}
    for name in ("treat", "visits", "y"):
        x = paper.data[name]
        mean = float(np.average(x, weights=w))
        sd = float(np.sqrt(np.average((x - mean) ** 2, weights=w)))
        rows[name] = [str(paper.n), *(paper.show(v) for v in (mean, sd, x.min(), x.max()))]
    header = paper.header(weights="survey", dummies=["treat"], counts=["n", "visits"])
    return {"table2": _grid(rows)}, header


@_shape("sizes rounded to tens")
def _census(rng: np.random.Generator) -> tuple[Tables, dict[str, Any]]:
    paper = _Paper(rng)
    rows = {k: [str(round(paper.n, -1)), *v[1:]] for k, v in paper.moments(_ALL).items()}
    columns = {k: {**v, "N": str(round(paper.n, -1))} for k, v in paper.steps().items()}
    header = paper.header(counts=None, weights="none", dummies=["treat"], errors="classical")
    return {"table2": _grid(rows), "table4": columns}, {**header, "sample": "one"}


@_shape("steps with missing values")
def _missing(rng: np.random.Generator) -> tuple[Tables, dict[str, Any]]:
    paper = _Paper(rng)
    steps = {}
    for i in range(1, 4):
        names = ["treat", *("x1", "x2", "x3")[:i]]
        steps[f"({i})"] = paper.column("y", names, keep=rng.random(paper.n) > 0.1 * i)
    return {"table4": steps}, paper.header(errors="classical", nested=_nested(steps))


@_shape("three samples side by side")
def _three(rng: np.random.Generator) -> tuple[Tables, dict[str, Any]]:
    """98, 75 and 22 countries, as in Table I of Mankiw, Romer and Weil (1992)."""
    paper = _Paper(rng)
    while paper.n < 98:
        paper = _Paper(rng)
    order, columns = rng.permutation(paper.n), {}
    for i, size in enumerate((98, 75, 22), start=1):
        keep = np.isin(np.arange(paper.n), order[:size])
        columns[f"({i})"] = paper.column("y", ["x1", "x2"], keep=keep)
    header = paper.header(errors="classical")
    return {"table1": columns}, {
        **header,
        "tables": {"table1": {"columns": {c: {"sample": c} for c in columns}}},
    }


def _starred(levels: Mapping[str, float], **options: Any) -> Shape:
    def shape(rng: np.random.Generator) -> tuple[Tables, dict[str, Any]]:
        paper = _Paper(rng, stars=levels, **options)
        steps = paper.steps(errors="robust")
        return {"table4": steps}, paper.header(errors="robust", sample="one", nested=_nested(steps))

    return shape


SHAPES["stars at .05, .01, .001"] = _starred({"*": 0.05, "**": 0.01, "***": 0.001})
SHAPES["stars at two levels"] = _starred({"*": 0.05, "**": 0.01})
SHAPES["one-sided stars"] = _starred(_STARS, sides=1)
SHAPES["stars by t with 11 degrees"] = _starred(_STARS, df=11)
SHAPES["regressions, truncated"] = _starred(_STARS, rounding="truncated")


@_shape("size of t printed")
def _absolute(rng: np.random.Generator) -> tuple[Tables, dict[str, Any]]:
    paper = _Paper(rng)
    rows = {}
    for name in ("a", "b", "c"):
        b, se = rng.normal(0, 0.3), rng.uniform(0.02, 0.2)
        t = b / se
        rows[name] = [paper.show(b), paper.marks(t), paper.show(se), paper.show(abs(t), 2)]
    header = paper.header(statistic="absolute")
    return {"table1": _grid(rows, ["att", "stars", "se", "t"])}, header


def _logit(y: Array, x: Array) -> tuple[Array, Array]:
    b = np.zeros(x.shape[1])
    for _ in range(60):
        p = 1 / (1 + np.exp(-np.clip(x @ b, -30, 30)))
        information = (x * (p * (1 - p))[:, None]).T @ x + 1e-9 * np.eye(len(b))
        b = b + np.clip(np.linalg.solve(information, x.T @ (y - p)), -2, 2)
    return b, np.sqrt(np.diag(np.linalg.inv(information)))


def _design(paper: _Paper, names: Sequence[str]) -> tuple[Array, Array]:
    shifted = paper.data["y"] + 0.5 * paper.rng.standard_normal(paper.n)
    standard = [(v - v.mean()) / v.std() for v in (paper.data[k] for k in names)]
    return (shifted > np.median(shifted)).astype(float), np.column_stack(
        [np.ones(paper.n), *standard]
    )


@_shape("odds ratios")
def _odds(rng: np.random.Generator) -> tuple[Tables, dict[str, Any]]:
    paper = _Paper(rng)
    b, se = _logit(*_design(paper, ["x1", "x2", "x3"]))
    rows = {}
    for i, name in enumerate(["x1", "x2", "x3"], start=1):
        ratio, t = float(np.exp(b[i])), b[i] / se[i]
        ends = (np.exp(b[i] + s * 1.959964 * se[i]) for s in (-1, 1))
        values = (ratio, ratio * se[i])
        rows[name] = [
            *(paper.show(v) for v in values), paper.show(t, 2), *(paper.show(e) for e in ends)
        ]  # fmt: skip
    columns = ["effect", "se", "z", "ci_low", "ci_high"]
    return {"table1": _grid(rows, columns)}, paper.header(
        scale="odds", estimator="logit", level=0.95
    )


@_shape("logit with a mediator")
def _logit_mediator(rng: np.random.Generator) -> tuple[Tables, dict[str, Any]]:
    paper = _Paper(rng)
    y, _ = _design(paper, [])
    columns: dict[str, Any] = {}
    for i, names in enumerate((["treat", "x1"], ["treat", "x1", "m"]), start=1):
        x = np.column_stack([np.ones(paper.n), *(paper.data[k] for k in names)])
        b, se = _logit(y, x)
        cells = {
            k: [paper.show(v), paper.marks(v / e), paper.show(v / e, 2)]
            for k, v, e in zip(["const", *names], b, se, strict=True)
        }
        columns[f"({2 * i - 1})"] = {"outcome": "y", **cells, "N": str(paper.n)}
    columns["(2)"] = paper.column("m", ["treat", "x1"])
    header = paper.header(errors="classical", sample="one")
    odd = {"estimator": "logit"}
    return {"table5": columns}, {
        **header,
        "tables": {"table5": {"columns": {"(1)": odd, "(3)": odd}}},
    }


@_shape("least squares, first stage and instrument")
def _instrument(rng: np.random.Generator) -> tuple[Tables, dict[str, Any]]:
    paper = _Paper(rng)
    data, n = paper.data, paper.n
    x = np.column_stack([np.ones(n), data["m"], data["x1"]])
    z = np.column_stack([np.ones(n), data["x2"], data["x1"]])
    fitted = z @ np.linalg.lstsq(z, x, rcond=None)[0]
    b = np.linalg.solve(fitted.T @ x, fitted.T @ data["y"])
    e = data["y"] - x @ b
    se = np.sqrt(np.diag(np.linalg.inv(fitted.T @ fitted)) * (e @ e) / (n - 3))
    two = {
        k: [paper.show(v), paper.marks(v / s), paper.show(v / s, 2)]
        for k, v, s in zip(("const", "m", "x1"), b, se, strict=True)
    }
    columns = {
        "(1)": paper.column("y", ["x1"]),
        "(2)": paper.column("m", ["x2", "x1"]),
        "(3)": {"outcome": "y", **two, "N": str(n)},
    }
    header = paper.header(errors="classical", sample="one")
    return {"table3": columns}, {
        **header,
        "tables": {"table3": {"columns": {"(3)": {"estimator": "iv"}}}},
    }


@_shape("weights that differ between columns")
def _reweighted(rng: np.random.Generator) -> tuple[Tables, dict[str, Any]]:
    paper = _Paper(rng)
    names = (["treat"], ["treat", "x1"], ["treat", "x1", "x2"])
    steps = {
        f"({i})": paper.column("y", r, weights=rng.uniform(0.2, 3, paper.n))
        for i, r in enumerate(names, start=1)
    }
    header = paper.header(estimator="wls", errors="classical", sample="one")
    return {"table4": steps}, {**header, "nested": _nested(steps)}


@_shape("effects that enter in words")
def _effects(rng: np.random.Generator) -> tuple[Tables, dict[str, Any]]:
    paper = _Paper(rng)
    steps = {
        "(1)": {**paper.column("y", ["treat"], absorb=True), "group effects": "yes"},
        "(2)": {**paper.column("y", ["treat", "x1"]), "group effects": "no"},
        "(3)": {**paper.column("y", ["treat", "x1", "x2"]), "group effects": "—"},
    }
    header = paper.header(errors="classical", sample="one")
    return {"table4": steps}, {**header, "nested": _nested({"(2)": 0, "(3)": 0})}


@_shape("shrunken coefficients")
def _ridge(rng: np.random.Generator) -> tuple[Tables, dict[str, Any]]:
    """Random effects and the like: generalised least squares with a factor per column."""
    paper = _Paper(rng)
    steps = {}
    for i, names in enumerate((["treat"], ["treat", "x1"], ["treat", "x1", "x2"]), start=1):
        x = np.column_stack([np.ones(paper.n), *(paper.data[k] for k in names)])
        means = np.array([x[paper.groups == g].mean(0) for g in paper.groups])
        level = np.array([paper.data["y"][paper.groups == g].mean() for g in paper.groups])
        theta = rng.uniform(0.2, 0.8)
        x, y = x - theta * means, paper.data["y"] - theta * level
        inverse = np.linalg.inv(x.T @ x)
        b = inverse @ x.T @ y
        e = y - x @ b
        se = np.sqrt(np.diag(inverse) * (e @ e) / (paper.n - x.shape[1]))
        cells = {
            k: [paper.show(v), paper.marks(v / s), paper.show(v / s, 2)]
            for k, v, s in zip(["const", *names], b, se, strict=True)
        }
        steps[f"({i})"] = {"outcome": "y", **cells, "N": str(paper.n)}
    header = paper.header(estimator="re", errors="classical", sample="one")
    return {"table4": steps}, {**header, "nested": _nested(steps)}


@_shape("p values and intervals")
def _tests(rng: np.random.Generator) -> tuple[Tables, dict[str, Any]]:
    paper = _Paper(rng)
    b, se, _, n = paper.fit("y", ["treat", "x1", "x2"])
    df = n - 4
    half = float(stats.t.isf(0.025, df))
    rows = {
        name: [
            *(paper.show(v) for v in (value, error)),
            paper.show(value / error, 2),
            str(df),
            paper.show(2 * float(stats.t.sf(abs(value / error), df)), 3),
            *(paper.show(value + s * half * error) for s in (-1, 1)),
        ]
        for name, value, error in zip(("const", "treat", "x1", "x2"), b, se, strict=True)
    }
    columns = ["coef", "se", "t", "df", "p", "ci_low", "ci_high"]
    return {"table1": _grid(rows, columns)}, paper.header(df=df, level=0.95)


@_shape("errors printed as zero")
def _tiny(rng: np.random.Generator) -> tuple[Tables, dict[str, Any]]:
    paper = _Paper(rng)
    paper.digits = 2
    rows = {}
    for name in ("a", "b"):
        b, se = rng.normal(0, 0.3), rng.uniform(0.001, 0.02)
        rows[name] = [paper.show(b), paper.show(se), paper.show(b / se, 2)]
    return {"table1": _grid(rows, ["coef", "se", "t"])}, paper.header()


@_shape("R2, adjusted R2 and F")
def _overall(rng: np.random.Generator) -> tuple[Tables, dict[str, Any]]:
    paper = _Paper(rng)
    columns = {}
    for i, names in enumerate((["treat", "x1"], ["treat", "x1", "x2"]), start=1):
        _, _, r2, n = paper.fit("y", names)
        k = len(names) + 1
        adjusted = 1 - (1 - r2) * (n - 1) / (n - k)
        f = r2 / (1 - r2) * (n - k) / (k - 1)
        paper.df = n - k
        column = paper.column("y", names)
        columns[f"({i})"] = {**column, "adj. R2": paper.show(adjusted), "F": paper.show(f, 2)}
    header = paper.header(df="residual", errors="classical", sample="one")
    return {"table4": columns}, {**header, "nested": _nested(columns)}


@_shape("stars by resampling")
def _resampled(rng: np.random.Generator) -> tuple[Tables, dict[str, Any]]:
    """P values of few draws, which follow no table of t."""
    paper = _Paper(rng)
    rows = {}
    for name in ("a", "b", "c", "d"):
        t = rng.normal(1, 1.5)
        p = (1 + rng.binomial(99, 2 * stats.norm.sf(abs(t)))) / 100
        mark = max((m for m, level in _STARS.items() if p < level), key=len, default="")
        error = rng.uniform(0.05, 0.5)
        rows[name] = [paper.show(t * error), mark, paper.show(error), paper.show(t, 2)]
    header = paper.header(df=None, tails=None)
    return {"table1": _grid(rows, ["att", "stars", "se", "t"])}, header


@_shape("yearly counts beside different firms")
def _firms(rng: np.random.Generator) -> tuple[Tables, dict[str, Any]]:
    yearly = rng.integers(20, 60, (5, 2))
    lines = [
        {"year": str(2015 + i), "firms": str(a), "patents": str(b)}
        for i, (a, b) in enumerate(yearly)
    ]
    text = {"firms": str(int(yearly[:, 0].max()) + int(rng.integers(1, 40)))}
    counts = ["firms", "patents"]
    return {"table1": lines, "text": text}, {"counts": counts}


@_shape("parts in rounded millions")
def _millions(rng: np.random.Generator) -> tuple[Tables, dict[str, Any]]:
    parts = rng.uniform(1, 9, (4, 2))
    lines = [
        {
            "region": name,
            "export": f"{a:.0f}",
            "import": f"{b:.0f}",
            "pct": [f"{100 * v / (a + b):.1f}" for v in (a, b)],
        }
        for name, (a, b) in zip("ABCD", parts, strict=True)
    ]
    text = {"export": f"{parts[:, 0].sum():.0f}", "import": f"{parts[:, 1].sum():.0f}"}
    return {"table1": lines, "text": text}, {"rounding": "nearest"}


@_shape("a decimal comma")
def _comma(rng: np.random.Generator) -> tuple[Tables, dict[str, Any]]:
    paper = _Paper(rng)
    rows = {k: [c.replace(".", ",") for c in v] for k, v in paper.moments(_ALL).items()}
    tables = {"table2": _grid(rows), "declare": {"decimal": ","}}
    return tables, paper.header(
        decimal=",", weights="none", dummies=["treat"], counts=["n", "visits"]
    )


@_shape("marks around the numbers")
def _typeset(rng: np.random.Generator) -> tuple[Tables, dict[str, Any]]:
    """Stars on the number, parentheses, a Unicode minus, no zero before the point."""
    paper = _Paper(rng)

    def typeset(text: str) -> str:
        return (
            text.replace("-", "−").replace("0.", ".", 1) if text.lstrip("-")[:2] == "0." else text
        )

    columns = {}
    for i, names in enumerate((["treat", "k/l"], ["treat", "k/l", "x2"]), start=1):
        paper.data["k/l"] = paper.data["x1"]
        b, se, _, n = paper.fit("y", names)
        cells = {
            k: [typeset(paper.show(v)) + paper.marks(v / s), f"({typeset(paper.show(s))})"]
            for k, v, s in zip(["const", *names], b, se, strict=True)
        }
        columns[f"({i})"] = {"outcome": "y", **cells, "N": f"{n}", "controls": "yes"}
    tables = {"table4": {"parentheses": "se", **columns}}
    header = paper.header(errors="classical", sample="one", nested=_nested(columns))
    return tables, {**header, "stars": None}  # stars of numbers, not of printed ratios


@_shape("no statistic beside the effect")
def _bare(rng: np.random.Generator) -> tuple[Tables, dict[str, Any]]:
    paper = _Paper(rng)
    values = {k: [paper.show(rng.normal(0, 1))] for k in ("a", "b", "c")}
    return {"table1": _grid(values, ["effect"])}, paper.header()


@_shape("within and between deviations")
def _within(rng: np.random.Generator) -> tuple[Tables, dict[str, Any]]:
    """Of a panel: deviations of unit means, and around them, under one mean."""
    paper = _Paper(rng)
    rows = {}
    for name in ("x1", "y"):
        x = paper.data[name]
        means = np.array([x[paper.groups == g].mean() for g in np.unique(paper.groups)])
        inner = x - np.array([x[paper.groups == g].mean() for g in paper.groups]) + x.mean()
        for word, values, n in (("between", means, len(means)), ("within", inner, paper.n)):
            moments = (x.mean(), values.std(ddof=1), values.min(), values.max())
            rows[f"{name} {word}"] = [str(n), *(paper.show(v) for v in moments)]
    return {"table2": _grid(rows)}, paper.header(moments=None)


@_shape("robust errors, steps on one sample")
def _robust(rng: np.random.Generator) -> tuple[Tables, dict[str, Any]]:
    paper = _Paper(rng)
    steps = paper.steps(errors="robust", absorb=True)
    header = paper.header(errors="robust", sample="one", nested=_nested(steps))
    return {"table4": steps}, header


@_shape("statistics of three outcomes")
def _outcomes(rng: np.random.Generator) -> tuple[Tables, dict[str, Any]]:
    """Regress on another outcome with other controls, which is no mediation."""
    paper = _Paper(rng)
    columns = {
        "(1)": paper.column("m", ["treat", "x2"]),
        "(2)": paper.column("y", ["treat", "x1", "m"]),
        "(3)": paper.column("y", ["treat", "x1"], keep=rng.random(paper.n) > 0.2),
    }
    header = paper.header(errors="classical")
    return {"table4": columns}, header


@_shape("questionnaires")
def _questionnaires(rng: np.random.Generator) -> tuple[Tables, dict[str, Any]]:
    """Means of several whole answers, some of them below zero, with either divisor."""
    paper = _Paper(rng, str(rng.choice(list(_MODES))))
    rows, items = {}, {}
    for name, low, high in (("stress", 1, 7), ("mood", -2, 2), ("visits", 0, 3)):
        items[name] = k = int(rng.integers(1, 5))
        n = int(rng.integers(5, 60))
        x = rng.integers(low, high + 1, (n, k)).mean(axis=1)
        values = x.mean(), x.std(ddof=int(rng.integers(2)))
        rows[name] = [str(n), *(paper.show(v, 2) for v in values)]
    return {"table1": _grid(rows, ["n", "mean", "sd"])}, paper.header(weights="none", items=items)


@_shape("counts in percent")
def _percent(rng: np.random.Generator) -> tuple[Tables, dict[str, Any]]:
    """Percent beside n, thousandths, and percent of columns whose N stands below."""
    paper = _Paper(rng, str(rng.choice(list(_MODES))))
    beside, below = {}, {}
    for name in ("a", "b", "c"):
        n = int(rng.integers(20, 900))
        ones = [int(rng.binomial(n, 0.3)) for _ in range(2)]
        parts = paper.show(100 * ones[0] / n, 1), paper.show(1000 * ones[1] / n, 1)
        beside[name] = [str(n), *parts]
    columns = {c: int(rng.integers(20, 900)) for c in ("north", "south")}
    for name in ("female", "married"):
        shares = (100 * rng.binomial(n, 0.4) / n for n in columns.values())
        below[name] = [paper.show(v, 1) for v in shares]
    below["N"] = [str(n) for n in columns.values()]
    header = paper.header(
        weights="none", percents=["rate", "female", "married"], permilles=["cases"]
    )
    tables = {
        "table1": _grid(beside, ["n", "rate", "cases"]),
        "table2": {c: {k: v[i] for k, v in below.items()} for i, c in enumerate(columns)},
        "declare": {"unused": ["rate", "cases"]},
    }
    return tables, header


def _two_groups(pooled: bool) -> Shape:
    def shape(rng: np.random.Generator) -> tuple[Tables, dict[str, Any]]:
        paper = _Paper(rng, str(rng.choice(list(_MODES))))
        rows, ddof = {}, int(rng.integers(2))
        for name in ("x1", "x2", "y"):
            d = rng.permutation(paper.data["treat"])
            groups = [paper.data[name][d == k] for k in (1, 0)]
            test = stats.ttest_ind(*groups, equal_var=pooled)
            apart = groups[0].mean() - groups[1].mean()
            cells = [
                (str(len(g)), paper.show(g.mean()), paper.show(g.std(ddof=ddof))) for g in groups
            ]
            tests = paper.show(apart), paper.show(apart / test.statistic)
            tail = paper.show(test.statistic, 2), paper.show(test.pvalue, 3)
            rows[name] = [*cells[0], *cells[1], *tests, *tail]
        words = ("treated", "others")
        columns = [f"{w} {c}" for w in words for c in ("n", "mean", "sd")]
        places = {"table": "table1", "first": "table1 treated", "second": "table1 others"}
        header = paper.header(
            weights="none",
            df=None,
            variances="pooled" if pooled else "welch",
            differences=[places],
            tables={f"table1 {word}": {"sample": word} for word in words},
        )
        grid = _grid(rows, [*columns, "difference", "se", "t", "p"])
        return {"table1": {"declare": {"groups": list(words)}, **grid}}, header

    return shape


SHAPES["two groups, Welch"] = _two_groups(False)
SHAPES["two groups, pooled"] = _two_groups(True)


@_shape("a cross-table")
def _cross(rng: np.random.Generator) -> tuple[Tables, dict[str, Any]]:
    """Print counts that add up, and amounts whose rounded parts need not."""
    paper = _Paper(rng, str(rng.choice(list(_MODES))))
    counts = rng.integers(0, 60, (4, 3)).astype(float)
    amounts = rng.uniform(1, 90, (4, 3))
    columns, grids = ["male", "female", "unknown", "Total"], []
    for x, places in ((counts, 0), (amounts, 1)):
        x = np.column_stack([x, x.sum(axis=1)])
        x = np.vstack([x, x.sum(axis=0)])
        names = ("a", "b", "c", "d", "Total")
        lines = ([paper.show(v, places) for v in line] for line in x)
        grids.append(_grid(dict(zip(names, lines, strict=True)), columns))
    tables = {"table1": {**grids[0], "declare": {"counts": columns}}, "table2": grids[1]}
    return tables, paper.header(totals=["table1", "table2"])


@_shape("a column headed p")
def _headed_p(rng: np.random.Generator) -> tuple[Tables, dict[str, Any]]:
    """Prices, and rates in percent, under the heading p beside tests."""
    paper = _Paper(rng)
    rows = {}
    for name in ("a", "b", "c", "d"):
        b, se = rng.normal(0, 0.3), rng.uniform(0.02, 0.2)
        price = rng.normal(2, 6) if name != "a" else -3.5
        rows[name] = [*(paper.show(v) for v in (b, se)), paper.show(b / se, 2), paper.show(price)]
    return {"table1": _grid(rows, ["coef", "se", "t", "p"])}, paper.header(p_column=None)


def honest_study(shape: str, seed: int, *, declared: bool = False) -> Study:
    """Return an honest study as the audit reads it.

    Parameters
    ----------
    shape : str
        A key of :data:`SHAPES`.
    seed : int
    declared : bool
        Declare everything, and truly; nothing is declared otherwise.
    """
    rng = np.random.default_rng([seed, list(SHAPES).index(shape)])
    tables, header = SHAPES[shape](rng)
    if declared:
        tables = {**tables, "declare": {k: v for k, v in header.items() if v is not None}}
    return read_study(f"simulated {seed}", tables)


def false_positives(studies: int, *, seed: int = 0) -> pd.DataFrame:
    """Audit honest tables of every shape, with nothing declared and with everything.

    Returns
    -------
    pandas.DataFrame
        One row a shape and declaration: ``shape``, ``declared``, the number of ``checks``
        made and how many were ``impossible`` (none should be), ``undecided`` and
        ``consistent``.
    """
    rows = [
        (shape, declared, check.rule, check.verdict)
        for shape in SHAPES
        for declared in (False, True)
        for i in range(studies)
        for check in audit([honest_study(shape, seed + i, declared=declared)])
    ]
    frame = pd.DataFrame(rows, columns=["shape", "declared", "rule", "verdict"])
    counts = pd.crosstab([frame["shape"], frame["declared"]], frame["verdict"])
    counts = counts.reindex(columns=["impossible", "undecided", "consistent"], fill_value=0)
    return counts.assign(checks=counts.sum(axis=1)).reset_index()


def alter_digit(printed: Printed, rng: np.random.Generator) -> tuple[Printed, int]:
    """Change one digit of a printed number.

    Returns
    -------
    Printed
        With another digit in one place.
    int
        The position of the digit from the right: 1 is the last printed digit.
    """
    places = [i for i, c in enumerate(printed.text) if c.isdigit()]
    which = int(rng.integers(len(places)))
    place = places[which]
    others = [d for d in "0123456789" if d != printed.text[place]]
    digit = others[int(rng.integers(9))]
    text = printed.text[:place] + digit + printed.text[place + 1 :]
    return replace(printed, text=text), len(places) - which


#: Shapes that between them call for every rule.
POWERFUL = (
    "one sample, classical errors",
    "p values and intervals",
    "R2, adjusted R2 and F",
    "errors printed as zero",
    "questionnaires",
    "counts in percent",
    "two groups, Welch",
    "a cross-table",
)


def power(studies: int, *, seed: int = 0, shapes: Sequence[str] = POWERFUL) -> pd.DataFrame:
    """Alter one digit of one cell in honest tables, all declared, and see who notices.

    For each study every rule gets one alteration of a cell that it uses where it can decide.

    Returns
    -------
    pandas.DataFrame
        One row an alteration: ``study``, ``rule``, ``digit`` (1 is the last printed),
        ``by_rule`` (this rule says impossible) and ``by_any`` (some rule does).
    """
    rows = []
    for shape in shapes:
        for i in range(studies):
            study = honest_study(shape, seed + i, declared=True)
            rng = np.random.default_rng([seed + i, 7])
            used: dict[str, set[str]] = {}
            readers: dict[str, set[str]] = {}  # a cell to the rules to ask again
            for name, rule in RULES.items():
                for check in rule(study):
                    if check.verdict == UNDECIDED:
                        continue
                    used.setdefault(check.rule, set()).update(check.cells)
                    for cell in check.cells:
                        readers.setdefault(cell, set()).add(name)
            for name in sorted(used):
                cells = sorted(used[name])
                printed = study.record.get(cells[int(rng.integers(len(cells)))])
                changed, digit = alter_digit(printed, rng)
                altered = replace(study, record=study.record.replace(changed))
                noticed = {
                    check.rule
                    for asked in readers[changed.id]
                    for check in RULES[asked](altered)
                    if check.verdict == IMPOSSIBLE
                }
                rows.append((i, name, digit, name in noticed, bool(noticed)))
    return pd.DataFrame(rows, columns=["study", "rule", "digit", "by_rule", "by_any"])
