-- How long a purchase lasts, by category: the median gap between two dates on which one user bought of it,
-- within a year, drawn towards the shop's by twenty gaps of the shop's length. The rule withhold_bought
-- asks it.
{% set night -%} date '{{ var("night") }}' {%- endset %}
with items_numbered as (
    select item_id, category, dense_rank() over (order by category) as place
    from {{ ref('dim_items') }}
),

-- By number, since the categories are long texts, and sorted by.
purchases as (
    select distinct i.user_id, items.place, i.interaction_date
    from {{ ref('fct_interactions') }} as i
    join items_numbered as items using (item_id)
    where {{ seen_before(night) }}
        and i.event_type = 'purchase'
        and i.interaction_date >= {{ night }} - 365
),

gaps as (
    select
        *,
        interaction_date - lag(interaction_date) over (partition by user_id, place order by interaction_date) as gap_days
    from purchases
),

counted as (
    select
        place,
        count(distinct user_id) as n_buyers,
        count(gap_days) as n_gaps,
        median(gap_days) as median_gap_days
    from gaps
    group by place
),

shop as (
    -- Without a single repeat a month, which most things outlast.
    select coalesce(median(gap_days), 30) as median_gap_days
    from gaps
)

select
    -- ids
    {{ night }} as as_of,
    named.category,
    -- numerics
    counted.n_buyers::integer as n_buyers,
    counted.n_gaps::integer as n_gaps,
    (counted.n_gaps * coalesce(counted.median_gap_days, 0) + 20 * shop.median_gap_days) / (counted.n_gaps + 20)
        as replenished_after_days,
    -- booleans: below twenty buyers nobody's second purchase may be chance.
    named.category is not null and counted.n_buyers >= 20 and counted.n_gaps = 0 as is_once_only
from counted
cross join shop
join (select distinct place, category from items_numbered) as named using (place)
order by named.category
