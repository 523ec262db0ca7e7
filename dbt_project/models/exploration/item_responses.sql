-- What the exploring slots of the followed nights brought. They alone are asked: such a slot stands at any
-- rank and before anybody, so that an item owes its clicks to itself and not to a place at the top. As
-- for `nightshelf ope`, a slot counts once for each user, and not where it was shown at another place.
with items as (
    select distinct placement, item_id from {{ ref('ruled_candidates') }}
),

slots as (
    select placement, item_id, bool_or(n_clicks > 0) as is_clicked
    from {{ ref('fct_impressions') }}
    where is_exploration
        -- Its click may still come.
        and is_followed_1d
        and coalesce(position = rank, true)
    group by placement, item_id, night, context_id, rank
),

counted as (
    select placement, item_id, count(*) as n_shown, count(*) filter (is_clicked) as n_clicked
    from slots
    group by placement, item_id
),

arrivals as (
    select item_id from {{ ref('feat_arrivals') }} where not has_graduated
)

select
    -- ids
    items.placement,
    items.item_id,
    -- numerics
    coalesce(counted.n_shown, 0)::bigint as n_shown,
    coalesce(counted.n_clicked, 0)::bigint as n_clicked,
    -- booleans
    arrivals.item_id is not null as is_new
from items
left join counted using (placement, item_id)
left join arrivals using (item_id)
order by items.placement, items.item_id
