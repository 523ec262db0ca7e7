-- A UTC day has two dates of the shop's at most, so that the dates and the instant between them are found
-- once a day: to ask the calendar of each event takes as long as to read all its columns.
with days as (
    select
        occurred_on,
        {{ first_date('occurred_on') }} as first_date,
        {{ last_date('occurred_on') }} as last_date,
        -- No shop's midnight lies between two quarters of an hour.
        list_min(list_filter(
            range(occurred_on::timestamp, occurred_on + interval 1 day, interval 15 minute),
            lambda quarter: {{ local_date('quarter') }} = last_date
        )) as last_date_begins_at
    from {{ source('raw', 'days') }}
)

select
    -- ids
    events.event_id,
    -- Where the whole log names nobody, a session is all that is known of a shopper.
    coalesce(
        events.user_id, events.anonymous_id,
        case when (select bool_or(sessions_are_visitors) from {{ source('raw', 'facts') }}) then events.session_id end
    ) as user_id,
    events.anonymous_id,
    events.user_id is not null as is_known,
    events.session_id,
    events.item_id,
    events.order_id,
    -- what happened
    events.event_type,
    -- Of what is no piece yet some exports say 0.
    case when events.quantity = 0 and events.event_type not in ('cart_add', 'cart_remove', 'purchase', 'refund') then 1
        else coalesce(events.quantity, 1)
    end as quantity,
    events.price as unit_price,
    events.traffic,
    -- when
    events.occurred_at,
    events.occurred_on,
    case when events.occurred_at >= days.last_date_begins_at then days.last_date else days.first_date end as event_date,
    -- where it came from
    events.source,
    events.file_id,
    events.row_number as source_row,
    events.element
from {{ source('raw', 'events_by_day') }} as events
left join days on days.occurred_on = events.occurred_on
