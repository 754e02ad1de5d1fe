"""Sphinx extension: the gallery of reruns, and a page for each executed run.

``{rerun-gallery}`` shows what ``make rerun`` left in ``_build/reruns`` (or in the folder
that ``FTZ_RERUNS`` names): for each declaration a table with a run a row, injected
parameters and headline numbers, and a figure of the first number over the grid.  With no
runs it says so.  The page is read again when a run was added, and when library, data or
chapters changed, because then the runs are *stale* and the page must say it.

After the build every run whose notebook was kept is set as ``runs/NAME.html``.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path

from docutils import nodes
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

logger = logging.getLogger(__name__)

#: What a run's page depends on, beside the run.
LOOK = ("_config.yml", "book/references.bib", "lib/ftz/reruns/pages.py")


def folder(app) -> Path:
    """Return where runs are kept."""
    named = os.environ.get("FTZ_RERUNS")
    return Path(named) if named else Path(app.srcdir) / "_build" / "reruns"


def standing(app) -> list[tuple[object, bool]]:
    """Return the finished runs, and of each whether it is stale."""
    from ftz.reruns.records import read_records, state

    records = read_records(folder(app))
    if not records:
        return []
    root = Path(app.srcdir)
    now = state(root)
    return [(record, record.is_stale(now, root)) for record in records]


# -- the gallery ------------------------------------------------------------------------


class Gallery(SphinxDirective):
    """``{rerun-gallery}``: tables and figures of the finished runs."""

    def run(self) -> list[nodes.Node]:
        """Return one table, and where it says something a figure, for each declaration."""
        self.env.ftz_rerun_pages = getattr(self.env, "ftz_rerun_pages", set()) | {self.env.docname}
        runs = standing(self.env.app)
        if not runs:
            return [_nothing_yet()]
        made: list[nodes.Node] = []
        key = lambda pair: (pair[0].group, pair[0].chapter)  # noqa: E731
        for (group, _chapter), pairs in groupby(runs, key=key):
            made += self._group(group, list(pairs))
        return made

    def _group(self, group: str, pairs: list) -> Iterator[nodes.Node]:
        records = [record for record, _ in pairs]
        title = nodes.paragraph()
        title += nodes.strong(text=records[0].title)
        title += nodes.Text(f" (chapter {records[0].chapter}, ")
        title += nodes.literal(text=f"reruns/{group}.yml" if group != "adhoc" else "ftz rerun")
        title += nodes.Text(")")
        yield title
        stale = [record.name for record, old in pairs if old]
        if stale:
            yield _stale(stale if len(stale) < len(pairs) else [])
        shared = the_same(pairs)
        if shared:
            said = ", ".join(f"{name} = {_text(value)}" for name, value in shared.items())
            yield nodes.paragraph(text=f"In all runs: {said}.")
        yield self._table(pairs)
        figure = self._figure(group, records)
        if figure is not None:
            yield figure

    def _table(self, pairs: list) -> nodes.Node:
        from ftz.reruns.headlines import labels

        known = labels(pairs[0][0].chapter)
        given = [n for n in injected(pairs) if n not in the_same(pairs)]
        heads = ["run", *given, *known.values()]
        rows = []
        for record, old in pairs:
            cells: list[nodes.Node | str] = [self._link(record, old)]
            cells += [_text(record.given[n]) if n in record.given else "" for n in given]
            numbers = (record.headlines.get(key) for key in known)
            cells += ["" if number is None else f"{number:.6g}" for number in numbers]
            rows.append(cells)
        return table(heads, rows)

    def _link(self, record, stale: bool) -> nodes.Node:
        line = nodes.paragraph()
        if "page" in record.keep and self.env.app.builder.format == "html":
            up = "../" * self.env.docname.count("/")
            line += nodes.reference(
                "", record.name, refuri=f"{up}runs/{record.name}.html", internal=True
            )
        else:
            line += nodes.Text(record.name)
        if stale:
            line += nodes.Text(" ")
            line += nodes.emphasis(text="stale")
        return line

    def _figure(self, group: str, records: list) -> nodes.Node | None:
        drawn = draw(group, records, Path(self.env.app.doctreedir) / "reruns")
        if drawn is None:
            return None
        path, caption, alt = drawn
        start = Path(self.env.srcdir, self.env.docname).parent
        uri = Path(os.path.relpath(path, start)).as_posix()
        figure = nodes.figure("", nodes.image(uri=uri, alt=alt), align="default")
        figure += nodes.caption("", caption)
        return figure


def injected(pairs: Sequence) -> list[str]:
    """Return the parameters that a declaration's runs set, in order."""
    return list(dict.fromkeys(name for record, _ in pairs for name in record.given))


def the_same(pairs: Sequence) -> dict[str, object]:
    """Return the parameters that several runs set to one value."""
    first = pairs[0][0]
    names = [n for n in injected(pairs) if all(n in r.given for r, _ in pairs)]
    same = [n for n in names if all(r.given[n] == first.given[n] for r, _ in pairs)]
    return {n: first.given[n] for n in same} if len(pairs) > 1 else {}


def _nothing_yet() -> nodes.Node:
    note = nodes.admonition()
    note += nodes.title(text="No runs yet")
    note["classes"] += ["note"]
    line = nodes.paragraph(text="Nothing was executed beside this book. ")
    line += nodes.literal(text="make rerun")
    line += nodes.Text(" executes what the files in ")
    line += nodes.literal(text="reruns/")
    line += nodes.Text(" declare, and the next ")
    line += nodes.literal(text="make book")
    line += nodes.Text(" shows it here.")
    note += line
    return note


def _stale(names: Sequence[str]) -> nodes.Node:
    """Return the warning that runs are stale: those of these names, or all."""
    note = nodes.warning()
    which = f"{', '.join(names)} ran" if names else "these runs"
    line = nodes.paragraph(
        text=f"Chapter, library, data or lock file changed since {which}. The numbers may be old; "
    )
    line += nodes.literal(text="make rerun")
    line += nodes.Text(" renews them.")
    note += line
    return note


def _text(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def table(heads: Sequence[str], rows: Sequence[Sequence[nodes.Node | str]]) -> nodes.table:
    """Return a table of texts and nodes."""
    group = nodes.tgroup(cols=len(heads))
    group += [nodes.colspec(colwidth=1) for _ in heads]
    head, body = nodes.thead(), nodes.tbody()
    head += _row(heads)
    body += [_row(row) for row in rows]
    group += [head, body]
    whole = nodes.table("", group, classes=["colwidths-auto"])
    return whole


def _row(cells: Iterable[nodes.Node | str]) -> nodes.row:
    row = nodes.row()
    for cell in cells:
        inner = nodes.paragraph(text=cell) if isinstance(cell, str) else cell
        row += nodes.entry("", inner)
    return row


def draw(group: str, records: list, target: Path) -> tuple[Path, str, str] | None:
    """Draw the first headline number that moves over a parameter; None if none does."""
    import pandas as pd

    from ftz.reruns.headlines import labels

    names = labels(records[0].chapter)
    frame = pd.DataFrame([record.values for record in records])
    varied = [c for c in records[0].given if c in frame and frame[c].map(repr).nunique() > 1]
    numeric = [c for c in varied if pd.api.types.is_numeric_dtype(frame[c])]
    for key in names:
        frame[key] = [record.headlines.get(key, float("nan")) for record in records]
    moving = [key for key in names if frame[key].nunique() > 1]
    if not moving or not numeric or len(varied) > 2:
        return None
    x = max(numeric, key=lambda c: (frame[c].nunique(), c))
    by = next((c for c in varied if c != x), None)
    headline = moving[0]
    label = names[headline]

    import matplotlib as mpl

    from ftz.figures import reruns, style

    with mpl.rc_context():
        style.use()
        figure = reruns.headline_over_grid(frame, x, headline, by, label)
        target.mkdir(parents=True, exist_ok=True)
        path = target / f"{group}.svg"
        figure.savefig(path, metadata={"Date": None, "Creator": None})
    low, high = frame[headline].min(), frame[headline].max()
    lines = f", one line for each value of {by}" if by else ""
    caption = f"The headline “{label}” over {x}{lines}."
    alt = (
        f"{len(records)} runs of {group}: {label} against {x}{lines}; "
        f"it lies between {low:.4g} and {high:.4g}."
    )
    return path, caption, alt


# -- the page follows the runs ------------------------------------------------------------


def follow_runs(app, env, added: set, changed: set, removed: set) -> list[str]:
    """Read the gallery again where a run, or what it rests on, is new."""
    seen = [(record.name, record.digest, old) for record, old in standing(app)]
    now = hashlib.sha256(json.dumps(seen).encode()).hexdigest()
    before, env.ftz_rerun_state = getattr(env, "ftz_rerun_state", now), now
    pages = getattr(env, "ftz_rerun_pages", set()) & env.found_docs
    return [] if before == now else sorted(pages - added - changed - removed)


# -- a page for each run ----------------------------------------------------------------


def write_pages(app, exception: Exception | None) -> None:
    """Set the kept notebooks as pages; those that nothing has changed are copied."""
    if exception or app.builder.format != "html":
        return
    html, root = Path(app.outdir), Path(app.srcdir)
    records = [record for record, _ in standing(app) if "page" in record.keep]
    _forget_others(html / "runs", {record.name for record in records})
    look = hashlib.sha256((html / "objects.inv").read_bytes())
    for name in LOOK:
        look.update((root / name).read_bytes())
    waiting = []
    for record in records:
        stamp = f"{record.digest} {record.notebook} {look.hexdigest()}"
        mark = Path(app.doctreedir) / "reruns" / f"{record.name}.stamp"
        page = html / "runs" / f"{record.name}.html"
        if not (page.is_file() and mark.is_file() and mark.read_text("utf-8") == stamp):
            waiting.append((record, mark, stamp))
    if waiting and _render([record.name for record, _, _ in waiting], app):
        for _, mark, stamp in waiting:
            mark.parent.mkdir(parents=True, exist_ok=True)
            mark.write_text(stamp, encoding="utf-8")


def _forget_others(runs: Path, names: set[str]) -> None:
    for path in (*runs.glob("*.html"), *runs.glob("*.ipynb")):
        if path.stem not in names:
            path.unlink()
    if runs.is_dir() and not names:
        shutil.rmtree(runs)


def _render(names: list[str], app) -> bool:
    """Set pages in a process of its own; return whether all went well."""
    logger.info("setting %d reruns as pages", len(names))
    base = folder(app) / "runs"
    with tempfile.TemporaryDirectory(prefix="ftz-pages-") as desk:
        job = Path(desk, "job.json")
        what = {"folders": [str(base / name) for name in names]}
        what |= {"html": str(app.outdir), "root": str(app.srcdir)}
        job.write_text(json.dumps(what), encoding="utf-8")
        done = subprocess.run(
            [sys.executable, "-m", "ftz.reruns.pages", str(job)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
        )
    if done.returncode:
        logger.warning("a page of a rerun: %s", done.stdout.strip())
    return not done.returncode


def setup(app) -> dict:
    """Register the directive and the hooks."""
    app.add_directive("rerun-gallery", Gallery)
    app.connect("env-get-outdated", follow_runs)
    # before ftz_execution looks whether anything warned
    app.connect("build-finished", write_pages, priority=400)
    return {"version": "1", "parallel_read_safe": False, "parallel_write_safe": True}
