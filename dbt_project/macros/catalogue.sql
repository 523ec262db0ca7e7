{# Catalogue versions, newest first. Versions without a time go by their file's name: exports carry
   their date there. #}
{% macro newest_first() -%}
    updated_at desc nulls last, file_name desc, source_row desc, element desc, file_id
{%- endmacro %}

{# The last value so far, in the window `so_far`, of the lines for which `given` holds. #}
{% macro last_word(value, given) -%}
    last_value(case when {{ given }} then {{ value }} end ignore nulls) over so_far
{%- endmacro %}

{# The last value so far of what the catalogue says; where it is silent, of what order lines claim. #}
{% macro last_told(value) -%}
    coalesce({{ last_word(value, 'not is_claim') }}, {{ last_word(value, 'is_claim') }})
{%- endmacro %}

{# Two levels of a category path are fine enough to tell tastes apart and coarse enough to count them. #}
{% macro two_levels(path) -%}
    nullif(concat_ws(' > ', string_split({{ path }}, ' > ')[1], string_split({{ path }}, ' > ')[2]), '')
{%- endmacro %}

{# The version of an item that was true as of a date: what was said strictly before it. #}
{% macro valid_as_of(as_of, of='versions') -%}
    ({{ of }}.valid_from is null or {{ local_date(of ~ '.valid_from') }} < {{ as_of }})
    and ({{ of }}.valid_until is null or {{ local_date(of ~ '.valid_until') }} >= {{ as_of }})
{%- endmacro %}
