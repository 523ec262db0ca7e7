"""`[exploration]` of the shop file: which share of a shelf's slots is left to chance, and how.

docs/exploration.md says what it brings and what it costs.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from nightshelf.settings.strict import Strict

ShareOfSlots = Annotated[float, Field(ge=0, le=0.5)]
"""A list of which more than half is left to chance is nobody's list."""


class Budget(Strict):
    """The share of a placement's slots that explore. Only lists that one user sees: of a list that
    everybody sees, a night throws the dice once, and thousands look at the same throw."""

    for_you: ShareOfSlots = 0.0
    discover: ShareOfSlots = 0.0


class Exploration(Strict):
    """Off until a placement has a budget."""

    budget: Budget = Budget()
    policy: Literal["even", "thompson"] = "even"
    """What exploring slots show of the candidates beyond the list: each as likely, or the one whose
    response, drawn from what is believed of it, is best."""
    lift: Annotated[float, Field(ge=1, le=10)] = 1.5
    """Of `thompson`: how many times the shop's click rate is believed of what has just arrived."""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    """Another seed explores other slots of the same nights."""

    @model_validator(mode="after")
    def _even_lifts_nobody(self) -> Exploration:
        if "lift" in self.model_fields_set and self.policy == "even":
            raise ValueError('`lift` needs policy = "thompson": an even draw favours no item')
        return self

    @property
    def budgets(self) -> dict[str, float]:
        """Placement → its share, of those that explore."""
        given = {name: getattr(self.budget, name) for name in Budget.model_fields}
        return {placement: share for placement, share in given.items() if share > 0}

    def told(self) -> dict[str, Any]:
        """For the manifest: by what the night's dice were thrown; nothing where none were."""
        return {"exploration": self.model_dump()} if self.budgets else {}
