{{ config(tags=['shelve']) }}

-- What lies on tonight's shelves.
{% for shelf in shelves() -%}
select
    '{{ shelf }}' as shelf,
    count(*) as n_rows,
    count(distinct (context_type, context_id)) as n_contexts,
    count(distinct item_id) as n_items,
    count(*) filter (is_exploration) as n_exploring
from {{ ref(shelf) }}
{% if not loop.last %}union all{% endif %}
{% endfor %}
