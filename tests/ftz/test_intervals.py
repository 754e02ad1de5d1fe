"""Every interval inverts the test beside it: mirror and agreement, and one check of the level."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_panel_cases import sim

from ftz import did, inference, mediation
from ftz.errors import EstimationError


def few(seed, units=6, shift=0.0):
    frame = sim(8, 6, seed=seed)
    frame = frame[frame.city.isin([f"c{i:03d}" for i in (0, *range(9 - units, 8))])].copy()
    return frame.assign(
        y=frame.y - (1.3 - shift) * frame.d, people=1.0 + frame.city.str[1:].astype(int)
    )


def _ends(found):
    return tuple(found.iloc[0]) if isinstance(found, pd.DataFrame) else found


RESULTS = {
    "DidResult": lambda f: did.twfe(f, "y", "d"),
    "EventStudyResult": lambda f: did.event_study(f, "y", "g"),
    "AttResult": lambda f: did.imputation(f, "y", "g"),
    "FewTreatedResult, Conley-Taber": lambda f: inference.conley_taber(f, "y", "d"),
    "FewTreatedResult, Ferman-Pinto": lambda f: inference.ferman_pinto(f, "y", "d", size="people"),
    "PlaceboResult": lambda f: inference.placebo(f, "y", "d", scheme="units", seed=0),
    "WildBootstrapResult": lambda f: inference.wild_cluster_bootstrap(f, "y", "d", seed=0),
    "WildBootstrapResult, unrestricted": lambda f: inference.wild_cluster_bootstrap(
        f, "y", "d", seed=0, impose_null=False
    ),
    "LeaveOneOutResult": lambda f: inference.leave_one_cluster_out(f, "y", "d"),
}


def _read(result, level):
    """Return estimate, p value and interval of a result."""
    if hasattr(result, "params"):
        first = result.params.index[0]
        ends = result.conf_int(level).loc[first]
        return result.params[first], result.pvalues[first], ends["lower"], ends["upper"]
    estimate = getattr(result, "estimate", None)
    estimate = result.observed_estimate if estimate is None else estimate
    return estimate, result.p_value, *_ends(result.conf_int(level))


@pytest.mark.parametrize("name", RESULTS)
@settings(max_examples=6, deadline=None)
@given(
    seed=st.integers(0, 500),
    units=st.integers(5, 8),
    level=st.sampled_from([0.5, 0.8, 0.9, 0.95]),
    shift=st.sampled_from([0.0, 0.3, 2.0]),
)
def test_mirror_and_agreement(name, seed, units, level, shift):
    frame = few(seed, units, shift)
    estimate, p, low, high = _read(RESULTS[name](frame), level)
    tiny = 1e-5 * (1 + abs(estimate))
    assert low - tiny <= estimate <= high + tiny
    if min(abs(low), abs(high)) > tiny and abs(p - (1 - level)) > 1e-9:
        assert (p < 1 - level) == (not low <= 0 <= high)
    _, mirrored_p, mirrored_low, mirrored_high = _read(
        RESULTS[name](frame.assign(y=-frame.y)), level
    )
    assert mirrored_p == pytest.approx(p, abs=1e-9)
    assert (mirrored_low, mirrored_high) == pytest.approx((-high, -low), abs=tiny)


@pytest.mark.parametrize("name", RESULTS)
def test_a_level_of_95_is_refused_by_every_result(name):
    with pytest.raises(EstimationError, match=r"write 0\.95"):
        RESULTS[name](few(0)).conf_int(95)


def test_a_level_of_95_is_refused_by_every_function():
    frame = sim(12)
    event = did.event_study(frame, "y", "g")
    indirect = mediation.bootstrap_indirect(frame, "y", "d", "x", seed=0, draws=20)
    calls = (
        lambda: did.standard_errors(frame, "y", "d", level=95),
        lambda: event.simultaneous_band(95),
        lambda: event.pretrend_power(0.1, 95),
        lambda: event.detectable_slope(0.8, 95),
        lambda: did.relative_magnitudes(event, (0.5,), level=95),
        lambda: did.smoothness(event, (0.5,), level=95),
        lambda: indirect.percentile(95),
        lambda: indirect.bca(95),
    )
    for call in calls:
        with pytest.raises(EstimationError, match=r"write 0\.95"):
            call()


def test_four_donors_cannot_reject_at_five_percent():
    frame = few(0, 5)
    result = inference.conley_taber(frame, "y", "d")
    assert result.n_donors == 4 and result.p_value >= 0.2
    assert result.conf_int(0.95) == (-np.inf, np.inf)
    low, high = result.conf_int(0.7)
    assert result.p_value_at(high) >= 0.3 > result.p_value_at(high + 1e-6)
    assert result.p_value_at(low) >= 0.3 > result.p_value_at(low - 1e-6)
