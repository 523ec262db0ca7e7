{# Every value of the column lies within [low, high]; a returned row is one that does not. #}
{% test within(model, column_name, low=none, high=none) %}
select {{ column_name }}
from {{ model }}
where false
    {% if low is not none %} or {{ column_name }} < {{ low }} {% endif %}
    {% if high is not none %} or {{ column_name }} > {{ high }} {% endif %}
{% endtest %}

{# The columns together are a key; a returned row is a key that stands more than once. #}
{% test unique_together(model, columns) %}
select {{ columns | join(', ') }}, count(*) as n_rows
from {{ model }}
group by {{ columns | join(', ') }}
having count(*) > 1
{% endtest %}

{# One scan for all columns that must have a value; a returned row says which of them lacks it. #}
{% test never_null(model, columns) %}
select
    {% for column in columns %}count(*) - count({{ column }}) as n_null_{{ column }}{{ ', ' if not loop.last }}
    {% endfor %}
from {{ model }}
having {% for column in columns %}count(*) > count({{ column }}){{ ' or ' if not loop.last }}{% endfor %}
{% endtest %}
