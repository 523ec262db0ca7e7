"""Column names that SQL and Python share. A test compares them with the dbt manifest."""

from __future__ import annotations

EVENT_TYPES = (
    "view",
    "list_view",
    "click",
    "search",
    "cart_add",
    "cart_remove",
    "wishlist_add",
    "wishlist_remove",
    "checkout",
    "purchase",
    "refund",
    "review",
    "impression",
    "login",
)
"""A login says only who a visitor is: it carries both ids, and no item."""

WITHOUT_ITEM = ("search", "checkout", "login")
"""Events about no single item: a search is for words, a checkout for a whole cart."""

EVENTS = {
    "event_id": "VARCHAR",
    "event_type": "VARCHAR",
    "occurred_at": "TIMESTAMP",
    "user_id": "VARCHAR",
    "anonymous_id": "VARCHAR",
    "session_id": "VARCHAR",
    "item_id": "VARCHAR",
    "variant_id": "VARCHAR",
    "quantity": "BIGINT",
    "price": "DECIMAL(18,4)",
    "currency": "VARCHAR",
    "order_id": "VARCHAR",
    "list_id": "VARCHAR",
    "position": "INTEGER",
    "query": "VARCHAR",
    "coupon": "VARCHAR",
    "traffic": "VARCHAR",
    "source": "VARCHAR",
}
"""The input contract for events: column → DuckDB type. Times are UTC. `traffic` is what the source
itself says of who acted: internal, bot, test; null for a shopper."""

TRAFFIC = ("internal", "bot", "test")

ITEMS = {
    "item_id": "VARCHAR",
    "parent_id": "VARCHAR",
    "title": "VARCHAR",
    "description": "VARCHAR",
    "category_path": "VARCHAR",
    "brand": "VARCHAR",
    "price": "DECIMAL(18,4)",
    "list_price": "DECIMAL(18,4)",
    "currency": "VARCHAR",
    "in_stock": "BOOLEAN",
    "stock_qty": "BIGINT",
    "available_from": "TIMESTAMP",
    "available_until": "TIMESTAMP",
    "tags": "VARCHAR",
    "url": "VARCHAR",
    "image_url": "VARCHAR",
    "updated_at": "TIMESTAMP",
}
"""The input contract for the catalogue. `updated_at` null means: true at every time."""

CATEGORIES = {
    "category_id": "VARCHAR",
    "parent_id": "VARCHAR",
    "title": "VARCHAR",
    "updated_at": "TIMESTAMP",
}
"""The input contract for a category tree: an item's category_path may be the id of a category in it."""

CONTRACTS = {"events": EVENTS, "items": ITEMS, "categories": CATEGORIES}

PROVENANCE = {"file_id": "VARCHAR", "row_number": "BIGINT", "element": "INTEGER"}
"""Where a raw row came from: the ledger's file, the record in it, and which element of the record's
list (a GA4 event has several items); both counted from 1, and element 1 where there is no list."""

SHELF = {
    "night": "DATE",
    "placement": "VARCHAR",
    "context_type": "VARCHAR",
    "context_id": "VARCHAR",
    "rank": "INTEGER",
    "item_id": "VARCHAR",
    "score": "DOUBLE",
    "source": "VARCHAR",
    "reason_code": "VARCHAR",
    "evidence": "VARCHAR[]",
    "model_fingerprint": "VARCHAR",
    "is_exploration": "BOOLEAN",
    "propensity": "DOUBLE",
}
"""The one schema of every published shelf. Grain: one row per (placement, context, rank)."""

SHELVES = (
    "rec_for_you",
    "rec_discover",
    "rec_similar_items",
    "rec_bought_together",
    "rec_buy_again",
    "rec_popular",
)
