"""Google Analytics 4: BigQuery's tables events_YYYYMMDD, as JSON Lines or as Parquet.

A record is an event, and `items` lists what it is about: one row an item. There is no event id.
Times are µs. `user_id` is null until a login, `user_pseudo_id` without consent. `ga_session_id` is
a second of the clock, so that it is a session's id only beside the visitor's. What was not set may
say so: '(not set)'.
"""

from nightshelf.ingest.adapters.base import Adapter, named, one_of, quoted, translated

NAMES = {
    "view_item": "view",
    "view_item_list": "list_view",
    "select_item": "click",
    "view_promotion": "impression",
    "select_promotion": "click",
    "view_search_results": "search",
    "add_to_cart": "cart_add",
    "remove_from_cart": "cart_remove",
    "add_to_wishlist": "wishlist_add",
    "begin_checkout": "checkout",
    "add_shipping_info": "checkout",
    "add_payment_info": "checkout",
    "sign_up": "login",
}
"""Names that differ from the contract's; search, purchase, refund and login are called so there too."""

# What GA4 collects by itself or recommends, and what no shelf is made of. `click` is a click on a
# link that leads out of the shop. A cart that is looked at was told of when it was filled.
NOT_FOR_SHELVES = (
    "ad_click", "ad_exposure", "ad_impression", "ad_query", "ad_reward", "adunit_exposure",
    "app_clear_data", "app_exception", "app_remove", "app_store_refund",
    "app_store_subscription_cancel", "app_store_subscription_convert",
    "app_store_subscription_renew", "app_update", "campaign_details", "click", "close_convert_lead",
    "close_unconvert_lead", "disqualify_lead", "dynamic_link_app_open", "dynamic_link_app_update",
    "dynamic_link_first_open", "earn_virtual_currency", "error", "exception", "file_download",
    "firebase_campaign", "firebase_in_app_message_action", "firebase_in_app_message_dismiss",
    "firebase_in_app_message_impression", "first_open", "first_visit", "form_start", "form_submit",
    "generate_lead", "in_app_purchase", "join_group", "level_end", "level_start", "level_up",
    "notification_dismiss", "notification_foreground", "notification_open", "notification_receive",
    "notification_send", "os_update", "page_view", "post_score", "qualify_lead", "screen_view",
    "scroll", "select_content", "session_start", "share", "spend_virtual_currency",
    "tutorial_begin", "tutorial_complete", "unlock_achievement", "user_engagement",
    "video_complete", "video_progress", "video_start", "view_cart", "working_lead",
)  # fmt: skip


def _set(column: str) -> str:
    return f"nullif({quoted(column)}, '(not set)')"


def _param(key: str) -> str:
    return named("event_params", key, "string_value", "int_value")


ITEM_ID = _set("[].item_id")
ORDER_ID = _set("ecommerce.transaction_id")
SESSION = named("event_params", "ga_session_id", "string_value", "int_value", usual=True)
WHO = "coalesce(user_pseudo_id, user_id)"

EVENTS = Adapter(
    kind="events",
    required=("event_name", "event_timestamp", "event_params", "user_pseudo_id"),
    optional=(
        "user_id",
        "ecommerce.transaction_id",
        "[].item_id",
        "[].item_variant",
        "[].quantity",
        "[].price",
        "[].coupon",
        "[].item_list_id",
        "[].item_list_name",
        "[].item_list_index",
    ),
    unfold="json_extract(line, '$.items[*]')",
    # A promotion is a banner; many are about no product.
    aside=f"{one_of('event_name', NOT_FOR_SHELVES)} or ({ITEM_ID} is null"
    f" and {one_of('event_name', ('view_promotion', 'select_promotion'))})",
    time_unit="us",
    expressions={
        "event_type": translated("event_name", NAMES),
        "occurred_at": "event_timestamp",
        "user_id": "user_id",
        "anonymous_id": "user_pseudo_id",
        # Without consent nobody is named; then the order keeps a basket's items together.
        "session_id": f"coalesce({WHO} || '.' || {SESSION}, case when {WHO} is null then {ORDER_ID} end)",
        "item_id": ITEM_ID,
        "variant_id": _set("[].item_variant"),
        "quantity": _set("[].quantity"),
        "price": _set("[].price"),
        "currency": _param("currency"),
        "order_id": ORDER_ID,
        "list_id": f"coalesce({_set('[].item_list_id')}, {_set('[].item_list_name')})",
        "position": _set("[].item_list_index"),
        "query": _param("search_term"),
        "coupon": f"coalesce({_set('[].coupon')}, {_param('coupon')})",
        "traffic": f"case when {one_of(_param('traffic_type'), ('internal', 'developer'))}"
        f" or {_param('debug_mode')} = '1' then 'internal' end",
    },
)

# The export has no catalogue: what an event says of its item is a claim at that time.
ITEMS = Adapter(
    kind="items",
    claims=True,
    required=("event_name", "event_timestamp"),
    optional=(
        "[].item_id",
        "[].item_name",
        "[].item_brand",
        "[].item_category",
        "[].item_category2",
        "[].item_category3",
        "[].item_category4",
        "[].item_category5",
        "[].price",
    ),
    unfold="json_extract(line, '$.items[*]')",
    aside=f"{ITEM_ID} is null",
    time_unit="us",
    expressions={
        "item_id": ITEM_ID,
        "title": _set("[].item_name"),
        "category_path": "nullif(concat_ws(' > ', "
        + ", ".join(f"nullif({_set(f'[].item_category{n}')}, '')" for n in ("", 2, 3, 4, 5))
        + "), '')",
        "brand": _set("[].item_brand"),
        "price": _set("[].price"),
        "updated_at": "event_timestamp",
    },
)

ADAPTERS = {"ga4": EVENTS, "ga4_items": ITEMS}
