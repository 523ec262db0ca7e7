{{ config(materialized='view') }}

-- Parts before the night, of shoppers only, each with the start of the session that it belongs to.
select
    parts.visitor_id,
    parts.session_id,
    coalesce(continued.session_started_at, parts.started_at) as session_started_at,
    parts.first_login_id,
    parts.last_login_id,
    parts.n_events,
    parts.n_looks,
    parts.n_purchases,
    parts.n_anonymous,
    parts.n_items,
    parts.items,
    parts.may_continue or parts.may_go_on as touches_midnight,
    parts.started_at,
    parts.ended_at,
    parts.event_date,
    parts.occurred_on
from {{ ref('int_session_parts') }} as parts
left join {{ ref('int_sessions_over_midnight') }} as continued
    on continued.visitor_id = parts.visitor_id
    and continued.session_id = parts.session_id
    and continued.started_at = parts.started_at
left join {{ ref('int_robots_found') }} as robots
    on robots.visitor_id = parts.visitor_id
    and robots.event_date = parts.event_date
where parts.event_date < date '{{ var("night") }}'
    and robots.visitor_id is null
    and not (
        {{ has_internal_id(
            'case when parts.first_login_id = parts.last_login_id then parts.first_login_id end', 'parts.visitor_id') }}
    )
