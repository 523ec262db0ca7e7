{# The rules that a single event shows by itself, each said once: int_events_cleaned names the first one that
   applies. #}

{# The shop file's `internal_ids` name this user or this visitor. #}
{% macro has_internal_id(user, visitor) -%}
    {%- if var('internal_ids') -%}
    {%- set ids = [] -%}
    {%- for id in var('internal_ids') %}{% do ids.append(string_literal(id)) %}{% endfor -%}
    coalesce({{ user }} in ({{ ids | join(', ') }}), false)
    or coalesce({{ visitor }} in ({{ ids | join(', ') }}), false)
    {%- else -%} false {%- endif -%}
{%- endmacro %}

{# Of the shop's own people: the source says so, or the shop file names the id. #}
{% macro is_internal(user='user_id', visitor='visitor_id', traffic='traffic') -%}
    (coalesce({{ traffic }} in ('internal', 'test'), false) or {{ has_internal_id(user, visitor) }})
{%- endmacro %}

{# Postage, fees, bookings: an id that is no product's. A dot stands for a line break, too: it is part of an id. #}
{% macro is_not_a_product(item='item_id') -%}
    not regexp_full_match({{ item }}, {{ string_literal(var('product_id_pattern')) }}, 's')
{%- endmacro %}

{# Nothing, less than nothing, or more than anybody buys. #}
{% macro is_impossible_quantity() -%}
    (quantity <= 0 or quantity > {{ var('max_quantity') }})
{%- endmacro %}

{# Money that no shop takes. A look's price is only shown, so it harms nothing; but a line of more than 10^11 would
   not fit where money is added up, in 18 digits of which four stand behind the point. #}
{% macro is_impossible_price() -%}
    (
        coalesce(abs(quantity * unit_price) > 1e11, false)
        or (event_type in ('purchase', 'refund') and (unit_price < 0 or unit_price > {{ var('max_price') }}))
    )
{%- endmacro %}

{# Of `events`: somebody opened something. Opening costs nothing, so robots do it without end. What one page makes many
   lines of is no look: an honest order may have a thousand lines at one minute, and a page shows a hundred items. #}
{% macro is_look() -%}
    (events.event_type in ('view', 'click', 'search') or (events.event_type = 'list_view' and events.item_id is null))
{%- endmacro %}

{# The source says so, or the visitor looked too fast that day (`robots`: int_robots_found). What was
   bought stands even then: money is not spent by looking. #}
{% macro is_robots() -%}
    (coalesce(events.traffic = 'bot', false)
        or (robots.visitor_id is not null and events.event_type not in ('purchase', 'refund')))
{%- endmacro %}
