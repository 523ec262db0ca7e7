"""Exploration: which slots of a list show another eligible item, and with what chance each was shown.

Pure functions over flat arrays. They choose among the candidates they are given, so that whatever a
rule has taken out stays out. The design is in docs/decisions/0030-exploration.md.
"""

from nightshelf.exploration.candidates import Candidates, Slots
from nightshelf.exploration.law import Law
from nightshelf.exploration.randomness import keys, seed_of
from nightshelf.exploration.responses import Posteriors, posteriors
from nightshelf.exploration.thompson import explore_by_thompson
from nightshelf.exploration.uniform import explore_uniformly

__all__ = [
    "Candidates",
    "Law",
    "Posteriors",
    "Slots",
    "explore_by_thompson",
    "explore_uniformly",
    "keys",
    "posteriors",
    "seed_of",
]
