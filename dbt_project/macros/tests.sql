{# One scan for all conditions that a row of the model has to meet, each where its columns have values; a
   returned row is a condition that is broken, and by how many rows. #}
{% test holds(model, rules) %}
with broken as (
    select
        {% for rule in rules %}count(*) filter (not ({{ rule }})) as "{{ rule }}"{{ ', ' if not loop.last }}
        {% endfor %}
    from {{ model }}
)

from (unpivot broken on columns(*) into name rule value n_rows)
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

{# One scan for all columns that must have a value; a returned row is a column that lacks some. #}
{% test never_null(model, columns) %}
with lacking as (
    select
        {% for column in columns %}count(*) - count({{ column }}) as "{{ column }}"{{ ', ' if not loop.last }}
        {% endfor %}
    from {{ model }}
)

from (unpivot lacking on columns(*) into name lacks value n_rows)
where n_rows > 0
{% endtest %}
