with sold as (
    select items.item_id, items.category, {{ buyers_lately() }} as score
    from {{ ref('feat_item') }} as feat_item
    join {{ ref('dim_items') }} as items using (item_id)
    where feat_item.as_of = date '{{ var("night") }}'
        and items.is_offerable
    qualify score > 0
),

contexts as (
    select 'all' as context_type, 'all' as context_id, item_id, score from sold
    union all
    select 'category', category, item_id, score from sold where category is not null
),

ordered as (
    select
        *,
        row_number() over (
            partition by context_type, context_id
            order by score desc, item_id
        ) as rank
    from contexts
),

ranked as (
    select *, 'popularity' as source, 'popular_now' as reason_code, [] as evidence
    from ordered
    where rank <= {{ var('k_popular') }}
)

{{ as_shelf('popular', 'context_type') }}
