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
        completion_id as item_id,
        score,
        case when is_counted then 'triples' else 'pairs' end as source,
        'bought_together' as reason_code
    from {{ source('ml', 'cart') }}
    -- An id that holds the sign itself could be taken for a pair.
    where second_id is null
        or not contains(item_id || second_id, ' + ')
),

{{ sold_beside('cart', var('k_cart'), "(from learnt where context_type = 'item')") }}

from learnt
union all by name
select 'item' as context_type, *, [context_id] as evidence
from of_category
{%- endmacro %}
