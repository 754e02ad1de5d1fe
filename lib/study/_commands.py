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
    """Run ``python -m module``; return its exit code.

    Parameters
    ----------
    module, description : str
        Its name, and what ``--help`` says of it.
    add_arguments : callable
        Adds its options to a parser.
    run : callable
        From parsed options to the exit code; one of :data:`ERRORS` becomes one line on
        standard error and the code 2.
    arguments : sequence of str, optional
        Those of the shell by default.
    """
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=description)
    add_arguments(parser)
    try:
        return run(parser.parse_args(arguments))
    except ERRORS as error:
        print(f"{module}: {error}", file=sys.stderr)
        return BAD_INPUT
