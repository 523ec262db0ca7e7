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
