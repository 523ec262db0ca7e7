{# One scan for all that every row of the model has to meet: columns that must have a value, and conditions, each
   where its columns have values. A returned row is a condition that is broken, and by how many rows. #}
{% test holds(model, never_null=[], rules=[]) %}
{% set conditions = [] %}
{% for column in never_null %}{% do conditions.append(column ~ " is not null") %}{% endfor %}
with broken as (
    select
        {% for condition in conditions + rules %}count(*) filter (not ({{ condition }})) as "{{ condition }}"{{ ', ' if not loop.last }}
        {% endfor %}
    from {{ model }}
)

from (unpivot broken on columns(*) into name condition value n_rows)
where n_rows > 0
{% endtest %}

{# The columns together are a key; a returned row is a key that stands more than once. Equal keys have
   equal hashes, and numbers are sorted in half the time and memory that it takes to group texts: only
   keys whose hash repeats are counted. The parts by the hash's first byte let a large table spill. #}
{% test unique_together(model, columns) %}
with keys as not materialized (
    select {{ columns | join(', ') }}, hash({{ columns | join(', ') }}) as key_hash
    from {{ model }}
),

repeated as (
    select key_hash
    from keys
    qualify key_hash = lag(key_hash) over (partition by key_hash >> 56 order by key_hash)
)

select {{ columns | join(', ') }}, count(*) as n_rows
from keys
where key_hash in (select key_hash from repeated)
group by {{ columns | join(', ') }}
having count(*) > 1
{% endtest %}
