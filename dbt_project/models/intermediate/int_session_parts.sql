{%- set gap = var('session_gap_minutes') -%}
{#- Parts keep hashes of items, which DuckDB may make otherwise in another version. -#}
{%- set made_of = '3, gap ' ~ gap ~ ', DuckDB ' ~ var('duckdb', '') -%}
{{
    config(
        materialized='history',
        database='history',
        pre_hook="{{ prepare_days('" ~ made_of ~ "') }}"
    )
}}

-- History, a day at a time like int_copies_found: what a day holds of each session. A part
-- ends with its UTC day, by which history is kept, and with the shop's date, so that a night sees
-- whole parts only. int_session_parts_stitched puts sessions together again.
with days_to_build as (
    {{ days_to_build(made_of) }}
),

events as (
    select
        events.occurred_on,
        {{ visitor_id() }} as visitor_id,
        coalesce(events.session_id, '') as session_id,
        events.event_date,
        events.occurred_at,
        events.event_type,
        events.item_id,
        not events.is_known and events.anonymous_id is not null as is_anonymous,
        case when events.is_known and events.anonymous_id is not null then events.user_id end as login_id
    from {{ ref('int_events_deduplicated') }} as events
    -- Events that the source itself says no shopper made are no part of a visit.
    where events.traffic is null
        and {{ on_days_to_build('events.occurred_on') }}
),

-- Events of one visitor, session and date within one slot of the clock, as long as the gap, are never
-- a gap apart: they are counted first, and only the slots are laid in a row.
slots as (
    select
        occurred_on,
        visitor_id,
        session_id,
        event_date,
        min(login_id) as first_login_id,
        max(login_id) as last_login_id,
        count(*) as n_events,
        count(*) filter ({{ is_look() }}) as n_looks,
        count(*) filter (event_type = 'purchase') as n_purchases,
        count(*) filter (is_anonymous) as n_anonymous,
        -- Of a million items two have one hash in one shop of forty million.
        list(hash(item_id)) filter (item_id is not null) as items,
        min(occurred_at) as started_at,
        max(occurred_at) as ended_at
    from events
    group by occurred_on, visitor_id, session_id, event_date, time_bucket(interval {{ gap }} minute, occurred_at)
),

marked as (
    select
        *,
        lag(ended_at) over visit as previous_at,
        lag(event_date) over visit as previous_date,
        lead(started_at) over visit as next_at,
        lead(event_date) over visit as next_date
    from slots
    window visit as (partition by occurred_on, visitor_id, session_id order by started_at)
),

numbered as (
    select
        *,
        sum(case when {{ within_gap('previous_at', 'started_at') }} and event_date = previous_date then 0 else 1 end)
            over (partition by occurred_on, visitor_id, session_id order by started_at) as part_number
    from marked
),

parts as (
    select
        occurred_on,
        visitor_id,
        session_id,
        event_date,
        min(first_login_id) as first_login_id,
        max(last_login_id) as last_login_id,
        sum(n_events)::integer as n_events,
        sum(n_looks)::integer as n_looks,
        sum(n_purchases)::integer as n_purchases,
        sum(n_anonymous)::integer as n_anonymous,
        flatten(list(items)) as items,
        bool_or({{ within_gap('coalesce(previous_at, occurred_on::timestamp)', 'started_at') }}
            and previous_date is distinct from event_date) as may_continue,
        bool_or({{ within_gap('ended_at', 'coalesce(next_at, occurred_on + interval 1 day)') }}
            and next_date is distinct from event_date) as may_go_on,
        min(started_at) as started_at,
        max(ended_at) as ended_at
    from numbered
    group by occurred_on, visitor_id, session_id, event_date, part_number
)

select
    -- ids
    parts.visitor_id,
    parts.session_id,
    parts.first_login_id,
    parts.last_login_id,
    -- numerics
    parts.n_events,
    parts.n_looks,
    parts.n_purchases,
    parts.n_anonymous,
    coalesce(list_unique(parts.items), 0)::integer as n_items,
    -- Whether it may go on from the day or the date before, and on the next.
    parts.may_continue,
    parts.may_go_on,
    -- What the sessions over a midnight are counted by: those few are laid together, to be found together.
    case when parts.may_continue or parts.may_go_on then list_sort(list_distinct(parts.items)) end as items,
    -- when
    parts.started_at,
    parts.ended_at,
    parts.event_date,
    parts.occurred_on,
    days_to_build.day_fingerprint
from parts
join days_to_build using (occurred_on)
order by
    parts.occurred_on, parts.may_continue or parts.may_go_on, parts.visitor_id, parts.session_id, parts.started_at
