-- A session that goes on after midnight comes to its first date from others, so that it is part of the
-- fingerprint of each date that it touches: when it grows or loses a part, those dates are built anew.
with continued as (
    select
        list(distinct event_date) as dates,
        sum(hash(
            visitor_id, session_id, session_started_at, started_at, ended_at, event_date,
            n_events, n_looks, n_purchases, items
        )) as fingerprint
    from {{ ref('int_session_parts_stitched') }}
    where touches_midnight
        and (visitor_id, session_id, session_started_at) in (
            select (visitor_id, session_id, session_started_at) from {{ ref('int_sessions_over_midnight') }}
        )
    group by visitor_id, session_id, session_started_at
),

touching as (
    select event_date, sum(fingerprint) as fingerprint
    from (select unnest(dates) as event_date, fingerprint from continued)
    group by event_date
)

select
    event_date,
    dates.days,
    concat_ws('/', dates.fingerprint, coalesce(touching.fingerprint::varchar, '-')) as fingerprint
from {{ ref('int_dates') }} as dates
left join touching using (event_date)
order by event_date
