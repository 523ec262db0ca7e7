{{ config(materialized='view') }}

select events.*
from {{ ref('int_events_deduplicated') }} as events
left join {{ ref('int_robots_found') }} as robots
    on robots.visitor_id = {{ visitor_id() }}
    and robots.event_date = events.event_date
where events.event_date < date '{{ var("night") }}'
    and {{ is_robots() }}
