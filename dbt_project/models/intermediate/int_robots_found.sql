-- Who looks faster than a shopper can. Counted by the shop's date, not the UTC day: a night sees
-- whole dates only, so that a verdict never changes with what comes after it.
with days as (
    select visitor_id, event_date, sum(n_looks)::bigint as n_looks
    from {{ ref('int_session_parts') }}
    where event_date < date '{{ var("night") }}'
    group by visitor_id, event_date
    -- Fewer in a whole day than a minute allows: no need to look at the minutes.
    having sum(n_looks) > least({{ var('max_views_per_day') }}, {{ var('max_views_per_minute') }})
),

minutes as (
    select
        days.visitor_id,
        days.event_date,
        days.n_looks,
        date_trunc('minute', events.occurred_at) as minute,
        count(*) as n_in_minute
    from {{ ref('int_events_deduplicated') }} as events
    join days
        on days.visitor_id = {{ visitor_id() }}
        and days.event_date = events.event_date
    where events.traffic is null
        and {{ is_look('events.event_type') }}
    group by all
)

select
    visitor_id,
    event_date,
    n_looks,
    max(n_in_minute) as max_looks_in_a_minute
from minutes
group by visitor_id, event_date, n_looks
having n_looks > {{ var('max_views_per_day') }}
    or max(n_in_minute) > {{ var('max_views_per_minute') }}
