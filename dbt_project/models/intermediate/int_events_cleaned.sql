{{ config(materialized='view') }}

-- Why an event says nothing about taste; the first rule that applies, in this order: who acted
-- comes before what was acted on. rpt_cleaning counts each rule's events.
with events as (
    select *, {{ visitor_id('all_events') }} as visitor_id
    from {{ ref('int_events_deduplicated') }} as all_events
    where event_date < date '{{ var("night") }}'
)

select
    events.*,
    case
        when {{ is_robots() }} then 'robot'
        when {{ is_internal('events.user_id', 'events.visitor_id', 'events.traffic') }} then 'internal'
        when events.item_id is null then 'no_item'
        when {{ is_not_a_product('events.item_id') }} then 'not_a_product'
        when {{ is_impossible_quantity() }} then 'impossible_quantity'
        when {{ is_impossible_price() }} then 'impossible_price'
    end as dropped_by
from events
left join {{ ref('int_robots_found') }} as robots
    on robots.visitor_id = events.visitor_id
    and robots.event_date = events.event_date
