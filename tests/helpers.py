"""What more than one test file computes with: a real sample, a gradient, a reader's spec."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

#: The columns of the small panels of a reader.
SPEC = """\
unit: city
time: year
outcome: quality
cohort: zone_year
covariates: [income, openness]
"""


def with_terms(module: Any) -> pd.DataFrame:
    """Return a sample of LaLonde's as ``causaldata`` ships it, with the terms of the scores."""
    frame = module.load_pandas().data.drop(columns="data_id").astype(float)
    return frame.assign(
        age2=frame.age**2,
        age3=frame.age**3,
        educ2=frame.educ**2,
        re74_2=frame.re74**2,
        re75_2=frame.re75**2,
        u74=(frame.re74 == 0).astype(float),
        u75=(frame.re75 == 0).astype(float),
        educ_re74=frame.educ * frame.re74,
    )


def numerical(
    function: Callable[[np.ndarray], float], point: np.ndarray, step: float = 1e-6
) -> np.ndarray:
    """Return the gradient of a function by central differences."""
    slopes = np.zeros_like(point)
    for place in np.ndindex(point.shape):
        up, down = point.copy(), point.copy()
        up[place] += step
        down[place] -= step
        slopes[place] = (function(up) - function(down)) / (2 * step)
    return slopes
