-- How much there is to learn from, as of the night: what rpt_readiness holds against what is wanted.
{% set night -%} date '{{ var("night") }}' {%- endset %}
{% set examined_from -%} date '{{ var("as_ofs")["evaluate"] }}' {%- endset %}
with seen as (
    select i.* from {{ ref('fct_interactions') }} as i where {{ seen_before(night) }}
),

-- for you, discover: people whose last fortnight can be held against what was known before it. What
-- they had only looked at is still new to them.
known_before as (
    select
        i.user_id,
        coalesce(list(distinct i.item_id) filter (i.event_type = '{{ var("target_event") }}'), []) as items
    from {{ ref('fct_interactions') }} as i
    where {{ seen_before(examined_from) }}
    group by i.user_id
),

taken_since as (
    select distinct user_id, item_id
    from seen
    where event_type = '{{ var("target_event") }}'
        and interaction_date >= {{ examined_from }}
),

returned as (
    select
        count(distinct taken_since.user_id) as n_users,
        count(distinct taken_since.user_id) filter (
            not list_contains(known_before.items, taken_since.item_id)
        ) as n_users_new
    from taken_since
    join known_before using (user_id)
),

-- similar items: people who took two items that are common enough to be compared.
recent_pairs as (
    select distinct user_id, item_id
    from seen
    where interaction_date >= {{ night }} - {{ var('similarity_days') }}
),

common_items as (
    select item_id
    from recent_pairs
    group by item_id
    having count(*) >= least(
        {{ var('min_buyers') }}, greatest(1, (select count(distinct user_id) from seen) // 100)
    )
),

comparers as (
    select user_id from recent_pairs join common_items using (item_id) group by user_id having count(*) >= 2
),

-- bought together
lines as (
    select *
    from {{ ref('fct_basket_items') }}
    where basket_date >= {{ night }} - {{ var('basket_days') }}
),

baskets as (
    select basket_id, basket_date from lines group by basket_id, basket_date having count(*) >= 2
),

-- The pairs of all items are dear to count. Where even the 200 bestsellers make no pair that stands
-- in enough baskets, there are few pairs at best.
bestsellers as (
    select item_id from lines group by item_id order by count(*) desc, item_id limit 200
),

strongest_pair as (
    select count(*) as n_baskets
    from lines as one
    join lines as other using (basket_id, basket_date)
    where one.item_id < other.item_id
        and one.item_id in (select item_id from bestsellers)
        and other.item_id in (select item_id from bestsellers)
    group by one.item_id, other.item_id
    order by n_baskets desc
    limit 1
),

-- popular, and what every fallback is made of
taken as (
    select feat_item.item_id, items.category, items.is_offerable
    from {{ ref('feat_item') }} as feat_item
    join {{ ref('dim_items') }} as items using (item_id)
    where feat_item.as_of = {{ night }}
),

shared_categories as (
    select category
    from taken
    where category is not null
    group by category
    having count(*) >= 2 and count(*) filter (is_offerable) >= 1
),

offered as (
    select distinct seen.item_id
    from seen
    join {{ ref('dim_items') }} as items using (item_id)
    where items.is_offerable
        and interaction_date >= least(
            {{ night }} - {{ var('popularity_days') }}, (select max(interaction_date) from seen)
        )
),

owned as (
    select count(distinct (user_id, item_id)) as n_pairs
    from seen
    where event_type = '{{ var("target_event") }}'
        and item_id in (select item_id from offered)
),

rhythms as (
    select distinct user_id
    from {{ ref('feat_user_item') }} as feat_user_item
    join {{ ref('dim_items') }} as items using (item_id)
    where feat_user_item.as_of = {{ night }}
        and feat_user_item.n_days >= 2
        and items.is_offerable
)

select
    {{ night }} as as_of,
    (select n_users from returned) as n_returned,
    (select n_users_new from returned) as n_returned_new,
    (select count(*) from comparers) as n_comparers,
    (select count(*) from baskets) as n_baskets,
    coalesce((select n_baskets from strongest_pair), 0) as n_baskets_of_strongest_pair,
    (select count(*) from rhythms) as n_rhythms,
    (select count(*) from taken where is_offerable) as n_popular,
    (select count(*) from offered) as n_offered,
    (select count(distinct user_id) from seen) * (select count(*) from offered)
        > (select n_pairs from owned) as is_something_new,
    exists (from shared_categories) as has_categories
