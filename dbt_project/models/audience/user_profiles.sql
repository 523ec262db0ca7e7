{{ config(tags=['prepare']) }}

-- Recency over all that is known, everything else over the last 52 weeks.
{% set night -%} date '{{ var("night") }}' {%- endset %}
with rhythms as (
    select * from {{ ref('feat_user_rhythm') }} where as_of = {{ night }}
),

-- Numbers for the long texts: lines are grouped by them many times.
items_numbered as (
    select
        item_id,
        category,
        brand,
        case when category is not null then dense_rank() over (order by category) end as category_place,
        case when brand is not null then dense_rank() over (order by brand) end as brand_place
    from {{ ref('dim_items') }}
),

lines as (
    select
        i.user_id,
        i.item_id,
        i.interaction_date,
        i.revenue,
        items.category_place,
        items.brand_place,
        -- A price in the log's digits: a third of 2.10 is 0.70, and not 0.7000000000000001.
        (i.revenue / i.quantity)::decimal(18, 4) as price
    from {{ ref('fct_interactions') }} as i
    join items_numbered as items using (item_id)
    where i.event_type = '{{ var("target_event") }}'
        and i.interaction_date >= {{ a_year_before(night) }}
        and {{ seen_before(night) }}
),

dates as (
    select user_id, interaction_date, count(*) as n_lines
    from lines
    group by user_id, interaction_date
),

baskets as (
    select
        user_id,
        count(*)::integer as n_dates,
        count(*) filter (isodow(interaction_date) >= 6) / count(*) as weekend_share
    from dates
    group by user_id
),

pairs as (
    select user_id, item_id, count(*) as n_dates
    from lines
    group by user_id, item_id
),

items as (
    select
        user_id,
        sum(n_dates)::integer as n_lines,
        count(*)::integer as n_items,
        count(*) filter (n_dates > 1) / count(*) as repeat_share
    from pairs
    group by user_id
),

money as (
    select user_id, sum(revenue) as spend
    from lines
    group by user_id
),

-- How dear within the category: the share of its lines that cost less, and half of those that cost
-- the same. 0.5 is the middle, whatever the category.
prices as (
    select category_place, price, count(*) as n_lines
    from lines
    where category_place is not null
        and price is not null
    group by category_place, price
),

-- A category has some hundreds of prices, and tens of thousands of lines.
priced as (
    select
        category_place,
        price,
        (
            (sum(n_lines) over cheaper - n_lines) / sum(n_lines) over (partition by category_place)
            + sum(n_lines) over cheaper / sum(n_lines) over (partition by category_place)
        )::decimal(18, 9) as twice_the_level
    from prices
    window cheaper as (partition by category_place order by price)
),

levels as (
    select user_id, (sum(twice_the_level) / (2 * count(*)))::double as price_level
    from lines
    join priced using (category_place, price)
    group by user_id
),

categories as (
    select
        user_id,
        count(*)::integer as n_categories,
        arg_max(category_place, row(n_lines, -category_place)) as category_place,
        max(n_lines) / sum(n_lines) as top_category_share
    from (
        select user_id, category_place, count(*) as n_lines
        from lines
        where category_place is not null
        group by user_id, category_place
    )
    group by user_id
),

brands as (
    select
        user_id,
        count(*)::integer as n_brands,
        arg_max(brand_place, row(n_lines, -brand_place)) as brand_place,
        max(n_lines) / sum(n_lines) as top_brand_share
    from (
        select user_id, brand_place, count(*) as n_lines
        from lines
        where brand_place is not null
        group by user_id, brand_place
    )
    group by user_id
),

weekdays as (
    select
        user_id,
        dayname(arg_max(a_date, row(n_dates, -day))) as top_weekday,
        max(n_dates) / sum(n_dates) as top_weekday_share
    from (
        select user_id, isodow(interaction_date) as day, count(*) as n_dates, min(interaction_date) as a_date
        from dates
        group by user_id, isodow(interaction_date)
    )
    group by user_id
),

-- Events that carry the user's own id.
moments as (
    select
        user_id,
        event_date,
        {{ day_part('occurred_at') }} as day_part,
        ({{ local_time('occurred_at') }})::time as clock
    from {{ ref('int_events_cleaned') }} as events
    where dropped_by is null
        and event_type = '{{ var("target_event") }}'
        and user_id is not null
        and {{ happened_since(a_year_before(night)) }}
),

-- A log of dates has one clock a date, and two in all where a date begins at one o'clock, as summer time does in some
-- places, or where midnight is another zone's.
has_times as (
    select bool_or(first_clock < last_clock) or count(distinct first_clock) > 2
    from (
        select min(clock) as first_clock, max(clock) as last_clock from moments group by event_date
    )
),

visits as (
    select distinct user_id, event_date, day_part
    from moments
    where (from has_times)
),

day_parts as (
    select
        user_id,
        arg_max(day_part, row(n_visits, -place)) as top_day_part,
        max(n_visits) / sum(n_visits) as top_day_part_share,
        coalesce(sum(n_visits) filter (day_part = 'evening'), 0) / sum(n_visits) as evening_share
    from (
        select
            user_id,
            day_part,
            count(*) as n_visits,
            list_position(['morning', 'afternoon', 'evening', 'night'], day_part) as place
        from visits
        group by user_id, day_part
    )
    group by user_id
)

select
    -- ids
    {{ night }} as night,
    user_id,
    -- when
    ({{ night }} - days_since_first)::date as first_on,
    ({{ night }} - days_since_last)::date as last_on,
    -- recency and frequency
    days_since_last,
    typical_gap_days,
    coalesce(baskets.n_dates, 0)::integer as n_dates,
    -- Of a user who is new, as far as they go back; four weeks at least.
    coalesce(baskets.n_dates, 0) * 28 / greatest(28, least(364, days_since_first)) as dates_per_28d,
    -- baskets
    coalesce(items.n_lines, 0)::integer as n_lines,
    coalesce(items.n_items, 0)::integer as n_items,
    items.n_lines / baskets.n_dates as lines_per_date,
    repeat_share,
    -- money
    spend::double as spend,
    (spend / baskets.n_dates)::double as spend_per_date,
    price_level,
    -- tastes
    n_categories,
    category_names.category as top_category,
    top_category_share,
    n_brands,
    brand_names.brand as top_brand,
    top_brand_share,
    -- hours
    top_weekday,
    top_weekday_share,
    weekend_share,
    top_day_part,
    top_day_part_share,
    evening_share
from rhythms
left join baskets using (user_id)
left join items using (user_id)
left join money using (user_id)
left join levels using (user_id)
left join categories using (user_id)
left join (select distinct category_place, category from items_numbered) as category_names using (category_place)
left join brands using (user_id)
left join (select distinct brand_place, brand from items_numbered) as brand_names using (brand_place)
left join weekdays using (user_id)
left join day_parts using (user_id)
order by user_id
