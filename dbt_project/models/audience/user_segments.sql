{{ config(tags=['shelve']) }}

select
    date '{{ var("night") }}' as night,
    user_id,
    segment,
    name
from {{ source('ml', 'segments') }}
order by user_id
