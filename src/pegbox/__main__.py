"""`python -m pegbox`."""

from pegbox.cli import main

main()
