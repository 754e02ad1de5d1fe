"""Every figure, drawn small: it shows what it was given, quietly, and leaves no window open.

The chapters draw the same functions on the book's own results; here each is given a few
numbers, so that a figure that breaks is found in seconds and by its name.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from decimal import Decimal
from functools import cache

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from ftz import did, index, inference, matching, mediation
from ftz.did._events import EventStudyResult
from ftz.figures import did as did_figures
from ftz.figures import index as index_figures
from ftz.figures import inference as inference_figures
from ftz.figures import matching as matching_figures
from ftz.figures import mediation as mediation_figures
from ftz.figures import size_and_power as study_figures
from ftz.figures import style
from ftz.index._effects import WeighedEffects
from ftz.index._sensitivity import FactorialResult, SobolResult, UncertaintyResult
from ftz.matching._score import ScoreResult
from printproof.printed import Interval
from study import attributions, indicators, policy, printed_parts, published, register
from study.figures import audit as audit_figures
from study.figures import evidence as evidence_figures
from study.figures import mechanisms as mechanism_figures
from study.figures import policy as policy_figures
from study.figures import record as record_figures
from study.figures import witness as witness_figures


def words(figure: Figure) -> str:
    """Return all text that a figure shows."""
    texts = [t.get_text() for t in figure.findobj(Text) if t.get_visible()]
    return "\n".join(t for t in texts if t)


@cache
def panel() -> pd.DataFrame:
    """Return eight cities over eight years, five of them treated in two waves."""
    rng = np.random.default_rng(7)
    cities = [f"city {k}" for k in range(8)]
    starts = dict(zip(cities, [2017, 2017, 2017, 2019, 2019, None, None, None], strict=True))
    rows = [(c, y) for c in cities for y in range(2014, 2022)]
    frame = pd.DataFrame(rows, columns=["city", "year"])
    frame["cohort"] = frame["city"].map(starts).astype(float)
    frame["FTZ"] = (frame["year"] >= frame["cohort"]).astype(int)
    frame["x"] = rng.standard_normal(len(frame))
    frame["m"] = 0.5 * frame["FTZ"] + rng.standard_normal(len(frame))
    frame["y"] = frame["FTZ"] + 0.3 * frame["m"] + 0.5 * rng.standard_normal(len(frame))
    frame["matched"] = (frame["city"] != "city 7").astype(int)
    return frame


@cache
def events() -> EventStudyResult:
    """Return an event study of the panel."""
    return did.event_study(panel(), "y", "cohort", window=(-3, 2))


@cache
def tree() -> index.IndexTree:
    """Return the paper's tree of indicators."""
    return indicators.load_tree()


@cache
def score() -> ScoreResult:
    """Return a propensity score on the panel."""
    return matching.propensity_score(panel(), "FTZ", ["x", "m"])


def ends(low: str, high: str) -> Interval:
    """Return a printed interval."""
    return Interval(Decimal(low), Decimal(high))


def _verdicts() -> Figure:
    counts = pd.DataFrame({"impossible": [1, 0], "consistent": [3, 5]}, ["ratios", "stars"])
    return audit_figures.verdicts(counts)


def _misses() -> Figure:
    table = pd.DataFrame(
        [
            (e, s, c, m)
            for s in ("one", "two")
            for c in ("FTZ", "pgdp")
            for e, m in ((0, 1), (9, 2))
        ],
        columns=["absorbed", "step", "coefficient", "miss"],
    )
    return audit_figures.misses(table)


def _slack() -> Figure:
    frame = pd.DataFrame(
        [
            ("Tianjin", 2015, True, 0.0),
            ("Tianjin", 2016, True, 3.0),
            ("Handan", 2015, False, 0.7),
            ("Handan", 2016, False, 1.5),
        ],
        columns=["city", "year", "treated", "slack"],
    )
    return audit_figures.slack_tiles(frame)


def _power() -> Figure:
    rates = pd.DataFrame({"by_rule": [0.2, 0.4], "by_any": [0.5, 0.6]}, ["grain", "ratio"])
    return audit_figures.power(rates)


def _sizes() -> Figure:
    sizes = pd.DataFrame({"few": [0.2, 0.05], "many": [0.07, 0.05]}, ["clustered", "paths"])
    return study_figures.size_plot(sizes)


def _study_power() -> Figure:
    power = pd.DataFrame({"paths": [0.05, 0.9], "clustered": [0.2, 1.0]}, [0.0, 0.1])
    return study_figures.power_plot(power, mark=0.07, label="as printed")


def _bias() -> Figure:
    rows = pd.MultiIndex.from_product([["equal", "growing"], ["imputation", "two_way"]])
    table = pd.DataFrame({"bias": [0.0, 0.1, 0.0, 0.3], "sd": 0.1}, rows)
    return study_figures.bias_plot(table, {"equal": "Equal effects"})


def _columns() -> Figure:
    results = did.stepwise(panel(), "y", "FTZ", ["x", "m"])
    return did_figures.column_path(results, {"(1)": (0.9, 1.1), "(2)": (0.8, 1.0)})


def _intervals() -> Figure:
    table = pd.DataFrame(
        {"estimate": [0.1, 0.2], "lower": [-np.inf, 0.1], "upper": [0.3, np.inf]}, ["CR1", "paths"]
    )
    return did_figures.interval_plot(table, "Coefficient", printed=(0.14, 0.16))


def _honest() -> Figure:
    bounds = did.relative_magnitudes(events(), [0.5, 1.0], draws=200, breakdown=False)
    return did_figures.honest_plot(bounds, "Bound")


def _placebo() -> Figure:
    found = inference.placebo(panel(), "y", "FTZ", seed=1, draws=60)
    return inference_figures.placebo_plot(found)


def _bootstrap() -> Figure:
    found = inference.wild_cluster_bootstrap(panel(), "y", "FTZ", seed=1, draws=99)
    return inference_figures.bootstrap_plot({"null imposed": found})


def _density() -> Figure:
    fit = score()
    pairs = matching.match(fit.linear_index, panel()["FTZ"], k=1)
    return matching_figures.density_before_after(fit.score, panel()["FTZ"], pairs.sample_weights)


def _love() -> Figure:
    pairs = matching.match(score().linear_index, panel()["FTZ"], k=1)
    return matching_figures.love_plot(matching.balance(panel(), ["x", "m"], panel()["FTZ"], pairs))


def _truth() -> Figure:
    pairs = matching.match(score().linear_index, panel()["FTZ"], k=2)
    return matching_figures.estimates_against_truth(
        {"2 nearest": matching.att(panel()["y"], pairs)}, 1
    )


def _caliper() -> Figure:
    path = pd.Series([0.2, 0.3, 0.25], [0.1, 0.5, 1.0])
    return matching_figures.caliper_path(path, {"in sd": 0.5}, (0.19, 0.21))


def _overlap() -> Figure:
    on = matching.common_support(score().score, panel()["FTZ"])
    return matching_figures.overlap(score().score, panel()["FTZ"], on)


def _errors() -> Figure:
    ratios = pd.DataFrame({"cities": [0.4, 0.9], "rows": [1.0, 1.0]}, ["analytic", "cluster"])
    return matching_figures.error_ratios(ratios)


def _rosenbaum() -> Figure:
    gaps = np.random.default_rng(3).normal(0.5, 1.0, 30)
    return matching_figures.rosenbaum(matching.rosenbaum_bounds(gaps, gammas=[1.0, 1.5]).table)


def _gap() -> Figure:
    check = printed_parts.identity_check(
        ends("0.19", "0.20"), ends("0.17", "0.18"), ends("1.0", "1.1"), ends("0.1", "0.2")
    )
    return mechanism_figures.identity_gap(check)


def _outcomes() -> Figure:
    found = {"y": did.twfe(panel(), "y", "FTZ"), "m": did.twfe(panel(), "m", "FTZ")}
    return mechanism_figures.outcome_effects(found, {"y": (0.9, 1.0), "m": (0.4, 0.6)})


def _indirect() -> Figure:
    found = mediation.bootstrap_indirect(panel(), "y", "FTZ", "m", draws=60, seed=2)
    return mediation_figures.bootstrap_distribution(found)


def _confounding() -> Figure:
    return mediation_figures.confounding_curve(mediation.sensitivity(panel(), "y", "FTZ", "m"))


def _networks() -> Figure:
    flows = pd.DataFrame([[0, 2.0], [1.0, 0]], ["zone", "city"], ["zone", "city"])
    return policy_figures.flow_networks({"before": flows, "after": 2 * flows})


def _fields() -> Figure:
    told = pd.DataFrame(
        {
            "mechanism": ["rules", "market"],
            "paper": ["a", "b"],
            "problems": [True, True],
            "proposals": [True, False],
        }
    )
    return evidence_figures.field_grid(told, {"a": "First (2020)", "b": "Second (2021)"})


def _pairs() -> Figure:
    pairs = pd.DataFrame(
        {"printed": [ends("1", "2")], "implied": [ends("3", "4")]}, ["direct_effect"]
    )
    return record_figures.interval_pairs(pairs, ("as printed", "as implied"), "Coefficient")


def _implied() -> Figure:
    found = pd.Series([ends("0.05", "0.06"), ends("0.04", "0.07")], ["(1)", "(2)"])
    return record_figures.implied_errors(found, "Standard error")


def _ranges() -> Figure:
    ranges = pd.DataFrame(
        {"low": [0.1, -0.2], "high": [0.3, 0.2], "reached_low": [0.0, -9.0], "reached_high": 0.9},
        ["HC1", "classical"],
    )
    return witness_figures.interval_plot(ranges, "Standard error", marks=(1.96,))


def _coverage() -> Figure:
    frame = pd.DataFrame(
        {"quantity": "slope", "truth": [1.0, 5.0], "low": 0.0, "high": 2.0, "inside": [True, False]}
    )
    return witness_figures.coverage(frame)


def _weights() -> Figure:
    weights = pd.DataFrame({"entropy": [0.7, 0.3], "equal": [0.5, 0.5]}, ["a", "b"])
    return index_figures.weights_by_method(weights, {"a": "Openness"})


def _ranks() -> pd.DataFrame:
    cities = ["Tianjin", "Handan", "Baoding"]
    return pd.DataFrame({"entropy": [1, 2, 3], "equal": [3, 2, 1]}, cities)


def _correlations() -> Figure:
    leaves = tree().leaves()
    return index_figures.correlation_map(pd.DataFrame(np.eye(len(leaves)), leaves, leaves), tree())


def _contributions() -> Figure:
    table = pd.DataFrame({"a": [20.0, 30.0], "b": [10.0, 5.0]}, ["Tianjin", "Handan"])
    return index_figures.contribution_bars(table, {"a": "Openness"})


def _tiles() -> Figure:
    values = pd.Series({"Tianjin": 40.0, "Handan": 20.0})
    chinese = register.study_cities()
    names = {city: chinese[city] for city in values.index}
    return index_figures.tile_grid(values, indicators.load_tiles(), "Index", names)


def _weighed() -> WeighedEffects:
    leaves = tree().leaves()
    rng = np.random.default_rng(5)
    rows = pd.MultiIndex.from_frame(panel()[["city", "year"]])
    values = pd.DataFrame(rng.uniform(size=(len(rows), len(leaves))), rows, leaves)
    return index.weigh_effects(values, panel(), "FTZ")


def _fans() -> Figure:
    frame = pd.DataFrame({"low": [0.1, -0.1], "high": [0.3, 0.5]}, [1.0, 2.0])
    return index_figures.range_fans(
        {"leaves": frame, "all": frame}, {"leaves": 1.5, "all": np.inf}, "Effect"
    )


def _choices() -> tuple[FactorialResult, SobolResult]:
    index_of = pd.MultiIndex.from_product([["a", "b"], ["c", "d"]], names=["weights", "mean"])
    table = FactorialResult(pd.Series([1.0, 2.0, 4.0, 8.0], index_of, name="result"))
    return table, index.sobol_of_choices(table, 64, seed=1, resamples=20)


def _spread() -> Figure:
    draws = np.random.default_rng(9)
    found = UncertaintyResult(
        effects=pd.Series(draws.standard_normal(80)),
        ranks=pd.DataFrame({"Tianjin": draws.integers(1, 3, 80)}),
        choices=pd.DataFrame({"weights": ["entropy", "equal"] * 40}),
    )
    return index_figures.effect_spread(found, "weights", here=0.2)


def _weight_paths() -> Figure:
    weights = pd.DataFrame({"a": [0.2, 0.3], "b": [0.8, 0.7]}, [2014, 2015])
    return index_figures.weight_paths(weights, weights.mean(), ["Openness", "Sharing"])


#: What is drawn, and words that must stand on it.
FIGURES: dict[str, tuple[Callable[[], Figure], tuple[str, ...]]] = {
    "verdicts": (_verdicts, ("ratios", "stars", "impossible", "consistent", "checks")),
    "misses": (_misses, ("one", "two", "FTZ", "pgdp", "implied / printed error")),
    "slack": (_slack, ("Tianjin", "Handan", "2016", "zone", "times the stated slack")),
    "power of the audit": (_power, ("grain", "ratio", "by the rule itself")),
    "cohorts": (
        lambda: audit_figures.cohort_steps({2015: 0.5, 2019: 1.7}),
        ("zone of 2015", "zone of 2019", "0.5", "1.7", "stated slack"),
    ),
    "sizes": (_sizes, ("clustered", "paths", "few", "many")),
    "power of the study": (_study_power, ("paths", "clustered", "as printed")),
    "bias": (_bias, ("Equal effects", "growing", "imputation", "Estimate less truth")),
    "event study": (lambda: did_figures.event_study_plot(events()), ("-3", "2")),
    "event study with a band": (
        lambda: did_figures.event_study_plot(events(), band=events().simultaneous_band()),
        ("simultaneous",),
    ),
    "columns": (_columns, ("(1)", "(2)")),
    "adoption": (
        lambda: did_figures.adoption_grid(panel()),
        ("city 0", "city 7", "2014", "2021", "T", "not treated, off support"),
    ),
    "intervals": (_intervals, ("CR1", "paths", "Coefficient")),
    "event studies": (
        lambda: did_figures.event_studies_plot({"one": events(), "another": events()}),
        ("one", "another"),
    ),
    "honest bounds": (_honest, ("parallel\ntrends", "0.5", "1", "Bound")),
    "Bacon": (
        lambda: did_figures.bacon_plot(did.bacon(panel(), "y", "cohort")),
        tuple(did.bacon(panel(), "y", "cohort").comparisons["kind"].unique()),
    ),
    "placebo": (_placebo, ("Density", "p value", "as observed", "p = 0.1")),
    "rejections": (
        lambda: inference_figures.rejection_curves({"paths": np.linspace(0, 1, 50)}),
        ("an honest test", "paths"),
    ),
    "bootstrap": (_bootstrap, ("null imposed: p = ", "t statistic")),
    "leave one out": (
        lambda: inference_figures.leave_one_out_plot(
            inference.leave_one_cluster_out(panel(), "y", "FTZ")
        ),
        ("city 0 (treated)", "city 6"),
    ),
    "density": (_density, ("Before matching", "After matching", "treated", "controls")),
    "balance": (_love, ("x", "m", "before matching", "after matching")),
    "truth": (_truth, ("truth", "2 nearest")),
    "caliper": (_caliper, ("in sd", "printed effect")),
    "overlap": (_overlap, ("treated", "controls", "support")),
    "error ratios": (_errors, ("analytic", "cluster", "cities", "rows")),
    "Rosenbaum": (_rosenbaum, ("One-sided p value", "Hodges-Lehmann estimate", "upper bound")),
    "identity": (_gap, ("total", "direct + $ab$")),
    "outcomes": (_outcomes, ("y", "m", "here, 95% interval")),
    "indirect effects": (_indirect, ("estimate", "interval", "Resamples")),
    "confounding": (_confounding, ()),
    "framework": (
        lambda: policy_figures.framework_diagram(*attributions.diagram("framework")),
        tuple(attributions.diagram("framework")[0]["label_zh"]),
    ),
    "zones": (
        lambda: policy_figures.zone_grid(register.load_register().zones, policy.province_tiles()),
        ("Shanghai\n2013", "Tianjin\n2015"),
    ),
    "trends": (
        lambda: policy_figures.trend_pairs(policy.trends()),
        tuple(policy.trends()["title"].unique()),
    ),
    "networks": (_networks, ("before", "after", "zone", "city")),
    "fields": (_fields, ("First\n(2020)", "Second\n(2021)", "rules", "market")),
    "pairs of intervals": (_pairs, ("direct effect", "as printed", "as implied")),
    "implied errors": (_implied, ("column (1)", "column (2)", "Standard error")),
    "timeline": (
        lambda: record_figures.zone_timeline(register.load_register()),
        ("batch 1", "Shanghai"),
    ),
    "experience": (lambda: record_figures.experience_batches(published.load()), ("direct",)),
    "investment": (
        lambda: record_figures.investment_shares(published.load()),
        ("Beijing's share of\nregional investment (%)",),
    ),
    "ranges": (_ranges, ("HC1", "classical", "Standard error")),
    "coverage": (_coverage, ("slope",)),
    "tree": (
        lambda: index_figures.tree_figure(tree()),
        tuple(tree().node(n).name_en for n in tree().children("")),
    ),
    "shifts": (
        lambda: index_figures.shift_path(
            pd.DataFrame({"a": [0.5, 0.4], "b": [0.5, 0.6]}, [0.01, 1])
        ),
        ("a", "b", "Entropy weight"),
    ),
    "weights": (_weights, ("Openness", "b", "entropy", "equal")),
    "rank ranges": (
        lambda: index_figures.rank_ranges(_ranks(), "entropy", {"Tianjin": "天津"}),
        ("天津", "Handan", "Rank (1 is best)"),
    ),
    "rank shifts": (lambda: index_figures.rank_shifts(_ranks()), ("Tianjin", "entropy", "Rank")),
    "correlations": (_correlations, ("Correlation",)),
    "contributions": (_contributions, ("Openness", "b", "Tianjin", "Points of the index")),
    "tiles": (_tiles, ("Tianjin\n天津\n40", "Handan\n邯郸\n20", "Index")),
    "effects of indicators": (
        lambda: index_figures.indicator_effects(_weighed(), tree(), 1.0),
        ("at the chapter's weights",),
    ),
    "fans": (_fans, ("leaves", "all", "What may move", "Effect")),
    "sensitivity": (
        lambda: index_figures.sensitivity_bars(*_choices()),
        ("weights", "mean", "total", "first", "PAWN distance"),
    ),
    "spread": (_spread, ("entropy", "equal", "Replications")),
    "pair of event studies": (
        lambda: did_figures.event_study_pair({"one": events(), "another": events()}),
        ("one", "another", "Points of the index"),
    ),
    "weight paths": (_weight_paths, ("Openness", "Sharing", "Year")),
}


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_shows_its_words_quietly_and_is_closed(name):
    draw, wanted = FIGURES[name]
    plt.close("all")
    with plt.rc_context(), warnings.catch_warnings():
        style.use()
        warnings.simplefilter("error")  # a missing glyph, a label without a line, ...
        figure = draw()
        figure.canvas.draw()
    assert isinstance(figure, Figure)
    assert not plt.get_fignums(), "the figure is still open: a notebook would show it twice"
    shown = words(figure)
    for word in wanted:
        assert word in shown
    assert any(axes.has_data() for axes in figure.axes)


def test_the_outline_holds_every_indicator_once_in_both_forms():
    outline = index_figures.outline(tree(), {tree().leaves()[0]: "<b>12%</b>"})
    page, text = outline._repr_html_(), repr(outline)
    for leaf in tree().leaves():
        assert tree().node(leaf).name_zh in text
    assert page.count("<li>") >= len(tree().leaves())
    assert "&lt;b&gt;12%&lt;/b&gt;" in page and "<b>12%</b>" in text


def test_a_figure_says_what_is_seen_and_what_its_numbers_are_not():
    figure = Figure()
    assert style.say(figure) is figure and not words(figure).strip()
    title = "Ten ways to join the same indicators move the median row by three ranks or more"
    said = words(style.say(figure, title, "simulated"))
    assert " ".join(said.split()).startswith(title) and "SIMULATED" in said
