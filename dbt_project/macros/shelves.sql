{# The one schema of every shelf, in its order. `ranked` is a relation with context_id, rank, item_id,
   score, source, reason_code and evidence. Nothing explores yet, so every row is certain. #}
{% macro as_shelf(placement, context_type, ranked='ranked', fingerprint='sql') -%}
select
    date '{{ var("night") }}' as night,
    '{{ placement }}' as placement,
    {{ context_type }} as context_type,
    context_id::varchar as context_id,
    rank::integer as rank,
    item_id::varchar as item_id,
    score::double as score,
    source::varchar as source,
    reason_code::varchar as reason_code,
    evidence::varchar[] as evidence,
    (select max(fingerprint) from {{ source('ml', 'fingerprints') }} where shelf = '{{ fingerprint }}')
        as model_fingerprint,
    false as is_exploration,
    1.0::double as propensity
from {{ ranked }}
{% if placement in var('off') -%} where false {%- endif %}
order by context_type, context_id, rank
{%- endmacro %}

{# A user's shelf from scored candidates: what may be offered, best first, each row with its reason.
   Reasons, first that applies: due_again and bought_before (evidence: the item itself),
   because_you_bought (the user's own item that is most similar), popular_now, similar_shoppers. #}
{% macro personal_shelf(placement) -%}
with offerable as (
    select scored.*
    from {{ source('ml', placement) }} as scored
    join {{ ref('dim_items') }} as items using (item_id)
    where items.is_offerable
),

ordered as (
    select
        *,
        row_number() over (partition by user_id order by score desc, item_id) as rank
    from offerable
),

shelf as (
    select * from ordered where rank <= {{ var('k') }}
),

own as (
    select * from {{ ref('feat_user_item') }} where as_of = date '{{ var("night") }}'
),

likenesses as (
    select
        shelf.user_id,
        shelf.item_id,
        own.item_id as own_item_id,
        row_number() over (
            partition by shelf.user_id, shelf.item_id
            order by similar_items.score desc, own.item_id
        ) as nearness
    from shelf
    join {{ source('ml', 'similar_items') }} as similar_items on similar_items.item_id = shelf.item_id
    join own
        on own.user_id = shelf.user_id
        and own.item_id = similar_items.similar_item_id
),

ranked as (
    select
        shelf.user_id as context_id,
        shelf.rank,
        shelf.item_id,
        shelf.score,
        shelf.source,
        case
            when own.n_days >= 2 and {{ is_due('own.days_since_last', 'own.mean_gap_days') }} then 'due_again'
            when own.n_days >= 1 then 'bought_before'
            when likenesses.own_item_id is not null then 'because_you_bought'
            when shelf.source = 'popularity' then 'popular_now'
            else 'similar_shoppers'
        end as reason_code,
        case
            when own.n_days >= 1 then [shelf.item_id]
            when likenesses.own_item_id is not null then [likenesses.own_item_id]
            else []
        end as evidence
    from shelf
    left join own
        on own.user_id = shelf.user_id
        and own.item_id = shelf.item_id
    left join likenesses
        on likenesses.user_id = shelf.user_id
        and likenesses.item_id = shelf.item_id
        and likenesses.nearness = 1
)

{{ as_shelf(placement, "'user'", fingerprint=placement) }}
{%- endmacro %}

{# Buyers of the last four weeks, those of a burst for an ordinary day's: long enough to be steady, short
   enough to follow the season. Where nobody bought anything in them, buyers of all time. #}
{% macro buyers_lately() -%}
case when max(usual_buyers_28d) over () > 0 then usual_buyers_28d else n_buyers end
{%- endmacro %}

{# An item's shelf: first what may be offered of its pairs (item_id, other, score), best first; then,
   where readiness says that the placement falls short, what sells best in the item's own category.
   `source_name` and `reason_code` are SQL over the pairs. #}
{% macro item_shelf(placement, other, k, source_name, reason_code) -%}
with pairs as (
    select
        pairs.item_id as context_id,
        pairs.{{ other }} as item_id,
        pairs.score,
        {{ source_name }} as source,
        {{ reason_code }} as reason_code
    from {{ source('ml', placement) }} as pairs
    join {{ ref('dim_items') }} as items on items.item_id = pairs.{{ other }}
    where items.is_offerable
),

sold as (
    select feat_item.item_id, items.category, items.is_offerable, {{ buyers_lately() }} as n_buyers
    from {{ ref('feat_item') }} as feat_item
    join {{ ref('dim_items') }} as items using (item_id)
    where feat_item.as_of = date '{{ var("night") }}'
        and items.category is not null
        and exists (
            from {{ ref('rpt_readiness') }} where placement = 'rec_{{ placement }}' and not is_ready
        )
),

bestsellers as (
    select *
    from sold
    where is_offerable
    -- Twice the shelf and the item itself: some of them stand among the pairs already.
    qualify row_number() over (partition by category order by n_buyers desc, item_id) <= 2 * {{ k }} + 1
),

of_category as (
    select
        context.item_id as context_id,
        bestsellers.item_id,
        -- Below every pair's score, and nearer to 0 the more buyers there are.
        -1.0::double / (1 + bestsellers.n_buyers) as score,
        'category' as source,
        'same_category' as reason_code
    from sold as context
    join bestsellers
        on bestsellers.category = context.category
        and bestsellers.item_id <> context.item_id
    anti join pairs
        on pairs.context_id = context.item_id
        and pairs.item_id = bestsellers.item_id
),

offered as (
    from pairs
    union all
    from of_category
),

ordered as (
    select
        *,
        row_number() over (partition by context_id order by score desc, item_id) as rank
    from offered
),

ranked as (
    select *, [context_id] as evidence
    from ordered
    where rank <= {{ k }}
)

{{ as_shelf(placement, "'item'", fingerprint=placement) }}
{%- endmacro %}
