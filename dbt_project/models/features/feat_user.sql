-- What was taken is counted by feat_user_item, when by fct_active_days: neither goes back to the lines.
with items as (
    select
        as_of,
        user_id,
        count(*)::integer as n_items,
        count(*) filter (days_since_first <= 28)::integer as n_new_items_28d,
        sum(n_days) as n_lines,
        sum(n_days_28d)::integer as n_lines_28d,
        sum(n_days) / count(*) as mean_days_per_item,
        count(*) filter (n_days > 1) / count(*) as repeat_share,
        min(days_since_last)::integer as days_since_last,
        (sum(revenue) / sum(quantity) filter (revenue is not null))::double as mean_price
    from {{ ref('feat_user_item') }}
    group by as_of, user_id
),

days as (
    select
        as_ofs.as_of,
        i.user_id,
        count(distinct i.interaction_date)::integer as n_active_days,
        count(distinct i.interaction_date) filter (i.interaction_date >= as_ofs.as_of - 28)::integer as n_active_days_28d,
        (max(i.interaction_date) - min(i.interaction_date))::double as n_days_between
    from {{ ref('fct_active_days') }} as i
    join {{ ref('int_as_ofs') }} as as_ofs on {{ seen_before('as_ofs.as_of') }}
    where i.event_type = '{{ var("target_event") }}'
    group by as_ofs.as_of, i.user_id
)

select
    as_of,
    user_id,
    n_active_days,
    n_active_days_28d,
    n_items,
    n_new_items_28d,
    n_lines_28d,
    n_lines / n_active_days as mean_basket_items,
    mean_days_per_item,
    days_since_last,
    repeat_share,
    n_days_between / nullif(n_active_days - 1, 0) as mean_gap_days,
    mean_price
from days
join items using (as_of, user_id)
