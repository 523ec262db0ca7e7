"""Shopify: orders and products of the Admin REST API as JSON Lines, one resource a line.

An order gives one purchase a line item, one refund a refunded line item, and, when it was
cancelled, one refund a line item for the pieces that no refund covers. A guest has no customer:
then the order stands for the visit. Test orders say so.
"""

from nightshelf.ingest.adapters.base import Adapter, first, json_in

LINES = "json_extract(line, '$.line_items[*]')"
REFUNDED = "json_extract(line, '$.refunds[*].refund_line_items[*]')"

PURCHASES = f"""list_transform({LINES}, lambda l: json_object(
    'kind', 'purchase', 'id', 'line/' || json_extract_string(l, '$.id'), 'item', l,
    'at', coalesce(json_extract_string(line, '$.processed_at'), json_extract_string(line, '$.created_at')),
    'quantity', json_extract(l, '$.quantity')))"""

# A refund names the line item by its id, and most exports repeat the whole line item in it.
REFUNDS = f"""flatten(list_transform(json_extract(line, '$.refunds[*]'), lambda r: list_transform(
    json_extract(r, '$.refund_line_items[*]'), lambda p: json_object(
        'kind', 'refund', 'id', 'refund/' || json_extract_string(p, '$.id'),
        'item', coalesce(json_extract(p, '$.line_item'), list_filter({LINES}, lambda l:
            json_extract_string(l, '$.id') = json_extract_string(p, '$.line_item_id'))[1]),
        'at', json_extract_string(r, '$.created_at'), 'quantity', json_extract(p, '$.quantity')))))"""

NOT_REFUNDED = f"""coalesce(try_cast(json_extract_string(l, '$.quantity') as bigint), 0)
    - coalesce(list_sum(list_transform({REFUNDED}, lambda p:
        case when json_extract_string(p, '$.line_item_id') = json_extract_string(l, '$.id')
        then try_cast(json_extract_string(p, '$.quantity') as bigint) end)), 0)"""

CANCELLATIONS = f"""case when json_extract_string(line, '$.cancelled_at') is null then [] else
    list_transform(list_filter({LINES}, lambda l: {NOT_REFUNDED} > 0), lambda l: json_object(
    'kind', 'refund', 'id', 'cancelled/' || json_extract_string(l, '$.id'), 'item', l,
    'at', json_extract_string(line, '$.cancelled_at'), 'quantity', {NOT_REFUNDED})) end"""

ORDERS = Adapter(
    kind="events",
    required=("id", "created_at", "line_items"),
    optional=(
        "customer.id",
        "currency",
        "test",
        "discount_codes",
        "[].kind",
        "[].id",
        "[].at",
        "[].quantity",
        "[].item.product_id",
        "[].item.variant_id",
        "[].item.price",
    ),
    unfold=f"list_concat({PURCHASES}, {REFUNDS}, {CANCELLATIONS})",
    expressions={
        "event_id": '"[].id"',
        "event_type": "coalesce(\"[].kind\", 'purchase')",
        "occurred_at": 'coalesce("[].at", created_at)',
        "user_id": '"customer.id"',
        "session_id": "id",
        "item_id": '"[].item.product_id"',
        "variant_id": '"[].item.variant_id"',
        "quantity": '"[].quantity"',
        "price": '"[].item.price"',
        "currency": "currency",
        "order_id": "id",
        "coupon": first("discount_codes", ".code"),
        "traffic": "case when test = 'true' then 'test' end",
    },
)

VARIANTS = f"json_extract({json_in('variants')}, '$[*]')"


def _of(key: str, cast: str = "varchar") -> str:
    return f"try_cast(json_extract_string(v, '$.{key}') as {cast})"


CHEAPEST = f"""list_sort(list_transform({VARIANTS}, lambda v: {{
    'price': {_of("price", "decimal(18,4)")}, 'before': {_of("compare_at_price", "decimal(18,4)")}}}))[1]"""
# A variant is sold while pieces are left, and also where nobody counts them or an empty shelf does
# not stop a sale.
ON_SALE = f"""list_bool_or(list_transform({VARIANTS}, lambda v:
    coalesce({_of("inventory_quantity", "bigint")} > 0, false)
    or coalesce({_of("inventory_policy")} = 'continue', false)
    or {_of("inventory_management")} is null))"""

# One row a product: shelves show products, and a product's price is its cheapest variant's.
PRODUCTS = Adapter(
    kind="items",
    required=("id", "title", "variants"),
    optional=(
        "body_html",
        "vendor",
        "product_type",
        "tags",
        "status",
        "published_at",
        "updated_at",
        "image.src",
    ),
    expressions={
        "item_id": "id",
        "title": "title",
        "description": "regexp_replace(body_html, '<[^>]*>', ' ', 'g')",
        "category_path": "product_type",
        "brand": "vendor",
        "price": f"{CHEAPEST}.price",
        "list_price": f"{CHEAPEST}.before",
        "in_stock": f"coalesce(status, 'active') = 'active' and published_at is not null and {ON_SALE}",
        "stock_qty": "list_sum(list_transform("
        f"{VARIANTS}, lambda v: {_of('inventory_quantity', 'bigint')}))",
        "available_from": "published_at",
        "tags": "tags",
        "image_url": '"image.src"',
        "updated_at": "updated_at",
    },
)

ADAPTERS = {"shopify": ORDERS, "shopify_products": PRODUCTS}
