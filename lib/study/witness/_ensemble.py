"""Many witnesses, each grown from scratch: the same bytes on any number of workers.

Every member has its own sample of city-years, its own ends of the support and widely spread
starting levels; none descends from another.  A member depends on the seed and its number
alone, so that workers can take them in any order, a killed run goes on where it stopped, and
nothing is done twice.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ftz.errors import EstimationError
from printproof.witness import Values, newton, spread
from study import published
from study.replication import CONTROLS, OUTCOME, PAPER
from study.witness import _stages as build
from study.witness._files import check, panel_bytes
from study.witness._sample import Sample, random_sample

#: Attempts from new random numbers before a member is given up.
_ATTEMPTS = 60
#: Spread of the starting levels, in standard deviations of each variable.
_DISPERSION = 0.3
#: Newton steps for controls and outcome together; what has not met by then seldom does.
_NEWTON, _LONGEST, _TOLERANCE = 80, 0.6, 0.3


# --- members --------------------------------------------------------------------------------------


def member(seed: int, number: int) -> pd.DataFrame:
    """Grow one witness from scratch."""
    targets = build._Targets(published.load(PAPER))
    for attempt in range(_ATTEMPTS):
        frame = _try(targets, np.random.default_rng([seed, number, attempt]))
        if frame is not None and meets(frame):
            return frame
    raise EstimationError(f"no member {number} of seed {seed} after {_ATTEMPTS} attempts")


def _try(targets: build._Targets, rng: np.random.Generator) -> pd.DataFrame | None:
    plan = random_sample(rng)
    found = newton(
        build._covariate_blocks(targets, plan, rng, _DISPERSION),
        build._covariate_equations(targets, plan),
        tolerance=_TOLERANCE,
        max_iterations=_NEWTON,
        longest=_LONGEST,
    )
    if not found.converged:
        return None
    outcome = _outcome(targets, plan, found.values, rng)
    if outcome is None:
        return None
    on, off = _rounded(found.values)
    off |= build._off_support_outcomes(targets, plan, rng)
    on[OUTCOME] = outcome
    linkage = partial(build._linkage, targets, plan, on, rng, 40)
    try:
        cells, _ = build._others(targets, plan, on, rng, linkage)
    except EstimationError:
        return None
    return build._assemble(plan, on | cells, off)


def _rounded(values: Values) -> tuple[Values, Values]:
    """Return the covariates on and off the support, as they will be written."""
    on = {n: np.round(values[n], build.DECIMALS) for n in (OUTCOME, *CONTROLS)}
    off = {n: np.round(values[build._off(n)], build.DECIMALS) for n in CONTROLS}
    return on, off


def _outcome(
    targets: build._Targets,
    plan: Sample,
    values: Values,
    rng: np.random.Generator,
) -> np.ndarray | None:
    """Solve the outcome with Table 1; ``None`` if the search or the support fails."""
    on, off = _rounded(values)
    off |= build._off_support_outcomes(targets, plan, rng)
    try:
        frame = build._assemble(plan, on, off)
        found = build._outcome(
            targets, plan, on, frame, figure2=False, max_iterations=500, patience=50
        )
    except EstimationError:  # rounding to the file's decimals moved a row across the support
        return None
    return found.values[OUTCOME] if found.converged else None


def meets(frame: pd.DataFrame) -> bool:
    """Say whether a panel meets every cell that a witness is asked to meet."""
    compared = check(frame)
    return bool((compared.loc[compared["asked"], "verdict"] == published.REPRODUCED).all())


# --- the run --------------------------------------------------------------------------------------


def _member_job(folder: Path, seed: int, number: int) -> int:
    from study.witness._estimands import of_panel

    frame = member(seed, number)
    line = {"member": number, **of_panel(frame)}
    # the panel goes last: a member whose panel is there is complete
    _replace(_quantity_path(folder, number), (json.dumps(line) + "\n").encode())
    _replace(_panel_path(folder, number), panel_bytes(frame))
    return number


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
    """Draw an ensemble; what is already there is kept."""
    if n < 1:
        raise EstimationError(f"an ensemble has at least one member, not {n}")
    for part in ("panels", "quantities"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    _claim(folder, {"seed": seed, "record": _record_digest()})
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
        "matched": [_flags(_panel_path(folder, i)) for i in range(n)],
        "sha256": {
            "ensemble.csv": hashlib.sha256(text.encode()).hexdigest(),
            "panels.csv": hashlib.sha256(panels.encode()).hexdigest(),
        },
    }
    _replace(folder / "manifest.json", (json.dumps(about, indent=2) + "\n").encode())
    return folder / "ensemble.csv"


def _flags(path: Path) -> str:
    """Return 1 for each matched row of a panel and 0 for the others, in the order of its file."""
    return "".join(map(str, pd.read_csv(path)["matched"]))


def _ordered(names: Iterable[str]) -> list[str]:
    from study.witness._estimands import GROUPS

    groups = list(GROUPS)
    rest = [n for n in names if n != "member"]
    return ["member", *sorted(rest, key=lambda n: (groups.index(n.split(":")[0]), n))]


def _with_number(number: int, path: Path) -> str:
    first, *rest = path.read_text("utf-8").splitlines()
    head = [f"member,{first}"] if number == 0 else []
    return "\n".join(head + [f"{number},{line}" for line in rest]) + "\n"
