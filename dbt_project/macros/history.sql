{# History is kept a key at a time: a UTC day (`occurred_on`) or a date of the shop's (`event_date`). A key's rows
   carry the fingerprint of all that they hang on; where it differs, they are deleted and built whole. #}

{# What a day of a history table is built from: the day's files, and `made_of`, which is the version
   of the model's own columns and any number that it was built with. Raise the version when what the
   table holds changes: every day is then built anew. #}
{% macro day_fingerprint(made_of) -%}
    fingerprint || '/{{ made_of }}'
{%- endmacro %}

{# The days of the slice at work. #}
{% macro days_to_build(made_of) -%}
    select occurred_on, {{ day_fingerprint(made_of) }} as day_fingerprint
    from {{ source('raw', 'days') }}
    where {{ on_days_to_build('occurred_on') }}
{%- endmacro %}

{# The dates of the slice at work. `dates`: (event_date, days, fingerprint), all that a date hangs on. #}
{% macro dates_to_build(dates, made_of) -%}
    select event_date, days, {{ day_fingerprint(made_of) }} as date_fingerprint
    from {{ dates }}
    where {{ in_slice('event_date', 'keys') }}
{%- endmacro %}

{# `day`, a UTC day, has a part in what is built. The join with the days or dates decides; this lets the
   reader leave aside the files of all others. A variable of the connection is a constant when a query
   is planned: what is found only while it runs reaches the reader, or does not, as the planner lays its
   joins. #}
{% macro on_days_to_build(day) -%}
    {{ in_slice(day, 'days') }}
{%- endmacro %}

{# Outside of the materialization `history`, as in dbt's unit tests, there is no slice, and all is built. #}
{% macro in_slice(what, of) -%}
    (getvariable('slice') is null or {{ what }} in getvariable('slice')['{{ of }}'])
{%- endmacro %}

{# The pre-hook of a table by day: away with days that are no more or hang on something else, and what is to be
   built laid into slices. #}
{% macro prepare_days(made_of) -%}
    {{ prepare_slices('occurred_on', 'day_fingerprint',
        'select occurred_on as key, [occurred_on] as days, ' ~ day_fingerprint(made_of) ~ ' as fingerprint from ' ~ source('raw', 'days')) }}
{%- endmacro %}

{# The same of a table by date. `dates` as in dates_to_build. #}
{% macro prepare_dates(dates, made_of) -%}
    {{ prepare_slices('event_date', 'date_fingerprint',
        'select event_date as key, days, ' ~ day_fingerprint(made_of) ~ ' as fingerprint from ' ~ dates) }}
{%- endmacro %}

{# `wanted`: (key, days that its rows are read from, fingerprint). A slice has about `events_at_once` events, as
   what is sorted and counted at once should stay in memory: ten slices cost less than one of ten times the size,
   which spills. A key is never cut. #}
{% macro prepare_slices(key, fingerprint, wanted) -%}
    delete from {{ this }} where ({{ key }}, {{ fingerprint }}) not in (select (key, fingerprint) from ({{ wanted }}));
    set variable slices = (
        with missing as (
            select *
            from ({{ wanted }})
            where key not in (select {{ key }} from {{ this }})
        ),
        sized as (
            select key, any_value(missing.days) as days, sum(of_days.n_events) as n_events
            from missing, unnest(missing.days) as read(day)
            join {{ source('raw', 'days') }} as of_days on of_days.occurred_on = read.day
            group by key
        ),
        cut as (
            select *, (sum(n_events) over (order by key) - n_events) // {{ var('events_at_once') }} as number
            from sized
        ),
        slices as (
            select number, list(key) as keys, list_distinct(flatten(list(days))) as days
            from cut
            group by number
        )
        select coalesce(list({'keys': keys, 'days': days} order by number), []) from slices
    )
{%- endmacro %}

{# What a table by date hangs on beside its rows: the version of its own columns and the values of
   variables. #}
{% macro version_with(version, variables) -%}
    {%- set values = [] -%}
    {%- for name in variables %}{% do values.append(var(name)) %}{% endfor -%}
    {{ version }}, {{ local_md5(tojson(values, sort_keys=true))[:12] }}
{%- endmacro %}
