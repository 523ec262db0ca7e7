-- An event of a known user, or of a visitor of whom no login tells, has one holder for ever. One of a
-- visitor who is joined to a user changes hands, and is told once for each span of knowing.
with kept as (
    select
        cleaned.*,
        cancelled.cancelled_on
    from {{ ref('int_events_cleaned') }} as cleaned
    left join {{ ref('int_purchases_cancelled') }} as cancelled using (occurred_on, source, event_id)
    where cleaned.dropped_by is null
        and cleaned.event_type in (
            {%- for type in var('event_weights') %}'{{ type }}'{{ ', ' if not loop.last }}{% endfor -%}
        )
),

of_one_holder as (
    select
        user_id, item_id, event_type, event_date, cancelled_on, quantity, unit_price,
        null::date as joined_on, null::date as left_on
    from kept
    where user_id is not null
        and (is_known or visitor_id not in (select visitor_id from {{ ref('int_visitors_joined') }}))
),

of_joined_visitors as (
    select *
    from kept
    where not is_known
        and visitor_id in (select visitor_id from {{ ref('int_visitors_joined') }})
),

-- What a robot bought lies in no visit of a shopper's, and no login tells whose it was: it stays the
-- visitor's own for ever.
of_many_holders as (
    select
        coalesce(holders.user_id, events.user_id) as user_id, events.item_id, events.event_type, events.event_date, events.cancelled_on,
        events.quantity, events.unit_price, holders.joined_on, holders.left_on
    from of_joined_visitors as events
    {{ left_join_session('events') }}
    left join {{ ref('int_sessions_joined') }} as holders
        on holders.visitor_id = sessions.visitor_id
        and holders.session_id = sessions.session_id
        and holders.session_started_at = sessions.started_at
        and holders.event_date = events.event_date
    where not ({{ has_internal_id('holders.user_id', 'events.visitor_id') }})
),

events as (
    from of_one_holder
    union all
    from of_many_holders
),

-- Where something changes hands, a (user, item, type, date) is cut into spans that do not overlap, so
-- that whoever looks as of a date sees one row of it at most, and a day is counted once.
changing as (
    select distinct user_id, item_id, event_type, event_date
    from of_many_holders
    where joined_on is not null
        or left_on is not null
),

cuts as (
    select user_id, item_id, event_type, event_date, coalesce(joined_on, event_date) as since
    from events
    join changing using (user_id, item_id, event_type, event_date)
    union
    select user_id, item_id, event_type, event_date, left_on
    from events
    join changing using (user_id, item_id, event_type, event_date)
    where left_on is not null
),

spans as (
    select
        *,
        lead(since) over (partition by user_id, item_id, event_type, event_date order by since) as until
    from cuts
),

cut_events as (
    select
        events.* exclude (joined_on, left_on),
        nullif(spans.since, spans.event_date) as joined_on,
        spans.until as left_on
    from events
    join spans using (user_id, item_id, event_type, event_date)
    where coalesce(events.joined_on, events.event_date) <= spans.since
        and coalesce(events.left_on, date 'infinity') > spans.since
),

whole_events as (
    select events.*
    from events
    anti join changing using (user_id, item_id, event_type, event_date)
),

dated as (
    from whole_events
    union all by name
    from cut_events
)

select
    -- ids
    user_id,
    item_id,
    event_type,
    -- when
    event_date as interaction_date,
    joined_on,
    left_on,
    -- A day's purchases are cancelled when the last of them is.
    case when count(cancelled_on) = count(*) then max(cancelled_on) end as cancelled_on,
    -- numerics
    count(*)::integer as n_events,
    sum(quantity)::bigint as quantity,
    sum(quantity * unit_price)::decimal(18, 4) as revenue,
    (case event_type
        {%- for type, weight in var('event_weights').items() %} when '{{ type }}' then {{ weight }} {% endfor -%}
        end)::decimal(9, 4) as weight
from dated
group by user_id, item_id, event_type, event_date, joined_on, left_on
order by user_id, item_id, event_date, event_type, joined_on nulls first
