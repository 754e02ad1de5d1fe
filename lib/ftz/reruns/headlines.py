"""The numbers of each chapter that are worth laying side by side.

A chapter glues many numbers; its *headlines* are those a reader would compare between
runs.  Each is found twice: read from an executed notebook, where it stands at full
precision, and computed by the library from the same parameters, without a notebook.
The two must be equal bit for bit; a test asserts it on real runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ftz.errors import FtzError

#: Parameters and numbers as they travel here.
Values = Mapping[str, Any]
Numbers = dict[str, int | float]

#: Where :func:`myst_nb.glue` puts a value in a cell's output.
_RECORD = "application/papermill.record/text/plain"


@dataclass(frozen=True)
class Headline:
    """The headline numbers of a chapter.

    Attributes
    ----------
    labels : mapping
        Glue key to what a reader sees above the number.
    compute : callable
        From all parameters of a run to the numbers, by glue key, without a notebook.
    """

    labels: Mapping[str, str]
    compute: Callable[[Values], Numbers]


def _witness() -> Any:
    from ftz import panel

    return panel.load_witness()


def _matching(values: Values) -> Numbers:
    from ftz import matching, replication

    setup = replication.MatchingSetup(values["neighbours"], values["caliper"], values["support"])
    frame = _witness().frame
    numbers = replication.table1(frame, setup)
    return {
        f"psm-att-{method}": float(numbers[replication.cell("table1", method, "ATT", "coef")])
        for method in matching.METHODS
    }


def _differences(values: Values) -> Numbers:
    import numpy as np

    from ftz import did, replication

    study = _witness().matched
    column = did.twfe(study, replication.OUTCOME, replication.TREATMENT, replication.CONTROLS)
    seeds = range(values["seed"], values["seed"] + values["simulated_panels"])

    def mean(effect: float, trend: float) -> float:
        panels = (_simulated(seed, effect, trend) for seed in seeds)
        return float(np.mean([did.twfe(panel, "y", "D").att for panel in panels]))

    return {
        "did-att": float(column.att),
        "did-sim-mean": mean(values["simulated_effect"], 0.0),
        "did-sim-drift": mean(0.0, values["simulated_trend"]),
    }


def _simulated(seed: int, effect: float, trend: float) -> Any:
    """Return the panel that the chapter on differences simulates in *Truth first*."""
    import numpy as np
    import pandas as pd

    rng = np.random.default_rng(seed)
    frame = pd.DataFrame([(c, t) for c in range(12) for t in range(10)], columns=["city", "year"])
    early = frame["city"] < 4
    frame["D"] = (early & (frame["year"] >= 5 + frame["city"] % 2)).astype(float)
    level, shock = rng.normal(0, 1, 12), rng.normal(0, 0.3, 10)
    noise = rng.normal(0, 0.05, len(frame))
    drift = trend * early * frame["year"]
    frame["y"] = level[frame["city"]] + shock[frame["year"]] + effect * frame["D"] + drift + noise
    return frame


def _robustness(values: Values) -> Numbers:
    from ftz import did, inference, register, replication

    study = _witness()
    start = register.cohorts(list(study.frame["city"].unique()))
    matched = study.matched.assign(cohort=lambda f: f["city"].map(start).astype(float))
    outcome, treatment = replication.OUTCOME, replication.TREATMENT
    controls = list(replication.CONTROLS)
    treated = set(matched.loc[matched[treatment] == 1, "city"])
    cities = matched["city"].unique()
    adoption = {city: start[city] if city in treated else None for city in cities}
    window = (-values["leads"], values["lags"])
    event = did.event_study(matched, outcome, "cohort", controls, window=window)
    sample, seed = (matched, outcome, treatment, controls), values["seed"]
    cells = inference.placebo(*sample, draws=values["draws"], seed=seed)
    paths = inference.placebo(*sample, seed=seed, scheme="paths", adoption=adoption)
    return {
        "robustness-p-cells": float(cells.p_value),
        "robustness-p-paths": float(paths.p_value),
        "robustness-joint-p": float(event.pretrend_pvalue),
        "robustness-detectable": float(event.detectable_slope(0.8)),
    }


def _mechanisms(values: Values) -> Numbers:
    from ftz import mediation, replication

    boot = mediation.bootstrap_indirect(
        _witness().matched,
        replication.OUTCOME,
        replication.TREATMENT,
        replication.MEDIATOR,
        replication.CONTROLS,
        draws=values["draws"],
        seed=values["seed"],
    )
    low, high = boot.percentile(values["level"])
    return {
        "mech-indirect": float(boot.indirect),
        "mech-boot-low": float(low),
        "mech-boot-high": float(high),
    }


def _index(values: Values) -> Numbers:
    import numpy as np

    from ftz import index

    panel = index.load_indicators(values["indicator_path"] or None)
    recipe = index.Recipe(imputation="linear", partial="siblings")
    recipe = recipe.but(weights="flat", level_weights={1: "equal"})
    built = index.Pipeline(panel.indicators, panel.tree).run(recipe).scores["index"]
    holes = np.random.default_rng(values["seed"]).random(panel.indicators.shape) < 0.05
    gappy = index.Pipeline(panel.indicators.mask(holes), panel.tree)

    def missed(how: str) -> float:
        filled = gappy.run(recipe.but(imputation=how)).scores["index"]
        return float(np.sqrt(((filled - built) ** 2).mean()))

    return {"index-gap-line": missed("linear"), "index-gap-mean": missed("period_mean")}


def _index_effects(values: Values) -> Numbers:
    from ftz import index

    controls = values["controls"]
    panel = index.load_indicators(values["indicator_path"] or None, controls=controls)
    recipe = index.Recipe(imputation="linear", lift=0.01, partial="siblings")
    recipe = recipe.but(weights="flat", level_weights={1: "equal"})
    built = index.Pipeline(panel.indicators, panel.tree).run(recipe)
    weighed = index.weigh_effects(built.normalised, panel.matched, "FTZ", controls)
    extreme = weighed.all_weights()
    return {
        "estimate-here": float(weighed.att(built.weights)),
        "estimate-low": float(extreme.low),
        "estimate-high": float(extreme.high),
    }


def _tools(values: Values) -> Numbers:
    from ftz import design_study, register

    study = _witness()
    start = register.cohorts(list(study.frame["city"].unique()))
    matched = study.matched
    treated = set(matched.loc[matched["FTZ"] == 1, "city"])
    kept = {city: start[city] if city in treated else None for city in matched["city"].unique()}
    shape = design_study.Shape.of(matched, "FTZ", adoption=kept)
    rho = values["persistence"][-1]
    sizes = design_study.study(shape, rho=rho, panels=values["panels"], seed=values["seed"]).size()
    tests = {
        "tools-classical": "classical t",
        "tools-cr1": "clustered z (CR1)",
        "tools-cr2": "clustered t (CR2)",
        "tools-paths-t": "paths, t",
    }
    return {key: float(sizes[test]) for key, test in tests.items()}


#: Chapter to its headline numbers.
HEADLINES: dict[str, Headline] = {
    "propensity-score-matching": Headline(
        {
            "psm-att-k_nearest": "effect, k nearest",
            "psm-att-caliper": "effect, caliper",
            "psm-att-k_nearest_in_caliper": "effect, k nearest in caliper",
        },
        _matching,
    ),
    "difference-in-differences": Headline(
        {
            "did-sim-mean": "mean estimate, simulated effect",
            "did-sim-drift": "mean estimate, no effect but a trend",
            "did-att": "column (5) on the witness",
        },
        _differences,
    ),
    "robustness": Headline(
        {
            "robustness-joint-p": "joint pre-trend test, p",
            "robustness-detectable": "trend found with 80% power",
            "robustness-p-cells": "shuffled cells, p",
            "robustness-p-paths": "reassigned paths, p",
        },
        _robustness,
    ),
    "mechanisms": Headline(
        {
            "mech-indirect": "indirect effect",
            "mech-boot-low": "percentile interval, low end",
            "mech-boot-high": "percentile interval, high end",
        },
        _mechanisms,
    ),
    "hqd-index": Headline(
        {
            "index-gap-line": "error of filling by a line",
            "index-gap-mean": "error of filling by the year's mean",
        },
        _index,
    ),
    "index-and-estimate": Headline(
        {
            "estimate-here": "effect in points",
            "estimate-low": "lowest over all weights",
            "estimate-high": "highest over all weights",
        },
        _index_effects,
    ),
    "do-the-tools-work": Headline(
        {
            "tools-classical": "size, classical t",
            "tools-cr1": "size, clustered z",
            "tools-cr2": "size, clustered t (CR2)",
            "tools-paths-t": "size, paths, t",
        },
        _tools,
    ),
}


def labels(chapter: str) -> dict[str, str]:
    """Return what the headline numbers of a chapter are called, by glue key."""
    return dict(HEADLINES[chapter].labels) if chapter in HEADLINES else {}


def library_numbers(chapter: str, values: Values) -> Numbers:
    """Compute a chapter's headline numbers from its parameters, without a notebook.

    Parameters
    ----------
    chapter : str
        A key of :data:`HEADLINES`.
    values : mapping
        All parameters (:meth:`ftz.reruns.chapters.Chapter.values`).
    """
    return HEADLINES[chapter].compute(values)


def glued(notebook: Any) -> dict[str, str]:
    """Return all glued values of an executed notebook, as the text that holds them."""
    found = {}
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            name = output.get("metadata", {}).get("scrapbook", {}).get("name")
            if name is not None and _RECORD in output.get("data", {}):
                found[name] = output["data"][_RECORD]
    return found


def rendered_numbers(chapter: str, notebook: Any) -> Numbers:
    """Read a chapter's headline numbers from an executed notebook, at full precision.

    Raises
    ------
    FtzError
        If one was not glued, or not as a plain number.
    """
    texts = glued(notebook)
    numbers: Numbers = {}
    for key in labels(chapter):
        if key not in texts:
            raise FtzError(f"{chapter}: the headline {key} was not glued")
        numbers[key] = exact(texts[key], f"{chapter}: {key}")
    return numbers


def exact(text: str, place: str) -> int | float:
    """Return the number that a text stands for, if no digit of it was lost.

    Python writes a float with as many digits as bring it back bit for bit, so a text that
    is not the number's own ``repr`` was rounded or is of another type.
    """
    for kind in (int, float):
        try:
            number = kind(text)
        except ValueError:
            continue
        if repr(number) == text:
            return number
    raise FtzError(f"{place} is {text}; glue float(...) or int(...), not a rounded text")
