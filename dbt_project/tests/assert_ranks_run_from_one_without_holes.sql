{{ config(tags=['shelve']) }}
-- A returned row is a list whose ranks are not 1, 2, 3, ….
{% for shelf in ['rec_for_you', 'rec_discover', 'rec_buy_again', 'rec_similar_items', 'rec_bought_together', 'rec_popular'] -%}
select '{{ shelf }}' as shelf, context_type, context_id
from {{ ref(shelf) }}
group by context_type, context_id
having min(rank) <> 1 or max(rank) <> count(*) or count(distinct rank) <> count(*)
{% if not loop.last %}union all{% endif %}
{% endfor %}
