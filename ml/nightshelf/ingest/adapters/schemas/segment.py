"""Segment and RudderStack: the e-commerce specification's calls as JSON Lines, as they were sent.

One call a line. A call about one product has it in `properties`, a call about several has a list in
`properties.products`: one row a product. An identify says who a visitor is: a login.
"""

from nightshelf.ingest.adapters.base import Adapter, one_of, translated

NAMES = {
    "Product Viewed": "view",
    "Product List Viewed": "list_view",
    "Product List Filtered": "list_view",
    "Product Clicked": "click",
    "Products Searched": "search",
    "Product Added": "cart_add",
    "Product Removed": "cart_remove",
    "Wishlist Product Added to Cart": "cart_add",
    "Product Added to Wishlist": "wishlist_add",
    "Product Removed from Wishlist": "wishlist_remove",
    "Checkout Started": "checkout",
    "Checkout Step Viewed": "checkout",
    "Checkout Step Completed": "checkout",
    "Payment Info Entered": "checkout",
    "Order Completed": "purchase",
    "Order Refunded": "refund",
    "Order Cancelled": "refund",
    "Product Reviewed": "review",
    "Signed In": "login",
    "Signed Up": "login",
}

# Named by the specifications and about no item, or about what another call has told: a cart's
# products were added one by one, and an order that is updated was completed before.
NOT_FOR_SHELVES = (
    "Application Backgrounded", "Application Crashed", "Application Foregrounded",
    "Application Installed", "Application Opened", "Application Uninstalled",
    "Application Updated", "Cart Shared", "Cart Viewed", "Coupon Applied", "Coupon Denied",
    "Coupon Entered", "Coupon Removed", "Deep Link Clicked", "Deep Link Opened",
    "Install Attributed", "Order Updated", "Product Shared", "Promotion Clicked",
    "Promotion Viewed", "Push Notification Bounced", "Push Notification Received",
    "Push Notification Tapped", "Signed Out",
)  # fmt: skip


def _product(key: str) -> str:
    """The product's own value; where the call has no list, the call's."""
    return f'coalesce("[].{key}", "properties.{key}")'


PRODUCT = ("product_id", "sku", "variant", "price", "quantity", "position", "coupon")
TIMES = ("timestamp", "originalTimestamp", "receivedAt")
ITEM_ID = f"coalesce({_product('product_id')}, {_product('sku')})"
TIME = 'coalesce("timestamp", "originalTimestamp", "receivedAt")'
# An alias says that a former id is the user's: as much as a login does.
WHO_CALLS = one_of("type", ("identify", "alias"))

EVENTS = Adapter(
    kind="events",
    required=("type",),
    optional=(
        "event",
        "messageId",
        "anonymousId",
        "userId",
        "previousId",
        *TIMES,
        "context.sessionId",
        "properties.order_id",
        "properties.list_id",
        "properties.currency",
        "properties.query",
        *(f"properties.{key}" for key in PRODUCT),
        *(f"[].{key}" for key in PRODUCT),
    ),
    unfold="json_extract(line, '$.properties.products[*]')",
    aside=f"{one_of('type', ('page', 'screen', 'group'))} or {one_of('event', NOT_FOR_SHELVES)}"
    f' or ({WHO_CALLS} and "userId" is null)',
    expressions={
        "event_id": '"messageId"',
        "event_type": f"case when {WHO_CALLS} then 'login' else {translated('event', NAMES)} end",
        "occurred_at": TIME,
        "user_id": '"userId"',
        "anonymous_id": 'coalesce("anonymousId", "previousId")',
        # RudderStack counts sessions by the clock: two visitors may have one number.
        "session_id": 'coalesce("anonymousId", "userId") || \'.\' || "context.sessionId"',
        "item_id": f"case when not {WHO_CALLS} then {ITEM_ID} end",
        "variant_id": _product("variant"),
        "quantity": _product("quantity"),
        "price": _product("price"),
        "currency": 'upper("properties.currency")',
        "order_id": '"properties.order_id"',
        "list_id": '"properties.list_id"',
        "position": _product("position"),
        "query": '"properties.query"',
        "coupon": _product("coupon"),
    },
)

FACTS = ("product_id", "sku", "name", "category", "brand", "price", "url", "image_url")

# There is no catalogue: what a call says of its product is a claim at that time.
ITEMS = Adapter(
    kind="items",
    claims=True,
    required=("type",),
    optional=(
        *TIMES,
        "properties.currency",
        *(f"properties.{key}" for key in FACTS),
        *(f"[].{key}" for key in FACTS),
    ),
    unfold="json_extract(line, '$.properties.products[*]')",
    aside=f"{ITEM_ID} is null",
    expressions={
        "item_id": ITEM_ID,
        "title": _product("name"),
        "category_path": f"regexp_replace({_product('category')}, '\\s*[/>]\\s*', ' > ', 'g')",
        "brand": _product("brand"),
        "price": _product("price"),
        "currency": 'upper("properties.currency")',
        "url": _product("url"),
        "image_url": _product("image_url"),
        "updated_at": TIME,
    },
)

ADAPTERS = {"segment": EVENTS, "segment_items": ITEMS}
