-- A buyer's purchases of one item lie on a stack, the latest on top, and each refund takes its
-- pieces: first those bought in the order that it names, then from the top. A purchase of which no
-- piece is left is cancelled, since that refund. Of the order that it names a refund takes what was
-- bought on its whole date, since many a return is booked under a date without an hour. Refunds look
-- back from the end of their date, so what is known as of a date never changes afterwards. A refund of more than was bought takes what there is.
{%- set columns = 'occurred_on, source, event_id, event_type, event_date, occurred_at, user_id, order_id, item_id, quantity' %}
with recursive given_back as (
    select {{ columns }}
    from {{ ref('int_events_cleaned') }}
    where dropped_by is null
        and event_type = 'refund'
),

-- Refunds are few and say whose purchases are wanted: where there is none, no purchase is read.
kept as (
    from given_back
    union all
    select {{ columns }}
    from {{ ref('int_events_cleaned') }}
    where dropped_by is null
        and event_type = 'purchase'
        and item_id in (select item_id from given_back)
),

-- Who gives back is the one who had bought the item in the order that the refund names: it may be
-- booked without a name, or under the user's while the guest had bought. Guests are their order.
givers as (
    select
        refunds.occurred_on,
        refunds.source,
        refunds.event_id,
        min(purchases.user_id) as user_id
    from kept as refunds
    join kept as purchases
        on purchases.order_id = refunds.order_id
        and purchases.item_id = refunds.item_id
        and purchases.event_date <= refunds.event_date
        and purchases.event_type = 'purchase'
        and purchases.user_id is not null
    where refunds.event_type = 'refund'
    group by refunds.occurred_on, refunds.source, refunds.event_id
    having count(distinct purchases.user_id) = 1
),

named as (
    select
        kept.*,
        coalesce('user ' || coalesce(givers.user_id, kept.user_id), 'order ' || kept.order_id) as buyer
    from kept
    left join givers using (occurred_on, source, event_id)
),

refunds as (
    select
        *,
        row_number() over (partition by buyer, item_id order by occurred_at, source, event_id) as turn
    from named
    where event_type = 'refund'
        and buyer is not null
),

-- One turn a refund; `pieces_left` after `turn` refunds of the buyer's and the item's.
stacks as (
    select
        0::bigint as turn, buyer, item_id, occurred_on, event_date, source, event_id, occurred_at, order_id,
        quantity as pieces_left, null::date as cancelled_on
    from named
    where event_type = 'purchase'
        and (buyer, item_id) in (select (buyer, item_id) from refunds)

    union all

    select
        turn, buyer, item_id, occurred_on, event_date, source, event_id, occurred_at, order_id,
        pieces_left - taken as pieces_left,
        case when taken = pieces_left then refunded_on end as cancelled_on
    from (
        select
            *,
            case
                when is_earlier then greatest(least(pieces_left, refunded - coalesce(
                    sum(case when is_earlier then pieces_left end) over (
                        partition by buyer, item_id
                        order by is_of_order desc, occurred_at desc, source, event_id
                        rows between unbounded preceding and 1 preceding
                    ), 0)), 0)::bigint
                else 0
            end as taken
        from (
            select
                stacks.* exclude (turn, cancelled_on),
                refunds.turn,
                refunds.quantity as refunded,
                refunds.event_date as refunded_on,
                coalesce(stacks.order_id = refunds.order_id, false) as is_of_order,
                stacks.occurred_at <= refunds.occurred_at
                    or (is_of_order and stacks.event_date <= refunds.event_date) as is_earlier
            from stacks
            join refunds
                on refunds.buyer = stacks.buyer
                and refunds.item_id = stacks.item_id
                and refunds.turn = stacks.turn + 1
            where stacks.pieces_left > 0
        )
    )
)

select event_id, source, occurred_on, event_date, cancelled_on
from stacks
where cancelled_on is not null
