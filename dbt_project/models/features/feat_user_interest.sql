-- An item counts in the category and the brand that the catalogue gave it by the cut, a year back: an
-- earlier taste is history.
with cuts as (
    select distinct as_of
    from {{ ref('feat_audience_cuts') }}
    where role not like 'churn%'
),

versions as (
    select cuts.as_of, versions.item_id, versions.category, versions.brand
    from {{ ref('dim_item_versions') }} as versions
    join cuts on {{ valid_as_of('cuts.as_of') }}
),

subjects as (
    select as_of, item_id, 'category' as kind, category as subject from versions where category is not null
    union all
    select as_of, item_id, 'brand', brand from versions where brand is not null
),

seen as (
    select cuts.as_of, i.user_id, i.item_id, i.interaction_date
    from {{ ref('fct_interactions') }} as i
    join cuts on {{ seen_before('cuts.as_of') }}
    where i.event_type = '{{ var("target_event") }}'
        and i.interaction_date >= cuts.as_of - 364
)

select
    -- ids
    as_of,
    user_id,
    kind,
    subject,
    -- numerics
    count(*) filter (interaction_date >= as_of - 28)::integer as n_lines_28d,
    count(*) filter (interaction_date >= as_of - 84)::integer as n_lines_84d,
    count(*)::integer as n_lines,
    (as_of - max(interaction_date))::integer as days_since_last
from seen
join subjects using (as_of, item_id)
group by as_of, user_id, kind, subject
