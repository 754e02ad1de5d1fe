"""The command ``printproof``: import printed tables, check them, verify proofs, explain a cell.

``ftz audit`` and ``ftz verify`` of the book are the same; :mod:`printproof.program` writes all
of it into one file.
"""

from __future__ import annotations

import argparse
import sys
import textwrap
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import printproof
from printproof import _explain as explain
from printproof import checker
from printproof._certificate import plain
from printproof._files import write_ledger
from printproof._study import Study
from printproof.errors import PrintproofError
from printproof.importing import _command as importing
from printproof.reading import read_file

#: Exit codes where all is well, a wanted verdict was not met, and input cannot be used.
OK, NOT_MET, BAD_INPUT = 0, 1, 2


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit code."""
    parser = argparse.ArgumentParser(
        prog="printproof", description="Which printed numbers can all be true together?"
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (text, fill) in COMMANDS.items():
        fill(commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + "."))
    options = parser.parse_args(arguments)
    try:
        if options.command in ("check", "explain") and options.file is None:
            needs = f"{options.command} needs a FILE.yml, as `printproof import` writes it"
            parser.error(needs)
        return int(options.run(options))
    except PrintproofError as error:
        print(f"printproof {options.command}: {error}", file=sys.stderr)
        return BAD_INPUT
    except ModuleNotFoundError as error:
        print(f"printproof {options.command}: needs pip install {error.name}", file=sys.stderr)
        return BAD_INPUT
    except BrokenPipeError:  # `printproof check paper.yml | head`
        sys.stderr.close()
        return OK


# --- check ----------------------------------------------------------------------------------


def _check_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Check every printed number of the five papers, or of FILE.yml, by exact interval "
        "arithmetic, and print the ledger: one row a check, with the deciding arithmetic.  "
        "`ftz audit import FILE` writes such a file from LaTeX, HTML, CSV, Excel or pasted text; "
        "`ftz audit explain CELL` tells everything about one printed cell."
    )
    parser.add_argument(
        "file", nargs="?", type=Path, metavar="FILE.yml", help="another paper's printed tables"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument("--paper", help="only this paper")
    parser.add_argument("--rule", help="only this rule")
    parser.add_argument(
        "--verdict",
        choices=("consistent", "impossible", "undecided"),
        help="only checks with this verdict",
    )
    parser.add_argument(
        "--out", type=Path, metavar="FOLDER", help="write ledger.csv, ledger.jsonl, certificates/"
    )
    parser.add_argument(
        "--strict", action="store_true", help="exit with 1 if anything is impossible"
    )
    parser.add_argument(
        "--echo", action="store_true", help="show every cell as it was read, and who used it"
    )
    parser.set_defaults(run=_check, studies=list)


def _check(options: argparse.Namespace) -> int:
    ledger = printproof.audit(read_file(options.file) if options.file else options.studies())
    wanted = {k: getattr(options, k) for k in ("paper", "rule", "verdict") if getattr(options, k)}
    for key in ("paper", "rule"):
        known = sorted({getattr(c, key) for c in ledger})
        if key in wanted and wanted[key] not in known:
            raise PrintproofError(
                f"no {key} {wanted[key]!r} in this ledger: there are {', '.join(known)}"
            )
    chosen = printproof.Ledger(tuple(ledger.select(**wanted)), ledger.studies)
    if options.out:
        for path in write_ledger(ledger, options.out):
            print(f"wrote {path}", file=sys.stderr)
    if options.echo:
        print(ledger.echo())
    if options.json:
        print(chosen.json_lines(), end="")
    else:
        _print_ledger(chosen)
        print(ledger.account)
    return NOT_MET if options.strict and ledger.counts["impossible"] else OK


def _print_ledger(ledger: printproof.Ledger) -> None:
    for verdict in ledger.counts:
        found = ledger.select(verdict=verdict)
        for check in ledger.findings if verdict == "impossible" else found:
            print(f"{verdict.upper()}  {check.paper}  {check.rule}  ({check.strength})")
            for text in (check.title, check.reasoning):
                print(textwrap.fill(text, 96, initial_indent="    ", subsequent_indent="    "))
            print()
    words = ", ".join(f"{n} {verdict}" for verdict, n in ledger.counts.items())
    print(f"{len(ledger)} checks: {words}")


# --- verify -----------------------------------------------------------------------------------


def _verify_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Check certificates (written by `ftz audit --out`) by a program that shares no line with "
        "the audit, and print the sentence that each proves.  Cells and declarations must be "
        "those of the record; for a paper without one the sentence begins with if."
    )
    parser.add_argument("certificates", nargs="+", type=Path, metavar="CERTIFICATE.json")
    parser.add_argument(
        "--record", type=Path, metavar="FILE.yml", help="the record, if not the five papers'"
    )
    parser.set_defaults(run=_verify, studies=list)


def _verify(options: argparse.Namespace) -> int:
    failed = 0
    for path in options.certificates:
        try:
            with path.open(encoding="utf-8") as handle:
                text = handle.read(checker.MOST_BYTES + 1)
        except (OSError, UnicodeDecodeError) as error:
            raise PrintproofError(f"{path}: cannot be read ({error})") from None
        try:
            paper = str(checker.read(text).get("paper"))
            record = _record(options.record or options.studies, paper)
            print(f"{path}: holds.  {checker.verify(text, record)}")
        except checker.CertificateError as error:
            failed += 1
            print(f"{path}: {error}")
    return NOT_MET if failed else OK


@cache
def _record(source: Path | Callable[[], list[Study]], paper: str) -> dict[str, Any] | None:
    """Return the record of a paper, from a file or of those at hand; ``None`` if it is in none."""
    studies = source() if callable(source) else read_file(source)
    study = next((study for study in studies if study.paper == paper), None)
    if study is None and isinstance(source, Path):
        raise PrintproofError(f"{source}: the record holds no paper {paper!r}")
    return plain(study) if study else None


# --- pack -----------------------------------------------------------------------------------


def _pack_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE.pyz")
    parser.set_defaults(run=_pack)


def _pack(options: argparse.Namespace) -> int:
    from printproof.program import write

    print(f"wrote {write(options.file)}: {options.file.stat().st_size:,} bytes")
    return OK


#: Name of a command to what it does in a line, and what adds its options.
COMMANDS: dict[str, tuple[str, Callable[[argparse.ArgumentParser], None]]] = {
    "import": ("write the record of printed tables, for `check`", importing.add_arguments),
    "check": ("decide which printed numbers can all be true together", _check_arguments),
    "explain": ("tell everything about one printed cell", explain.add_arguments),
    "verify": ("check certificates of impossibility by a program of their own", _verify_arguments),
    "pack": ("write this program into one file that needs Python alone", _pack_arguments),
}


if __name__ == "__main__":
    raise SystemExit(main())
