"""Door 1: what arrived. Events and items as the shop sent them, before any cleaning."""

from __future__ import annotations

import great_expectations.expectations as gxe

from expectations import DoorContext, Rule
from expectations.declare import columns_rule, figures_rule, literal, not_empty_rule, rows_rule
from nightshelf.columns import EVENT_TYPES, EVENTS, ITEMS, PROVENANCE

WITHOUT_ITEM = ("search", "checkout", "login")
"""A search is for words and a checkout for a whole cart: neither names one item."""

FILE_COLUMNS = {
    "file_id": "VARCHAR",
    "name": "VARCHAR",
    "source": "VARCHAR",
    "kind": "VARCHAR",
    "rows_read": "BIGINT",
    "accepted": "BIGINT",
    "quarantined": "BIGINT",
}

WHENCE = ("file_id", "row_number", "event_id")


def rules(context: DoorContext) -> list[Rule]:
    """About 20 rules. Each costs one to three scans of the columns it names."""
    return [
        *_shape(),
        *_files(context),
        *_values(context),
        *_time(context),
    ]


def _shape() -> list[Rule]:
    mapping = "Compare the shop's column map with docs on the input contract, then ingest again."
    reason = "dbt's staging models read these columns by name and trust their types."
    wanted = {
        "raw.events": EVENTS | PROVENANCE,
        "raw.items": ITEMS | PROVENANCE,
        "raw.files": FILE_COLUMNS,
    }
    return [
        *(
            columns_rule(
                f"{table.split('.')[1]}_have_their_columns",
                table,
                {table: columns},
                in_order=False,
                reason=reason,
                next_step=mapping,
            )
            for table, columns in wanted.items()
        ),
        not_empty_rule(
            "raw.events",
            reason="A night without a single event can only repeat itself.",
            next_step="Look into landing/ and the ledger: were files delivered, were they taken?",
        ),
    ]


def _files(context: DoorContext) -> list[Rule]:
    return [
        rows_rule(
            "files_reconcile",
            "raw.files",
            """
            SELECT name, rows_read, accepted, quarantined FROM {batch}
            WHERE (rows_read = accepted + quarantined) IS NOT TRUE ORDER BY name, file_id
            """,
            reason="A row that is neither accepted nor quarantined was lost without a trace.",
            next_step="Ingest the named files again and compare with `wc -l`; report the reader.",
        ),
        figures_rule(
            "few_rows_are_quarantined",
            "raw.files",
            f"""
            SELECT sum(rows_read)::BIGINT AS rows_read, sum(quarantined)::BIGINT AS quarantined,
                round(sum(quarantined) / nullif(sum(rows_read), 0), 4) AS share,
                {context.max_quarantined_share} AS share_allowed,
                max_by(name, quarantined) AS worst_file
            FROM {{batch}}
            """,
            "rows_read IS NULL OR rows_read = 0 OR quarantined <= share_allowed * rows_read",
            reason="A few bad lines are dirt; this many mean the format changed.",
            next_step="Run `nightshelf quarantine` for reasons and rows of the named file, mend the column map, "
            "ingest again; or raise the shop's max_quarantined_share.",
        ),
    ]


def _values(context: DoorContext) -> list[Rule]:
    return [
        Rule(
            "event_types_are_known",
            "raw.events",
            gxe.ExpectColumnValuesToBeInSet(column="event_type", value_set=list(EVENT_TYPES)),
            reason="An unknown type has no weight and would be dropped in silence.",
            next_step="Map the type to one of the contract's in the shop's adapter settings.",
            shown=WHENCE,
        ),
        rows_rule(
            "events_name_their_item",
            "raw.events",
            f"""
            SELECT file_id, row_number, event_id, event_type, item_id FROM {{batch}}
            WHERE event_type NOT IN {literal(WITHOUT_ITEM)} AND coalesce(trim(item_id), '') = ''
            """,
            reason="An event without an item teaches nothing and joins with every other blank.",
            next_step="Map the item column of the named files; ingest quarantines such rows.",
        ),
        Rule(
            "prices_are_not_negative",
            "raw.events",
            # Refunds and corrections are booked as negative prices by some shops: 1 % may be.
            gxe.ExpectColumnValuesToBeBetween(column="price", min_value=0, mostly=0.99),
            reason="Price affinity and revenue read the price; a sign that flipped inverts both.",
            next_step="Check the sign and the unit of the price column in the shop's adapter.",
            shown=(*WHENCE, "event_type"),
        ),
        Rule(
            "quantities_are_plausible",
            "raw.events",
            # The largest honest line known to us is 80,995 (UCI Online Retail), and its refund.
            gxe.ExpectColumnValuesToBeBetween(
                column="quantity", min_value=-100_000, max_value=100_000, mostly=0.999
            ),
            reason="A price or an id read as a quantity makes one line outweigh the shop.",
            next_step="Check which column is mapped to quantity in the shop's adapter.",
            shown=(*WHENCE, "event_type"),
        ),
        rows_rule(
            "currency_is_single",
            "raw.events",
            """
            SELECT currency, count(*) AS events, count(*) OVER () AS currencies FROM {batch}
            WHERE currency IS NOT NULL GROUP BY currency QUALIFY currencies > 1
            ORDER BY events DESC, currency
            """,
            reason="Prices of two currencies cannot be compared or added.",
            next_step="Convert to one currency before landing, or run one shop per currency.",
        ),
        figures_rule(
            "most_events_know_their_user",
            "raw.events",
            f"""
            SELECT count(*) AS events,
                count(*) FILTER (coalesce(user_id, anonymous_id) IS NULL) AS without_user,
                round(without_user / nullif(events, 0), 4) AS share,
                {context.max_anonymous_share} AS share_allowed
            FROM {{batch}}
            """,
            "without_user <= share_allowed * events",
            reason="Personal shelves learn from events with a user; the login id is often lost "
            "when a tag changes.",
            next_step="Check user_id and anonymous_id of the newest files; if the shop has few of either, "
            "raise its max_anonymous_share.",
        ),
        figures_rule(
            "event_ids_seldom_repeat",
            "raw.events",
            # Approximate: exact distinct text costs gigabytes at 100 million events, and the
            # estimate is off by a few percent of a threshold that is far away on good days.
            f"""
            SELECT count(event_id) AS events,
                least(approx_count_distinct(event_id), events) AS distinct_ids_about,
                round(1 - distinct_ids_about / nullif(events, 0), 4) AS repeated_share,
                {context.max_duplicate_share} AS share_allowed
            FROM {{batch}}
            """,
            "events = 0 OR repeated_share <= share_allowed",
            reason="Repeats are removed later; this many mean a file was delivered twice under "
            "two names, or the id is not an id.",
            next_step="Look for twins in raw.files, and check which column is mapped to event_id.",
        ),
    ]


def _time(context: DoorContext) -> list[Rule]:
    as_of = literal(context.as_of_utc)
    return [
        Rule(
            "events_have_a_time",
            "raw.events",
            gxe.ExpectColumnValuesToNotBeNull(column="occurred_at"),
            reason="Every feature asks whether an event was before the night; this has no answer.",
            next_step="Check the time column and its unit (s, ms, µs, RFC 3339) in the adapter.",
            shown=(*WHENCE, "event_type"),
        ),
        figures_rule(
            "events_reach_the_night",
            "raw.events",
            f"""
            SELECT max(occurred_at) AS newest_event, {as_of} AS as_of,
                date_diff('hour', newest_event, as_of) AS hours_between,
                {context.max_lag_days} AS days_allowed
            FROM {{batch}} WHERE occurred_at < {as_of}
            """,
            f"newest_event >= {as_of} - INTERVAL {context.max_lag_days} DAY",
            reason="Without the last days' events tonight's shelves would be last week's.",
            next_step="Deliver the missing days to landing/, or run the night that the logs reach.",
        ),
        figures_rule(
            "few_events_are_from_the_future",
            "raw.events",
            # Later than the night is legal (a backfill). Later than tomorrow is a wrong unit or
            # a shopper's phone with a wrong clock: one in a thousand is such a phone.
            f"""
            SELECT count(*) AS events,
                count(*) FILTER (
                    occurred_at > {literal(context.now_utc)} + INTERVAL 1 DAY
                ) AS from_the_future,
                max(occurred_at) AS newest_event
            FROM {{batch}}
            """,
            "from_the_future <= 0.001 * events",
            reason="Milliseconds read as seconds land in the year 57000 and vanish from the "
            "night without a word.",
            next_step="Check the time unit of the named files in the shop's adapter.",
        ),
        figures_rule(
            "yesterday_has_its_usual_volume",
            "raw.events",
            _volume(as_of, context.min_volume_share),
            "usual IS NULL OR yesterday = 0 OR yesterday >= share_required * usual",
            reason="A day that was cut off teaches that everybody lost interest. A day that is "
            "missing altogether is judged by events_reach_the_night: late logs are allowed.",
            next_step="Compare yesterday's files with last week's; deliver the rest, ingest again.",
        ),
    ]


def _volume(as_of: str, share: float) -> str:
    """Yesterday, and the median of the same weekday one to four weeks before.

    Days are stretches of 24 hours that end at `as_of`: the shop's own days, but for one hour in
    the weeks around a clock change. A week that lies before the shop's first event is left out.
    """
    return f"""
        WITH days AS (
            SELECT (epoch_us({as_of}) - epoch_us(occurred_at) - 1) // 86400000000 AS days_before,
                count(*) AS events
            FROM {{batch}}
            WHERE occurred_at < {as_of} AND occurred_at >= {as_of} - INTERVAL 29 DAY
            GROUP BY ALL
        ),
        weeks AS (
            SELECT days_before, coalesce(events, 0) AS events
            FROM (VALUES (7), (14), (21), (28)) AS same_weekday(days_before)
            LEFT JOIN days USING (days_before)
            WHERE (SELECT min(occurred_at) FROM {{batch}})
                <= {as_of} - INTERVAL 1 DAY * (days_before + 1)
        )
        SELECT ({as_of} - INTERVAL 1 DAY) AS yesterday_from,
            coalesce((SELECT events FROM days WHERE days_before = 0), 0) AS yesterday,
            (SELECT median(events) FROM weeks) AS usual,
            (SELECT list(events ORDER BY days_before) FROM weeks) AS weeks_before,
            {share} AS share_required
    """
