"""One look for all figures: palette, font with Chinese characters, sizes."""

from __future__ import annotations

from functools import cache
from importlib import resources
from textwrap import fill
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from cycler import cycler
from matplotlib import font_manager

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: What pages say of these functions (see ``bookworks._lineage``).
__lineage__ = {"*": {"role": "helper"}}

#: Colour-blind-safe palette (Okabe and Ito 2008), in the order the book uses it.
INK = "#222222"
BLUE = "#0072B2"
ORANGE = "#D55E00"
GREEN = "#009E73"
GREY = "#8A8A8A"
YELLOW = "#E69F00"
SKY = "#56B4E9"
PURPLE = "#CC79A7"
PALETTE = (BLUE, ORANGE, GREEN, YELLOW, SKY, PURPLE, GREY)


@cache
def _register_cjk_font() -> str | None:
    """Make the packaged Noto Sans SC known to matplotlib; return its family name."""
    try:
        root = resources.files("pylopdf_fonts_zh_cn")
    except ModuleNotFoundError:
        return None
    family = None
    for entry in root.rglob("*") if hasattr(root, "rglob") else ():
        if entry.suffix.lower() in {".ttf", ".otf"} and "Sans" in entry.name:
            font_manager.fontManager.addfont(str(entry))
            family = font_manager.FontProperties(fname=str(entry)).get_name()
    return family


def use() -> None:
    """Apply the book's look to matplotlib; call it once at the head of a chapter.

    In a notebook, figures become SVG: sharp at any width, and their ink can follow the theme.
    """
    from IPython import get_ipython
    from matplotlib_inline.backend_inline import set_matplotlib_formats

    if get_ipython() is not None:
        set_matplotlib_formats("svg")  # type: ignore[no-untyped-call]
    cjk = _register_cjk_font()
    families = [cjk, "DejaVu Sans"] if cjk else ["DejaVu Sans"]
    mpl.rcParams.update(
        {
            "font.family": families,
            "font.size": 10.5,
            "figure.figsize": (6.2, 3.8),
            "figure.dpi": 110,
            "savefig.bbox": "tight",
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.prop_cycle": cycler(color=PALETTE),
            "axes.titleweight": "bold",
            "axes.titlelocation": "left",
            "axes.grid": True,
            "grid.color": "#E6E6E6",
            "axes.axisbelow": True,
            "legend.frameon": False,
            "axes.unicode_minus": False,
            "svg.hashsalt": "ftz",
        }
    )


def sheet(*arguments: Any, **options: Any) -> tuple[Figure, Any]:
    """Return figure and axes of :func:`matplotlib.pyplot.subplots`, closed: its caller shows it.

    >>> figure, axes = sheet(1, 2)
    >>> len(axes), len(figure.axes)
    (2, 2)
    """
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(*arguments, **options)
    plt.close(figure)
    return figure, axes


def say(figure: Figure, title: str = "", mark: str = "") -> Figure:
    """Write above a figure what is to be seen in it, and across it what its numbers are not.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    title : str
        One sentence; the caller puts what it counts into it.
    mark : str
        A watermark, such as *simulated*, for numbers that stand beside names of real places.
    """
    if title:
        # above whatever stands highest, a legend or an axis
        top = figure.get_tightbbox().y1 / figure.get_figheight() + 0.02
        figure.suptitle(fill(title, 72), x=0.01, y=top, ha="left", va="bottom", fontsize=12)
    if mark:
        figure.text(
            *(0.55, 0.5, mark.upper()),
            rotation=24,
            fontsize=44,
            color=INK,
            alpha=0.13,
            ha="center",
            va="center",
            fontweight="bold",
        )
    return figure
