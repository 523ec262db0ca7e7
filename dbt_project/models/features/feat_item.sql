with pairs as (
    select
        pairs.*,
        pairs.days_since_first - pairs.days_since_last as n_days_between,
        -- Of the users whom a burst brought, few count (feat_item_bursts).
        -- A decimal, since sums of doubles differ with the thread count.
        coalesce(bursts.n_counted / bursts.n_users, 1)::decimal(18, 9) as counts_for
    from {{ ref('feat_user_item') }} as pairs
    left join {{ ref('feat_item_bursts') }} as bursts
        on bursts.as_of = pairs.as_of
        and bursts.item_id = pairs.item_id
        and bursts.days_ago = pairs.days_since_first_28d
),

buyers as (
    select
        as_of,
        item_id,
        count(*) filter (days_since_last <= 7)::integer as n_buyers_7d,
        count(*) filter (days_since_last <= 28)::integer as n_buyers_28d,
        count(*) filter (days_since_last <= 91)::integer as n_buyers_91d,
        count(*)::integer as n_buyers,
        count(*) filter (days_since_first <= 28)::integer as n_first_buyers_28d,
        coalesce(sum(counts_for) filter (days_since_last <= 7), 0)::double as usual_buyers_7d,
        coalesce(sum(counts_for) filter (days_since_last <= 28), 0)::double as usual_buyers_28d,
        sum(counts_for)::double as usual_buyers,
        sum(n_days_28d)::integer as n_orders_28d,
        max(days_since_first)::integer as days_since_first,
        min(days_since_last)::integer as days_since_last,
        count(*) filter (n_days > 1) / count(*) as repeat_share,
        sum(n_days_between)::double / nullif(sum(n_days - 1), 0) as mean_gap_days,
        -- What was paid before as_of, not today's list price: that would be news from the future.
        (sum(revenue) / sum(quantity) filter (revenue is not null))::double as price
    from pairs
    group by all
)

select
    buyers.as_of,
    buyers.item_id,
    n_buyers_7d,
    n_buyers_28d,
    n_buyers_91d,
    n_buyers,
    n_first_buyers_28d,
    usual_buyers_7d,
    usual_buyers_28d,
    usual_buyers,
    n_orders_28d,
    buyers.days_since_first,
    buyers.days_since_last,
    repeat_share,
    mean_gap_days,
    buyers.price,
    usual_buyers_28d
        / nullif(sum(usual_buyers_28d::decimal(18, 9)) over (partition by buyers.as_of, items.category), 0)
        as category_share_28d
from buyers
left join {{ ref('feat_catalogue') }} as items using (as_of, item_id)
