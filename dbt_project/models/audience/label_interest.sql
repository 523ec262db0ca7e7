{{ config(tags=['prepare']) }}

-- What users took in the 28 days after each cut, as it stood when those had ended: what comes later is
-- news to a model that is judged on it. An item counts where the catalogue had it by the cut; one that
-- came later, where the catalogue had it at the end.
{% set end -%} cuts.as_of + 28 {%- endset %}
with cuts as (
    select as_of
    from {{ ref('feat_audience_cuts') }}
    where role like 'interest%'
),

versions as (
    select cuts.as_of, versions.item_id, versions.category, versions.brand
    from {{ ref('dim_item_versions') }} as versions
    join cuts on {{ valid_as_of('cuts.as_of') }}
),

last_versions as (
    select cuts.as_of, versions.item_id, versions.category, versions.brand
    from {{ ref('dim_item_versions') }} as versions
    join cuts on {{ valid_as_of(end) }}
),

taken as (
    select
        cuts.as_of,
        i.user_id,
        coalesce(versions.category, case when versions.item_id is null then last_versions.category end) as category,
        coalesce(versions.brand, case when versions.item_id is null then last_versions.brand end) as brand
    from {{ ref('fct_interactions') }} as i
    join cuts
        on i.interaction_date >= cuts.as_of
        and {{ seen_before(end) }}
    left join versions
        on versions.as_of = cuts.as_of
        and versions.item_id = i.item_id
    left join last_versions
        on last_versions.as_of = cuts.as_of
        and last_versions.item_id = i.item_id
    where i.event_type = '{{ var("target_event") }}'
),

subjects as (
    select as_of, user_id, 'category' as kind, category as subject from taken where category is not null
    union all
    select as_of, user_id, 'brand', brand from taken where brand is not null
)

select as_of, user_id, kind, subject, count(*)::integer as n_lines
from subjects
group by as_of, user_id, kind, subject
