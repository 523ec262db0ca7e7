{{ config(tags=['shelve']) }}

-- What the shop's rules cost tonight, by the models' own scores: each list as it is, and as it would be
-- without one rule. 'every' is the list without any.
{% for placement in ruled_placements() -%}
from (
    {{ cost_of_rules(placement) }}
)
{{ 'union all' if not loop.last }}
{% endfor %}
