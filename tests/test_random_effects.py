"""Random effects as Stata computes them: outside numbers, the pooled limit, one printed table."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ftz.errors import EstimationError
from ftz.panel import Panel
from ftz.random_effects import random_effects, trap
from study import published, replication
from study.paths import data_dir

CONTROLS = ["fe", "lnstru", "urba", "fdi", "pgdp"]
#: R's plm on ten firms of Grunfeld's data, without and with year dummies.
PLM = pd.read_csv(Path(__file__).parent / "known_answers" / "random_effects.csv", index_col=[0, 1])


def grunfeld():
    from statsmodels.datasets import grunfeld

    data = grunfeld.load_pandas().data
    return data[data["firm"] != "American Steel"].reset_index(drop=True)


def one_command():
    return pd.read_csv(data_dir() / "table4" / "one_command.csv")


def simulated(cities, rows, seed=0):
    """An unbalanced panel of ten years with city effects and three treated cities."""
    rng = np.random.default_rng(seed)
    full = pd.MultiIndex.from_product([range(cities), range(2013, 2023)], names=["city", "year"])
    data = full.to_frame(index=False)
    data["zone"] = ((data["city"] < 3) & (data["year"] >= 2019)).astype(float)
    data["x"] = rng.normal(size=len(data))
    effects = rng.normal(size=cities)
    data["y"] = data["zone"] + data["x"] + effects[data["city"]] + rng.normal(size=len(data))
    return data.iloc[np.sort(rng.choice(len(data), rows, replace=False))].reset_index(drop=True)


@pytest.mark.parametrize("case", PLM.index.unique(0))
def test_grunfeld_is_that_of_plm(case):
    years = case == "grunfeld RE years"
    found = random_effects(
        grunfeld(), "invest", "value", ["capital"], unit="firm", period_effects=years
    )
    mine = {**found.params, **found.std_errors.add_suffix(" se"), "theta": found.theta.iloc[0]}
    mine |= {"sigma_u": found.sigma_u, "sigma_e": found.sigma_e}
    for name, known in PLM["value"].loc[case].items():
        assert mine[name] == pytest.approx(known, rel=1e-8), name
    assert found.df_between == 7
    assert not found.pooled


def test_a_balanced_panel_is_that_of_linearmodels():
    from linearmodels.panel import RandomEffects

    data = simulated(20, 200)
    mine = random_effects(data, "y", "zone", ["x"], period_effects=False)
    index = data.set_index(["city", "year"])
    theirs = RandomEffects(index["y"], index[["zone", "x"]].assign(const=1.0)).fit(debiased=True)
    assert mine.params.to_numpy() == pytest.approx(theirs.params.to_numpy(), rel=1e-9)
    assert mine.std_errors.to_numpy() == pytest.approx(theirs.std_errors.to_numpy(), rel=1e-9)


def test_without_degrees_of_freedom_between_it_is_least_squares():
    import statsmodels.formula.api as smf

    data = simulated(12, 80)
    found = random_effects(data, "y", "zone", ["x"])
    assert found.df_between == 0
    assert found.pooled
    assert "no degree of freedom between" in found.notes[-1]
    least = smf.ols("y ~ zone + x + C(year)", data).fit()
    wanted = {"zone": "zone", "x": "x", "const": "Intercept", "2014.year": "C(year)[T.2014]"}
    for mine, theirs in wanted.items():
        assert found.params[mine] == pytest.approx(least.params[theirs], rel=1e-9)
        assert found.std_errors[mine] == pytest.approx(least.bse[theirs], rel=1e-9)
    assert found.df_residual == least.df_resid


def test_a_negative_variance_is_cut_off_and_said():
    data = simulated(30, 240)
    data["y"] -= data.groupby("city")["y"].transform("mean")
    found = random_effects(data, "y", "zone", ["x"], period_effects=False)
    assert found.df_between > 0
    assert found.pooled
    assert "cut off at zero" in found.notes[-1]


def test_one_command_returns_every_number_of_table_4():
    record, data = published.load(replication.PAPER), one_command()
    seen, between = 0, []
    for j in range(1, 6):
        found = random_effects(data, "lnHQD", "FTZ", CONTROLS[:j])
        between.append(found.df_between)
        assert found.pooled == (j > 1)
        if j == 1:
            assert found.theta.between(0.5, 0.7).all()
        for name in ("FTZ", *CONTROLS[:j], "const"):
            for kind, value in (("coef", found.params), ("statistic", found.tstats)):
                cell = replication.cell("table4", name, f"({j})", kind)
                interval = record.get(cell).interval
                assert float(interval.low) <= value[name] <= float(interval.high), cell
                seen += 1
    assert seen == 50
    assert between == [1, 0, 0, 0, 0]


def test_the_trap_is_seen_before_it_closes():
    data = one_command()
    panel = Panel.of(data, "lnHQD", "FTZ", CONTROLS)
    assert "no degree of freedom between" in trap(panel)
    assert trap(panel.with_(controls=("fe",))) == ""
    assert trap(panel, period_effects=False) == ""


def test_bad_input_is_refused():
    data = simulated(12, 80).assign(twice=lambda d: 2 * d["x"])
    with pytest.raises(EstimationError, match="twice is collinear"):
        random_effects(data, "y", "zone", ["x", "twice"])
    few = data.groupby("city").head(1)
    with pytest.raises(EstimationError, match="no degree of freedom within"):
        random_effects(few, "y", "x", period_effects=False)
