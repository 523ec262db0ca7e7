{# How often a user takes of each `subject` (a column of feat_catalogue: an item counts under what the catalogue
   gave it by the cut), as of each cut. A line is joined and counted once for all cuts: it carries those that
   see it as bits. Gives as_of, user_id, the subject, n_days, days_since_last, share. #}
{% macro tastes(subject) -%}
{%- set cuts = [] -%}
{%- for cut in var('as_ofs').values() | unique | sort %}{% do cuts.append("date '" ~ cut ~ "'") %}{% endfor -%}
with items as (
    select
        item_id,
        {{ subject }},
        bit_or(case as_of {%- for cut in cuts %} when {{ cut }} then {{ 2 ** loop.index0 }}{% endfor %} end) as cuts
    from {{ ref('feat_catalogue') }}
    where {{ subject }} is not null
    group by item_id, {{ subject }}
),

lines as (
    select
        i.user_id,
        items.{{ subject }},
        i.interaction_date,
        items.cuts & {{ bits_of_cuts(cuts) }} as cuts
    from {{ ref('fct_interactions') }} as i
    join items using (item_id)
    where i.event_type = '{{ var("target_event") }}'
),

-- A date counts once, whatever was taken on it.
dates as (
    select
        user_id,
        {{ subject }},
        interaction_date,
        {%- for cut in cuts %}
        count(*) filter (cuts & {{ 2 ** loop.index0 }} > 0) as n_lines_{{ loop.index }},
        {%- endfor %}
        bit_or(cuts) as cuts
    from lines
    group by user_id, {{ subject }}, interaction_date
),

counted as (
    select
        user_id,
        {{ subject }},
        unnest([
            {%- for cut in cuts %}
            {
                'as_of': {{ cut }},
                'n_lines': sum(n_lines_{{ loop.index }}),
                'n_days': count(*) filter (cuts & {{ 2 ** loop.index0 }} > 0),
                'last_on': max(interaction_date) filter (cuts & {{ 2 ** loop.index0 }} > 0)
            }{{ ',' if not loop.last }}
            {%- endfor %}
        ], recursive := true)
    from dates
    group by user_id, {{ subject }}
)

select
    as_of,
    user_id,
    {{ subject }},
    n_days::integer as n_days,
    (as_of - last_on)::integer as days_since_last,
    n_lines / sum(n_lines) over (partition by as_of, user_id) as share
from counted
where n_days > 0
{%- endmacro %}

{# The cuts that see a line of fct_interactions as i, a bit each in their order: of all before a cut, or of the year
   before it. #}
{% macro bits_of_cuts(cuts, of_a_year=false) -%}
(
    {%- for cut in cuts %}
    case
        when {% if of_a_year %}i.interaction_date >= {{ a_year_before(cut) }} and {% endif %}{{ seen_before(cut) }}
            then {{ 2 ** loop.index0 }} else 0
    end{{ ' |' if not loop.last }}
    {%- endfor %}
)
{%- endmacro %}
