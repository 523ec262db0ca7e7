{# Every shelf, for what looks at all of them; the names of columns.SHELVES. #}
{% macro shelves() -%}
    {{ return([
        'rec_for_you', 'rec_discover', 'rec_similar_items', 'rec_bought_together', 'rec_buy_again', 'rec_popular',
        'rec_cart', 'rec_next_category', 'rec_trending', 'rec_new_arrivals', 'rec_on_sale', 'rec_cold_start',
    ]) }}
{%- endmacro %}

{# The placements under the shop's rules; the names of nightshelf.settings.rules.Ruled. rec_next_category is
   laid out by category, and docs/rules.md says what of the rules it keeps. #}
{% macro ruled_placements() -%}
    {{ return([
        'for_you', 'discover', 'buy_again', 'similar_items', 'bought_together', 'popular',
        'cart', 'trending', 'new_arrivals', 'on_sale', 'cold_start',
    ]) }}
{%- endmacro %}

{# Whether a placement has lists by category beside the one for everybody. #}
{% macro has_lists_by_category(placement) -%}
{{ return(placement in ['popular', 'trending', 'new_arrivals', 'on_sale', 'cold_start']) }}
{%- endmacro %}

{# Whether a placement has what it is meant to be made of. #}
{% macro is_ready(placement) -%}
    (select is_ready from {{ ref('rpt_readiness') }} where placement = 'rec_{{ placement }}')
{%- endmacro %}

{# Whether what sells is laid where pairs are meant: readiness says so, or of no pair was learnt that it is more
   than chance. #}
{% macro falls_back(placement) -%}
    (not {{ is_ready(placement) }} or not exists (from {{ source('ml', placement) }}))
{%- endmacro %}

{# Every item that somebody took, with its buyers of the last four weeks: what a list falls back on. #}
{% macro sold_lately() -%}
    select items.item_id, items.product_id, items.category, items.is_offerable, {{ buyers_lately() }} as n_buyers
    from {{ ref('feat_item') }} as feat_item
    join {{ ref('dim_items') }} as items using (item_id)
    where feat_item.as_of = date '{{ var("night") }}'
{%- endmacro %}

{# CTEs to `of_category` (context_id, item_id, score, source, reason_code): where the placement falls back, what sells
   best in the category of the item `context_id`, and is neither a variant of it nor among its `pairs` (context_id,
   item_id) already. #}
{% macro sold_beside(placement, k, pairs) -%}
sold as (
    select *
    from ({{ sold_lately() }})
    where category is not null
        and {{ falls_back(placement) }}
),

bestsellers as (
    select *
    from sold
    where is_offerable
    -- Twice the list and the item itself: some of them stand among the pairs already, or are its variants.
    qualify row_number() over (partition by category order by n_buyers desc, item_id) <= 2 * {{ k }} + 1
),

of_category as (
    select
        context.item_id as context_id,
        bestsellers.item_id,
        {{ score_of_fallback('bestsellers.n_buyers') }} as score,
        'category' as source,
        'same_category' as reason_code
    from sold as context
    join bestsellers
        on bestsellers.category = context.category
        and bestsellers.product_id <> context.product_id
    anti join {{ pairs }} as pairs
        on pairs.context_id = context.item_id
        and pairs.item_id = bestsellers.item_id
)
{%- endmacro %}

{# Below every score of the placement itself, and nearer to 0 the more buyers there are. #}
{% macro score_of_fallback(n_buyers='n_buyers') -%}
    -1.0::double / (1 + {{ n_buyers }})
{%- endmacro %}

{# Each row of `offered` (item_id, category and more) for everybody, and again for its category. #}
{% macro for_all_and_by_category(offered) -%}
    select 'all' as context_type, 'all' as context_id, * from {{ offered }}
    union all
    select 'category', category, * from {{ offered }} where category is not null
{%- endmacro %}

{# (user_id, item_id): what newcomers took on their first date, of what was `seen`. Of the last quarter,
   and not of the log's first weeks, in which old customers look new. #}
{% macro first_takings(seen, night) -%}
select user_id, item_id
from (
    select
        user_id,
        item_id,
        interaction_date,
        min(interaction_date) over (partition by user_id) as first_on,
        min(interaction_date) over () as log_begins_on
    from {{ seen }}
)
where interaction_date = first_on
    and first_on >= {{ night }} - 91
    and first_on >= log_begins_on + {{ var('settle_days') }}
{%- endmacro %}
