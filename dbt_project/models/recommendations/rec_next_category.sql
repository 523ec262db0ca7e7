-- For each user the likeliest categories of the next visit, and in each what suits the user best: what
-- the ranking of rec_for_you has of it, then its bestsellers. `score` is the category's chance; where
-- readiness says that visits are too few to learn what follows what, its share of what the user took.
{% set per_category = (var('k_next') / var('next_categories')) | round(0, 'ceil') | int %}
{% set night -%} date '{{ var("night") }}' {%- endset %}
with likely as (
    select user_id, category, probability as score, 'markov' as source
    from {{ source('ml', 'next_categories') }}
    where {{ is_ready('next_category') }}
    union all
    select user_id, category, share, 'category'
    from {{ ref('feat_user_category') }}
    where as_of = {{ night }}
        and exists (
            from {{ ref('rpt_readiness') }}
            where placement = 'rec_next_category' and published_instead = 'category'
        )
),

-- Twice as many as are shown: a category may have nothing to offer.
likeliest as (
    select *
    from likely
    qualify row_number() over (partition by user_id order by score desc, category) <= 2 * {{ var('next_categories') }}
),

sold as (
    {{ sold_lately() }}
),

bestsellers as (
    select category, item_id, product_id, n_buyers
    from sold
    where is_offerable
        and category is not null
    -- Twice the slots: some of them are on the user's own list already.
    qualify row_number() over (partition by category order by n_buyers desc, item_id) <= 2 * {{ per_category }}
),

fitting as (
    select likeliest.*, scored.item_id, items.product_id, 1 as tier, scored.score as fit
    from likeliest
    join {{ source('ml', 'for_you') }} as scored using (user_id)
    join {{ ref('dim_items') }} as items
        on items.item_id = scored.item_id
        and items.category = likeliest.category
    where items.is_offerable
    union all
    select likeliest.*, bestsellers.item_id, bestsellers.product_id, 2, bestsellers.n_buyers
    from likeliest
    join bestsellers using (category)
),

-- Of a product's variants the best alone, as the shop's rules have it.
once as (
    select *
    from fitting
    qualify row_number() over (
        partition by user_id, {{ 'product_id' if rule('fold_variants') else 'item_id' }}
        order by score desc, category, tier, fit desc, item_id
    ) = 1
),

of_category as (
    select
        *,
        row_number() over (partition by user_id, category order by tier, fit desc, item_id) as place
    from once
    qualify place <= {{ per_category }}
),

of_user as (
    select
        *,
        dense_rank() over (partition by user_id order by score desc, category) as category_place
    from of_category
    qualify category_place <= {{ var('next_categories') }}
),

ranked as (
    select
        user_id as context_id,
        row_number() over (partition by user_id order by category_place, place) as rank,
        item_id,
        score,
        source,
        'next_category' as reason_code,
        [category] as evidence
    from of_user
    qualify rank <= {{ var('k_next') }}
)

{{ as_shelf('next_category', "'user'", fingerprint='next_categories') }}
