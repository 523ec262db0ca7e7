-- An item counts in the category and the brand that the catalogue gave it by the cut, a year back: an
-- earlier taste is history. As in `tastes`, a line is counted once for all cuts, which it carries as bits.
{%- set cuts = interest_cuts().values() | list %}
with cuts as (
    {%- for cut in cuts %}
    select {{ cut }} as as_of, {{ 2 ** loop.index0 }} as bit {{ 'union all' if not loop.last }}
    {%- endfor %}
),

versions as (
    select cuts.bit, versions.item_id, versions.category, versions.brand
    from {{ ref('dim_item_versions') }} as versions
    join cuts on {{ valid_as_of('cuts.as_of') }}
),

subjects as (
    select item_id, 'category' as kind, category as subject, bit_or(bit) as cuts
    from versions
    where category is not null
    group by item_id, category
    union all
    select item_id, 'brand', brand, bit_or(bit)
    from versions
    where brand is not null
    group by item_id, brand
),

lines as (
    select
        i.user_id,
        subjects.kind,
        subjects.subject,
        i.interaction_date,
        subjects.cuts & {{ bits_of_cuts(cuts, of_a_year=true) }} as cuts
    from {{ ref('fct_interactions') }} as i
    join subjects using (item_id)
    where i.event_type = '{{ var("target_event") }}'
),

counted as (
    select
        user_id,
        kind,
        subject,
        unnest([
            {%- for cut in cuts %}
            {%- set seen = 'cuts & ' ~ 2 ** loop.index0 ~ ' > 0' %}
            {
                'as_of': {{ cut }},
                'n_lines_28d': count(*) filter ({{ seen }} and interaction_date >= {{ cut }} - 28),
                'n_lines_84d': count(*) filter ({{ seen }} and interaction_date >= {{ cut }} - 84),
                'n_lines': count(*) filter ({{ seen }}),
                'last_on': max(interaction_date) filter ({{ seen }})
            }{{ ',' if not loop.last }}
            {%- endfor %}
        ], recursive := true)
    from lines
    group by user_id, kind, subject
)

select
    -- ids
    as_of,
    user_id,
    kind,
    subject,
    -- numerics
    n_lines_28d::integer as n_lines_28d,
    n_lines_84d::integer as n_lines_84d,
    n_lines::integer as n_lines,
    (as_of - last_on)::integer as days_since_last
from counted
where n_lines > 0
