"""The command line: thin, no logic."""

from pegbox.cli.main import main

__all__ = ["main"]
