"""How often does the audit err?  Honest tables of many shapes, and single altered digits.

An honest study draws data, estimates its tables and prints them in one of the shapes in
which papers print: with missing values, other stars, sizes of t, odds ratios, weights,
truncated digits ...  No rule may call any of them impossible, neither with nothing declared
nor with everything declared truly.  Then one digit of one cell is altered, and the trial
counts how often a rule notices.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from printproof._constraint import IMPOSSIBLE, UNDECIDED
from printproof._ledger import audit
from printproof._study import Study
from printproof.printed import Printed
from printproof.reading import study as read_study
from printproof.rules import RULES

#: What pages say of these functions (see ``bookworks._lineage``).
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
        if self.rounding == "any":
            self.rounding = str(rng.choice(list(_MODES)))
        self.n = n = int(rng.integers(40, 160))
        self.digits = int(rng.integers(2, 5))
        level = rng.standard_normal(n)
        d = (level + rng.standard_normal(n) > 0.3).astype(float)
        d[:2] = 0.0, 1.0
        self.data = {"treat": d, "m": 2 + d + 0.3 * level + rng.standard_normal(n)}
        for name in ("x1", "x2", "x3"):
            scale = np.exp(rng.normal(0, 1))
            self.data[name] = scale * (0.5 * level + rng.standard_normal(n) + 0.3 * d)
        mean = 3 + 0.2 * d + 0.1 * self.data["m"] + 0.1 * self.data["x1"]
        self.data["y"] = mean + 0.3 * rng.standard_normal(n)
        self.data["visits"] = rng.poisson(4, n).astype(float)
        self.weights = rng.uniform(0.2, 3, n)
        self.groups = rng.integers(0, 12, n)

    def show(self, value: float, places: int | None = None) -> str:
        """Print a number by the study's rule of rounding."""
        step = Decimal(1).scaleb(-(self.digits if places is None else places))
        text = str(Decimal(repr(float(value))).quantize(step, rounding=_MODES[self.rounding]))
        return text.removeprefix("-") if float(text) == 0 else text

    def shown(self, *values: float) -> list[str]:
        """Print numbers."""
        return [self.show(value) for value in values]

    def marks(self, t: float) -> str:
        """Return the stars of a statistic."""
        tail = stats.norm.sf if self.df is None else lambda x: stats.t.sf(x, self.df)
        p = 2 * float(tail(abs(t))) if self.sides == 2 else float(tail(t))
        return max((mark for mark, level in self.stars.items() if p < level), key=len, default="")

    def tested(self, value: float, error: float) -> list[str]:
        """Print a coefficient, its stars and its t."""
        t = value / error
        return [self.show(value), self.marks(t), self.show(t, 2)]

    def effects(self, draws: Mapping[str, tuple[float, float]]) -> Tables:
        """Print rows of an effect, its stars, its error and its t."""
        rows = {}
        for name, (value, error) in draws.items():
            value_, mark, t = self.tested(value, error)
            rows[name] = [value_, mark, self.show(error), t]
        return _grid(rows, ["att", "stars", "se", "t"])

    def regressors(self, names: Sequence[str]) -> Array:
        """Return a constant and variables as columns."""
        return np.column_stack([np.ones(self.n), *(self.data[k] for k in names)])

    def cells(self, names: Sequence[str], b: Array, se: Array, n: int = 0) -> dict[str, Any]:
        """Print the coefficients of one regression on y, and N."""
        lines = zip(["const", *names], b, se, strict=True)
        return {
            "outcome": "y",
            **{k: self.tested(v, e) for k, v, e in lines},
            "N": f"{n or self.n}",
        }

    def moments(self, names: Sequence[str], rows: Array | None = None) -> dict[str, list[str]]:
        """Return one line of moments a variable, of the rows that are not missing."""
        found = {}
        for name in names:
            x = self.data[name] if rows is None else self.data[name][rows.astype(bool)]
            x = x[~np.isnan(x)]
            found[name] = [str(len(x)), *self.shown(x.mean(), x.std(ddof=1), x.min(), x.max())]
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
        x = self.regressors(names)
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
        return {**self.cells(names, b, se, n), "outcome": outcome, "R2": self.show(r2)}

    def steps(self, **options: Any) -> dict[str, Any]:
        """Print columns in which one control after the other enters."""
        return _numbered([self.column("y", _STEPS[: k + 1], **options) for k in range(1, 4)])

    def header(self, **more: Any) -> dict[str, Any]:
        """Declare truly how the study prints."""
        lines = {
            "stars": dict(self.stars),
            "unmarked": "tested",
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
_STEPS = ("treat", "x1", "x2", "x3")
Drawn = tuple[Tables, dict[str, Any]]
Shape = Callable[[np.random.Generator], Drawn]
SHAPES: dict[str, Shape] = {}
#: What is declared of nested columns on one sample.
_NESTED = {"errors": "classical", "sample": "one"}


def _shape(name: str, *, more: Any = None, **options: Any) -> Callable[[Any], Any]:
    """Name a shape: a function of a paper, and perhaps ``more``, to tables and header lines.

    Of several names the lowest is kept first.
    """

    def keep(draw: Callable[..., Drawn]) -> Callable[..., Drawn]:
        def shape(rng: np.random.Generator) -> Drawn:
            paper = _Paper(rng, **options)
            tables, header = draw(paper) if more is None else draw(paper, more)
            return tables, paper.header(**header)

        SHAPES[name] = shape
        return draw

    return keep


def _grid(rows: Mapping[str, Any], columns: Sequence[str] = _COLUMNS) -> Tables:
    return {"columns": list(columns), "rows": dict(rows)}


def _numbered(columns: Iterable[Any]) -> dict[str, Any]:
    return {f"({i})": column for i, column in enumerate(columns, start=1)}


def _nested(columns: Mapping[str, Any], **header: Any) -> Drawn:
    """Print nested columns as Table 4, and declare them."""
    return {"table4": dict(columns)}, {
        **_NESTED, "nested": [{"table": "table4", "columns": list(columns)}], **header
    }  # fmt: skip


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


@_shape("one sample, clustered errors", more="clustered")
@_shape("one sample, classical errors", more="classical")
def _whole(p: _Paper, errors: str) -> Drawn:
    """All tables of one paper on one sample: effects, moments, steps, a mediator, parts."""
    p.df = None if p.rng.random() < 0.5 else p.n - 12
    options: dict[str, Any] = {"errors": errors, "absorb": True}
    draws = {
        k: (p.rng.normal(0.2, 0.1), float(p.rng.uniform(0.02, 0.2))) for k in ("nearest", "radius")
    }
    steps, declared = _nested(p.steps(**options))
    tables = {
        "table1": p.effects(draws),
        "table2": _grid(p.moments(_ALL)),
        **steps,
        "table5": {
            "(4)": p.column("m", _STEPS, **options),
            "(5)": p.column("y", ["treat", "m", "x1", "x2", "x3"], **options),
        },
        **_batches(p.rng),
    }
    places = {"total": "table4/treat/(3)", "mediator": "table5/treat/(4)"}
    places |= {"direct": "table5/treat/(5)", "path": "table5/m/(5)"}
    counts = ["n", "N", "visits", "direct", "indirect", "direct_and_indirect"]
    lists = {"counts": counts, "dummies": ["treat"], "parts": ["batches"], "totals": ["batches"]}
    return tables, {**declared, **lists, "weights": "none", "errors": errors, "mediation": [places]}


@_shape("moments, missing values", more=0.2)
@_shape("moments, half to even", rounding="half_even")
@_shape("moments, truncated", rounding="truncated")
def _moments(p: _Paper, missing: float = 0) -> Drawn:
    for name in ("x1", "x2", "m", "visits") if missing else ():
        p.data[name][2:][p.rng.random(p.n - 2) < missing] = np.nan
    lists = {"dummies": ["treat"], "counts": ["n", "visits"]}
    return {"table2": _grid(p.moments(_ALL))}, {"weights": "none", **lists}


@_shape("moments by group")
def _by_group(p: _Paper) -> Drawn:
    d = p.data["treat"]
    rows = {
        f"{name}, {word}": line
        for word, keep in (("treated", d), ("others", 1 - d))
        for name, line in p.moments(["x1", "m", "y"], keep).items()
    }
    return {"table1": _grid(rows)}, {"weights": "none"}


@_shape("moments in panels")
def _panels(p: _Paper) -> Drawn:
    d = p.data["treat"]
    panels = {k: _grid(p.moments(["x1", "y"], v)) for k, v in (("A", d), ("B", 1 - d))}
    return {"table1": panels}, {"weights": "none"}


@_shape("an intensity named treatment")
def _intensity(p: _Paper) -> Drawn:
    names = ["treatment", "policy"]
    share = p.rng.beta(1, 2, p.n)
    share[:2] = 0, 1
    p.data |= dict.fromkeys(names, share)
    return {"table2": _grid(p.moments(names))}, {"weights": "none", "shares": names}


@_shape("weighted means")
def _weighted(p: _Paper) -> Drawn:
    rows = {}
    for name in ("treat", "visits", "y"):
        x = p.data[name]
        mean = float(np.average(x, weights=p.weights))
        sd = float(np.sqrt(np.average((x - mean) ** 2, weights=p.weights)))
        rows[name] = [str(p.n), *p.shown(mean, sd, x.min(), x.max())]
    lists = {"dummies": ["treat"], "counts": ["n", "visits"]}
    return {"table2": _grid(rows)}, {"weights": "survey", **lists}


@_shape("sizes rounded to tens")
def _census(p: _Paper) -> Drawn:
    n = str(round(p.n, -1))
    rows = {k: [n, *v[1:]] for k, v in p.moments(_ALL).items()}
    columns = {k: {**v, "N": n} for k, v in p.steps().items()}
    header = {"counts": None, "weights": "none", "dummies": ["treat"], **_NESTED}
    return {"table2": _grid(rows), "table4": columns}, header


@_shape("steps with missing values")
def _missing(p: _Paper) -> Drawn:
    columns = [
        p.column("y", _STEPS[: i + 1], keep=p.rng.random(p.n) > 0.1 * i) for i in range(1, 4)
    ]
    return _nested(_numbered(columns), sample=None)


@_shape("three samples side by side")
def _three(p: _Paper) -> Drawn:
    """98, 75 and 22 countries, as in Table I of Mankiw, Romer and Weil (1992)."""
    while p.n < 98:
        p.__post_init__()
    order = p.rng.permutation(p.n)
    keeps = (np.isin(np.arange(p.n), order[:size]) for size in (98, 75, 22))
    columns = _numbered(p.column("y", ["x1", "x2"], keep=keep) for keep in keeps)
    samples = {"columns": {c: {"sample": c} for c in columns}}
    return {"table1": columns}, {"errors": "classical", "tables": {"table1": samples}}


@_shape("regressions, truncated", rounding="truncated")
@_shape("stars by t with 11 degrees", df=11)
@_shape("one-sided stars", sides=1)
@_shape("stars at two levels", stars={"*": 0.05, "**": 0.01})
@_shape("stars at .05, .01, .001", stars={"*": 0.05, "**": 0.01, "***": 0.001})
def _starred(p: _Paper) -> Drawn:
    return _nested(p.steps(errors="robust"), errors="robust")


@_shape("size of t printed")
def _absolute(p: _Paper) -> Drawn:
    table = p.effects({k: (p.rng.normal(0, 0.3), p.rng.uniform(0.02, 0.2)) for k in "abc"})
    for row in table["rows"].values():
        row[3] = row[3].removeprefix("-")
    return {"table1": table}, {"statistic": "absolute"}


def _logit(y: Array, x: Array) -> tuple[Array, Array]:
    b = np.zeros(x.shape[1])
    for _ in range(60):
        p = 1 / (1 + np.exp(-np.clip(x @ b, -30, 30)))
        information = (x * (p * (1 - p))[:, None]).T @ x + 1e-9 * np.eye(len(b))
        b = b + np.clip(np.linalg.solve(information, x.T @ (y - p)), -2, 2)
    return b, np.sqrt(np.diag(np.linalg.inv(information)))


def _choice(p: _Paper) -> Array:
    shifted = p.data["y"] + 0.5 * p.rng.standard_normal(p.n)
    chosen: Array = (shifted > np.median(shifted)).astype(float)
    return chosen


@_shape("odds ratios")
def _odds(p: _Paper) -> Drawn:
    names = ("x1", "x2", "x3")
    standard = [(v - v.mean()) / v.std() for v in (p.data[k] for k in names)]
    b, se = _logit(_choice(p), np.column_stack([np.ones(p.n), *standard]))
    rows = {}
    for name, value, error in zip(names, b[1:], se[1:], strict=True):
        ratio = float(np.exp(value))
        ends = (float(np.exp(value + s * 1.959964 * error)) for s in (-1, 1))
        shown = p.shown(ratio, ratio * error)
        rows[name] = [*shown, p.show(value / error, 2), *p.shown(*ends)]
    header = {"scale": "odds", "estimator": "logit", "level": 0.95}
    return {"table1": _grid(rows, ["effect", "se", "z", "ci_low", "ci_high"])}, header


@_shape("logit with a mediator")
def _logit_mediator(p: _Paper) -> Drawn:
    y = _choice(p)
    columns: dict[str, Any] = {}
    for column, names in (("(1)", ["treat", "x1"]), ("(3)", ["treat", "x1", "m"])):
        columns[column] = p.cells(names, *_logit(y, p.regressors(names)))
    columns["(2)"] = p.column("m", ["treat", "x1"])
    odd = {c: {"estimator": "logit"} for c in ("(1)", "(3)")}
    return {"table5": columns}, {**_NESTED, "tables": {"table5": {"columns": odd}}}


@_shape("least squares, first stage and instrument")
def _instrument(p: _Paper) -> Drawn:
    x, z, y = p.regressors(["m", "x1"]), p.regressors(["x2", "x1"]), p.data["y"]
    fitted = z @ np.linalg.lstsq(z, x, rcond=None)[0]
    b = np.linalg.solve(fitted.T @ x, fitted.T @ y)
    e = y - x @ b
    se = np.sqrt(np.diag(np.linalg.inv(fitted.T @ fitted)) * (e @ e) / (p.n - 3))
    columns = [
        p.column("y", ["x1"]), p.column("m", ["x2", "x1"]), p.cells(["m", "x1"], b, se)
    ]  # fmt: skip
    odd = {"(3)": {"estimator": "iv"}}
    return {"table3": _numbered(columns)}, {**_NESTED, "tables": {"table3": {"columns": odd}}}


@_shape("weights that differ between columns")
def _reweighted(p: _Paper) -> Drawn:
    columns = [
        p.column("y", _STEPS[:k], weights=p.rng.uniform(0.2, 3, p.n)) for k in range(1, 4)
    ]  # fmt: skip
    return _nested(_numbered(columns), estimator="wls")


@_shape("effects that enter in words")
def _effects(p: _Paper) -> Drawn:
    steps = _numbered(
        {**p.column("y", _STEPS[:k], absorb=k == 1), "group effects": word}
        for k, word in ((1, "yes"), (2, "no"), (3, "—"))
    )
    nested = [{"table": "table4", "columns": ["(2)", "(3)"]}]
    return {"table4": steps}, {**_NESTED, "nested": nested}


@_shape("shrunken coefficients")
def _ridge(p: _Paper) -> Drawn:
    """Random effects and the like: generalised least squares with a factor per column."""
    columns = []
    for k in range(1, 4):
        x = p.regressors(_STEPS[:k])
        means = np.array([x[p.groups == g].mean(0) for g in p.groups])
        level = np.array([p.data["y"][p.groups == g].mean() for g in p.groups])
        theta = p.rng.uniform(0.2, 0.8)
        x, y = x - theta * means, p.data["y"] - theta * level
        inverse = np.linalg.inv(x.T @ x)
        b = inverse @ x.T @ y
        e = y - x @ b
        se = np.sqrt(np.diag(inverse) * (e @ e) / (p.n - x.shape[1]))
        columns.append(p.cells(_STEPS[:k], b, se))
    return _nested(_numbered(columns), estimator="re")


@_shape("p values and intervals")
def _tests(p: _Paper) -> Drawn:
    names = ("const", "treat", "x1", "x2")
    b, se, _, n = p.fit("y", names[1:])
    df = n - 4
    half = float(stats.t.isf(0.025, df))
    rows = {}
    for name, value, error in zip(names, b, se, strict=True):
        tail = p.show(2 * float(stats.t.sf(abs(value / error), df)), 3)
        tests = p.show(value / error, 2), str(df), tail
        ends = (value + s * half * error for s in (-1, 1))
        rows[name] = [*p.shown(value, error), *tests, *p.shown(*ends)]
    columns = ["coef", "se", "t", "df", "p", "ci_low", "ci_high"]
    return {"table1": _grid(rows, columns)}, {"df": df, "level": 0.95}


@_shape("errors printed as zero")
def _tiny(p: _Paper) -> Drawn:
    p.digits = 2
    rows = {}
    for name in ("a", "b"):
        b, se = p.rng.normal(0, 0.3), p.rng.uniform(0.001, 0.02)
        rows[name] = p.shown(b, se, b / se)
    return {"table1": _grid(rows, ["coef", "se", "t"])}, {}


@_shape("R2, adjusted R2 and F")
def _overall(p: _Paper) -> Drawn:
    columns = []
    for names in (_STEPS[:2], _STEPS[:3]):
        _, _, r2, n = p.fit("y", names)
        k = len(names) + 1
        adjusted = 1 - (1 - r2) * (n - 1) / (n - k)
        f = r2 / (1 - r2) * (n - k) / (k - 1)
        p.df = n - k
        more = {"adj. R2": p.show(adjusted), "F": p.show(f, 2)}
        columns.append({**p.column("y", names), **more})
    return _nested(_numbered(columns), df="residual")


@_shape("stars by resampling")
def _resampled(p: _Paper) -> Drawn:
    """P values of few draws, which follow no table of t."""
    rows = {}
    for name in "abcd":
        t = p.rng.normal(1, 1.5)
        value = (1 + p.rng.binomial(99, 2 * stats.norm.sf(abs(t)))) / 100
        mark = max((m for m, level in _STARS.items() if value < level), key=len, default="")
        error = p.rng.uniform(0.05, 0.5)
        rows[name] = [p.show(t * error), mark, p.show(error), p.show(t, 2)]
    return {"table1": _grid(rows, ["att", "stars", "se", "t"])}, {"df": None, "tails": None}


def _firms(rng: np.random.Generator) -> Drawn:
    """Yearly counts beside the count of different firms."""
    yearly = rng.integers(20, 60, (5, 2))
    lines = [
        {"year": str(2015 + i), "firms": str(a), "patents": str(b)}
        for i, (a, b) in enumerate(yearly)
    ]
    text = {"firms": str(int(yearly[:, 0].max()) + int(rng.integers(1, 40)))}
    return {"table1": lines, "text": text}, {"counts": ["firms", "patents"]}


def _millions(rng: np.random.Generator) -> Drawn:
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


SHAPES |= {"yearly counts beside different firms": _firms, "parts in rounded millions": _millions}


@_shape("a decimal comma")
def _comma(p: _Paper) -> Drawn:
    rows = {k: [c.replace(".", ",") for c in v] for k, v in p.moments(_ALL).items()}
    lists = {"dummies": ["treat"], "counts": ["n", "visits"]}
    tables = {"table2": _grid(rows), "declare": {"decimal": ","}}
    return tables, {"decimal": ",", "weights": "none", **lists}


@_shape("marks around the numbers")
def _typeset(p: _Paper) -> Drawn:
    """Stars on the number, parentheses, a Unicode minus, no zero before the point."""

    def typeset(text: str) -> str:
        bare = text.lstrip("-")[:2] == "0."
        return text.replace("-", "−").replace("0.", ".", 1) if bare else text

    columns = []
    p.data["k/l"] = p.data["x1"]
    for names in (["treat", "k/l"], ["treat", "k/l", "x2"]):
        b, se, _, n = p.fit("y", names)
        cells = {
            k: [typeset(p.show(v)) + p.marks(v / s), f"({typeset(p.show(s))})"]
            for k, v, s in zip(["const", *names], b, se, strict=True)
        }
        columns.append({"outcome": "y", **cells, "N": f"{n}", "controls": "yes"})
    tables, header = _nested(_numbered(columns))
    tables = {"table4": {"parentheses": "se", **tables["table4"]}}
    return tables, {**header, "stars": None}  # stars of numbers, not of printed ratios


@_shape("no statistic beside the effect")
def _bare(p: _Paper) -> Drawn:
    values = {k: [p.show(p.rng.normal(0, 1))] for k in "abc"}
    return {"table1": _grid(values, ["effect"])}, {}


@_shape("within and between deviations")
def _within(p: _Paper) -> Drawn:
    """Of a panel: deviations of unit means, and around them, under one mean."""
    rows = {}
    for name in ("x1", "y"):
        x = p.data[name]
        means = np.array([x[p.groups == g].mean() for g in np.unique(p.groups)])
        inner = x - np.array([x[p.groups == g].mean() for g in p.groups]) + x.mean()
        for word, values, n in (("between", means, len(means)), ("within", inner, p.n)):
            moments = (x.mean(), values.std(ddof=1), values.min(), values.max())
            rows[f"{name} {word}"] = [str(n), *p.shown(*moments)]
    return {"table2": _grid(rows)}, {"moments": None}


@_shape("robust errors, steps on one sample")
def _robust(p: _Paper) -> Drawn:
    return _nested(p.steps(errors="robust", absorb=True), errors="robust")


@_shape("statistics of three outcomes")
def _outcomes(p: _Paper) -> Drawn:
    """Regress on another outcome with other controls, which is no mediation."""
    columns = [
        p.column("m", ["treat", "x2"]),
        p.column("y", ["treat", "x1", "m"]),
        p.column("y", ["treat", "x1"], keep=p.rng.random(p.n) > 0.2),
    ]
    return {"table4": _numbered(columns)}, {"errors": "classical"}


@_shape("questionnaires", rounding="any")
def _questionnaires(p: _Paper) -> Drawn:
    """Means of several whole answers, some of them below zero, with either divisor."""
    rows, items, rng = {}, {}, p.rng
    for name, low, high in (("stress", 1, 7), ("mood", -2, 2), ("visits", 0, 3)):
        items[name] = k = int(rng.integers(1, 5))
        n = int(rng.integers(5, 60))
        x = rng.integers(low, high + 1, (n, k)).mean(axis=1)
        values = x.mean(), x.std(ddof=int(rng.integers(2)))
        rows[name] = [str(n), *(p.show(v, 2) for v in values)]
    return {"table1": _grid(rows, ["n", "mean", "sd"])}, {"weights": "none", "items": items}


@_shape("counts in percent", rounding="any")
def _percent(p: _Paper) -> Drawn:
    """Percent beside n, thousandths, and percent of columns whose N stands below."""
    beside, below, rng = {}, {}, p.rng
    for name in "abc":
        n = int(rng.integers(20, 900))
        ones = [int(rng.binomial(n, 0.3)) for _ in range(2)]
        beside[name] = [str(n), p.show(100 * ones[0] / n, 1), p.show(1000 * ones[1] / n, 1)]
    columns = {c: int(rng.integers(20, 900)) for c in ("north", "south")}
    for name in ("female", "married"):
        shares = (100 * rng.binomial(n, 0.4) / n for n in columns.values())
        below[name] = [p.show(v, 1) for v in shares]
    below["N"] = [str(n) for n in columns.values()]
    tables = {
        "table1": _grid(beside, ["n", "rate", "cases"]),
        "table2": {c: {k: v[i] for k, v in below.items()} for i, c in enumerate(columns)},
        "declare": {"unused": ["rate", "cases"]},
    }
    lists = {"percents": ["rate", "female", "married"], "permilles": ["cases"]}
    return tables, {"weights": "none", **lists}


@_shape("two groups, pooled", more="pooled", rounding="any")
@_shape("two groups, Welch", more="welch", rounding="any")
def _two_groups(p: _Paper, variances: str) -> Drawn:
    rows, ddof = {}, int(p.rng.integers(2))
    for name in ("x1", "x2", "y"):
        d = p.rng.permutation(p.data["treat"])
        groups = [p.data[name][d == k] for k in (1, 0)]
        test = stats.ttest_ind(*groups, equal_var=variances == "pooled")
        apart = groups[0].mean() - groups[1].mean()
        cells = [c for g in groups for c in (str(len(g)), *p.shown(g.mean(), g.std(ddof=ddof)))]
        tail = p.show(test.statistic, 2), p.show(test.pvalue, 3)
        rows[name] = [*cells, *p.shown(apart, apart / test.statistic), *tail]
    words = ["treated", "others"]
    columns = [f"{w} {c}" for w in words for c in ("n", "mean", "sd")]
    grid = _grid(rows, [*columns, "difference", "se", "t", "p"])
    return {"table1": {"declare": {"groups": words}, **grid}}, {
        "weights": "none",
        "df": None,
        "variances": variances,
        "differences": [{"table": "table1", "first": "table1 treated", "second": "table1 others"}],
        "tables": {f"table1 {word}": {"sample": word} for word in words},
    }


@_shape("a cross-table", rounding="any")
def _cross(p: _Paper) -> Drawn:
    """Print counts that add up, and amounts whose rounded parts need not."""
    counts = p.rng.integers(0, 60, (4, 3)).astype(float)
    amounts = p.rng.uniform(1, 90, (4, 3))
    columns, grids = ["male", "female", "unknown", "Total"], []
    for x, places in ((counts, 0), (amounts, 1)):
        x = np.column_stack([x, x.sum(axis=1)])
        x = np.vstack([x, x.sum(axis=0)])
        lines = ([p.show(v, places) for v in line] for line in x)
        grids.append(_grid(dict(zip((*"abcd", "Total"), lines, strict=True)), columns))
    tables = {"table1": {**grids[0], "declare": {"counts": columns}}, "table2": grids[1]}
    return tables, {"totals": ["table1", "table2"]}


@_shape("a column headed p")
def _headed_p(p: _Paper) -> Drawn:
    """Prices, and rates in percent, under the heading p beside tests."""
    rows = {}
    for name in "abcd":
        b, se = p.rng.normal(0, 0.3), p.rng.uniform(0.02, 0.2)
        price = p.rng.normal(2, 6) if name != "a" else -3.5
        rows[name] = [*p.shown(b, se), p.show(b / se, 2), p.show(price)]
    return {"table1": _grid(rows, ["coef", "se", "t", "p"])}, {"p_column": None}


@_shape("means beside a starred difference")
def _balance(p: _Paper) -> Drawn:
    """Stars stand at differences of means; the means, far from zero, have none."""
    d = p.data["treat"].astype(bool)
    columns: dict[str, Any] = {"treated": {}, "others": {}, "difference": {}}
    for name in ("x1", "x2", "m", "y"):
        groups = [p.data[name][keep] for keep in (d, ~d)]
        means = [float(x.mean()) for x in groups]
        errors = [float(x.std(ddof=1) / np.sqrt(len(x))) for x in groups]
        apart, error = means[0] - means[1], float(np.hypot(errors[0], errors[1]))
        lines = ([*means, apart], [*errors, error], ["", "", p.marks(apart / error)])
        for column, value, se, mark in zip(columns.values(), *lines, strict=True):
            column[name] = [p.show(value) + mark, f"({p.show(se)})"]
    if p.rng.random() < 0.5:  # the groups below each other, one column a variable
        columns = {k: {c: columns[c][k] for c in columns} for k in columns["treated"]}
    return {"table1": {"parentheses": "se", **columns}}, {"unmarked": None}


def _honest_study(shape: str, seed: int, *, declared: bool = False) -> Study:
    """Return an honest study as the audit reads it."""
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
        for check in audit([_honest_study(shape, seed + i, declared=declared)])
    ]
    frame = pd.DataFrame(rows, columns=["shape", "declared", "rule", "verdict"])
    counts = pd.crosstab([frame["shape"], frame["declared"]], frame["verdict"])
    counts = counts.reindex(columns=["impossible", "undecided", "consistent"], fill_value=0)
    return counts.assign(checks=counts.sum(axis=1)).reset_index()


def _alter_digit(printed: Printed, rng: np.random.Generator) -> tuple[Printed, int]:
    """Change one digit of a printed number."""
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
            study = _honest_study(shape, seed + i, declared=True)
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
                changed, digit = _alter_digit(printed, rng)
                altered = replace(study, record=study.record.replace(changed))
                noticed = {
                    check.rule
                    for asked in readers[changed.id]
                    for check in RULES[asked](altered)
                    if check.verdict == IMPOSSIBLE
                }
                rows.append((i, name, digit, name in noticed, bool(noticed)))
    return pd.DataFrame(rows, columns=["study", "rule", "digit", "by_rule", "by_any"])
