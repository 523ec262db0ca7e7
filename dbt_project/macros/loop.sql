{# Wilson's score interval for a share of `n` tries at 95 %: it stays within 0 and 1, and says something
   of no success at all (Wilson 1927). `sign` is '-' for its lower and '+' for its upper end. #}
{% macro wilson(successes, n, sign) -%}
    {%- set tries = '(' ~ n ~ ')::double' -%}
    {%- set share = '(' ~ successes ~ ') / ' ~ tries -%}
    case when {{ n }} > 0 then
        (
            {{ share }} + 1.959964 * 1.959964 / (2 * {{ tries }})
            {{ sign }} 1.959964 * sqrt(
                {{ share }} * (1 - {{ share }}) / {{ tries }}
                + 1.959964 * 1.959964 / (4 * {{ tries }} * {{ tries }})
            )
        ) / (1 + 1.959964 * 1.959964 / {{ tries }})
    end
{%- endmacro %}

{# What a list_id says: <placement>, then perhaps /<context>, then perhaps @<night>, as in
   similar_items/MUG-1@2026-03-01. Whatever else a shop writes there gives empty texts. The context is
   whatever stands between, so an id may hold '/' and '@'. #}
{% macro parts_of_list_id(column) -%}
    regexp_extract(
        trim({{ column }}),
        '(?s)^(?:rec_)?([a-z0-9_]+)(?:/(.*?))?(?:@(\d{4}-\d{2}-\d{2}))?$',
        ['placement', 'context', 'night']
    )
{%- endmacro %}

{# A share, null where there was nothing to try. #}
{% macro share_of(successes, n) -%}
    {{ successes }} / nullif({{ n }}, 0)
{%- endmacro %}
