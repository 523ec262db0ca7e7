"""Which placement is ranked by which view of the models."""

PLACEMENT_VIEWS = {"for_you": "all", "discover": "new"}
"""Registered model → view. `for_you` may repeat what the user bought, `discover` may not."""
