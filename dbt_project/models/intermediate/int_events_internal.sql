{{ config(materialized='view') }}

select events.*
from {{ ref('int_events_deduplicated') }} as events
where events.event_date < date '{{ var("night") }}'
    and {{ is_internal('events.user_id', visitor_id()) }}
