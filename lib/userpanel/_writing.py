"""Write what a report holds: Word, LaTeX, CSV, figures, and the summary as HTML and PDF.

Computes nothing.  Every text of a reader's panel is data: it is escaped for the format that
it goes into, and never read as markup.
"""

from __future__ import annotations

import base64
import re
import textwrap
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = ("svg", "pdf", "png")
_NO_DATE: Mapping[str, dict[str, Any]] = {
    "svg": {"Date": None},
    "pdf": {"CreationDate": None},
    "png": {},
}
_TEX = {
    **{c: "\\" + c for c in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "\N{MINUS SIGN}": "$-$",
}
_STYLE = """
body { font: 16px/1.5 Georgia, "Noto Serif SC", serif; color: #222; max-width: 60rem;
  margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; border-top: 2px solid; border-bottom: 2px solid;
  margin: .5rem 0; font-size: .9rem; display: block; overflow-x: auto; width: fit-content;
  max-width: 100%; }
thead th { border-bottom: 1px solid; text-align: left; }
th, td { padding: .15rem .7rem .15rem 0; vertical-align: top; }
td.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
caption, figcaption { text-align: left; font-weight: bold; padding: .3rem 0; }
figure { margin: 1rem 0; } img { max-width: 100%; }
.how { color: #444; } .note { color: #8a3b00; }
"""


@dataclass(frozen=True)
class Exhibit:
    """A table or a figure of a report.

    Attributes
    ----------
    name : str
        Of its files.
    title : str
    how : str
        How to read it, in a paragraph.
    table : pandas.DataFrame, optional
        Unrounded, one column a column of the CSV file.
    shown : pandas.DataFrame, optional
        What is typeset in the table's place, where it is laid out otherwise.
    figure : matplotlib.figure.Figure, optional
    notes : tuple of str
        What was left out or remarked on, and cautions.
    """

    name: str
    title: str
    how: str
    table: pd.DataFrame | None = None
    shown: pd.DataFrame | None = None
    figure: Figure | None = None
    notes: tuple[str, ...] = ()

    @property
    def cells(self) -> pd.DataFrame:
        """The texts of the typeset table."""
        table = self.table if self.shown is None else self.shown
        assert table is not None, f"{self.name} is a part without a table"
        return table.map(cell).rename(columns=str)


def cell(value: object) -> str:
    """Return what a table shows for a value: four digits that count, nothing where missing.

    >>> cell(0.123456), cell(1234.5678), cell(12), cell(float("nan"))
    ('0.1235', '1234.6', '12', '')
    """
    if isinstance(value, float | np.floating):
        if np.isnan(value):
            return ""
        if np.isinf(value):
            return str(value).replace("inf", "infinite")
        size = abs(float(value))
        if size and not 1e-4 <= size < 1e5:
            return f"{value:.3g}"
        return f"{value:.{4 if size < 10 else 1}f}"
    return str(value)


def _is_number(text: str) -> bool:
    number = r"\(?[<-]?[\d,.]+(e[+-]?\d+)?%?\)?\*{0,3}"
    return text in ("", "infinite") or bool(re.fullmatch(number, text))


def _numeric(cells: pd.DataFrame) -> list[bool]:
    """Tell which columns hold numbers, whose digits stand under each other."""
    return [all(_is_number(t) for t in cells.iloc[:, j]) for j in range(cells.shape[1])]


def write_exhibit(exhibit: Exhibit, folder: Path) -> None:
    """Write a table as CSV and LaTeX, a figure as SVG, PDF and PNG at 300 dots an inch."""
    if exhibit.table is not None:
        path = folder / "tables" / exhibit.name
        exhibit.table.to_csv(
            path.with_suffix(".csv"), index=False, float_format="%.12g", lineterminator="\n"
        )
        path.with_suffix(".tex").write_text(latex(exhibit), encoding="utf-8")
    if (figure := exhibit.figure) is not None:
        figure.draw_without_rendering()  # laid out once, not before each of the formats
        figure.set_layout_engine("none")
        bounds = figure.get_tightbbox().padded(0.1)
        for kind in FORMATS:
            path = folder / "figures" / f"{exhibit.name}.{kind}"
            figure.savefig(path, dpi=300, bbox_inches=bounds, metadata=_NO_DATE[kind])


# --- LaTeX ------------------------------------------------------------------------------------


def tex(text: str) -> str:
    r"""Escape a text for LaTeX.

    >>> tex("50% of a_b")
    '50\\% of a\\_b'
    """
    return "".join(_TEX.get(c, c) for c in text)


def latex(exhibit: Exhibit) -> str:
    """Return a table environment with the three rules of booktabs."""
    cells = exhibit.cells
    long = [cells.iloc[:, j].str.len().max() > 40 for j in range(cells.shape[1])]
    layout = "".join(
        "p{5cm}" if wide else "r" if number else "l"
        for wide, number in zip(long, _numeric(cells), strict=True)
    )
    rows = [" & ".join(map(tex, row)) + r" \\" for row in cells.itertuples(index=False)]
    head = " & ".join(map(tex, cells.columns)) + r" \\"
    notes = [rf"\par\smallskip\footnotesize {tex(note)}." for note in exhibit.notes]
    return "\n".join(
        [
            r"\begin{table}[htbp]\centering\small",
            rf"\caption{{{tex(exhibit.title)}}}\label{{tab:{exhibit.name}}}",
            r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{% needs graphicx",
            rf"\begin{{tabular}}{{{layout}}}",
            r"\toprule",
            head,
            r"\midrule",
            *rows,
            r"\bottomrule",
            r"\end{tabular}}",
            *notes,
            r"\end{table}",
            "",
        ]
    )


def write_latex(exhibits: Sequence[Exhibit], title: str, path: Path) -> None:
    """Write a document that holds all tables; XeLaTeX where a text is Chinese."""
    tables = [e for e in exhibits if e.table is not None]
    chinese = any(ord(c) > 0x2E7F for e in tables for c in latex(e) + title)
    lines = [
        "% compile with xelatex" if chinese else "% compile with pdflatex or xelatex",
        r"\documentclass{article}",
        r"\usepackage{booktabs,graphicx}",
        r"\usepackage[margin=2cm]{geometry}",
        r"\usepackage{ctex}" if chinese else r"\usepackage[T1]{fontenc}",
        rf"\title{{{tex(title)}}}\date{{}}",
        r"\begin{document}\maketitle",
        *(rf"\input{{tables/{e.name}.tex}}\clearpage" for e in tables),
        r"\end{document}",
        "",
    ]
    path.write_text("\n".join(lines), encoding="utf-8")


# --- Word -------------------------------------------------------------------------------------


def write_word(exhibits: Sequence[Exhibit], title: str, path: Path) -> None:
    """Write all tables as three-line tables: rules above, below, and under the head."""
    from docx import Document
    from docx.enum.section import WD_ORIENT
    from docx.enum.text import WD_ALIGN_PARAGRAPH
    from docx.oxml.ns import qn
    from docx.shared import Pt

    document = Document()
    section: Any = document.sections[0]
    section.orientation = WD_ORIENT.LANDSCAPE
    section.page_width, section.page_height = section.page_height, section.page_width
    font = document.styles["Normal"].font
    font.name, font.size = "Times New Roman", Pt(10)
    document.styles["Normal"].element.rPr.rFonts.set(qn("w:eastAsia"), "SimSun")
    document.styles["Normal"].paragraph_format.space_after = Pt(0)
    document.core_properties.title = document.core_properties.author = ""
    document.add_paragraph().add_run(title).bold = True
    for number, exhibit in enumerate((e for e in exhibits if e.table is not None), 1):
        cells = exhibit.cells
        caption = document.add_paragraph()
        caption.paragraph_format.keep_with_next = True
        caption.paragraph_format.space_before = Pt(12)
        caption.add_run(f"Table {number}. {exhibit.title}").bold = True
        lines = [list(cells.columns), *map(list, cells.itertuples(index=False))]
        grid = document.add_table(rows=0, cols=cells.shape[1])
        grid.autofit = False
        room = section.page_width - section.left_margin - section.right_margin
        widths = [int(room * share) for share in _longest(lines) / _longest(lines).sum()]
        for row in lines:
            kinds = zip(grid.add_row().cells, row, _numeric(cells), widths, strict=True)
            for place, text, right, width in kinds:
                place.text, place.width = text, width
                if right:
                    place.paragraphs[0].alignment = WD_ALIGN_PARAGRAPH.RIGHT
        _three_rules(grid)
        for text in (*(f"{note}." for note in exhibit.notes), exhibit.how):
            document.add_paragraph().add_run(text).font.size = Pt(8.5)
    document.save(str(path))


def _three_rules(grid: Any) -> None:
    """Draw the rules of a three-line table, the outer ones thicker."""
    from docx.oxml import OxmlElement
    from docx.oxml.ns import qn

    last = len(grid.rows) - 1
    for number, edges in ((0, {"top": 12, "bottom": 6}), (last, {"bottom": 12})):
        for place in grid.rows[number].cells:
            borders = OxmlElement("w:tcBorders")
            for edge, size in edges.items():
                rule = OxmlElement(f"w:{edge}")
                for key, value in (("val", "single"), ("sz", str(size)), ("color", "000000")):
                    rule.set(qn(f"w:{key}"), value)
                borders.append(rule)
            place._tc.get_or_add_tcPr().append(borders)
    repeat = OxmlElement("w:tblHeader")
    grid.rows[0]._tr.get_or_add_trPr().append(repeat)


# --- the summary ------------------------------------------------------------------------------


def write_html(exhibits: Sequence[Exhibit], head: Sequence[str], title: str, path: Path) -> None:
    """Write the summary as one page that needs no other file; figures are written already."""
    parts = [f"<p>{escape(line)}</p>" for line in head]
    for exhibit in exhibits:
        parts.append(f'<section id="{exhibit.name}">')
        if exhibit.table is not None:
            parts.append(_html_table(exhibit))
        if exhibit.figure is not None:
            drawn = path.parent / "figures" / f"{exhibit.name}.svg"
            data = base64.b64encode(drawn.read_bytes()).decode()
            parts.append(
                f'<figure><figcaption>{escape(exhibit.title)}</figcaption><img alt="'
                f'{escape(exhibit.title)}" src="data:image/svg+xml;base64,{data}"></figure>'
            )
        parts += [f'<p class="note">{escape(note)}.</p>' for note in exhibit.notes]
        parts += [f'<p class="how">How to read this: {escape(exhibit.how)}</p></section>']
    path.write_text(
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}'
        f"</title><style>{_STYLE}</style></head><body><h1>{escape(title)}</h1>"
        + "\n".join(parts)
        + "</body></html>\n",
        encoding="utf-8",
    )


def _html_table(exhibit: Exhibit) -> str:
    cells = exhibit.cells
    marks = [' class="number"' if number else "" for number in _numeric(cells)]
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in cells.columns)
    rows = "".join(
        "<tr>" + "".join(f"<td{m}>{escape(t)}</td>" for t, m in zip(row, marks, strict=True))
        for row in cells.itertuples(index=False)
    )
    return (
        f"<table><caption>{escape(exhibit.title)}</caption><thead><tr>{head}</tr></thead>"
        f"<tbody>{rows}</tbody></table>"
    )


def _wide(text: str) -> int:
    """Return how many letters wide a text is, Chinese characters counted twice."""
    return sum(1 + (unicodedata.east_asian_width(c) in "WF") for c in text)


def _longest(grid: Sequence[Sequence[str]]) -> np.ndarray:
    """Return how wide each column wants to be, in letters; long texts are wrapped."""
    return np.array([min(max(map(_wide, c)), 60) + 2 for c in zip(*grid, strict=True)], float)


def _wrapped(text: str, width: int) -> list[str]:
    share = len(text) / max(_wide(text), 1)
    return textwrap.wrap(text, max(int(width * share), 4)) or [""]


class _Pages:
    """A4 pages of a PDF, filled line by line from the top."""

    WIDTH, HEIGHT, MARGIN = 8.27, 11.69, 0.7

    def __init__(self, pdf: Any) -> None:
        self.pdf, self.left = pdf, 0.0
        self.figure: Figure | None = None

    def space(self, inches: float) -> None:
        """Begin a new page if so much does not fit on this one."""
        from matplotlib.figure import Figure

        if self.figure is None or self.left < inches:
            self.close()
            self.figure = Figure(figsize=(self.WIDTH, self.HEIGHT))
            self.left = self.HEIGHT - 2 * self.MARGIN
        self.y = self.MARGIN + self.left

    def close(self) -> None:
        if self.figure is not None:
            self.pdf.savefig(self.figure)
            self.figure = None

    def line(self, text: str, size: float = 8, **style: Any) -> None:
        step = size * 1.35 / 72
        for part in _wrapped(text, int(920 / size)):
            self.space(step)
            self.put(self.MARGIN, part, size, **style)
            self.left -= step

    def put(self, x: float, text: str, size: float, **style: Any) -> None:
        assert self.figure is not None, "space() opens a sheet first"
        place: dict[str, Any] = {"x": x / self.WIDTH, "y": self.y / self.HEIGHT, "va": "top"}
        self.figure.text(s=text, fontsize=size, parse_math=False, **place, **style)

    def rule(self, width: float) -> None:
        from matplotlib.lines import Line2D

        assert self.figure is not None, "space() opens a sheet first"
        y = (self.MARGIN + self.left) / self.HEIGHT
        ends = [self.MARGIN / self.WIDTH, 1 - self.MARGIN / self.WIDTH]
        self.figure.add_artist(Line2D(ends, [y, y], color="black", lw=width))

    def table(self, cells: pd.DataFrame, size: float = 6.5) -> None:
        """Draw a three-line table, long texts wrapped, columns as wide as their texts."""
        grid = [list(cells.columns), *map(list, cells.itertuples(index=False))]
        longest = _longest(grid)
        room = (self.WIDTH - 2 * self.MARGIN) / (size * 0.55 / 72)
        longest *= min(room / longest.sum(), 2.0)
        places = self.MARGIN + np.r_[0, np.cumsum(longest)[:-1]] * size * 0.55 / 72
        for number, row in enumerate(grid):
            wrapped = [_wrapped(t, int(w)) for t, w in zip(row, longest, strict=True)]
            height = max(1, *map(len, wrapped)) * size * 1.3 / 72 + 0.03
            self.space(height + 0.02)
            if number < 2:
                self.rule(0.6 if number else 1.2)
            for x, text in zip(places, wrapped, strict=True):
                self.y = self.MARGIN + self.left - 0.03
                self.put(float(x), "\n".join(text), size)
            self.left -= height
        self.rule(1.2)
        self.left -= 0.08

    def picture(self, drawn: Path) -> None:
        """Place a picture of 300 dots an inch."""
        from PIL import Image

        pixels = np.asarray(Image.open(drawn).convert("RGB"))  # drawn on white
        height, width = (side / 300 for side in pixels.shape[:2])
        scale = min(1.0, (self.WIDTH - 2 * self.MARGIN) / width, 9.0 / height)
        self.space(scale * height + 0.1)
        assert self.figure is not None, "space() opens a sheet first"
        bottom = self.MARGIN + self.left - scale * height
        box = (self.MARGIN, bottom, scale * width, scale * height)
        sides = np.array([self.WIDTH, self.HEIGHT] * 2)
        axes = self.figure.add_axes(tuple(np.array(box) / sides))
        axes.imshow(pixels, interpolation="none")  # its own pixels, not sampled anew
        axes.axis("off")
        self.left -= scale * height + 0.1


def write_pdf(exhibits: Sequence[Exhibit], head: Sequence[str], title: str, path: Path) -> None:
    """Write the summary as a PDF of A4 pages; figures are written already."""
    import matplotlib as mpl
    from matplotlib.backends.backend_pdf import PdfPages

    with (
        mpl.rc_context({"savefig.bbox": None}),  # whole pages of A4, not cut to their texts
        PdfPages(path, metadata={"Title": title, "CreationDate": None}) as pdf,
    ):
        pages = _Pages(pdf)
        pages.line(title, 14, weight="bold")
        for line in head:
            pages.line(line, 8)
        for exhibit in exhibits:
            pages.space(1.2)
            pages.left -= 0.12
            pages.line(exhibit.title, 9.5, weight="bold")
            if exhibit.table is not None:
                pages.table(exhibit.cells)
            if exhibit.figure is not None:
                pages.picture(path.parent / "figures" / f"{exhibit.name}.png")
            for note in exhibit.notes:
                pages.line(f"{note}.", 7, color="#8a3b00")
            pages.line(exhibit.how, 7, color="#444444")
        pages.close()
