{# The device or the person that acted: what sessions and robots are counted by. #}
{% macro visitor_id(of='events') -%}
    coalesce({{ of }}.anonymous_id, {{ of }}.user_id, {{ of }}.session_id)
{%- endmacro %}

{# Joins each row of `events` to its visitor's last session that began by then, as `sessions`: the one that it
   lies in, unless that has ended before it, as before a robot's purchase. The session's columns are null where there
   is none. `of`: the sessions, if not all. #}
{% macro left_join_session(events, sessions='sessions', of=none) -%}
asof left join {{ of or ref('fct_sessions') }} as {{ sessions }}
    on {{ sessions }}.visitor_id = {{ events }}.visitor_id
    and {{ sessions }}.session_id = coalesce({{ events }}.session_id, '')
    and {{ sessions }}.started_at <= {{ events }}.occurred_at
{%- endmacro %}

{# Who is known of whom, by order of knowing. `logins` has the keys, user_id and event_date.
   Gives the keys, user_id (the first user), joined_on (since when), ended_on (since when a second
   user is known, null without one). Of two that came on one date neither was ever the only one. #}
{% macro first_users(logins, keys) -%}
    select
        {{ keys }},
        users[1].user_id as user_id,
        users[1].since as joined_on,
        users[2].since as ended_on
    from (
        select {{ keys }}, list_sort(list({'since': since, 'user_id': user_id})) as users
        from (select {{ keys }}, user_id, min(event_date) as since from {{ logins }} group by all)
        group by all
    )
{%- endmacro %}

{# Two instants of one visit: not further apart than the gap that ends a session. #}
{% macro within_gap(earlier, later) -%}
    coalesce({{ later }} - {{ earlier }} <= interval {{ var('session_gap_minutes') }} minute, false)
{%- endmacro %}
