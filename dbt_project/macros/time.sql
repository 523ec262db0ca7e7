{# The date of a UTC instant in the shop's time zone. A night begins at midnight there. #}
{% macro local_date(column) -%}
    {{ return(adapter.dispatch('local_date')(column)) }}
{%- endmacro %}

{% macro default__local_date(column) -%}
    (({{ column }} at time zone 'UTC') at time zone '{{ var("time_zone") }}')::date
{%- endmacro %}

{# What a feature as of `as_of` may see of fct_interactions: strictly earlier dates, and only what
   had not been cancelled by then. The one rule of time; Python's twin is dataset/interactions.py. #}
{% macro seen_before(as_of, of='i') -%}
    {{ of }}.interaction_date < {{ as_of }}
    and ({{ of }}.cancelled_on is null or {{ of }}.cancelled_on >= {{ as_of }})
{%- endmacro %}

{# Halves every `half_life` days. A decimal, since sums of doubles differ with the thread count. #}
{% macro decayed(days, half_life) -%}
    (pow(0.5, ({{ days }}) / {{ half_life }}.0))::decimal(18, 9)
{%- endmacro %}
