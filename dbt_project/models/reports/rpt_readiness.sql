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
    -- Below 50 such users a pair of items is what one or two people happened to take.
    select
        3, 'rec_similar_items', 'users who took two or more items that {{ var("min_buyers") }} users took', n_comparers, 50,
        true, case when has_categories then 'category' end
    from {{ ref('feat_shop') }}
    union all
    -- A pair counts from {{ var('min_baskets') }} baskets on. In a thousand baskets two items must each be in every 14th
    -- to meet that often by chance: with fewer baskets only bestsellers have companions.
    select
        4, 'rec_bought_together', 'baskets of two or more items', n_baskets, 1000,
        n_baskets_of_strongest_pair >= {{ var('min_baskets') }}, case when has_categories then 'category' end
    from {{ ref('feat_shop') }}
    union all
    -- A rhythm is the user's own: nobody else's is needed.
    select 5, 'rec_buy_again', 'users who took an item on two dates', n_rhythms, 1, true, null
    from {{ ref('feat_shop') }}
    union all
    -- One item that somebody took and that may be offered makes a list.
    select 6, 'rec_popular', 'items that somebody took and that may be offered', n_popular, 1, true, null
    from {{ ref('feat_shop') }}
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
    select 106, 'audiences', 'users who took something', n_users, 1, true, null
    from {{ ref('audience_counts') }}
),

judged as (
    select
        * exclude (is_enough, instead),
        has >= wanted and is_enough as is_ready,
        case when not (has >= wanted and is_enough) then coalesce(instead, 'nothing') end as published_instead
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
    case when is_ready then 'ready' when published_instead = 'nothing' then 'may be empty' else 'falls short' end
        as verdict,
    published_instead,
    format(
        '{}: {:,} {}, {:,} wanted; ', replace(regexp_replace(placement, '^rec_', ''), '_', ' '), has,
        case when has = 1 then regexp_replace(needs, '^(\w+)s ', '\1 ') else needs end, wanted
    )
        || case
            when is_ready then 'ready'
            when published_instead = 'popularity' then 'popular items will be used'
            when published_instead = 'last_month' then 'the shares of last month will be used'
            when published_instead = 'category' and has >= wanted
                then 'no two items share {{ var("min_baskets") }} of them; categories will be used'
            when published_instead = 'category' then 'categories will be used where pairs are lacking'
            when has >= wanted and placement = 'rec_discover' then 'everybody took everything: nothing is left to discover'
            when has > 0 and placement in ('rec_similar_items', 'rec_bought_together')
                then 'without categories the few pairs there are will be all'
            else 'nothing will be published'
        end as told
from judged
order by place
