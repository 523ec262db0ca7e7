"""From text to the input contract, in SQL: every cast that can fail has a reason of its own."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from nightshelf.columns import EVENT_TYPES, TRAFFIC, WITHOUT_ITEM
from nightshelf.ingest.adapters.base import ELEMENT, Adapter
from nightshelf.sql_text import literal, quoted

OF_THE_FILE = {
    "wrong_column_count": "the row has more or fewer values than the header has columns",
    "not_utf8": "the row holds bytes that are not UTF-8",
    "bad_quotes": "text stands behind a closing quote; a quote inside a value is written twice",
    "not_json": "the line is not one JSON object",
    "too_long": "the row is longer than 128 MB, or an id in it than 64 kB",
    "nul_byte": "a value holds a NUL, which no database takes as text",
}
"""What is wrong with the text itself: mended where the file is made."""

OF_THE_MAPPING = {
    "not_for_shelves": "the source means it, and no shelf is made of it: a scroll, a ping",
    "missing_item_id": "no item id",
    "missing_user": "none of user_id, anonymous_id, session_id",
    "missing_category_id": "no category id",
    "missing_user_id": "no user id, in a file of users",
    "missing_event_type": "no event type",
    "unknown_event_type": "an event type that the contract does not know",
    "missing_time": "no time",
    "bad_time": "a time that cannot be read, or lies before 1990 or after 2100",
    "bad_number": "a quantity, price, position or truth value that is none",
    "unknown_traffic": "traffic that is none of internal, bot, test",
}
"""What the source's adapter made of it: may be mended in the shop file, and replayed."""

REASONS = OF_THE_FILE | OF_THE_MAPPING
"""The closed list of quarantine reasons. A row gets the first that applies, in this order."""

SET_ASIDE = "not_for_shelves"
"""The one reason that is no fault. It is counted apart and closes no door."""

MENDED = {
    **dict.fromkeys(OF_THE_FILE, "where the file is made"),
    "not_utf8": "where the file is made: `iconv -f latin1 -t utf8`",
    **dict.fromkeys(OF_THE_MAPPING, "in the shop file; replay"),
    "bad_number": "in the file, or by `decimal` or `values`",
    "bad_time": "in the file, or by `time_unit`",
    SET_ASIDE: "no fault",
}
"""Where each reason is mended, in words."""

LONGEST_ROW = 128 << 20
LONGEST_ID = 64 << 10
"""Bytes. Longer than any key that a database or a browser would take."""

ABOUT_AN_ITEM = tuple(t for t in EVENT_TYPES if t not in WITHOUT_ITEM)
"""Of a type that is unknown nobody can say whether it lacks an item."""

SHOWN_VALUE = 200
"""Characters of a value at fault that the quarantine keeps beside the row's text."""
PLAUSIBLE = "between timestamp '1990-01-01' and timestamp '2100-01-01'"

IDS = ("event_id", "user_id", "anonymous_id", "session_id", "item_id", "variant_id", "order_id",
       "list_id", "parent_id", "category_id")  # fmt: skip


def typed(adapter: Adapter, source: str, zone: ZoneInfo) -> str:
    """SQL over `source_rows(file_id, row_number, element, <columns> VARCHAR, is_object, line)`.

    `line` is the text of a JSON record, null for other formats; `is_object` is false where it is
    none. Returns one row per source row: the contract's typed columns, provenance, `reason`, null
    where the row is accepted, and `line` and `value` where it is not: its text, and the value that
    gave the reason.
    """
    text = ",\n        ".join(
        f"nullif(trim(({adapter.expressions.get(c, 'null')})::varchar), '') as {quoted(c)}"
        for c in adapter.contract
        if c != "source"
    )
    time = _time(adapter.time_unit, zone)
    select = {"events": _events, "items": _items, "categories": _categories, "users": _users}[
        adapter.kind
    ]
    # What is set aside is most of some exports: its values are not looked at.
    return f"""with source as materialized (
    select *, coalesce({adapter.aside or "false"}, false) as is_aside from source_rows
),
texts as (
    select
        {text},
        file_id, row_number, element, is_object, line
    from source
    where not is_aside
),
judged as ({select(adapter, source, time)}
)
select * exclude (line, value), case when reason is not null then line end as line,
    case when reason is not null then left(value, {SHOWN_VALUE}) end as value
from judged
union all by name
select file_id, row_number, element, '{SET_ASIDE}' as reason, line from source where is_aside"""


def _time(unit: str, zone: ZoneInfo) -> str:
    """An SQL expression in {c}, a text column, that gives a UTC TIMESTAMP or null."""
    if unit != "text":
        scale = {"s": 1_000_000, "ms": 1_000, "us": 1}[unit]
        return f"try(make_timestamp((try_cast({{c}} as decimal(38,6)) * {scale})::bigint))"
    # The naive cast reads over what stands behind a time, be it an offset, 'UTC', 'PM' or junk.
    has_more = r"regexp_matches({c}, ':\d\d.*[^0-9:.]')"
    # The world's offsets end at +14; what lies beyond is a slip, and would move the event by days.
    far = r"regexp_matches({c}, ':\d\d.*[+-](1[5-9]|[2-9]\d)(:?\d\d)?$')"
    # Letters are UTC's or a region's and a city's: three alone are read as some country's, BST as Bangladesh's.
    sure = r"regexp_matches({c}, '(?i)(\d|:\d\d\S* ?(z|utc|gmt)|[a-z_]+/[a-z0-9_+/-]+)$')"
    with_zone = r"try_cast(regexp_replace({c}, '(\d)z$', '\1Z') as timestamptz)"
    naive = f"(try_cast({{c}} as timestamp) at time zone {literal(zone.key)})"
    return (
        f"case when {far} then null"
        f" when {has_more} then case when {sure} then {with_zone} at time zone 'UTC' end"
        f" else {naive} at time zone 'UTC' end"
    )


def _texts_are_whole(contract: dict[str, str], written: dict[str, str]) -> str:
    """SQL for the reasons that the values' own text gives. `written`: column → where its text is."""
    texts = [written.get(c, quoted(c)) for c, kind in contract.items() if c != "source"]
    ids = [quoted(c) for c in IDS if c in contract]
    return f"""when not is_object then 'not_json'
        when contains(concat({", ".join(texts)}), chr(0)) then 'nul_byte'
        when greatest({", ".join(f"coalesce(strlen({i}), 0)" for i in ids)}) > {LONGEST_ID} then 'too_long'"""


def _events(adapter: Adapter, source: str, time: str) -> str:
    written = {c: f"{c}_text" for c in ("quantity", "price", "position")} | {
        "occurred_at": "time_text"
    }
    bad = {c: (f"{c}_text", f"{c} is null") for c in ("quantity", "price", "position")}
    # Elements of one record may be alike to the letter, and are two for all that.
    element = ", element" if adapter.unfold else ""
    # An id that was looked up in the element is the element's own, wherever in the list it stands.
    shared = adapter.unfold and ELEMENT not in adapter.expressions.get("event_id", "")
    own_id = "event_id || ':' || element" if shared else "event_id"
    return f"""
with casts as (
    select
        texts.* exclude (occurred_at, event_type, quantity, price, position, traffic),
        lower(event_type) as event_type, event_type as event_type_text,
        lower(traffic) as traffic,
        {time.format(c="occurred_at")} as occurred_at,
        -- Pieces are counted; weighed goods (0.482 kg) count as one piece, also when taken back.
        case when abs(try_cast(quantity as double)) between 1e-9 and 1
            then sign(try_cast(quantity as double))::bigint
            else try_cast(try_cast(quantity as decimal(18,3)) as bigint) end as quantity,
        try_cast(price as decimal(18,4)) as price,
        try_cast(position as integer) as position,
        occurred_at as time_text, quantity as quantity_text,
        price as price_text, position as position_text
    from texts
)
select
    coalesce({own_id}, left(md5(concat_ws(chr(31), {literal(source)}, event_type, occurred_at,
        coalesce(user_id, ''), coalesce(anonymous_id, ''), coalesce(session_id, ''),
        item_id, coalesce(variant_id, ''), quantity, price, coalesce(order_id, ''),
        coalesce(list_id, ''), position{element})), 16)) as event_id,
    event_type, occurred_at, user_id, anonymous_id, session_id, item_id, variant_id, quantity,
    price, currency, order_id, list_id, position, query, coupon, traffic,
    {literal(source)} as source, file_id, row_number, element, line,
    case
        {_texts_are_whole(adapter.contract, written)}
        when item_id is null and coalesce(event_type in {ABOUT_AN_ITEM}, true)
            then 'missing_item_id'
        when coalesce(user_id, anonymous_id, session_id) is null then 'missing_user'
        when event_type is null then 'missing_event_type'
        when event_type not in {EVENT_TYPES} then 'unknown_event_type'
        when time_text is null then 'missing_time'
        when occurred_at is null or not occurred_at {PLAUSIBLE} then 'bad_time'
        when {_any(bad)} then 'bad_number'
        when traffic not in {TRAFFIC} then 'unknown_traffic'
    end as reason,
    case reason when 'unknown_event_type' then event_type_text when 'bad_time' then time_text
        when 'unknown_traffic' then traffic
        when 'bad_number' then {_named_values(bad)} end as value
from casts"""


def _items(adapter: Adapter, source: str, time: str) -> str:
    def at(column: str) -> str:
        return time.format(c=column)

    # A catalogue pays nobody for taking an item along; an event's line may be money given back.
    wrong = "is null" if adapter.claims else ">= 0 is not true"
    amounts = ("price", "list_price", "cost")
    bad = {c: (c, f"(try_cast({c} as decimal(18,4)) {wrong})") for c in amounts} | {
        "in_stock": ("in_stock", "try_cast(in_stock as boolean) is null"),
        "stock_qty": ("stock_qty", "try_cast(stock_qty as bigint) is null"),
    }
    return f"""
select
    item_id, parent_id, title, description, category_path, brand,
    try_cast(price as decimal(18,4)) as price, try_cast(list_price as decimal(18,4)) as list_price,
    try_cast(cost as decimal(18,4)) as cost,
    currency, try_cast(in_stock as boolean) as in_stock, try_cast(stock_qty as bigint) as stock_qty,
    {at("available_from")} as available_from, {at("available_until")} as available_until,
    tags, url, image_url, {at("updated_at")} as updated_at, file_id, row_number, element, line,
    case
        {_texts_are_whole(adapter.contract, {})}
        when item_id is null then 'missing_item_id'
        {_claim_has_time(adapter)}
        when (updated_at is not null and coalesce({at("updated_at")} not {PLAUSIBLE}, true))
            or (available_from is not null and {at("available_from")} is null)
            or (available_until is not null and {at("available_until")} is null) then 'bad_time'
        when {_any(bad)} then 'bad_number'
    end as reason,
    case reason when 'bad_time' then concat_ws(', ', updated_at, available_from, available_until)
        when 'bad_number' then {_named_values(bad)} end as value
from texts"""


def _any(bad: dict[str, tuple[str, str]]) -> str:
    """SQL: is one of the values bad? `bad`: column → (its text, what makes a text that is there bad)."""
    return " or ".join(f"({text} is not null and {wrong})" for text, wrong in bad.values())


def _named_values(bad: dict[str, tuple[str, str]]) -> str:
    """SQL for the bad ones, each with its column: `quantity two; price 9,00`."""
    told = (
        f"case when {text} is not null and {wrong} then '{column} ' || {text} end"
        for column, (text, wrong) in bad.items()
    )
    return f"concat_ws('; ', {', '.join(told)})"


def _claim_has_time(adapter: Adapter) -> str:
    """What an event says of its item is true from then on; without a time it would be always true."""
    return "when updated_at is null then 'missing_time'" if adapter.claims else ""


def _categories(adapter: Adapter, source: str, time: str) -> str:
    updated = time.format(c="updated_at")
    return f"""
select
    category_id, parent_id, title, {updated} as updated_at, file_id, row_number, element, line,
    case
        {_texts_are_whole(adapter.contract, {})}
        when category_id is null then 'missing_category_id'
        when updated_at is not null and coalesce({updated} not {PLAUSIBLE}, true) then 'bad_time'
    end as reason,
    case reason when 'bad_time' then updated_at end as value
from texts"""


def _users(adapter: Adapter, source: str, time: str) -> str:
    updated = time.format(c="updated_at")
    return f"""
select
    user_id, region, try_cast(consent as boolean) as consent, {updated} as updated_at,
    file_id, row_number, element, line,
    case
        {_texts_are_whole(adapter.contract, {})}
        when user_id is null then 'missing_user_id'
        when updated_at is not null and coalesce({updated} not {PLAUSIBLE}, true) then 'bad_time'
        when consent is not null and try_cast(consent as boolean) is null then 'bad_number'
    end as reason,
    case reason when 'bad_time' then updated_at when 'bad_number' then consent end as value
from texts"""
