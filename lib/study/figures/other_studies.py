"""Figures of the estimates of other studies."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ftz.figures.style import BLUE, GREY, INK, ORANGE, sheet

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from study.other_studies import _Comparable

#: Letters that fit on a line of a label.
_LETTERS = 34


def interval_panels(groups: Sequence[_Comparable]) -> Figure:
    """Draw each comparable group on an axis of its own.

    A filled circle with a line is an estimate with its 95% interval; an open circle is an
    estimate whose source gives no error; a bar without a circle is a range that a study
    gives in place of an estimate.

    ``groups`` is from :func:`study.other_studies.comparable`.
    """
    sizes = [len(group.estimates) + 0.9 for group in groups]
    figure, panels = sheet(
        len(groups),
        1,
        figsize=(6.4, 0.72 * sum(sizes)),
        gridspec_kw={"height_ratios": sizes},
        squeeze=False,
        layout="constrained",
    )
    for axes, group in zip(panels[:, 0], groups, strict=True):
        _panel(axes, group)
    return figure


def _panel(axes: Axes, group: _Comparable) -> None:
    labels = []
    for y, estimate in enumerate(group.estimates):
        allowed, sure = group.intervals[y], group.confidence[y]
        low, high = float(allowed.low), float(allowed.high)
        labels.append(textwrap.fill(estimate.label, _LETTERS))
        if estimate.low:
            axes.plot([low, high], [y, y], color=GREY, lw=7, solid_capstyle="butt")
            continue
        if sure is not None:
            axes.plot([float(sure.low), float(sure.high)], [y, y], color=BLUE, lw=1.8)
        fill = BLUE if sure is not None else "white"
        axes.plot((low + high) / 2, y, "o", ms=8, mfc=fill, mec=BLUE, mew=1.8)
    axes.axvline(0, color=INK, lw=1)
    axes.set_yticks(range(len(labels)), labels)
    axes.set(xlabel=group.unit, ylim=(len(labels) - 0.5, -0.5))
    axes.set_title(group.kind)
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")


def selection_histogram(
    run: npt.NDArray[np.float64], published: npt.NDArray[np.float64], truth: float
) -> Figure:
    """Draw the estimates of all simulated studies and of those that were published.

    Parameters
    ----------
    run, published : numpy.ndarray
        Estimates of all studies, and of those whose statistic passed the critical value.
    truth : float
        The effect that was put in.
    """
    import numpy as np

    figure, axes = sheet(figsize=(6.4, 3.2))
    bins = np.linspace(run.min(), run.max(), 50).tolist()
    axes.hist(run, bins, color="#D9D9D9", label="all studies")
    axes.hist(published, bins, histtype="step", color=ORANGE, lw=2, label="published")
    axes.axvline(truth, color=INK, lw=1.2, ls="--", label="truth")
    axes.axvline(published.mean(), color=ORANGE, lw=1.6, label="mean of the published")
    axes.set(xlabel="estimate", ylabel="studies")
    axes.legend(loc="lower center", bbox_to_anchor=(0.45, 1.0), ncols=4, columnspacing=1.2)
    return figure
