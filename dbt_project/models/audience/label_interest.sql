{{ config(tags=['prepare']) }}

-- What users took in the 28 days after each cut. An item counts where the catalogue had it by the cut;
-- one that came later, where the catalogue has it on the night.
{% set night -%} date '{{ var("night") }}' {%- endset %}
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

taken as (
    select
        cuts.as_of,
        i.user_id,
        coalesce(versions.category, case when versions.item_id is null then items.category end) as category,
        coalesce(versions.brand, case when versions.item_id is null then items.brand end) as brand
    from {{ ref('fct_interactions') }} as i
    join cuts
        on i.interaction_date >= cuts.as_of
        and i.interaction_date < cuts.as_of + 28
    join {{ ref('dim_items') }} as items on items.item_id = i.item_id
    left join versions
        on versions.as_of = cuts.as_of
        and versions.item_id = i.item_id
    where i.event_type = '{{ var("target_event") }}'
        and {{ seen_before(night) }}
),

subjects as (
    select as_of, user_id, 'category' as kind, category as subject from taken where category is not null
    union all
    select as_of, user_id, 'brand', brand from taken where brand is not null
)

select as_of, user_id, kind, subject, count(*)::integer as n_lines
from subjects
group by as_of, user_id, kind, subject
