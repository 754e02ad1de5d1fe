"""Which command prints a table like Table 4: candidates, run on simulated panels of its shape.

``python -m study.table4 --panels 100 --seed 1`` writes ``data/table4/commands.csv``, and with
``--export FOLDER`` the panels, on which ``data/table4/commands.R`` runs R's packages.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ftz.errors import EstimationError
from ftz.random_effects import RandomEffectsResult, random_effects
from study import published, replication
from study._commands import run_command
from study.nested_columns import met
from study.paths import data_dir

#: What pages say of these functions (see ``bookworks._lineage``).
__lineage__ = {
    "one_command": {"files": ["data/table4/one_command.csv"]},
    "measured": {"files": ["data/table4/commands.csv", "data/table4/outside.csv"]},
}

#: Terms in the order in which Table 4 adds them.
TERMS = (replication.TREATMENT, *replication.CONTROLS, "const")
_COLUMNS, _N, _TREATED, _YEARS = 5, 85, 11, range(2013, 2023)
#: Counts of effects that the printed columns allow, year dummies without or with constant.
_COUNTS = (9, 10)
_SHOWN = (1, 3, 5)
_NOISE = 0.04  # of the outcome: a z of the zone near the printed one

_Fit = tuple[pd.Series, pd.Series]


# --- panels of the study's shape ------------------------------------------------------------


def simulate(
    rng: np.random.Generator, cities: int = 13, whole: int = 0, rows: int = _N
) -> pd.DataFrame:
    """Draw a panel of city-years, eleven of them treated, with moments like Table 2's.

    Parameters
    ----------
    rng : numpy.random.Generator
    cities : int
        Three of them get a zone in 2019.
    whole : int
        How many of the others keep all ten years; the rest of the rows is drawn.
    rows : int
        85, as in the study.

    Returns
    -------
    pandas.DataFrame
        ``city``, ``year`` and the columns of Table 4; the effects are those of column (5).
    """
    known, t = _known(), len(_YEARS)
    city, year = np.divmod(np.arange(cities * t), t)
    zone = ((city < 3) & (year >= 2019 - _YEARS[0])).astype(float)
    noise = rng.normal(size=(cities, t))
    for s in range(1, t):
        noise[:, s] = 0.5 * noise[:, s - 1] + np.sqrt(0.75) * noise[:, s]
    share = rng.uniform(0, 0.7)
    error = np.sqrt(share) * rng.normal(size=cities)[city] + np.sqrt(1 - share) * noise.ravel()
    y = known[replication.OUTCOME][0] + _NOISE * error + known[replication.TREATMENT][2] * zone
    parts = {"city": city, "year": year + _YEARS[0], replication.TREATMENT: zone}
    for name in replication.CONTROLS:
        mean, sd, effect = known[name]
        drawn = rng.normal(size=cities)[city] + 0.15 * year + rng.normal(size=len(y))
        parts[name] = mean + sd * (drawn - drawn.mean()) / drawn.std()
        y += effect * (parts[name] - mean)
    keep = _chosen(rng, city, year, zone == 1, whole, rows)
    return pd.DataFrame({k: v[keep] for k, v in (parts | {replication.OUTCOME: y}).items()})


def _chosen(
    rng: np.random.Generator,
    city: np.ndarray,
    year: np.ndarray,
    treated: np.ndarray,
    whole: int,
    size: int,
) -> np.ndarray:
    """Return which rows are kept: every city twice or more, every year once or more."""
    for _ in range(1000):
        rank = rng.random(len(city)) - ((city >= 3) & (city < 3 + whole))
        rows = [
            np.flatnonzero(part)[np.argsort(rank[part])[:count]]
            for part, count in ((treated, _TREATED), (~treated, size - _TREATED))
        ]
        keep = np.sort(np.concatenate(rows))
        if np.bincount(city[keep], minlength=city[-1] + 1).min() > 1 and len(
            np.unique(year[keep])
        ) == len(_YEARS):
            return keep
    raise EstimationError(f"{size} rows seldom hold {city[-1] + 1} cities twice: ask for more rows")


@cache
def _known() -> dict[str, tuple[float, float, float]]:
    """Return means and deviations of Table 2, and the coefficients of column (5)."""
    record = published.load(replication.PAPER)

    def value(*place: str) -> float:
        return float(record.get(replication.cell(*place)).value)

    return {
        name: (
            value("table2", name, "mean", "value"),
            value("table2", name, "sd", "value"),
            0.0 if name == "lnHQD" else value("table4", name, f"({_COLUMNS})", "coef"),
        )
        for name in (replication.OUTCOME, *TERMS[:-1])
    }


def one_command() -> pd.DataFrame:
    """Return the constructed panel on which the emulated command returns Table 4."""
    return pd.read_csv(data_dir() / "table4" / "one_command.csv")


# --- candidates -------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Command:
    """A way to print a column of Table 4.

    Attributes
    ----------
    name : str
        As a reader would type or call it.
    prints : str
        ``z`` or ``t``.
    fit : callable
        From a frame and the controls of a column to coefficients and statistics.
    variance : str
        Formula of the standard error.
    known : str
        How the book knows: ``run`` (the package itself) or ``emulated``.
    cities : str
        Whether city effects are estimated and counted; year effects always are.
    """

    name: str
    prints: str
    fit: Callable[[pd.DataFrame, Sequence[str]], _Fit]
    variance: str = "RSS/(n - K)"
    known: str = "run"
    cities: str = "no"

    def columns(self, frame: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        """Run the command for the five columns."""
        tables = np.full((2, _COLUMNS, len(TERMS)), np.nan)
        for j in range(_COLUMNS):
            names = [*TERMS[: j + 2], TERMS[-1]]
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # convergence at a zero variance: it is counted
                try:
                    params, statistics = self.fit(frame, replication.CONTROLS[: j + 1])
                except (EstimationError, ValueError, ZeroDivisionError, np.linalg.LinAlgError):
                    continue
            tables[0, j, [TERMS.index(n) for n in names]] = params[names]
            tables[1, j, [TERMS.index(n) for n in names]] = statistics[names]
        return tables[0], tables[1]

    def printed_numbers(self, frame: pd.DataFrame) -> tuple[int, int]:
        """Return how many of Table 4's coefficients and statistics the command returns, of all."""
        record = published.load(replication.PAPER)
        hits = total = 0
        for values, statistic in zip(self.columns(frame), ("coef", "statistic"), strict=True):
            for j in range(_COLUMNS):
                for name in (*TERMS[: j + 2], TERMS[-1]):
                    printed = record.get(replication.cell("table4", name, f"({j + 1})", statistic))
                    value = values[j, TERMS.index(name)]
                    total += 1
                    hits += bool(np.isfinite(value)) and printed.format(value) == printed.text
        return hits, total


def _dummies(frame: pd.DataFrame, controls: Sequence[str], cities: bool = False) -> pd.DataFrame:
    keys = ["year", "city"] if cities else ["year"]
    effects = pd.get_dummies(frame[keys].astype(str), drop_first=True, dtype=float)
    return frame[["FTZ", *controls]].assign(const=1.0).join(effects)


def _least_squares(kind: str, cities: bool = False) -> Callable[..., _Fit]:
    def fit(frame: pd.DataFrame, controls: Sequence[str]) -> _Fit:
        import statsmodels.api as sm

        model = sm.OLS(frame[replication.OUTCOME], _dummies(frame, controls, cities))
        options: dict[str, Any] = {}
        if kind == "cluster":
            options = {"cov_kwds": {"groups": frame["city"].astype("category").cat.codes}}
        result = model.fit(cov_type="nonrobust" if kind == "likelihood" else kind, **options)
        scale = np.sqrt(result.nobs / result.df_resid) if kind == "likelihood" else 1.0
        return result.params, result.tvalues * scale

    return fit


def _by_hand(frame: pd.DataFrame, controls: Sequence[str]) -> _Fit:
    """Least squares on rows from which city means were taken off, the cities not counted."""
    import statsmodels.api as sm

    x = _dummies(frame, controls).assign(y=frame[replication.OUTCOME])
    x = x - x.groupby(frame["city"]).transform("mean") + x.mean()
    result = sm.OLS(x.pop("y"), x).fit()
    return result.params, result.tvalues


def _panel_ols(errors: str, units: bool) -> Callable[..., _Fit]:
    def fit(frame: pd.DataFrame, controls: Sequence[str]) -> _Fit:
        from linearmodels.panel import PanelOLS

        indexed = frame.set_index(["city", "year"])
        x = indexed[["FTZ", *controls]].assign(const=1.0)
        model = PanelOLS(indexed["lnHQD"], x, entity_effects=units, time_effects=True)
        options = {"cluster_entity": True} if errors == "clustered" else {}
        result = model.fit(cov_type=errors, **options)
        return result.params, result.tstats

    return fit


def _re_linearmodels(frame: pd.DataFrame, controls: Sequence[str]) -> _Fit:
    from linearmodels.panel import RandomEffects

    x = _dummies(frame, controls).set_index(pd.MultiIndex.from_frame(frame[["city", "year"]]))
    result = RandomEffects(frame.set_index(["city", "year"])["lnHQD"], x).fit(debiased=True)
    return result.params, result.tstats


def _emulated(within: bool = False) -> Callable[..., _Fit]:
    def fit(frame: pd.DataFrame, controls: Sequence[str]) -> _Fit:
        result = random_effects(frame, replication.OUTCOME, replication.TREATMENT, controls)
        if not within:
            return result.params, result.tstats
        # The same slopes, the variance within cities in the place of RSS/(n - K).
        return result.params, result.tstats * result.sigma_last / result.sigma_e

    return fit


def _statsmodels(kind: str) -> Callable[..., _Fit]:
    def fit(frame: pd.DataFrame, controls: Sequence[str]) -> _Fit:
        import statsmodels.api as sm

        y, x = frame[replication.OUTCOME], _dummies(frame, controls)
        if kind == "GLM":
            result = sm.GLM(y, x).fit()
        elif kind.startswith("GEE"):
            model = sm.GEE(y, x, groups=frame["city"], cov_struct=sm.cov_struct.Independence())
            result = model.fit(cov_type=kind.split()[1])
        else:
            result = sm.MixedLM(y, x, groups=frame["city"]).fit(reml=kind == "REML")
        return result.params, result.tvalues

    return fit


COMMANDS = (
    _Command("xtreg, re with i.year (Stata)", "z", _emulated(), known="emulated"),
    _Command("RandomEffects, year dummies (linearmodels)", "t", _re_linearmodels),
    _Command("OLS, year dummies (statsmodels)", "t", _least_squares("nonrobust")),
    _Command("PanelOLS, time effects (linearmodels)", "t", _panel_ols("unadjusted", False)),
    _Command("GLM, year dummies (statsmodels)", "z", _statsmodels("GLM")),
    _Command("GEE, independence, naive (statsmodels)", "z", _statsmodels("GEE naive")),
    _Command("least squares (xtgls)", "z", _least_squares("likelihood"), "RSS/n", "emulated"),
    _Command("MixedLM, REML (statsmodels)", "z", _statsmodels("REML"), "GLS, REML"),
    _Command("MixedLM, ML (statsmodels)", "z", _statsmodels("ML"), "GLS, ML"),
    _Command("random effects, other variance", "z", _emulated(True), "within", "emulated"),
    _Command("PanelOLS, both effects", "t", _panel_ols("unadjusted", True), cities="yes"),
    _Command("PanelOLS, both, clustered", "t", _panel_ols("clustered", True), "CR1", cities="yes"),
    _Command("OLS on demeaned rows (xtdata, fe)", "t", _by_hand),
    _Command("OLS, year dummies, robust", "z", _least_squares("HC1"), "HC1"),
    _Command("OLS, year dummies, clustered", "z", _least_squares("cluster"), "CR1"),
    _Command("GEE, independence, robust (statsmodels)", "z", _statsmodels("GEE robust"), "CR0"),
)


def _score(coefficients: np.ndarray, statistics: np.ndarray) -> pd.Series:
    """Hold many printed tables of one command against what Table 4 shows."""
    refused = ~np.isfinite(statistics[:, :, 0]).all(axis=1)
    if refused.all():
        return pd.Series({"panels": len(refused), "refused": len(refused)})
    holds = met(coefficients[~refused], statistics[~refused], _N)
    later, at = holds[:, :, 1:].sum((2, 3)), list(_COUNTS)
    all15 = (later[:, at] == 15).any(1)
    first = holds[:, at, 0].sum(2)
    constants = (holds[:, at, 1:, -1].sum(2) == 3).any(1)
    return pd.Series(
        {
            "panels": len(refused),
            "refused": int(refused.sum()),
            "all15": all15.mean(),
            "constants": constants.mean(),
            "first": (first == 3).any(1).mean(),
            "as_printed": (all15 & (first == 0).all(1)).mean(),
            "best": later.max(),
        }
    )


def _panels(number: int, seed: int, cities: int = 13) -> list[pd.DataFrame]:
    """Draw panels of the study's shape, with none to three whole cities beside the zone's."""
    rng = np.random.default_rng(seed)
    return [simulate(rng, cities, int(rng.integers(4))) for _ in range(number)]


def _measure(drawn: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Run every command on every panel; one row a command, as :func:`score`."""
    rows = {}
    for command in COMMANDS:
        tables = [command.columns(frame) for frame in drawn]
        rows[command.name] = _score(*(np.stack(part) for part in zip(*tables, strict=True)))
        rows[command.name]["returned"] = command.printed_numbers(one_command())[0]
    return pd.DataFrame(rows).T.rename_axis("command")


def measured() -> pd.DataFrame:
    """Return what ``python -m study.table4`` wrote, with R's packages, as they were run, below."""
    folder = data_dir() / "table4"
    return pd.concat([pd.read_csv(folder / name) for name in ("commands.csv", "outside.csv")])


#: What R's packages print, and by which formula; they were run beside the book.
_OUTSIDE = {
    "lm": ("t", "RSS/(n - K)"),
    "plm": ("z", "GLS, as named"),
    "lmer": ("t", "GLS, as named"),
}


def judged(shares: pd.DataFrame) -> pd.DataFrame:
    """Lay candidates out for a reader, each with a verdict that follows from its shares.

    Parameters
    ----------
    shares : pandas.DataFrame
        As :func:`measured` returns it, indexed by command.
    """
    rows, commands = [], {c.name: c for c in COMMANDS}
    for name, row in shares.iterrows():
        c = commands.get(str(name))
        prints, variance = (c.prints, c.variance) if c else _OUTSIDE[str(name).split(",")[0]]
        ran = row["panels"] > row["refused"]
        rows.append(
            {
                "command": name,
                "prints": prints,
                "variance": variance,
                "cities counted": c.cities if c else "no",
                "known": c.known if c else "run, in R",
                "all 15": f"{100 * row['all15']:.0f}%" if ran else "",
                "constants": f"{100 * row['constants']:.0f}%" if ran else "",
                "(1) to (2) too": f"{100 * row['first']:.0f}%" if ran else "",
                "best of 15": f"{row['best']:.0f}" if ran else "",
                "returned": "" if pd.isna(row["returned"]) else f"{row['returned']:.0f}",
                "verdict": _verdict(row, prints),
            }
        )
    return pd.DataFrame(rows)


def _verdict(row: pd.Series, prints: str) -> str:
    if row["refused"] == row["panels"]:
        return "refuses some column on every panel"
    if row["all15"] == 0:
        return "met on no panel"
    if row["all15"] < 0.5:
        return "met on few panels"
    if row["first"] == 1:
        end = "" if prints == "z" else ", and prints t"
        return f"returns (2) to (5); cannot depart in (1){end}"
    return "returns (2) to (5) and departs in (1)" if prints == "z" else "departs, but prints t"


# --- the trap -----------------------------------------------------------------------------------


def _effects(
    frame: pd.DataFrame, steps: Sequence[int] = range(1, _COLUMNS + 1)
) -> list[RandomEffectsResult]:
    return [
        random_effects(frame, replication.OUTCOME, replication.TREATMENT, TERMS[1 : j + 1])
        for j in steps
    ]


def pattern(number: int, seed: int, cities: int, whole: int) -> pd.Series:
    """Run the emulated command on panels with some whole cities.

    Returns
    -------
    pandas.Series
        Shares of the panels: ``only_first`` (theta above zero in column (1) and in no other),
        ``all15`` and ``as_printed`` as :func:`score`; ``between``, the commonest degrees of
        freedom between cities in column (1).
    """
    rng = np.random.default_rng(seed)
    runs = [_effects(simulate(rng, cities, whole)) for _ in range(number)]
    tables = np.full((2, number, _COLUMNS, len(TERMS)), np.nan)
    for i, results in enumerate(runs):
        for j, result in enumerate(results):
            names = [*TERMS[: j + 2], TERMS[-1]]
            place = [TERMS.index(n) for n in names]
            tables[:, i, j, place] = result.params[names], result.tstats[names]
    only = [not r[0].pooled and all(c.pooled for c in r[1:]) for r in runs]
    return pd.Series(
        {
            "only_first": np.mean(only),
            **_score(*tables)[["all15", "as_printed"]],
            "between": pd.Series([r[0].df_between for r in runs]).mode()[0],
        }
    )


def by_cities(numbers: Sequence[int], draws: int, seed: int) -> pd.DataFrame:
    """Follow degrees of freedom between and theta as the number of cities grows.

    Two thirds of the city-years are kept.

    Returns
    -------
    pandas.DataFrame
        One row a number of cities, draw and column (1), (3) and (5): ``cities``, ``column``,
        ``between``, ``theta`` (mean over cities).
    """
    rng, rows = np.random.default_rng(seed), []
    for cities in numbers:
        for _ in range(draws):
            frame = simulate(rng, cities, 0, round(20 * cities / 3))
            for j, result in zip(_SHOWN, _effects(frame, _SHOWN), strict=True):
                rows.append((cities, j, result.df_between, float(result.theta.mean())))
    return pd.DataFrame(rows, columns=["cities", "column", "between", "theta"])


# --- chance -------------------------------------------------------------------------------------


def chance(number: int, seed: int, cities: int = 13) -> pd.DataFrame:
    """Count how many of the 15 relations a formula meets by chance, at its best count.

    Returns
    -------
    pandas.DataFrame
        One row a panel; a column for each of :data:`FORMULAS`, with year effects, or with
        city effects too: the largest number over 0 to 40 effects.
    """
    counts = {}
    drawn = _panels(number, seed, cities)
    for label, both in (("years", False), ("years and cities", True)):
        tables = [_formulas(frame, both) for frame in drawn]
        coefficients = np.stack([b for b, _ in tables])
        for k, formula in enumerate(FORMULAS):
            holds = met(coefficients, np.stack([t[k] for _, t in tables]), _N)
            counts[f"{formula}, {label}"] = holds[:, :, 1:].sum((2, 3)).max(1)
    return pd.DataFrame(counts)


FORMULAS = ("classical", "HC1", "clustered")


def _formulas(frame: pd.DataFrame, cities: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return coefficients (5, 7) and the statistics of each formula (3, 5, 7), in plain numpy."""
    order = ["city", "year", *TERMS[:-1], replication.OUTCOME]
    city, year, *slope, y = (frame[name].to_numpy() for name in order)
    slopes = len(slope)
    groups, years = np.eye(city.max() + 1)[city], np.eye(len(_YEARS))[year - _YEARS[0]]
    x = np.column_stack(
        [*slope, np.ones(len(y)), years[:, 1:], *([groups[:, 1:]] if cities else [])]
    )
    b, t = np.full((_COLUMNS, slopes + 1), np.nan), np.full((3, _COLUMNS, slopes + 1), np.nan)
    for j in range(_COLUMNS):
        terms = [*range(j + 2), slopes]
        z = x[:, [*terms, *range(slopes + 1, x.shape[1])]]
        bread = np.linalg.inv(z.T @ z)
        estimate = bread @ z.T @ y
        e = y - z @ estimate
        n, k, g = *z.shape, groups.shape[1]
        scores = z * e[:, None]
        sums = groups.T @ scores
        squares = (
            np.diag(bread) * (e @ e) / (n - k),
            np.einsum("ij,jk,ik->i", bread, scores.T @ scores, bread) * n / (n - k),
            np.einsum("ij,jk,ik->i", bread, sums.T @ sums, bread) * g / (g - 1) * (n - 1) / (n - k),
        )
        b[j, terms] = estimate[: len(terms)]
        t[:, j, terms] = [(estimate / np.sqrt(v))[: len(terms)] for v in squares]
    return b, t


# --- the command ----------------------------------------------------------------------------------


def _main(arguments: Sequence[str] | None = None) -> int:
    """Run ``python -m study.table4``; return its exit code."""

    def _options(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--panels", type=int, default=100)
        parser.add_argument("--seed", type=int, default=1)
        parser.add_argument("--export", type=Path, help="folder for the panels, as CSV for R")
        parser.add_argument("--score", type=Path, help="R's columns, to be held against Table 4")
        parser.add_argument("--out", type=Path, default=data_dir() / "table4")

    def run(chosen: argparse.Namespace) -> int:
        drawn = _panels(chosen.panels, chosen.seed)
        if chosen.export:
            pd.concat({i: f for i, f in enumerate(drawn)}, names=["panel", None]).reset_index(
                "panel"
            ).to_csv(chosen.export, index=False)
        elif chosen.score:
            _outside(pd.read_csv(chosen.score)).to_csv(
                chosen.out / "outside.csv", float_format="%.4g"
            )
        else:
            _measure(drawn).to_csv(chosen.out / "commands.csv", float_format="%.4g")
        return 0

    return run_command("study.table4", __doc__ or "", _options, run, arguments)


def _outside(long: pd.DataFrame) -> pd.DataFrame:
    """Score columns that another program wrote."""
    rows = {}
    for command, part in long.groupby("command", sort=False):
        shape = (long["panel"].max() + 1, _COLUMNS, len(TERMS))
        tables = np.full((2, *shape), np.nan)
        place = (part["panel"], part["column"] - 1, [TERMS.index(t) for t in part["term"]])
        tables[0][place], tables[1][place] = part["coef"], part["statistic"]
        rows[command] = _score(tables[0], tables[1])
    return pd.DataFrame(rows).T.rename_axis("command")


if __name__ == "__main__":
    raise SystemExit(_main())
