"""What the modules that are run as commands share: parse, run, one line for an error."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence

from ftz.errors import FtzError
from printproof.errors import PrintproofError

#: The exit code where the input was bad, as of argparse itself.
BAD_INPUT = 2
#: What the caller can put right.
ERRORS = (FtzError, PrintproofError)


def run_command(
    module: str,
    description: str,
    add_arguments: Callable[[argparse.ArgumentParser], None],
    run: Callable[[argparse.Namespace], int],
    arguments: Sequence[str] | None = None,
) -> int:
    """Run ``python -m module``; return its exit code."""
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=description)
    add_arguments(parser)
    try:
        return run(parser.parse_args(arguments))
    except ERRORS as error:
        print(f"{module}: {error}", file=sys.stderr)
        return BAD_INPUT
