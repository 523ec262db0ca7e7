"""The settings of the audience models: ml/config/audience.toml, one table each."""

from __future__ import annotations

from dataclasses import dataclass

from nightshelf.audience.churn import ChurnParams
from nightshelf.audience.forecast import ForecastParams
from nightshelf.audience.segments import SegmentParams
from nightshelf.audience.tags import TagParams
from nightshelf.paths import PROJECT
from nightshelf.settings.models import of_file

AUDIENCE_TOML = PROJECT / "ml" / "config" / "audience.toml"


@dataclass(frozen=True)
class Settings:
    forecast: ForecastParams
    tags: TagParams
    churn: ChurnParams
    segments: SegmentParams


def audience_settings() -> Settings:
    """Raises SettingsError for what cannot be used, naming file, table, key and rule."""
    kinds = {
        "forecast": ForecastParams,
        "tags": TagParams,
        "churn": ChurnParams,
        "segments": SegmentParams,
    }
    return Settings(**of_file(kinds, AUDIENCE_TOML))
