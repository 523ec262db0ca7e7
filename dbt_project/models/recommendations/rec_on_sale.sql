-- What costs less than it used to, for everybody, by category, and for each user what is on sale in the
-- categories they take from, by discount × the category's share of what they took.
{% set night -%} date '{{ var("night") }}' {%- endset %}
with on_sale as (
    select items.item_id, items.category, prices.discount, prices.basis
    from {{ ref('feat_item_price') }} as prices
    join {{ ref('dim_items') }} as items using (item_id)
    where prices.is_on_sale
        and items.is_offerable
),

-- Of a user's category, the item of their own that says most of why it is theirs.
favourites as (
    select own.user_id, items.category, own.item_id as own_item_id
    from {{ ref('feat_user_item') }} as own
    join {{ ref('dim_items') }} as items using (item_id)
    where own.as_of = {{ night }}
        and items.category in (select category from on_sale)
    qualify row_number() over (
        partition by own.user_id, items.category
        order by own.decayed_count desc, own.item_id
    ) = 1
),

contexts as (
    select context_type, context_id, item_id, discount as score, basis, [] as evidence
    from ({{ for_all_and_by_category('on_sale') }})
    union all
    select 'user', tastes.user_id, on_sale.item_id, on_sale.discount * tastes.share, basis, [own_item_id]
    from on_sale
    join favourites using (category)
    join {{ ref('feat_user_category') }} as tastes
        on tastes.user_id = favourites.user_id
        and tastes.category = favourites.category
        and tastes.as_of = {{ night }}
),

best as (
    {{ best_of_each_context('contexts', var('k_sale'), 'on_sale') }}
),

ranked as (
    select *, basis || '_price' as source, 'on_sale' as reason_code from best
)

{{ as_shelf('on_sale', 'context_type') }}
