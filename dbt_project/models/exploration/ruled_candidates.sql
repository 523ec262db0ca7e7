-- What passed the rules of each placement that explores, best first: its lists, and the pools behind
-- them, laid down before the dice are thrown.
{% for placement in var('exploring') -%}
select '{{ placement }}' as placement, * from (
    {{ ruled_candidates_of(placement) }}
)
{{ 'union all' if not loop.last else 'order by placement, context_id, rank' }}
{% else -%}
select
    null::varchar as placement,
    null::varchar as context_id,
    null::varchar as item_id,
    null::bigint as rank,
    null::double as score,
    null::varchar as source
where false
{% endfor %}
