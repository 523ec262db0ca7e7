{{ config(materialized='view') }}

select
    *,
    case when {{ is_impossible_quantity() }} then 'quantity' else 'price' end as what
from {{ ref('int_events_deduplicated') }}
where event_date < date '{{ var("night") }}'
    and ({{ is_impossible_quantity() }} or {{ is_impossible_price() }})
