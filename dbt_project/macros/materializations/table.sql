{# A table of the night: an old one is dropped, then the new one made. Nobody else reads an attempt's file while its
   tables are made, so none is made beside the old one and renamed, as the adapter does. What fails leaves no table. #}
{% materialization table, adapter='duckdb', supported_languages=['sql', 'python'] -%}
    {%- set target, language = this.incorporate(type='table'), model['language'] -%}
    {{ run_hooks(pre_hooks) }}
    {{ drop_relation_if_exists(load_cached_relation(this)) }}
    {%- call statement('main', language=language) -%}
        {{ create_table_as(False, target, compiled_code, language) }}
    {%- endcall -%}
    {{ run_hooks(post_hooks) }}
    {%- do adapter.commit() -%}
    {{ return({'relations': [target]}) }}
{%- endmaterialization %}
