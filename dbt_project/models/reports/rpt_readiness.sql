{{ config(tags=['prepare']) }}

-- Judged before anything is learnt: who serves, and what fills a shelf that falls short, is read
-- from here, so that what it promises is what is published. The numbers wanted have their home here.
with placements as (
    -- Fewer than 20 people's fortnight does not tell a dozen sources apart: one lucky guess decides.
    select
        1 as place, 'rec_for_you' as placement,
        'users who came back in the last 14 days' as needs, n_returned as has, 20 as wanted,
        true as is_enough, case when n_offered > 0 then 'popularity' end as instead
    from {{ ref('feat_shop') }}
    union all
    -- The same: a list of new items is examined on people who took something new to them.
    select
        2, 'rec_discover', 'users who took something new to them in the last 14 days', n_returned_new, 20,
        is_something_new, case when is_something_new then 'popularity' end
    from {{ ref('feat_shop') }}
    union all
    -- Below 50 such users a pair of items is what one or two people happened to take. Of how many users an item is
    -- enough hangs on how many there are: feat_shop.
    select
        3, 'rec_similar_items', 'users who saw or took two or more items that enough users did', n_comparers, 50,
        true, case when has_categories then 'category' end
    from {{ ref('feat_shop') }}
    union all
    -- A pair is no chance from {{ var('min_baskets') }} baskets on. In a thousand baskets two items must each be in every 14th
    -- to meet that often by chance: with fewer baskets only bestsellers have companions.
    select
        4, 'rec_bought_together', 'baskets of two or more items', n_baskets, 1000,
        n_baskets_of_strongest_pair >= {{ var('min_baskets') }}, case when has_categories then 'category' end
    from {{ ref('feat_shop') }}
    union all
    -- One repeat tells that something is bought again here: without any the repeat share is 0.
    select 5, 'rec_buy_again', 'users who took an item on two dates', n_rhythms, 1, true, null
    from {{ ref('feat_shop') }}
    union all
    -- One item that somebody took and that may be offered makes a list.
    select 6, 'rec_popular', 'items that somebody took and that may be offered', n_popular, 1, true, null
    from {{ ref('feat_shop') }}
    union all
    -- As for bought together; a pair that has too few baskets for a third item has its items' lists.
    select
        7, 'rec_cart', 'baskets of two or more items', n_baskets, 1000,
        n_baskets_of_strongest_pair >= {{ var('min_baskets') }}, case when has_categories then 'category' end
    from {{ ref('feat_shop') }}
    union all
    -- Fifty users make some hundreds of steps from a visit to the next, a handful for each category.
    select
        8, 'rec_next_category', 'users who saw or took something of a known category on two dates', n_returning, 50,
        has_categories, case when has_categories then 'category' end
    from {{ ref('feat_shop') }} cross join {{ ref('feat_placements') }}
    union all
    -- Of fewer users' week, what rises is what one of them gave a party with.
    select
        9, 'rec_trending', 'users who saw or took something in the last {{ var("trend_days") }} days', n_lately, 20,
        has_before and n_popular > 0, case when n_popular > 0 then 'popularity' end
    from {{ ref('feat_shop') }} cross join {{ ref('feat_placements') }}
    union all
    -- One arrival makes a list.
    select
        10, 'rec_new_arrivals', 'items that arrived in the last {{ var("arrival_days") }} days', n_arrivals, 1,
        true, null
    from {{ ref('feat_placements') }}
    union all
    -- One item that is cheaper than it was makes a list.
    select
        11, 'rec_on_sale', 'items whose price now and one to three months ago are known', n_priced, 1,
        n_on_sale > 0, null
    from {{ ref('feat_placements') }}
    union all
    -- Fifty first baskets: below, the shop's own pace says more than they do.
    select
        12, 'rec_cold_start', 'users who came for the first time in the last 91 days', n_newcomers, 50,
        n_popular > 0, case when n_popular > 0 then 'popularity' end
    from {{ ref('feat_shop') }} cross join {{ ref('feat_placements') }}
    union all
    select 101, 'user_profiles', 'users who took something', n_users, 1, true, null
    from {{ ref('audience_counts') }}
    union all
    select 102, 'user_interest_history', 'users who took something of a known category lately', n_interested, 1, true, null
    from {{ ref('audience_counts') }}
    union all
    -- Below a hundred users the difference between two log losses is one user's odd month.
    select
        103, 'user_interest_forecast', 'users who took something of a known category in each of two months', n_interested_twice, 100,
        true, case when n_interested > 0 then 'last_month' end
    from {{ ref('audience_counts') }}
    union all
    -- Three segments of twenty are the fewest that are worth a name.
    select 104, 'user_segments', 'users who took something in the last 52 weeks', n_active_users, 60, true, null
    from {{ ref('audience_counts') }}
    union all
    -- With fewer of either kind, one user who changes sides moves every figure by a tenth.
    select
        105, 'user_churn_risk', 'users of either kind, who lapsed and who came back, in each of three windows', n_outcomes, 30,
        true, null
    from {{ ref('audience_counts') }}
    union all
    -- A list of fewer is not published.
    select 106, 'audiences', 'users who took something', n_users, {{ var('min_audience') }}, true, null
    from {{ ref('audience_counts') }}
),

judged as (
    select
        * exclude (is_enough, instead),
        placement in ({% for name in var('off') %}'rec_{{ name }}', {% endfor %}'') as is_off,
        has >= wanted and is_enough and not is_off as is_ready,
        case when is_off then 'nothing' when not is_ready then coalesce(instead, 'nothing') end as published_instead
    from placements
)

select
    -- ids
    placement,
    -- what it needs and has
    needs,
    has::bigint as has,
    wanted::bigint as wanted,
    -- verdict
    is_ready,
    case when is_off then 'off' when is_ready then 'ready' when published_instead = 'nothing' then 'may be empty' else 'falls short' end
        as verdict,
    published_instead,
    format(
        '{}: {:,} {}, {:,} wanted; ', replace(regexp_replace(placement, '^rec_', ''), '_', ' '), has,
        case when has = 1 then regexp_replace(needs, '^(\w+)s ', '\1 ') else needs end, wanted
    )
        || case
            when is_off then 'switched off in the shop file'
            when is_ready then 'ready'
            when published_instead = 'popularity' then 'popular items will be used'
            when published_instead = 'last_month' then 'the shares of last month will be used'
            when published_instead = 'category' and placement = 'rec_next_category' then 'shares of what was taken will be used'
            when published_instead = 'category' and has >= wanted
                then 'no two items share {{ var("min_baskets") }} of them; categories will be used'
            when published_instead = 'category' then 'categories will be used where pairs are lacking'
            when has >= wanted and placement = 'rec_discover' then 'everybody took everything: nothing is left to discover'
            when has >= wanted and placement = 'rec_on_sale' then 'none is {{ (100 * var("sale_share")) | round | int }} % cheaper than it was: nothing will be published'
            when has > 0 and placement in ('rec_similar_items', 'rec_bought_together', 'rec_cart')
                then 'without categories the few pairs there are will be all'
            else 'nothing will be published'
        end as told
from judged
order by place
