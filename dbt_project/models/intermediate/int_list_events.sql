-- What the list_id says is what somebody's web page says: it names a shelf, and proves nothing.
with events as (
    select *
    from {{ ref('int_events_cleaned') }} as events
    where dropped_by is null
        and event_type in ('impression', 'list_view', 'click')
        and {{ happened_since("date '" ~ var("night") ~ "' - " ~ var('followed_days')) }}
),

named as (
    select
        events.*,
        lists.list_id,
        lists.position,
        {{ parts_of_list_id('lists.list_id') }} as said
    from events
    join {{ ref('stg_list_events') }} as lists using (file_id, source_row, element)
)

select
    -- ids
    source,
    event_id,
    user_id,
    visitor_id,
    item_id,
    -- what happened
    -- GA4, Segment and Snowplow tell of a list once, and of each item on it: an impression of each.
    case when event_type = 'list_view' then 'impression' else event_type end as event_type,
    -- the list
    list_id,
    position,
    nullif(said.placement, '') as placement,
    nullif(said.context, '') as context_named,
    try_cast(nullif(said.night, '') as date) as night_named,
    coalesce(said.night, '') <> '' as is_night_named,
    -- when
    occurred_at,
    occurred_on,
    event_date
from named
