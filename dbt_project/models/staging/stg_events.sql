select
    -- ids
    event_id,
    -- Where the whole log names nobody, a session is all that is known of a shopper.
    coalesce(
        user_id, anonymous_id,
        case when (select bool_or(sessions_are_visitors) from {{ source('raw', 'facts') }}) then session_id end
    ) as user_id,
    anonymous_id,
    user_id is not null as is_known,
    session_id,
    item_id,
    order_id,
    -- what happened
    event_type,
    coalesce(quantity, 1) as quantity,
    price as unit_price,
    traffic,
    -- when
    occurred_at,
    occurred_at::date as occurred_on,
    {{ local_date('occurred_at') }} as event_date,
    -- where it came from
    source,
    file_id,
    row_number as source_row,
    element
from {{ source('raw', 'events') }}
