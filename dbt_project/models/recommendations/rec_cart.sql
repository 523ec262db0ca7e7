-- What completes a cart. A context is an item, or a pair that is often bought together: its two ids, the
-- smaller first, with ' + ' between them. Scores are comparable across contexts, so that the lists of a
-- cart's items and pairs can be laid together; docs/tables.md has the query.
with learnt as (
    select
        case when second_id is null then 'item' else 'pair' end as context_type,
        concat_ws(' + ', cart.item_id, second_id) as context_id,
        case when second_id is null then [cart.item_id] else [cart.item_id, second_id] end as evidence,
        items.item_id as completion_id,
        cart.score,
        case when cart.is_counted then 'triples' else 'pairs' end as source,
        'bought_together' as reason_code
    from {{ source('ml', 'cart') }} as cart
    join {{ ref('dim_items') }} as items on items.item_id = cart.completion_id
    where items.is_offerable
        -- An id that holds the sign itself could be taken for a pair.
        and (second_id is null or not contains(cart.item_id || second_id, ' + '))
),

sold as (
    select *
    from ({{ sold_lately() }})
    where category is not null
        and not {{ is_ready('cart') }}
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
),

contexts as (
    select *, completion_id as item_id from learnt
    union all
    select *, completion_id from of_category
),

ranked as (
    {{ best_of_each_context('contexts', var('k_cart'), 'cart') }}
)

{{ as_shelf('cart', 'context_type', fingerprint='cart') }}
