-- Anonymous visitors whom a login shows to be a user. Only the first user of a device counts here,
-- until a second one is seen on it; int_sessions_joined says what follows for each session.
with logins as (
    select visitor_id, event_date, unnest([first_login_id, last_login_id]) as user_id
    from {{ ref('int_session_parts_stitched') }}
    where first_login_id is not null
        and visitor_id in (select visitor_id from {{ ref('int_session_parts_stitched') }} where n_anonymous > 0)
)

{{ first_users('logins', 'visitor_id') }}
