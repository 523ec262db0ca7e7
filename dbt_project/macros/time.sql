{# The shop's clock at a UTC instant. #}
{% macro local_time(column) -%}
    ({{ column }} at time zone 'UTC') at time zone '{{ var("time_zone") }}'
{%- endmacro %}

{# The date of a UTC instant in the shop's time zone. A night begins at midnight there. #}
{% macro local_date(column) -%}
    {{ return(adapter.dispatch('local_date')(column)) }}
{%- endmacro %}

{% macro default__local_date(column) -%}
    ({{ local_time(column) }})::date
{%- endmacro %}

{# The shop's date on which a UTC day begins. #}
{% macro first_date(day) -%}
    {{ local_date(day ~ '::timestamp') }}
{%- endmacro %}

{# And the one on which it ends, the next at the latest: a UTC day has two dates at most. #}
{% macro last_date(day) -%}
    {{ local_date('(' ~ day ~ ' + interval 1 day - interval 1 microsecond)') }}
{%- endmacro %}

{# Events on the shop's date `since` or later. The UTC day says it once more, to the reader: it leaves the files
   of earlier days aside. #}
{% macro happened_since(since, of='events') -%}
    {{ of }}.event_date >= {{ since }} and {{ of }}.occurred_on >= {{ since }} - 1
{%- endmacro %}

{# What a feature as of `as_of` may see of fct_interactions: strictly earlier dates, only what had not
   been cancelled by then, and each event under the one id that was known for it by then. The one
   rule of time; Python's twin is dataset/interactions.py. #}
{% macro seen_before(as_of, of='i') -%}
    {{ of }}.interaction_date < {{ as_of }}
    and ({{ of }}.cancelled_on is null or {{ of }}.cancelled_on >= {{ as_of }})
    and ({{ of }}.joined_on is null or {{ of }}.joined_on < {{ as_of }})
    and ({{ of }}.left_on is null or {{ of }}.left_on >= {{ as_of }})
{%- endmacro %}

{# Halves every `half_life` days. A decimal, since sums of doubles differ with the thread count. #}
{% macro decayed(days, half_life) -%}
    (pow(0.5, ({{ days }}) / {{ half_life }}.0))::decimal(18, 9)
{%- endmacro %}

{# Due again: three quarters of the user's own mean gap for the item have passed. Earlier, the reason
   would be news of yesterday's basket. #}
{% macro is_due(days_since_last, mean_gap_days) -%}
    {{ days_since_last }} >= 0.75 * {{ mean_gap_days }}
{%- endmacro %}
