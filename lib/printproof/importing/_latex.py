r"""LaTeX tables: ``tabular`` and its kin, ``longtable``, ``tabularray``, as programs write them.

A tokenizer of rows and a converter of cells to text, after ``_macros``
has put in files and carried out definitions, and no more of TeX: a command that is not known is
refused with its line and column, because it could hold a number.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from printproof.errors import RecordError
from printproof.importing._macros import expand, group
from printproof.importing._sheet import RAISED, Piece, Sheet, lay_out, tidy

#: Environments, and how many arguments in braces stand before their rows.
_TABLES = {
    **dict.fromkeys(("tabular", "tabu", "NiceTabular", "array", "supertabular", "xtabular"), 1),
    **dict.fromkeys(("longtable", "longtabu", "tblr", "talltblr", "longtblr"), 1),
    **dict.fromkeys(("tabular*", "tabularx", "tabulary", "xltabular", "NiceTabularX"), 2),
}
_BEGIN, _INNER = (
    re.compile(
        rf"\\begin\{{({'|'.join(re.escape(name) for name in _TABLES if name != left)})\}}"
        r"(?:\s*(?:to|spread)\s*[^{}\[\]]*)?"
    )
    for left in ("array", "")  # formulas have arrays, and so have cells
)
#: What may be a table and is not read.
_STRANGE = re.compile(r"\\begin\{(\w*(?:tabular|tabu|tabbing|tblr)\w*\*?)\}")
_AROUND = r"table\*?|threeparttable|sidewaystable\*?|wraptable|ThreePartTable"
_RULES = re.compile(
    r"\s*(?:\\(hline|toprule|midrule|bottomrule|specialrule\s*\{[^}]*\}\{[^}]*\}\{[^}]*\})"
    r"|\\(?:cmidrule|cline|hhline|addlinespace|noalign|morecmidrules|rowcolor|rule|vspace\*?"
    r"|endfirsthead|endhead|endfoot|endlastfoot|centering|footnotesize|small|scriptsize"
    r"|arrayrulecolor|nopagebreak|pagebreak|cdashline|hdashline)(?![A-Za-z])"
    r"(?:\s*\([^)]*\)|\s*\[[^\]]*\]|\s*\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\})*)"
)
_NEWLINE = re.compile(
    r"\\\\\*?(?:\s*\[\s*-?[\d.]+\s*\\?[a-z]+\s*\])?|\\(?:tabularnewline|cr)(?![A-Za-z])"
)
_TOKEN = re.compile(r"\\[A-Za-z]+|\\?.", re.S)
#: Commands whose text is that of their last argument, by how many they take.
_TEXT = {
    1: """textbf textit emph text textrm textsf texttt textsc textnormal textmd textup mbox hbox
    underline uline num tablenum makecell thead shortstack specialcell bm mathrm mathit mathbf fbox
    mathsf mathtt mathcal boldsymbol operatorname ensuremath url cite citet citep
    rlap llap clap mathrlap mathllap mathclap smash uppercase MakeUppercase ul overset""",
    2: "textcolor parbox multirowcell rotatebox scalebox href raisebox",
    3: "multirow adjustbox resizebox multicolumn",
}
#: Commands that print nothing, by how many arguments they take.
_SILENT = {
    0: """small footnotesize scriptsize tiny normalsize large Large bf bfseries itshape em it rm
    sffamily centering raggedright raggedleft arraybackslash noindent displaystyle textstyle
    left right hfill relax par smallskip medskip bigskip strut item protect null normalfont
    leavevmode ignorespaces unskip limits begingroup endgroup linewidth textwidth columnwidth
    singlespacing big Big bigl bigr""",
    1: """hspace hspace* vspace vspace* label phantom hphantom vphantom color cellcolor rowcolor
    fontsize cmidrule cline addlinespace includegraphics""",
    2: "rule setlength renewcommand",
}
_RAISING = ("sym", "textsuperscript", "tnote", "footnotemark", "TblrNote")
#: Names and characters by turns.
_PAIRS = """times × dagger † ddagger ‡ textdagger † textdaggerdbl ‡ S § P ¶ star * ast * cmark ✓
checkmark ✓ xmark ✗ leq ≤ le ≤ geq ≥ ge ≥ lt < gt > textless < textgreater > textminus − pm ± to →
rightarrow → cdot · dots … ldots … textendash – textemdash — textasteriskcentered * log log ln ln
exp exp max max min min mid | vert | textbar | textasciitilde ~ textbackslash \\ neq ≠ approx ≈ in ∈
textbullet • bullet • circ ° degree ° infty ∞ sum ∑ ss ß o ø O Ø ae æ AE Æ aa å l ł i ı textdollar $
textunderscore _ textpercent % ell ℓ sqrt √ prime ' % % & & _ _ # # $ $ { { } } | |"""
_TAKES, _EATS = (
    {name: count for count, names in table.items() for name in names.split()}
    for table in (_TEXT, _SILENT)
)
_SIGNS = {
    **dict(zip(_PAIRS.split()[::2], _PAIRS.split()[1::2], strict=True)),
    **dict.fromkeys(("quad", "qquad", "enspace", "newline", "linebreak", *"\\;: \n"), " "),
    **dict.fromkeys("()[]!/-@", ""),
    ",": "\u2009",
}
_ACCENTS = dict(
    zip(
        "'`^\"~=.cvuHk",
        "\u0301\u0300\u0302\u0308\u0303\u0304\u0307\u0327\u030c\u0306\u030b\u0328",
        strict=True,
    )
)
_ACCENTS |= {"hat": "\u0302", "tilde": "\u0303", "bar": "\u0304", "overline": "\u0304"}


class _Source:
    """The text of a file, with what is needed to say where something stands in it."""

    def __init__(self, text: str, file: str) -> None:
        self.expanded = expand(text, file)
        self.text, self.file, self.footnotes = self.expanded.text, file, list[str]()
        self.place = self.expanded.place
        self.prose = False  # around a table, an unknown command is shown as it is written

    def fail(self, at: int, message: str) -> RecordError:
        """Return the error for a position."""
        return RecordError("{}:{}:{}: {}".format(*self.place(at), message))

    def group(self, at: int, pair: str = "{}") -> tuple[int, int, int]:
        """Return the inside of the group that opens at a position, and where it ends."""
        inner = group(self.text, at, pair)
        if inner is None:
            raise self.fail(at, f"{pair[0]} is never closed")
        return (*inner, inner[1] + 1)

    def arguments(self, at: int, count: int, end: int) -> tuple[list[tuple[int, int]], int]:
        """Return the insides of ``count`` arguments, and where they end; options are passed by."""
        found: list[tuple[int, int]] = []
        while len(found) < count:
            while at < end and self.text[at].isspace():
                at += 1
            if self.text[at : at + 1] == "[":
                at = self.group(at, "[]")[2]
            elif self.text[at : at + 1] == "{":
                start, stop, at = self.group(at)
                found.append((start, stop))
            elif at < end:  # one token
                token = _TOKEN.match(self.text, at)
                stop = token.end() if token else end
                found.append((at, stop))
                at = stop
            else:
                raise self.fail(at, "an argument is missing")
        return found, at

    def plain(self, at: int, end: int) -> str:
        """Return what a stretch of LaTeX prints."""
        out: list[str] = []
        while at < end:
            char = self.text[at]
            if char == "\\":
                shown, at = self._command(at, end)
                out.append(shown)
            elif char in "^_" and at + 1 < end:
                ((start, stop),), at = self.arguments(at + 1, 1, end)
                inner = self.plain(start, stop)
                out.append(_raise(inner) if char == "^" else f"_{inner}")
            else:
                dash = re.compile("-{2,3}").match(self.text, at, end)
                out.append(
                    "–" if dash else {"~": "\u00a0", "$": "", "{": "", "}": ""}.get(char, char)
                )
                at += len(dash[0]) if dash else 1
        return "".join(out)

    def _command(self, at: int, end: int) -> tuple[str, int]:
        """Return what a command prints, and where it ends."""
        found = re.compile(r"\\(begin|end)\s*\{[^}]*\}(?:\[[^\]]*\])?").match(self.text, at, end)
        if found:
            table = found[1] == "begin" and _INNER.match(found[0])
            count = _TABLES[table[1]] if table else 0
            return " ", self.arguments(found.end(), count, end)[1]
        if found := _NEWLINE.match(self.text, at, end):
            return " ", found.end()
        found = re.compile(r"\\([A-Za-z]+\*?|.)", re.S).match(self.text, at, end)
        name, after = (found[1], found.end()) if found else ("", end)
        if name in _TAKES or name.endswith("ref"):
            parts, after = self.arguments(after, _TAKES.get(name, 1), end)
            return self.plain(*parts[-1]), after
        if name in _RAISING:
            if name == "footnotemark":
                mark = re.compile(r"\[([^\]]*)\]").match(self.text, after)
                return (_raise(mark[1]), mark.end()) if mark else ("", after)
            ((start, stop),), after = self.arguments(after, 1, end)
            return _raise(self.plain(start, stop)), after
        if name in _EATS:
            return "", self.arguments(after, _EATS[name], end)[1]
        if name in {"footnote", "tablefootnote"}:
            ((start, stop),), after = self.arguments(after, 1, end)
            self.footnotes.append(tidy(self.plain(start, stop)))
            return "", after
        if name == "ding":
            ((start, stop),), after = self.arguments(after, 1, end)
            return ("✓" if self.text[start:stop] in {"51", "52"} else "✗"), after
        if name == "frac":
            (top, bottom), after = self.arguments(after, 2, end)
            return f"{self.plain(*top)}/{self.plain(*bottom)}", after
        if name in _ACCENTS:
            ((start, stop),), after = self.arguments(after, 1, end)
            return unicodedata.normalize("NFC", self.plain(start, stop) + _ACCENTS[name]), after
        if name in _SIGNS:
            return _SIGNS[name], after
        try:
            case = "SMALL" if name.islower() else "CAPITAL"
            letter = name.upper().removeprefix("VAR")
            return unicodedata.lookup(f"GREEK {case} LETTER {letter}"), after
        except KeyError:
            if self.prose:
                return f"\\{name}", after
            message = (
                f"\\{name} is not understood; put its \\newcommand above the table, or the text "
                "that it prints in its place"
            )
            raise self.fail(at, message) from None


def _raise(text: str) -> str:
    """Return a superscript: stars and daggers as they are, digits and letters raised."""
    return text if set(text) <= set("*†‡§¶#+ ") else text.translate(RAISED)


def read(text: str, file: str) -> list[Sheet]:
    """Read every table of a LaTeX file."""
    source = _Source(text, file)
    for other in _STRANGE.finditer(source.text):
        if other[1] not in _TABLES:
            raise source.fail(other.start(), f"{other[1]} is not read; write tabular in its place")
    sheets, at = list[Sheet](), 0
    while found := _BEGIN.search(source.text, at):
        at = _end(source, found)
        try:
            sheets.append(_table(source, found, at))
        except RecordError as error:
            sheets.append(Sheet(file, [], refused=error))
        except RecursionError:
            raise source.fail(found.start(), "this table is nested too deeply") from None
    if (
        not sheets and "&" in source.text and "\\documentclass" not in source.text
    ):  # the rows alone, as esttab's option `fragment` writes
        lines, breaks = _rows(source, 0, len(source.text))
        sheets = [Sheet(file, lay_out(lines), breaks)]
    return sheets


def _table(source: _Source, found: re.Match[str], end: int) -> Sheet:
    name, before = found[1], found.start()
    source.prose = False
    stop = source.text.rindex("\\end", before, end)
    outer = re.compile(r"\s*\[").match(source.text, found.end())
    options = source.group(outer.end() - 1, "[]")[:2] if outer else (before, before)
    arguments, start = source.arguments(found.end(), _TABLES[name], stop)
    source.footnotes.clear()
    lines, breaks = _rows(source, start, stop)
    sheet = Sheet(source.file, [], breaks)
    if name.endswith("tblr"):
        lines = _spans(source, arguments[-1], lines)
        rules = re.findall(r"hline\{(\d+)\}", source.text[slice(*arguments[-1])])
        sheet.breaks |= {int(row) - 1 for row in rules}
        for key in re.finditer(
            r"(note|remark|caption)\s*(\{[^}]*\})?\s*=\s*(?=\{)", source.text[slice(*options)]
        ):
            shown = tidy(source.plain(*source.group(options[0] + key.end())[:2]))
            sheet.title, sheet.notes = (
                (shown, sheet.notes)
                if key[1] == "caption"
                else (sheet.title, [*sheet.notes, shown])
            )
    sheet.rows = lay_out(lines)
    source.prose = True
    _surroundings(source, sheet, before, start, stop, end)
    sheet.notes += source.footnotes
    return sheet


def _end(source: _Source, found: re.Match[str]) -> int:
    """Return where an environment ends; others of its name may stand inside."""
    depth = 0
    for edge in re.compile(rf"\\(begin|end)\{{{re.escape(found[1])}\}}").finditer(
        source.text, found.start()
    ):
        depth += 1 if edge[1] == "begin" else -1
        if depth == 0:
            return edge.end()
    raise source.fail(found.start(), f"\\begin{{{found[1]}}} is never closed")


def _surroundings(
    source: _Source, sheet: Sheet, before: int, start: int, stop: int, end: int
) -> None:
    """Take caption and notes from the float around a table, or from the table itself."""
    opened = [m for m in re.finditer(rf"\\(begin|end)\{{(?:{_AROUND})\}}", source.text[:before])]
    inside = bool(opened) and opened[-1][1] == "begin"
    low = opened[-1].end() if inside else start
    last = re.compile(rf"\\end\{{(?:{_AROUND})\}}").search(source.text, end) if inside else None
    following = _BEGIN.search(source.text, end)
    high = min(m.start() for m in (last, following) if m) if last else stop
    floats = [m.end() for m in opened if m[1] == "begin"] if inside else [start]
    caption = re.compile(r"\\caption\*?\s*(?:\[[^\]]*\])?\s*(?=\{)").search(
        source.text, floats[-2] if inside and len(floats) > 1 else low, high
    )
    if caption:
        inner = source.group(caption.end())
        sheet.title = tidy(source.plain(*inner[:2]))
        if caption.start() > end:
            pieces = [(end, caption.start()), (inner[2], high)]
        else:
            pieces = [(end, high)]
    else:
        pieces = [(end, high)]
    for low_, high_ in pieces if last else []:
        for part in re.split(r"\n\s*\n|\\item(?![A-Za-z])", source.text[low_:high_]):
            at = source.text.index(part, low_)
            if note := tidy(source.plain(at, at + len(part))):
                sheet.notes.append(note)


def _rows(
    source: _Source, at: int, end: int
) -> tuple[list[list[tuple[Piece, int, int]]], set[int]]:
    """Split the inside of a table into rows of pieces, and note where rules run."""
    lines: list[list[tuple[Piece, int, int]]] = []
    breaks: set[int] = set()
    starts: dict[str, int] = {}
    for cells in _split(source, at, end):
        first = cells[0][0]
        while found := (
            re.compile(r"\s*\\caption\*?(?:\[[^\]]*\])?(?=\{)").match(
                source.text, first, cells[0][1]
            )
            or re.compile(r"\s*\\label(?=\{)").match(source.text, first, cells[0][1])
            or _RULES.match(source.text, first, cells[0][1])
        ):
            word = found[0].strip()
            if word.startswith(("\\caption", "\\label")):
                first = source.group(found.end())[2]
                continue
            if found[1]:
                breaks.add(len(lines))
            if word.startswith("\\end"):
                starts[word[1:]] = len(lines)
            first = found.end()
        cells[0] = first, cells[0][1]
        if len(cells) > 1 or source.text[first : cells[0][1]].strip():
            lines.append([_piece(source, *cell) for cell in cells])
    return _once(lines, breaks, starts)


def _once(
    lines: list[list[tuple[Piece, int, int]]], breaks: set[int], starts: dict[str, int]
) -> tuple[list[list[tuple[Piece, int, int]]], set[int]]:
    """Leave out what a longtable repeats at the turn of a page, and put its last foot last."""
    if not starts:
        return lines, breaks
    first, head = starts.get("endfirsthead", 0), starts.get("endhead", 0)
    foot = starts.get("endfoot", head)
    last = starts.get("endlastfoot", foot)
    top = range(first or head)
    order = [*top, *range(last, len(lines)), *range(foot, last)]
    new = {old: at for at, old in enumerate(order)}
    moved = {new[b] for b in breaks if b in new} | {len(top)}
    return [lines[i] for i in order], moved


def _split(source: _Source, at: int, end: int) -> Iterator[list[tuple[int, int]]]:
    """Yield the cells of each row as stretches of the source."""
    cells, start, depth = list[tuple[int, int]](), at, 0
    while at < end:
        found = _NEWLINE.match(source.text, at, end) if depth == 0 else None
        edge = re.compile(r"\\(begin|end)\s*\{").match(source.text, at, end)
        if found:
            yield [*cells, (start, at)]
            cells, start, at = [], found.end(), found.end()
        elif edge:
            depth += 1 if edge[1] == "begin" else -1
            at = edge.end() - 1
            at = source.group(at)[2]
        elif source.text[at] == "\\":
            at += 2
        else:
            depth += (source.text[at] == "{") - (source.text[at] == "}")
            if source.text[at] == "&" and depth == 0:
                cells.append((start, at))
                start = at + 1
            at += 1
    if depth > 0:
        raise source.fail(start, "a brace or environment is never closed")
    if cells or source.text[start:end].strip():
        yield [*cells, (start, end)]


def _piece(source: _Source, start: int, end: int) -> tuple[Piece, int, int]:
    """Return one cell and how many columns and rows it spans."""
    while start < end and source.text[start].isspace():
        start += 1
    across = down = 1
    found = re.compile(r"\\multicolumn\s*\{\s*(\d+)\s*\}").match(source.text, start, end)
    if found:
        across = max(1, int(found[1]))
    cell = re.compile(r"\\SetCell\s*(\[[^\]]*\])?\s*\{[^}]*\}").match(source.text, start, end)
    inner = start
    if cell:  # the cells that it covers stand in the row, empty
        inner = cell.end()
        width = re.search(r"c=(\d+)", cell[1] or "")
        across = -int(width[1]) if width else 1
    file, row, column = source.place(start)
    return Piece(tidy(source.plain(inner, end)), row, column, file), across, down


def _spans(
    source: _Source, inner: tuple[int, int], lines: list[list[tuple[Piece, int, int]]]
) -> list[list[tuple[Piece, int, int]]]:
    """Merge cells of tabularray: what a cell covers is printed nowhere and must be empty."""
    spec = source.text[slice(*inner)]
    wide = {
        (int(m[1]) - 1, int(m[2]) - 1): int(m[3])
        for m in re.finditer(r"cell\{(\d+)\}\{(\d+)\}\s*=\s*\{[^}]*?c=(\d+)", spec)
    }
    merged = []
    for i, line in enumerate(lines):
        row, j = [], 0
        while j < len(line):
            piece, across, down = line[j]
            across = max(1, wide.get((i, j), abs(across)))
            row.append((piece, across, down))
            j += across
        merged.append(row)
    return merged
