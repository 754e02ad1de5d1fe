"""Figures of the published record and the register."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftz.figures.style import BLUE, GREY, INK, ORANGE, sheet

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from printproof.printed import Record
    from study.register import _Register


def interval_pairs(pairs: pd.DataFrame, labels: tuple[str, str], xlabel: str) -> Figure:
    """Draw two intervals a line, one above the other, to see whether they meet.

    Parameters
    ----------
    pairs : pandas.DataFrame
        Indexed by what is compared, two columns of :class:`printproof.printed.Interval`.
    labels : (str, str)
        What the two columns are.
    """
    figure, axes = sheet(figsize=(6.2, 1.2 + 0.8 * len(pairs)))
    for place, (_, row) in enumerate(pairs.iterrows()):
        for shift, interval, colour, label in zip(
            (-0.14, 0.14), row, (BLUE, ORANGE), labels, strict=True
        ):
            ends = [float(interval.low), float(interval.high)]
            axes.plot(
                ends,
                [place + shift] * 2,
                color=colour,
                lw=5,
                marker="|",
                ms=13,
                mew=2,
                solid_capstyle="butt",
                label=label if place == 0 else "",
            )
    axes.set_yticks(range(len(pairs)), [str(name).replace("_", " ") for name in pairs.index])
    axes.set(ylim=(len(pairs) - 0.4, -0.6), xlabel=xlabel)
    axes.legend(loc="upper center", bbox_to_anchor=(0.45, 1.22), ncols=2)
    return figure


def implied_errors(intervals: pd.Series, xlabel: str) -> Figure:
    """Draw one interval a line, with the two ends written beside it.

    Parameters
    ----------
    intervals : pandas.Series
        Of :class:`printproof.printed.Interval`, indexed by what each belongs to.
    """
    figure, axes = sheet(figsize=(6.2, 0.9 + 0.5 * len(intervals)))
    for place, interval in enumerate(intervals):
        ends = [float(interval.low), float(interval.high)]
        axes.plot(ends, [place] * 2, color=BLUE, lw=9, solid_capstyle="butt")
        axes.annotate(
            f"{interval:.5f}",
            (ends[1], place),
            xytext=(8, 0),
            textcoords="offset points",
            va="center",
            color=INK,
            fontsize=9.5,
        )
    axes.set_yticks(range(len(intervals)), [f"column {name}" for name in intervals.index])
    left, right = axes.get_xlim()  # room for the ends of the rightmost interval
    axes.set(
        xlim=(left, right + 0.25 * (right - left)), ylim=(len(intervals) - 0.4, -0.6), xlabel=xlabel
    )
    return figure


def zone_timeline(register: _Register) -> Figure:
    """Draw the zones by date of launch, one line a batch."""
    figure, axes = sheet(figsize=(6.2, 4.2))
    batches = register.zones.groupby("batch", sort=True)
    for line, (_, zones) in enumerate(batches):
        launch = zones["launch"].min()
        axes.plot(launch, line, "o", ms=9, color=BLUE)
        names = zones["zone"].tolist()
        text = "\n".join(", ".join(names[i : i + 4]) for i in range(0, len(names), 4))
        right = launch.year < 2019
        axes.annotate(
            text,
            (launch, line),
            xytext=(11 if right else -11, 0),
            textcoords="offset points",
            ha="left" if right else "right",
            va="center",
            color=INK,
            fontsize=9.5,
        )
    axes.set_yticks(range(batches.ngroups), [f"batch {b}" for b in batches.groups])
    axes.set_ylim(batches.ngroups - 0.4, -0.6)
    axes.margins(x=0.04)
    return figure


def experience_batches(record: Record) -> Figure:
    """Draw replicated experience by batch, serving industry directly and indirectly.

    A count that the record infers, because the extracted label reads otherwise, has a star.
    """
    cells = record.select(paper="qian_wang_2023", table="figure3")
    counts = {kind: [c for c in cells if c.column == kind] for kind in ("direct", "indirect")}
    inferred = {c.row for c in cells if c.column == "indirect as extracted"}
    stars = ["*" if c.row in inferred else "" for c in counts["direct"]]
    labels = [f"{c.row.split()[-1]}\n{c.note.split(';')[0]}" for c in counts["direct"]]
    direct, indirect = ([float(c.value) for c in counts[k]] for k in ("direct", "indirect"))
    figure, axes = sheet()
    places = range(len(labels))
    axes.bar(places, direct, color=BLUE, label="serves industry directly")
    axes.bar(
        places, indirect, bottom=direct, color="#BFD7E8", hatch="//", ec="white", label="indirectly"
    )
    for place, (low, high) in enumerate(zip(direct, indirect, strict=True)):
        axes.text(place, low / 2, f"{low:.0f}", ha="center", va="center", color="white")
        text = f"{high:.0f}{stars[place]}"
        axes.text(place, low + high / 2, text, ha="center", va="center", color=INK)
    axes.set_xticks(places, labels)
    axes.set(xlabel="Batch", ylabel="Items")
    axes.legend(loc="lower center", bbox_to_anchor=(0.45, 1.0), ncols=2)
    return figure


def investment_shares(record: Record) -> Figure:
    """Draw Mi's two pairs of numbers: Beijing's share, and its investment in Hebei."""
    panels = {
        "beijing_share_of_regional_investment": "Beijing's share of\nregional investment (%)",
        "beijing_to_hebei_manufacturing_investment": "Beijing's investment in Hebei's\n"
        "manufacturing (100 million yuan)",
    }
    figure, axes = sheet(1, 2, figsize=(6.2, 3.4))
    for ax, (row, title) in zip(axes, panels.items(), strict=True):
        cells = list(record.select(paper="mi_2024", row=row))
        values = [float(c.value) for c in cells]
        ax.bar([c.column for c in cells], values, color=[GREY, BLUE], width=0.6)
        for place, c in enumerate(cells):
            ax.text(place, values[place], c.text, ha="center", va="bottom")
        ax.set_title(title, fontsize=10)
        ax.margins(y=0.1)  # room for the number above the tallest bar
        ax.grid(axis="x", visible=False)
    figure.tight_layout()
    return figure
