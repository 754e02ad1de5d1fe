"""Table 4's relations over all counts of effects, computed twice: by the audit and from scratch."""

import csv
from fractions import Fraction

import numpy as np
import pytest

from printproof.errors import RecordError
from study import nested_columns, published, replication
from study.paths import data_dir

NAMES = ["FTZ", "fe", "lnstru", "urba", "fdi", "pgdp", "const"]


@pytest.fixture(scope="module")
def study():
    return published.study("yan_ye_wang")


@pytest.fixture(scope="module")
def relations(study):
    (group,) = study.get("nested")
    return nested_columns.relations(study, group)


def printed():
    """Table 4's strings by (term, column, coef or statistic), from the file alone."""
    with (data_dir() / "published" / "yan_ye_wang.csv").open(encoding="utf-8") as handle:
        rows = [r for r in csv.DictReader(handle) if r["table"] == "table4"]
    return {
        (r["row"], int(r["column"][1]), r["statistic"]): r["printed"]
        for r in rows
        if r["row"] != "N"
    }


def interval(text):
    half = Fraction(1, 2 * 10 ** len(text.partition(".")[2]))
    return Fraction(text) - half, Fraction(text) + half


def squared(ends):
    low, high = sorted(abs(e) for e in ends)
    return (Fraction(0) if ends[0] <= 0 <= ends[1] else low * low), high * high


def variance(table, name, column):
    b, z = (squared(interval(table[name, column, s])) for s in ("coef", "statistic"))
    return b[0] / z[1], b[1] / z[0]


def from_scratch(absorbed):
    """Relations that hold at a count, by step: fractions, and no line of the library."""
    table, found = printed(), []
    for short in (1, 2, 3, 4):
        df = Fraction(85 - absorbed - (short + 2))
        t2 = squared(interval(table[NAMES[short + 1], short + 1, "statistic"]))
        ratio = [(1 + t / df) * df / (df + 1) for t in t2]
        number = 0
        for name in [*NAMES[: short + 1], "const"]:
            a, b = (interval(table[name, c, "coef"]) for c in (short, short + 1))
            moved = squared((a[0] - b[1], a[1] - b[0]))
            left, right = variance(table, name, short), variance(table, name, short + 1)
            low = left[0] / ratio[1] + moved[0] / t2[1]
            high = left[1] / ratio[0] + moved[1] / t2[0]
            number += low <= right[1] and right[0] <= high
        found.append(number)
    return found


def test_an_independent_recomputation_finds_nine_and_ten_and_no_other_count(relations):
    counts = relations.groupby(["absorbed", "step"])["holds"].sum().unstack()
    scratch = {a: from_scratch(a) for a in range(41)}
    assert counts.to_numpy().tolist() == list(scratch.values())
    assert [a for a, met in scratch.items() if met[1:] == [4, 5, 6]] == [9, 10]
    assert scratch[10] == [0, 4, 5, 6]
    assert scratch[22] == [1, 1, 1, 6]


def test_with_each_cell_one_number_ten_effects_alone_are_left(study, relations):
    """Points drawn from the printed box say the same as its exact ends: sides that cross, meet."""
    (group,) = study.get("nested")
    sharp = nested_columns.sharp_relations(study, group)
    later = sharp[sharp["step"] != "(1) to (2)"].groupby("absorbed")["holds"].sum()
    assert later.index[later == 15].tolist() == [10] and later[9] == 13
    assert not (sharp["holds"] & ~relations["holds"]).any()  # sharper, never wider
    table, rng, missed = printed(), np.random.default_rng(3), 0
    share = np.vstack([rng.random((3000, 5)), np.indices((2,) * 5).reshape(5, -1).T])
    for row in sharp.itertuples():
        short = int(row.step[1])
        terms = [(row.coefficient, short, "coef"), (row.coefficient, short + 1, "coef")]
        terms += [(row.coefficient, c, "statistic") for c in (short, short + 1)]
        terms += [(NAMES[short + 1], short + 1, "statistic")]
        ends = np.array([[float(e) for e in interval(table[t])] for t in terms])
        b, a, z, y, t = ends[:, :1] + (ends[:, 1:] - ends[:, :1]) * share.T
        df = 85 - row.absorbed - (short + 2)
        ratio = (df + t**2) / (df + 1)
        gap = (b / z) ** 2 - ratio * ((a / y) ** 2 - ((b - a) / t) ** 2)
        crosses = gap.min() <= 0 <= gap.max()
        assert row.holds or not crosses
        missed += row.holds and not crosses
    assert missed <= 2


def test_floats_find_what_fractions_find(relations):
    table = printed()
    values = np.full((2, 1, 5, 7), np.nan)
    for (name, column, statistic), text in table.items():
        values[int(statistic == "statistic"), 0, column - 1, NAMES.index(name)] = float(text)
    found = nested_columns.met(values[0], values[1], 85)[0]
    counts = relations.groupby(["absorbed", "step"])["holds"].sum().unstack()
    assert (found.sum(-1) == counts.to_numpy()).all()


def test_the_ratios_of_the_first_step_are_disjoint(study):
    (group,) = study.get("nested")
    ratios = nested_columns.variance_ratios(study, group).set_index(["step", "coefficient"])
    first = ratios.loc["(1) to (2)"].sort_values("low")
    assert list(first.index) == ["const", "fe", "FTZ"]
    assert (first["high"].to_numpy()[:-1] < first["low"].to_numpy()[1:]).all()
    low, high = ratios.loc[("(3) to (4)", "const"), ["low", "high"]]
    assert (round(float(low), 4), round(float(high), 4)) == (1.2504, 1.2562)
    for absorbed, inside in ((9, True), (10, True), (8, False), (11, False)):
        span = nested_columns.predicted_ratio(study, group, "(3) to (4)", absorbed)
        assert (span.low <= high and span.high >= low) == inside


def test_an_unknown_step_is_refused(study):
    (group,) = study.get("nested")
    with pytest.raises(nested_columns.RecordError, match="no step"):
        nested_columns.predicted_ratio(study, group, "(1) to (5)", 10)


def test_a_statistic_around_zero_and_a_bound_are_refused(study):
    with pytest.raises(RecordError, match="holds zero"):
        nested_columns._ends(study, replication.cell("table2", "FTZ", "min", "value"), divides=True)
