{%- set made_of = '1' -%}
{{
    config(
        materialized='history',
        database='history',
        pre_hook="{{ prepare_days('" ~ made_of ~ "') }}"
    )
}}

-- History: kept over nights, a day at a time. A day is rebuilt whole when its fingerprint differs
-- from the one its rows carry, so a rerun from any half-done state ends the same. What is kept is
-- which lines to leave out: the lines themselves stand in raw, and to write them again costs more than
-- all that is done with them.
with days_to_build as (
    {{ days_to_build(made_of) }}
),

events as not materialized (
    select stg_events.*, hash(stg_events.source, stg_events.event_id) as id_hash
    from {{ ref('stg_events') }} as stg_events
    where {{ on_days_to_build('stg_events.occurred_on') }}
),

-- Few ids repeat: finding those first, by one sort of numbers, is cheaper than ranking every event
-- among its copies. Two ids of one hash are looked at in vain, and stay two.
repeated as (
    select distinct occurred_on, id_hash
    from (
        select occurred_on, id_hash
        from events
        qualify id_hash = lag(id_hash) over (partition by occurred_on order by id_hash)
    )
),

copies as (
    select
        events.occurred_on,
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
    join repeated using (occurred_on, id_hash)
)

select
    -- ids
    copies.file_id,
    copies.source_row,
    copies.element,
    -- when
    days_to_build.occurred_on,
    days_to_build.day_fingerprint
from days_to_build
-- A day without copies has one row, which says that it was looked through.
left join copies
    on copies.occurred_on = days_to_build.occurred_on
    and copies.copy_number > 1
order by days_to_build.occurred_on, copies.file_id, copies.source_row, copies.element
