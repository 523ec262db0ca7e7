with parts as (
    select * from {{ ref('int_session_parts_stitched') }}
),

-- Different items do not add up over midnight: those few sessions are counted anew.
continued as (
    select distinct visitor_id, session_id, session_started_at
    from parts
    where session_started_at <> started_at
),

recounted as (
    select
        parts.visitor_id,
        parts.session_id,
        parts.session_started_at,
        count(distinct events.item_id)::integer as n_items
    from parts
    join continued using (visitor_id, session_id, session_started_at)
    join {{ ref('int_events_deduplicated') }} as events
        on {{ visitor_id() }} = parts.visitor_id
        and coalesce(events.session_id, '') = parts.session_id
        and events.occurred_at between parts.started_at and parts.ended_at
        and events.traffic is null
    group by all
),

summed as (
    select
        visitor_id,
        session_id,
        session_started_at,
        max(ended_at) as ended_at,
        min(event_date) as session_date,
        sum(n_events)::integer as n_events,
        sum(n_looks)::integer as n_looks,
        sum(n_purchases)::integer as n_purchases,
        max(n_items) as n_items
    from parts
    group by visitor_id, session_id, session_started_at
)

select
    -- ids
    visitor_id,
    session_id,
    -- numerics
    n_events,
    n_looks,
    n_purchases,
    coalesce(recounted.n_items, summed.n_items) as n_items,
    -- booleans
    n_purchases > 0 as has_purchase,
    -- when
    session_started_at as started_at,
    ended_at,
    session_date
from summed
left join recounted using (visitor_id, session_id, session_started_at)
order by visitor_id, session_id, started_at
