{# For a visitor of whom nothing is known: what newcomers take on their first date, mixed with what sells
   lately; the same by region, where enough newcomers of it are known; and, under `onboarding`, what to
   ask a newcomer about. #}
{% macro what_strangers_take() -%}
with sold as (
    {{ sold_lately() }}
),

taken as (
    select
        item_id,
        category,
        is_offerable,
        coalesce(first_takings.n_takers, 0) as n_takers,
        n_buyers
    from sold
    left join {{ ref('feat_first_takings') }} as first_takings using (item_id)
),

-- So many takings of the shop's own pace are mixed in: what a hundred first baskets of five hold.
scored as (
    select
        item_id,
        category,
        is_offerable,
        case
            when {{ is_ready('cold_start') }}
                then (n_takers + 500 * n_buyers / nullif(sum(n_buyers::decimal(18, 9)) filter (is_offerable) over (), 0))::double
                    / (coalesce(sum(n_takers) filter (is_offerable) over (), 0) + 500)
            else n_buyers
        end as score,
        case when {{ is_ready('cold_start') }} then 'first_visits' else 'popularity' end as source,
        case when {{ is_ready('cold_start') }} then 'first_choice' else 'popular_now' end as reason_code
    from taken
    qualify score > 0
),

regions as (
    select region, sum(n_takers) as n_takers
    from {{ ref('feat_first_takings_by_region') }}
    where n_newcomers >= {{ var('min_audience') }}
        and {{ is_ready('cold_start') }}
    group by region
),

-- What a region took itself, and of the rest the best of the list for all, offered and withheld: ten
-- times the list, for rules to choose from. All of it for each region would be the catalogue many times.
in_regions as (
    select region, item_id
    from {{ ref('feat_first_takings_by_region') }}
    semi join regions using (region)
    union
    select regions.region, best.item_id
    from regions
    cross join (
        from scored
        qualify row_number() over (partition by is_offerable order by score desc, item_id) <= 10 * {{ var('k_cold') }}
    ) as best
),

-- A region's own takings, mixed with the list for all in the same way.
of_regions as (
    select
        'region' as context_type,
        regions.region as context_id,
        scored.* replace (
            (coalesce(own.n_takers, 0) + 500 * scored.score) / (regions.n_takers + 500) as score
        )
    from in_regions
    join regions using (region)
    join scored using (item_id)
    left join {{ ref('feat_first_takings_by_region') }} as own using (region, item_id)
),

asked as (
    select
        'onboarding' as context_type,
        'all' as context_id,
        items.item_id,
        items.category,
        items.is_offerable,
        onboarding.bits as score,
        'onboarding' as source,
        'tells_most' as reason_code
    from {{ source('ml', 'onboarding') }} as onboarding
    join {{ ref('dim_items') }} as items using (item_id)
)

select * exclude (category, is_offerable), []::varchar[] as evidence
from (
    {{ for_all_and_by_category('scored') }}
    union all
    from of_regions
    union all
    from asked
)
{%- endmacro %}
