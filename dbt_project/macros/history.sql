{# What a day of a history table is built from: the day's files, and `made_of`, which is the version
   of the model's own columns and any number that it was built with. Raise the version when what the
   table holds changes: every day is then built anew. #}
{% macro day_fingerprint(made_of) -%}
    fingerprint || '/{{ made_of }}'
{%- endmacro %}

{# The days whose rows are not there yet, or were built from something else. #}
{% macro days_to_build(made_of) -%}
    select occurred_on, {{ day_fingerprint(made_of) }} as day_fingerprint
    from {{ source('raw', 'days') }}
    {% if is_incremental() %}
    where (occurred_on, {{ day_fingerprint(made_of) }}) not in
        (select distinct occurred_on, day_fingerprint from {{ this }})
    {% endif %}
{%- endmacro %}

{# Before a build: away with the days that will be built anew, and those that are no more. What is left
   to build is kept for on_days_to_build. #}
{% macro prepare_days(made_of) -%}
    {% if is_incremental() %}
    delete from {{ this }} where (occurred_on, day_fingerprint) not in
        (select occurred_on, {{ day_fingerprint(made_of) }} from {{ source('raw', 'days') }});
    set variable days_to_build = (select list(occurred_on) from ({{ days_to_build(made_of) }}))
    {% endif %}
{%- endmacro %}

{# The same by date of the shop's. `dates`: (event_date, days, fingerprint), all that a date hangs on. #}
{% macro dates_to_build(dates, made_of) -%}
    select *
    from (
        select event_date, days, fingerprint || '/{{ made_of }}' as date_fingerprint
        from {{ dates }}
    )
    {% if is_incremental() %}
    where (event_date, date_fingerprint) not in (select distinct event_date, date_fingerprint from {{ this }})
    {% endif %}
{%- endmacro %}

{# Before a build: away with the dates that are no more, and with those that the night does not see. #}
{% macro prepare_dates(dates, made_of) -%}
    {% if is_incremental() %}
    delete from {{ this }} where event_date not in (select event_date from {{ dates }});
    set variable days_to_build = (
        select list(distinct day) from (select unnest(days) as day from ({{ dates_to_build(dates, made_of) }}))
    )
    {% endif %}
{%- endmacro %}

{# `day`, a UTC day, has a part in what is to be built. The join with the days or dates decides; this
   lets the reader leave aside the files of all others. A variable of the connection is a constant when
   a query is planned: what is found only while it runs reaches the reader, or does not, as the planner
   lays its joins. #}
{% macro on_days_to_build(day) -%}
    {% if is_incremental() -%}
    {{ day }} in getvariable('days_to_build')
    {%- else -%} true {%- endif %}
{%- endmacro %}

{# What a table by date hangs on beside its rows: the version of its own columns and the values of
   variables. #}
{% macro version_with(version, variables) -%}
    {%- set values = [] -%}
    {%- for name in variables %}{% do values.append(var(name)) %}{% endfor -%}
    {{ version }}, {{ local_md5(tojson(values, sort_keys=true))[:12] }}
{%- endmacro %}
