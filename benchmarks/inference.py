"""Inference against its peers, in one run, on the book's panel.

    python -m pytest benchmarks/inference.py --benchmark-group-by=group -s

A peer that is not installed is skipped: pyfixest's bootstrap needs ``wildboottest`` and
``numba`` beside.  ``test_ratios`` runs every peer once
and holds the two promises of the README: 10 000 times faster than a loop of PanelOLS, ten
times faster than pyfixest's bootstrap.
"""

from __future__ import annotations

import os
import time
import warnings

# One thread for us and for the peers, before numpy is imported: the matrices are small.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import numpy as np  # noqa: E402
import pytest  # noqa: E402

from ftz import inference  # noqa: E402
from ftz._kernel import regress_each  # noqa: E402
from ftz._projection import span_of  # noqa: E402
from ftz.panel import Panel  # noqa: E402
from study import panel, replication  # noqa: E402

DRAWS, BOOTSTRAP = 500, 9_999
CONTROLS = list(replication.CONTROLS)
ARGUMENTS = (replication.OUTCOME, replication.TREATMENT, CONTROLS)


@pytest.fixture(scope="module")
def matched():
    frame = panel.load_witness().matched.reset_index(drop=True)
    return frame.assign(number=frame.groupby("city").ngroup())  # the peers want numbers


@pytest.fixture(scope="module")
def prepared(matched):
    """Arrays as a caller with many draws holds them."""
    shuffled = np.tile(matched[replication.TREATMENT].to_numpy(float), (DRAWS, 1))
    designs = np.random.default_rng(0).permuted(shuffled, axis=1).T
    basis = span_of(Panel(frame=matched, controls=tuple(CONTROLS))).dense()
    outcome = matched[replication.OUTCOME].to_numpy()
    return outcome[:, None], designs, basis, matched["number"].to_numpy()


def panel_ols(matched, designs):
    from linearmodels.panel import PanelOLS

    indexed = matched.set_index(["city", "year"])
    found = []
    for column in designs.T:
        frame = indexed.assign(FTZ=column)
        model = PanelOLS(
            frame["lnHQD"], frame[["FTZ", *CONTROLS]], entity_effects=True, time_effects=True
        )
        fit = model.fit(cov_type="clustered", cluster_entity=True)
        found.append((fit.params["FTZ"], fit.std_errors["FTZ"]))
    return np.array(found).T


def pyfixest_fits(matched, designs):
    pyfixest = pytest.importorskip("pyfixest")
    formula = f"lnHQD ~ FTZ + {' + '.join(CONTROLS)} | number + year"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fits = [
            pyfixest.feols(formula, matched.assign(FTZ=column), vcov={"CRV1": "number"})
            for column in designs.T
        ]
    return np.array([(fit.coef()["FTZ"], fit.se()["FTZ"]) for fit in fits]).T


def pyfixest_bootstrap(matched):
    pyfixest = pytest.importorskip("pyfixest")
    pytest.importorskip("wildboottest.wildboottest", exc_type=ImportError)
    formula = f"lnHQD ~ FTZ + {' + '.join(CONTROLS)} | number + year"
    fit = pyfixest.feols(formula, matched, vcov={"CRV1": "number"})

    def run(weights="rademacher"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return fit.wildboottest(param="FTZ", reps=BOOTSTRAP, seed=1, weights_type=weights)

    return run


def best(function, times):
    """Return the shortest of some runs, in seconds, and the last result."""
    spent = []
    for _ in range(times):
        start = time.perf_counter()
        result = function()
        spent.append(time.perf_counter() - start)
    return min(spent), result


# ------------------------------------------------------------------- 500 placebo draws


@pytest.mark.benchmark(group="500 placebo draws with clustered errors")
def test_projection(benchmark, prepared):
    benchmark(regress_each, *prepared)


@pytest.mark.benchmark(group="500 placebo draws with clustered errors")
def test_placebo_from_the_frame(benchmark, matched):
    benchmark(lambda: inference.placebo(matched, *ARGUMENTS, seed=1, draws=DRAWS))


@pytest.mark.benchmark(group="500 placebo draws with clustered errors", max_time=1, min_rounds=1)
def test_panel_ols_loop(benchmark, matched, prepared):
    benchmark.pedantic(panel_ols, (matched, prepared[1]), rounds=1)


@pytest.mark.benchmark(group="500 placebo draws with clustered errors")
def test_pyfixest_loop(benchmark, matched, prepared):
    benchmark.pedantic(pyfixest_fits, (matched, prepared[1]), rounds=1)


# ------------------------------------------------------------- wild cluster bootstrap


@pytest.mark.benchmark(group="wild cluster bootstrap, 9999 draws")
@pytest.mark.parametrize("weights", ["rademacher", "webb"])
def test_bootstrap(benchmark, matched, weights):
    benchmark(
        lambda: inference.wild_cluster_bootstrap(
            matched, *ARGUMENTS, weights=weights, draws=BOOTSTRAP, seed=1
        )
    )


@pytest.mark.benchmark(group="wild cluster bootstrap, 9999 draws")
@pytest.mark.parametrize("weights", ["rademacher", "webb"])
def test_pyfixest_bootstrap(benchmark, matched, weights):
    run = pyfixest_bootstrap(matched)
    benchmark.pedantic(run, (weights,), rounds=5, warmup_rounds=1)


# ------------------------------------------------------------------------- promises


def test_placebo_is_ten_thousand_times_faster_than_panel_ols(matched, prepared):
    slow, wanted = best(lambda: panel_ols(matched, prepared[1][:, :25]), 1)
    fast, found = best(lambda: regress_each(*prepared), 20)
    assert np.abs(np.array(found[:2])[:, :25] - wanted).max() < 1e-10
    ratio = slow * DRAWS / 25 / fast
    print(f"\nplacebo by projection: {fast * 1e3:.2f} ms, {ratio:,.0f} times faster than PanelOLS")
    assert ratio > 10_000


def test_bootstrap_is_ten_times_faster_than_pyfixest(matched):
    run = pyfixest_bootstrap(matched)
    run()  # compiles
    slow, theirs = best(run, 3)
    fast, ours = best(lambda: inference.wild_cluster_bootstrap(matched, *ARGUMENTS), 10)
    # Both take all sign vectors; pyfixest leaves ties out.
    assert ours.p_value_strict == pytest.approx(float(theirs["Pr(>|t|)"]), abs=1e-12)
    print(f"\nwild bootstrap: {fast * 1e3:.2f} ms, {slow / fast:,.0f} times faster than pyfixest")
    assert slow / fast > 10
