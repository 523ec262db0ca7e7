-- For a visitor of whom nothing is known: what newcomers take on their first date, mixed with what sells
-- lately; the same by region, where enough newcomers of it are known; and, under `onboarding`, what to
-- ask a newcomer about.
with sold as (
    {{ sold_lately() }}
),

offered as (
    select
        item_id,
        category,
        coalesce(first_takings.n_takers, 0) as n_takers,
        n_buyers
    from sold
    left join {{ ref('feat_first_takings') }} as first_takings using (item_id)
    where is_offerable
),

-- So many takings of the shop's own pace are mixed in: what a hundred first baskets of five hold.
scored as (
    select
        item_id,
        category,
        case
            when {{ is_ready('cold_start') }}
                then (n_takers + 500 * n_buyers / nullif(sum(n_buyers::decimal(18, 9)) over (), 0))::double / (sum(n_takers) over () + 500)
            else n_buyers
        end as score,
        case when {{ is_ready('cold_start') }} then 'first_visits' else 'popularity' end as source,
        case when {{ is_ready('cold_start') }} then 'first_choice' else 'popular_now' end as reason_code
    from offered
    qualify score > 0
),

-- A region's own takings, mixed with the list for all in the same way.
of_regions as (
    select
        'region' as context_type,
        regions.region as context_id,
        scored.item_id,
        scored.category,
        (coalesce(own.n_takers, 0) + 500 * scored.score) / (regions.n_takers + 500) as score,
        scored.source,
        scored.reason_code
    from (
        select region, sum(n_takers) as n_takers
        from {{ ref('feat_first_takings_by_region') }}
        where n_newcomers >= {{ var('min_audience') }}
            and {{ is_ready('cold_start') }}
        group by region
    ) as regions
    cross join scored
    left join {{ ref('feat_first_takings_by_region') }} as own
        on own.region = regions.region
        and own.item_id = scored.item_id
),

asked as (
    select
        'onboarding' as context_type,
        'all' as context_id,
        items.item_id,
        items.category,
        onboarding.bits as score,
        'onboarding' as source,
        'tells_most' as reason_code
    from {{ source('ml', 'onboarding') }} as onboarding
    join {{ ref('dim_items') }} as items using (item_id)
    where items.is_offerable
),

contexts as (
    {{ for_all_and_by_category('scored') }}
    union all
    from of_regions
    union all
    from asked
),

best as (
    {{ best_of_each_context('contexts', [var('k_cold'), var('k_onboarding')] | max, 'cold_start') }}
),

ranked as (
    select *, [] as evidence
    from best
    where rank <= case when context_type = 'onboarding' then {{ var('k_onboarding') }} else {{ var('k_cold') }} end
)

{{ as_shelf('cold_start', 'context_type', fingerprint='onboarding') }}
