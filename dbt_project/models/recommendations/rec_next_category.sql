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
    select *, row_number() over (partition by user_id order by score desc, category) as likely_place
    from likely
    qualify likely_place <= 2 * {{ var('next_categories') }}
),

-- A user has some hundred candidates, which are sorted three times: by numbers, as texts sort slowly.
users as materialized (
    select user_id, row_number() over (order by user_id) as user_number
    from likeliest
    group by user_id
),

items as materialized (
    select
        item_id,
        category,
        row_number() over (order by item_id) as item_number,
        {% if rule('fold_variants') -%}
        dense_rank() over (order by product_id) as product_number
        {%- else -%}
        item_number as product_number
        {%- endif %}
    from {{ ref('dim_items') }}
    where is_offerable
        and category is not null
),

sold as (
    {{ sold_lately() }}
),

bestsellers as (
    select items.*, sold.n_buyers
    from sold
    join items using (item_id)
    -- Twice the slots: some of them are on the user's own list already.
    qualify row_number() over (partition by items.category order by n_buyers desc, item_id) <= 2 * {{ per_category }}
),

wanted as materialized (
    select users.user_number, likeliest.*
    from likeliest
    join users using (user_id)
),

-- Written out, as `wanted`, or the planner may join users' categories with all of their items first.
scored as materialized (
    select users.user_number, items.item_number, items.product_number, items.category, for_you.score
    from {{ source('ml', 'for_you') }} as for_you
    join users using (user_id)
    join items using (item_id)
),

fitting as (
    select
        scored.user_number,
        wanted.likely_place,
        scored.item_number,
        scored.product_number,
        1 as tier,
        scored.score as fit
    from scored
    join wanted using (user_number, category)
    union all
    select
        wanted.user_number,
        wanted.likely_place,
        bestsellers.item_number,
        bestsellers.product_number,
        2,
        bestsellers.n_buyers
    from wanted
    join bestsellers using (category)
),

-- Of a product's variants the best alone, as the shop's rules have it.
once as (
    select *
    from fitting
    qualify row_number() over (
        partition by user_number, product_number
        order by likely_place, tier, fit desc, item_number
    ) = 1
),

of_category as (
    select
        *,
        row_number() over (
            partition by user_number, likely_place order by tier, fit desc, item_number
        ) as place
    from once
    qualify place <= {{ per_category }}
),

of_user as (
    select *, dense_rank() over (partition by user_number order by likely_place) as category_place
    from of_category
    qualify category_place <= {{ var('next_categories') }}
),

ranked as (
    select
        wanted.user_id as context_id,
        row_number() over (partition by user_number order by likely_place, of_user.place) as rank,
        items.item_id,
        wanted.score,
        wanted.source,
        'next_category' as reason_code,
        [wanted.category] as evidence
    from of_user
    join wanted using (user_number, likely_place)
    join items using (item_number)
    qualify rank <= {{ var('k_next') }}
)

{{ as_shelf('next_category', "'user'", fingerprint='next_categories') }}
