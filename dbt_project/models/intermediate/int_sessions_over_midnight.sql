-- History ends a session at midnight, the UTC day's and the shop's. Few go on afterwards: only parts
-- that touch a midnight are laid in a row, to see where each session began.
with parts as (
    select visitor_id, session_id, started_at, ended_at, may_continue
    from {{ ref('int_session_parts') }}
    where event_date < date '{{ var("night") }}'
        and (may_continue or may_go_on)
),

marked as (
    select
        *,
        lag(ended_at) over (partition by visitor_id, session_id order by started_at) as previous_ended_at
    from parts
    where (visitor_id, session_id) in (select (visitor_id, session_id) from parts where may_continue)
),

begun as (
    select
        *,
        -- The last part so far that does not go on.
        max(case when not {{ within_gap('previous_ended_at', 'started_at') }} then started_at end)
            over (partition by visitor_id, session_id order by started_at) as session_started_at
    from marked
)

select visitor_id, session_id, started_at, session_started_at
from begun
where session_started_at <> started_at
