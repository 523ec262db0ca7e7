"""A made-up shop whose truth is known: for tests, demos, and to measure what a rule or exploration is
worth in a closed loop. Nothing in it is data of a real shop."""

from nightshelf.simulation.loop import simulate
from nightshelf.simulation.shop import SimulatedShop, Size
from nightshelf.simulation.truth import Truth, truth_of

__all__ = ["SimulatedShop", "Size", "Truth", "simulate", "truth_of"]
