"""`python -m nightshelf`: works wherever the interpreter does, also from a path with a space."""

from nightshelf.cli import main

main()
