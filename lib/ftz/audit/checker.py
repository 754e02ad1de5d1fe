"""The checker that trusts nobody.

It is written without a line of the code that makes the verdicts: it reads the printed
strings anew, recomputes each interval with its own arithmetic, holds every rational
number against the certificate's, bounds critical values by series in rational numbers,
checks that each statement has the form which the rule's theorem gives it, and that the
readings cover every case.
"""

from __future__ import annotations

import hashlib
import json
from fractions import Fraction
from math import ceil, floor, isqrt
from typing import Any

from ftz.errors import RecordError
from ftz.published import Record

FORMAT = 1


def digest(body: dict[str, Any]) -> str:
    """Return the hash of a certificate's contents."""
    text = json.dumps(body, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


Ends = tuple[Fraction | None, Fraction | None]


class CertificateError(RecordError):
    """A certificate does not prove what it claims."""


def verify(proof: dict[str, Any], record: Record) -> None:
    """Check a certificate against the printed record.

    Parameters
    ----------
    proof : dict
        From ``ftz.audit.certificate``, or read from JSON.
    record : Record
        The published record: the printed strings are taken from here.

    Raises
    ------
    CertificateError
        At the first thing that does not hold, saying what.
    """
    keys = {"format", "paper", "rule", "title", "cells", "branches", "sha256"}
    _demand(isinstance(proof, dict) and set(proof) == keys, "the certificate is not complete")
    body = {k: v for k, v in proof.items() if k != "sha256"}
    _demand(digest(body) == proof["sha256"], "its digest is not that of its contents")
    _demand(proof["format"] == FORMAT, f"format {proof['format']!r} is not known")
    cells = _read_cells(proof["cells"], record)
    _demand(len(proof["branches"]) > 0, "it has no branch")
    for branch in proof["branches"]:
        _verify_branch(branch, cells)
    _FORMS.get(proof["rule"], _any_form)(proof)


def _demand(holds: bool, otherwise: str) -> None:
    if not holds:
        raise CertificateError(f"the certificate fails: {otherwise}")


def _read_cells(listed: dict[str, list[str]], record: Record) -> dict[str, Ends]:
    """Take the printed strings from the record and turn them into intervals."""
    cells = {}
    for name, (text, stars, kind) in listed.items():
        printed = record.get(name)
        same = (printed.text, printed.stars, printed.kind) == (text, stars, kind)
        _demand(same, f"the record prints {name} otherwise")
        cells[name] = _printed_interval(text, kind)
    return cells


def _printed_interval(text: str, kind: str) -> Ends:
    digits = text.replace(",", "").removesuffix("+")
    if kind not in {"rounded", "count", "over", "under"}:
        return (None, None)
    value = Fraction(digits)
    if kind == "count":
        return value, value
    if kind == "over":
        return value, None
    if kind == "under":
        return None, value
    half = Fraction(1, 2 * 10 ** len(digits.partition(".")[2]))
    return value - half, value + half


def _verify_branch(branch: dict[str, Any], cells: dict[str, Ends]) -> None:
    left = _side(branch["left"], cells)
    relation = branch["relation"]
    if relation == "is whole":
        low, high = left
        _demand(low is not None and high is not None, "an end is missing")
        _demand(ceil(low) > high, "a whole number lies in the interval")  # type: ignore[arg-type, operator]
        return
    right = _side(branch["right"], cells)
    apart = {
        "equals": _below(left, right) or _below(right, left),
        "at most": _below(right, left),
        "less than": _below(right, left) or (right[1] is not None and right[1] == left[0]),
    }
    _demand(apart.get(relation, False), f"'{branch['says']}' is not contradicted")


def _below(a: Ends, b: Ends) -> bool:
    return a[1] is not None and b[0] is not None and a[1] < b[0]


def _side(side: dict[str, Any], cells: dict[str, Ends]) -> Ends:
    """Recompute one side and hold it against the ends that are claimed."""
    low, high = (None if end is None else Fraction(end) for end in side["interval"])
    if _has_critical(side["expression"]):
        # the claimed enclosure of a critical value is proved, not recomputed
        _prove_critical(side["expression"], low, high)
        return low, high
    found = _evaluate(side["expression"], cells)
    _demand(found == (low, high), "an interval is not what its expression gives")
    return found


def _has_critical(tree: list[Any]) -> bool:
    return bool(tree[0] == "critical")


def _evaluate(tree: list[Any], cells: dict[str, Ends]) -> Ends:
    head, *parts = tree
    if head == "cell":
        _demand(parts[0] in cells, f"the cell {parts[0]} is not listed")
        return cells[parts[0]]
    if head == "number":
        return Fraction(parts[0]), Fraction(parts[0])
    ends = [_evaluate(part, cells) for part in parts]
    if head in {"+", "-"} and len(ends) == 2:
        (a, b), (c, d) = ends
        c, d = (c, d) if head == "+" else (_minus(d), _minus(c))
        return _add(a, c), _add(b, d)
    _demand(all(e is not None for pair in ends for e in pair), "an end is missing")
    if head in {"square", "size"}:
        (a, b) = ends[0]
        inside = a <= 0 <= b  # type: ignore[operator]
        values = [a * a, b * b] if head == "square" else [abs(a), abs(b)]  # type: ignore[operator, arg-type]
        return (Fraction(0) if inside else min(values)), max(values)
    _demand(head in {"*", "/"} and len(ends) == 2, f"{head!r} is no operation")
    (a, b), (c, d) = ends
    if head == "/":
        _demand(not c <= 0 <= d, "a divisor contains zero")  # type: ignore[operator]
        c, d = 1 / Fraction(d), 1 / Fraction(c)  # type: ignore[arg-type]
    products = [x * y for x in (a, b) for y in (c, d)]  # type: ignore[operator]
    return min(products), max(products)


def _minus(x: Fraction | None) -> Fraction | None:
    return None if x is None else -x


def _add(x: Fraction | None, y: Fraction | None) -> Fraction | None:
    return None if x is None or y is None else x + y


# --- critical values, bounded by series in rational numbers ---------------------------------


def _prove_critical(tree: list[Any], low: Fraction | None, high: Fraction | None) -> None:
    """Prove that a critical value lies between two rational numbers.

    The two-sided tail beyond ``low`` must exceed the level, that beyond ``high`` must
    fall short of it.
    """
    level, df = Fraction(tree[1]), tree[2]
    _demand(low is not None and high is not None and 0 < low < high, "no enclosure")
    tail = _normal_tail if df is None else _t_tail
    # shorter numbers, rounded to the side on which the claim is harder
    grid = 10**12
    low, high = Fraction(ceil(low * grid), grid), Fraction(floor(high * grid), grid)  # type: ignore[operator]
    _demand(tail(low, df)[0] > level, "the lower end is above the critical value")
    _demand(tail(high, df)[1] < level, "the upper end is below the critical value")


def _sqrt(x: Fraction, digits: int = 40) -> tuple[Fraction, Fraction]:
    """Enclose a square root."""
    scale = 10**digits
    floor = isqrt(x.numerator * scale * scale // x.denominator)
    return Fraction(floor, scale), Fraction(floor + 1, scale)


def _arctan(x: Fraction, terms: int = 80) -> tuple[Fraction, Fraction]:
    """Enclose arctan by its alternating series, for 0 <= x <= 1/2."""
    total, power = Fraction(0), x
    for k in range(terms):
        total += power / (2 * k + 1) * (-1) ** k
        power *= x * x
    rest = power / (2 * terms + 1)
    return total - rest, total + rest


def _pi() -> tuple[Fraction, Fraction]:
    """Enclose pi by Machin's formula."""
    a, b = _arctan(Fraction(1, 5)), _arctan(Fraction(1, 239))
    return 16 * a[0] - 4 * b[1], 16 * a[1] - 4 * b[0]


def _normal_tail(x: Fraction, df: None = None) -> tuple[Fraction, Fraction]:
    """Enclose P(|Z| > x): one less sqrt(2/pi) times an alternating series."""
    total, term, k = Fraction(0), x, 0
    while k < 20 or abs(term) / (2 * k + 1) > Fraction(1, 10**20):
        total += term / (2 * k + 1)
        k += 1
        term = -term * x * x / (2 * k)
    rest = abs(term) / (2 * k + 1)
    pi = _pi()
    root = _sqrt(2 / pi[1])[0], _sqrt(2 / pi[0])[1]
    return 1 - root[1] * (total + rest), 1 - root[0] * (total - rest)


def _t_tail(x: Fraction, df: int) -> tuple[Fraction, Fraction]:
    """Enclose P(|T| > x) for whole degrees of freedom by the closed form.

    Abramowitz and Stegun (1964), 26.7.3 and 26.7.4, with theta = arctan(x / sqrt(df)).
    """
    _demand(isinstance(df, int) and df >= 1, "degrees of freedom must be whole")
    cos2, sin2 = Fraction(df) / (df + x * x), x * x / (df + x * x)
    sine = _sqrt(sin2)
    if df % 2 == 0:
        total, term = Fraction(0), Fraction(1)
        for j in range(1, df // 2 + 1):
            total += term
            term *= cos2 * Fraction(2 * j - 1, 2 * j)
        return 1 - sine[1] * total, 1 - sine[0] * total
    cosine = _sqrt(cos2)
    total, term = Fraction(0), Fraction(1)
    for j in range(1, (df - 1) // 2 + 1):
        total += term
        term *= cos2 * Fraction(2 * j, 2 * j + 1)
    theta = _angle(sine, cosine)
    pi = _pi()
    low = 2 / pi[1] * (theta[0] + sine[0] * cosine[0] * total)
    high = 2 / pi[0] * (theta[1] + sine[1] * cosine[1] * total)
    return 1 - high, 1 - low


def _angle(
    sine: tuple[Fraction, Fraction], cosine: tuple[Fraction, Fraction]
) -> tuple[Fraction, Fraction]:
    """Enclose the angle by halving it twice: tan(t/2) = sin / (1 + cos)."""
    low, high = sine[0] / (1 + cosine[1]), sine[1] / (1 + cosine[0])
    factor = 2
    while high > Fraction(1, 2):
        low = (low / (1 + _sqrt(1 + low * low)[1])).limit_denominator(10**36)
        high = (high / (1 + _sqrt(1 + high * high)[0])).limit_denominator(10**36)
        low, high = low - Fraction(1, 10**35), high + Fraction(1, 10**35)
        factor *= 2
    low, high = low.limit_denominator(10**36), high.limit_denominator(10**36)
    slack = Fraction(1, 10**35)
    return factor * _arctan(low)[0] - slack, factor * _arctan(high)[1] + slack


# --- the form that each rule's theorem gives its statement ---------------------------------


def _place(name: str) -> tuple[str, str, str, str]:
    """Return table, row, column and statistic; a row or column may hold a slash."""
    _, table, *middle, statistic = name.split("/")
    return table, middle[0], "/".join(middle[1:]), statistic


def _any_form(proof: dict[str, Any]) -> None:
    """Demand a premise in words for declared statements; a person must judge it."""
    _demand(all(b["says"] or proof["title"] for b in proof["branches"]), "no premise is named")


def _quotient_form(proof: dict[str, Any]) -> None:
    """Effect over error against the statistic, all three from one place."""
    (branch,) = proof["branches"]
    head, effect, error = branch["left"]["expression"]
    statistic = branch["right"]["expression"]
    _demand(branch["relation"] == "equals" and head == "/", "the form is not effect / error = t")
    names = [part[1] for part in (effect, error, statistic)]
    places = [_place(n) for n in names]
    _demand(len({p[:3] for p in places}) == 1, "the three cells are not from one place")
    _demand([p[3] for p in places] == ["coef", "se", "statistic"], "the cells are mixed up")


def _stars_form(proof: dict[str, Any]) -> None:
    """One reading each for the normal distribution and every candidate t."""
    marks = {stars for _, stars, _ in proof["cells"].values() if stars}
    levels = {"***": "1/100", "**": "1/20", "*": "1/10", "": None}
    (mark,) = marks or {""}
    for branch in proof["branches"]:
        sides = [branch["left"]["expression"], branch["right"]["expression"]]
        found = [s for s in sides if s[0] == "critical"]
        _demand(len(found) == 1, "a critical value is missing")
        needs_more = sides[0][0] == "critical"
        order = ["", "*", "**", "***"]
        wanted = levels[mark] if needs_more else levels[order[order.index(mark) + 1]]
        _demand(found[0][1] == wanted, "the level is not that of the stars")
        _demand(branch["assume"] == _named(found[0][2]), "a reading is named otherwise")
    _demand("the normal distribution" in [b["assume"] for b in proof["branches"]], "no normal")


def _named(df: int | None) -> str:
    return "the normal distribution" if df is None else f"t with {df} degrees of freedom"


def _mediation_form(proof: dict[str, Any]) -> None:
    """Direct effect plus a times b against the total effect: all four are coefficients."""
    (branch,) = proof["branches"]
    head, direct, product = branch["left"]["expression"]
    _demand(head == "+" and product[0] == "*" and branch["relation"] == "equals", "wrong form")
    total = branch["right"]["expression"]
    names = [e[1] for e in (direct, product[1], product[2], total)]
    _demand(len(set(names)) == 4, "the four cells are not different")
    _demand(all(_place(n)[3] == "coef" for n in names), "a cell is no coefficient")
    rows = [_place(n)[1] for n in names]
    _demand(rows[0] == rows[1] == rows[3] != rows[2], "treatment and mediator are mixed up")
    _demand(_place(names[0])[2] == _place(names[2])[2], "direct effect and b are of two columns")


def _classical_form(proof: dict[str, Any]) -> None:
    """Rebuild the nested-columns identity from its cells, once for each count of effects."""
    counts = []
    for branch in proof["branches"]:
        assume = branch["assume"].split()
        _demand(assume[1:] == ["absorbed", "effects"], "a branch names no count of effects")
        counts.append(int(assume[0]))
        implied, printed = branch["left"]["expression"], branch["right"]["expression"]
        _demand(implied == _identity(implied), "the left side is not the identity")
        short, long, _, _ = _identity_cells(implied)
        _demand(printed == _variance_tree(long), "the right side is another coefficient")
        _demand(_place(short)[1] == _place(long)[1], "the two columns show two coefficients")
        _demand(branch["relation"] == "equals", "the identity is an equality")
    frees = [_df(b["left"]["expression"]) for b in proof["branches"]]
    covered = len(counts) > _MOST_EFFECTS or frees[-1] == 1
    _demand(counts == list(range(len(counts))) and covered, "a count of effects is left out")
    _check_degrees(proof)


#: Counts of absorbed effects that a proof must cover, from none to this many.
_MOST_EFFECTS = 40


def _check_degrees(proof: dict[str, Any]) -> None:
    """Within a column, degrees of freedom fall by one with each absorbed effect."""
    totals: dict[str, int] = {}
    for branch in proof["branches"]:
        tree = branch["left"]["expression"]
        column = _place(_identity_cells(tree)[1])[2]
        whole = int(branch["assume"].split()[0]) + _df(tree)
        _demand(totals.setdefault(column, whole) == whole, "degrees of freedom do not add up")


def _variance_tree(coefficient: str) -> list[Any]:
    statistic = coefficient.rsplit("/", 1)[0] + "/statistic"
    return ["square", ["/", ["cell", coefficient], ["cell", statistic]]]


def _identity_cells(tree: list[Any]) -> tuple[str, str, str, int]:
    """Read short coefficient, long coefficient, entering statistic and df from the left side."""
    try:
        moved = tree[2]
        short, long = moved[1][1][1][1], moved[1][1][2][1]
        entering = moved[2][1][1]
        return short, long, entering, _df(tree)
    except (IndexError, TypeError):
        raise CertificateError("the certificate fails: the identity cannot be read") from None


def _df(tree: list[Any]) -> int:
    # ((1 + t^2/df) * df/(df+1)) stands under the short column's variance
    return int(tree[1][2][1][2][2][1])


def _identity(tree: list[Any]) -> list[Any]:
    """Rebuild the left side from the cells that it names."""
    short, long, entering, df = _identity_cells(tree)
    t2 = ["square", ["cell", entering]]
    one = ["+", ["number", "1"], ["/", t2, ["number", str(df)]]]
    ratio = ["*", one, ["number", str(Fraction(df, df + 1))]]
    moved = ["/", ["square", ["-", ["cell", short], ["cell", long]]], t2]
    return ["+", ["/", _variance_tree(short), ratio], moved]


_FORMS = {
    "statistic": _quotient_form,
    "stars": _stars_form,
    "mediation": _mediation_form,
    "classical errors": _classical_form,
}
