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
    "cost": "DECIMAL(18,4)",
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

USERS = {
    "user_id": "VARCHAR",
    "region": "VARCHAR",
    "consent": "BOOLEAN",
    "updated_at": "TIMESTAMP",
}
"""The input contract for users: what the shop knows of them that no event tells. `consent` is to being
written to; null where nobody asked."""

CONTRACTS = {"events": EVENTS, "items": ITEMS, "categories": CATEGORIES, "users": USERS}

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
    "rec_cart",
    "rec_next_category",
    "rec_trending",
    "rec_new_arrivals",
    "rec_on_sale",
    "rec_cold_start",
)

AUDIENCE = {
    "user_profiles": {
        "night": "DATE",
        "user_id": "VARCHAR",
        "first_on": "DATE",
        "last_on": "DATE",
        "days_since_last": "INTEGER",
        "typical_gap_days": "DOUBLE",
        "n_dates": "INTEGER",
        "dates_per_28d": "DOUBLE",
        "n_lines": "INTEGER",
        "n_items": "INTEGER",
        "lines_per_date": "DOUBLE",
        "repeat_share": "DOUBLE",
        "spend": "DOUBLE",
        "spend_per_date": "DOUBLE",
        "price_level": "DOUBLE",
        "n_categories": "INTEGER",
        "top_category": "VARCHAR",
        "top_category_share": "DOUBLE",
        "n_brands": "INTEGER",
        "top_brand": "VARCHAR",
        "top_brand_share": "DOUBLE",
        "top_weekday": "VARCHAR",
        "top_weekday_share": "DOUBLE",
        "weekend_share": "DOUBLE",
        "top_day_part": "VARCHAR",
        "top_day_part_share": "DOUBLE",
        "evening_share": "DOUBLE",
    },
    "user_interest_history": {
        "night": "DATE",
        "user_id": "VARCHAR",
        "month": "DATE",
        "category": "VARCHAR",
        "n_lines": "INTEGER",
        "share": "DOUBLE",
        "rank": "INTEGER",
        "share_before": "DOUBLE",
        "change": "DOUBLE",
        "drift": "DOUBLE",
        "trend": "VARCHAR",
        "month_before": "DATE",
        "is_whole_month": "BOOLEAN",
    },
    "user_interest_forecast": {
        "night": "DATE",
        "user_id": "VARCHAR",
        "rank": "INTEGER",
        "category": "VARCHAR",
        "probability": "DOUBLE",
        "share_lately": "DOUBLE",
        "source": "VARCHAR",
    },
    "user_segments": {
        "night": "DATE",
        "user_id": "VARCHAR",
        "segment": "INTEGER",
        "name": "VARCHAR",
    },
    "user_churn_risk": {
        "night": "DATE",
        "user_id": "VARCHAR",
        "probability": "DOUBLE",
        "risk": "VARCHAR",
        "days_since_last": "INTEGER",
        "typical_gap_days": "DOUBLE",
        "gaps_since_last": "DOUBLE",
        "horizon_days": "INTEGER",
        "reason": "VARCHAR",
        "source": "VARCHAR",
    },
    "audiences": {
        "night": "DATE",
        "audience": "VARCHAR",
        "kind": "VARCHAR",
        "subject": "VARCHAR",
        "user_id": "VARCHAR",
        "probability": "DOUBLE",
        "why": "VARCHAR",
    },
}
"""The published tables about users: table → column → type, in their order."""

AUDIENCE_KEYS = {
    "user_profiles": ("user_id",),
    "user_interest_history": ("user_id", "month", "category"),
    "user_interest_forecast": ("user_id", "rank"),
    "user_segments": ("user_id",),
    "user_churn_risk": ("user_id",),
    "audiences": ("audience", "user_id"),
}
"""Their grain: the columns of which no two rows share all values; also the order in which they are
published."""

REPORTS = (
    "rpt_events", "rpt_cleaning", "rpt_readiness", "rpt_gaps", "rpt_shelves", "rpt_rule_cost",
    "rpt_online_quality", "rpt_impressions",
)  # fmt: skip

TABLES = (*SHELVES, *AUDIENCE, *REPORTS)
"""What is published: the shelves, the tables about users, and the reports on what both are made of."""
