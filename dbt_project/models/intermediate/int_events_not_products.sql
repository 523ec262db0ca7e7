{{ config(materialized='view') }}

select *
from {{ ref('int_events_deduplicated') }}
where event_date < date '{{ var("night") }}'
    and {{ is_not_a_product() }}
