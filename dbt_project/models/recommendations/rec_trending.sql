-- What rises over its own past, by the users it gained (ml/nightshelf/candidates/trend.py, its bursts
-- undamped: a shelf of trends is there to show them). Where less rises than the list for everybody has slots, what is
-- popular follows.
with rising as (
    select
        items.item_id,
        items.category,
        trending.more_users as score,
        'trend' as source,
        'rising' as reason_code
    from {{ source('ml', 'trending') }} as trending
    join {{ ref('dim_items') }} as items using (item_id)
    where items.is_offerable
        and {{ is_ready('trending') }}
),

sold as (
    {{ sold_lately() }}
),

popular as (
    select
        item_id,
        category,
        {{ score_of_fallback() }} as score,
        'popularity' as source,
        'popular_now' as reason_code
    from sold
    anti join rising using (item_id)
    where is_offerable
        and n_buyers > 0
),

contexts as (
    {{ for_all_and_by_category('rising') }}
    union all
    select 'all', 'all', * from popular
),

best as (
    {{ best_of_each_context('contexts', var('k_trending'), 'trending') }}
),

ranked as (
    select *, [] as evidence from best
)

{{ as_shelf('trending', 'context_type', fingerprint='trending') }}
