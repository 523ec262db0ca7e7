{# A table of history, whose pre-hook is prepare_days or prepare_dates. All in one
   transaction: killed anywhere, it is as it was. A model that has other columns than its table begins anew. Joins
   are as they are written, the few on the right: of a reader that leaves files aside DuckDB 2.0 expects one row,
   and would lay millions into hash tables for it. #}
{% materialization history, adapter='duckdb' -%}
    {%- set target = this.incorporate(type='table') -%}
    {%- set wanted = run_query('describe ' ~ compiled_code).rows -%}
    {%- set found = run_query('describe ' ~ target).rows if load_cached_relation(this) else [] -%}
    {%- if wanted | map('list') | list != found | map('list') | list %}
        {%- do run_query('create or replace table ' ~ target ~ ' as from (' ~ compiled_code ~ ') limit 0') -%}
    {%- endif -%}
    {{ run_hooks(pre_hooks) }}
    {%- call statement('main', fetch_result=True) -%} select len(getvariable('slices')) {%- endcall -%}
    {%- do run_query("set disabled_optimizers = 'join_order,build_side_probe_side'") -%}
    {%- for _ in range(load_result('main').data[0][0]) -%}
        {%- do run_query(
            "set variable slice = getvariable('slices')[" ~ loop.index ~ "]; insert into " ~ target ~ " by name " ~ compiled_code
        ) -%}
    {%- endfor -%}
    {%- do run_query('reset disabled_optimizers') -%}
    {{ run_hooks(post_hooks) }}
    {%- do adapter.commit() -%}
    {{ return({'relations': [target]}) }}
{%- endmaterialization %}
