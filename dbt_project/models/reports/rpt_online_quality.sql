{{ config(tags=['prepare']) }}

-- What published shelves brought. `method` says which it is: 'shown', where impressions came back, or
-- 'replayed', where shelves are held against what users took anyway, which flatters habits.
{% set dimensions -%}
unnest([
    {'dimension': 'all', 'value': 'all'},
    {'dimension': 'night', 'value': night::varchar},
    {'dimension': 'source', 'value': source},
    {'dimension': 'model_fingerprint', 'value': model_fingerprint},
    {'dimension': 'is_exploration', 'value': is_exploration::varchar}
], max_depth := 2)
{%- endset %}

with shown as (
    select *, {{ dimensions }}
    from {{ ref('fct_impressions') }}
    where unmatched_because is null
),

of_shown as (
    select
        'shown' as method, placement, dimension, value,
        count(*) as n_slots,
        count(*) filter (n_clicks > 0) as n_clicked,
        count(*) filter (is_followed_1d) as n_followed_1d,
        count(*) filter (is_followed_1d and n_bought_1d > 0) as n_bought_1d,
        count(*) filter (is_followed_7d) as n_followed_7d,
        count(*) filter (is_followed_7d and n_bought_7d > 0) as n_bought_7d,
        sum(revenue_7d)::decimal(18, 4) as revenue_7d
    from shown
    group by placement, dimension, value
),

replayed as (
    select *, {{ dimensions }}
    from {{ ref('int_shelves_replayed') }}
),

lists_replayed as (
    select
        placement, dimension, value, night, user_id,
        count(*) as n_slots,
        count(*) filter (is_taken) as n_taken
    from replayed
    group by placement, dimension, value, night, user_id
),

of_replayed as (
    select
        'replayed' as method, placement, dimension, value,
        sum(n_slots)::bigint as n_slots,
        sum(n_taken)::bigint as n_taken,
        count(*) as n_lists,
        count(*) filter (n_taken > 0) as n_lists_hit
    from lists_replayed
    group by placement, dimension, value
),

both_methods as (
    from of_shown
    union all by name
    from of_replayed
)

select
    -- what is told of
    method,
    placement,
    dimension,
    value,
    -- shown
    n_slots,
    n_clicked,
    {{ share_of('n_clicked', 'n_slots') }} as ctr,
    {{ wilson('n_clicked', 'n_slots', '-') }} as ctr_low,
    {{ wilson('n_clicked', 'n_slots', '+') }} as ctr_high,
    n_followed_1d,
    n_bought_1d,
    {{ share_of('n_bought_1d', 'n_followed_1d') }} as conversion_1d,
    n_followed_7d,
    n_bought_7d,
    {{ share_of('n_bought_7d', 'n_followed_7d') }} as conversion_7d,
    revenue_7d,
    -- replayed
    n_lists,
    n_lists_hit,
    {{ share_of('n_lists_hit', 'n_lists') }} as hit_rate_10,
    {{ wilson('n_lists_hit', 'n_lists', '-') }} as hit_rate_low,
    {{ wilson('n_lists_hit', 'n_lists', '+') }} as hit_rate_high,
    n_taken,
    {{ share_of('n_taken', 'n_slots') }} as precision_10
from both_methods
order by method desc, placement, list_position(['all', 'night', 'source', 'model_fingerprint', 'is_exploration'], dimension), value
