with seen as (
    select as_ofs.as_of, i.*
    from {{ ref('fct_interactions') }} as i
    join {{ ref('int_as_ofs') }} as as_ofs on {{ seen_before('as_ofs.as_of') }}
    where i.event_type = '{{ var("target_event") }}'
),

pairs as (
    select as_of, user_id, item_id, count(*) as n_days, min(interaction_date) as first_on
    from seen
    group by all
),

repeats as (
    select
        as_of,
        user_id,
        count(*)::integer as n_items,
        count(*) filter (first_on >= as_of - 28)::integer as n_new_items_28d,
        sum(n_days) / count(*) as mean_days_per_item,
        count(*) filter (n_days > 1) / count(*) as repeat_share
    from pairs
    group by as_of, user_id
),

days as (
    select
        as_of,
        user_id,
        count(distinct interaction_date)::integer as n_active_days,
        count(distinct interaction_date) filter (interaction_date >= as_of - 28)::integer as n_active_days_28d,
        count(*) / count(distinct interaction_date) as mean_basket_items,
        count(*) filter (interaction_date >= as_of - 28)::integer as n_lines_28d,
        (as_of - max(interaction_date))::integer as days_since_last,
        (max(interaction_date) - min(interaction_date))::double
            / nullif(count(distinct interaction_date) - 1, 0) as mean_gap_days,
        (sum(revenue) / sum(quantity))::double as mean_price
    from seen
    group by as_of, user_id
)

select
    days.as_of,
    days.user_id,
    n_active_days,
    n_active_days_28d,
    n_items,
    n_new_items_28d,
    n_lines_28d,
    mean_basket_items,
    mean_days_per_item,
    days_since_last,
    repeat_share,
    mean_gap_days,
    mean_price
from days
join repeats using (as_of, user_id)
