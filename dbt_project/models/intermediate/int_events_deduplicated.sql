{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key='occurred_on',
        database='history',
        pre_hook="{% if is_incremental() %} delete from {{ this }} where (occurred_on, day_fingerprint)
            not in (select occurred_on, fingerprint from {{ source('raw', 'days') }}) {% endif %}"
    )
}}

-- History: kept over nights, a day at a time. A day is rebuilt whole when its fingerprint differs
-- from the one its rows carry, so a rerun from any half-done state ends the same.
with days_to_build as (
    select occurred_on, fingerprint
    from {{ source('raw', 'days') }}
    {% if is_incremental() %}
    where (occurred_on, fingerprint) not in (select distinct occurred_on, day_fingerprint from {{ this }})
    {% endif %}
),

events as (
    select stg_events.*, days_to_build.fingerprint as day_fingerprint
    from {{ ref('stg_events') }} as stg_events
    join days_to_build using (occurred_on)
),

-- Few ids repeat: finding those first is cheaper than ranking every event among its copies.
repeated as (
    select occurred_on, event_id
    from events
    group by occurred_on, event_id
    having count(*) > 1
),

copies as (
    select
        events.file_id,
        events.source_row,
        -- Copies of an event are alike in all that counts; the first file's first row is kept.
        row_number() over (
            partition by events.occurred_on, events.event_id
            order by events.occurred_at, events.file_id, events.source_row
        ) as copy_number
    from events
    join repeated using (occurred_on, event_id)
)

select events.*
from events
left join copies
    on copies.file_id = events.file_id
    and copies.source_row = events.source_row
    and copies.copy_number > 1
where copies.file_id is null
-- Sorted by who and when, files are smaller and windows cheaper; unique through event_id.
order by events.occurred_on, events.user_id, events.occurred_at, events.event_id
