-- A refund takes back the latest earlier purchase of the same user and item that was at least as
-- large. It looks backwards only, so what is known as of a date never changes afterwards.
with kept as (
    select * from {{ ref('int_events_cleaned') }} where dropped_by is null
),

matched as (
    select
        refunds.event_id as refund_id,
        refunds.event_date as refunded_on,
        refunds.quantity as refunded,
        purchases.event_id as purchase_id,
        purchases.occurred_on as purchase_occurred_on,
        purchases.quantity as purchased,
        row_number() over (
            partition by refunds.occurred_on, refunds.event_id
            order by purchases.occurred_at desc, purchases.event_id
        ) as nearness
    from kept as refunds
    join kept as purchases
        on purchases.user_id = refunds.user_id
        and purchases.item_id = refunds.item_id
        and purchases.event_type = 'purchase'
        and purchases.occurred_at <= refunds.occurred_at
        and purchases.quantity >= refunds.quantity
    where refunds.event_type = 'refund'
),

summed as (
    select
        *,
        sum(refunded) over (
            partition by purchase_occurred_on, purchase_id
            order by refunded_on, refund_id
            rows unbounded preceding
        ) as refunded_so_far
    from matched
    where nearness = 1
)

select
    purchase_id as event_id,
    purchase_occurred_on as occurred_on,
    min(refunded_on) as cancelled_on
from summed
where refunded_so_far >= purchased
group by purchase_id, purchase_occurred_on
