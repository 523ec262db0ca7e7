{%- set made_of = version_with(3, ['session_gap_minutes', 'max_views_per_day', 'max_views_per_minute', 'internal_ids']) -%}
{{
    config(
        materialized='history',
        database='history',
        pre_hook="{{ prepare_dates(ref('int_dates_of_sessions'), '" ~ made_of ~ "') }}"
    )
}}

-- History, a date at a time: sessions by the date on which they began.
with continued as (
    select
        parts.*,
        min(event_date) over (partition by visitor_id, session_id, session_started_at) as session_date
    from {{ ref('int_session_parts_stitched') }} as parts
    where touches_midnight
        and (visitor_id, session_id, session_started_at) in (
            select (visitor_id, session_id, session_started_at) from {{ ref('int_sessions_over_midnight') }}
        )
),

dates_to_build as (
    {{ dates_to_build(ref('int_dates_of_sessions'), made_of) }}
),

of_one_part as (
    select parts.*
    from {{ ref('int_session_parts_stitched') }} as parts
    join dates_to_build using (event_date)
    anti join continued
        on continued.visitor_id = parts.visitor_id
        and continued.session_id = parts.session_id
        and continued.started_at = parts.started_at
    where {{ on_days_to_build('parts.occurred_on') }}
),

-- Different items do not add up over midnight.
of_several as (
    select
        continued.visitor_id,
        continued.session_id,
        continued.session_started_at,
        continued.session_date as event_date,
        max(continued.ended_at) as ended_at,
        sum(continued.n_events)::integer as n_events,
        sum(continued.n_looks)::integer as n_looks,
        sum(continued.n_purchases)::integer as n_purchases,
        coalesce(list_unique(flatten(list(continued.items))), 0)::integer as n_items
    from continued
    join dates_to_build on dates_to_build.event_date = continued.session_date
    group by continued.visitor_id, continued.session_id, continued.session_started_at, continued.session_date
),

sessions as (
    select visitor_id, session_id, session_started_at, event_date, ended_at, n_events, n_looks, n_purchases, n_items
    from of_one_part
    union all by name
    from of_several
)

select
    -- ids
    sessions.visitor_id,
    sessions.session_id,
    -- numerics
    sessions.n_events,
    sessions.n_looks,
    sessions.n_purchases,
    sessions.n_items,
    -- when
    sessions.session_started_at as started_at,
    sessions.ended_at,
    dates_to_build.event_date,
    dates_to_build.date_fingerprint
from sessions
-- A date without sessions has one row, which says that it was looked through.
right join dates_to_build using (event_date)
order by dates_to_build.event_date, sessions.visitor_id, sessions.session_id, sessions.session_started_at
