"""RetailRocket: events.csv, item_properties_part1.csv and _part2.csv, category_tree.csv.

Times are ms; visitors have no name but a number. An item's property is true from its time on, and
all but two are hashed. `retailrocket_sample` is the same log as one Parquet file with other names.
"""

from nightshelf.ingest.adapters.base import Adapter, one_of, translated

NAMES = {"addtocart": "cart_add", "transaction": "purchase"}

EVENTS = Adapter(
    kind="events",
    required=("timestamp", "visitorid", "event", "itemid"),
    optional=("transactionid",),
    time_unit="ms",
    expressions={
        "event_type": translated("event", NAMES),
        "occurred_at": '"timestamp"',
        "anonymous_id": "visitorid",
        "item_id": "itemid",
        "order_id": "transactionid",
    },
)

SAMPLE = Adapter(
    kind="events",
    required=("visitor_id", "event_type", "item_id", "event_ts"),
    optional=("transaction_id",),
    expressions={
        "event_type": translated("event_type", NAMES),
        # UTC without saying so; a time without a zone would be the shop's.
        "occurred_at": "event_ts || 'Z'",
        "anonymous_id": "visitor_id",
        "item_id": "item_id",
        "order_id": "transaction_id",
    },
)

PROPERTIES = Adapter(
    kind="items",
    required=("timestamp", "itemid", "property", "value"),
    aside=f"not {one_of('property', ('categoryid', 'available'))}",
    time_unit="ms",
    expressions={
        "item_id": "itemid",
        "category_path": "case when property = 'categoryid' then value end",
        "in_stock": "case when property = 'available' then value end",
        "updated_at": '"timestamp"',
    },
)

CATEGORIES = Adapter(
    kind="categories",
    required=("categoryid", "parentid"),
    expressions={"category_id": "categoryid", "parent_id": "parentid"},
)

ADAPTERS = {
    "retailrocket": EVENTS,
    "retailrocket_sample": SAMPLE,
    "retailrocket_items": PROPERTIES,
    "retailrocket_categories": CATEGORIES,
}
