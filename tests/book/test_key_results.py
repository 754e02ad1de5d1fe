"""The key results of chapters: what a run glues is what the library returns, bit for bit.

Each number is found twice: read from an executed notebook, where it stands at full
precision, and computed here by the library from the same parameters, without a notebook.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from bookworks.book import Book
from bookworks.reruns import _declared as declared
from bookworks.reruns import _runner
from bookworks.reruns._records import read_records
from conftest import ROOT
from ftz import matching
from study import indicators, published, replication

Values = Mapping[str, Any]
Numbers = dict[str, int | float]

BOOK = Book.read(ROOT)
PSM, DID, TOOLS = "propensity-score-matching", "difference-in-differences", "do-the-tools-work"


def _witness(reading: str = "two-way") -> Any:
    from study import panel

    return panel.load_witness(reading)


def _matching(values: Values) -> Numbers:
    from ftz import matching
    from study import replication

    setup = replication.MatchingSetup(values["neighbours"], values["caliper"], values["support"])
    frame = _witness().frame
    numbers = replication.table("table1", frame, setup=setup)
    return {
        f"psm-att-{method}": float(numbers[replication.cell("table1", method, "ATT", "coef")])
        for method in matching.METHODS
    }


def _differences(values: Values) -> Numbers:
    import numpy as np

    from ftz import did
    from study import replication

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


def _dated() -> tuple[Any, dict[str, int | None], tuple[Any, ...]]:
    """Return the matched rows with cohorts, the paths of their cities, and a regression of them."""
    from study import register, replication

    study = _witness("one command")
    start = register.PAPER.cohorts(list(study.frame["city"].unique()))
    matched = study.matched
    outcome, treatment = replication.OUTCOME, replication.TREATMENT
    controls = list(replication.CONTROLS)
    treated = set(matched.loc[matched[treatment] == 1, "city"])
    cities = matched["city"].unique()
    adoption = {city: start[city] if city in treated else None for city in cities}
    matched = matched.assign(cohort=matched["city"].map(adoption).astype(float))
    return matched, adoption, (matched, outcome, treatment, controls)


def _robustness(values: Values) -> Numbers:
    from ftz import inference

    _, adoption, sample = _dated()
    seed = values["seed"]
    cells = inference.placebo(*sample, draws=values["draws"], seed=seed)
    paths = inference.placebo(*sample, seed=seed, scheme="units", adoption=adoption)
    return {
        "robustness-p-cells": float(cells.p_value),
        "robustness-p-paths": float(paths.p_value),
    }


def _trends(values: Values) -> Numbers:
    from ftz import did

    matched, _, (_, outcome, _, controls) = _dated()
    window = (-values["leads"], values["lags"])
    event = did.event_study(matched, outcome, "cohort", controls, window=window)
    return {
        "robustness-joint-p": float(event.pretrend_pvalue),
        "robustness-detectable": float(event.detectable_slope(0.8)),
    }


def _mechanisms(values: Values) -> Numbers:
    from ftz import mediation
    from study import replication

    boot = mediation.bootstrap_indirect(
        _witness().matched,
        replication.OUTCOME,
        replication.TREATMENT,
        replication.MEDIATOR,
        replication.CONTROLS,
        draws=values["draws"],
        seed=values["seed"],
    )
    low, high = boot.conf_int(values["level"]).loc["percentile"]
    return {
        "mech-indirect": float(boot.indirect),
        "mech-boot-low": float(low),
        "mech-boot-high": float(high),
    }


def _index(values: Values) -> Numbers:
    import numpy as np

    from ftz import index

    panel = indicators.load_indicators(values["indicator_path"] or None)
    spec = index.IndexSpec(imputation="linear", partial="siblings")
    spec = spec.but(weights="flat", level_weights={1: "equal"})
    built = index.Pipeline(panel.indicators, panel.tree).run(spec).scores["index"]
    holes = np.random.default_rng(values["seed"]).random(panel.indicators.shape) < 0.05
    gappy = index.Pipeline(panel.indicators.mask(holes), panel.tree)

    def missed(how: str) -> float:
        filled = gappy.run(spec.but(imputation=how)).scores["index"]
        return float(np.sqrt(((filled - built) ** 2).mean()))

    return {"index-gap-line": missed("linear"), "index-gap-mean": missed("period_mean")}


def _index_effects(values: Values) -> Numbers:
    from ftz import index

    controls = values["controls"]
    panel = indicators.load_indicators(values["indicator_path"] or None, controls=controls)
    spec = index.IndexSpec(imputation="linear", lift=0.01, partial="siblings")
    spec = spec.but(weights="flat", level_weights={1: "equal"})
    built = index.Pipeline(panel.indicators, panel.tree).run(spec)
    weighed = index.weigh_effects(built.normalised, panel.matched, "FTZ", controls)
    extreme = weighed.all_weights()
    return {
        "estimate-here": float(weighed.att(built.weights)),
        "estimate-low": float(extreme.low),
        "estimate-high": float(extreme.high),
    }


def _tools(values: Values) -> Numbers:
    from ftz import size_and_power
    from study import register

    study = _witness()
    start = register.PAPER.cohorts(list(study.frame["city"].unique()))
    matched = study.matched
    treated = set(matched.loc[matched["FTZ"] == 1, "city"])
    kept = {city: start[city] if city in treated else None for city in matched["city"].unique()}
    shape = size_and_power.PanelDesign.of(matched, "FTZ", adoption=kept)
    rho = values["persistence"][-1]
    sizes = size_and_power.study(
        shape, rho=rho, panels=values["panels"], seed=values["seed"]
    ).size()
    tests = {
        "tools-classical": "classical t",
        "tools-cr1": "clustered z (CR1)",
        "tools-cr2": "clustered t (CR2)",
        "tools-paths-t": "units, t",
    }
    return {key: float(sizes[test]) for key, test in tests.items()}


#: Chapter to its key results, from all parameters.
COMPUTE: dict[str, Callable[[Values], Numbers]] = {
    PSM: _matching,
    DID: _differences,
    "robustness": _robustness,
    "robustness-appendix": _trends,
    "mechanisms-appendix": _mechanisms,
    "index-appendix": _index,
    "index-and-estimate": _index_effects,
    TOOLS: _tools,
}


def values(chapter: str, **given: Any) -> Values:
    """Return all parameters of a chapter, some of them other than the book's."""
    found = declared.find(BOOK, chapter)
    return found.values(found.given(given, ROOT))


def computed(chapter: str, **given: Any) -> Numbers:
    return COMPUTE[chapter](values(chapter, **given))


def test_what_is_said_of_chapters_is_what_is_computed_here():
    said = {name: one.facts.results for name, one in declared.chapters(BOOK).items()}
    assert {name for name, results in said.items() if results} == set(COMPUTE)


@pytest.mark.parametrize("name", declared.chapters(BOOK))
def test_every_chapter_of_the_book_declares_what_it_takes(name):
    """Reads each parameters cell; defaults are held against their own constraints."""
    chapter = declared.find(BOOK, name)
    assert bool(chapter.parameters) == ("tags: [parameters" in chapter.path.read_text("utf-8"))
    assert "does not say" not in " ".join(p.help for p in chapter.parameters)
    assert chapter.parameters or name not in COMPUTE


def test_the_declarations_of_the_book_are_in_order():
    runs = declared.read(BOOK, declared.declarations(BOOK))
    assert len(runs) >= 10
    assert {run.chapter.name for run in runs} <= set(COMPUTE)


@pytest.mark.slow
def test_a_chapter_about_a_panel_of_the_reader_is_fitted_to_it():
    """The example's chapter keeps cells, loses the tags that chose them, and names the panel."""
    chapter = declared.find(BOOK, "own/matching")
    cells = chapter.notebook({"neighbours": 2}).cells
    tags = [tag for cell in cells for tag in cell.metadata.get("tags", ())]
    assert not [tag for tag in tags if tag.startswith(("needs-", "lacks-"))]
    assert any("neighbours = 2" in cell.source for cell in cells)
    assert "@@" not in "".join(cell.source for cell in cells)


def test_the_defaults_of_the_matching_chapter_are_those_of_table_1():
    known = values(PSM)
    assert {k: known[k] for k in ("neighbours", "caliper", "support")} == {
        k: getattr(replication.MATCHING, k) for k in ("neighbours", "caliper", "support")
    }


def test_key_results_of_the_witness_are_the_printed_numbers():
    record = published.load(replication.PAPER)
    matched = computed(PSM)
    for method in matching.METHODS:
        printed = record.get(replication.cell("table1", method, "ATT", "coef"))
        assert printed.reproduced_by(matched[f"psm-att-{method}"])
    known, found = values(DID), computed(DID, simulated_panels=4)
    printed = record.get(replication.cell("table4", "FTZ", "(5)", "coef"))
    assert printed.reproduced_by(found["did-att"])
    assert found["did-sim-mean"] == pytest.approx(known["simulated_effect"], abs=0.05)
    assert found["did-sim-drift"] > known["simulated_trend"]  # a trend, taken for an effect


def test_key_results_of_the_other_chapters_keep_their_order():
    found = computed("robustness", draws=49)
    assert all(0 < p <= 1 for p in found.values())
    found = computed("robustness-appendix")
    assert 0 < found["robustness-joint-p"] <= 1 and found["robustness-detectable"] > 0
    found = computed("mechanisms-appendix", draws=40)
    assert found["mech-boot-low"] < found["mech-boot-high"]
    found = computed("index-appendix")
    assert 0 < found["index-gap-line"] < found["index-gap-mean"]
    found = computed("index-and-estimate")
    assert found["estimate-low"] < found["estimate-here"] < found["estimate-high"]
    found = computed(TOOLS, panels=20)
    assert all(0 <= size <= 1 for size in found.values())
    assert found["tools-classical"] >= found["tools-cr2"]


#: Knobs that make real chapters quick, and are not the book's.
QUICK = [
    (PSM, {"neighbours": 1, "caliper": 0.33}),
    (DID, {"simulated_panels": 3, "simulated_trend": 0.1, "seed": 7}),
    ("robustness", {"simulated_panels": 2, "draws": 99}),
    ("robustness-appendix", {"draws": 99, "leads": 2, "lags": 2}),
    ("mechanisms-appendix", {"simulated_panels": 2, "draws": 60, "level": 0.9, "seed": 3}),
]


@pytest.mark.slow
def test_a_key_result_of_a_run_is_the_number_of_the_library_bit_for_bit(tmp_path):
    runs = [declared.adhoc(BOOK, chapter, given, name=chapter) for chapter, given in QUICK]
    outcomes = _runner.execute(runs, tmp_path, workers=2, progress=False)
    assert [o.status for o in outcomes] == [_runner.DONE] * len(QUICK), list(map(str, outcomes))
    records = {record.chapter: record for record in read_records(tmp_path)}
    for chapter, given in QUICK:
        assert records[chapter].results == computed(chapter, **given)
        # the other parameters are not the book's: the numbers must have moved
        assert records[chapter].results != computed(chapter)
