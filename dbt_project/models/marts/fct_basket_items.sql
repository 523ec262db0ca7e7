-- A basket is an order; where a source gives no order, a user's purchases of one date.
-- Lines without a user count here too: what was bought together does not depend on by whom.
select distinct
    coalesce(order_id, user_id || ' ' || event_date::varchar) as basket_id,
    item_id,
    event_date as basket_date
from {{ ref('int_events_cleaned') }} as cleaned
left join {{ ref('int_purchases_cancelled') }} as cancelled using (occurred_on, event_id)
where dropped_by is null
    and event_type = 'purchase'
    and cancelled_on is null
    and coalesce(order_id, user_id) is not null
