"""Estimators for staggered adoption, in one vocabulary.

Each takes a panel with a cohort and returns an :class:`AttResult`: the average effect on the
treated, the event study where there is one, and notes on what the estimator did to the sample.
Two-way fixed effects and the stacked regression are the book's own; the others are those of
``diff-diff`` (its digits are held against published ones in ``tests/known_answers``).
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from ftz._kernel import ColumnSpace, LeastSquares, regress
from ftz._projection import check_slopes
from ftz._refusals import one_of
from ftz._results import CoefficientResult, EffectResult, Result
from ftz.did._events import EventStudyResult, assemble, event_study
from ftz.did._regression import twfe
from ftz.errors import EstimationError
from ftz.panel import Panel, on_panel

#: How an effect is averaged in :func:`callaway_santanna`, and how it uses controls.
AGGREGATES = ("simple", "group", "dynamic")
METHODS = ("dr", "ipw", "reg")
#: What a note says where no unit is never treated.
_NOT_YET = "the comparison is with those not treated yet"


@dataclass(frozen=True, kw_only=True, repr=False)
class AttResult(EffectResult):
    """An average effect on the treated.

    Attributes
    ----------
    estimator : str
        Its name.
    event_study : EventStudyResult or None
        Effects by periods since adoption.
    by_cohort : pandas.DataFrame or None
        Effects by first treated period: ``estimate``, ``std_error``.
    by_cell : pandas.DataFrame or None
        Effects of each cohort in each period: ``cohort``, ``period``, ``estimate``,
        ``std_error``.
    n_units, n_treated : int
        Units, and how many of them are ever treated.
    """

    estimator: str
    n_units: int
    n_treated: int
    event_study: EventStudyResult | None = None
    by_cohort: pd.DataFrame | None = None
    by_cell: pd.DataFrame | None = None


@dataclass(frozen=True)
class _Sample:
    """A panel made ready: who is treated throughout is left out, columns have our own names."""

    panel: Panel
    frame: pd.DataFrame
    controls: tuple[str, ...]

    @property
    def n_units(self) -> int:
        return self.frame["u"].nunique()

    @property
    def cohorts(self) -> list[int]:
        return sorted(int(g) for g in self.frame["first"].unique() if g > 0)

    @property
    def n_treated(self) -> int:
        return self.frame.loc[self.frame["first"] > 0, "u"].nunique()

    @property
    def has_never(self) -> bool:
        return bool((self.frame["first"] == 0).any())

    @property
    def balanced(self) -> bool:
        return len(self.frame) == self.n_units * self.frame["t"].nunique()

    @property
    def treated_units(self) -> dict[int, int]:
        """Event time to treated units observed there."""
        on = self.frame[self.frame["first"] > 0]
        counts = on.groupby(on["t"] - on["first"])["u"].nunique()
        return dict(zip(counts.index, counts, strict=True))

    @property
    def keys(self) -> dict[str, str]:
        return {"outcome": "y", "unit": "u", "time": "t"}

    @property
    def cluster(self) -> str | None:
        # a weighted design names its clusters itself
        return "c" if self.panel.cluster and not self.panel.weights else None

    @property
    def survey(self) -> dict[str, Any]:
        """Weights and clusters as another package takes them."""
        from diff_diff import SurveyDesign

        if not self.panel.weights:
            return {}
        return {"survey_design": SurveyDesign(weights="w", psu="c" if self.panel.cluster else "u")}

    def run(self, name: str, model: Any) -> tuple[Any, tuple[str, ...]]:
        """Fit a model of another package that takes cohorts."""
        covariates = list(self.controls) or None
        options = {"first_treat": "first", "covariates": covariates, **self.survey}
        return _fit(name, lambda: model.fit(self.frame, **self.keys, **options))

    def averaged(self, name: str, fit: Any) -> tuple[pd.DataFrame, Any]:
        """Return another package's effects by cohort, and its event study."""
        (cohorts, events), _ = _fit(
            name, lambda: (fit.aggregate("group"), fit.aggregate("event_study"))
        )
        return _by_cohort(cohorts.to_dataframe(), self), events

    def result(self, estimator: str, att: float, std_error: float, **more: Any) -> AttResult:
        if not np.isfinite(att):
            raise EstimationError(f"{estimator}: no effect is identified on this sample")
        notes = tuple(dict.fromkeys((*self.panel.dropped, *more.pop("notes", ()))))
        return AttResult(
            params=pd.Series({"ATT": float(att)}),
            std_errors=pd.Series({"ATT": float(std_error)}),
            nobs=len(self.frame),
            title=f"{estimator}: effect on {self.panel.outcome}",
            estimator=estimator,
            n_units=self.n_units,
            n_treated=self.n_treated,
            notes=notes,
            **more,
        )


def _sample(panel: Panel) -> _Sample:
    """Check a panel; drop units treated throughout, which have no before, and say so."""
    panel = panel.with_(treatment=None).without_always()
    if not (panel.first > 0).any() or not (panel.on.any() and (~panel.on).any()):
        raise EstimationError(
            f"{panel.cohort} names no {panel.unit} that is treated within the panel"
        )
    if len(np.unique(panel.first)) < 2:
        raise EstimationError("all units are treated at once: there is nothing to compare")
    panel.need("outcome", "cohort")
    plain = panel.plain()
    if panel.cluster:
        plain["c"] = panel.clusters[0]
    if panel.weights:
        plain["w"] = panel.w
    return _Sample(panel, plain, tuple(c for c in plain.columns if c.startswith("x")))


def _fit(estimator: str, fit: Callable[[], Any]) -> tuple[Any, tuple[str, ...]]:
    """Run another package; its warnings become notes, its refusals our errors."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            fitted = fit()
        except (ValueError, KeyError, np.linalg.LinAlgError, RuntimeError) as error:
            raise EstimationError(f"{estimator}: {error}") from error
    said = [str(w.message) for w in caught if issubclass(w.category, UserWarning)]
    return fitted, tuple(dict.fromkeys(filter(None, map(_own_words, said))))


#: What another package warns of, and what this library says of it; empty where it says so already.
_WORDS = {
    "[Rr]ank-deficient": "the design is rank-deficient: columns that others span were left out",
    "placebo variance|n_control|more controls|weights normalized": "",
    "Far-horizon": "late horizons rest on few switchers and may be noisy",
}


def _own_words(message: str) -> str:
    """Say another package's warning without the names of its parameters."""
    for pattern, words in _WORDS.items():
        if re.search(pattern, message):
            return words
    # Sentences that advise a parameter have no meaning here; what was seen comes first.
    sentences = re.split(r"(?<=[.;])\s+", " ".join(message.split()))
    sentences = [re.sub(r"np\.\w+\(([^)]*)\)", r"\1", s) for s in sentences]
    plain = [s for s in sentences if not re.search(r"\w=|\w_\w|\w\(\)", s)]
    return " ".join(plain or sentences[:1]).rstrip(".")


@on_panel("outcome", "cohort", "controls", weighted=True)
def two_way(panel: Panel, *, anticipation: int = 0) -> AttResult:
    """Estimate by :func:`ftz.did.twfe` and :func:`ftz.did.event_study`.

    Parameters
    ----------
    panel : Panel
        Or a frame, outcome, cohort and controls: see :func:`ftz.panel.on_panel`.
    anticipation : int
        Periods before adoption in which the treated may react already.  Estimators that
        are our own leave these rows of theirs out, the others move their base.

    Raises
    ------
    EstimationError
        As :func:`ftz.did.twfe`; no unit treated within the panel, or all at once.
    """
    sample = _sample(panel)
    fit = twfe(sample.panel.without_anticipation(anticipation))
    try:
        events = event_study(sample.panel, reference=-1 - anticipation)
    except EstimationError:  # everyone is treated at last, or nobody is seen a year before
        events = None
    return sample.result(
        "two-way fixed effects",
        fit.att,
        fit.std_errors.iloc[0],
        event_study=events,
        notes=fit.notes,
    )


@on_panel("outcome", "cohort", "controls", weighted=True)
def callaway_santanna(
    panel: Panel,
    *,
    control_group: str | None = None,
    aggregate: str = "simple",
    method: str = "dr",
    anticipation: int = 0,
) -> AttResult:
    """Estimate the effect of each cohort in each period, and average.

    Parameters
    ----------
    panel : Panel
        As in :func:`two_way`; controls enter by their value in the base period.
    control_group : {"never", "not_yet"}, optional
        Compare with never-treated units, or with those not treated yet.  If not given, with
        those never treated where there are some; a note says where there are none.
    aggregate : {"simple", "group", "dynamic"}
        Average over treated cells, over cohorts by their size (no standard error), or
        over event times.
    method : {"dr", "ipw", "reg"}
        Controls enter doubly robust, by weights or by a regression.
    anticipation : int
        As in :func:`two_way`.

    Raises
    ------
    EstimationError
        As :func:`two_way`; an unknown choice; no never-treated unit where they are asked
        for.

    Notes
    -----
    Callaway and Sant'Anna (2021); base period of the event study: the last before adoption
    ("universal").  On an unbalanced panel, by the units seen in both periods.
    """
    one_of("aggregate", aggregate, AGGREGATES)
    if control_group not in (None, "never", "not_yet"):
        raise EstimationError(f"unknown control group {control_group!r}: use never or not_yet")
    one_of("method", method, METHODS)
    sample = _sample(panel)
    if control_group == "never" and not sample.has_never:
        raise EstimationError("no unit is never treated: use control_group='not_yet'")
    said = [] if sample.has_never else [f"no {panel.unit} is never treated: {_NOT_YET}"]
    from diff_diff import CallawaySantAnna

    name, base = "Callaway-Sant'Anna", -1 - anticipation
    model = CallawaySantAnna(
        control_group="not_yet_treated" if said or control_group == "not_yet" else "never_treated",
        base_period="universal",
        cluster=sample.cluster,
        estimation_method=method,
        anticipation=anticipation,
    )
    fit, notes = sample.run(name, model)
    by_cohort, events = sample.averaged(name, fit)
    study = _events(events.to_dataframe(), sample, name, events.vcov, events.vcov_index, base)
    att, error = fit.att, fit.se
    if aggregate == "dynamic":
        att, error = study.average()
    elif aggregate == "group":
        first = sample.frame.drop_duplicates("u")["first"]
        size = first[first > 0].map(sample.panel.label).value_counts().reindex(by_cohort.index)
        att, error = float((by_cohort["estimate"] * size).sum() / size.sum()), np.nan
    return sample.result(
        name,
        att,
        error,
        event_study=study,
        by_cohort=by_cohort,
        by_cell=_by_cell(fit.group_time_effects, sample),
        notes=(*said, *notes, *_anticipated(anticipation)),
    )


@on_panel("outcome", "cohort", "controls", weighted=True)
def sun_abraham(panel: Panel, *, anticipation: int = 0) -> AttResult:
    """Estimate an event study by cohort in one regression, and weight cohorts by their size.

    Parameters, returns and errors as :func:`two_way`; never-treated units are the controls.

    Notes
    -----
    Sun and Abraham (2021), the interaction-weighted estimator.

    Examples
    --------
    >>> frame = pd.DataFrame({"city": np.repeat(range(8), 4), "year": [1, 2, 3, 4] * 8})
    >>> frame["zone"] = frame["city"].map({0: 3, 1: 3, 2: 4, 3: 4})
    >>> frame["y"] = frame["city"] * frame["year"] % 5 / 10 + 2 * (frame["year"] >= frame["zone"])
    >>> round(sun_abraham(frame, "y", "zone").att, 3)
    2.067
    """
    from diff_diff import SunAbraham

    sample = _sample(panel)
    if not sample.has_never:
        raise EstimationError("no unit is never treated: Sun-Abraham has nobody to compare with")
    name, base = "Sun-Abraham", -1 - anticipation
    fit, notes = sample.run(name, SunAbraham(cluster=sample.cluster, anticipation=anticipation))
    table = _table(fit.event_study_effects)
    study = _events(table, sample, name, fit.event_study_vcov, fit.event_study_vcov_index, base)
    if not np.isfinite(fit.att):
        since = (plain := sample.frame)["t"] - plain["first"].where(plain["first"] > 0)
        if lost := len(sample.cohorts) - plain.loc[since == base, "first"].nunique():
            raise EstimationError(
                f"{name}: {lost} cohort(s) have no row in the last {panel.time} before "
                "adoption, with which the others are compared"
            )
    return sample.result(name, fit.att, fit.se, event_study=study, notes=notes)


@on_panel("outcome", "cohort", "controls", weighted=True)
def imputation(panel: Panel, *, anticipation: int = 0) -> AttResult:
    """Impute the untreated outcome of treated cells from all untreated ones; average the gap.

    Parameters, returns and errors as :func:`two_way`.  The comparison uses all periods
    before adoption, so its event study has no coefficient before.

    Notes
    -----
    Borusyak, Jaravel and Spiess (2024).
    """
    from diff_diff import ImputationDiD

    sample, name = _sample(panel), "imputation"
    fit, notes = sample.run(name, ImputationDiD(cluster=sample.cluster, anticipation=anticipation))
    by_cohort, events = sample.averaged(name, fit)
    return sample.result(
        name,
        fit.att,
        fit.se,
        event_study=_events(events.to_dataframe(), sample, name),
        by_cohort=by_cohort,
        notes=(*notes, *_anticipated(anticipation)),
    )


@on_panel("outcome", "cohort", "controls", controlled=False)
def dechaisemartin_dhaultfoeuille(panel: Panel) -> AttResult:
    """Compare switchers with units whose treatment has not changed yet, horizon by horizon.

    Parameters
    ----------
    panel : Panel
        As in :func:`two_way`, without controls and weights.

    Raises
    ------
    EstimationError
        As :func:`two_way`; controls, weights, or a unit that is not seen in the first period.

    Notes
    -----
    De Chaisemartin and D'Haultfoeuille (2020, 2024), without controls; the average effect
    weights horizons by their switchers.  Units need every period between the first and
    last in which they are seen.  The average's standard error sums the influence of each unit
    (cluster) over all horizons, which share their switchers and are far from independent.

    Examples
    --------
    >>> frame = pd.DataFrame({"city": np.repeat(range(8), 4), "year": [1, 2, 3, 4] * 8})
    >>> frame["zone"] = frame["city"].map({0: 3, 1: 3, 2: 4, 3: 4})
    >>> frame["y"] = frame["city"] * frame["year"] % 5 / 10 + 2 * (frame["year"] >= frame["zone"])
    >>> round(dechaisemartin_dhaultfoeuille(frame, "y", "zone").att, 3)
    2.058
    """
    from diff_diff import ChaisemartinDHaultfoeuille

    name = "de Chaisemartin-D'Haultfoeuille"
    sample = _sample(panel)
    plain = sample.frame
    late = sample.n_units - plain.loc[plain["t"] == 1, "u"].nunique()
    if late:
        raise EstimationError(
            f"{name} needs every {panel.unit} in the first {panel.time} of the panel: {late} have "
            "no row there"
        )
    horizon = int(plain["t"].max() - min(sample.cohorts) + 1)
    if not sample.has_never:  # after the last adoption nobody is left to compare with
        horizon = int(plain["first"].max() - plain["first"].min())
    fit, notes = _fit(
        name,
        # without its two-way diagnostic, which takes most of its time and is not read here
        lambda: ChaisemartinDHaultfoeuille(twfe_diagnostic=False).fit(
            plain.astype({"d": int}), **sample.keys, treatment="d", L_max=max(horizon, 1)
        ),
    )
    att, error = _mean_of_switchers(plain, sample.panel.clusters[0])
    if not np.isclose(att, fit.att, rtol=1e-8, atol=1e-12):
        error, why = np.nan, "no standard error of the average: units have gaps in time"
        notes = (*notes, why)
    effects = (fit.event_study_effects or {}) | (fit.placebo_event_study or {})
    seen = {k - 1: e for k, e in effects.items() if np.isfinite(e["effect"])}
    study = _events(_table(seen), sample, name)
    return sample.result(name, fit.att, error, event_study=study, notes=notes)


def _mean_of_switchers(plain: pd.DataFrame, clusters: np.ndarray) -> tuple[float, float]:
    """Return the mean effect over switchers and horizons, and its clustered standard error.

    Every pair of a cohort and a later period compares two means of changes, of the cohort
    and of those not treated by then.  All of these are sums over units, so that the
    influence of a unit on their mean is known in closed form, whatever horizons share.
    """
    wide = plain.pivot(index="u", columns="t", values="y").to_numpy(float)
    by_unit = plain.assign(c=clusters).groupby("u")[["first", "c"]].first()
    first = by_unit["first"].where(by_unit["first"] > 0, np.inf).to_numpy()
    pull, cells = np.zeros(len(wide)), np.zeros(len(wide))
    for g in np.unique(first[np.isfinite(first)]).astype(int):
        for t in range(g, wide.shape[1] + 1):
            moves = wide[:, t - 1] - wide[:, g - 2]
            mine = np.isfinite(moves) & (first == g)
            clean = np.isfinite(moves) & (first > t)
            if clean.any():
                gaps = moves - moves[clean].mean()
                pull[mine] += gaps[mine]
                pull[clean] -= gaps[clean] * mine.sum() / clean.sum()  # these sum to zero
                cells += mine
    att = pull.sum() / cells.sum()
    influence = (pull - att * cells) / cells.sum()
    by_cluster = np.bincount(pd.factorize(by_unit["c"])[0], influence)
    return float(att), float(np.sqrt(by_cluster @ by_cluster))


@on_panel("outcome", "cohort", "controls", weighted=True)
def stacked(
    panel: Panel, *, window: tuple[int, int] | None = None, anticipation: int = 0
) -> AttResult:
    """Stack one clean experiment a cohort; regress with effects of their own for each.

    Parameters
    ----------
    panel : Panel
        As in :func:`two_way`.
    window : (int, int), optional
        First and last event time of an experiment.  Controls are the units that are not
        treated by its end.  Default: the whole panel, so that controls are never treated.
    anticipation : int
        As in :func:`two_way`.

    Raises
    ------
    EstimationError
        As :func:`two_way`; no experiment has a clean control.

    Notes
    -----
    Cengiz, Dube, Lindner and Zipperer (2019).  Variance weights average the experiments,
    as in any regression.  Clusters are the units, where a panel names no others, across
    experiments.

    Examples
    --------
    >>> frame = pd.DataFrame({"city": np.repeat(range(8), 4), "year": [1, 2, 3, 4] * 8})
    >>> frame["zone"] = frame["city"].map({0: 3, 1: 3, 2: 4, 3: 4})
    >>> frame["y"] = frame["city"] * frame["year"] % 5 / 10 + 2 * (frame["year"] >= frame["zone"])
    >>> round(stacked(frame, "y", "zone").att, 3)
    2.064
    """
    sample = _sample(panel)
    pile = _pile(sample, window)
    late = pile[~pile["since"].between(-anticipation, -1)]
    fit = _stacked_fit(late, late[["d", *sample.controls]])
    since = pile["since"].to_numpy(float)
    steps = [int(s) for s in np.unique(since[~np.isnan(since)])]
    study, base = None, -1 - anticipation
    if base in steps:
        times = [s for s in steps if s != base]
        dummies = pd.DataFrame({f"event {s:+d}": (since == s).astype(float) for s in times})
        events = _stacked_fit(pile, dummies.join(pile[list(sample.controls)]))
        own = slice(0, len(times))
        study = assemble(
            dict(zip(times, events.params[own].tolist(), strict=True)),
            pd.DataFrame(events.covariance[own, own], index=times, columns=times),
            reference=base,
            treated_units={s: pile.loc[since == s, "u"].nunique() for s in steps},
            nobs=len(pile),
            title=f"stacked event study of {sample.panel.outcome}",
        )
    error = float(np.sqrt(fit.covariance[0, 0]))
    return sample.result("stacked regression", fit.params[0], error, event_study=study)


def _pile(sample: _Sample, window: tuple[int, int] | None) -> pd.DataFrame:
    """Return one experiment a cohort, with numbers for its own units and periods."""
    plain, parts = sample.frame, []
    last = int(plain["t"].max())
    for number, g in enumerate(sample.cohorts):
        low, high = (
            (int(plain["t"].min()), last) if window is None else (g + window[0], g + window[1])
        )
        clean = (plain["first"] == 0) | (plain["first"] > high)
        rows = plain[((plain["first"] == g) | clean) & plain["t"].between(low, high)]
        if clean.any() and (rows["first"] == g).any() and (rows["first"] != g).any():
            mine = rows["first"] == g
            parts.append(
                rows.assign(
                    stack=number,
                    d=(mine & (rows["t"] >= g)).astype(float),
                    since=(rows["t"] - g).where(mine).astype(float),
                )
            )
    if not parts:
        raise EstimationError("no cohort has a clean control: name a shorter window")
    return pd.concat(parts, ignore_index=True)


def _stacked_fit(pile: pd.DataFrame, slopes: pd.DataFrame) -> LeastSquares:
    units, periods = (pile.groupby(["stack", key]).ngroup().to_numpy() for key in "ut")
    span = ColumnSpace.of(
        units, periods, weights=pile["w"].to_numpy(float) if "w" in pile else None
    )
    values = slopes.to_numpy(float)
    values = check_slopes(span, values, [str(c) for c in slopes], "unit", "period of an experiment")
    clusters = pd.factorize(pile["c" if "c" in pile else "u"])[0]
    return regress(span, pile["y"].to_numpy(), values, clusters)


@on_panel("outcome", "cohort", "controls", controlled=False)
def synthetic(panel: Panel, *, seed: int = 0, draws: int = 200) -> AttResult:
    """Estimate by synthetic difference-in-differences: weighted controls, weighted periods.

    Parameters
    ----------
    panel : Panel
        As in :func:`two_way`; balanced, its treated units start at once, and it has neither
        controls nor weights.
    seed, draws : int
        Of the placebo standard error.

    Raises
    ------
    EstimationError
        As :func:`two_way`; an unbalanced panel, or several cohorts.

    Notes
    -----
    Arkhangelsky, Athey, Hirshberg, Imbens and Wager (2021), algorithms 1 and 4.  The
    placebo variance needs more controls than treated units.

    Examples
    --------
    >>> frame = pd.DataFrame({"city": np.repeat(range(8), 4), "year": [1, 2, 3, 4] * 8})
    >>> frame["zone"] = frame["city"].map({0: 3, 1: 3})
    >>> frame["y"] = frame["city"] * frame["year"] % 5 / 10 + 2 * (frame["year"] >= frame["zone"])
    >>> round(synthetic(frame, "y", "zone").att, 3)
    2.119
    """
    from diff_diff import SyntheticDiD

    name = "synthetic DID"
    sample = _sample(panel)
    if not sample.balanced:
        raise EstimationError(f"{name} needs a balanced panel: every unit in every period")
    if len(sample.cohorts) > 1 or not sample.has_never:
        raise EstimationError(f"{name} needs one cohort and units that are never treated")
    plain = sample.frame.assign(ever=(sample.frame["first"] > 0).astype(int))
    after = [int(t) for t in sorted(plain["t"].unique()) if t >= sample.cohorts[0]]
    model = SyntheticDiD(seed=seed, n_bootstrap=draws)
    fit, notes = _fit(
        name, lambda: model.fit(plain, **sample.keys, treatment="ever", post_periods=after)
    )
    error, said = float(fit.se), tuple[str, ...]()
    donors = sample.n_units - sample.n_treated
    if donors <= sample.n_treated:
        error = np.nan
        said = (
            f"no standard error: placebos need more untreated {panel.unit} than the "
            f"{sample.n_treated} treated, and there are {donors}",
        )
    return sample.result(name, fit.att, error, notes=(*said, *notes))


def _anticipated(periods: int) -> tuple[str, ...]:
    """Say what an average of another package takes in."""
    return (f"the average takes in {periods} periods before adoption",) if periods else ()


def _by_cell(cells: Mapping[tuple[Any, Any], Mapping[str, Any]], sample: _Sample) -> pd.DataFrame:
    """Return effects of each cohort in each period, under the frame's names of the periods."""
    name = sample.panel.label
    rows = [
        (name(g), name(t), float(cell["effect"]), float(cell["se"]))
        for (g, t), cell in sorted(cells.items())
        if np.isfinite(cell["effect"])
    ]
    return pd.DataFrame(rows, columns=["cohort", "period", "estimate", "std_error"])


def _by_cohort(table: pd.DataFrame, sample: _Sample) -> pd.DataFrame:
    """Return effects by cohort, under the names that the frame gives the periods."""
    ranks = table["label"].astype(float).astype(int)
    return pd.DataFrame(
        {"estimate": table["att"].to_numpy(float), "std_error": table["se"].to_numpy(float)},
        index=pd.Index([sample.panel.label(k) for k in ranks], name="cohort"),
    )


def _table(effects: Mapping[Any, Mapping[str, float]]) -> pd.DataFrame:
    """Return effects by event time as :func:`_events` takes them."""
    att, se = ([float(e[name]) for e in effects.values()] for name in ("effect", "se"))
    return pd.DataFrame({"event_time": [int(k) for k in effects], "att": att, "se": se})


def _events(
    table: pd.DataFrame,
    sample: _Sample,
    name: str,
    covariance: np.ndarray | None = None,
    labels: Sequence[int] | None = None,
    reference: int = -1,
) -> EventStudyResult:
    """Turn another package's event study into ours; the reference is the period before."""
    rows = table[(table["event_time"] != reference) & np.isfinite(table["att"].astype(float))]
    times = [int(t) for t in rows["event_time"]]
    known = pd.DataFrame(np.nan, index=times, columns=times)
    if covariance is not None and labels is not None:
        named = [int(k) for k in labels]
        full = pd.DataFrame(np.asarray(covariance, float), index=named, columns=named)
        known = full.reindex(index=times, columns=times)
    return assemble(
        dict(zip(times, rows["att"].astype(float), strict=True)),
        known,
        std_errors=dict(zip(times, rows["se"].astype(float), strict=True)),
        reference=reference,
        treated_units=sample.treated_units,
        nobs=len(sample.frame),
        title=f"{name}: event study of {sample.panel.outcome}",
    )


#: The estimators by the name of their function.
ESTIMATORS: Mapping[str, Callable[..., AttResult]] = {
    "two_way": two_way,
    "callaway_santanna": callaway_santanna,
    "sun_abraham": sun_abraham,
    "imputation": imputation,
    "stacked": stacked,
    "dechaisemartin_dhaultfoeuille": dechaisemartin_dhaultfoeuille,
    "synthetic": synthetic,
}


@dataclass(frozen=True, kw_only=True, repr=False)
class Comparison(CoefficientResult):
    """Several estimators on one sample; a coefficient is an estimator's average effect.

    Attributes
    ----------
    results : dict of str to AttResult
        Those that had an answer, by the name of their function.
    refusals : dict of str to str
        Why the others had none.
    """

    results: dict[str, AttResult]
    refusals: dict[str, str] = field(default_factory=dict)

    @property
    def table(self) -> pd.DataFrame:  # type: ignore[override]  # computed, not stored
        """One row an estimator that had an answer; estimate, error, p value, interval."""
        return super().summary.drop(columns="stars").rename_axis("estimator")

    # a table of its own: as every result, not as one of coefficients
    summary = Result.summary
    _head = Result._head

    @property
    def _remarks(self) -> list[str]:
        return [*(f"{name}: {why}" for name, why in self.refusals.items()), *super()._remarks]


def _notes_of(results: Sequence[AttResult]) -> tuple[str, ...]:
    """Return what estimators remark, once where all say it, else with their names."""
    said: dict[str, list[str]] = {}
    for result in results:
        for note in result.notes:
            said.setdefault(note, []).append(result.estimator)
    everyone = len(results)
    return tuple(
        note if len(names) == everyone else f"{', '.join(names)}: {note}"
        for note, names in said.items()
    )


@on_panel("outcome", "cohort", "controls", weighted=True)
def compare(
    panel: Panel,
    *,
    estimators: Sequence[str] | Mapping[str, Callable[[Panel], AttResult]] | None = None,
    control_group: str | None = None,
) -> Comparison:
    """Run several estimators on one sample; a refusal is kept with its reason.

    Parameters
    ----------
    panel : Panel
        As in :func:`two_way`; estimators that know no controls refuse where there are some.
    estimators : sequence of str, or mapping, optional
        Names from :data:`ESTIMATORS`, or what to run by name; all of them, if not given.
    control_group : {"never", "not_yet"}, optional
        Of :func:`callaway_santanna`.

    Raises
    ------
    EstimationError
        If a name is unknown, or no estimator has an answer.
    """
    _ = panel.first  # a cohort that no estimator can read is refused once
    if not isinstance(estimators, Mapping):
        names = list(ESTIMATORS) if estimators is None else list(estimators)
        unknown = [n for n in names if n not in ESTIMATORS]
        if unknown:
            raise EstimationError(
                f"unknown estimators {', '.join(unknown)}: use {', '.join(ESTIMATORS)}"
            )
        estimators = {n: ESTIMATORS[n] for n in names}
        if "callaway_santanna" in estimators:
            chosen = partial(callaway_santanna, control_group=control_group)
            estimators["callaway_santanna"] = chosen
    results, refusals = {}, {}
    for name, run in estimators.items():
        try:
            results[name] = run(panel)
        except EstimationError as error:
            refusals[name] = str(error)
    if not results:
        raise EstimationError("; ".join(f"{n}: {why}" for n, why in refusals.items()))
    answers = {r.estimator: r for r in results.values()}
    return Comparison(
        params=pd.Series({name: r.estimate for name, r in answers.items()}),
        std_errors=pd.Series({name: r.std_error for name, r in answers.items()}),
        nobs=max(r.nobs for r in answers.values()),
        title=f"effect on {panel.outcome}, by estimator",
        notes=_notes_of(list(answers.values())),
        results=results,
        refusals=refusals,
    )
