"""Many witnesses from dispersed starts: the same bytes on any number of workers.

A few *parents* are grown from scratch, each with its own sample of city-years, its own
ends of the support and widely spread starting levels.  Every member sets out from a
parent, moved at random in all its cells, and is solved anew.  A member depends on the
seed and its number alone, so that workers can take them in any order, a killed run
goes on where it stopped, and nothing is done twice.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ftz.errors import EstimationError
from printproof.witness.moments import columns, two_way_design
from printproof.witness.solver import Block, Values, solve
from printproof.witness.workers import spread
from study import published, replication
from study.replication import (
    CONTROLS,
    MEDIATOR,
    OUTCOME,
    PAPER,
    SUB_INDICES,
    TREATMENT,
    VARIABLES,
    cell,
)
from study.witness import stages as build
from study.witness.files import panel_bytes
from study.witness.layout import Layout, random_layout

#: Attempts from new random numbers before a member or a parent is given up.
_ATTEMPTS = 40
#: Spread of a parent's starting levels, and of a member around its parent, in standard
#: deviations of each variable.
_DISPERSION, _DISTANCE = 0.3, 0.2
_PARENT = build.Settings(figure2=False, dispersion=_DISPERSION, max_iterations=900, patience=50)
_MEMBER = build.Settings(figure2=False, max_iterations=500, patience=50)
#: Parents of a block of members, and members in a block.
_PARENTS, _BLOCK = 8, 200
#: Column order of a panel.
_ORDER = ["city", "year", "matched", TREATMENT, *(v for v in VARIABLES if v != TREATMENT)]


def parent_of(number: int) -> int:
    """Return the parent of a member: eight parents for each two hundred members.

    It depends on the member alone, so that a larger ensemble continues a smaller one.
    """
    return _PARENTS * (number // _BLOCK) + number % _PARENTS


def parents_for(n: int) -> list[int]:
    """Return the parents that the first ``n`` members have."""
    return sorted({parent_of(i) for i in range(n)})


# --- parents --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Parent:
    """A solved start: a sample of city-years and the cells of all its covariates."""

    plan: Layout
    values: Values


def grow(seed: int, number: int) -> Parent:
    """Grow a parent from scratch.

    Raises
    ------
    EstimationError
        If none of the attempts converges.
    """
    targets = build._Targets(published.load(PAPER))
    for attempt in range(_ATTEMPTS):
        key = [seed, 0, number, attempt]
        plan = random_layout(np.random.default_rng([*key, 0]))
        found = build._covariates(targets, plan, np.random.default_rng([*key, 1]), _PARENT)
        if not found.converged:
            continue
        outcome = _outcome(targets, plan, found.values, np.random.default_rng([*key, 2]), _PARENT)
        if outcome is None:
            continue
        on, _ = _rounded(found.values | {OUTCOME: outcome})
        rng = np.random.default_rng([*key, 3])
        linkage = build._linkage(targets, plan, on, rng, 40)
        if linkage.converged:
            values = found.values | {OUTCOME: outcome, MEDIATOR: linkage.values[MEDIATOR]}
            return Parent(plan, values)
    raise EstimationError(f"no parent {number} of seed {seed} after {_ATTEMPTS} attempts")


def _rounded(values: Values) -> tuple[Values, Values]:
    """Return the covariates on and off the support, as they will be written."""
    on = {n: np.round(values[n], build.DECIMALS) for n in (OUTCOME, *CONTROLS)}
    off = {n: np.round(values[build._off(n)], build.DECIMALS) for n in CONTROLS}
    return on, off


def _outcome(
    targets: build._Targets,
    plan: Layout,
    values: Values,
    rng: np.random.Generator,
    settings: build.Settings,
) -> np.ndarray | None:
    """Solve the outcome with Table 1; ``None`` if the search or the support fails."""
    on, off = _rounded(values)
    off |= build._off_support_outcomes(targets, plan, rng)
    try:
        found = build._outcome(targets, plan, on, build._assemble(plan, on, off), settings)
    except EstimationError:  # rounding to the file's decimals moved a row across the support
        return None
    return found.values[OUTCOME] if found.converged else None


def save_parent(parent: Parent, path: Path) -> None:
    """Write a parent."""
    plan = parent.plan
    arrays = {f"value {name}": x for name, x in parent.values.items()}
    arrays["matched"] = plan.rows["matched"].to_numpy()
    arrays["ends"] = np.array([[*plan.lowest_treated], [*plan.highest_control]], dtype=str)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.npz")
    np.savez(temporary, allow_pickle=False, **arrays)
    os.replace(temporary, path)


def load_parent(path: Path) -> Parent:
    """Read a parent."""
    from study.witness.layout import layout

    with np.load(path) as stored:
        rows = layout().rows.assign(matched=stored["matched"])
        low, high = ((str(c), int(y)) for c, y in stored["ends"])
        values = {
            k.removeprefix("value "): stored[k] for k in stored.files if k.startswith("value ")
        }
    return Parent(Layout(rows, low, high), values)


# --- members --------------------------------------------------------------------------------------


def member(seed: int, number: int, parent: Parent) -> pd.DataFrame:
    """Return one witness: a parent moved in all its cells and solved anew.

    Raises
    ------
    EstimationError
        If none of the attempts meets every printed cell.
    """
    targets = build._Targets(published.load(PAPER))
    for attempt in range(_ATTEMPTS):
        frame = _try(targets, parent, [seed, 1, number, attempt])
        if frame is None:
            continue
        if meets(frame):
            return frame
    raise EstimationError(f"no member {number} of seed {seed} after {_ATTEMPTS} attempts")


#: Cells that no witness is asked to meet; see ``study.witness.files.NOT_ASKED``.
NOT_MET = {
    *(cell("table1", m, "ATT", s) for m in replication.METHODS for s in ("se", "statistic")),
    *(cell("table5", MEDIATOR, "(8)", s) for s in ("coef", "statistic")),
}


def meets(frame: pd.DataFrame) -> bool:
    """Say whether a panel meets every cell that a witness is asked to meet.

    The regressions are those of :mod:`printproof.witness.moments`, which a test holds against
    the book's estimators; :func:`study.witness.check` runs the latter and takes longer.
    """
    matched = frame[frame["matched"] == 1]
    numbers = replication.table1(frame) | replication.table2(matched) | _regressions(matched)
    record = published.load(PAPER)
    return all(
        record.get(name).reproduced_by(value)
        for name, value in numbers.items()
        if name not in NOT_MET
    )


def _regressions(matched: pd.DataFrame) -> dict[str, float]:
    """Return the coefficients and statistics of Tables 4 and 5."""
    design = two_way_design(matched["city"].to_numpy(), matched["year"].to_numpy())
    full = ("const", TREATMENT, *CONTROLS)
    jobs = [("table4", f"({k})", OUTCOME, full[: k + 2]) for k in range(1, len(CONTROLS) + 1)]
    jobs.append(("table5", "(7)", MEDIATOR, full))
    jobs.append(("table5", "(8)", OUTCOME, (*full, MEDIATOR)))
    jobs += [("table5", column, variable, full) for column, variable in SUB_INDICES.items()]
    frame = matched.assign(const=1.0)
    found = {}
    for table, column, outcome, names in jobs:
        fit = columns(frame[outcome].to_numpy(float), frame[list(names)].to_numpy(float), design)
        printed = names if table == "table4" else (TREATMENT,)
        for j, name in enumerate(names):
            if name in printed:
                found[cell(table, name, column, "coef")] = float(fit.value[j])
                found[cell(table, name, column, "statistic")] = float(fit.statistic[j])
    return found


def _moved(blocks: dict[str, Block], values: Values, rng: np.random.Generator) -> dict[str, Block]:
    moved = {}
    for name, block in blocks.items():
        x = values[name]
        if block.lower is not None and block.upper is not None:
            width = block.upper - block.lower
            x = x + _DISTANCE * x.std() * rng.standard_normal(len(x))
            x = np.clip(x, block.lower + 0.01 * width, block.upper - 0.01 * width)
        moved[name] = Block(x, block.lower, block.upper, block.pins)
    return moved


def _try(targets: build._Targets, parent: Parent, key: list[int]) -> pd.DataFrame | None:
    plan, rng = parent.plan, np.random.default_rng([*key, 0])
    blocks = build._covariate_blocks(targets, plan, np.random.default_rng([*key, 1]))
    pinned = {n: _same_pins(b, parent.values[n]) for n, b in blocks.items()}
    found = solve(
        _moved(pinned, parent.values, rng),
        build._covariate_equations(targets, plan),
        max_iterations=_MEMBER.max_iterations,
        patience=_MEMBER.patience,
    )
    if not found.converged:
        return None
    outcome = _outcome(targets, plan, found.values, rng, _MEMBER)
    if outcome is None:
        return None
    on, off = _rounded(found.values)
    off |= build._off_support_outcomes(targets, plan, rng)
    on[OUTCOME] = outcome
    for column, variable in SUB_INDICES.items():
        sub = build._sub_index(targets, plan, column, on, rng)
        if not sub.converged:
            return None
        on[variable] = sub.values[variable]
    near = parent.values[MEDIATOR]
    near = np.clip(near * np.exp(0.15 * rng.standard_normal(len(near))), 0.2, 28.8)
    linkage = build._linkage(targets, plan, on, rng, 40, near)
    if not linkage.converged:
        return None
    on[MEDIATOR] = linkage.values[MEDIATOR]
    return build._assemble(plan, on, off)[_ORDER]


def _same_pins(block: Block, values: np.ndarray) -> Block:
    """Hold the printed extremes where the parent holds them."""
    if not block.pins:
        return block
    ends = sorted(block.pins.values())
    places = {int(values.argmin()): ends[0], int(values.argmax()): ends[1]}
    return Block(block.start, block.lower, block.upper, places)


# --- the run --------------------------------------------------------------------------------------

_STATE: dict[int, Parent] = {}


def _grow_job(folder: Path, seed: int, number: int) -> int:
    save_parent(grow(seed, number), _parent_path(folder, number))
    return number


def _member_job(folder: Path, seed: int, number: int) -> int:
    from study.witness.quantities import of_panel

    key = parent_of(number)
    if key not in _STATE:
        _STATE[key] = load_parent(_parent_path(folder, key))
    frame = member(seed, number, _STATE[key])
    line = {"member": number, "parent": key, **of_panel(frame)}
    # the panel goes last: a member whose panel is there is complete
    _replace(_quantity_path(folder, number), (json.dumps(line) + "\n").encode())
    _replace(_panel_path(folder, number), panel_bytes(frame))
    return number


def _parent_path(folder: Path, number: int) -> Path:
    return folder / "parents" / f"{number:03d}.npz"


def _panel_path(folder: Path, number: int) -> Path:
    return folder / "panels" / f"{number:05d}.csv"


def _quantity_path(folder: Path, number: int) -> Path:
    return folder / "quantities" / f"{number:05d}.json"


def _replace(path: Path, content: bytes) -> None:
    """Write a file so that it is there whole or not at all."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_bytes(content)
    os.replace(temporary, path)


def run(
    n: int,
    seed: int,
    folder: Path,
    *,
    workers: int | None = None,
    progress: bool = True,
) -> Path:
    """Draw an ensemble; what is already there is kept.

    Parameters
    ----------
    n : int
        Members.
    seed : int
        The ensemble's seed: the same seed and ``n`` give the same bytes.
    folder : Path
        Where parents, panels and quantities go; a run in another folder starts afresh,
        and a larger ``n`` in the same folder adds to what is there.
    workers : int, optional
        Processes; the number of cores by default.
    progress : bool
        Whether to show a bar with the time left.

    Returns
    -------
    Path
        ``ensemble.csv``: one row a member, one column an unprinted quantity.

    Raises
    ------
    EstimationError
        If ``n`` is not positive, or the folder holds another run.
    """
    if n < 1:
        raise EstimationError(f"an ensemble has at least one member, not {n}")
    for part in ("parents", "panels", "quantities"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    _claim(folder, {"seed": seed, "record": _record_digest()})
    missing = [p for p in parents_for(n) if not _parent_path(folder, p).exists()]
    jobs = [(folder, seed, p) for p in missing]
    spread(_grow_job, jobs, workers=workers, what="parents", progress=progress)
    missing = [i for i in range(n) if not _panel_path(folder, i).exists()]
    jobs = [(folder, seed, i) for i in missing]
    spread(_member_job, jobs, workers=workers, what="witnesses", progress=progress)
    return collect(n, seed, folder)


def _record_digest() -> str:
    """Return the digest of the printed record: another record makes another ensemble."""
    text = "\n".join(f"{p.id}={p.text}" for p in published.load(PAPER))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _claim(folder: Path, about: dict[str, Any]) -> None:
    """Say what a folder holds, and refuse to mix it with something else."""
    path = folder / "run.json"
    if path.exists():
        there = json.loads(path.read_text("utf-8"))
        if there != about:
            raise EstimationError(
                f"{folder} holds another ensemble ({there}); choose another folder or delete it"
            )
        return
    _replace(path, (json.dumps(about) + "\n").encode())


def collect(n: int, seed: int, folder: Path) -> Path:
    """Write ``ensemble.csv``, ``panels.csv.gz`` and ``manifest.json`` from the members."""
    lines = [json.loads(_quantity_path(folder, i).read_text("utf-8")) for i in range(n)]
    names = list(dict.fromkeys(k for line in lines for k in line))
    frame = pd.DataFrame(lines, columns=_ordered(names))
    text = frame.to_csv(index=False, float_format="%.6g", lineterminator="\n")
    panels = "".join(_with_number(i, _panel_path(folder, i)) for i in range(n))
    compressed = gzip.compress(panels.encode(), mtime=0)
    _replace(folder / "panels.csv.gz", compressed)
    _replace(folder / "ensemble.csv", text.encode())
    about = {
        "what": "witness panels: constructed from printed tables, not data",
        "command": f"make witness N={n} SEED={seed}",
        "members": n,
        "seed": seed,
        "parents": len(parents_for(n)),
        "sha256": {
            "ensemble.csv": hashlib.sha256(text.encode()).hexdigest(),
            "panels.csv": hashlib.sha256(panels.encode()).hexdigest(),
        },
    }
    _replace(folder / "manifest.json", (json.dumps(about, indent=2) + "\n").encode())
    return folder / "ensemble.csv"


def _ordered(names: Iterable[str]) -> list[str]:
    from study.witness.quantities import GROUPS

    head = ["member", "parent"]
    groups = list(GROUPS)
    rest = [n for n in names if n not in head]
    return head + sorted(rest, key=lambda n: (groups.index(n.split(":")[0]), n))


def _with_number(number: int, path: Path) -> str:
    first, *rest = path.read_text("utf-8").splitlines()
    head = [f"member,{first}"] if number == 0 else []
    return "\n".join(head + [f"{number},{line}" for line in rest]) + "\n"
