"""The command ``bookworks``: what editors and students run beside ``jb build``."""

from __future__ import annotations

import click

from bookworks import _execution, _links, _release, _students
from bookworks._errors import BookError
from bookworks.reruns import _command

_MODULES = (_execution, _links, _release, _command, _students)


class _InOneLine(click.Group):
    """Says what the system refused in one line, as errors of the book are said."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:  # whoever reads has seen enough
            raise
        except OSError as error:  # a full disk, a folder that is gone, what nobody may read
            raise BookError(f"{error.filename or 'here'}: {error.strerror}") from None


@click.group(
    cls=_InOneLine,
    commands=[module.command for module in _MODULES],
    context_settings={"help_option_names": ["-h", "--help"]},
)
def main() -> None:
    """Run, check, pack and teach from an executable Jupyter Book."""


if __name__ == "__main__":
    main()
