"""Google's Vertex AI Search for commerce (Retail): userEvent and Product objects as JSON Lines.

One object a line, in the API's own camelCase. An event lists its products in `productDetails`: one
row a product. There is no event id.
"""

from nightshelf.ingest.adapters.base import Adapter, first, joined, one_of, translated

NAMES = {
    "detail-page-view": "view",
    "category-page-view": "list_view",
    "add-to-cart": "cart_add",
    "remove-from-cart": "cart_remove",
    "purchase-complete": "purchase",
}
"""Names that differ from the contract's; a search is called so there too."""

ITEM_ID = '"[].product.id"'

EVENTS = Adapter(
    kind="events",
    required=("eventType", "visitorId", "eventTime"),
    optional=(
        "userInfo.userId",
        "sessionId",
        "searchQuery",
        "pageCategories",
        "purchaseTransaction.id",
        "purchaseTransaction.currencyCode",
        "[].product.id",
        "[].product.priceInfo.price",
        "[].quantity",
    ),
    unfold="json_extract(line, '$.productDetails[*]')",
    # A category's page needs no products; a cart that is looked at was told of when it was filled.
    aside=f"{one_of('eventType', ('home-page-view', 'shopping-cart-page-view'))}"
    f" or ({one_of('eventType', ('category-page-view',))} and {ITEM_ID} is null)",
    expressions={
        "event_type": translated("eventType", NAMES),
        "occurred_at": "eventTime",
        "user_id": '"userInfo.userId"',
        "anonymous_id": "visitorId",
        "session_id": "visitorId || '.' || sessionId",
        "item_id": ITEM_ID,
        "quantity": '"[].quantity"',
        "price": '"[].product.priceInfo.price"',
        "currency": '"purchaseTransaction.currencyCode"',
        "order_id": '"purchaseTransaction.id"',
        "list_id": first("pageCategories"),
        "query": "searchQuery",
    },
)

PRODUCTS = Adapter(
    kind="items",
    required=("title",),
    optional=(
        "id",
        "name",
        "primaryProductId",
        "description",
        "categories",
        "brands",
        "priceInfo.price",
        "priceInfo.originalPrice",
        "priceInfo.currencyCode",
        "availability",
        "availableQuantity",
        "availableTime",
        "expireTime",
        "tags",
        "uri",
        "images",
    ),
    expressions={
        # A name is projects/…/products/<id>.
        "item_id": "coalesce(id, regexp_extract(name, '[^/]+$'))",
        "parent_id": "nullif(primaryProductId, id)",
        "title": "title",
        "description": "description",
        "category_path": first("categories"),
        "brand": first("brands"),
        "price": '"priceInfo.price"',
        "list_price": '"priceInfo.originalPrice"',
        "currency": '"priceInfo.currencyCode"',
        # What can be ordered ahead is on sale.
        "in_stock": translated(
            "availability",
            {
                "IN_STOCK": "true",
                "PREORDER": "true",
                "BACKORDER": "true",
                "OUT_OF_STOCK": "false",
                "AVAILABILITY_UNSPECIFIED": "",
            },
        ),
        "stock_qty": "availableQuantity",
        "available_from": "availableTime",
        "available_until": "expireTime",
        "tags": joined("tags", ", "),
        "url": "uri",
        "image_url": first("images", ".uri"),
    },
)

ADAPTERS = {"google_retail": EVENTS, "google_retail_products": PRODUCTS}
