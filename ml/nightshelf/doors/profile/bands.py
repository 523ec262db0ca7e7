"""raw.day_bands: one row per (judged day, measure, key), its figure beside the band learnt for it.

Learnt from the days that are not judged, of the eight weeks before. A figure without a band has no
limits, and `verdict` says why: too few days, a quiet day.
"""

from __future__ import annotations

import duckdb

from expectations import DoorContext
from expectations.learnt import HOURS, MEASURES, VOLUME
from nightshelf.doors.profile.text import literal, values

LEARNT_DAYS = 56
FEWEST_DAYS = 14
"""Two of each weekday: the median then stands six wrong days, and three closed ones."""
SPREADS = 6
"""A door judges some hundred figures a night; at six, chance opens a false alarm in centuries."""
CLUSTER = 4
"""Events come in visits: chance moves their number as it moves independent ones four times as few."""
ON_WEEKDAY = 4
"""Days of one weekday that have a median of their own."""
PAST = 14
OF_A_SALE = 1.5
"""Four weeks this many times the four before them were a sale; growth is a few percent a week."""
BUSY = 1.5
"""A Saturday is no busier than this; what is was filled by a campaign."""


def make(db: duckdb.DuckDBPyConnection, context: DoorContext) -> None:
    _references(db, context)
    _volume(db)
    _types(db)
    _shape(db)
    db.execute(f"CREATE TABLE raw.day_bands AS {_bands(context)}")
    for table in ("learnt_days", "closed_weekdays"):
        db.execute(f"DROP TABLE temp.{table}")


def _weekday(column: str, context: DoorContext) -> str:
    return f"(({column} + {6 - context.night.weekday()}) % 7)"


def _references(db: duckdb.DuckDBPyConnection, context: DoorContext) -> None:
    """temp.learnt_days: the days to learn from, their weekday, and how many days lie before them.

    temp.closed_weekdays: those of which most, of the eight weeks, had no event at all.
    """
    since = (context.night - context.learn_from).days if context.learn_from else 10_000
    db.execute(f"""
        CREATE TEMP TABLE learnt_days AS
        SELECT DISTINCT day, {_weekday("day", context)} AS weekday,
            (SELECT max(day) FROM raw.day_profile) - day AS past
        FROM raw.day_profile
        WHERE day NOT IN (SELECT day FROM raw.judged_days) AND day <= {since}
    """)
    # Staff may come in on a Sunday: those few events are no short day.
    db.execute(f"""
        CREATE TEMP TABLE closed_weekdays AS
        WITH calendar AS (
            SELECT unnest(range(2, least({LEARNT_DAYS}, max(day)) + 1)) AS day FROM learnt_days
        )
        SELECT {_weekday("day", context)} AS weekday FROM calendar
        LEFT JOIN (SELECT day AS open_day FROM learnt_days) ON day = open_day
        WHERE day NOT IN (SELECT day FROM raw.judged_days)
        GROUP BY weekday HAVING count(*) >= {ON_WEEKDAY} AND count(open_day) < 0.5 * count(*)
    """)


def _volume(db: duckdb.DuckDBPyConnection) -> None:
    """`volume`: the logarithm of a day's events, above the level of the days before it.

    The level is the lower of last week's median and that of four weeks, so that neither growth nor
    the end of a sale is taken for a loss. A judged day after weeks of sale is measured by the four
    weeks before them; the days learnt from are not, or the sale itself would be learnt as growth.
    """
    db.execute(f"""
        INSERT INTO raw.day_profile BY NAME
        WITH sizes AS (SELECT day, ln(value) AS size FROM raw.day_profile WHERE measure = 'events'),
        recents AS (
            SELECT today.day, any_value(today.size) AS size,
                least(median(before.size) FILTER (before.day <= today.day + 7),
                    median(before.size) FILTER (before.day <= today.day + 28)) AS recent,
                median(before.size) FILTER (before.day > today.day + 28) AS earlier
            FROM sizes AS today
            JOIN sizes AS before ON before.day > today.day AND before.day <= today.day + 56
            WHERE before.day IN (SELECT day FROM learnt_days)
            GROUP BY today.day
        ),
        levels AS (
            SELECT day, size, CASE WHEN recent IS NULL OR recent > earlier + ln({OF_A_SALE})
                    AND day IN (SELECT day FROM raw.judged_days)
                THEN earlier ELSE recent END AS level
            FROM recents
        )
        SELECT day, 'volume' AS measure, '' AS key, size - level AS value,
            exp(level)::BIGINT AS n, level
        FROM levels
    """)


def _types(db: duckdb.DuckDBPyConnection) -> None:
    """`event_type_kept`: the share of each type, of the day's events, or of 1.5 usual days' where there
    are more: a campaign that fills a day with views takes no purchases away."""
    db.execute(f"""
        INSERT INTO raw.day_profile BY NAME
        SELECT types.day, 'event_type_kept' AS measure, types.key,
            types.value * types.n / least(types.n, coalesce({BUSY} * volume.n, types.n)) AS value,
            types.n
        FROM raw.day_profile AS types LEFT JOIN raw.day_profile AS volume
            ON volume.day = types.day AND volume.measure = 'volume'
        WHERE types.measure = 'event_type'
    """)


def _shape(db: duckdb.DuckDBPyConnection) -> None:
    """temp.usual_hours: the median share of each hour on each weekday (on all days, where that
    weekday is rare); `shape`: how far a day's cumulative hours lie from it at most.

    The two neighbouring hours that exceed their usual share most are left out: a mail or a TV spot
    fills them and takes nothing from the others. A day that moved shows in those that are left.
    """
    db.execute(f"""
        CREATE OR REPLACE TEMP TABLE usual_hours AS
        WITH hours AS (SELECT * FROM raw.day_profile JOIN learnt_days USING (day)
            WHERE measure = 'hour' AND day <= {LEARNT_DAYS}),
        on_weekday AS (
            SELECT weekday, key, median(value) AS share FROM hours GROUP BY ALL
            HAVING count(*) >= {ON_WEEKDAY}
        ),
        on_all AS (SELECT key, median(value) AS share FROM hours GROUP BY ALL)
        SELECT weekday, key, coalesce(on_weekday.share, on_all.share) AS share
        FROM (SELECT unnest(range(7)) AS weekday) CROSS JOIN on_all
        LEFT JOIN on_weekday USING (weekday, key)
    """)
    db.execute(f"""
        INSERT INTO raw.day_profile BY NAME
        WITH pairs AS (
            SELECT day, key, n, share, value, lead(key) OVER (PARTITION BY day ORDER BY key) AS next,
                sum(value - share) OVER (
                    PARTITION BY day ORDER BY key ROWS BETWEEN CURRENT ROW AND 1 FOLLOWING
                ) AS excess
            FROM raw.day_profile JOIN ({_all_days()}) USING (day) JOIN usual_hours USING (weekday, key)
            WHERE measure = 'hour'
        ),
        filled AS (
            SELECT day, arg_max(key, (excess, key)) AS key, arg_max(next, (excess, key)) AS next
            FROM pairs WHERE next IS NOT NULL GROUP BY day
        ),
        kept AS (
            SELECT pairs.* FROM pairs JOIN filled USING (day)
            WHERE pairs.key NOT IN (filled.key, filled.next)
        ),
        cumulated AS (
            SELECT day, n, sum(value) OVER until / nullif(sum(value) OVER whole, 0)
                - sum(share) OVER until / sum(share) OVER whole AS apart
            FROM kept
            WINDOW until AS (PARTITION BY day ORDER BY key), whole AS (PARTITION BY day)
        )
        SELECT day, 'shape' AS measure, '' AS key, max(abs(apart)) AS value, any_value(n) AS n
        FROM cumulated GROUP BY day
    """)


def _all_days() -> str:
    return "SELECT day, weekday FROM learnt_days UNION ALL SELECT day, weekday FROM raw.judged_days"


def _bands(context: DoorContext) -> str:
    measures = values(
        (m.name, m.rule, m.scale, m.down, m.down_part, m.up, m.needs_past, m.luck) for m in MEASURES
    )
    quiet = ", ".join(literal(day) for day in context.quiet_nights()) or "NULL"
    share = context.min_volume_share  # not asked of shops so small that chance does as much
    return f"""
        WITH measures(measure, rule, scale, down, down_part, up, needs_past, luck) AS (VALUES {measures}),
        figures AS (
            SELECT day, measure, key, coalesce(level, 0) AS level, value, n, rule, scale, down::DOUBLE AS down, down_part, up::DOUBLE AS up, needs_past, luck,
                CASE scale WHEN 'share' THEN asin(sqrt(greatest(0, least(1, value)))) ELSE value END
                    AS y
            FROM raw.day_profile JOIN measures USING (measure)
            WHERE isfinite(value)
        ),
        past AS (
            SELECT figures.*, weekday FROM figures JOIN learnt_days USING (day)
            WHERE day <= {LEARNT_DAYS} AND (NOT needs_past OR past >= {PAST})
        ),
        on_weekday AS (
            SELECT measure, key, weekday, median(y) AS centre FROM past
            WHERE measure IN ('volume', 'hour', 'event_type_kept') GROUP BY ALL HAVING count(*) >= {ON_WEEKDAY}
        ),
        centred AS (
            SELECT measure, key, past.y, past.y - coalesce(on_weekday.centre, overall) AS rest
            FROM past LEFT JOIN on_weekday USING (measure, key, weekday)
            JOIN (SELECT measure, key, median(y) AS overall FROM past GROUP BY ALL) USING (measure, key)
        ),
        learnt AS (
            SELECT measure, key, median(y) AS overall, 1.4826 * median(abs(rest)) AS spread,
                count(*) AS learnt_from
            FROM centred GROUP BY ALL
        ),
        limits AS (
            SELECT figures.*, coalesce(learnt_from, 0) AS learnt_from,
                coalesce(on_weekday.centre, overall) AS centre,
                {SPREADS} * coalesce(spread, 0) AS strays,
                CASE scale WHEN 'share' THEN 0.5 ELSE 1 END * {SPREADS} * sqrt({CLUSTER} / n) * luck
                    AS chance
            FROM figures JOIN raw.judged_days USING (day)
            LEFT JOIN learnt USING (measure, key) LEFT JOIN on_weekday USING (measure, key, weekday)
        ),
        angles AS (
            SELECT *, centre - greatest(strays, chance,
                    CASE scale WHEN 'share' THEN least(down, down_part * centre) ELSE down END) AS lower,
                centre + greatest(strays, chance, up) AS upper,
                learnt_from >= {FEWEST_DAYS} AS is_learnt,
                rule IN ('{VOLUME}', '{HOURS}')
                    AND (coalesce({literal(context.night)} - day IN ({quiet}), false)
                        OR {_weekday("day", context)} IN (FROM closed_weekdays)) AS is_quiet
            FROM limits
        ),
        shown AS (
            SELECT rule, {literal(context.night)} - day AS day, measure, key, n, learnt_from, is_learnt,
                is_quiet, chance, {_shown("y")} AS observed, {_shown("centre")} AS usual,
                CASE WHEN down IS NOT NULL AND is_learnt AND NOT is_quiet
                    THEN {_shown("lower")} END AS learnt_low,
                CASE WHEN up IS NOT NULL AND is_learnt AND NOT is_quiet THEN {_shown("upper")} END AS high
            FROM angles
        ),
        judged AS (
            SELECT *, CASE WHEN measure = 'volume' AND NOT is_quiet AND exp(-chance) > {share}
                THEN greatest(learnt_low, {share} * usual) ELSE learnt_low END AS low
            FROM shown
        )
        SELECT rule, day, measure, key, round(observed, 4) AS observed, round(low, 4) AS low,
            round(high, 4) AS high, round(usual, 4) AS usual, learnt_from, n,
            CASE WHEN observed < low THEN 'below' WHEN observed > high THEN 'above'
                WHEN is_quiet THEN 'a quiet or closed day: not judged'
                WHEN NOT is_learnt THEN 'too few days to learn from, {FEWEST_DAYS} wanted'
                ELSE 'within' END AS verdict
        FROM judged ORDER BY rule, day DESC, measure, key
    """


def _shown(y: str) -> str:
    """Back from the scale: shares as shares, logarithms as what they are of."""
    angle = f"greatest(0, least(pi() / 2, {y}))"
    return (
        f"CASE scale WHEN 'share' THEN pow(sin({angle}), 2) WHEN 'log' THEN"
        f" CASE measure WHEN 'quantity_level' THEN exp({y}) - 1 ELSE exp({y} + level) END"
        f" ELSE {y} END"
    )
