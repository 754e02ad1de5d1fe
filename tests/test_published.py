"""The published record: exact rounding arithmetic, look-ups, malformed files."""

from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from printproof.errors import RecordError
from printproof.printed import Interval, Printed, rounding_interval
from study import printed_parts, published

HEADER = "paper,table,row,column,statistic,printed,stars,kind,unit,where,note\n"


@st.composite
def printed_text(draw):
    digits = draw(st.integers(0, 6))
    return f"{draw(st.decimals(-1000, 1000, places=digits)):.{digits}f}"


def number(text="0.191", kind="rounded", stars=""):
    return Printed("p", "t", "r", "c", "coef", text, stars, kind, "", "somewhere", "")


def intervals():
    ends = st.tuples(st.decimals(-50, 50, places=3), st.decimals(-50, 50, places=3))
    return ends.map(lambda pair: Interval(min(pair), max(pair)))


# --- rounding ---


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("0.191", "0.1905", "0.1915"),
        ("-0.018", "-0.0185", "-0.0175"),
        ("13.05", "13.045", "13.055"),
        ("85", "84.5", "85.5"),
        ("28.920", "28.9195", "28.9205"),
        ("0.000", "-0.0005", "0.0005"),
    ],
)
def test_intervals_known_by_hand(text, low, high):
    assert rounding_interval(text) == Interval(Decimal(low), Decimal(high))


@given(printed_text())
def test_an_interval_is_one_unit_wide_around_its_number(text):
    interval = rounding_interval(text)
    assert interval.width == Decimal(1).scaleb(-len(text.partition(".")[2]))
    assert (interval.low + interval.high) / 2 == Decimal(text)


@given(st.decimals(-1000, 1000, places=9), st.integers(0, 6))
def test_whatever_rounds_to_a_text_lies_in_its_interval(exact, digits):
    for rule in (ROUND_HALF_EVEN, ROUND_HALF_UP):
        text = str(exact.quantize(Decimal(1).scaleb(-digits), rounding=rule))
        assert rounding_interval(text).contains(exact)


@given(printed_text())
def test_the_sign_mirrors_the_interval(text):
    mirrored = text[1:] if text.startswith("-") else f"-{text}"
    there, here = rounding_interval(mirrored), rounding_interval(text)
    assert (there.low, there.high) == (-here.high, -here.low)


@given(st.floats(-1000, 1000), st.integers(0, 6))
def test_a_float_reproduces_the_text_it_prints(x, digits):
    cell = number(f"{x:.{digits}f}")
    assert cell.interval.contains(x) and cell.reproduced_by(x)
    assert number(cell.format(x)).reproduced_by(x)


def test_numbers_of_any_type_are_looked_for():
    interval = rounding_interval("3")
    for value in (3, 3.0, "3.4", Decimal("3.5"), np.int64(3), np.float64(2.5), np.float32(3.25)):
        assert interval.contains(value)
    assert not interval.contains(float("nan")) and not interval.contains("3.51")


@pytest.mark.parametrize(
    "text", ["", "abc", "1/5", "inf", "nan", "0.1.2", "1_000", " 0.1", "１", "1e3", "12,34", ".5"]
)
def test_what_is_no_number_is_refused(text):
    with pytest.raises(RecordError, match="not a"):
        rounding_interval(text)


# --- interval arithmetic ---


@given(intervals(), intervals(), st.fractions(0, 1), st.fractions(0, 1))
def test_operations_contain_what_members_give(first, second, s, t):
    def member(interval, share):
        step = Decimal(share.numerator) / Decimal(share.denominator)
        return interval.low + (interval.high - interval.low) * step.quantize(Decimal("0.001"))

    x, y = member(first, s), member(second, t)
    assert (first + second).contains(x + y)
    assert (first - second).contains(x - y)
    assert (first * second).contains(x * y)


@given(intervals(), st.integers(0, 1000), st.booleans())
def test_a_quotient_contains_the_quotients(first, place, mirrored):
    second = Interval(Decimal("0.5"), Decimal("7.25"))
    divisor = second.low + second.width * place / 1000
    if mirrored:
        second, divisor = Interval(-second.high, -second.low), -divisor
    for value in (first.low, first.high):
        exact = Fraction(value) / Fraction(divisor)
        quotient = first / second
        assert Fraction(quotient.low) <= exact <= Fraction(quotient.high)


def test_half_lines_can_be_computed_with():
    over = number("60", kind="over").interval
    assert (over * over).low == 3600 and (over / over).low == 0
    zero = Interval(Decimal(0), Decimal(2))
    assert (over * zero).low == 0 and not (over * zero).high.is_finite()
    assert not (over - over).low.is_finite() and not (over + over).high.is_finite()


def test_a_quotient_is_rounded_outwards():
    third = Interval(Decimal(1), Decimal(1)) / Interval(Decimal(3), Decimal(3))
    assert Fraction(third.low) < Fraction(1, 3) < Fraction(third.high)


def test_a_divisor_with_zero_is_refused():
    with pytest.raises(RecordError, match="contains zero"):
        rounding_interval("1.0") / rounding_interval("0.00")


def test_ends_out_of_order_are_refused():
    for low, high in ((2, 1), ("nan", 1), (0, "nan")):
        with pytest.raises(RecordError, match="low <= high"):
            Interval(Decimal(low), Decimal(high))


def test_formats_outwards():
    assert f"{Interval(Decimal('0.12341'), Decimal('0.12349')):.3f}" == "[0.123, 0.124]"
    assert f"{Interval(Decimal('-0.0004'), Decimal('0.0004')):.3f}" == "[-0.001, 0.001]"
    with pytest.raises(ValueError, match=r"\.3f"):
        format(rounding_interval("1"), "g")


# --- one printed number ---


def test_reproduced_means_the_same_digits():
    cell = number("0.191")
    assert cell.reproduced_by(0.1909) and cell.reproduced_by(0.1914999)
    assert not cell.reproduced_by(0.18) and not cell.reproduced_by(0.1916)
    for tie in (0.1905, 0.1915):  # a tie counts for either digit, whatever its binary form
        assert cell.reproduced_by(tie)
    assert number("0.190").reproduced_by(0.1905) and number("0.192").reproduced_by(0.1915)
    assert number("0.000").reproduced_by(-0.0004) and number("-0.000").reproduced_by(0.0004)
    assert not cell.reproduced_by(float("nan")) and not cell.reproduced_by(float("inf"))
    assert cell.verdict(0.191) == "reproduced"
    assert cell.verdict(0.192) == "not reproduced"


def test_formats_as_printed():
    assert number("0.191").format(0.19149) == "0.191"
    assert number("0.000").format(-0.0001) == "0.000"
    assert number("0.191").format(float("nan")) == "nan"
    assert number("28.92").format(28.916) == "28.92"
    assert number("-0.000").format(-0.0004) == "0.000"
    assert number("85", kind="count").format(85.0) == "85"
    for tie, text in ((0.1905, "0.191"), (-0.1905, "-0.191"), (0.1895, "0.190")):
        assert number("0.191").format(tie) == text  # away from zero, as by hand


def test_counts_are_exact():
    cell = number("85", kind="count")
    assert cell.interval == Interval(Decimal(85), Decimal(85))
    assert cell.reproduced_by(85.0) and not cell.reproduced_by(85.4)


def test_bounds_are_half_lines_and_about_has_none():
    assert number("10500", kind="over").interval.contains(10**9)
    assert not number("10500", kind="over").interval.contains(10499)
    assert number("200", kind="under").interval.contains(199)
    with pytest.raises(RecordError, match="about"):
        _ = number("5.0", kind="about").interval
    with pytest.raises(RecordError, match="fraction"):
        _ = number("1/1000", kind="fraction").interval
    assert number("1/1000", kind="fraction").value == Decimal("0.001")
    plus = number("100+", kind="over")
    assert (plus.value, plus.decimals, plus.interval.low) == (100, 0, 100)
    with pytest.raises(RecordError, match="not a printed number"):
        _ = number("100+").value
    for text, kind in (("60", "over"), ("200", "under"), ("5.0", "about"), ("1/5", "fraction")):
        with pytest.raises(RecordError, match="no digits to reproduce"):
            number(text, kind=kind).reproduced_by(60.0)


# --- the record ---


@pytest.fixture(scope="module")
def record():
    return published.load()


def test_cells_by_table(record):
    """Known from the paper: 3 x 3; 12 x 5; 25 pairs and 5 N; 7 pairs and 6 N."""
    paper = record.select(paper="yan_ye_wang")
    tables = {t: len(paper.select(table=t)) for t in ("table1", "table2", "table4", "table5")}
    assert tables == {"table1": 9, "table2": 60, "table4": 55, "table5": 20}


def test_numbers_by_paper(record):
    """A row that is lost or entered twice shows here, whatever table it stands in."""
    assert record.frame.groupby("paper").size().to_dict() == {
        "yan_ye_wang": 163,
        "qian_wang_2023": 110,
        "mi_2024": 4,
        "chen_jiangsu": 24,
        "zhou_2024": 10,
    }


def test_a_few_cells_read_from_the_paper(record):
    cell = record.cell("yan_ye_wang", "table4", "FTZ", "(5)", "coef")
    assert (cell.text, cell.stars) == ("0.191", "***")
    assert record.get("yan_ye_wang/table2/IL/max/value").text == "28.920"
    assert (
        record.get("mi_2024/text/beijing_share_of_regional_investment/2014/value").text == "60.02"
    )


def test_transcription_agrees_with_itself(record):
    """The text repeats numbers of the tables, and sums of figure 3 stand in the text."""
    repeat = record.get("yan_ye_wang/text/effect/FTZ/coef").text
    assert repeat == record.get("yan_ye_wang/table4/FTZ/(5)/coef").text
    items = record.select(paper="qian_wang_2023", table="figure3")
    direct = sum(n.value for n in items if n.column == "direct")
    indirect = sum(n.value for n in items if n.column == "indirect")
    replicated = {
        n.column: n.value for n in record.select(paper="qian_wang_2023", row="replicated")
    }
    assert direct == replicated["direct"]
    assert direct + indirect == replicated["direct and indirect"]
    read = record.get("qian_wang_2023/figure3/batch 6/indirect/value").value
    extracted = record.get("qian_wang_2023/figure3/batch 6/indirect as extracted/value").value
    assert direct + indirect - read + extracted != replicated["direct and indirect"]


def test_table_2_could_be_a_sample(record):
    """Every mean lies within its range, and no sd exceeds what mean and range allow.

    A sample with a given mean in [min, max] has its largest variance with all rows at the
    two ends: (max - mean)(mean - min), times n / (n - 1) (Bhatia and Davis 2000).
    """
    table = record.select(paper="yan_ye_wang", table="table2")
    for row in dict.fromkeys(n.row for n in table):
        cell = {n.column: n.interval for n in table.select(row=row)}
        n = float(cell["n"].low)
        assert n == 85
        assert cell["min"].low <= cell["mean"].low and cell["mean"].high <= cell["max"].high
        most = (cell["max"] - cell["mean"]) * (cell["mean"] - cell["min"])
        assert float(cell["sd"].low) <= (float(most.high) * n / (n - 1)) ** 0.5


def test_signs_and_stars_of_the_regressions_agree_with_z(record):
    """All but the one cell of which the chapter on mechanisms speaks."""
    odd = []
    for cell in record.select(paper="yan_ye_wang", statistic="coef"):
        if cell.table in {"table4", "table5"}:
            z = record.get(cell.id.replace("/coef", "/statistic"))
            assert (cell.value < 0) == (z.value < 0), cell.id
            if cell.stars not in printed_parts.stars_allowed(z.interval):
                odd.append(cell.id)
    assert odd == ["yan_ye_wang/table5/FTZ/(8)/coef"]


def test_percentages_of_a_batch_add_up(record):
    shares = record.select(paper="qian_wang_2023", table="figure3", unit="percent")
    for batch in (f"batch {i}" for i in range(1, 7)):
        assert sum(n.value for n in shares.select(row=batch)) == 100


def test_every_number_has_a_value_and_most_an_interval(record):
    refused = 0
    for cell in record:
        assert cell.value == cell.value
        try:
            assert cell.interval.contains(cell.value)
        except RecordError:
            refused += 1
            assert cell.kind in {"about", "fraction"}
    assert 0 < refused < 15


def test_frame_and_selection(record):
    frame = record.frame
    assert len(frame) == len(record) and frame.index.is_unique
    assert set(record.select(table="table4", row="FTZ").frame["column"]) == {
        f"({j})" for j in range(1, 6)
    }
    with pytest.raises(RecordError, match="no field tabel"):
        record.select(tabel="table4")


def test_a_wrong_name_is_met_with_near_ones(record):
    with pytest.raises(RecordError, match=r"near it are .*table4/FTZ"):
        record.get("yan_ye_wang/table4/FTZ/(6)/coef")
    with pytest.raises(RecordError, match="no paper 'yan'"):
        published.load("yan")


def test_replace_changes_one_number(record):
    cell = record.get("yan_ye_wang/table4/FTZ/(5)/coef")
    changed = record.replace(type(cell)(**{**vars(cell), "text": "0.300"}))
    assert changed.get(cell.id).text == "0.300" and len(changed) == len(record)
    assert record.get(cell.id).text == "0.191"


ROW = "p,t,r,c,coef,0.1,,rounded,,here,\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEADER + ROW.replace("rounded", "guessed"), "row 2, column kind: 'guessed'"),
        (HEADER + ROW.replace("coef", "mean"), "row 2, column statistic"),
        (HEADER + ROW.replace("0.1,,", "0.1,****,"), "row 2, column stars"),
        (HEADER + ROW + ROW, "row 3: p/t/r/c/coef stands in row 2"),
        (HEADER + ROW.replace("0.1", "O.1"), "row 2, column printed"),
        (HEADER + ROW.replace("rounded", "count"), "row 2, column printed: a count is whole"),
        (HEADER + ROW.replace("0.1", "100+"), "row 2, column printed: '100\\+' is not"),
        (HEADER.replace(",note", "") + ROW[:-2] + "\n", "the columns must be"),
        (HEADER + '"p,t,r\n', "cannot be read"),
        (HEADER + ROW.replace("0.1,,rounded", "1/0,,fraction"), "row 2, column printed"),
        (HEADER + ROW.replace("p,t", "q,t"), "row 2, column paper: 'q', expected 'p'"),
        (HEADER + ROW + "p,t,r,d,coef,0.1\n", "row 3, column kind"),
        (HEADER + ROW + "\n" + ROW.replace("c,", "d,"), "row 3, column kind"),
        (HEADER + "x," + ROW, "cannot be read .*line 2"),
        (HEADER + ROW.replace("p,t", "p,"), "row 2, column table: empty"),
        ("paper,table\n", "the columns must be"),
        ("", "cannot be read"),
    ],
)
def test_malformed_files(tmp_path, text, message):
    path = tmp_path / "p.csv"
    path.write_text(text, "utf-8")
    with pytest.raises(RecordError, match=message):
        published.Record.read(path)


def test_a_missing_file_and_one_in_another_encoding(tmp_path):
    path = tmp_path / "p.csv"
    for encoding in ("latin-1", "utf-16"):
        path.write_bytes((HEADER + ROW.replace("here", "café")).encode(encoding))
        with pytest.raises(RecordError, match=r"p\.csv: cannot be read"):
            published.Record.read(path)
    with pytest.raises(RecordError, match="cannot be read"):
        published.Record.read(tmp_path / "none.csv")
