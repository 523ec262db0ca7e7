-- Whose an anonymous event is, and as of when. A login is known from the date after its own, so what
-- a feature as of a date sees never changes by later logins. As of a date:
--   the session has had one user       that user's
--   the session has had two            nobody's but the visitor's: a shared device
--   it has had none, and the visitor has had one user by then, or had before a second came
--                                      that user's
--   else                               the visitor's own
with parts as (
    select parts.*
    from {{ ref('int_session_parts_stitched') }} as parts
    join {{ ref('int_visitors_joined') }} using (visitor_id)
),

logins as (
    select visitor_id, session_id, session_started_at, event_date, unnest([first_login_id, last_login_id]) as user_id
    from parts
    where first_login_id is not null
),

session_users as (
    {{ first_users('logins', 'visitor_id, session_id, session_started_at') }}
),

known as (
    select distinct
        parts.visitor_id,
        parts.session_id,
        parts.session_started_at,
        parts.event_date,
        visitors.user_id as visitor_user,
        visitors.joined_on as visitor_from,
        visitors.joined_on < coalesce(visitors.ended_on, date 'infinity')
            and parts.event_date < coalesce(visitors.ended_on, date 'infinity') as by_visitor,
        sessions.user_id as session_user,
        sessions.joined_on as session_from,
        sessions.ended_on as session_until,
        coalesce(sessions.joined_on < coalesce(sessions.ended_on, date 'infinity'), false) as by_session
    from parts
    join {{ ref('int_visitors_joined') }} as visitors using (visitor_id)
    left join session_users as sessions using (visitor_id, session_id, session_started_at)
    where parts.n_anonymous > 0
),

spans as (
    -- Until the first login that tells: the visitor's own.
    select
        *,
        visitor_id as user_id,
        null::date as since,
        case when by_visitor then visitor_from when by_session then session_from end as until
    from known

    union all

    -- The visitor's user, until the session tells better.
    select
        *,
        visitor_user,
        visitor_from,
        case when by_session and session_user = visitor_user then session_until else session_from end
    from known
    where by_visitor

    union all

    -- The session's user.
    select *, session_user, session_from, session_until
    from known
    where by_session
        and not (by_visitor and session_user = visitor_user)

    union all

    -- A second user in the session: the visitor's own again.
    select *, visitor_id, session_until, null
    from known
    where session_until is not null
        and (by_visitor or by_session)
)

select
    visitor_id,
    session_id,
    session_started_at,
    event_date,
    user_id,
    case when since > event_date then since end as joined_on,
    until as left_on
from spans
-- What ends before the day after the event, or begins no earlier than it ends, is never seen.
where coalesce(until, date 'infinity') > greatest(coalesce(since, event_date), event_date)
