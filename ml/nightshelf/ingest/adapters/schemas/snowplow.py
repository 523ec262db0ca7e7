"""Snowplow e-commerce: enriched events as JSON Lines or Parquet, contexts as lists in a column each.

An e-commerce action says what was done, the product context with what: one row a product. Times are
UTC, with or without saying so. Bots are known by the IAB and the YAUAA enrichment, where they run.
"""

from nightshelf.ingest.adapters.base import Adapter, first, joined, one_of, translated

SHOP = "contexts_com_snowplowanalytics_snowplow_ecommerce_"
PRODUCTS, ORDER, REFUND, USER = (
    f"{SHOP}{entity}_1" for entity in ("product", "transaction", "refund", "user")
)
ACTION = "unstruct_event_com_snowplowanalytics_snowplow_ecommerce_snowplow_ecommerce_action_1"
SEARCH = "unstruct_event_com_snowplowanalytics_snowplow_site_search_1"
MOBILE = "contexts_com_snowplowanalytics_snowplow_client_session_1"
IAB = "contexts_com_iab_snowplow_spiders_and_robots_1"
YAUAA = "contexts_nl_basjes_yauaa_context_1"

NAMES = {
    "product_view": "view",
    "list_view": "list_view",
    "list_click": "click",
    "add_to_cart": "cart_add",
    "remove_from_cart": "cart_remove",
    "checkout_step": "checkout",
    "transaction": "purchase",
    "site_search": "search",
}
"""Actions and events whose names differ from the contract's; a refund is called so there too."""

# Promotions name banners, not products; a failed transaction bought nothing.
NOT_FOR_SHELVES = (
    "promo_view", "promo_click", "trns_error",
    "page_view", "page_ping", "event", "struct", "link_click", "button_click", "submit_form",
    "change_form", "focus_form", "file_download", "screen_view", "screen_end", "screen_summary",
    "list_item_view", "scroll_changed", "application_background", "application_foreground",
    "application_install", "application_error", "deep_link_received", "message_notification",
    "timing", "web_vitals", "social_interaction", "ad_click", "ad_conversion", "ad_impression",
    "consent_preferences", "cmp_visible",
)  # fmt: skip

WHAT = f'coalesce("{ACTION}.type", event_name)'
TIME = "coalesce(derived_tstamp, collector_tstamp)"
IN_UTC = f"{TIME} || case when regexp_matches({TIME}, '(Z|UTC|[+-]\\d\\d(:?\\d\\d)?)$') then '' else 'Z' end"
BOT = f"{first(IAB, '.spiderOrRobot')} = 'true' or {first(YAUAA, '.deviceClass')} like 'Robot%'"
PRODUCT = ("id", "variant", "quantity", "price", "currency", "position", "creative_id")

EVENTS = Adapter(
    kind="events",
    required=("event_id", "event_name", "collector_tstamp"),
    optional=(
        "derived_tstamp",
        "user_id",
        "domain_userid",
        "domain_sessionid",
        f"{ACTION}.type",
        f"{ACTION}.name",
        f"{SEARCH}.terms",
        ORDER,
        REFUND,
        USER,
        MOBILE,
        IAB,
        YAUAA,
        *(f"[].{key}" for key in PRODUCT),
    ),
    unfold=f"json_extract(line, '$.{PRODUCTS}[*]')",
    aside=one_of(WHAT, NOT_FOR_SHELVES),
    expressions={
        "event_id": "event_id",
        "event_type": translated(WHAT, NAMES),
        "occurred_at": IN_UTC,
        "user_id": f"coalesce(user_id, {first(USER, '.id')})",
        "anonymous_id": f"coalesce(domain_userid, {first(MOBILE, '.userId')})",
        "session_id": f"coalesce(domain_sessionid, {first(MOBILE, '.sessionId')})",
        "item_id": '"[].id"',
        "variant_id": '"[].variant"',
        "quantity": '"[].quantity"',
        "price": '"[].price"',
        "currency": f'coalesce("[].currency", {first(ORDER, ".currency")})',
        "order_id": f"coalesce({first(ORDER, '.transaction_id')}, {first(REFUND, '.transaction_id')})",
        "list_id": f'"{ACTION}.name"',
        "position": '"[].position"',
        "query": joined(f"{SEARCH}.terms", " "),
        "coupon": first(ORDER, ".discount_code"),
        "traffic": f"case when {BOT} then 'bot' end",
    },
)

# There is no catalogue: what an event says of its product is a claim at that time.
ITEMS = Adapter(
    kind="items",
    claims=True,
    required=("event_name", "collector_tstamp"),
    optional=(
        "derived_tstamp",
        "[].id",
        "[].name",
        "[].category",
        "[].brand",
        "[].price",
        "[].list_price",
        "[].currency",
    ),
    unfold=f"json_extract(line, '$.{PRODUCTS}[*]')",
    aside='"[].id" is null',
    expressions={
        "item_id": '"[].id"',
        "title": '"[].name"',
        "category_path": "regexp_replace(\"[].category\", '\\s*[/>]\\s*', ' > ', 'g')",
        "brand": '"[].brand"',
        "price": '"[].price"',
        "list_price": '"[].list_price"',
        "currency": '"[].currency"',
        "updated_at": IN_UTC,
    },
)

ADAPTERS = {"snowplow": EVENTS, "snowplow_items": ITEMS}
