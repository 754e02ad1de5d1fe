"""Which sections of the chapters a study can fill, and why not the others.

Nothing is decided by rules of thumb: each section's estimate is run, and a section is
left out when its estimator refuses, with the estimator's own words in its place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ftz.errors import EstimationError, FtzError
from ftz.inference import ENUMERATE_UP_TO
from ftz.inference.assignments import counted
from ftz.own import estimates
from ftz.own.study import Study


@dataclass(frozen=True)
class Refusal:
    """What stands on a page where an estimator had no answer."""

    reason: str

    def __repr__(self) -> str:
        return f"No answer: {self.reason}."


#: Draws that show whether an estimator answers; the chapters draw more.
_FEW = 49


def _matching(study: Study) -> None:
    _, _, found = estimates.matches(study)
    estimates.matching_effects(study, found)


def _placebo_paths(study: Study) -> None:
    if not any(start is None for start in study.starts.values()) and len(study.cohorts) < 2:
        raise EstimationError("all units adopt at once: there is no other assignment")
    estimates.placebo(study, "units", _FEW, 0)


def _few_parts(study: Study) -> None:
    estimates.several(study, _FEW, 0)


def _simulated(study: Study) -> None:
    if study.kind != "simulated":
        raise EstimationError("the spec does not call the panel simulated")


def _enumerated(study: Study) -> None:
    count = estimates.assignments(study)
    if count > ENUMERATE_UP_TO:
        raise EstimationError(
            f"there are {counted(count)} assignments, more than the {ENUMERATE_UP_TO:,} that are "
            "enumerated: p values come from random draws of them"
        )


def _controls(study: Study) -> None:
    if not study.varying_controls:
        raise EstimationError("the spec names no covariates that vary within units")


def _clusters(study: Study) -> None:
    if study.cluster == study.unit:
        raise EstimationError("errors are clustered by unit")


#: Name of a section to what must run for it to stand.
SECTIONS: Mapping[str, Callable[[Study], object]] = {
    "simulated": _simulated,
    "controls": _controls,
    "weights": estimates.weighted,
    "clusters": _clusters,
    "score": estimates.score,
    "matching": _matching,
    "event-study": estimates.event_study,
    "honest": estimates.honest,
    "weights-of-cells": estimates.negative_weights,
    "bacon": estimates.bacon,
    "staggered": estimates.staggered,
    "paths": _placebo_paths,
    "enumerated": _enumerated,
    "bootstrap": lambda study: estimates.bootstrap(study, _FEW, 0),
    "leave-one-out": estimates.leave_one_out,
    "design": lambda study: estimates.design(study, 10, 0),
    "parts": estimates.parts,
    "several": _few_parts,
    "mediator": estimates.mediate,
    "indirect": lambda study: estimates.indirect(study, _FEW, 0),
}


#: Sections that say how, not whether; nothing is lost where they are missing.
VARIANTS = ("simulated", "clusters", "enumerated", "weights")


def missing(study: Study) -> dict[str, str]:
    """Return the sections that a study cannot fill, each with the reason.

    Raises
    ------
    EstimationError
        If not even the coefficient itself can be estimated.
    """
    estimates.coefficient(study)
    reasons = {}
    for name, run in SECTIONS.items():
        try:
            run(study)
        except FtzError as error:
            reasons[name] = " ".join(str(error).split())
    return reasons
