"""What every table of a shop file is made of."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

Share = Annotated[float, Field(ge=0, le=1)]


def _quoted(given: Any) -> Any:
    return given.isoformat() if type(given) is date else given


def _bare(given: Any) -> Any:
    try:
        return date.fromisoformat(given)
    except (TypeError, ValueError):
        return given


# TOML has dates of its own, and people write them with quotes as well: both are taken everywhere.
DateText = Annotated[str, BeforeValidator(_quoted)]
Date = Annotated[date, BeforeValidator(_bare)]


class Strict(BaseModel):
    """Unknown keys, other types, NaN and infinity are refused; nothing changes once it is read."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)
