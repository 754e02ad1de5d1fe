"""Two-way fixed effects on a million rows against pyfixest, in one run.

python -m pytest benchmarks/did.py -s
"""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pyfixest
import pytest

from ftz import did

UNITS, PERIODS = 50_000, 20


def test_a_million_rows_take_no_longer_than_pyfixest():
    """At most 1.2 times its time; the same clustered errors."""
    rng = np.random.default_rng(0)
    city, year = np.repeat(np.arange(UNITS), PERIODS), np.tile(np.arange(PERIODS), UNITS)
    d = (year >= np.repeat(rng.integers(5, 40, UNITS), PERIODS)).astype(float)
    x, noise = rng.normal(size=(2, UNITS * PERIODS))
    y = d + 0.5 * x + np.repeat(rng.normal(size=UNITS), PERIODS) + noise
    frame = pd.DataFrame({"city": city, "year": year, "d": d, "x": x, "y": y})
    runs = {
        "here": lambda: did.twfe(frame, "y", "d", ["x"], errors="CR1N"),
        "pyfixest": lambda: pyfixest.feols("y ~ d + x | city + year", frame, vcov={"CRV1": "city"}),
    }
    spent = dict.fromkeys(runs, np.inf)
    for _ in range(3):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            spent[name] = min(spent[name], time.perf_counter() - start)
    here, peer = (run() for run in runs.values())
    assert here.std_errors.to_numpy() == pytest.approx(peer.se().to_numpy(), rel=1e-9)
    print("\n" + ", ".join(f"{name}: {seconds:.2f} s" for name, seconds in spent.items()))
    assert spent["here"] <= 1.2 * spent["pyfixest"]
