"""What the paper does not print: numbers of a panel that its tables may force or leave open.

Two routes.  :func:`of_panel` computes everything, smooth or not, on one panel; the
ensemble takes the range over many.  :func:`smooth` declares those that have a gradient,
for the search for sharp ends.
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from ftz import did, inference, matching
from ftz.errors import EstimationError
from printproof.witness import Coefficient, Correlation, Design, Estimand, Model, Problem, RSquared
from study import register, replication
from study.replication import CONTROLS, OUTCOME, TREATMENT

#: Groups of quantities, in the order of the chapter, and what each is about.
GROUPS = {
    "event study": "coefficients of the event study around 2019, the paper's figure 2",
    "event statistic": "their z values, clustered by city",
    "leave one out": "the effect of column (5) without one city",
    "other errors": "standard errors of the effect that are not printed",
    "p values": "p values of the effect by resampling",
    "fit": "share of the within variation explained",
    "correlation": "pairwise correlations of the controls",
    "other matching": "effects on the treated under other readings of Table 1",
}
#: Readings of Table 1 beside the one that the witness is built for.
_MATCHINGS: dict[str, tuple[str, dict[str, float]]] = {
    "one neighbour": ("k_nearest", {"k": 1}),
    "two neighbours": ("k_nearest", {"k": 2}),
    "caliper of 0.66 sd": ("caliper", {"sd": 0.66}),
    "caliper of 0.1": ("caliper", {"caliper": 0.1}),
}
#: Draws of the wild cluster bootstrap where its signs are too many to enumerate.
_DRAWS = 999


def of_panel(frame: pd.DataFrame) -> dict[str, float]:
    """Return every unprinted quantity of a witness panel."""
    matched = frame[frame["matched"] == 1].reset_index(drop=True)
    found: dict[str, float] = {}
    found |= _events(matched)
    found |= _leave_one_out(matched)
    found |= _errors(matched)
    found |= _pvalues(matched)
    found |= _correlations(matched)
    found |= _matching(frame)
    return found


def _with_cohort(matched: pd.DataFrame) -> pd.DataFrame:
    """Keep cities of the 2019 cohort and the never-treated, as far as they are in the sample."""
    first = matched["city"].map(register.PAPER.cohorts(matched["city"].unique())).astype(float)
    treated = matched.groupby("city")[TREATMENT].transform("max") == 1
    return matched.assign(cohort=first.where(treated))


def _events(matched: pd.DataFrame) -> dict[str, float]:
    frame = _with_cohort(matched)
    frame = frame[frame["cohort"].isna() | (frame["cohort"] == 2019)]
    try:
        study = did.event_study(frame, OUTCOME, "cohort", CONTROLS)
    except EstimationError:  # no treated city is observed in 2018
        return {}
    found = {}
    for part in (study.pre, study.post):
        for step, (_, row) in zip(part.index, part.iterrows(), strict=True):
            if step == -1 or not np.isfinite(row["std_error"]) or row["std_error"] <= 0:
                continue
            found[f"event study: {2019 + int(step)}"] = float(row["estimate"])
            found[f"event statistic: {2019 + int(step)}"] = float(
                row["estimate"] / row["std_error"]
            )
    return found


def _leave_one_out(matched: pd.DataFrame) -> dict[str, float]:
    cities, years = matched["city"].to_numpy(), matched["year"].to_numpy()
    values = _values(matched)
    return {
        name: quantity.evaluate(values)[0] for name, quantity in _without(cities, years).items()
    }


def _without(cities: np.ndarray, years: np.ndarray) -> dict[str, Coefficient]:
    """Return the effect of column (5) without each city in turn."""
    model = _models(cities, years)["clustered"]
    found = {}
    for city in sorted(set(cities)):
        keep = np.flatnonzero(cities != city)
        rest = replace(model, design=Design.two_way(cities[keep], years[keep]), rows=keep)
        found[f"leave one out: {city}"] = Coefficient(f"leave one out: {city}", rest, TREATMENT)
    return found


def _models(cities: np.ndarray, years: np.ndarray) -> dict[str, Model]:
    design = Design.two_way(cities, years)
    regressors = ("one", TREATMENT, *CONTROLS)
    return {
        "classical": Model("classical", OUTCOME, regressors, design, "classical"),
        "HC1": Model("HC1", OUTCOME, regressors, design, "robust"),
        "clustered": Model("clustered", OUTCOME, regressors, design),
    }


def _values(matched: pd.DataFrame) -> dict[str, np.ndarray]:
    names = (OUTCOME, TREATMENT, *CONTROLS)
    return {n: matched[n].to_numpy(float) for n in names} | {"one": np.ones(len(matched))}


def _errors(matched: pd.DataFrame) -> dict[str, float]:
    models = _models(matched["city"].to_numpy(), matched["year"].to_numpy())
    values = _values(matched)
    found = {
        f"other errors: {name}": Coefficient(name, models[name], TREATMENT, "se").evaluate(values)[
            0
        ]
        for name in ("classical", "HC1")
    }
    found["fit: column (5)"] = RSquared("", models["clustered"]).evaluate(values)[0]
    short = replace(models["clustered"], regressors=("one", TREATMENT, CONTROLS[0]))
    found["fit: column (1)"] = RSquared("", short).evaluate(values)[0]
    return found


def _pvalues(matched: pd.DataFrame) -> dict[str, float]:
    first = _with_cohort(matched).groupby("city")["cohort"].first()
    adoption = {c: (None if pd.isna(y) else float(y)) for c, y in first.items()}
    paths = inference.placebo(
        matched, OUTCOME, TREATMENT, CONTROLS, seed=0, scheme="units", adoption=adoption
    )
    wild = inference.wild_cluster_bootstrap(
        matched, OUTCOME, TREATMENT, CONTROLS, draws=_DRAWS, seed=0
    )
    return {
        "p values: reassigned paths": float(paths.p_value),
        "p values: wild cluster bootstrap": float(wild.p_value),
    }


def _correlations(matched: pd.DataFrame) -> dict[str, float]:
    table = matched[list(CONTROLS)].corr()
    return {
        f"correlation: {a} and {b}": float(table[b][a])
        for a, b in itertools.combinations(CONTROLS, 2)
    }


def _matching(frame: pd.DataFrame) -> dict[str, float]:
    fitted = replication.score(frame)
    on = replication.MATCHING.on_support(frame, fitted)
    found = {}
    for name, (method, options) in _MATCHINGS.items():
        chosen: dict[str, Any] = dict(options)
        if "sd" in chosen:
            index = fitted.linear_index[on]
            chosen = {"caliper": chosen["sd"] * float(index.std(ddof=1))}
        try:
            pairs = matching.match(
                fitted.linear_index[on], frame.loc[on, TREATMENT], method=method, **chosen
            )
            found[f"other matching: {name}"] = float(matching.att(frame[OUTCOME], pairs).att)
        except EstimationError:  # no control within the caliper
            continue
    return found


# --- those with a gradient ------------------------------------------------------------------------


def smooth(problem: Problem, cities: np.ndarray, years: np.ndarray) -> list[Estimand]:
    """Declare the smooth quantities of the study's matched sample."""
    models = _models(cities, years)
    found: list[Estimand] = []
    events = [v.name for v in problem.variables if v.name.startswith("event ")]
    study = replace(models["clustered"], regressors=("one", *events, *CONTROLS))
    for name in events:
        year = name.removeprefix("event ")
        found.append(Coefficient(f"event study: {year}", study, name))
        found.append(Coefficient(f"event statistic: {year}", study, name, "statistic"))
    found += _without(cities, years).values()
    for name in ("classical", "HC1"):
        found.append(Coefficient(f"other errors: {name}", models[name], TREATMENT, "se"))
    found.append(RSquared("fit: column (5)", models["clustered"]))
    for a, b in itertools.combinations(CONTROLS, 2):
        found.append(Correlation(f"correlation: {a} and {b}", a, b))
    return found
