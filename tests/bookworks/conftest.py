"""The fixtures of these tests are in a module of its own, which processes import, too."""

from conftest_tea import tea  # noqa: F401
