"""Amazon Personalize: the CSV files of an e-commerce domain's interactions and items.

TIMESTAMP is in seconds. EVENT_TYPE is the shop's own word; Personalize itself knows View and
Purchase. EVENT_VALUE may be a price, a rating or a length, so nothing is made of it. IMPRESSION
lists what was shown beside what was chosen, and is not read.
"""

from nightshelf.ingest.adapters.base import Adapter, translated

NAMES = {
    "addtocart": "cart_add",
    "cartadd": "cart_add",
    "removefromcart": "cart_remove",
    "addtowishlist": "wishlist_add",
    "removefromwishlist": "wishlist_remove",
    "startcheckout": "checkout",
    "begincheckout": "checkout",
    "buy": "purchase",
    "order": "purchase",
    "productview": "view",
    "productviewed": "view",
}
"""Without what is no letter: AddToCart, add_to_cart and 'Add to cart' are one word."""

EVENTS = Adapter(
    kind="events",
    required=("USER_ID", "ITEM_ID", "TIMESTAMP", "EVENT_TYPE"),
    optional=("RECOMMENDATION_ID",),
    time_unit="s",
    expressions={
        "event_type": translated(
            "regexp_replace(EVENT_TYPE, '[^A-Za-z]', '', 'g')", NAMES, otherwise="EVENT_TYPE"
        ),
        "occurred_at": '"TIMESTAMP"',
        "user_id": "USER_ID",
        "item_id": "ITEM_ID",
        "list_id": "RECOMMENDATION_ID",
    },
)


def _first(column: str) -> str:
    """A categorical value may be several, such as Tea|Gifts."""
    return f"nullif(trim(split_part({column}, '|', 1)), '')"


LEVELS = ("CATEGORY_L1", "CATEGORY_L2", "CATEGORY_L3")

# Personalize asks for no title; many shops add one.
ITEMS = Adapter(
    kind="items",
    required=("ITEM_ID",),
    optional=(
        "TITLE",
        "ITEM_NAME",
        "PRODUCT_DESCRIPTION",
        *LEVELS,
        "GENRES",
        "BRAND",
        "PRICE",
        "CREATION_TIMESTAMP",
    ),
    time_unit="s",
    expressions={
        "item_id": "ITEM_ID",
        "title": "coalesce(TITLE, ITEM_NAME)",
        "description": "PRODUCT_DESCRIPTION",
        "category_path": f"nullif(concat_ws(' > ', {', '.join(map(_first, LEVELS))}), '')",
        "brand": "BRAND",
        "price": "PRICE",
        "available_from": "CREATION_TIMESTAMP",
        "tags": "replace(GENRES, '|', ', ')",
    },
)

ADAPTERS = {"personalize": EVENTS, "personalize_items": ITEMS}
