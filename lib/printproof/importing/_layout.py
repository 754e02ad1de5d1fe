"""What the rows of a printed table mean: headings, coefficients, what stands below them, notes."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from printproof._cells import read_cell
from printproof.errors import RecordError
from printproof.importing._sheet import Piece, Sheet, distinct
from printproof.reading import RESERVED
from printproof.reading import _heading_role as role

#: Brackets, and what a table calls them.
BRACKETS = {"(": "parentheses", "[": "brackets", "{": "braces"}
_NUMBERED = re.compile(r"[(\[]?\s*(\d{1,3}|[ivxIVX]{1,5})[a-z]?\s*[)\]]")
_YEAR = re.compile(r"(1[89]|20)\d\d")
#: What holds digits and is no number: 2SLS, 95% CI, 2010-2015, and what begins with a letter.
_WORD = re.compile(
    r"[^\W\d_]|[✓✗]|\d{1,2}(\s?%\s?[A-Za-z]|[A-Za-z]{2,})|(1[5-9]|20)\d\d\s*[-–—/]\s*\d{2,4}\b"
)
_NUMBER = re.compile(r"[(\[{<>≤≥=\s]*[-−–﹣－+]?\s*[.,]?\d")
#: A number in brackets with its name: (p = 0.03), [t: 2.1], (SE 0.4).
_LABELLED = re.compile(
    r"([(\[{])\s*(p|t|z|s\.?e\.?)\s*(?:[=:]\s*|\s|(?=[<>≤≥]))(?=[<>≤≥]?\s*[-−–]?\s*\.?\d)", re.I
)
_MARKS = re.compile(r"[*†‡§¶#+]{1,3}")
_PANEL = re.compile(r"\W*(panel|part|面板)\s*\W?\s*([A-Z\d]{1,3}|[一二三四五六七八九十])\b", re.I)
_NOTE = re.compile(
    r"(notes?|sources?|注释?|说明|资料来源|数据来源)\s*[:：.]?\s*$|\W*(notes?|sources?|注释?|资料来源)\s*[:：]"
    r"|[*†+]|(robust |clustered |standard |t[- ]|z[- ]|p[- ]).*(parenthes|bracket)|括号",
    re.I,
)
_DEPENDENT = re.compile(
    r"(dependent variables?|dep\.? var\.?|outcomes?|被解释变量|因变量)\s*[:：=]?\s*(.*)", re.I
)
#: Rows below the coefficients, and the name by which the rules know them.
_R2 = r"r-? ?(?:2|²|squared|sq\.?|\^2)"
_BELOW = {
    "N": r"n|obs\.?|observations?|(no|num|number|#)\.? ?(of )?obs(ervations|\.)?|sample size"
    r"|样本量|样本数|观测值|观测数|观察值",
    "R2": rf"{_R2}|拟合优度",
    "Adjusted R2": rf"(adj(usted|\.)?|调整后?的?) ?-?{_R2}|{_R2} ?(adj(usted|\.)?)",
    "F": r"f([- ]?(stat(istics?|\.)?|value|test|统计量|值))?",
    "": r"((within|between|overall|pseudo|mcfadden|centered|uncentered)\b.*r.*|log.?li.*|ll|aic"
    r"|bic|akaike.*|bayesian.*|rmse|residual std.*|chi.?(2|²).*|wald.*|hansen.*|sargan.*|cragg.*"
    r"|kleibergen.*|deviance|f[- ]stat.*|std\. ?errors?|s\.e\..*)",
}
_CONSTANT = {"(intercept)": "Intercept", "常数项": "Constant", "截距": "Constant", "_cons": "_cons"}


class NoNumbersError(RecordError):
    """A table of words."""


@dataclass
class Table:
    """A table that is understood.

    Attributes
    ----------
    title : str
    headings : list of str
    rows : dict
        Of a grid: name to one entry a heading.  Of a regression: name to a dict of columns
        with a list (a coefficient and what stands below it) or a text.
    regression : bool
    outcomes : dict
        Column to dependent variable, where the table says so.
    notes, remarks : list of str
        What is printed around the table; what was read how.
    panels : dict of str to Table
    """

    title: str = ""
    headings: list[str] = field(default_factory=list)
    rows: dict[str, dict[str, list[str] | str]] = field(default_factory=dict)
    regression: bool = False
    outcomes: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    panels: dict[str, Table] = field(default_factory=dict)

    @property
    def brackets(self) -> list[str]:
        """The brackets that stand around numbers below coefficients."""
        entries = [e for row in self.rows.values() for e in row.values() if isinstance(e, list)]
        below = {e[:1] for entry in entries for e in entry[1:] if not is_interval(e)}
        return [
            name
            for mark, name in BRACKETS.items()
            if mark in below or (mark == "(" and below - set(BRACKETS))
        ]


def is_interval(text: str) -> bool:
    """Say whether a text is a pair of ends."""
    return bool(re.fullmatch(r"[\[(].+?[;,] .+?[\])]", text))


def is_number(text: str) -> bool:
    """Say whether a cell begins as a number does, perhaps in brackets."""
    return bool(_NUMBER.match(text)) and not _WORD.match(text)


class _Layout:
    """One sheet on its way to a table."""

    def __init__(self, sheet: Sheet, decimal: str | None) -> None:
        self.sheet, self.decimal = sheet, decimal
        self.table = Table(sheet.title, notes=list(sheet.notes))
        kept = [i for i, row in enumerate(sheet.rows) if any(p.text for p in row)]
        self.breaks = {sum(k < b for k in kept) for b in sheet.breaks} - {0}
        used = [
            j
            for j in range(len(sheet.rows[0]) if kept else 0)
            if any(row[j].text and (j == 0 or row[j] is not row[j - 1]) for row in sheet.rows)
        ]
        self.rows = [[sheet.rows[i][j] for j in used] for i in kept]
        named = {p: self._unlabelled(p) for row in self.rows for p in row[1:]}
        self.rows = [[named.get(p, p) for p in row] for row in self.rows]
        if used and used[0] != 0:  # the corner and all labels are empty
            sheet.fail(self.rows[0][0], "the first column must hold the names of the rows")
        self._take_notes()

    def _unlabelled(self, piece: Piece) -> Piece:
        """Take the name off a number that bears its own, (p = 0.855), and say so."""
        text = _LABELLED.sub(r"\1", piece.text)
        if text == piece.text or not is_number(text):
            return piece
        self.table.remarks.append(f"line {piece.line}: {piece.text} is written {text}")
        return replace(piece, text=text)

    # --- rows that stand alone

    def _take_notes(self) -> None:
        """Take titles off the top and notes off the bottom."""
        while self.rows and self._alone(self.rows[0]) and self._titles(self.rows[0]):
            wide = self._words(self.rows.pop(0))
            self.table.title = f"{self.table.title} {wide}".strip()
            self.breaks = {b - 1 for b in self.breaks} - {0}
        end = 1 + max((i for i, row in enumerate(self.rows) if self._holds(row)), default=-1)
        self.table.notes = [self._words(row) for row in self.rows[end:]] + self.table.notes
        self.rows, self.breaks = self.rows[:end], {b for b in self.breaks if b < end}

    @staticmethod
    def _holds(row: list[Piece]) -> bool:
        """Say whether a row holds something beside its name, and is no note."""
        inner = [p.text for p in row[1:] if p.text and p is not row[0]]
        return (bool(inner) and not _NOTE.match(row[0].text)) and (
            bool(row[0].text) or any(map(is_number, inner))
        )

    def _titles(self, row: list[Piece]) -> bool:
        """Say whether a lonely first row is the table's title and no heading over columns."""
        words = self._words(row)
        return bool(row[0].text) and not _DEPENDENT.match(words) and not _PANEL.match(words)

    @staticmethod
    def _words(row: Sequence[Piece]) -> str:
        return " ".join(p.text for p in distinct(row))

    @staticmethod
    def _alone(row: Sequence[Piece]) -> bool:
        pieces = list(distinct(row))
        return len(pieces) == 1 and (
            row[0] is pieces[0]
            or (len(row) > 2 and row.count(pieces[0]) > 1 and not is_number(pieces[0].text))
        )

    # --- headings

    def read(self) -> Table:
        """Return the table."""
        top = self._heading_rows()
        head, body = self.rows[:top], self.rows[top:]
        if not any(is_number(p.text) for row in body for p in row[1:]):
            place = next((p for row in self.sheet.rows for p in row if p.text), Piece("", 1, 1))
            self.sheet.fail(place, "there is no row of numbers in this table", NoNumbersError)
        if all(re.fullmatch(r"[-−]?\d*[.,]\d+", row[0].text) for row in body):
            self.sheet.fail(body[0][0], "the first column holds numbers, not the names of rows")
        self.labels = self._label_columns(head, body)
        head, body = self._comments(head, body)
        groups = self._columns(head, body)
        names, outcomes = self._names(head, groups)
        repeated = len(set(names)) < len(names)
        upper = self._upper(head, groups) if repeated else []
        blocks = self._panels(head, body)
        if repeated and not upper:
            shown = "; ".join(names)
            self.table.remarks.append(f"headings are not distinct, columns are numbered: {shown}")
            names, outcomes = [f"({k})" for k in range(1, len(names) + 1)], {}
        for panel, rows in blocks:
            table = self.table if len(blocks) == 1 and not panel else Table()
            if upper:
                for part in dict.fromkeys(upper):
                    at = [k for k, u in enumerate(upper) if u == part]
                    inner = Table()
                    self._fill(inner, rows, [groups[k] for k in at], [names[k] for k in at])
                    table.panels[part] = inner
            else:
                self._fill(table, rows, groups, names)
                table.outcomes = outcomes if table.regression else {}
                if outcomes and not table.regression:
                    table.remarks.append("dependent variables: " + "; ".join(outcomes.values()))
            if table is not self.table:
                if panel in self.table.panels:
                    self.sheet.fail(rows[0][0], f"the panel {panel!r} stands twice")
                self.table.panels[panel] = table
        return self.table

    def _heading_rows(self) -> int:
        """Count the rows above the first row of numbers; a rule among them ends the headings."""

        def plain(text: str) -> bool:
            named = _NUMBERED.fullmatch(text) or _YEAR.fullmatch(text) or role(text)
            return not is_number(text) or bool(named)

        top = 0
        for row in self.rows:
            pieces = [p.text for p in row[1:] if p.text and p is not row[0]]
            counted = not row[0].text and pieces == [str(k + 1) for k in range(len(pieces))]
            if not (counted or all(map(plain, pieces))) and (row[0].text or top):
                break
            top += 1
        inside = [b for b in self.breaks if b <= top]
        return min(max(inside) if inside else top, top - (top > 0 and self._opens(top - 1)))

    def _opens(self, place: int) -> bool:
        """Say whether a row below the headings opens a part: a panel, or a line from the margin."""
        row, words = self.rows[place], self._words(self.rows[place])
        margin = place > 0 and bool(row[0].text) and not _DEPENDENT.match(words)
        return self._alone(row) and (margin or bool(_PANEL.match(words)))

    def _label_columns(self, head: list[list[Piece]], body: list[list[Piece]]) -> int:
        """Count the columns from the left that name rows: words under an empty heading."""
        count = 1
        for j in range(1, len(self.rows[0]) - 1):
            inner = [row[j].text for row in body if row[j].text and row[j] is not row[0]]
            if any(map(is_number, inner)) or any(row[j].text for row in head) or not inner:
                break
            if all(_MARKS.fullmatch(t) for t in inner):
                break
            count += 1
        return count

    def _comments(
        self, head: list[list[Piece]], body: list[list[Piece]]
    ) -> tuple[list[list[Piece]], list[list[Piece]]]:
        """Make notes of columns of words that hold digits."""
        for j in range(len(self.rows[0]) - 1, self.labels - 1, -1):
            cells = [(row[0].text, row[j].text) for row in body if row[j] is not row[j - 1]]
            texts = [text for _, text in cells]
            if any(map(is_number, texts)) or not any(c.isdigit() for t in texts for c in t):
                continue
            shown = "; ".join(f"{name}: {text}" for name, text in cells if text)
            self.table.notes.append(f"{head[-1][j].text if head else ''}: {shown}".strip(": "))
            head, body = ([row[:j] + row[j + 1 :] for row in rows] for rows in (head, body))
            self.rows = head + body
        return head, body

    def _columns(self, head: list[list[Piece]], body: list[list[Piece]]) -> list[list[int]]:
        """Return the columns of print that make one column each: with errors, stars beside."""
        groups: list[list[int]] = []
        for j in range(self.labels, len(self.rows[0])):
            cells = [row[j].text for row in body if row[j].text and row[j] is not row[j - 1]]
            beside = all(_MARKS.fullmatch(t) or t[0] in BRACKETS for t in cells)
            same = bool(head) and all(row[j].text == "" or row[j] is row[j - 1] for row in head)
            if groups and same and beside:
                groups[-1].append(j)
            else:
                groups.append([j])
        return groups

    def _names(
        self, head: list[list[Piece]], groups: list[list[int]]
    ) -> tuple[list[str], dict[str, str]]:
        """Name the columns, by (1), (2) ... where those are printed; note what else is there."""
        stacks = [list(dict.fromkeys(row[g[0]] for row in head if row[g[0]].text)) for g in groups]
        corner = " ".join(p.text for row in head for p in distinct(row[: self.labels]))
        says = [_DEPENDENT.match(p.text) for row in head for p in distinct(row)]
        dependent = any(says)
        if corner and not _DEPENDENT.match(corner):
            self.table.remarks.append(f"above the names of the rows: {corner}")
        numbers = [next((p.text for p in s if _NUMBERED.fullmatch(p.text)), "") for s in stacks]
        numbered = all(numbers) and len(set(numbers)) == len(numbers)
        texts = [
            [p.text for p in s if not (_DEPENDENT.match(p.text) or (numbered and p.text == number))]
            for s, number in zip(stacks, numbers, strict=True)
        ]
        if not any(texts) and not any(numbers):
            self.table.remarks.append("no headings are printed: columns are numbered")
            return [f"({k})" for k in range(1, len(groups) + 1)], {}
        lasts = [t[-1] if t else "" for t in texts]
        if numbered:
            names = numbers
        elif all(map(role, lasts)):
            names = lasts
        else:
            names = [", ".join(t) or f"column {k}" for k, t in enumerate(texts, start=1)]
        names = [f"{n} (heading)" if n in RESERVED else n for n in names]
        outcomes = {n: t[0] for n, t in zip(names, texts, strict=True) if dependent and t}
        inline = [m[2] for m in says if m and m[2]]
        if inline:
            outcomes = dict.fromkeys(names, inline[0])
        for n, t in zip(names, texts, strict=True):
            if rest := [h for h in t if h not in (n, *n.split(", "), outcomes.get(n))]:
                self.table.remarks.append(f"heading of {n}: {', '.join(rest)}")
        return names, outcomes

    def _upper(self, head: list[list[Piece]], groups: list[list[int]]) -> list[str]:
        """Return for each column the heading above its own, where moments stand by group."""
        stacks = [[row[g[0]].text for row in head if row[g[0]].text] for g in groups]
        if not all(s and role(s[-1]) for s in stacks):
            return []
        return [", ".join(s[:-1]) or "all" for s in stacks]

    def _panels(
        self, head: list[list[Piece]], body: list[list[Piece]]
    ) -> list[tuple[str, list[list[Piece]]]]:
        """Part the rows at lines such as Panel A; headings that are repeated below one go."""
        blocks: list[tuple[str, list[list[Piece]]]] = [("", [])]
        for row in body:
            if self._alone(row) and _PANEL.match(self._words(row)):
                blocks.append((self._words(row), []))
            elif not any(_same(row, above) for above in head):
                blocks[-1][1].append(row)
        blocks = [b for b in blocks if b[1]]
        if len(blocks) > 1 and not blocks[0][0]:
            named = (p.text for row in head for p in row if _PANEL.match(p.text))
            blocks[0] = next(named, "above the first panel"), blocks[0][1]
        return blocks

    # --- rows

    def _fill(
        self, table: Table, rows: list[list[Piece]], groups: list[list[int]], names: list[str]
    ) -> None:
        lines = list(self._lines(table, rows, groups))
        cells = [parts for _, _, line in lines for parts in line]
        table.headings = names
        grid = any(map(role, names)) and not any(len(parts) > 1 for parts in cells)
        marked = any(_stars(part.text)[1] for parts in cells for part in parts)
        table.regression = not grid and (marked or any(len(parts) > 1 for parts in cells))
        below = False
        for piece, label, line in lines:
            strict, name = _canonical(label) if table.regression else (False, label)
            name = self._unique(table, piece, name)
            if name != label:
                table.remarks.append(f"{label!r} is written {name!r}")
            below |= strict
            entries = dict(zip(names, line, strict=True))
            if not table.regression:
                table.rows[name] = {c: self._single(name, parts) for c, parts in entries.items()}
                continue
            effect = not strict and any(
                len(p) > 1 or (p and _stars(p[0].text)[1] and not below) for p in entries.values()
            ) and not below  # fmt: skip
            self._regressor(table, name, entries) if effect else self._below(table, name, entries)
        if not table.regression:
            _ends(table)

    def _lines(
        self, table: Table, rows: list[list[Piece]], groups: list[list[int]]
    ) -> Iterator[tuple[Piece, str, list[list[Piece]]]]:
        """Yield each named row with the parts of its cells; rows without a name belong to it."""
        current: tuple[Piece, str, list[list[Piece]]] | None = None
        group, above, lonely = "", [Piece("")] * self.labels, False
        self.prefix: dict[int, str] = {}
        for row in rows:
            if self._alone(row) and not is_number(self._words(row)):
                group, lonely = self._words(row), True
                table.remarks.append(f"line {row[0].line}, above the rows that follow: {group}")
                continue
            own = [p.text for p, q in zip(row[: self.labels], above, strict=True) if p is not q]
            parts = [self._parts(row, g) for g in groups]
            if current and any(own) and not lonely and _goes_on(current[2], parts):
                # a long name or, in a paper that says so, "t" in the line of the brackets
                label = (
                    " ".join([current[1], *own]) if not role(own[-1].strip("()")) else current[1]
                )
                parts = [a + b for a, b in zip(current[2], parts, strict=True)]
                current = current[0], label, parts
                continue
            if not any(own) and not lonely:
                first = next(distinct(row[self.labels :]), row[0])
                if current is None:
                    self.sheet.fail(first, "this row has no name, and none is above it")
                if not is_number(first.text) or _again(parts):
                    self.sheet.fail(first, "headings stand here again; give each part a file")
                current = (*current[:2], [a + b for a, b in zip(current[2], parts, strict=True)])
                continue
            if current:
                yield current
            above = [p if p.text else q for p, q in zip(row[: self.labels], above, strict=True)]
            shown = [p.text for p in dict.fromkeys(above) if p.text] if any(own) else [group]
            current, lonely = (row[0], ", ".join(shown), parts), False
            self.prefix[id(row[0])] = group
        if current:
            yield current

    def _unique(self, table: Table, piece: Piece, name: str) -> str:
        if name in table.rows and self.prefix.get(id(piece)):
            name = f"{self.prefix[id(piece)]}: {name}"
        if name in table.rows:
            self.sheet.fail(
                piece, f"the row {name!r} stands twice; give the rows names of their own"
            )
        if table.regression and name == "outcome":
            name = "outcome (row)"
        return name

    def _parts(self, row: list[Piece], group: list[int]) -> list[Piece]:
        """Split a cell into number and brackets; stars that stand alone join what is before."""
        found: list[Piece] = []
        for piece in distinct(row[j] for j in group):
            texts = [piece.text]
            if is_number(piece.text):
                texts = re.findall(r"[(\[{][^()\[\]{}]*[)\]}]\s*[*†‡]*|[^()\[\]{}]+", piece.text)
                whole = "".join(texts)
                if len(whole) != len(piece.text):
                    texts = [piece.text]
            for text in (t.strip() for t in texts):
                if _MARKS.fullmatch(text) and found:
                    found[-1] = replace(found[-1], text=found[-1].text + text)
                elif text:
                    found.append(replace(piece, text=text))
        return found

    def _regressor(self, table: Table, name: str, entries: dict[str, list[Piece]]) -> None:
        row: dict[str, list[str] | str] = {}
        for column, parts in entries.items():
            if not parts:
                continue
            if len(parts) == 1 and not is_number(parts[0].text):
                row[column] = self._text(parts[0])
                continue
            if parts[0].text[0] in BRACKETS:
                self.sheet.fail(parts[0], f"{parts[0].text!r} stands below no coefficient")
            inner = [_stars(p.text) for p in parts]
            stars = "".join(s for _, s in inner)
            marks = [p.text[0] for p in parts[1:] if not is_interval(p.text)]
            plain = ["(" if m not in BRACKETS else m for m in marks]
            if len(set(plain)) < len(plain):
                self.sheet.fail(parts[-1], f"{parts[-1].text!r} is one number too many in {name!r}")
            if any(s for _, s in inner[1:]):
                if len([s for _, s in inner if s]) > 1:
                    self.sheet.fail(parts[0], "stars stand at two numbers of one coefficient")
                table.remarks.append(f"stars of {name!r}, {column} stand at the second number")
            texts = [
                self._text(replace(p, text=t), mark=True)
                for p, (t, _) in zip(parts, inner, strict=True)
            ]
            row[column] = [texts[0] + stars, *texts[1:]]
        table.rows[name] = row

    def _below(self, table: Table, name: str, entries: dict[str, list[Piece]]) -> None:
        """Keep a row of numbers or words that is no coefficient, and what stands under it."""
        words = [p.text for parts in entries.values() for p in parts]
        digits = [w for w in words if any(c.isdigit() for c in w)]
        if digits and not any(map(is_number, words)) and all(map(_WORD.match, digits)):
            table.notes.append(
                f"{name}: " + "; ".join(f"{c} {p[0].text}" for c, p in entries.items() if p)
            )
            return
        for column, parts in entries.items():
            for part in parts:
                text, stars = _stars(part.text)
                freedom = re.fullmatch(r"\(df ?= ?([\d.]+)(?:[;,] ?([\d.]+))?\)", text)
                suffix = BRACKETS.get(text[:1], "") if len(parts) > 1 else ""
                if freedom:
                    for k, df in enumerate(filter(None, freedom.groups()), start=1):
                        table.rows.setdefault(f"{name}, df {k}", {})[column] = df
                    continue
                key = f"{name}, in {suffix}" if suffix else name
                if column in table.rows.get(key, {}):
                    self.sheet.fail(part, f"{part.text!r} is one number too many in {key!r}")
                table.rows.setdefault(key, {})[column] = self._text(replace(part, text=text))
                if stars:
                    table.remarks.append(f"{key!r}, {column} is printed with {stars}")
        table.rows.setdefault(name, {})

    def _single(self, name: str, parts: list[Piece]) -> str:
        if len(parts) > 1:
            self.sheet.fail(
                parts[1], f"{parts[1].text!r} is a second number in one cell of {name!r}"
            )
        return self._text(parts[0], mark=True) if parts else ""

    def _text(self, piece: Piece, *, mark: bool = False) -> str:
        """Return a cell as the record holds it, once :func:`read_cell` understands it."""
        text = piece.text
        if raised := re.search(r"(?<=[\d)*])[⁰¹²³⁴⁵⁶⁷⁸⁹ᵃᵇᶜᵈ]+$", text):
            self.table.remarks.append(f"line {piece.line}: {text} carries a footnote mark")
            text = text[: raised.start()]
        if ends := re.fullmatch(
            r"([(\[])\s*(\S.*?)\s*(?:;|, | to | – |(?<=\.\d\d),(?=-?\d*\.\d))\s*(\S.*?)\s*([)\]])",
            text,
        ):
            for end in (ends[2], ends[3]):
                self._text(replace(piece, text=end))
            return f"[{ends[2]}, {ends[3]}]"
        try:
            read_cell(text, self.decimal, coefficient=mark)
        except RecordError as error:
            option = " (--decimal , or --decimal .)" if "decimal" in str(error) else ""
            self.sheet.fail(piece, f"{error}{option}")
        return text


def _ends(table: Table) -> None:
    """Make two columns of one that prints intervals."""
    for name in list(table.headings):
        cells = [str(row[name]) for row in table.rows.values()]
        if not all(is_interval(c) or not c for c in cells) or not any(cells):
            continue
        pair = f"{name}, lower", f"{name}, upper"
        if not {"ci_low", "ci_high"} & set(map(role, table.headings)):
            pair = "ci_low", "ci_high"
            table.remarks.append(f"{name!r} is written as ci_low and ci_high")
        at = table.headings.index(name)
        table.headings = [*table.headings[:at], *pair, *table.headings[at + 1 :]]
        for key, row in table.rows.items():
            ends = ([*str(row[name])[1:-1].split(", "), "", ""])[:2]
            shown = {**row, **dict(zip(pair, ends, strict=True))}
            table.rows[key] = {c: shown[c] for c in table.headings}


def _stars(text: str) -> tuple[str, str]:
    """Split stars off a number, wherever they stand around its bracket."""
    found = re.fullmatch(r"(?!.{200})(.*?\d[\d.,]*[)\]}%]?)\s*(\*+)\s*([)\]}]?)", text)
    return (found[1] + found[3], found[2]) if found else (text, "")


def _same(row: list[Piece], other: list[Piece]) -> bool:
    return [p.text for p in row[1:]] == [p.text for p in other[1:]]


def _goes_on(above: list[list[Piece]], parts: list[list[Piece]]) -> bool:
    """Say whether a row with a name holds what stands below the numbers of the row above."""
    pairs = [(a, p) for a, p in zip(above, parts, strict=True) if p]
    return bool(pairs) and all(
        len(a) == len(p) == 1 and p[0].text[0] in "([{" and a[0].text[0] not in "([{"
        and is_number(a[0].text) and is_number(p[0].text)
        for a, p in pairs
    )  # fmt: skip


def _again(parts: list[list[Piece]]) -> bool:
    """Say whether a row without a name counts columns: (3), (4) ..."""
    texts = [p.text for cell in parts for p in cell]
    numbers = [int(t[1:-1]) for t in texts if re.fullmatch(r"\(\d{1,3}\)", t)]
    steps = {b - a for a, b in itertools.pairwise(numbers)}
    return len(numbers) == len(texts) and steps == {1}


def _canonical(label: str) -> tuple[bool, str]:
    """Return whether a name is one of those below the coefficients, and the name for the rules."""
    plain = re.sub(r"\s+", " ", label.strip().casefold())
    for name, pattern in _BELOW.items():
        if re.fullmatch(pattern, plain):
            return True, name if name else label
    return False, _CONSTANT.get(plain, label)


def lay(sheet: Sheet, decimal: str | None) -> Table:
    """Understand a sheet."""
    return _Layout(sheet, decimal).read()


def texts(sheets: Sequence[Sheet]) -> list[str]:
    """Return the numbers of sheets, for the question which decimal mark they have."""
    cells = [p.text for s in sheets for row in s.rows for p in distinct(row[1:])]
    return [t for t in Counter(cells) if is_number(re.sub(r"^[(\[{<]", "", t)) and len(t) < 40]
