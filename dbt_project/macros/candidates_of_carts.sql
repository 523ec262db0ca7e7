{# What completes a cart. A context is an item, or a pair that is often bought together: its two ids, the
   smaller first, with ' + ' between them. Scores are comparable across contexts, so that the lists of a
   cart's items and pairs can be laid together; docs/tables.md has the query. Where readiness says that
   baskets are too few, or none of their pairs is more than chance, what sells best in the item's category follows. #}
{% macro completions_of_carts() -%}
with learnt as (
    select
        case when second_id is null then 'item' else 'pair' end as context_type,
        concat_ws(' + ', item_id, second_id) as context_id,
        case when second_id is null then [item_id] else [item_id, second_id] end as evidence,
        completion_id,
        score,
        case when is_counted then 'triples' else 'pairs' end as source,
        'bought_together' as reason_code
    from {{ source('ml', 'cart') }}
    -- An id that holds the sign itself could be taken for a pair.
    where second_id is null
        or not contains(item_id || second_id, ' + ')
),

sold as (
    select *
    from ({{ sold_lately() }})
    where category is not null
        and {{ falls_back('cart') }}
),

bestsellers as (
    select *
    from sold
    where is_offerable
    -- Twice the list and the item itself: some of them are learnt already.
    qualify row_number() over (partition by category order by n_buyers desc, item_id) <= 2 * {{ var('k_cart') }} + 1
),

of_category as (
    select
        'item' as context_type,
        context.item_id as context_id,
        [context.item_id] as evidence,
        bestsellers.item_id as completion_id,
        {{ score_of_fallback('bestsellers.n_buyers') }} as score,
        'category' as source,
        'same_category' as reason_code
    from sold as context
    join bestsellers
        on bestsellers.category = context.category
        and bestsellers.item_id <> context.item_id
    anti join learnt
        on learnt.context_type = 'item'
        and learnt.context_id = context.item_id
        and learnt.completion_id = bestsellers.item_id
)

select * rename (completion_id as item_id)
from (
    from learnt
    union all
    from of_category
)
{%- endmacro %}
