select
    -- ids
    event_id,
    coalesce(user_id, anonymous_id) as user_id,
    session_id,
    item_id,
    order_id,
    -- what happened
    event_type,
    coalesce(quantity, 1) as quantity,
    price as unit_price,
    -- when
    occurred_at,
    occurred_at::date as occurred_on,
    {{ local_date('occurred_at') }} as event_date,
    -- where it came from
    source,
    file_id,
    row_number as source_row
from {{ source('raw', 'events') }}
