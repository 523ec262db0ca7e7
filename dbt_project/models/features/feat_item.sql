with seen as (
    select as_ofs.as_of, i.*
    from {{ ref('fct_interactions') }} as i
    join {{ ref('int_as_ofs') }} as as_ofs on {{ seen_before('as_ofs.as_of') }}
    where i.event_type = '{{ var("target_event") }}'
),

pairs as (
    select
        as_of,
        item_id,
        user_id,
        count(*) as n_days,
        min(interaction_date) as first_on,
        max(interaction_date) as last_on
    from seen
    group by all
),

buyers as (
    select
        as_of,
        item_id,
        count(*) filter (last_on >= as_of - 7)::integer as n_buyers_7d,
        count(*) filter (last_on >= as_of - 28)::integer as n_buyers_28d,
        count(*) filter (last_on >= as_of - 91)::integer as n_buyers_91d,
        count(*)::integer as n_buyers,
        count(*) filter (first_on >= as_of - 28)::integer as n_first_buyers_28d,
        count(*) filter (n_days > 1) / count(*) as repeat_share,
        sum(last_on - first_on)::double / nullif(sum(n_days - 1), 0) as mean_gap_days
    from pairs
    group by all
),

lines as (
    select
        as_of,
        item_id,
        count(*) filter (interaction_date >= as_of - 28)::integer as n_orders_28d,
        (as_of - min(interaction_date))::integer as days_since_first,
        (as_of - max(interaction_date))::integer as days_since_last,
        -- What was paid before as_of, not today's list price: that would be news from the future.
        (sum(revenue) / sum(quantity))::double as price
    from seen
    group by as_of, item_id
)

select
    buyers.as_of,
    buyers.item_id,
    n_buyers_7d,
    n_buyers_28d,
    n_buyers_91d,
    n_buyers,
    n_first_buyers_28d,
    n_orders_28d,
    days_since_first,
    days_since_last,
    repeat_share,
    mean_gap_days,
    lines.price,
    n_buyers_28d / nullif(sum(n_buyers_28d) over (partition by buyers.as_of, items.category), 0)
        as category_share_28d
from buyers
join lines using (as_of, item_id)
left join {{ ref('feat_catalogue') }} as items using (as_of, item_id)
