"""Tests that proposals could be put to, and the effects that they would see."""

from dataclasses import replace

import numpy as np
import pytest

from ftz import size_and_power
from ftz.errors import EstimationError
from study import policy, published, trials


@pytest.fixture(scope="module")
def record():
    return published.load()


@pytest.fixture(scope="module")
def designs(record):
    return trials.load(record)


def test_every_design_tests_proposals_of_the_list(designs):
    proposals = policy.load().proposals
    for design in designs:
        assert design.proposals and set(design.proposals) <= set(proposals.index)


def test_a_number_of_units_comes_from_the_print(designs, record):
    """179 services in the catalogue, 140 on the platform (part 4.1)."""
    assert designs[0].units == 179 - 140


def test_a_common_multiple():
    """1.96 + 0.84: five percent, four cases of five."""
    assert trials._multiple() == pytest.approx(2.8016, abs=1e-4)
    with pytest.raises(EstimationError, match="between 0 and 1"):
        trials._multiple(power=80)


def test_two_groups_and_two_periods_have_a_formula(designs):
    """Half of n units served in the second period: var = 8 (1 - rho) / n in sigma squared."""
    design = replace(designs[0], units=200, periods=2, waves=1)
    spread = trials._detectable(design, rho=0.3) / trials._multiple()
    assert spread == pytest.approx(np.sqrt(8 * (1 - 0.3) / 200))


def test_a_simulation_sees_the_detectable_effect_in_four_cases_of_five(designs):
    design = replace(designs[2], units=60)
    effect, frame = trials._detectable(design, rho=0.5), trials._served(design)
    shape = size_and_power.PanelDesign.of(frame, "served", unit="unit", time="period")
    run = size_and_power.study(
        shape, effect=effect, rho=0.5, panels=2000, tests=["classical t"], seed=1
    )
    spread = effect / trials._multiple()
    assert run.estimates.std() == pytest.approx(spread, rel=0.05)
    assert (np.abs(run.estimates) > 1.96 * spread).mean() == pytest.approx(0.8, abs=0.03)


def test_more_units_see_smaller_effects(designs):
    for design in designs:
        more = replace(design, units=2 * design.units)
        assert trials._detectable(more, rho=0.5) < trials._detectable(design, rho=0.5)
    with pytest.raises(EstimationError, match="waves need more units"):
        trials._detectable(replace(designs[0], units=3), rho=0.5)


def test_a_paragraph_answers_every_question(designs):
    quotes = policy.load().proposals["quote"]
    for design in designs:
        text = design.paragraph(quotes, rho=0.5)
        assert f"({design.units})" in text
        assert f"{trials._detectable(design, rho=0.5):.2f} standard deviations" in text
        assert all(quotes[name] in text for name in design.proposals)
        said = (design.title, design.decides, design.who, design.where, design.when)
        assert all(words in text for words in (*said, design.measured, design.threat))


def test_printed_errors_follow_from_coefficient_and_statistic(record):
    """Column (9): 0.325 / 3.82."""
    seen = trials.printed_detectable(record, "(9)")
    assert seen.contains(0.325 / 3.82 * trials._multiple())
    assert float(seen.width) < 0.01
