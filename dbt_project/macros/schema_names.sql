{# A layer's schema is called after its folder, without dbt's prefix. #}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {{ custom_schema_name or target.schema }}
{%- endmacro %}

{# An SQL string literal of any text. #}
{% macro string_literal(text) -%}
    '{{ text | replace("'", "''") }}'
{%- endmacro %}
