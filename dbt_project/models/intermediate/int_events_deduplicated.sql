{%- set made_of = '2' -%}
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

-- History: kept over nights, a day at a time. A day is rebuilt whole when its fingerprint differs
-- from the one its rows carry, so a rerun from any half-done state ends the same.
with days_to_build as (
    {{ days_to_build(made_of) }}
),

events as (
    select stg_events.*, days_to_build.day_fingerprint
    from {{ ref('stg_events') }} as stg_events
    join days_to_build using (occurred_on)
),

-- Few ids repeat: finding those first is cheaper than ranking every event among its copies.
repeated as (
    select occurred_on, source, event_id
    from events
    group by occurred_on, source, event_id
    having count(*) > 1
),

copies as (
    select
        events.file_id,
        events.source_row,
        events.element,
        -- Content first: which of two differing copies wins must not depend on how the log was cut
        -- into files. Where they came from decides only between copies that are alike.
        row_number() over (
            partition by events.occurred_on, events.source, events.event_id
            order by
                events.occurred_at, events.event_type, events.user_id, events.anonymous_id,
                events.is_known, events.session_id, events.item_id, events.order_id,
                events.quantity, events.unit_price, events.traffic,
                events.file_id, events.source_row, events.element
        ) as copy_number
    from events
    join repeated using (occurred_on, source, event_id)
)

select events.*
from events
left join copies
    on copies.file_id = events.file_id
    and copies.source_row = events.source_row
    and copies.element = events.element
    and copies.copy_number > 1
where copies.file_id is null
-- Sorted by who and when, files are smaller and windows cheaper; unique through source and event_id.
order by
    events.occurred_on, {{ visitor_id() }}, events.occurred_at, events.source, events.event_id
