"""The Complete Journey: a year of grocery purchase lines and their catalogue (84.51°, CC0).

One row per basket line. `sales_value` is what the shop received for the line, so the unit price is
sales_value / quantity. A line of quantity 0 is a coupon's or a deposit's booking; it keeps its
quantity and is dropped by the cleaning rule for impossible quantities, where it is counted.
"""

from nightshelf.ingest.adapters.base import Adapter

EVENTS = Adapter(
    kind="events",
    required=(
        "household_id",
        "basket_id",
        "product_id",
        "quantity",
        "sales_value",
        "transaction_timestamp",
    ),
    optional=("store_id", "coupon_disc"),
    expressions={
        "event_type": "'purchase'",
        "occurred_at": "transaction_timestamp",
        "user_id": "household_id",
        "session_id": "basket_id",
        "item_id": "product_id",
        "quantity": "quantity",
        "price": "(try_cast(sales_value as decimal(18,4))"
        " / nullif(try_cast(quantity as bigint), 0))::decimal(18,4)::varchar",
        "order_id": "basket_id",
        "list_id": "store_id",
        "coupon": "case when try_cast(coupon_disc as double) > 0 then 'coupon' end",
    },
)

# The catalogue has no titles. A product is told apart by its type and package size.
ITEMS = Adapter(
    kind="items",
    required=("product_id", "department", "brand", "product_category", "product_type"),
    optional=("package_size", "manufacturer_id"),
    expressions={
        "item_id": "product_id",
        "title": "concat_ws(', ', coalesce(product_type, product_category, department), package_size)",
        "category_path": "concat_ws(' > ', department, product_category, product_type)",
        "brand": "concat_ws(' ', brand, manufacturer_id)",
    },
)

ADAPTERS = {"complete_journey": EVENTS, "complete_journey_products": ITEMS}
