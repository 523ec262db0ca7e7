{%- set made_of = version_with(2, ['max_views_per_day', 'max_views_per_minute']) -%}
{{
    config(
        materialized='history',
        database='history',
        pre_hook="{{ prepare_dates(ref('int_dates'), '" ~ made_of ~ "') }}"
    )
}}

-- Who looks faster than a shopper can. Counted by the shop's date, not the UTC day: a night sees
-- whole dates only, so that a verdict never changes with what comes after it. History, a date at a time.
with dates_to_build as (
    {{ dates_to_build(ref('int_dates'), made_of) }}
),

days as (
    select parts.visitor_id, parts.event_date, sum(parts.n_looks)::bigint as n_looks
    from {{ ref('int_session_parts') }} as parts
    join dates_to_build using (event_date)
    where {{ on_days_to_build('parts.occurred_on') }}
    group by parts.visitor_id, parts.event_date
    -- Fewer in a whole day than a minute allows: no need to look at the minutes.
    having sum(parts.n_looks) > least({{ var('max_views_per_day') }}, {{ var('max_views_per_minute') }})
),

looks as (
    select {{ visitor_id() }} as visitor_id, events.event_date, events.occurred_at
    from {{ ref('int_events_deduplicated') }} as events
    join dates_to_build using (event_date)
    where events.traffic is null
        and {{ is_look() }}
        and {{ on_days_to_build('events.occurred_on') }}
        -- A join in place of this is laid before the dates, and reads all of the log.
        and ({{ visitor_id() }}, events.event_date) in (select (visitor_id, event_date) from days)
),

minutes as (
    select
        days.visitor_id,
        days.event_date,
        days.n_looks,
        date_trunc('minute', looks.occurred_at) as minute,
        count(*) as n_in_minute
    from days
    join looks using (visitor_id, event_date)
    group by all
),

robots as (
    select
        visitor_id,
        event_date,
        n_looks,
        max(n_in_minute) as max_looks_in_a_minute
    from minutes
    group by visitor_id, event_date, n_looks
    having n_looks > {{ var('max_views_per_day') }}
        or max(n_in_minute) > {{ var('max_views_per_minute') }}
)

select
    -- ids
    robots.visitor_id,
    -- numerics
    robots.n_looks,
    robots.max_looks_in_a_minute,
    -- when
    dates_to_build.event_date,
    dates_to_build.date_fingerprint
from dates_to_build
-- A date without robots has one row, which says that it was looked through.
left join robots using (event_date)
order by dates_to_build.event_date, robots.visitor_id
