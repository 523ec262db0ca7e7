"""Which adapter a source names."""

from __future__ import annotations

from nightshelf.ingest.adapters import complete_journey, online_retail
from nightshelf.ingest.adapters.base import Adapter
from nightshelf.ingest.adapters.column_map import column_map
from nightshelf.settings import Source

ADAPTERS = {
    "complete_journey": complete_journey.EVENTS,
    "complete_journey_products": complete_journey.ITEMS,
    "online_retail": online_retail.EVENTS,
    "online_retail_items": online_retail.ITEMS,
}


def adapter_for(source: Source) -> Adapter:
    return column_map(source) if source.adapter == "column_map" else ADAPTERS[source.adapter]
