-- What the placements that live on news, prices and visits have to go by: as feat_shop, for rpt_readiness.
{% set night -%} date '{{ var("night") }}' {%- endset %}
with seen as (
    select i.*
    from {{ ref('fct_interactions') }} as i
    where {{ seen_before(night) }}
),

items as (
    select * from {{ ref('dim_items') }}
),

visits as (
    select user_id, count(distinct interaction_date) as n_dates
    from seen
    join items using (item_id)
    where items.category is not null
    group by user_id
),

lately as (
    select
        count(distinct user_id) filter (interaction_date >= {{ night }} - {{ var('trend_days') }}) as n_users,
        coalesce(min(interaction_date) < {{ night }} - {{ var('trend_days') }}, false) as has_before
    from seen
),

arrivals as (
    select count(*) as n
    from {{ ref('feat_arrivals') }} as arrivals
    join items using (item_id)
    where items.is_offerable
        and not arrivals.has_graduated
),

prices as (
    select count(*) as n, count(*) filter (is_on_sale) as n_on_sale
    from {{ ref('feat_item_price') }}
    join items using (item_id)
    where items.is_offerable
)

select
    {{ night }} as as_of,
    (select count(*) from visits where n_dates >= 2) as n_returning,
    (select n_users from lately) as n_lately,
    (select has_before from lately) as has_before,
    (select n from arrivals) as n_arrivals,
    (select n from prices) as n_priced,
    (select n_on_sale from prices) as n_on_sale,
    coalesce((select max(n_newcomers) from {{ ref('feat_first_takings') }}), 0) as n_newcomers
