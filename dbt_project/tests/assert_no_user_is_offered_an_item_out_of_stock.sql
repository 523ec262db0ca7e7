{{ config(tags=['shelve']) }}
-- A returned row is an offer that cannot be bought.
{% for shelf in shelves() -%}
select shelf.placement, shelf.context_id, shelf.item_id
from {{ ref(shelf) }} as shelf
join {{ ref('dim_items') }} as items using (item_id)
where not items.is_offerable
{% if not loop.last %}union all{% endif %}
{% endfor %}
