"""Door 1: what arrived. Events and catalogue as the shop sent them, before any cleaning.

The rules read what `nightshelf.doors.profile` has measured; only samples go back to the events.
"""

from __future__ import annotations

from expectations import DoorContext, Rule, catalogue, restated
from expectations.declare import columns_rule, figures_rule, literal, not_empty_rule, rows_rule
from expectations.learnt import learnt_rules
from nightshelf.columns import EVENTS, PROVENANCE
from nightshelf.doors.profile.log import FEW

FILE_COLUMNS = {
    "file_id": "VARCHAR",
    "name": "VARCHAR",
    "source": "VARCHAR",
    "kind": "VARCHAR",
    "is_claim": "BOOLEAN",
    "rows_read": "BIGINT",
    "accepted": "BIGINT",
    "quarantined": "BIGINT",
    "set_aside": "BIGINT",
}

LOG = "SELECT * FROM raw.log_profile"


def rules(context: DoorContext) -> list[Rule]:
    """About 57 rules. The profile costs the scans; a rule reads a small table."""
    return [
        *_shape(),
        *catalogue.shape(),
        *_files(context),
        *restated.rules(context),
        *_values(context),
        *_time(context),
        *learnt_rules(),
        *catalogue.rules(context),
    ]


def _shape() -> list[Rule]:
    mapping = "Compare the shop's column map with docs on the input contract, then ingest again."
    reason = "dbt's staging models read these columns by name and trust their types."
    wanted = {
        "raw.events": EVENTS | PROVENANCE,
        "raw.files": FILE_COLUMNS,
        "raw.facts": {"sessions_are_visitors": "BOOLEAN"},
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
    mend = (
        "Run `nightshelf quarantine` for reasons and rows of the named file, mend the column map, "
        "ingest again; or raise the shop's max_quarantined_share."
    )
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
            # What is of no use to shelves was set aside by the map: that is no fault.
            f"""
            SELECT coalesce(sum(rows_read - set_aside), 0)::BIGINT AS rows_meant,
                coalesce(sum(quarantined - set_aside), 0)::BIGINT AS refused,
                coalesce(sum(set_aside), 0)::BIGINT AS set_aside,
                round(refused / nullif(rows_meant, 0), 4) AS share,
                {context.max_quarantined_share} AS share_allowed,
                max_by(name, quarantined - set_aside) AS worst_file
            FROM {{batch}}
            """,
            "refused <= share_allowed * rows_meant",
            reason="A few bad lines are dirt; this many mean the format changed.",
            next_step=mend,
        ),
        _no_file_is_refused(context, mend),
    ]


def _no_file_is_refused(context: DoorContext, mend: str) -> Rule:
    """Old files are left alone: a published night has lived with them. Of fewer than five rows, half
    may be chance."""
    share = max(context.max_quarantined_of_file, context.max_quarantined_share)
    return rows_rule(
        "no_new_file_is_mostly_quarantined",
        "raw.files",
        f"""
        SELECT name, source, rows_read - set_aside AS rows_meant, quarantined - set_aside AS refused,
            round(refused / rows_meant, 4) AS share, {share} AS share_allowed
        FROM {{batch}}
        WHERE refused >= 5 AND refused > {share} * rows_meant AND {_is_new(context)}
        ORDER BY refused DESC, name, source
        """,
        reason="One bad file among hundreds of good ones is one bad day.",
        next_step=mend,
    )


def _is_new(context: DoorContext) -> str:
    """On a first night every file is new."""
    if context.new_files is None:
        return "true"
    return f"file_id IN {literal(context.new_files)}" if context.new_files else "false"


def _refused(promise: str, **rest: str) -> Rule:
    """The rows that broke a promise, as the profile has kept them: the log is not read again."""
    return rows_rule(
        promise,
        "raw.events",
        "SELECT file_id, row_number, event_id, event_type, value FROM {batch}",
        over=f"SELECT * FROM raw.log_refused WHERE promise = {literal(promise)}",
        **rest,
    )


def _values(context: DoorContext) -> list[Rule]:
    return [
        _refused(
            "event_types_are_known",
            reason="An unknown type has no weight and would be dropped in silence.",
            next_step="Map the type to one of the contract's in the shop's adapter settings.",
        ),
        _refused(
            "events_name_their_item",
            reason="An event without an item teaches nothing and joins with every other blank.",
            next_step="Map the item column of the named files; ingest quarantines such rows.",
        ),
        _refused(
            "prices_are_not_negative",
            reason="Price affinity and revenue read the price; a sign that flipped inverts both.",
            next_step="Check the sign and the unit of the price column in the shop's adapter.",
        ),
        _refused(
            "prices_are_plausible",
            reason="Cleaning drops what costs more than a piece may: so many are no booking errors, but what the shop sells.",
            next_step="Check the unit of the price column in the shop's adapter; if they are true, as in yen, raise"
            " cleaning.max_price.",
        ),
        _refused(
            "quantities_are_plausible",
            reason="A price or an id read as a quantity makes one line outweigh the shop.",
            next_step="Check which column is mapped to quantity in the shop's adapter; if they are true, raise"
            " cleaning.max_quantity.",
        ),
        figures_rule(
            "currency_is_single",
            "raw.events",
            "SELECT first_currency, last_currency FROM {batch}",
            "first_currency IS NULL OR first_currency = last_currency",
            over=LOG,
            reason="Prices of two currencies cannot be compared or added.",
            next_step="Convert to one currency before landing, or run one shop per currency.",
        ),
        figures_rule(
            "most_events_know_their_user",
            "raw.events",
            f"""
            SELECT events, without_user, round(without_user / nullif(events, 0), 4) AS share,
                {context.max_anonymous_share} AS share_allowed,
                sessions_are_visitors
            FROM {{batch}}
            """,
            "sessions_are_visitors OR without_user <= share_allowed * events",
            over=LOG,
            reason="Personal shelves learn from events with a user; the login id is often lost "
            "when a tag changes.",
            next_step="Check user_id and anonymous_id of the newest files; if the shop has few of "
            "either, raise its max_anonymous_share.",
        ),
        figures_rule(
            "event_ids_seldom_repeat",
            "raw.events",
            f"""
            SELECT events, distinct_ids_about,
                round(1 - distinct_ids_about / nullif(events, 0), 4) AS repeated_share,
                {context.max_duplicate_share} AS share_allowed
            FROM {{batch}}
            """,
            "events = 0 OR repeated_share <= share_allowed",
            over="SELECT * FROM raw.id_profile",
            reason="Repeats are removed later; this many mean a file was delivered twice under "
            "two names, or the id is not an id.",
            next_step="Look for twins in the landing folder and take one of each away; or check which column is"
            " mapped to event_id.",
        ),
        # Ten, and one in a hundred: a few ids may be test accounts', or typed in by hand.
        figures_rule(
            "visitor_ids_are_not_user_ids",
            "raw.events",
            """
            SELECT visitors, with_a_user_s_id,
                round(with_a_user_s_id / nullif(visitors, 0), 4) AS share, for_example
            FROM {batch}
            """,
            "with_a_user_s_id < 10 OR with_a_user_s_id <= 0.01 * visitors",
            over="SELECT * FROM raw.identity_profile",
            reason="A visitor with another user's id is taken for that user, without a word.",
            next_step="Check which columns are mapped to user_id and anonymous_id; put a prefix "
            "before the visitors' ids.",
        ),
    ]


def _time(context: DoorContext) -> list[Rule]:
    as_of = literal(context.as_of_utc)
    unit = "Check the time unit of the newest files in the shop's adapter."
    return [
        _refused(
            "events_have_a_time",
            reason="Every feature asks whether an event was before the night; this has no answer.",
            next_step="Check the time column and its unit (s, ms, µs, RFC 3339) in the adapter.",
        ),
        figures_rule(
            "events_reach_the_night",
            "raw.events",
            f"""
            SELECT newest_before AS newest_event, {as_of} AS as_of,
                date_diff('hour', newest_before, {as_of}) AS hours_between,
                {context.max_lag_days} AS days_allowed
            FROM {{batch}}
            """,
            f"newest_event >= {as_of} - INTERVAL {context.max_lag_days} DAY",
            over=LOG,
            reason="Without the last days' events tonight's shelves would be last week's.",
            next_step="Deliver the missing days to landing/, or run the night that the logs reach.",
        ),
        # Later than the night is legal (a backfill). Later than tomorrow is a wrong unit or a
        # shopper's phone with a wrong clock: one in a thousand is such a phone.
        figures_rule(
            "few_events_are_from_the_future",
            "raw.events",
            "SELECT events, from_the_future, newest_event FROM {batch}",
            f"from_the_future <= greatest({FEW}, 0.001 * events)",
            over=LOG,
            reason="Milliseconds read as seconds land in the year 57000 and vanish from the "
            "night without a word.",
            next_step=unit,
        ),
        figures_rule(
            "few_events_are_from_long_ago",
            "raw.events",
            "SELECT events, from_long_ago, oldest_event FROM {batch}",
            f"from_long_ago <= greatest({FEW}, 0.001 * events)",
            over=LOG,
            reason="Seconds read as milliseconds land in January 1970, before every window.",
            next_step=unit,
        ),
    ]
