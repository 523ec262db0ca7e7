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

{# Before a build: away with the days that will be built anew, and those that are no more. #}
{% macro forget_other_days(made_of) -%}
    {% if is_incremental() %}
    delete from {{ this }} where (occurred_on, day_fingerprint) not in
        (select occurred_on, {{ day_fingerprint(made_of) }} from {{ source('raw', 'days') }})
    {% endif %}
{%- endmacro %}

{# Of `events`, those that the days to build can hold at all. The join with the days decides; this lets
   the reader leave files aside by their smallest and largest instant. #}
{% macro on_days_to_build(events) -%}
    {{ events }}.occurred_at >= (select min(occurred_on) from days_to_build)
{%- endmacro %}

{# The same by date of the shop's. A date's fingerprint is that of its UTC days, of `made_of`, and of each
   CTE in `touched`: (event_date, fingerprint) of what comes to the date from other dates. #}
{% macro dates_to_build(made_of, touched=[]) -%}
    select *
    from (
        select
            dates.event_date,
            dates.first_day,
            concat_ws('/', dates.fingerprint, '{{ made_of }}'
                {%- for cte in touched %}, coalesce({{ cte }}.fingerprint::varchar, '-'){% endfor %}) as date_fingerprint
        from {{ ref('int_dates') }} as dates
        {%- for cte in touched %}
        left join {{ cte }} on {{ cte }}.event_date = dates.event_date
        {%- endfor %}
    )
    {% if is_incremental() %}
    where (event_date, date_fingerprint) not in (select distinct event_date, date_fingerprint from {{ this }})
    {% endif %}
{%- endmacro %}

{# Before a build: away with the dates that are no more, and with those that the night does not see. #}
{% macro forget_other_dates() -%}
    {% if is_incremental() %}
    delete from {{ this }} where event_date not in (select event_date from {{ ref('int_dates') }})
    {% endif %}
{%- endmacro %}

{# As on_days_to_build, of a table that knows its UTC day. #}
{% macro on_dates_to_build(instant) -%}
    {{ instant }} >= (select min(first_day) from dates_to_build)
{%- endmacro %}

{# What a table by date hangs on beside its rows: the version of its own columns and the values of
   variables. #}
{% macro version_with(version, variables) -%}
    {%- set values = [] -%}
    {%- for name in variables %}{% do values.append(var(name)) %}{% endfor -%}
    {{ version }}, {{ local_md5(tojson(values, sort_keys=true))[:12] }}
{%- endmacro %}
