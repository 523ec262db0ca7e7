"""The champion as a night finds it: whether it can take part, and whether its alias may move."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nightshelf.errors import ModelError
from nightshelf.night import Night
from nightshelf.ranking.recipe import RANKER, Recipe
from nightshelf.registry import Registered, Registry


@dataclass(frozen=True, eq=False)
class Reign:
    """One placement's champion. Nobody's: all empty."""

    registered: Registered | None = None
    recipe: Recipe | None = None
    """None where it cannot take part tonight."""
    trouble: str = ""
    """Why it takes no part, in words."""
    is_later: bool = False
    """It is of a later night than this one, run again."""
    is_damaged: bool = False

    @property
    def version(self) -> str | None:
        return self.registered.version if self.registered else None

    @property
    def by_hand(self) -> bool:
        return self.registered is not None and self.registered.by_hand

    @property
    def may_give_way(self) -> bool:
        """May a night move the alias? Not away from where a hand put it, nor back in time."""
        return not (self.by_hand or self.is_later)

    @property
    def stays(self) -> str:
        """Why it goes on whatever the examination finds; "" where it does not."""
        if not self.by_hand:
            return ""
        return (
            f"the alias `champion` was set by hand on version {self.version}, and stays there until"
            " a hand moves or deletes it"
        )


def find_reign(
    registry: Registry, placement: str, night: Night, sources: Sequence[str], features: list[str]
) -> Reign:
    """`sources` and `features` are what tonight has; a recipe that needs others cannot be scored."""
    found = registry.champion(placement)
    if found is None:
        return Reign()
    who = f"the champion, version {found.version},"
    if found.night > night.date.isoformat():
        # It may have learnt from this night's examination.
        told = f"{who} is of the later night {found.night}: it neither competes nor gives way"
        return Reign(found, None, told, is_later=True)
    try:
        recipe = registry.load(placement, found)
    except ModelError as error:
        told = f"{who} is refused: {error.what.rstrip('.')}"
        return Reign(found, None, told, is_damaged=True)
    lacks = _lacks(recipe, sources, features)
    if lacks:
        return Reign(found, None, f"{who} cannot be scored tonight: {lacks}")
    return Reign(found, recipe)


def _lacks(recipe: Recipe, sources: Sequence[str], features: list[str]) -> str:
    """What the recipe needs and tonight has not; "" where it has all."""
    if recipe.source != RANKER:
        return "" if recipe.source in sources else f"source {recipe.source} is gone"
    if recipe.fits(features):
        return ""
    gone = [name for name in recipe.ranker.needs if name not in features]
    if gone:
        more = f" and {len(gone) - 3} more" if len(gone) > 3 else ""
        return f"its features {', '.join(gone[:3])}{more} are gone"
    return "the features are more, or in another order, than it learnt from"
