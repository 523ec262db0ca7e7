{# What a placement's list is chosen from, before any rule: (context_type, context_id, item_id, score,
   source), and reason_code and evidence where they do not hang on the list. rpt_rule_cost reads the same. #}
{% macro candidates_of(placement) -%}
{%- if placement in ['for_you', 'discover'] -%}
select 'user' as context_type, user_id as context_id, item_id, score, source
from {{ source('ml', placement) }}
{%- elif placement == 'buy_again' -%}
{{ habits_of_users() }}
{%- elif placement == 'similar_items' -%}
{{ pairs_of_items(
    'similar_items', 'similar_item_id', var('k_similar'), 'source',
    "case source when 'content' then 'looks_alike' else 'similar_item' end"
) }}
{%- elif placement == 'bought_together' -%}
{{ pairs_of_items('bought_together', 'companion_id', var('k_together'), "'baskets'", "'bought_together'") }}
{%- elif placement == 'popular' -%}
{{ bestsellers() }}
{%- elif placement == 'cart' -%}
{{ completions_of_carts() }}
{%- elif placement == 'trending' -%}
{{ what_rises() }}
{%- elif placement == 'new_arrivals' -%}
{{ arrivals_in_turn() }}
{%- elif placement == 'on_sale' -%}
{{ what_is_on_sale() }}
{%- elif placement == 'cold_start' -%}
{{ what_strangers_take() }}
{%- endif -%}
{%- endmacro %}

{# The length of a placement's lists, in SQL over `numbered`. #}
{% macro length_of(placement) -%}
{%- set named = {
    'similar_items': 'k_similar', 'bought_together': 'k_together', 'popular': 'k_popular', 'cart': 'k_cart',
    'trending': 'k_trending', 'new_arrivals': 'k_new', 'on_sale': 'k_sale', 'cold_start': 'k_cold',
} -%}
{%- set k = var(named.get(placement, 'k')) -%}
{{ return('case when is_question then ' ~ var('k_onboarding') ~ ' else ' ~ k ~ ' end' if placement == 'cold_start' else k) }}
{%- endmacro %}

{# Buyers of the last four weeks, those of a burst for an ordinary day's: long enough to be steady, short
   enough to follow the season. Where none of them bought anything that may be offered, buyers of all time. #}
{% macro buyers_lately() -%}
case when max(usual_buyers_28d) filter (items.is_offerable) over () > 0 then usual_buyers_28d else n_buyers end
{%- endmacro %}

{# The user's habit times the item's: decayed_count, and the share of the item's buyers who bought it on a
   second date, drawn towards the shop's by twenty buyers ("repeat customer probability", Bhagat et al.
   2018, "Buy It Again"). Where nobody bought anything twice, there is no list. #}
{% macro habits_of_users() -%}
select
    'user' as context_type,
    user_id as context_id,
    item_id,
    decayed_count * repeat_share as score,
    'habit' as source,
    case when {{ is_due('days_since_last', 'mean_gap_days') }} then 'due_again' else 'bought_before' end
        as reason_code,
    [item_id] as evidence
from (
    select
        *,
        (count(*) filter (n_days >= 2) over of_item + 20 * avg((n_days >= 2)::integer) over ())
        / (count(*) over of_item + 20) as repeat_share
    from {{ ref('feat_user_item') }}
    where as_of = date '{{ var("night") }}'
    window of_item as (partition by item_id)
)
where repeat_share > 0
{%- endmacro %}

{# First an item's pairs (item_id, other, score), best first; then, where the placement falls short, what sells best in
   the item's own category. `source_name` and `reason_code` are SQL over the pairs. #}
{% macro pairs_of_items(placement, other, k, source_name, reason_code) -%}
with pairs as (
    select
        item_id as context_id,
        {{ other }} as item_id,
        score,
        {{ source_name }} as source,
        {{ reason_code }} as reason_code
    from {{ source('ml', placement) }}
),

{{ sold_beside(placement, k, 'pairs') }}

select 'item' as context_type, *, [context_id] as evidence
from (
    from pairs
    union all
    from of_category
)
{%- endmacro %}

{# What sells now, overall and per category. #}
{% macro bestsellers() -%}
with sold as (
    select item_id, category, n_buyers as score
    from ({{ sold_lately() }})
    where n_buyers > 0
),

contexts as (
    select 'all' as context_type, 'all' as context_id, item_id, score from sold
    union all
    select 'category', category, item_id, score from sold where category is not null
)

select *, 'popularity' as source, 'popular_now' as reason_code, []::varchar[] as evidence
from contexts
{%- endmacro %}
