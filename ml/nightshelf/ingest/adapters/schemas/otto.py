"""OTTO: the recommendation challenge's JSON Lines, one visitor's weeks a line, times in ms.

What the files call a session is all that one visitor did in the time the files cover. It names the
visitor; visits are cut out of it by their gaps. There is no catalogue and no price.
"""

from nightshelf.ingest.adapters.base import Adapter, translated

EVENTS = Adapter(
    kind="events",
    required=("session", "events"),
    optional=("[].aid", "[].ts", "[].type"),
    unfold="json_extract(line, '$.events[*]')",
    time_unit="ms",
    expressions={
        "event_type": translated(
            '"[].type"', {"clicks": "click", "carts": "cart_add", "orders": "purchase"}
        ),
        "occurred_at": '"[].ts"',
        "anonymous_id": "session",
        "item_id": '"[].aid"',
    },
)

ADAPTERS = {"otto": EVENTS}
