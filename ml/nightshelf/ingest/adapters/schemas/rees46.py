"""REES46: the CSV files of a shop's behaviour data, one row an event about one piece of an item.

There is no event id and no quantity: two equal rows are one event. Many rows have no category_code
or no brand; `category_id` is always there. Times end in UTC.
"""

from nightshelf.ingest.adapters.base import Adapter, translated

ROW = ("event_time", "event_type", "product_id", "category_id", "price", "user_id")

EVENTS = Adapter(
    kind="events",
    required=ROW,
    optional=("user_session",),
    expressions={
        "event_type": translated(
            "event_type", {"cart": "cart_add", "remove_from_cart": "cart_remove"}
        ),
        "occurred_at": "event_time",
        "user_id": "user_id",
        "session_id": "user_session",
        "item_id": "product_id",
        "price": "price",
    },
)

LEAF = "replace(string_split(category_code, '.')[-1], '_', ' ')"

# The files have no titles: an item is called by its brand and kind. A price of 0 is an unknown one.
ITEMS = Adapter(
    kind="items",
    claims=True,
    required=ROW,
    optional=("category_code", "brand"),
    expressions={
        "item_id": "product_id",
        "title": f"concat_ws(' ', brand, {LEAF})",
        "category_path": "coalesce(nullif(replace(category_code, '.', ' > '), ''), category_id)",
        "brand": "brand",
        "price": "case when try_cast(price as double) > 0 then price end",
        "updated_at": "event_time",
    },
)

ADAPTERS = {"rees46": EVENTS, "rees46_items": ITEMS}
