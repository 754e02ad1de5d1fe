"""Reference numbers for matching and mediation: ``known_answers/*.csv``, each with its source.

A number is reproduced if it agrees in the digits printed by the source, or in the first six
where it prints more (``causaldata`` keeps earnings in single precision).
"""

from __future__ import annotations

import csv
from decimal import Decimal
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ftz import matching, mediation
from helpers import with_terms

FOLDER = Path(__file__).parent / "known_answers"


def _rows(name: str) -> list[dict[str, str]]:
    with (FOLDER / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _half_unit(printed: str, digits: int = 6) -> float:
    """Return half a unit of the last digit that counts."""
    number = Decimal(printed)
    last = max(number.as_tuple().exponent, number.adjusted() - digits + 1)
    return 0.5 * 10.0**last


@pytest.mark.parametrize(
    ("printed", "half"), [("0.0018", 5e-5), ("1794.342", 5e-3), ("733", 0.5), ("1.785191", 5e-6)]
)
def test_digits_are_counted(printed, half):
    assert _half_unit(printed) == pytest.approx(half)


# -- the data ---------------------------------------------------------------------------


@cache
def nsw() -> pd.DataFrame:
    causaldata = pytest.importorskip("causaldata")
    return with_terms(causaldata.nsw_mixtape)


@cache
def nsw_cps() -> pd.DataFrame:
    causaldata = pytest.importorskip("causaldata")
    treated = nsw()[nsw().treat == 1]
    return pd.concat([treated, with_terms(causaldata.cps_mixtape)], ignore_index=True)


@cache
def births() -> pd.DataFrame:
    """Cattaneo (2010): birth weight and smoking, as statsmodels ships it."""
    import statsmodels

    folder = Path(statsmodels.__file__).parent / "treatment" / "tests" / "results"
    return pd.read_csv(folder / "cataneo2.csv")


@cache
def lalonde() -> pd.DataFrame:
    """R MatchIt's data: 185 treated of the NSW and 429 controls of the PSID."""
    return pd.read_csv(FOLDER / "matching_lalonde.csv").astype(float)


#: Blood lead of 33 exposed children and their controls (Morton et al. 1982, table 1).
LEAD = (
    "38-16 23-18 41-18 18-24 37-19 36-11 23-10 62-15 31-16 34-18 24-18 14-13 21-19 17-10 16-16 "
    "20-16 15-24 10-13 45-9 39-14 22-21 35-19 49-7 48-18 44-19 35-12 43-11 39-22 34-25 13-16 "
    "73-13 25-11 27-13"
)

FOUR = ["age", "educ", "re74", "re75"]
DEHEJIA_WAHBA = ["age", "age2", "educ", "educ2", "black", "hisp", "marr", "nodegree"]
DEHEJIA_WAHBA += ["re74", "re74_2", "re75", "re75_2", "u74", "u75"]
MIXTAPE = ["age", "age2", "age3", "educ", "educ2", "marr", "nodegree", "black", "hisp"]
MIXTAPE += ["re74", "re75", "u74", "u75", "educ_re74"]
BIRTHS = ["mmarried_", "mage", "mage2", "fbaby_", "medu"]
OUTCOME_OF_BIRTHS = ["prenatal1_", "mmarried_", "mage", "fbaby_"]
LALONDE = ["age", "educ", "black", "hispan", "married", "nodegree", "re74", "re75"]


# -- what we compute, one function a data set -------------------------------------------------


def _both_ways(covariates, **options):
    frame = nsw()
    there = matching.match_covariates(frame, frame.treat, covariates, **options)
    back = matching.match_covariates(frame, 1 - frame.treat, covariates, **options)
    return there, back


def _nsw_covariates() -> dict[tuple[str, str], float]:
    """``Match(..., Weight = 1)``: inverse variances, one conditional variance, sample target."""
    thousands = nsw().re78 / 1000
    plain = {"neighbours": 0, "target": "sample"}
    found = {}
    for case, covariates, options in (
        ("nsw age ATE", ["age"], {}),
        ("nsw four ATE", FOUR, {}),
        ("nsw four k3 ATE", FOUR, {"k": 3}),
        ("nsw four Mahalanobis ATE", FOUR, {"metric": "mahalanobis"}),
    ):
        there, back = _both_ways(covariates, **options)
        result = matching.ate(thousands, there, back, **plain)
        found[case, "estimate"] = result.params["ATE"]
        found[case, "se"] = result.std_errors["ATE"]
        found[case, "pairs"] = there.weights.nnz + back.weights.nnz
    there, back = _both_ways(FOUR)
    att = matching.att(thousands, there, se="abadie_imbens", **plain)
    atc = matching.att(thousands, back, se="abadie_imbens", **plain)
    found["nsw four ATT", "estimate"], found["nsw four ATT", "se"] = att.att, att.std_error
    found["nsw four ATC", "estimate"], found["nsw four ATC", "se"] = -atc.att, atc.std_error
    population = matching.ate(thousands, there, back, neighbours=0)
    found["nsw four ATE population", "se"] = population.std_errors["ATE"]
    three = matching.ate(thousands, there, back, neighbours=3, target="sample")
    found["nsw four ATE Var.calc 3", "se"] = three.std_errors["ATE"]
    return found


def _nsw_score() -> dict[tuple[str, str], float]:
    frame = nsw()
    fit = matching.propensity_score(frame, "treat", DEHEJIA_WAHBA)
    scored = frame.assign(score=fit.score)
    pairs = matching.match_covariates(scored, frame.treat, ["score"])
    result = matching.att(frame.re78, pairs, se="abadie_imbens", neighbours=0)
    found = {
        ("nsw score ATT", "estimate"): result.att,
        ("nsw score ATT", "se"): result.std_error,
        ("nsw score ATT", "t"): result.tstat,
        ("nsw score ATT", "pairs"): pairs.weights.nnz,
    }
    table = matching.balance(frame, DEHEJIA_WAHBA, frame.treat, pairs, scale="treated")
    for covariate, row in table.iterrows():
        for (when, statistic), value in row.items():
            found[f"nsw score balance {covariate}", f"{when} {statistic}"] = value
    everyone = matching.match(fit.score, fit.treated, method="caliper", caliper=1.0)
    found["nsw difference", "estimate"] = matching.att(frame.re78, everyone).att
    return found


def _cps() -> dict[tuple[str, str], float]:
    frame = nsw_cps()
    fit = matching.propensity_score(frame, "treat", MIXTAPE)
    everyone = matching.match(fit.score, fit.treated, method="caliper", caliper=1.0)
    five = matching.match(fit.score, fit.treated, k=5)
    return {
        ("cps difference", "estimate"): matching.att(frame.re78, everyone).att,
        ("cps five neighbours", "estimate"): matching.att(frame.re78, five).att,
        ("cps ATE weights", "estimate"): matching.ipw(frame.re78, fit, estimand="ate").estimate,
    }


def _stata() -> dict[tuple[str, str], float]:
    """Stata's conventions: ties are equal floats, covariates are compared in their own units."""
    found = {}
    for data, frame, covariates in (
        ("nsw", nsw(), DEHEJIA_WAHBA),
        ("cps", nsw_cps(), MIXTAPE),
    ):
        fit = matching.propensity_score(frame, "treat", covariates)
        for k in (1, 4):
            pairs = matching.match(fit.score, fit.treated, k=k, tie=0)
            known = matching.att(frame.re78, pairs, se="abadie_imbens")
            result = matching.att(
                frame.re78, pairs, se="abadie_imbens_2016", fit=fit, metric="euclidean"
            )
            case = f"{data} teffects k{k} ATT"
            found[case, "estimate"], found[case, "se"] = result.att, result.std_error
            found[case, "se 2006"] = known.std_error
        for kind, pairs in {
            "epanechnikov": matching.kernel_match(fit.score, fit.treated, bandwidth=0.06),
            "gaussian": matching.kernel_match(
                fit.score, fit.treated, kernel="gaussian", bandwidth=0.06
            ),
            "radius": matching.match(fit.score, fit.treated, method="caliper", caliper=0.01),
        }.items():
            result = matching.att(frame.re78, pairs)
            case = f"{data} psmatch2 {kind} ATT"
            found[case, "estimate"], found[case, "se"] = result.att, result.std_error
    return found


def _births() -> dict[tuple[str, str], float]:
    frame, found = births(), {}
    fit = matching.propensity_score(frame, "mbsmoke_", BIRTHS)
    for case, k in (("births psmatch ATE", 1), ("births psmatch nn4 ATE", 4)):
        there = matching.match(fit.score, fit.treated, k=k)
        back = matching.match(fit.score, ~fit.treated, k=k)
        result = matching.ate(frame.bweight, there, back, se="abadie_imbens_2016", fit=fit)
        found[case, "estimate"], found[case, "se"] = result.params["ATE"], result.std_errors["ATE"]
    nearest = matching.match(fit.score, fit.treated)
    found["births psmatch ATT", "estimate"] = matching.att(frame.bweight, nearest).att
    probit = matching.propensity_score(frame, "mbsmoke_", BIRTHS, link="probit")
    other = matching.propensity_score(frame, "mbsmoke_", OUTCOME_OF_BIRTHS)
    for case, result in {
        "births ipw ATE": matching.ipw(frame.bweight, probit, estimand="ate"),
        "births ipw ATT": matching.ipw(frame.bweight, probit),
        "births weights ATT": matching.ipw(frame.bweight, other),
        "births doubly robust ATT": matching.doubly_robust(
            frame.bweight, frame, OUTCOME_OF_BIRTHS, other
        ),
        "births aipw ATE": matching.doubly_robust(
            frame.bweight, frame, OUTCOME_OF_BIRTHS, probit, estimand="ate"
        ),
        "births doubly robust improved ATT": matching.doubly_robust(
            frame.bweight, frame, OUTCOME_OF_BIRTHS, other, method="improved"
        ),
    }.items():
        found[case, "estimate"], found[case, "se"] = result.estimate, result.std_error
    return found


def _lalonde() -> dict[tuple[str, str], float]:
    frame = lalonde()
    fit = matching.propensity_score(frame, "treat", LALONDE)
    width = matching.caliper_width(0.2, fit.score, "sd")
    narrow = {"method": "k_nearest_in_caliper", "caliper": width}
    found = {("lalonde score", "sd"): fit.score.std()}
    for case, options in (("nearest", {}), ("nearest k2", {"k": 2}), ("caliper", narrow)):
        pairs = matching.match(fit.score, fit.treated, replacement=False, **options)
        found[f"lalonde {case}", "estimate"] = matching.att(frame.re78, pairs).att
        found[f"lalonde {case}", "pairs"] = pairs.n_treated
    return found


def _lead() -> dict[tuple[str, str], float]:
    differences = [int(a) - int(b) for a, b in (pair.split("-") for pair in LEAD.split())]
    bounds = matching.rosenbaum_bounds(np.array(differences), gammas=(2, 3, 4, 4.25, 5))
    return {(f"lead gamma {g:g}", "p_upper"): p for g, p in bounds.table.p_upper.items()}


@cache
def computed() -> dict[tuple[str, str], float]:
    found = {}
    for part in (_nsw_covariates, _nsw_score, _cps, _stata, _births, _lalonde, _lead):
        found |= part()
    return found


# -- the comparison ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "row", _rows("matching.csv"), ids=lambda row: f"{row['case']}, {row['statistic']}"
)
def test_matching_known_answer(row):
    got = float(computed()[row["case"], row["statistic"]])
    assert got == pytest.approx(float(row["value"]), abs=1.001 * _half_unit(row["value"]), rel=0)


@pytest.mark.parametrize("row", _rows("mediation.csv"), ids=lambda row: row["statistic"])
def test_mediation_known_answer(row):
    """The t statistic and its 783 degrees of freedom are printed beside the values."""
    found = mediation.robustness_value(0.09731582 / 0.02325654, 783)
    got = getattr(found, row["statistic"])
    assert got == pytest.approx(float(row["value"]), abs=_half_unit(row["value"]), rel=0)


def test_every_number_has_a_source():
    rows = _rows("matching.csv") + _rows("mediation.csv")
    assert len(rows) >= 40
    assert all(row["source"].strip() and float(row["value"]) for row in rows)
    assert len({(row["case"], row["statistic"]) for row in rows}) == len(rows)
