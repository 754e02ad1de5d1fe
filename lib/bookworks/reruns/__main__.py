"""``python -m bookworks.reruns``: run chapters anew with other parameters."""

from bookworks.reruns.command import command

command(prog_name="python -m bookworks.reruns")
