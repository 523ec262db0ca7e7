-- What comes to a date from others is a refund of its purchases and whom logins show its anonymous events to
-- be of. Both are part of its fingerprint, so that a late refund or login has the dates built anew that it
-- reaches, and no others.
with refunds as (
    select event_date, sum(hash(source, occurred_on, event_id, cancelled_on)) as fingerprint
    from {{ ref('int_purchases_cancelled') }}
    group by event_date
),

logins as (
    select event_date, sum(hash(visitor_id, session_id, session_started_at, user_id, joined_on, left_on)) as fingerprint
    from {{ ref('int_sessions_joined') }}
    group by event_date
)

select
    event_date,
    dates.days,
    concat_ws('/', dates.fingerprint, coalesce(refunds.fingerprint::varchar, '-'), coalesce(logins.fingerprint::varchar, '-'))
        as fingerprint
from {{ ref('int_dates') }} as dates
left join refunds using (event_date)
left join logins using (event_date)
order by event_date
