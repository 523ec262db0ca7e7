-- The best place at which an item was shown to a user in the window after a cut, before the user took
-- it: what the ranker needs to tell taste from what merely stood on top. Any list counts, also one
-- that is not ours: what draws the eye is the place, not who filled it.
with windows as (
    select as_of as cut, next_as_of
    from (select role, as_of, lead(as_of) over (order by as_of) as next_as_of from {{ ref('int_as_ofs') }})
    where role <> 'serve'
),

events as (
    select windows.cut, cleaned.*
    from {{ ref('int_events_cleaned') }} as cleaned
    join windows
        on windows.cut <= cleaned.event_date
        and windows.next_as_of > cleaned.event_date
    where cleaned.dropped_by is null
        and {{ happened_since("date '" ~ var("as_ofs").values() | min ~ "'", 'cleaned') }}
        and cleaned.event_type in ('impression', 'list_view', '{{ var("target_event") }}')
),

shown as (
    select events.cut, events.user_id, events.item_id, events.occurred_at, lists.position
    from events
    join {{ ref('stg_list_events') }} as lists using (file_id, source_row, element)
    where events.event_type in ('impression', 'list_view')
        and events.user_id is not null
        and lists.position >= 1
),

taken as (
    select cut, user_id, item_id, min(occurred_at) as first_at
    from events
    where event_type = '{{ var("target_event") }}'
    group by cut, user_id, item_id
)

select
    -- ids
    shown.cut,
    shown.user_id,
    shown.item_id,
    -- numerics
    min(shown.position) as position
from shown
left join taken using (cut, user_id, item_id)
where taken.first_at is null
    or shown.occurred_at <= taken.first_at
group by shown.cut, shown.user_id, shown.item_id
order by shown.cut, shown.user_id, shown.item_id
