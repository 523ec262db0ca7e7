{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key='occurred_on',
        database='history',
        pre_hook="{% if is_incremental() %} delete from {{ this }} where occurred_on not in
            (select occurred_on from {{ source('raw', 'days') }}) {% endif %}"
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

ranked as (
    select
        events.*,
        days_to_build.fingerprint as day_fingerprint,
        -- Copies of an event are alike in all that counts; the first file's first row is kept.
        row_number() over (
            partition by events.occurred_on, events.event_id
            order by events.occurred_at, events.file_id, events.source_row
        ) as copy_number
    from {{ ref("stg_events") }} as events
    join days_to_build using (occurred_on)
)

select * exclude (copy_number)
from ranked
where copy_number = 1
-- Sorted by who and when, files are smaller and windows cheaper; unique through event_id.
order by occurred_on, user_id, occurred_at, event_id
