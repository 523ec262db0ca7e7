{{ config(materialized='view') }}

-- Why an event says nothing about taste; the first rule that applies. rpt_events counts them.
select
    *,
    case
        when item_id is null then 'no_item'
        when not regexp_full_match(item_id, {{ string_literal(var('product_id_pattern')) }}) then 'not_a_product'
        when quantity <= 0 or quantity > {{ var('max_quantity') }} then 'impossible_quantity'
        when event_type in ('purchase', 'refund')
            and (unit_price < 0 or unit_price > {{ var('max_price') }}) then 'impossible_price'
    end as dropped_by
from {{ ref('int_events_deduplicated') }}
where event_date < date '{{ var("night") }}'
