"""Reference numbers on real data, each with its source, to the digits that the source prints.

Data: ``causaldata``, ``linearmodels`` and ``statsmodels`` ship theirs.  The four files
``did_data_*.csv`` are columns of data sets that statistical packages ship: ``mpdta`` of R's
``did`` (county teen employment, Bureau of Labor Statistics), ``ehec`` of R's ``HonestDiD``
(share of low-income people with insurance, American Community Survey), ``california_prop99``
of R's ``synthdid`` (cigarette sales, Centers for Disease Control), ``favara_imbs`` of R's
``DIDmultiplegtDYN`` (mortgage loans by county, Favara and Imbs 2015).
"""

from __future__ import annotations

from decimal import Decimal
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ftz import did, inference
from ftz.inference import _multiple

FOLDER = Path(__file__).parent / "known_answers"


def answers(name: str) -> pd.DataFrame:
    return pd.read_csv(FOLDER / name, dtype=str, keep_default_na=False)


def tolerance(row) -> float:
    """Half a unit of the last printed digit, unless the source is known to be coarser."""
    if row.tolerance:
        return float(row.tolerance)
    exponent = Decimal(row.value).as_tuple().exponent
    return 0.5 * 10.0**exponent * (1 + 1e-9)


def frame(name: str) -> pd.DataFrame:
    return pd.read_csv(FOLDER / f"did_data_{name}.csv")


@cache
def mpdta() -> dict[str, float]:
    data = frame("mpdta").assign(cohort=lambda f: f.first_treat.where(f.first_treat > 0))
    keys = {"unit": "county", "time": "year"}
    simple = did.callaway_santanna(data, "lemp", "cohort", **keys)
    data["d"] = (data.year >= data.cohort).astype(float)
    family = did.standard_errors(data, "lemp", "d", **keys)
    n, g = len(data), data.county.nunique()
    k = 1 + data.year.nunique()  # fixest leaves out the effects nested in the clusters
    nested = np.sqrt(g / (g - 1) * (n - 1) / (n - k))
    found = {
        "CS simple": simple.att,
        "CS simple se": simple.std_error,
        "TWFE": family.estimate,
        "TWFE se nested": family.table.loc["CR0", "std_error"] * nested,
        "BJS": did.imputation(data, "lemp", "cohort", **keys).att,
    }
    for name in ("group", "dynamic"):
        result = did.callaway_santanna(data, "lemp", "cohort", aggregate=name, **keys)
        found[f"CS {name}"] = result.att
    found |= {f"CS event {k}": simple.event_study.params[k] for k in range(4)}
    found |= {f"CS cohort {g}": v for g, v in simple.by_cohort["estimate"].items()}
    return found


@cache
def castle(shift: int) -> dict[str, float]:
    data = pytest.importorskip("causaldata").castle.load_pandas().data
    data = data[["sid", "year", "l_homicide", "post"]].astype({"sid": int, "year": int})
    cohort = data.sid.map(data[data.post == 1].groupby("sid").year.min()) - shift
    data = data.assign(cohort=cohort, d=(data.year >= cohort).astype(float))
    found = {"TWFE": did.twfe(data, "l_homicide", "d", unit="sid").att}
    parts = did.bacon(data, "l_homicide", "cohort", unit="sid")
    assert parts.estimate == pytest.approx(found["TWFE"], abs=1e-12)
    for kind, row in parts.summary.iterrows():
        found |= {f"Bacon weight {kind}": row["weight"], f"Bacon estimate {kind}": row["estimate"]}
    return found


@cache
def prop99() -> dict[str, float]:
    data = frame("prop99")
    data["cohort"] = np.where(data.state == "California", 1989.0, np.nan)
    keys = {"unit": "state", "time": "year"}
    return {
        "DID": did.two_way(data, "packs", "cohort", **keys).att,
        "synthetic DID": did.synthetic(data, "packs", "cohort", draws=20, **keys).att,
    }


@cache
def ehec() -> dict[str, float]:
    """States that expanded in 2014 against those that had not by 2015, fixest's factor."""
    data = frame("ehec").query("year < 2016 and yexp2 != 2015")
    data["cohort"] = data.yexp2.where(data.yexp2 == 2014)
    study = did.event_study(data, "dins", "cohort", unit="stfips")
    n, g = len(data), data.stfips.nunique()
    slopes, years = len(study.covariance), data.year.nunique()
    counted = n / (n - slopes - g - years + 1)
    nested = g / (g - 1) * (n - 1) / (n - slopes - years)
    beta = study.params.drop(-1).to_numpy()
    covariance = study.covariance.to_numpy() * nested / counted
    bounds = did.relative_magnitudes((beta, covariance, 5), (0.5, 1.0, 1.5, 2.0)).table
    return {f"RM {m} {end}": bounds.loc[m, end] for m in bounds.index for end in bounds.columns}


@cache
def favara() -> dict[str, float]:
    data = frame("favara")
    table = did.switchers(data, "Dl_vloans_b", "inter_bra", horizons=3, unit="county").table
    return {f"effect {h}": effect for h, effect in table["effect"].items()}


def regression(data: pd.DataFrame, outcome: str, slopes: list[str], **keys) -> dict[str, float]:
    found = {}
    for slope in slopes:
        others = [s for s in slopes if s != slope]
        family = did.standard_errors(data, outcome, slope, others, **keys)
        found |= {slope: family.estimate, f"{slope} se classical": family.table.iloc[0, 0]}
    assert found[slopes[0]] == pytest.approx(did.twfe(data, outcome, *_split(slopes), **keys).att)
    return found


def _split(slopes):
    return slopes[0], slopes[1:]


def _grunfeld() -> pd.DataFrame:
    from statsmodels.datasets import grunfeld as shipped

    return shipped.load_pandas().data.query("firm != 'American Steel'").astype({"year": int})


@cache
def grunfeld() -> dict[str, float]:
    return grunfeld_inference() | regression(
        _grunfeld(), "invest", ["value", "capital"], unit="firm"
    )


@cache
def scrap() -> dict[str, float]:
    from linearmodels.datasets import jobtraining

    data = jobtraining.load().dropna(subset=["lscrap", "grant", "grant_1"])
    return regression(data, "lscrap", ["grant", "grant_1"], unit="fcode")


@cache
def wages() -> dict[str, float]:
    from linearmodels.datasets import wage_panel

    return regression(wage_panel.load(), "lwage", ["union", "married", "expersq"], unit="nr")


@cache
def organ_donations() -> dict[str, float]:
    data = pytest.importorskip("causaldata").organ_donations.load_pandas().data
    treated = (data.State == "California") & data.Quarter.isin(["Q32011", "Q42011", "Q12012"])
    data = data.assign(d=treated.astype(float))
    return {"TWFE": did.twfe(data, "Rate", "d", unit="State", time="Quarter_Num").att}


@cache
def grunfeld_inference() -> dict[str, float]:
    """Ten firms, so that all sign vectors are taken and no seed enters."""
    data = _grunfeld().assign(log=lambda f: np.log(f.invest))
    names = {"invest": "invest", "capital": "capital", "log invest": "log"}
    found = {}
    for name, outcome in names.items():
        for kind, imposed in (("WCR", True), ("WCU", False)):
            result = inference.wild_cluster_bootstrap(
                data, outcome, "value", unit="firm", impose_null=imposed
            )
            found[f"boot {kind} {name}"] = result.p_value_strict
    several = inference.romano_wolf(data, list(names.values()), "value", seed=0, unit="firm").table
    found |= {f"Romano-Wolf {n}": several.loc[o, "p_romano_wolf"] for n, o in names.items()}
    jackknife = inference.leave_one_cluster_out(data, "invest", "value", ["capital"], unit="firm")
    n, g, k = len(data), 10, 2 + data.year.nunique()
    # CRV3 there is the jackknife times G / (G - 1) and the factor of CRV1.
    factor = g / (g - 1) * g / (g - 1) * (n - 1) / (n - k)
    return found | {"jackknife se": jackknife.std_error * np.sqrt(factor)}


def holm() -> dict[str, float]:
    adjusted = _multiple.holm([0.01, 0.04, 0.03, 0.005])
    return {f"p {i}": p for i, p in enumerate(adjusted, start=1)}


CASES = {
    "mpdta": mpdta,
    "castle": lambda: castle(0),
    "castle shifted": lambda: castle(1),
    "prop99": prop99,
    "ehec": ehec,
    "favara": favara,
    "grunfeld": grunfeld,
    "scrap": scrap,
    "wages": wages,
    "organ donations": organ_donations,
    "holm": holm,
}
ROWS = [row for name in ("did.csv", "inference.csv") for row in answers(name).itertuples()]


@pytest.mark.parametrize("row", ROWS, ids=[f"{r.case}: {r.statistic}" for r in ROWS])
def test_known_answer(row):
    assert row.source
    assert CASES[row.case]()[row.statistic] == pytest.approx(float(row.value), abs=tolerance(row))


def test_there_are_many():
    assert len(ROWS) >= 40 and len({(r.case, r.statistic) for r in ROWS}) == len(ROWS)
