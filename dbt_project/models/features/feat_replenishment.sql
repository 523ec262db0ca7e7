-- How long a purchase lasts, by category: the median gap between two dates on which one user bought of it,
-- within a year, drawn towards the shop's by twenty gaps of the shop's length. The rule withhold_bought
-- asks it.
with items_numbered as (
    select item_id, category, dense_rank() over (order by category) as place
    from {{ ref('dim_items') }}
),

-- By number, since the categories are long texts, and sorted by.
purchases as (
    select distinct as_ofs.as_of, i.user_id, items.place, i.interaction_date
    from {{ ref('fct_interactions') }} as i
    join {{ ref('int_as_ofs') }} as as_ofs on {{ seen_before('as_ofs.as_of') }}
    join items_numbered as items using (item_id)
    where as_ofs.role = 'serve'
        and i.event_type = 'purchase'
        and i.interaction_date >= as_ofs.as_of - 365
),

gaps as (
    select
        *,
        interaction_date - lag(interaction_date) over (
            partition by as_of, user_id, place order by interaction_date
        ) as gap_days
    from purchases
),

counted as (
    select
        as_of,
        place,
        count(distinct user_id) as n_buyers,
        count(gap_days) as n_gaps,
        median(gap_days) as median_gap_days
    from gaps
    group by as_of, place
),

shop as (
    -- Without a single repeat a month, which most things outlast.
    select as_of, coalesce(median(gap_days), 30) as median_gap_days
    from gaps
    group by as_of
)

select
    -- ids
    counted.as_of,
    named.category,
    -- numerics
    counted.n_buyers::integer as n_buyers,
    counted.n_gaps::integer as n_gaps,
    (counted.n_gaps * coalesce(counted.median_gap_days, 0) + 20 * shop.median_gap_days) / (counted.n_gaps + 20)
        as replenished_after_days,
    -- booleans: below twenty buyers nobody's second purchase may be chance.
    named.category is not null and counted.n_buyers >= 20 and counted.n_gaps = 0 as is_once_only
from counted
join shop using (as_of)
join (select distinct place, category from items_numbered) as named using (place)
order by counted.as_of, named.category
