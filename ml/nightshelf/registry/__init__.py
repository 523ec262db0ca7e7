"""MLflow: a parent run a night, a child run a model, two registered models with aliases.

A registered version is a recipe.json and, for a ranker, one .npz; both are known by sha256, and
nothing in the store can name code to run. What does not match is refused with a ModelError.
"""

from nightshelf.registry.files import read_recipe, write_recipe
from nightshelf.registry.store import Registered, Registry

__all__ = ["Registered", "Registry", "read_recipe", "write_recipe"]
