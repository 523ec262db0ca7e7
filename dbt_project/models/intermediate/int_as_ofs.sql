-- The cuts of the night; see `Night` in ml/nightshelf/night.py.
{% for role, as_of in var('as_ofs').items() -%}
select '{{ role }}' as role, date '{{ as_of }}' as as_of
{% if not loop.last %}union all{% endif %}
{% endfor %}
