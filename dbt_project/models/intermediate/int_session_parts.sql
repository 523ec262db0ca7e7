{%- set gap = var('session_gap_minutes') -%}
{%- set made_of = '1, gap ' ~ gap -%}
{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key='occurred_on',
        on_schema_change='append_new_columns',
        database='history',
        pre_hook="{{ forget_other_days('" ~ made_of ~ "') }}"
    )
}}

-- History, a day at a time like int_events_deduplicated: what a day holds of each session. A part
-- ends with its UTC day, by which history is kept, and with the shop's date, so that a night sees
-- whole parts only. int_session_parts_stitched puts sessions together again.
with days_to_build as (
    {{ days_to_build(made_of) }}
),

events as (
    select
        days_to_build.occurred_on,
        days_to_build.day_fingerprint,
        {{ visitor_id() }} as visitor_id,
        coalesce(events.session_id, '') as session_id,
        events.event_date,
        events.occurred_at,
        events.event_type,
        events.item_id,
        not events.is_known and events.anonymous_id is not null as is_anonymous,
        case when events.is_known and events.anonymous_id is not null then events.user_id end as login_id
    from {{ ref('int_events_deduplicated') }} as events
    join days_to_build using (occurred_on)
    -- Events that the source itself says no shopper made are no part of a visit.
    where events.traffic is null
),

marked as (
    select
        *,
        lag(occurred_at) over visit as previous_at,
        lag(event_date) over visit as previous_date
    from events
    window visit as (partition by occurred_on, visitor_id, session_id order by occurred_at)
),

numbered as (
    select
        *,
        -- Without a frame of rows, events of one instant count as one: all are of the same part.
        sum(case when {{ within_gap('previous_at', 'occurred_at') }} and event_date = previous_date then 0 else 1 end)
            over (partition by occurred_on, visitor_id, session_id order by occurred_at) as part_number
    from marked
)

select
    -- ids
    visitor_id,
    session_id,
    min(login_id) as first_login_id,
    max(login_id) as last_login_id,
    -- numerics
    count(*)::integer as n_events,
    count(*) filter ({{ is_look() }})::integer as n_looks,
    count(*) filter (event_type = 'purchase')::integer as n_purchases,
    count(*) filter (is_anonymous)::integer as n_anonymous,
    count(distinct item_id)::integer as n_items,
    -- Whether it may go on from the day or the date before.
    bool_or({{ within_gap('coalesce(previous_at, occurred_on::timestamp)', 'occurred_at') }}
        and previous_date is distinct from event_date) as may_continue,
    -- when
    min(occurred_at) as started_at,
    max(occurred_at) as ended_at,
    event_date,
    occurred_on,
    day_fingerprint
from numbered
group by occurred_on, day_fingerprint, visitor_id, session_id, event_date, part_number
order by occurred_on, visitor_id, session_id, started_at
