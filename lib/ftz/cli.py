"""The command ``ftz``: what the book does, from a shell."""

from __future__ import annotations

import argparse
import json
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

from ftz.errors import FtzError

#: Exit codes: all well; a wanted verdict was not met; bad input.
OK, NOT_MET, BAD_INPUT = 0, 1, 2


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = options.run
    try:
        return command(options)
    except FtzError as error:
        print(f"ftz {options.command}: {error}", file=sys.stderr)
        return BAD_INPUT
    except BrokenPipeError:  # `ftz audit | head`
        sys.stderr.close()
        return OK


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ftz", description="Audit printed tables and build panels that reproduce them."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _audit_parser(commands)
    _verify_parser(commands)
    _witness_parser(commands)
    return parser


# --- audit ------------------------------------------------------------------------------------


def _audit_parser(commands) -> None:
    parser = commands.add_parser(
        "audit",
        help="decide which printed numbers can all be true together",
        description=(
            "Check every printed number of the five papers, or of FILE.yml, by exact interval "
            "arithmetic, and print the ledger: one row a check, with the deciding arithmetic."
        ),
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
    parser.set_defaults(run=_audit)


def _audit(options: argparse.Namespace) -> int:
    from ftz import audit
    from ftz.audit.files import write_ledger
    from ftz.audit.reading import read_file

    ledger = audit.audit(read_file(options.file) if options.file else None)
    wanted = {k: getattr(options, k) for k in ("paper", "rule", "verdict") if getattr(options, k)}
    for key in ("paper", "rule"):
        known = sorted({getattr(c, key) for c in ledger})
        if key in wanted and wanted[key] not in known:
            raise FtzError(f"no {key} {wanted[key]!r} in this ledger: there are {', '.join(known)}")
    chosen = audit.Ledger(tuple(ledger.select(**wanted)), ledger.studies)
    if options.out:
        for path in write_ledger(ledger, options.out):
            print(f"wrote {path}", file=sys.stderr)
    if options.json:
        print(chosen.json_lines(), end="")
    else:
        _print_ledger(chosen)
    return NOT_MET if options.strict and ledger.counts["impossible"] else OK


def _print_ledger(ledger) -> None:
    for verdict in ledger.counts:
        for check in ledger.select(verdict=verdict):
            print(f"{verdict.upper()}  {check.paper}  {check.rule}")
            for text in (check.title, check.reasoning):
                print(textwrap.fill(text, 96, initial_indent="    ", subsequent_indent="    "))
            print()
    words = ", ".join(f"{n} {verdict}" for verdict, n in ledger.counts.items())
    print(f"{len(ledger)} checks: {words}")


# --- verify -----------------------------------------------------------------------------------


def _verify_parser(commands) -> None:
    parser = commands.add_parser(
        "verify",
        help="check certificates of impossibility by a program of their own",
        description="Check certificates (written by `ftz audit --out`) against the printed record.",
    )
    parser.add_argument("certificates", nargs="+", type=Path, metavar="CERTIFICATE.json")
    parser.add_argument(
        "--record", type=Path, metavar="FILE.yml", help="the record, if not the five papers'"
    )
    parser.set_defaults(run=_verify)


def _verify(options: argparse.Namespace) -> int:
    from ftz import audit
    from ftz.audit.checker import CertificateError, verify
    from ftz.audit.reading import read_file

    studies = read_file(options.record) if options.record else audit.load_studies()
    records = {study.paper: study.record for study in studies}
    failed = 0
    for path in options.certificates:
        try:
            proof = json.loads(path.read_text("utf-8"))
        except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
            raise FtzError(f"{path}: cannot be read ({error})") from None
        paper = proof.get("paper") if isinstance(proof, dict) else None
        if paper not in records:
            raise FtzError(f"{path}: the record holds no paper {paper!r}")
        try:
            verify(proof, records[paper])
            print(f"{path}: holds")
        except CertificateError as error:
            failed += 1
            print(f"{path}: {error}")
    return NOT_MET if failed else OK


# --- witness ----------------------------------------------------------------------------------


def _witness_parser(commands) -> None:
    from ftz.witness.__main__ import add_arguments, run

    parser = commands.add_parser("witness", help="build panels that reproduce printed tables")
    add_arguments(parser)
    parser.set_defaults(run=run)


if __name__ == "__main__":
    raise SystemExit(main())
