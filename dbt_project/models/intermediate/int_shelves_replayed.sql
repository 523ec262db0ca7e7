-- Where nobody says what was shown, what was published is held against what users took afterwards: of
-- the first ten slots, since a hit rate at ten is what peers report.
with taken as (
    select distinct nights.night, i.user_id, i.item_id
    from {{ source('raw', 'published_nights') }} as nights
    join {{ ref('fct_interactions') }} as i
        on i.interaction_date >= nights.night
        and i.interaction_date < nights.night + 7
    where i.event_type = '{{ var("target_event") }}'
        and i.user_id is not null
        and {{ seen_before("date '" ~ var('night') ~ "'") }}
),

returned as (
    select distinct night, user_id from taken
),

shown as (
    select distinct placement from {{ ref('fct_impressions') }} where unmatched_because is null
),

slots as (
    select *
    from {{ source('raw', 'published') }}
    anti join shown using (placement)
    where rank <= 10
),

own_lists as (
    select returned.user_id, slots.*
    from returned
    join slots
        on slots.night = returned.night
        and slots.context_type = 'user'
        and slots.context_id = returned.user_id
),

-- The list of everybody is that of each user who has none of their own.
lists as (
    from own_lists
    union all
    select returned.user_id, slots.*
    from returned
    join slots
        on slots.night = returned.night
        and slots.context_type = 'all'
    anti join own_lists
        on own_lists.night = returned.night
        and own_lists.placement = slots.placement
        and own_lists.user_id = returned.user_id
)

select
    -- ids
    lists.night,
    lists.placement,
    lists.user_id,
    lists.rank,
    lists.item_id,
    -- the slot
    lists.source,
    lists.model_fingerprint,
    lists.is_exploration,
    taken.item_id is not null as is_taken
from lists
left join taken
    on taken.night = lists.night
    and taken.user_id = lists.user_id
    and taken.item_id = lists.item_id
order by lists.night, lists.placement, lists.user_id, lists.rank
