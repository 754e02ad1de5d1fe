"""Steps before the scale: denomination, imputation, outliers.

Each takes a frame of unit-years by indicators and returns a frame of the same shape.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from ftz._refusals import one_of
from ftz.errors import EstimationError

IMPUTATIONS = ("none", "linear", "carry", "period_mean", "period_median")
OUTLIERS = ("none", "clip", "winsorise", "log", "winsorise_log", "boxcox")


def require_panel(indicators: pd.DataFrame, step: str) -> tuple[Any, Any]:
    """Return the names of the unit and period level of the index, or say what needs them."""
    if indicators.index.nlevels != 2:
        raise EstimationError(f"{step} needs rows indexed by unit and period")
    first, second = (n if n is not None else i for i, n in enumerate(indicators.index.names))
    return first, second


def constant_columns(values: np.ndarray) -> np.ndarray:
    """Say which columns hold one number, up to the last bits of an arithmetic before."""
    low, high = values.min(axis=0), values.max(axis=0)
    flat: np.ndarray = high - low <= 1e-12 * np.maximum(np.abs(low), np.abs(high))
    return flat


def require_numbers(indicators: pd.DataFrame) -> None:
    """Refuse missing and infinite values, naming the indicator."""
    values = indicators.to_numpy(float)
    bad = ~np.isfinite(values).all(axis=0)
    if bad.any():
        name = indicators.columns[int(np.argmax(bad))]
        raise EstimationError(
            f"indicator {name} has missing or infinite values: impute them or leave it out"
        )


# --- denomination -------------------------------------------------------------------------------


def denominate(
    indicators: pd.DataFrame, sizes: pd.DataFrame | None, denominators: Mapping[str, str]
) -> pd.DataFrame:
    """Divide indicators by a size, so that a large unit does not win by being large.

    Parameters
    ----------
    indicators : pandas.DataFrame
        n rows by m indicators.
    sizes : pandas.DataFrame
        n rows on the same index: population, area, number of firms, ...
    denominators : mapping
        Indicator to column of ``sizes``; the others stay as they are.

    Raises
    ------
    EstimationError
        No sizes, an unknown column or indicator, another index, a size not above zero.

    Notes
    -----
    OECD and JRC (2008), step 2, and the denomination step of R's COINr.

    Examples
    --------
    >>> firms, people = pd.DataFrame({"firms": [10, 90]}), pd.DataFrame({"people": [5, 30]})
    >>> denominate(firms, people, {"firms": "people"})["firms"].tolist()
    [2.0, 3.0]
    """
    if not denominators:
        return indicators
    if sizes is None or not sizes.index.equals(indicators.index):
        raise EstimationError("denomination needs a frame of sizes with the index of the panel")
    out = indicators.copy()
    for name, size in denominators.items():
        if name not in indicators or size not in sizes:
            where = f"the sizes have no column {size}" if name in indicators else "not in the panel"
            raise EstimationError(f"denominator of indicator {name}: {where}")
        if not (sizes[size] > 0).all():
            raise EstimationError(f"denominator of indicator {name}: {size} is not positive")
        out[name] = indicators[name] / sizes[size]
    return out


# --- imputation ---------------------------------------------------------------------------------


def impute(indicators: pd.DataFrame, method: str = "none") -> pd.DataFrame:
    """Fill what is missing.

    Parameters
    ----------
    indicators : pandas.DataFrame
        Indexed by (unit, period).
    method : {"none", "linear", "carry", "period_mean", "period_median"}
        ``linear`` interpolates within a unit over periods and carries its ends;
        ``carry`` takes the unit's last value, or its first where none came before;
        ``period_mean`` and ``period_median`` take those of the other units in the period.

    Raises
    ------
    EstimationError
        An unknown method; an indicator that is missing throughout, or still has gaps
        afterwards; any gap under ``"none"``.  The indicator is named.

    Examples
    --------
    >>> rows = pd.MultiIndex.from_product([["a"], [2001, 2002, 2003]])
    >>> impute(pd.DataFrame({"x": [1, None, 5.0]}, rows), "linear")["x"].tolist()
    [1.0, 3.0, 5.0]
    """
    one_of("imputation", method, IMPUTATIONS)
    empty = indicators.columns[indicators.isna().all()]
    if len(empty):
        raise EstimationError(f"indicator {empty[0]} is missing throughout: leave it out")
    if method != "none" and indicators.isna().any(axis=None):
        unit, period = require_panel(indicators, f"imputation {method!r}")
        indicators = _filled(indicators, method, unit, period)
    require_numbers(indicators)
    return indicators


def _filled(indicators: pd.DataFrame, method: str, unit: Any, period: Any) -> pd.DataFrame:
    if method.startswith("period"):
        groups = indicators.groupby(level=period)
        fill = groups.transform("mean" if method == "period_mean" else "median")
        return indicators.fillna(fill)
    ordered = indicators.sort_index(level=[unit, period])
    groups = ordered.groupby(level=unit, group_keys=False)
    if method == "carry":
        filled = groups.ffill().groupby(level=unit, group_keys=False).bfill()
        return filled.reindex(indicators.index)
    parts = []
    for _, part in groups:
        flat = part.set_axis(part.index.get_level_values(period), axis=0)
        line = flat.interpolate("index", limit_direction="both")
        parts.append(line.set_axis(part.index, axis=0))
    return pd.concat(parts).reindex(indicators.index)


# --- outliers -----------------------------------------------------------------------------------


def is_outlying(values: np.ndarray, skew_limit: float = 2.0, kurtosis_limit: float = 3.5) -> bool:
    """Say whether a distribution is skewed *and* heavy-tailed beyond the limits.

    The limits 2 and 3.5 on the sample-adjusted skewness and excess kurtosis are those of
    the JRC's audits and of R's COINr.

    >>> is_outlying(np.array([1.0, 2.0, 3.0, 4.0, 90.0])), is_outlying(np.arange(5.0))
    (True, False)
    """
    skew, kurtosis = stats.skew(values, bias=False), stats.kurtosis(values, bias=False)
    return bool(abs(skew) > skew_limit and kurtosis > kurtosis_limit)


def treat_outliers(
    indicators: pd.DataFrame,
    rule: str = "none",
    *,
    skew_limit: float = 2.0,
    kurtosis_limit: float = 3.5,
    at_most: int = 5,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Treat the indicators with outliers; leave the others alone.

    Parameters
    ----------
    indicators : pandas.DataFrame
        n rows by m indicators, complete.
    rule : {"none", "clip", "winsorise", "log", "winsorise_log", "boxcox"}
        ``clip`` moves values beyond the first and last percentile there; ``winsorise`` moves
        the most extreme value to the next one, at most ``at_most`` times, until the
        indicator passes; ``log`` takes the natural logarithm; ``winsorise_log`` winsorises
        and, where that is not enough, takes the logarithm of the original instead;
        ``boxcox`` takes the power transformation of highest likelihood (Box and Cox 1964).

    Returns
    -------
    treated, flagged : pandas.DataFrame
        ``flagged`` has one row a flagged indicator: ``skew`` and ``kurtosis`` before and
        after, what was done, and with which number (points moved, or power).

    Raises
    ------
    EstimationError
        An unknown rule; a value that is not positive under a logarithm or power.

    Examples
    --------
    >>> treated, what = treat_outliers(pd.DataFrame({"x": [1.0, 2.0, 3.0, 4.0, 90.0]}), "winsorise")
    >>> treated["x"].tolist(), float(what.loc["x", "number"])
    ([1.0, 2.0, 3.0, 4.0, 4.0], 1.0)
    """
    one_of("outlier rule", rule, OUTLIERS)
    require_numbers(indicators)
    treated, flagged = {}, {}
    for name in indicators.columns:
        values = indicators[name].to_numpy(float)
        treated[name] = values
        if rule == "none" or not is_outlying(values, skew_limit, kurtosis_limit):
            continue
        new, done, number = _treat(values, rule, (skew_limit, kurtosis_limit), at_most, name)
        treated[name] = new
        flagged[name] = {
            "skew_before": stats.skew(values, bias=False),
            "kurtosis_before": stats.kurtosis(values, bias=False),
            "skew_after": stats.skew(new, bias=False),
            "kurtosis_after": stats.kurtosis(new, bias=False),
            "treatment": done,
            "number": number,
        }
    frame = pd.DataFrame(treated, index=indicators.index)
    return frame, pd.DataFrame.from_dict(flagged, orient="index")


def _treat(
    values: np.ndarray, rule: str, limits: tuple[float, float], at_most: int, name: str
) -> tuple[np.ndarray, str, float]:
    if rule == "clip":
        return np.clip(values, *np.quantile(values, [0.01, 0.99])), "clip", 0.0
    if rule.startswith("winsorise"):
        moved, points = _winsorised(values, limits, at_most)
        if rule == "winsorise" or not is_outlying(moved, *limits):
            return moved, "winsorise", float(points)
    if values.min() <= 0:
        raise EstimationError(
            f"indicator {name} has values that are not positive, and the outlier rule {rule!r} "
            "takes logarithms: winsorise it, or leave it out"
        )
    if rule == "boxcox":
        new, power = stats.boxcox(values)
        return new, "boxcox", float(power)
    return np.log(values), "log", 0.0


def _winsorised(
    values: np.ndarray, limits: tuple[float, float], at_most: int
) -> tuple[np.ndarray, int]:
    """Move the most extreme value to the next until the rule is met or ``at_most`` were moved."""
    ladder, new = np.sort(values), values.copy()
    low = high = 0
    while is_outlying(new, *limits) and low + high < at_most:
        if stats.skew(new) > 0:
            high += 1
        else:
            low += 1
        new = np.clip(values, ladder[low], ladder[-1 - high])
    return new, low + high
