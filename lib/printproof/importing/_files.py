"""Tables of HTML pages, spreadsheets, and text that was pasted or has delimiters."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections import Counter
from typing import Any

from printproof.errors import RecordError
from printproof.importing._sheet import RAISED, TIED, Piece, Sheet, lay_out, tidy

_RULE = re.compile(r"[\s|+:=\-–—─━═┼┃│]*[-=─━═]{3}[\s|+:=\-–—─━═┼┃│]*")
_TABLE = re.compile(r"(table|表)\s*[\dA-Z]", re.I)


# --- HTML -------------------------------------------------------------------------------------


def read_html(text: str, file: str) -> list[Sheet]:
    """Read every table of an HTML page; of nested ones the inner."""
    from lxml import etree, html  # type: ignore[import-untyped]

    parser = html.HTMLParser(encoding="utf-8", huge_tree=True, remove_comments=True)
    try:
        root = html.document_fromstring(text.encode(), parser=parser)
    except etree.ParserError as error:
        raise RecordError(f"{file}: cannot be read ({error})") from None
    etree.strip_elements(root, "style", "script", with_tail=False)
    for line_break in root.iter("br"):
        line_break.tail = " " + (line_break.tail or "")
    for raised in root.iter("sup"):
        shown = raised.text_content().strip()
        plain = set(shown) <= set("*†‡§¶#+")
        for child in list(raised):
            raised.remove(child)
        raised.text = shown if plain else shown.translate(RAISED)
    tables = [t for t in root.iter("table") if not t.findall(".//table")]
    return [_html_table(table, file) for table in tables]


def _span(text: str | None) -> int:
    """Return how many columns or rows a cell says that it spans; one where that is no number."""
    found = re.match(r"\s*(\d{1,6})", text or "", re.ASCII)
    return int(found[1]) if found else 1


def _html_table(table: Any, file: str) -> Sheet:
    rows = [row for row in table.iter("tr") if row.getparent().tag != "tfoot"]
    lines = [
        [
            (
                Piece(tidy(cell.text_content()), cell.sourceline or 0, number),
                _span(cell.get("colspan")),
                _span(cell.get("rowspan")),
            )
            for number, cell in enumerate(row.xpath("td|th"), start=1)
        ]
        for row in rows
    ]
    head = sum(row.getparent().tag == "thead" for row in rows)
    caption = [tidy(c.text_content()) for c in table.findall("caption")]
    notes = [tidy(row.text_content()) for row in table.xpath("tfoot//tr")]
    return Sheet(file, lay_out(lines), {head} if head else set(), " ".join(caption), notes)


# --- spreadsheets -----------------------------------------------------------------------------


def read_excel(data: bytes, file: str) -> list[Sheet]:
    """Read every sheet of an Excel workbook as it is shown."""
    import openpyxl  # type: ignore[import-untyped]

    try:
        shown, written = (
            openpyxl.load_workbook(io.BytesIO(data), data_only=values) for values in (True, False)
        )
    except Exception as error:  # openpyxl raises what its parsers raise
        raise RecordError(f"{file}: cannot be read as .xlsx ({error})") from None
    sheets = []
    for page in shown.worksheets:
        rows = list(page.iter_rows())
        merged = {r.start_cell.coordinate: r for r in page.merged_cells.ranges}
        lines = [
            [
                _excel_cell(c, written[page.title][c.coordinate], merged, f"{file}:{page.title}")
                for c in row
                if type(c).__name__ != "MergedCell"
            ]
            for row in rows
        ]
        sheets += split(Sheet(f"{file}:{page.title}", lay_out(lines)))
    return sheets


def _excel_cell(cell: Any, source: Any, merged: Any, file: str) -> tuple[Piece, int, int]:
    area = merged.get(cell.coordinate)
    piece = Piece(_excel_text(cell, source, file), cell.row, cell.column)
    return piece, *((area.size["columns"], area.size["rows"]) if area else (1, 1))


def _excel_text(cell: Any, source: Any, file: str) -> str:
    """Return what a cell shows; a number by its format, so far as that is one of digits."""
    value, place = cell.value, f"{file}:{cell.row}:{cell.column} (cell {cell.coordinate})"
    if value is None and str(source.value or "").startswith("="):
        raise RecordError(f"{place}: the formula's value was never computed; save it in Excel")
    if value is None or isinstance(value, str):
        return tidy(value or "")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise RecordError(f"{place}: {value} is neither number nor text; format it as text")
    shape = re.sub(r'["\\]|_.', "", str(cell.number_format).split(";")[0])
    if shape in {"General", "@"}:
        return format(value, ".15g")
    found = re.fullmatch(r"([^#0]*)([#,]*0)(?:\.(0+))?(%?)([^#0]*)", shape)
    if found is None:
        raise RecordError(f"{place}: the format {shape!r} is not understood; format it as text")
    before, whole, places, percent, after = found.groups(default="")
    comma = "," if "," in whole else ""
    return f"{before}{value * (100 if percent else 1):{comma}.{len(places)}f}{percent}{after}"


# --- text -------------------------------------------------------------------------------------


def read_csv(text: str, file: str) -> list[Sheet]:
    """Read a file of delimited values: tabs, semicolons or commas, whichever fit more rows."""
    best: tuple[int, int, list[list[Piece]]] = (-1, 0, [])
    for order, mark in enumerate("\t;,"):
        rows = _delimited(text, mark, file)
        widths = Counter(len(row) for row in rows if len(row) > 1)
        fits = widths.most_common(1)[0][1] if widths else 0
        best = max(best, (fits, -order, rows), key=lambda b: b[:2])
    return split(Sheet(file, lay_out([(p, 1, 1) for p in row] for row in best[2])))


def _delimited(text: str, mark: str, file: str) -> list[list[Piece]]:
    reader = csv.reader(io.StringIO(text), delimiter=mark, strict=True)
    rows, line = [], 1
    try:
        for row in reader:
            cells = (re.sub(r'^="?(.*?)"?$', r"\1", value, flags=re.S) for value in row)
            rows.append([Piece(tidy(v), line, i) for i, v in enumerate(cells, start=1)])
            line = reader.line_num + 1
    except csv.Error as error:
        raise RecordError(f"{file}:{line}: cannot be read ({error})") from None
    return rows


def read_text(text: str, file: str) -> list[Sheet]:
    """Read pasted text: cells between pipes, tabs, or runs of spaces."""
    text = re.sub(rf"(?<=[(\[])({_NUMBER}[,;]) (?={_NUMBER}[)\]])", rf"\1{TIED}", text)
    lines = [(n, line.rstrip()) for n, line in enumerate(text.split("\n"), start=1)]
    marks = next(
        (
            m
            for m in "|\t"
            if sum(m in line for _, line in lines) * 2 > sum(bool(t) for _, t in lines)
        ),
        "",
    )
    rows: list[list[tuple[Piece, int, int]]] = []
    breaks: set[int] = set()
    blocks: list[list[tuple[int, str]]] = [[]]
    for number, line in lines:
        if line and _RULE.fullmatch(line):
            breaks.add(sum(map(len, blocks)) if not marks else len(rows))
        elif line and marks:
            inner = re.sub(r"^\s*\|", "", line) if marks == "|" else line
            inner = inner.removesuffix("|") if marks == "|" else inner
            rows.append(_cells(number, len(line) - len(inner.rstrip("|")), inner.split(marks)))
        elif line:
            blocks[-1].append((number, line))
    if not marks:
        rows = _aligned(blocks[-1], file)
    return split(Sheet(file, lay_out(rows), breaks))


def _cells(line: int, at: int, texts: list[str]) -> list[tuple[Piece, int, int]]:
    found = []
    for text in texts:
        found.append((Piece(tidy(text), line, at + 1 + len(text) - len(text.lstrip())), 1, 1))
        at += len(text) + 1
    return found


Token = tuple[int, int, str]
_NUMBER = r"[-−–+]?[\d.,]*\d[\d.,]*"
_FIGURE = re.compile(rf"(?!.{{61}})[(\[{{<]?{_NUMBER}(?:{TIED}{_NUMBER})?(?:e-?\d+)?[%*†‡)\]}}]*")

_CELL = re.compile(rf"{_FIGURE.pattern}|yes|no|是|否|y|n|x|✓|✗|[-–—]", re.I)


def _tokens(line: str, gap: str = r"\S+(?: \S+)*") -> list[Token]:
    """Return what stands between runs of two spaces, with its ends in columns of the screen."""
    shown = [0]
    for char in line:
        shown.append(shown[-1] + 1 + (unicodedata.east_asian_width(char) in "WF"))
    return [(shown[m.start()], shown[m.end()], m[0]) for m in re.finditer(gap, line)]


def _aligned(lines: list[tuple[int, str]], file: str) -> list[list[tuple[Piece, int, int]]]:
    """Tell columns apart by where figures stand, else by counting cells."""
    tokens = {n: _tokens(line) for n, line in lines}
    words = {n: _tokens(line, r"\S+") for n, line in lines}
    ends = [
        (word[0], word[1])
        for n, row in tokens.items()
        for start, end, text in row
        if start and all(map(_FIGURE.fullmatch, text.split()))
        for word in words[n]
        if start <= word[0] < end
    ]
    columns: list[tuple[int, int]] = []
    for start, end in sorted(ends):
        if columns and start < columns[-1][1]:
            columns[-1] = columns[-1][0], max(end, columns[-1][1])
        else:
            columns.append((start, end))
    placed = [_placed(n, tokens[n], words[n], columns) for n, _ in lines] if columns else []
    if placed and all(placed):
        return placed
    last = {n: words[n][-1] for n, _ in lines}
    return _by_count(
        lines, [n for n, word in last.items() if word[0] and _FIGURE.fullmatch(word[2])], file
    )


def _by_count(
    lines: list[tuple[int, str]], body: list[int], file: str
) -> list[list[tuple[Piece, int, int]]]:
    """Take as many cells off the end of each line; all lines of numbers must have as many."""
    for gap in (r"\S+(?: \S+)*", r"\S+"):
        counted = [_counted(n, line, gap) for n, line in lines]
        counts = {len(row) for row in counted if row[-1][0].line in body}
        if len(counts) == 1 and max(counts) > 1:
            return [r if len(r) in {*counts, 1} else _joined(r) for r in counted]
    if not body:
        return [[(Piece(tidy(line), n, 1), 1, 1)] for n, line in lines]
    line, text = next((n, t) for n, t in lines if n in body)
    raise RecordError(
        f"{file}:{line}:1: cannot tell the columns of {text.strip()[:40]!r} and its neighbours "
        "apart; put tabs or | between the cells"
    )


def _joined(row: list[tuple[Piece, int, int]]) -> list[tuple[Piece, int, int]]:
    """Return a line of words as one piece."""
    text = " ".join(piece.text for piece, _, _ in row if piece.text)
    return [(Piece(text, row[0][0].line, 1), 1, 1)]


def _placed(
    line: int, tokens: list[Token], words: list[Token], columns: list[tuple[int, int]]
) -> list[tuple[Piece, int, int]]:
    """Return a row's pieces by their columns; nothing if that is not clear.

    A figure stands in one column, and a name does not reach beneath a figure's; a heading may
    span several.
    """
    cells: dict[int, Token] = {}
    spans: dict[int, int] = {}
    for start, end, text in tokens:
        inner = [w for w in words if start <= w[0] and w[1] <= end]
        while inner and _FIGURE.fullmatch(inner[-1][2]) and len(_over(columns, inner[-1])) == 1:
            (home,) = _over(columns, inner[-1])
            if home in cells:
                return []
            cells[home] = inner.pop()
        if inner and start == 0:
            cells[0] = (0, inner[-1][1], " ".join(w[2] for w in inner))
        elif inner:
            over = _over(columns, (start, inner[-1][1], text)) or [
                min(range(1, len(columns) + 1), key=lambda k: abs(columns[k - 1][0] - start))
            ]
            if over[0] in cells or _FIGURE.fullmatch(inner[-1][2]):
                return []
            cells[over[0]] = start, end, " ".join(w[2] for w in inner)
            spans[over[0]] = len(over)
    if len(cells) > 1 and 0 in cells and cells[0][1] > columns[0][0]:
        return []
    row, i = [], 0
    while i <= len(columns):
        cell = cells.get(i, (0, 0, ""))
        row.append((Piece(tidy(cell[2]), line, cell[0] + 1), spans.get(i, 1), 1))
        i += spans.get(i, 1)
    return row


def _over(columns: list[tuple[int, int]], token: Token) -> list[int]:
    """Return the columns, counted from one, over which a token stands."""
    return [i for i, (a, b) in enumerate(columns, start=1) if token[0] < b and a < token[1]]


def _counted(line: int, text: str, gap: str) -> list[tuple[Piece, int, int]]:
    """Take the figures at the end of a line as cells, what stands before them as the name."""
    tokens = _tokens(text, gap)
    at = len(tokens)
    while at > 0 and tokens[at - 1][0] and _CELL.fullmatch(tokens[at - 1][2]):
        at -= 1
    if at == 1 and tokens[0][2][0] in "([{" and len(tokens) > 1 and _FIGURE.fullmatch(tokens[0][2]):
        at = 0
    label = Piece(tidy(" ".join(t[2] for t in tokens[:at])), line, 1)
    return [(label, 1, 1), *((Piece(tidy(t[2]), line, t[0] + 1), 1, 1) for t in tokens[at:])]


def split(sheet: Sheet) -> list[Sheet]:
    """Part a sheet where a line that begins with "Table 2" stands under other rows."""
    starts = [
        i for i, row in enumerate(sheet.rows) if row and _TABLE.match(row[0].text)
        and len({p.text for p in row if p.text}) == 1
    ]  # fmt: skip
    if not starts:
        return [sheet]
    ends = [*starts[1:], len(sheet.rows)]
    parts = [
        Sheet(
            sheet.file, sheet.rows[a + 1 : b],
            {k - a - 1 for k in sheet.breaks if a < k < b}, sheet.rows[a][0].text,
        )
        for a, b in zip(starts, ends, strict=True)
    ]  # fmt: skip
    above = [p for row in sheet.rows[: starts[0]] for p in row if p.text]
    if above:
        parts.insert(0, Sheet(sheet.file, sheet.rows[: starts[0]], sheet.breaks))
    return parts
